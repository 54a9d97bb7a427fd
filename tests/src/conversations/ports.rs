//! Passive ports: how few do, who gets which, and who is dropped.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::Signal;

use super::transfer::pattern;
use crate::client::{connect_data, connect_from, some};
use crate::faults::strace::Tracer;
use crate::server::{Config, Server, eventually, rest, within};
use crate::tls::Tls;
use crate::unwelcome::Unwelcome;
use crate::{Client, Program, cases};

cases! { "ports";
    carries_fifty_slow_transfers_over_two_ports,
    frees_its_port_once_the_client_has_connected,
    frees_its_port_when_nobody_connects,
    frees_its_port_whatever_its_client_says,
    frees_a_port_that_is_asked_for_again_and_again,
    gives_its_ports_to_those_who_wait_in_their_order,
    looks_for_no_port_while_it_waits("strace"),
    gives_no_port_twice_in_a_row,
    keeps_an_unused_port_from_its_neighbours,
    drops_strangers_before_the_command,
    drops_late_comers,
    serves_its_clients_while_strangers_flood_its_ports,
    says_in_its_log_that_there_are_too_few_ports,
    gives_up_its_ports_at_once_when_it_drains,
    listens_once_on_each_of_its_ports("strace"),
    listens_where_its_client_has_connected,
}

const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// What takes no time, on a machine that is busy.
const AT_ONCE: Duration = Duration::from_secs(3);

/// The first of so many ports that nobody else on this machine is likely to use.
fn first(count: u16) -> u16 {
    use std::sync::atomic::AtomicU16;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Each of the two binaries may be tested at the same time.
    let from = 22_000 + (std::process::id() % 60) as u16 * 64;
    from + NEXT.fetch_add(count, Ordering::Relaxed)
}

/// A server with so many passive ports, and the first of them.
fn start(program: &Program, count: u16, limits: &str) -> (Server, u16) {
    let first = first(count);
    let last = first + count - 1;
    let lines = format!("[passive]\nports = \"{first}-{last}\"\n[limits]\n{limits}");
    let server = program.start(Config::default().tls("").table(&lines));
    server.put("f.bin", b"hello");
    (server, first)
}

/// A client that has logged in, in clear or under TLS.
fn login(server: &Server, tls: Option<&Tls>) -> Client {
    let Some(tls) = tls else {
        return server.login();
    };
    let mut client = server.connect();
    client.auth_tls(tls);
    client.secure(tls);
    client.login("user", "12345");
    client
}

/// In clear and under TLS.
fn both() -> [Option<Tls>; 2] {
    [None, Some(Tls::default())]
}

/// Fetches the file over a connection to that address.
fn fetch_over(client: &mut Client, data: TcpStream) {
    client.command("RETR f.bin", 150);
    assert_eq!(rest(client.protect(data)), b"hello");
    client.expect(226);
}

fn carries_fifty_slow_transfers_over_two_ports(program: &Program) {
    let (server, _) = start(program, 2, "");
    let content = pattern(10_000_000);
    server.put("big.bin", &content);
    let mut slow: Vec<_> = (0..50)
        .map(|_| {
            let mut client = server.login();
            let data = client.data();
            client.command("RETR big.bin", 150);
            let begun = some(&data, 1_000);
            (client, data, begun)
        })
        .collect();
    server.still_serves();
    for (mut client, data, mut got) in slow.drain(..).step_by(10) {
        got.extend(rest(data));
        assert!(got == content, "other bytes");
        client.expect(226);
    }
}

fn frees_its_port_once_the_client_has_connected(program: &Program) {
    let (server, _) = start(program, 1, "");
    for tls in both() {
        let mut clients: Vec<_> = (0..5)
            .map(|_| {
                let mut client = login(&server, tls.as_ref());
                let data = client.data();
                (client, data)
            })
            .collect();
        // No command has come yet. Each connection belongs to the client that made it.
        for (client, data) in clients.drain(..).rev() {
            let mut client = client;
            fetch_over(&mut client, data);
        }
    }
}

