//! Hosts that crash, and networks that lose packets.

use std::io::Write;
use std::net::{SocketAddrV6, TcpListener, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use super::Watch;
use super::hosts::{CLIENT, Cable, SERVER};
use crate::client::some;
use crate::conversations::transfer::pattern;
use crate::server::{rest, within};
use crate::{Client, Config, Program, Server, cases};

cases! { "faults";
    notices_a_host_that_crashed_in_a_download("ip", "unshare", "root"),
    notices_a_host_that_crashed_in_an_upload("ip", "unshare", "iptables", "root"),
    notices_an_idle_host_that_crashed("ip", "unshare", "iptables", "root"),
    notices_at_once_a_host_that_has_restarted("ip", "unshare", "iptables", "root"),
    waits_for_a_client_that_pauses("ip", "unshare", "root"),
    says_that_a_silent_host_cannot_be_reached("ip", "unshare", "iptables", "root"),
    says_that_a_host_is_unreachable("ip", "unshare", "iptables", "root"),
    goes_on_when_packets_are_lost("ip", "unshare", "python3", "root"),
    goes_on_after_the_link_was_down("ip", "unshare", "root"),
    serves_clients_of_its_link("ip", "unshare", "root"),
    waits_for_no_silent_name_server("ip", "unshare", "mount", "root"),
}

/// What these servers are told: see [`Config`].
const VANISHED: &str = "[limits]\nvanished = \"3s\"";
/// That, and a second as promised, and what a busy machine needs.
const GONE: Duration = Duration::from_secs(3 + 1 + 4);

/// Waits until the sessions of clients that have vanished are gone.
fn are_noticed(server: &Server, watch: &Watch<'_>) {
    let begun = Instant::now();
    within(GONE, "the sessions are gone", || {
        server.descriptors() <= watch.descriptors()
    });
    let took = begun.elapsed();
    assert!(
        took > Duration::from_secs(1),
        "gone before it was noticed: {took:?}"
    );
}

/// R05: by the loss of its link; data is on its way to it.
fn notices_a_host_that_crashed_in_a_download(program: &Program) {
    let cable = Cable::new();
    let server = cable.start(program, Config::default().table(VANISHED));
    server.put("f.bin", &vec![1; 50_000_000]);
    cable.client.inside(|| {
        let watch = Watch::begin(&server);
        let mut client = server.login();
        let data = client.data();
        client.command("RETR f.bin", 150);
        let _ = some(&data, 1_000);
        cable.client.run("ip link set cable down");
        are_noticed(&server, &watch);
        cable.client.run("ip link set cable up");
        drop((client, data));
        watch.ends_well();
    });
}

/// A host crashes when its clients are as `begin` leaves them.
fn crash<Clients>(program: &Program, begin: impl FnOnce(&Server) -> Clients + Send) -> Server {
    let cable = Cable::new();
    let server = cable.start(program, Config::default().table(VANISHED));
    cable.client.inside(|| {
        let watch = Watch::begin(&server);
        let clients = begin(&server);
        cable.cut();
        are_noticed(&server, &watch);
        cable.mend();
        drop(clients);
        watch.ends_well();
    });
    server
}

/// R05, R06: no data is on its way to it, and an upload is open.
fn notices_a_host_that_crashed_in_an_upload(program: &Program) {
    let server = crash(program, |server| {
        let mut client = server.login();
        let mut data = client.data();
        client.command("STOR f.bin", 150);
        data.write_all(&[1; 100_000]).expect("to send");
        (client, data)
    });
    assert!(!server.has("f.bin"));
}

/// R06: before and after the login.
fn notices_an_idle_host_that_crashed(program: &Program) {
    crash(program, |server| [server.login(), server.connect()]);
}

/// R07: it answers with a reset.
fn notices_at_once_a_host_that_has_restarted(program: &Program) {
    let cable = Cable::new();
    let server = cable.start(program, Config::default());
    server.put("f.bin", &vec![1; 50_000_000]);
    cable.client.inside(|| {
        let watch = Watch::begin(&server);
        let mut client = server.login();
        let data = client.data();
        client.command("RETR f.bin", 150);
        let _ = some(&data, 1_000);
        cable.cut();
        // Neither says goodbye: what they send is lost.
        crate::client::reset(data);
        client.reset();
        assert!(server.descriptors() > watch.descriptors(), "it was told");
        cable.mend();
        watch.is_at_rest();
        watch.ends_well();
    });
}

/// A player of videos does, for longer than an answer of its host may take.
fn waits_for_a_client_that_pauses(program: &Program) {
    let cable = Cable::new();
    let server = cable.start(program, Config::default().table(VANISHED));
    let content = pattern(20_000_000);
    server.put("f.bin", &content);
    cable.client.inside(|| {
        let watch = Watch::begin(&server);
        let mut client = server.login();
        let data = client.data();
        client.command("RETR f.bin", 150);
        thread::sleep(Duration::from_secs(8));
        assert!(rest(data) == content, "cut off");
        client.expect(226);
        drop(client);
        watch.ends_well();
    });
}

/// An active transfer to a host that does not let it in; others do not notice.
fn cannot_be_reached(program: &Program, target: &str, limit: &str) {
    let cable = Cable::new();
    let limits = format!("[limits]\nconnect = \"{limit}\"");
    let server = cable.start(program, Config::default().table(&limits));
    cable.client.inside(|| {
        let watch = Watch::begin(&server);
        let listener = TcpListener::bind((CLIENT, 0)).expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        cable
            .client
            .run(&format!("iptables -A INPUT -p tcp --dport {port} {target}"));
        let mut client = server.login();
        client.command(&format!("EPRT |1|{CLIENT}|{port}|"), 200);
        client.send("NLST");
        super::stores_and_fetches(&server);
        client.expect(425);
        listener.set_nonblocking(true).expect("not to block");
        assert!(listener.accept().is_err(), "it was reached");
        client.command("NOOP", 200);
        drop(client);
        watch.ends_well();
    });
}

/// R20.
fn says_that_a_silent_host_cannot_be_reached(program: &Program) {
    cannot_be_reached(program, "-j DROP", "2s");
}

/// R21: at once, not only after the time that a connection may take.
fn says_that_a_host_is_unreachable(program: &Program) {
    for answer in [
        "icmp-host-unreachable",
        "icmp-port-unreachable",
        "tcp-reset",
    ] {
        let target = format!("-j REJECT --reject-with {answer}");
        cannot_be_reached(program, &target, "10m");
    }
}

/// Uploads and downloads.
fn both_ways(server: &Server, client: &mut Client, content: &[u8]) {
    client.store("f.bin", content);
    assert!(server.content("f.bin") == content, "stored other bytes");
    assert!(client.fetch("f.bin") == content, "fetched other bytes");
}

/// If set, R22 moves so many bytes in each direction.
const LOSSY: &str = "WHARF_LOSSY_BYTES";

/// R22: each tenth is, in both directions, and the others come late and in another order.
fn goes_on_when_packets_are_lost(program: &Program) {
    let mut cable = Cable::bad();
    let server = cable.start(program, Config::default());
    cable.client.inside(|| {
        let watch = Watch::begin(&server);
        let mut client = server.login();
        let bytes = std::env::var(LOSSY).map(|bytes| bytes.parse().expect("a number"));
        both_ways(&server, &mut client, &pattern(bytes.unwrap_or(1_000_000)));
        drop(client);
        watch.ends_well();
    });
    let (lost, all) = cable.lost();
    assert!(
        lost > 100 && lost > all / 20,
        "{lost} of {all} packets lost"
    );
}

/// R24: in a transfer.
fn goes_on_after_the_link_was_down(program: &Program) {
    let cable = Cable::new();
    let server = cable.start(program, Config::default());
    let content = pattern(50_000_000);
    server.put("f.bin", &content);
    cable.client.inside(|| {
        let watch = Watch::begin(&server);
        let mut client = server.login();
        let data = client.data();
        client.command("RETR f.bin", 150);
        let mut got = some(&data, 1_000);
        cable.client.run("ip link set cable down");
        thread::sleep(Duration::from_secs(10));
        cable.client.run("ip link set cable up");
        got.extend(rest(data));
        assert!(got == content, "other bytes");
        client.expect(226);
        drop(client);
        watch.ends_well();
    });
}

/// Link-local addresses mean nothing without the link.
fn serves_clients_of_its_link(program: &Program) {
    let cable = Cable::new();
    for (host, address) in [(&cable.server, "fe80::1"), (&cable.client, "fe80::2")] {
        host.run(&format!("ip address add {address}/64 dev cable nodad"));
        // Another link where the same addresses would do.
        host.run("ip link add other type veth peer name another");
        host.run("ip link set other up");
    }
    let server = cable
        .server
        .inside(|| program.start(Config::default().listen(&["[::]:0"])));
    server.put("f.bin", b"hello");
    cable.client.inside(|| {
        let scope = rustix::net::netdevice::name_to_index(
            crate::client::new_socket(rustix::net::AddressFamily::INET6),
            "cable",
        )
        .expect("an index");
        let ip = "fe80::1".parse().expect("an address");
        let address = SocketAddrV6::new(ip, server.address().port(), 0, scope);
        let mut client = Client::connect(address.into());
        client.login("user", "12345");
        assert_eq!(client.fetch("f.bin"), b"hello");
        client.store("up.bin", b"new");
        let listener = client.active();
        assert_eq!(client_data(&mut client, &listener), b"hello");
        // As Python's ftplib writes it, whose name of the link is its own.
        let port = listener.local_addr().expect("an address").port();
        client.command(&format!("EPRT |2|fe80::2%cable|{port}|"), 200);
        assert_eq!(client_data(&mut client, &listener), b"hello");
    });
    assert_eq!(server.content("up.bin"), b"new");
}

fn client_data(client: &mut Client, listener: &TcpListener) -> Vec<u8> {
    client.command("RETR f.bin", 150);
    let bytes = rest(listener.accept().expect("a data connection").0);
    client.expect(226);
    bytes
}

/// The name that PASV announces cannot be looked up.
fn waits_for_no_silent_name_server(program: &Program) {
    let cable = Cable::new();
    // It takes questions and answers none.
    let _silent = cable
        .server
        .inside(|| UdpSocket::bind((SERVER, 53)).expect("a name server"));
    let script = format!(
        "echo 'nameserver {SERVER}\noptions timeout:2 attempts:2' >HOME/../names && \
         mount --bind HOME/../names /etc/resolv.conf && exec \"$@\""
    );
    let config = Config::default()
        .through(&["unshare", "--mount", "sh", "-c", &script, "sh"])
        .table("[passive]\naddress = \"ftp.example.org\"");
    let server = cable.start(program, config);
    server.put("f.bin", b"hello");
    cable.client.inside(|| {
        let begun = Instant::now();
        let mut clients: Vec<Client> = (0..3).map(|_| server.login()).collect();
        assert_eq!(clients[0].fetch("f.bin"), b"hello");
        assert!(begun.elapsed() < Duration::from_secs(2), "EPSV waits");
        for client in &mut clients {
            client.send("PASV");
        }
        for client in &mut clients {
            client.expect(227);
        }
        let first = begun.elapsed();
        assert!(first > Duration::from_secs(1), "it was answered");
        assert!(
            first < Duration::from_secs(15),
            "one after the other: {first:?}"
        );
        let begun = Instant::now();
        for client in &mut clients {
            let address = client.pasv();
            assert_eq!(address.ip().to_string(), SERVER);
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "asked again");
    });
    let log = cable.client.inside(|| server.whole_log());
    assert_eq!(log.matches("cannot be looked up").count(), 1, "{log}");
}
