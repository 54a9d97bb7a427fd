//! The server as a process: signals, limits, descriptors, the command line.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

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
    survives_peers_that_vanish,
    listens_on_several_addresses,
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
