//! Passive listeners and the ports that they share.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;
use wharf_storage::Nobody;

use super::Passive;
use crate::loopback::{LATE, connect_from, free_ports, until, wait};
use crate::sockets::EXHAUSTED;
use crate::system::{Machine, System, dialed};
use crate::{Service, Settings};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn service(passive_ports: Option<RangeInclusive<u16>>) -> Arc<Service> {
    Service::new(Settings {
        passive_ports,
        ..Settings::new(Arc::new(Nobody))
    })
}

/// A service with so many ports, and which they are.
fn service_with(count: u16) -> (Arc<Service>, RangeInclusive<u16>) {
    let range = free_ports(count);
    (service(Some(range.clone())), range)
}

/// A session of the client at 127.0.0.`last`.
fn session(service: &Arc<Service>, last: u8) -> Passive {
    Passive::new(Arc::clone(service), (HERE, 21).into(), client(last))
}

fn client(last: u8) -> IpAddr {
    [127, 0, 0, last].into()
}

fn arm(passive: &mut Passive) -> SocketAddr {
    passive.arm().unwrap().unwrap()
}

/// Accepts as soon as somebody is there.
fn accept(passive: &mut Passive) -> std::io::Result<TcpStream> {
    assert!(wait(passive.fd().unwrap(), PollFlags::IN, LATE));
    passive.accept()
}

/// Connects, and is accepted.
fn used(passive: &mut Passive, address: SocketAddr, last: u8) -> (TcpStream, TcpStream) {
    let client = connect_from([127, 0, 0, last], address).unwrap();
    (accept(passive).unwrap(), client)
}