fn frees_its_port_when_nobody_connects(program: &Program) {
    let (server, _) = start(program, 1, "connect = \"1s\"");
    let mut holder = server.login();
    let address = holder.epsv();
    let begun = Instant::now();
    let mut other = Client::over(connect_from(STRANGER, server.address()));
    other.expect(220);
    other.login("user", "12345");
    other.send("EPSV");
    other.expect(229);
    assert!(begun.elapsed() > Duration::from_millis(500), "too early");
    let data = connect_from(STRANGER, address);
    fetch_over(&mut other, data);
    holder.command("RETR f.bin", 425);
    assert_eq!(holder.fetch("f.bin"), b"hello");
}

/// A client of another address that has logged in.
fn login_from(from: Ipv4Addr, server: &Server) -> Client {
    let mut client = Client::over(connect_from(from, server.address()));
    client.expect(220);
    client.login("user", "12345");
    client
}

fn frees_its_port_whatever_its_client_says(program: &Program) {
    let (server, _) = start(program, 8, "connect = \"1s\"");
    let mut holders: Vec<_> = (0..8).map(|_| server.login()).collect();
    for holder in &mut holders {
        holder.epsv();
    }
    let mut other = login_from(STRANGER, &server);
    other.send("EPSV");
    let begun = Instant::now();
    while other.is_silent(Duration::from_millis(50)) {
        assert!(begun.elapsed() < AT_ONCE, "eight ports are held");
        for holder in &mut holders {
            holder.command("NOOP", 200);
        }
    }
    other.expect(229);
}

/// By all that have a port, from the same address or another.
fn frees_a_port_that_is_asked_for_again_and_again(program: &Program) {
    for from in [STRANGER, Ipv4Addr::LOCALHOST] {
        let (server, _) = start(program, 1, "connect = \"2s\"");
        let mut holder = server.login();
        holder.epsv();
        let mut other = login_from(from, &server);
        other.send("EPSV");
        let begun = Instant::now();
        // With it, late connections of the holder are waited for.
        let most = Duration::from_secs(11);
        while other.is_silent(Duration::from_millis(300)) {
            assert!(begun.elapsed() < most, "{from}: the port is held");
            if holder.is_silent(Duration::from_millis(10)) {
                holder.send("EPSV");
            } else {
                holder.expect(229);
            }
        }
        other.expect(229);
    }
}

fn gives_its_ports_to_those_who_wait_in_their_order(program: &Program) {
    let (server, _) = start(program, 1, "");
    let mut holder = server.login();
    let address = holder.epsv();
    let mut waiting: Vec<_> = (10..16)
        .map(|last| {
            let from = Ipv4Addr::new(127, 0, 0, last);
            let mut client = login_from(from, &server);
            client.send("EPSV");
            // It is among those that wait by then.
            assert!(client.is_silent(Duration::from_millis(100)));
            (from, client)
        })
        .collect();
    fetch_over(&mut holder, connect_data(address));
    // Whoever asks now comes last.
    holder.send("EPSV");
    for (from, client) in &mut waiting {
        assert!(holder.is_silent(Duration::from_millis(50)), "before {from}");
        client.expect(229);
        fetch_over(client, connect_from(*from, address));
    }
    holder.expect(229);
    fetch_over(&mut holder, connect_data(address));
}

fn looks_for_no_port_while_it_waits(program: &Program) {
    let (server, _) = start(program, 1, "");
    let mut holder = server.login();
    let address = holder.epsv();
    let mut other = login_from(STRANGER, &server);
    other.send("EPSV");
    // Idle sessions have given their buffers back by then.
    assert!(other.is_silent(Duration::from_millis(1_500)));
    let tracer = Tracer::attach(&server, &[]);
    thread::sleep(Duration::from_secs(1));
    let trace = tracer.detach();
    let calls = trace.lines().filter(|line| line.contains('(')).count();
    assert!(calls < 150, "{calls} calls\n{trace}");
    fetch_over(&mut holder, connect_data(address));
    other.expect(229);
    fetch_over(&mut other, connect_from(STRANGER, address));
}

