//! Clients that a balancer names: connections that begin with a PROXY header.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod loopback;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use loopback::{LATE, pair, reset, wait};
use rustix::event::PollFlags;
use wharf_core::{Config, Limits};
use wharf_driver::connection::{Connection, Ready};
use wharf_driver::system::{Machine, System};
use wharf_driver::{BackOff, Service, Settings};
use wharf_storage::Nobody;

/// Who the client says it is, or is said to be.
const V1: &[u8] = b"PROXY TCP4 192.0.2.7 203.0.113.1 40000 21\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xcb\0\x71\x01\x9c\x40\0\x15";
/// The same with a TLV behind it.
const V2_TLV: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11\xc0\0\x02\x07\xcb\0\x71\x01\x9c\x40\0\x15\x04\0\x02ab";
/// A balancer that looks whether somebody is here.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
const UNKNOWN: &[u8] = b"PROXY UNKNOWN\r\n";

/// The machine, whose clock is put forward.
#[derive(Default)]
struct Later {
    machine: Machine,
    seconds: AtomicU64,
}

impl System for Later {
    fn now(&self) -> wharf_core::Instant {
        self.machine.now() + Duration::from_secs(self.seconds.load(Ordering::Relaxed))
    }

    fn local_address(&self, control: &TcpStream) -> io::Result<SocketAddr> {
        self.machine.local_address(control)
    }

    fn listen(&self, at: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
        self.machine.listen(at)
    }

    fn accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, Option<IpAddr>)> {
        self.machine.accept(listener)
    }

    fn dial(&self, local: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
        self.machine.dial(local, to)
    }
}

/// What behind a balancer is served.
fn settings() -> Settings {
    let mut settings = Settings::new(Arc::new(Nobody));
    settings.proxy_from = vec!["127.0.0.0/8".parse().unwrap()];
    settings.protocol = Arc::new(Config {
        limits: Limits {
            login_delay: Duration::ZERO,
            ..Limits::default()
        },
        ..Config::default()
    });
    settings
}

/// A connection, and the other end of it.
struct Visit {
    service: Arc<Service>,
    connection: Connection,
    control: TcpStream,
    heard: Vec<u8>,
    is_over: bool,
}

/// Somebody connects: what that comes to, if anything, and what it is told.
fn come(service: &Arc<Service>) -> Result<Visit, TcpStream> {
    let (server, control) = pair();
    control.set_nonblocking(true).unwrap();
    let peer = server.peer_addr().unwrap();
    let protocol = &service.settings().protocol;
    let Some(client) = service.admit(server, peer, protocol) else {
        return Err(control);
    };
    let connection = Connection::new(client, service.executors(true)).unwrap();
    Ok(Visit {
        service: Arc::clone(service),
        connection,
        control,
        heard: Vec::new(),
        is_over: false,
    })
}

/// Somebody connects and sends that.
fn send(service: &Arc<Service>, bytes: &[u8]) -> Visit {
    let mut visit = come(service).ok().unwrap();
    visit.control.write_all(bytes).unwrap();
    visit
}

impl Visit {
    /// What an adapter does over and over.
    fn turn(&mut self) {
        self.is_over = self.is_over || !self.connection.advance();
        let mut buffer = [0; 4096];
        match self.control.read(&mut buffer) {
            Ok(count) => self.heard.extend_from_slice(&buffer[..count]),
            Err(error) => assert!(
                matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::ConnectionReset
                ),
                "{error}"
            ),
        }
        if self.is_over {
            return;
        }
        let wants = self.connection.wants();
        let tick = wants.within.unwrap_or(LATE).min(Duration::from_millis(1));
        let ready = Ready {
            input: wants.input && wait(self.connection.socket(), PollFlags::IN, tick),
            work: false,
            stop: wants.stop && self.service.is_stopping(),
            broken: false,
        };
        self.connection.wake(ready);
    }

    fn until(&mut self, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < LATE, "{:?}", self.text());
            self.turn();
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.heard).into_owned()
    }

    /// Goes on until that was said.
    fn hears(&mut self, said: &str) {
        self.until(|visit| visit.text().contains(said) || visit.is_over);
        assert!(self.text().contains(said), "{said}: {:?}", self.text());
    }

    /// Goes on until it is over, before anything was said.
    fn ends_in_silence(mut self) {
        self.until(|visit| visit.is_over);
        assert_eq!(self.text(), "");
    }

    /// Whether the session is that of this client.
    fn is_of(&self, client: &str) -> bool {
        format!("{:?}", self.connection).contains(&format!("peer: {client}"))
    }
}

#[test]
fn a_header_in_any_pieces_is_read_and_no_byte_behind_it() {
    let service = Service::new(settings());
    for header in [V1, V2, V2_TLV] {
        for cut in 1..header.len() {
            let mut visit = send(&service, &header[..cut]);
            visit.turn();
            visit.turn();
            assert!(!visit.is_over && visit.heard.is_empty(), "{cut}");
            // All of it was taken, so that no loop spins that waits for more.
            assert!(!wait(
                visit.connection.socket(),
                PollFlags::IN,
                Duration::ZERO
            ));
            let rest = [&header[cut..], b"NOOP\r\nUSER me\r\n"].concat();
            visit.control.write_all(&rest).unwrap();
            visit.hears("220 ");
            visit.hears("200 ");
            visit.hears("331 ");
            assert!(visit.is_of("192.0.2.7:40000"), "{:?}", visit.connection);
        }
        let mut visit = come(&service).ok().unwrap();
        for byte in header {
            assert!(visit.heard.is_empty());
            visit.control.write_all(&[*byte]).unwrap();
            visit.turn();
        }
        visit.hears("220 ");
        assert!(visit.is_of("192.0.2.7:40000"));
    }
}