/// Whether the other end has closed or reset the connection.
fn is_gone(mut stream: TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn each_port_of_a_range_is_leased_once() {
    let (service, range) = service_with(3);
    let mut sessions: Vec<_> = (1..4).map(|last| session(&service, last)).collect();
    let mut ports: Vec<_> = sessions.iter_mut().map(|one| arm(one).port()).collect();
    ports.sort_unstable();
    assert_eq!(ports, range.collect::<Vec<_>>());

    let mut late = session(&service, 4);
    assert!(!service.ports().is_short());
    assert_eq!(late.arm().unwrap(), None);
    assert_eq!(late.arm().unwrap(), None);
    assert!(service.ports().is_short());

    // A release and a dropped session make room, one port each.
    sessions[0].release();
    arm(&mut late);
    assert!(!service.ports().is_short());
    let mut latest = session(&service, 5);
    assert_eq!(latest.arm().unwrap(), None);
    sessions.pop();
    arm(&mut latest);
    assert!(!service.ports().is_short());
}

#[test]
fn a_port_is_free_once_the_data_connection_stands() {
    let (service, _) = service_with(1);
    let mut standing = Vec::new();
    for _ in 0..10 {
        let mut one = session(&service, 1);
        let address = arm(&mut one);
        let mut other = session(&service, 1);
        assert_eq!(other.arm().unwrap(), None);
        standing.push((used(&mut one, address, 1), one));
    }
    // Each of them carries its own bytes.
    for ((server, client), _) in &mut standing {
        let name = client.local_addr().unwrap().to_string();
        server.write_all(name.as_bytes()).unwrap();
        let mut said = vec![0; name.len()];
        client.read_exact(&mut said).unwrap();
        assert_eq!(said, name.as_bytes());
    }
}

#[test]
fn who_gives_up_waiting_is_no_longer_counted() {
    let (service, _) = service_with(1);
    let mut holder = session(&service, 1);
    arm(&mut holder);
    let mut waiting = session(&service, 2);
    assert_eq!(waiting.arm().unwrap(), None);
    waiting.release();
    assert!(!service.ports().is_short());
    assert_eq!(waiting.arm().unwrap(), None);
    assert!(service.ports().is_short());
    drop(waiting);
    assert!(!service.ports().is_short());
}

#[test]
fn no_port_comes_twice_in_a_row() {
    for service in [service_with(2).0, service_with(8).0, service(None)] {
        let mut sessions = [1, 2].map(|last| session(&service, last));
        let mut former = 0;
        let mut seen = BTreeSet::new();
        for turn in 0..200 {
            let last = turn % 2 + 1;
            let one = &mut sessions[usize::from(last) - 1];
            let address = arm(one);
            assert_ne!(address.port(), former);
            former = address.port();
            seen.insert(former);
            used(one, address, last);
        }
        let ports = service.settings().passive_ports.as_ref();
        // Any of those that the system has: to draw the same often would be a wonder.
        let expected = ports.map_or(150, ExactSizeIterator::len);
        assert!(seen.len() >= expected, "{seen:?}");
    }
}

#[test]
fn an_unused_port_goes_to_no_other_session_from_there() {
    let (service, _) = service_with(1);
    let mut first = session(&service, 1);
    let address = arm(&mut first);
    // It is asked for again, as a client does that has lost its patience.
    assert_eq!(arm(&mut first), address);
    first.release();
    let mut neighbour = session(&service, 1);
    assert_eq!(neighbour.arm().unwrap(), None);
    let mut stranger = session(&service, 2);
    assert_eq!(arm(&mut stranger), address);
    used(&mut stranger, address, 2);
    // Its own late connection does no harm to whoever asked for it.
    assert_eq!(arm(&mut first), address);
    used(&mut first, address, 1);
    drop(neighbour);
    let mut neighbour = session(&service, 1);
    until(|| neighbour.arm().unwrap());
}

#[test]
fn a_port_in_use_by_another_program_is_skipped() {
    let (service, range) = service_with(4);
    let (free, taken) = (*range.end(), *range.start()..*range.end());
    let others: Vec<_> = taken
        .map(|port| TcpListener::bind((HERE, port)).unwrap())
        .collect();
    // Whichever is drawn first.
    for turn in 0..20 {
        let mut passive = session(&service, 2 * turn + 1);
        assert_eq!(arm(&mut passive).port(), free);
        let mut late = session(&service, 2 * turn + 2);
        assert_eq!(late.arm().unwrap(), None);
    }
    // None of them is lost.
    drop(others);
    let mut sessions: Vec<_> = (101..105).map(|last| session(&service, last)).collect();
    for session in &mut sessions {
        arm(session);
    }
}

#[test]
fn an_address_that_is_not_here_costs_no_port() {
    let (service, _) = service_with(1);
    let elsewhere = ([192, 0, 2, 1], 21).into();
    let mut passive = Passive::new(Arc::clone(&service), elsewhere, client(1));
    assert!(passive.arm().is_err());
    arm(&mut session(&service, 2));
}

#[test]
fn addresses_of_this_machine_share_its_ports() {
    let (service, _) = service_with(2);
    for turn in 0..20 {
        let here = [127, 0, 0, 1 + turn % 2];
        let mut passive = Passive::new(Arc::clone(&service), (here, 21).into(), client(9));
        let address = arm(&mut passive);
        assert_eq!(address.ip(), IpAddr::from(here));
        used(&mut passive, address, 9);
    }
}

#[test]
fn who_waits_at_a_port_from_before_is_dropped() {
    for service in [service_with(1).0, service(None)] {
        let mut passive = session(&service, 1);
        for _ in 0..3 {
            let early = connect_from([127, 0, 0, 1], arm(&mut passive)).unwrap();
            assert!(wait(passive.fd().unwrap(), PollFlags::IN, LATE));
            let address = arm(&mut passive);
            assert!(is_gone(early));
            let refused = passive.accept().unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::WouldBlock);
            used(&mut passive, address, 1);
        }
    }
}

#[test]
fn a_port_that_nobody_has_serves_nobody() {
    let (service, _) = service_with(1);
    let mut passive = session(&service, 1);
    let refused = passive.accept().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotConnected);
    let address = arm(&mut passive);
    let (_server, _client) = used(&mut passive, address, 1);
    for _ in 0..3 {
        // The owner again, and a stranger: both too late.
        let late = [1, 2].map(|last| connect_from([127, 0, 0, last], address).unwrap());
        assert!(wait(service.strays().unwrap(), PollFlags::IN, LATE));
        late.into_iter().for_each(|late| {
            until(|| {
                assert_eq!(service.drop_strays(), None);
                late.set_nonblocking(true).unwrap();
                let read = (&late).read(&mut [0]);
                (!matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)).then_some(())
            });
        });
        assert_eq!(
            passive.accept().unwrap_err().kind(),
            ErrorKind::NotConnected
        );
    }
    // While a session has it, nobody else is woken for it.
    let address = arm(&mut passive);
    let _client = connect_from([127, 0, 0, 1], address).unwrap();
    assert!(wait(passive.fd().unwrap(), PollFlags::IN, LATE));
    assert!(!wait(
        service.strays().unwrap(),
        PollFlags::IN,
        Duration::ZERO
    ));
    accept(&mut passive).unwrap();
}

