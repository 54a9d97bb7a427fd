//! Hosts that crash, and networks that lose packets.

use std::io::Write;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use super::Watch;
use super::hosts::{CLIENT, Cable};
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