fn gives_no_port_twice_in_a_row(program: &Program) {
    for (server, _) in [start(program, 4, ""), (program.serve(), 0)] {
        server.put("f.bin", b"hello");
        let mut clients = [server.login(), server.login()];
        let mut former = [0; 2];
        for turn in 0..40 {
            let client = &mut clients[turn % 2];
            let address = client.epsv();
            assert!(!former.contains(&address.port()), "{address} again");
            former[turn % 2] = address.port();
            fetch_over(client, connect_data(address));
        }
    }
}

/// Who has asked for it may still connect, late, and must not be taken for somebody else.
fn keeps_an_unused_port_from_its_neighbours(program: &Program) {
    let (server, _) = start(program, 1, "");
    let mut first = server.login();
    let address = first.epsv();
    first.command("ABOR", 225);
    let mut neighbour = server.login();
    neighbour.send("EPSV");
    // Its late connection comes to nobody.
    assert!(Unwelcome::connect(address).is_dropped(AT_ONCE));
    assert!(neighbour.is_silent(Duration::from_millis(300)));
    // Another address may have it meanwhile.
    let mut other = Client::over(connect_from(STRANGER, server.address()));
    other.expect(220);
    other.login("user", "12345");
    assert_eq!(other.epsv(), address);
    fetch_over(&mut other, connect_from(STRANGER, address));
    neighbour.expect(229);
    fetch_over(&mut neighbour, connect_data(address));
}

fn all_are_dropped(connections: &[Unwelcome]) -> bool {
    connections.iter().all(|each| each.is_dropped(AT_ONCE))
}

fn drops_strangers_before_the_command(program: &Program) {
    let (server, _) = start(program, 2, "");
    for tls in both() {
        let mut client = login(&server, tls.as_ref());
        let address = client.epsv();
        // More than any backlog holds, and they stay.
        let strangers: Vec<_> = (0..300)
            .map(|_| Unwelcome::connect_from(STRANGER, address))
            .collect();
        assert!(all_are_dropped(&strangers), "a stranger waits");
        let data = connect_data(address);
        fetch_over(&mut client, data);
    }
    assert!(server.whole_log().contains("stranger"));
}

/// Connects from somewhere else until it is dropped, and never waits for it.
struct Flood {
    ended: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<u64>>,
}

impl Flood {
    fn begin(ports: std::ops::Range<u16>) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let threads = (0..4)
            .map(|number| {
                let (ended, ports) = (Arc::clone(&ended), ports.clone());
                thread::spawn(move || Self::run(number, ports, &ended))
            })
            .collect();
        Self { ended, threads }
    }

    /// How many connections were begun.
    fn run(number: u8, ports: std::ops::Range<u16>, ended: &AtomicBool) -> u64 {
        let mut held = VecDeque::new();
        let mut count = 0;
        for port in ports.cycle() {
            if ended.load(Ordering::Relaxed) {
                break;
            }
            let from = SocketAddr::from(([127, 0, 0, 2 + number], 0));
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let socket =
                rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
            let socket = socket.expect("a socket");
            if rustix::net::bind(&socket, &from).is_err() {
                // There is no port left to come from.
                thread::sleep(Duration::from_millis(1));
                continue;
            }
            let _ = rustix::net::connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
            held.push_back(socket);
            count += 1;
            if held.len() > 2_000 {
                held.pop_front();
            }
        }
        count
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let count = thread.join().unwrap_or_default();
            assert!(count > 100 || thread::panicking(), "{count} are no flood");
        }
    }
}

fn serves_its_clients_while_strangers_flood_its_ports(program: &Program) {
    let (server, first) = start(program, 8, "");
    let mut clients: Vec<_> = (0..8).map(|_| login(&server, None)).collect();
    let flood = Flood::begin(first..first + 8);
    thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| {
                for _ in 0..3 {
                    let address = client.epsv();
                    // Strangers have come by then.
                    thread::sleep(Duration::from_millis(300));
                    let begun = Instant::now();
                    let data = connect_data(address);
                    fetch_over(client, data);
                    let took = begun.elapsed();
                    assert!(took < Duration::from_secs(8), "{took:?}");
                }
            });
        }
    });
    drop(flood);
    server.still_serves();
    let told = server.log().matches("a stranger on the data port").count();
    assert!((1..=8).contains(&told), "{told} lines");
}

