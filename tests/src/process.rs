//! The server as a process: signals, limits, descriptors, the command line.

use std::io::Write as _;
use std::net::{IpAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::client::some;
use crate::server::{Config, eventually, rest};
use crate::{Client, Program, cases};

cases! { "process";
    stops_on_sigterm_and_tells_idle_clients,
    lets_transfers_finish_within_the_grace_time,
    aborts_transfers_after_the_grace_time,
    ends_at_once_on_a_second_signal,
    restarts_on_the_same_port_at_once,
    refuses_clients_beyond_its_limits,
    survives_a_lack_of_descriptors("prlimit"),
    tells_a_client_for_whom_there_is_no_descriptor("prlimit"),
    hangs_nobody_for_want_of_descriptors("prlimit"),
    raises_its_limit_of_descriptors("prlimit"),
    survives_peers_that_vanish,
    listens_on_several_addresses,
    serves_both_families_on_one_address,
    does_without_ipv6("strace", "unshare", "root"),
    sends_active_data_from_a_port_of_its_own,
    says_that_it_may_not_use_its_active_port("setpriv", "root"),
    serves_a_directory_by_default,
    lets_anonymous_clients_write_when_asked,
    refuses_a_bad_configuration,
    hashes_a_password,
    survives_interrupted_calls,
}

const MOMENT: Duration = Duration::from_secs(5);

fn stops_on_sigterm_and_tells_idle_clients(program: &Program) {
    let mut server = program.serve();
    let mut clients = [server.login(), server.connect()];
    server.signal(Signal::TERM);
    for client in &mut clients {
        client.expect(421);
        client.expect_end();
    }
    assert_eq!(server.wait(MOMENT).code(), Some(0));
    assert!(TcpStream::connect(server.address()).is_err());
}

fn lets_transfers_finish_within_the_grace_time(program: &Program) {
    let mut server = program.start(Config::default().table("[limits]\ngrace = \"10s\""));
    server.put("f.bin", &vec![1; 40_000_000]);
    let mut client = server.login();
    let data = client.data();
    client.command("RETR f.bin", 150);
    let begun = some(&data, 1_000).len();
    server.signal(Signal::INT);
    thread::sleep(Duration::from_millis(200));
    assert_eq!(rest(data).len() + begun, 40_000_000);
    client.expect(226);
    client.expect(421);
    client.expect_end();
    assert_eq!(server.wait(MOMENT).code(), Some(0));
}

fn aborts_transfers_after_the_grace_time(program: &Program) {
    let mut server = program.start(Config::default().table("[limits]\ngrace = \"1s\""));
    server.put("f.bin", b"the old file");
    let mut client = server.login();
    let mut data = client.data();
    client.command("STOR f.bin", 150);
    data.write_all(b"new").expect("to send");
    server.signal(Signal::TERM);
    client.expect(426);
    client.expect(421);
    assert_eq!(server.wait(MOMENT).code(), Some(0));
    assert_eq!(server.content("f.bin"), b"the old file");
}

fn ends_at_once_on_a_second_signal(program: &Program) {
    let mut server = program.serve();
    let mut client = server.login();
    let _data = client.data();
    client.command("STOR f.bin", 150);
    server.signal(Signal::TERM);
    eventually("the first signal is seen", || {
        server.log().contains("stopping")
    });
    server.signal(Signal::TERM);
    assert_eq!(server.wait(MOMENT).code(), Some(128 + 15));
}

fn restarts_on_the_same_port_at_once(program: &Program) {
    let mut server = program.serve();
    let address = server.address();
    let mut client = server.login();
    client.store("f.bin", b"hello");
    // The server closes first, so that its side is the one in TIME_WAIT.
    server.signal(Signal::TERM);
    client.expect(421);
    server.wait(MOMENT);
    let server = program.start(Config::default().listen(&[&address.to_string()]));
    assert_eq!(server.address(), address);
    server.still_serves();
}

fn refuses_clients_beyond_its_limits(program: &Program) {
    let limits = "[limits]\nsessions = 5\nsessions-per-address = 3";
    let server = program.start(Config::default().table(limits));
    let clients: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    let mut refused = Client::silent(server.address());
    let text = refused.expect(421);
    assert!(text.contains("try again later"), "{text}");
    refused.expect_end();
    drop(clients);
    eventually("a place is free", || {
        let (code, _) = Client::silent(server.address()).reply();
        code == 220
    });
    eventually("all places are free", || {
        let log = server.log();
        log.matches(" disconnected ").count() == log.matches(" connected ").count()
    });
    server.still_serves();
}

fn survives_a_lack_of_descriptors(program: &Program) {
    let server = program.start(Config::default().through(&["prlimit", "--nofile=40"]));
    let before = cpu_time(server.pid());
    let clients: Vec<TcpStream> = (0..60)
        .map(|_| TcpStream::connect(server.address()).expect("a connection"))
        .collect();
    thread::sleep(Duration::from_secs(2));
    let spent = cpu_time(server.pid()) - before;
    assert!(
        spent < 50,
        "{spent} ticks of 10 ms spent on waiting for descriptors"
    );
    drop(clients);
    eventually("clients are accepted again", || {
        Client::silent(server.address()).reply().0 == 220
    });
    server.still_serves();
}

/// What a server may have that is short of descriptors.
const FEW: &str = "--nofile=40";

fn tells_a_client_for_whom_there_is_no_descriptor(program: &Program) {
    let server = program.start(
        Config::default()
            .through(&["prlimit", FEW])
            .tls("")
            .implicit(&["127.0.0.1:0"]),
    );
    let mut accepted = Vec::new();
    let mut refused = 0;
    for _ in 0..60 {
        let mut client = Client::silent(server.address());
        let begun = Instant::now();
        match client.reply() {
            (220, _) => accepted.push(client),
            (421, text) => {
                assert!(text.contains("try again later"), "{text}");
                client.expect_end();
                refused += 1;
            }
            (_, text) => panic!("{text}"),
        }
        assert!(begun.elapsed() < MOMENT, "told too late");
    }
    assert!(
        accepted.len() > 10 && refused > 10,
        "{} accepted, {refused} refused",
        accepted.len()
    );
    // Where TLS comes first nothing can be said, but nobody waits. Several who come at once do not
    // take each other's descriptor.
    for _ in 0..40 {
        let mut silent = Client::silent(server.implicit());
        let mut told = Client::silent(server.address());
        told.expect(421);
        silent.expect_end();
    }
    for client in &mut accepted {
        client.command("NOOP", 200);
    }
    let log = server.log();
    assert!(
        log.contains("there are too few descriptors for so many sessions"),
        "{log}"
    );
    assert!(log.contains("no descriptor"), "{log}");
    drop(accepted);
    eventually("clients are accepted again", || {
        Client::silent(server.address()).reply().0 == 220
    });
    server.still_serves();
}

/// Whatever a client asks for, it is told something soon.
fn hangs_nobody_for_want_of_descriptors(program: &Program) {
    let server = program.start(Config::default().through(&["prlimit", FEW]));
    server.put("f.bin", &vec![1; 10_000_000]);
    let mut clients = Vec::new();
    loop {
        let mut client = Client::silent(server.address());
        if client.reply().0 != 220 {
            break;
        }
        client.login("user", "12345");
        clients.push(client);
    }
    let idle = clients.split_off(clients.len() - 6);
    // As many descriptors are left for all the others.
    drop(idle);
    let mut moving = Vec::new();
    let (mut done, mut refused) = (0, 0);
    for (turn, client) in clients.iter_mut().enumerate() {
        let (code, text) = client.one_of("EPSV", &[229, 425]);
        if code == 425 {
            refused += 1;
            continue;
        }
        let port = text
            .split('|')
            .nth(3)
            .and_then(|port| port.parse().ok())
            .expect("a port");
        let data = crate::client::connect_data((server.address().ip(), port).into());
        let command = ["RETR f.bin", "NLST", "STOR new.bin"][turn % 3];
        match client.one_of(command, &[150, 425, 450, 451, 452, 550]).0 {
            150 => {
                done += 1;
                moving.push(data);
            }
            _ => refused += 1,
        }
    }
    assert!(done > 0 && refused > 0, "{done} done, {refused} refused");
    drop((moving, clients));
    eventually("all is free again", || {
        Client::silent(server.address()).reply().0 == 220
    });
    server.still_serves();
}

fn raises_its_limit_of_descriptors(program: &Program) {
    let server = program.start(Config::default().through(&["prlimit", "--nofile=64:4000"]));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).expect("limits");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let numbers: Vec<&str> = line
        .unwrap_or_default()
        .split_whitespace()
        .skip(3)
        .take(2)
        .collect();
    assert_eq!(numbers, ["4000", "4000"]);
    let clients: Vec<Client> = (0..60).map(|_| server.login()).collect();
    drop(clients);
    assert!(
        !server.log().contains("too few descriptors"),
        "4000 do for 512 sessions"
    );
}

