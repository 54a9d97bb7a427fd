//! Passive listeners and the ports that they share.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod loopback;

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use loopback::{LATE, connect_from, free_ports, until, wait};
use rustix::event::PollFlags;
use wharf_core::Denied;
use wharf_server::passive::Passive;
use wharf_server::system::{Machine, System as _, dialed};
use wharf_server::{Service, Settings};
use wharf_storage::{Account, Accounts, Credentials};

struct Nobody;

impl Accounts for Nobody {
    fn login(&self, _: &Credentials<'_>) -> Result<Account, Denied> {
        Err(Denied::Credentials)
    }
}

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

fn arm(passive: &mut Passive) -> SocketAddr {
    passive.arm(HERE).unwrap().unwrap()
}

/// Accepts as soon as somebody is there.
fn accept(passive: &Passive) -> std::io::Result<TcpStream> {
    assert!(wait(passive.fd().unwrap(), PollFlags::IN, LATE));
    passive.accept(HERE)
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
    let mut sessions: Vec<_> = (0..3).map(|_| Passive::new(Arc::clone(&service))).collect();
    let mut ports: Vec<_> = sessions.iter_mut().map(|one| arm(one).port()).collect();
    ports.sort_unstable();
    assert_eq!(ports, range.collect::<Vec<_>>());

    let mut late = Passive::new(Arc::clone(&service));
    assert!(!service.ports().is_short());
    assert_eq!(late.arm(HERE).unwrap(), None);
    assert_eq!(late.arm(HERE).unwrap(), None);
    assert!(service.ports().is_short());

    // A release and a dropped session make room, one port each.
    let freed = arm(&mut sessions[0]).port();
    sessions[0].release();
    assert_eq!(arm(&mut late).port(), freed);
    assert!(!service.ports().is_short());
    let mut latest = Passive::new(Arc::clone(&service));
    assert_eq!(latest.arm(HERE).unwrap(), None);
    sessions.pop();
    arm(&mut latest);
    assert!(!service.ports().is_short());
}

#[test]
fn who_gives_up_waiting_is_no_longer_counted() {
    let (service, _) = service_with(1);
    let mut holder = Passive::new(Arc::clone(&service));
    arm(&mut holder);
    let mut waiting = Passive::new(Arc::clone(&service));
    assert_eq!(waiting.arm(HERE).unwrap(), None);
    waiting.release();
    assert!(!service.ports().is_short());
    assert_eq!(waiting.arm(HERE).unwrap(), None);
    assert!(service.ports().is_short());
    drop(waiting);
    assert!(!service.ports().is_short());
}

#[test]
fn a_listener_rests_only_while_nobody_waits_for_its_port() {
    let (service, _) = service_with(1);
    let mut first = Passive::new(Arc::clone(&service));
    let address = arm(&mut first);
    first.rest();
    assert!(first.is_resting());
    assert!(first.fd().is_none());
    // Its port is kept meanwhile.
    let mut second = Passive::new(Arc::clone(&service));
    assert_eq!(second.arm(HERE).unwrap(), None);
    assert_eq!(arm(&mut first), address);
    assert!(!first.is_resting());
    first.rest();
    assert!(!first.is_resting());
    assert_eq!(arm(&mut second), address);
    second.rest();
    assert!(second.is_resting());
}

#[test]
fn a_port_in_use_by_another_program_is_skipped() {
    let (service, range) = service_with(4);
    let (free, taken) = (*range.end(), *range.start()..*range.end());
    let others: Vec<_> = taken
        .map(|port| TcpListener::bind((HERE, port)).unwrap())
        .collect();
    // Whichever is drawn first.
    for _ in 0..20 {
        let mut passive = Passive::new(Arc::clone(&service));
        assert_eq!(arm(&mut passive).port(), free);
        let mut late = Passive::new(Arc::clone(&service));
        assert_eq!(late.arm(HERE).unwrap(), None);
    }
    // None of them is lost.
    drop(others);
    let mut sessions: Vec<_> = (0..4).map(|_| Passive::new(Arc::clone(&service))).collect();
    for session in &mut sessions {
        arm(session);
    }
}

#[test]
fn an_address_that_is_not_here_costs_no_port() {
    let (service, _) = service_with(1);
    let mut passive = Passive::new(Arc::clone(&service));
    let elsewhere = [192, 0, 2, 1].into();
    assert!(passive.arm(elsewhere).is_err());
    arm(&mut passive);
}

#[test]
fn to_arm_again_keeps_the_port_and_drops_who_waits() {
    for service in [service_with(1).0, service(None)] {
        let mut passive = Passive::new(service);
        let address = arm(&mut passive);
        for _ in 0..3 {
            let early = TcpStream::connect(address).unwrap();
            early.set_read_timeout(Some(LATE)).unwrap();
            assert!(wait(passive.fd().unwrap(), PollFlags::IN, LATE));
            assert_eq!(arm(&mut passive), address);
            assert!(is_gone(early));
            let refused = passive.accept(HERE).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::WouldBlock);
            let _client = TcpStream::connect(address).unwrap();
            accept(&passive).unwrap();
        }
    }
}

#[test]
fn a_resting_listener_refuses_and_resets() {
    let mut passive = Passive::new(service_with(1).0);
    assert_eq!(
        passive.accept(HERE).unwrap_err().kind(),
        ErrorKind::NotConnected
    );
    let address = arm(&mut passive);
    let waiting = TcpStream::connect(address).unwrap();
    waiting.set_read_timeout(Some(LATE)).unwrap();
    assert!(wait(passive.fd().unwrap(), PollFlags::IN, LATE));
    passive.rest();
    assert!(is_gone(waiting));
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(
        passive.accept(HERE).unwrap_err().kind(),
        ErrorKind::NotConnected
    );
    passive.release();
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn strangers_are_dropped_and_the_owner_is_served() {
    let mut passive = Passive::new(service(None));
    let address = arm(&mut passive);
    let strangers = [2, 3].map(|last| connect_from([127, 0, 0, last], address).unwrap());
    let owner = connect_from([127, 0, 0, 1], address).unwrap();
    let stream = until(|| passive.accept(HERE).ok());
    assert_eq!(stream.peer_addr().unwrap(), owner.local_addr().unwrap());
    assert!(strangers.into_iter().all(is_gone));
    // A stranger alone is nobody.
    let stranger = connect_from([127, 0, 0, 2], address).unwrap();
    assert_eq!(accept(&passive).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(is_gone(stranger));
}

#[test]
fn an_active_connection_comes_from_the_address_of_the_server() {
    let client = TcpListener::bind((HERE, 0)).unwrap();
    let local = IpAddr::from([127, 0, 0, 5]);
    let stream = Machine::default()
        .dial(local, client.local_addr().unwrap(), Duration::ZERO)
        .unwrap();
    assert!(wait(&stream, PollFlags::OUT, LATE));
    dialed(&stream).unwrap();
    let (_, from) = client.accept().unwrap();
    assert_eq!(from.ip(), local);
    let nowhere = service_with(1).1;
    let stream = Machine::default()
        .dial(local, (HERE, *nowhere.start()).into(), Duration::ZERO)
        .unwrap();
    assert!(wait(&stream, PollFlags::OUT, LATE));
    let refused = dialed(&stream).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}