/// A machine that is out of descriptors, if it is.
#[derive(Default)]
struct Exhausted(Machine, AtomicBool);

impl System for Exhausted {
    fn now(&self) -> wharf_core::Instant {
        self.0.now()
    }

    fn local_address(&self, control: &TcpStream) -> io::Result<SocketAddr> {
        self.0.local_address(control)
    }

    fn listen(&self, at: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
        self.0.listen(at)
    }

    fn accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, Option<IpAddr>)> {
        match self.1.load(Ordering::Relaxed) {
            true => Err(Errno::MFILE.into()),
            false => self.0.accept(listener),
        }
    }

    fn dial(&self, local: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
        self.0.dial(local, to)
    }
}

#[test]
fn who_cannot_be_dropped_for_want_of_descriptors_is_said_to_wait() {
    let system = Arc::new(Exhausted::default());
    let service = Service::new(Settings {
        passive_ports: Some(free_ports(1)),
        system: Arc::<Exhausted>::clone(&system),
        ..Settings::new(Arc::new(Nobody))
    });
    let mut passive = session(&service, 1);
    let address = arm(&mut passive);
    let _data = used(&mut passive, address, 1);
    let late = connect_from([127, 0, 0, 1], address).unwrap();
    assert!(wait(service.strays().unwrap(), PollFlags::IN, LATE));
    system.1.store(true, Ordering::Relaxed);
    // Who asks would ask again at once for ever.
    assert_eq!(service.drop_strays(), Some(EXHAUSTED));
    system.1.store(false, Ordering::Relaxed);
    assert_eq!(service.drop_strays(), None);
    assert!(is_gone(late));
}

#[test]
fn ports_are_given_up_at_once_when_the_server_stops() {
    let (service, range) = service_with(4);
    let mut sessions: Vec<_> = (1..5).map(|last| session(&service, last)).collect();
    let addresses: Vec<_> = sessions.iter_mut().map(arm).collect();
    for (at, one) in sessions.iter_mut().enumerate().take(3) {
        used(one, addresses[at], u8::try_from(at).unwrap() + 1);
    }
    let taken = |port: &u16| TcpListener::bind((HERE, *port)).is_err();
    assert_eq!(range.clone().filter(taken).count(), 4, "used ones are kept");
    service.stop();
    let left: Vec<_> = range.clone().filter(taken).collect();
    assert_eq!(left, [addresses[3].port()], "but the one that is in use");
    used(&mut sessions[3], addresses[3], 4);
    assert_eq!(range.filter(taken).count(), 0);
}

#[test]
fn strangers_are_dropped_and_the_owner_is_served() {
    let service = service(None);
    let mut passive = session(&service, 1);
    let address = arm(&mut passive);
    // A stranger alone is nobody.
    let stranger = connect_from([127, 0, 0, 2], address).unwrap();
    assert_eq!(
        accept(&mut passive).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert!(is_gone(stranger));
    let strangers = [2, 3].map(|last| connect_from([127, 0, 0, last], address).unwrap());
    let owner = connect_from([127, 0, 0, 1], address).unwrap();
    let stream = until(|| passive.accept().ok());
    assert_eq!(stream.peer_addr().unwrap(), owner.local_addr().unwrap());
    assert!(strangers.into_iter().all(is_gone));
}

#[test]
fn an_active_connection_comes_from_the_address_of_the_server() {
    let client = TcpListener::bind((HERE, 0)).unwrap();
    let local = SocketAddr::from(([127, 0, 0, 5], 0));
    let stream = Machine::default()
        .dial(local, client.local_addr().unwrap())
        .unwrap();
    assert!(wait(&stream, PollFlags::OUT, LATE));
    dialed(&stream).unwrap();
    let (_, from) = client.accept().unwrap();
    assert_eq!(from.ip(), local.ip());
    let nowhere = service_with(1).1;
    let stream = Machine::default()
        .dial(local, (HERE, *nowhere.start()).into())
        .unwrap();
    assert!(wait(&stream, PollFlags::OUT, LATE));
    let refused = dialed(&stream).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}