/// Ticks of CPU time that a process has used.
pub(crate) fn cpu_time(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split(' ')
        .collect();
    fields[12].parse::<u64>().expect("user time") + fields[13].parse::<u64>().expect("system time")
}

fn survives_peers_that_vanish(program: &Program) {
    let server = program.serve();
    server.put("f.bin", &vec![1; 10_000_000]);
    let _first = server.login();
    let before = server.descriptors();
    for _ in 0..20 {
        // Before it is accepted, in the greeting, in a command, in a transfer.
        crate::client::reset(TcpStream::connect(server.address()).expect("a connection"));
        server.connect().reset();
        let mut client = server.login();
        client.send("LIST");
        client.reset();
        let mut client = server.login();
        let data = client.data();
        client.command("RETR f.bin", 150);
        crate::client::reset(data);
        client.expect(426);
        client.reset();
    }
    eventually("nothing is left of them", || server.descriptors() <= before);
    server.still_serves();
}

fn listens_on_several_addresses(program: &Program) {
    let server =
        program.start(Config::default().listen(&["127.0.0.1:0", "127.0.0.2:0", "[::1]:0"]));
    for address in server.addresses() {
        Client::connect(*address).login("user", "12345");
    }
}

fn serves_both_families_on_one_address(program: &Program) {
    let server = program.start(Config::default().listen(&["[::]:0"]));
    server.put("f.bin", b"hello");
    let port = server.address().port();
    for address in ["127.0.0.1", "::1"] {
        let mut client =
            Client::connect((address.parse::<IpAddr>().expect("an address"), port).into());
        client.login("user", "12345");
        assert_eq!(client.fetch("f.bin"), b"hello");
        let listener = client.active();
        client.command("RETR f.bin", 150);
        let (data, from) = listener.accept().expect("a data connection");
        assert_eq!(from.ip().to_string(), address);
        assert_eq!(rest(data), b"hello");
        client.expect(226);
        if address == "127.0.0.1" {
            assert_eq!(client.pasv().ip().to_string(), address);
        }
    }
    // IPv4 is written as such.
    let log = server.whole_log();
    assert!(
        log.contains("peer=127.0.0.1:") && !log.contains("ffff"),
        "{log}"
    );
    // Where another listener is for IPv4, it is for IPv6 alone.
    drop(server);
    let both = ["0.0.0.0", "[::]"].map(|address| format!("{address}:{port}"));
    let server = program.start(Config::default().listen(&[&both[0], &both[1]]));
    for address in ["127.0.0.1", "::1"] {
        let address: IpAddr = address.parse().expect("an address");
        server.still_serves();
        let _ = Client::connect((address, port).into());
    }
}