/// The client itself and a stranger.
fn late_comers(address: SocketAddr) -> [Unwelcome; 2] {
    [
        Unwelcome::connect(address),
        Unwelcome::connect_from(STRANGER, address),
    ]
}

/// Once the data connection stands and between transfers.
fn drops_late_comers(program: &Program) {
    let (server, _) = start(program, 2, "");
    for tls in both() {
        let mut client = login(&server, tls.as_ref());
        for _ in 0..5 {
            let address = client.epsv();
            let data = connect_data(address);
            // It is accepted by then.
            thread::sleep(Duration::from_millis(30));
            assert!(all_are_dropped(&late_comers(address)), "one waits");
            fetch_over(&mut client, data);
            assert!(all_are_dropped(&late_comers(address)), "one waits");
        }
    }
}

fn says_in_its_log_that_there_are_too_few_ports(program: &Program) {
    let (server, first) = start(program, 1, "");
    let mut holder = server.login();
    let address = holder.epsv();
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let mut client = server.login();
            client.send("EPSV");
            client
        })
        .collect();
    let warning = "no passive port is free";
    eventually("it is logged", || server.log().contains(warning));
    fetch_over(&mut holder, connect_data(address));
    // Whoever is first.
    thread::scope(|scope| {
        for mut client in waiting {
            scope.spawn(move || {
                client.expect(229);
                let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), first);
                fetch_over(&mut client, connect_data(address));
            });
        }
    });
    assert_eq!(server.whole_log().matches(warning).count(), 1);
}

/// Whoever is started in its place needs them.
fn gives_up_its_ports_at_once_when_it_drains(program: &Program) {
    let (mut server, first) = start(program, 4, "grace = \"1m\"");
    let ports = first..first + 4;
    let content = pattern(20_000_000);
    server.put("big.bin", &content);
    let mut client = server.login();
    for _ in 0..20 {
        assert_eq!(client.fetch("f.bin"), b"hello");
    }
    let data = client.data();
    client.command("RETR big.bin", 150);
    let mut got = some(&data, 1_000);
    server.signal(Signal::TERM);
    within(AT_ONCE, "the ports are free", || {
        ports
            .clone()
            .all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
    });
    // What is under way ends well all the same.
    got.extend(rest(data));
    assert!(got == content, "other bytes");
    client.expect(226);
    client.expect(421);
    assert_eq!(server.wait(AT_ONCE).code(), Some(0));
}

/// To listen anew on a port costs the more the more of its connections are in TIME_WAIT.
fn listens_once_on_each_of_its_ports(program: &Program) {
    let (server, _) = start(program, 4, "");
    let tracer = Tracer::attach(&server, &["-e", "trace=listen,bind"]);
    let mut client = server.login();
    for _ in 0..60 {
        assert_eq!(client.fetch("f.bin"), b"hello");
    }
    client.command("QUIT", 221);
    let trace = tracer.detach();
    for call in ["listen(", "bind("] {
        let count = trace.matches(call).count();
        assert!((1..=4).contains(&count), "{count} times {call}\n{trace}");
    }
}

/// On one of several addresses, each with the same ports.
fn listens_where_its_client_has_connected(program: &Program) {
    let first = first(2);
    let lines = format!("[passive]\nports = \"{first}-{}\"", first + 1);
    let addresses = ["127.0.0.1:0", "127.0.0.3:0", "[::1]:0"];
    let server = program.start(Config::default().listen(&addresses).table(&lines));
    server.put("f.bin", b"hello");
    for turn in 0..12 {
        let here = server.addresses()[turn % 3];
        let other = server.addresses()[(turn + 1) % 3];
        let mut client = Client::connect(here);
        client.login("user", "12345");
        let address = client.epsv();
        // The same port elsewhere serves nobody, whether it is open or not.
        let elsewhere = Unwelcome::connect((other.ip(), address.port()).into());
        assert!(elsewhere.is_dropped(AT_ONCE), "{other} serves {here}");
        fetch_over(&mut client, connect_data(address));
    }
}