#[test]
fn a_balancer_that_looks_in_is_greeted_as_itself() {
    let service = Service::new(settings());
    for header in [LOCAL, UNKNOWN] {
        let mut visit = send(&service, header);
        visit.hears("220 ");
        let itself = visit.control.local_addr().unwrap();
        assert!(visit.is_of(&itself.to_string()), "{:?}", visit.connection);
    }
}

#[test]
fn what_is_no_header_ends_the_connection() {
    let service = Service::new(settings());
    for bytes in [
        &b"USER me\r\n"[..],
        b"\r\nUSER",
        b"\x16\x03\x01\0\xf4",
        b"PROXY TCP4 192.0.2.7\r\n",
        b"PROXY TCP4 192.0.2.7 203.0.113.1 40000 21\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31",
        &[b'x'; 5000],
    ] {
        send(&service, bytes).ends_in_silence();
    }
    assert_eq!(service.sessions(), 0);
}

#[test]
fn who_leaves_before_the_end_of_the_header_is_gone() {
    let service = Service::new(settings());
    for bytes in [&b""[..], &V1[..9], &V2[..20]] {
        let visit = send(&service, bytes);
        visit.control.shutdown(std::net::Shutdown::Write).unwrap();
        visit.ends_in_silence();
        let mut visit = send(&service, bytes);
        let control = std::mem::replace(&mut visit.control, pair().1);
        visit.control.set_nonblocking(true).unwrap();
        reset(control);
        visit.ends_in_silence();
    }
    assert_eq!(service.sessions(), 0);
}

#[test]
fn a_header_that_does_not_come_is_waited_for_five_seconds() {
    let system = Arc::new(Later::default());
    let service = Service::new(Settings {
        system: Arc::<Later>::clone(&system),
        ..settings()
    });
    for bytes in [&b""[..], &V1[..9], &V2[..20]] {
        let mut visit = send(&service, bytes);
        visit.turn();
        let patience = visit.connection.wants().within.unwrap();
        assert!((4..=5).contains(&patience.as_secs()), "{patience:?}");
        system.seconds.fetch_add(3, Ordering::Relaxed);
        visit.turn();
        // A byte more sets no time anew.
        let header = if bytes == &V2[..20] { V2 } else { V1 };
        visit
            .control
            .write_all(&header[bytes.len()..=bytes.len()])
            .unwrap();
        visit.turn();
        assert!(!visit.is_over);
        system.seconds.fetch_add(2, Ordering::Relaxed);
        visit.ends_in_silence();
    }
    assert_eq!(service.sessions(), 0);
}

#[test]
fn a_server_that_stops_waits_for_no_header() {
    let service = Service::new(settings());
    let visit = send(&service, &V1[..9]);
    service.stop();
    visit.ends_in_silence();
}

#[test]
fn from_elsewhere_a_header_is_a_command_that_nobody_knows() {
    let service = Service::new(Settings {
        proxy_from: vec!["10.0.0.0/8".parse().unwrap()],
        ..settings()
    });
    let mut visit = send(&service, V1);
    visit.hears("220 ");
    visit.hears("500 ");
    let itself = visit.control.local_addr().unwrap();
    assert!(visit.is_of(&itself.to_string()));
}

/// The header of a client with that address.
fn named(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 203.0.113.1 40000 21\r\n").into_bytes()
}

#[test]
fn sessions_are_counted_by_the_addresses_of_clients() {
    let service = Service::new(Settings {
        sessions_per_address: 2,
        ..settings()
    });
    let first = ["192.0.2.7", "192.0.2.7", "192.0.2.8", "192.0.2.9"];
    let mut all = first.map(|client| send(&service, &named(client)));
    all.iter_mut().for_each(|visit| visit.hears("220 "));
    let mut third = send(&service, &named("192.0.2.7"));
    third.hears("421 ");
    third.until(|visit| visit.is_over);
    drop(third);
    assert_eq!(service.sessions(), 4);
    drop(all);
    assert_eq!(service.sessions(), 0);
    send(&service, &named("192.0.2.7")).hears("220 ");
}

#[test]
fn an_address_that_guesses_waits_behind_a_balancer_too() {
    let service = Service::new(Settings {
        back_off: BackOff {
            failures: 4,
            first: Duration::from_secs(60),
            ..BackOff::default()
        },
        ..settings()
    });
    for account in ["a", "b", "c", "d", "e"] {
        let mut visit = send(&service, &named("192.0.2.7"));
        let login = format!("USER {account}\r\nPASS x\r\n");
        visit.control.write_all(login.as_bytes()).unwrap();
        visit.hears("530 ");
    }
    send(&service, &named("192.0.2.7")).hears("421 ");
    send(&service, &named("192.0.2.8")).hears("220 ");
    send(&service, LOCAL).hears("220 ");
}

#[test]
fn those_whose_header_has_not_come_have_a_place_each() {
    let service = Service::new(Settings {
        sessions: 3,
        sessions_per_address: 1,
        ..settings()
    });
    let mut waiting: Vec<Visit> = (0..3).map(|_| come(&service).ok().unwrap()).collect();
    assert_eq!(service.sessions(), 3);
    let refused = come(&service).err().unwrap();
    refused.set_nonblocking(false).unwrap();
    let mut told = String::new();
    (&refused).read_to_string(&mut told).unwrap();
    assert!(told.starts_with("421 "), "{told}");
    waiting.pop();
    send(&service, V1).hears("220 ");
}