/// What the server says that is started with these arguments in a network of its own, in which
/// no socket for IPv6 can be made: the `socket`th call is one.
fn without_ipv6(
    program: &Program,
    socket: usize,
    arguments: &str,
) -> (String, String, Option<i32>) {
    let folder = tempfile::tempdir().expect("a directory");
    let line = format!(
        "ip link set lo up; exec timeout 3 strace -f -qq -o trace \
         -e inject=socket:error=EAFNOSUPPORT:when={socket} \"$1\" {arguments} ."
    );
    let output = Command::new("unshare")
        .args(["--net", "sh", "-c", &line, "sh", program.0])
        .current_dir(folder.path())
        .output()
        .expect("unshare starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        text(&output.stdout),
        text(&output.stderr),
        output.status.code(),
    )
}

fn does_without_ipv6(program: &Program) {
    let (said, log, _) = without_ipv6(program, 2, "");
    assert!(
        said.contains("listening on 127.0.0.1:2121\nserving "),
        "{said}{log}"
    );
    assert!(
        log.contains("not listening") && log.contains("[::1]:2121"),
        "{log}"
    );
    // Whoever has asked for it is told so.
    let (said, log, code) = without_ipv6(program, 1, "-l [::]:2121");
    assert_eq!(code, Some(1), "{said}{log}");
    assert!(log.contains("cannot listen on [::]:2121: "), "{log}");
    assert!(log.contains("an IPv4 address such as 0.0.0.0"), "{log}");
}

fn sends_active_data_from_a_port_of_its_own(program: &Program) {
    let (port, _) = crate::conversations::data::range(29_900);
    let server = program.start(Config::default().table(&format!("[active]\nport = {port}")));
    server.put("f.bin", &vec![1; 1_000_000]);
    let mut clients: Vec<Client> = (0..5).map(|_| server.login()).collect();
    for _ in 0..3 {
        // All at once, and again while those before are in TIME_WAIT.
        let transfers: Vec<TcpStream> = clients
            .iter_mut()
            .map(|client| {
                let listener = client.active();
                client.command("RETR f.bin", 150);
                let (data, from) = listener.accept().expect("a data connection");
                assert_eq!(from.port(), port);
                data
            })
            .collect();
        for (client, data) in clients.iter_mut().zip(transfers) {
            assert_eq!(rest(data).len(), 1_000_000);
            client.expect(226);
        }
    }
    // Passive ones come to others.
    assert_eq!(clients[0].fetch("f.bin").len(), 1_000_000);
}

fn says_that_it_may_not_use_its_active_port(program: &Program) {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("wharf.toml");
    std::fs::write(&file, "listen = [\"127.0.0.1:0\"]\n[active]\nport = 20\n").expect("a file");
    let output = Command::new("setpriv")
        .args(["--bounding-set=-net_bind_service", program.0, "--config"])
        .args([&file, folder.path()])
        .output()
        .expect("setpriv starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("active data cannot come from port 20: "),
        "{text}"
    );
    assert!(text.contains("CAP_NET_BIND_SERVICE"), "{text}");
}

fn serves_a_directory_by_default(program: &Program) {
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::write(folder.path().join("a.txt"), b"hello").expect("a file");
    let (mut child, address, text) = launch(program, &["-l", "127.0.0.1:0"], folder.path());
    let mut client = Client::connect(address);
    client.login("anonymous", "x");
    assert_eq!(client.fetch("a.txt"), b"hello");
    let _data = client.data();
    client.command("STOR b.txt", 550);
    assert!(
        text.contains(&folder.path().display().to_string()),
        "{text}"
    );
    let _ = child.kill();
    let _ = child.wait();
}

fn lets_anonymous_clients_write_when_asked(program: &Program) {
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::write(folder.path().join("a.txt"), b"hello").expect("a file");
    let (mut child, address, _) = launch(program, &["-w", "-l", "127.0.0.1:0"], folder.path());
    let mut client = Client::connect(address);
    client.login("anonymous", "x");
    client.store("b.txt", b"new");
    client.command("MKD d", 257);
    let _data = client.data();
    for line in [
        "STOR a.txt",
        "APPE a.txt",
        "DELE a.txt",
        "RMD d",
        "RNFR a.txt",
    ] {
        client.command(line, 550);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Starts the binary on a directory, and reads what it says until it serves.
fn launch(
    program: &Program,
    options: &[&str],
    folder: &std::path::Path,
) -> (std::process::Child, std::net::SocketAddr, String) {
    use std::io::BufRead as _;
    let mut child = Command::new(program.0)
        .args(options)
        .arg(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server starts");
    let mut reader = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
    let mut text = String::new();
    while !text.contains("serving ") {
        assert!(reader.read_line(&mut text).expect("a line") > 0, "{text}");
    }
    let address = text
        .lines()
        .find_map(|line| line.strip_prefix("listening on "));
    let address = address
        .and_then(|address| address.parse().ok())
        .expect("an address");
    (child, address, text)
}

fn refuses_a_bad_configuration(program: &Program) {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("wharf.toml");
    std::fs::write(&file, "greeting = \"x\"\nlisten = [\"nonsense\"]\n").expect("a file");
    let output = Command::new(program.0)
        .arg("-c")
        .arg(&file)
        .output()
        .expect("the server starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("wharf.toml:2"), "{text}");
}

fn hashes_a_password(program: &Program) {
    let mut child = Command::new(program.0)
        .arg("--hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(b"secret\n")
        .expect("to write");
    let hash = String::from_utf8(rest(child.stdout.take().expect("a pipe"))).expect("text");
    assert!(child.wait().expect("a status").success());
    assert!(hash.starts_with("$argon2id$v=19$"), "{hash}");
    let user = format!(
        "[[user]]\nname = \"other\"\npassword = {:?}\nhome = \"HOME\"",
        hash.trim()
    );
    let server = program.start(Config::default().table(&user));
    let mut client = server.connect();
    client.login("other", "secret");
}

fn survives_interrupted_calls(program: &Program) {
    let server = program.serve();
    let content = vec![3; 20_000_000];
    server.put("f.bin", &content);
    let mut client = server.login();
    let data = client.data();
    client.command("RETR f.bin", 150);
    for _ in 0..5 {
        server.signal(Signal::STOP);
        thread::sleep(Duration::from_millis(10));
        server.signal(Signal::CONT);
    }
    assert!(rest(data) == content);
    client.expect(226);
    server.still_serves();
}
