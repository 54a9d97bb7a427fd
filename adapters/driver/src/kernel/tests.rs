//! What every kernel holds, on each of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::FdFlags;

use super::*;

/// Later than anything happens here.
const LATE: Duration = Duration::from_secs(10);

macro_rules! on_each_kernel {
    ($($test:ident)*) => {
        #[cfg(target_os = "linux")]
        mod linux {
            $(#[test] fn $test() { super::$test::<crate::kernel::linux::Linux>(); })*

            #[test]
            fn what_is_fast_is_there() {
                super::what_is_fast_is_there::<crate::kernel::linux::Linux>();
            }
        }
        mod plain {
            $(#[test] fn $test() { super::$test::<crate::kernel::plain::Plain>(); })*
        }
    };
}

on_each_kernel! {
    a_bell_rings_until_it_is_silenced
    a_bell_takes_any_number_of_rings
    a_bell_wakes_another_thread
    no_other_program_inherits_a_descriptor
    an_accepted_connection_does_not_block
    a_port_is_shared_by_connections_to_different_peers
    a_watch_tells_who_waits_as_long_as_somebody_does
    a_watch_forgets_what_is_removed
    a_watch_is_none_the_worse_for_changes
    options_are_set_or_are_not_there
    a_file_is_sent_or_is_not
    a_pipe_carries_what_it_took_or_is_not_there
}

fn is_readable(fd: impl AsFd, within: Duration) -> bool {
    let mut polled = [PollFd::new(&fd, PollFlags::IN)];
    let within = Timespec::try_from(within).unwrap();
    poll(&mut polled, Some(&within)).unwrap() == 1
}

fn is_closed_on_exec(fd: impl AsFd) -> bool {
    rustix::io::fcntl_getfd(fd)
        .unwrap()
        .contains(FdFlags::CLOEXEC)
}

fn is_non_blocking(fd: impl AsFd) -> bool {
    rustix::fs::fcntl_getfl(fd)
        .unwrap()
        .contains(OFlags::NONBLOCK)
}

/// A listener that does not block, and where it is.
fn listener<K: Kernel>() -> (Arc<TcpListener>, SocketAddr) {
    let socket = K::socket(AddressFamily::INET).unwrap();
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    rustix::net::bind(&socket, &anywhere).unwrap();
    rustix::net::listen(&socket, 64).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    (Arc::new(listener), address)
}

/// Both ends of a connection, of which the first was accepted.
fn connection<K: Kernel>() -> (TcpStream, TcpStream) {
    let (listener, address) = listener::<K>();
    let client = TcpStream::connect(address).unwrap();
    assert!(is_readable(&listener, LATE));
    let (server, peer) = K::accept(&listener).unwrap();
    let peer = SocketAddr::try_from(peer.unwrap()).unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    (TcpStream::from(server), client)
}

fn a_bell_rings_until_it_is_silenced<K: Kernel>() {
    let bell = K::Doorbell::new().unwrap();
    bell.silence();
    for _ in 0..3 {
        assert!(!is_readable(&bell, Duration::ZERO));
        bell.ring();
        bell.ring();
        assert!(is_readable(&bell, Duration::ZERO) && is_readable(&bell, Duration::ZERO));
        bell.silence();
    }
    assert!(!is_readable(&bell, Duration::ZERO));
}

fn a_bell_takes_any_number_of_rings<K: Kernel>() {
    let bell = K::Doorbell::new().unwrap();
    (0..200_000).for_each(|_| bell.ring());
    assert!(is_readable(&bell, Duration::ZERO));
    bell.silence();
    assert!(!is_readable(&bell, Duration::ZERO));
}

fn a_bell_wakes_another_thread<K: Kernel>() {
    let bell = K::Doorbell::new().unwrap();
    // The descriptor goes to the other thread, since a kernel's bell need not.
    let waiter = bell.as_fd();
    thread::scope(|scope| {
        let woken = scope.spawn(|| is_readable(waiter, LATE));
        thread::sleep(Duration::from_millis(20));
        bell.ring();
        assert!(woken.join().unwrap());
    });
}

fn no_other_program_inherits_a_descriptor<K: Kernel>() {
    assert!(is_closed_on_exec(K::spare().unwrap()));
    assert!(is_closed_on_exec(K::Doorbell::new().unwrap()));
    assert!(is_closed_on_exec(K::Watch::new().unwrap()));
    assert!(is_closed_on_exec(K::socket(AddressFamily::INET).unwrap()));
    assert!(is_closed_on_exec(connection::<K>().0));
}

fn an_accepted_connection_does_not_block<K: Kernel>() {
    let (listener, _) = listener::<K>();
    assert!(is_non_blocking(&listener));
    assert_eq!(K::accept(&listener).unwrap_err(), Errno::AGAIN);
    assert!(is_non_blocking(connection::<K>().0));
}

fn a_port_is_shared_by_connections_to_different_peers<K: Kernel>() {
    let mut from = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut connections = Vec::new();
    for _ in 0..3 {
        let (listener, to) = listener::<K>();
        let socket = K::socket(AddressFamily::INET).unwrap();
        K::share_port(&socket).unwrap();
        rustix::net::bind(&socket, &from).unwrap();
        let begun = rustix::net::connect(&socket, &to);
        assert!(
            matches!(begun, Ok(()) | Err(Errno::INPROGRESS)),
            "{begun:?}"
        );
        assert!(is_readable(&listener, LATE));
        let (accepted, peer) = K::accept(&listener).unwrap();
        let peer = SocketAddr::try_from(peer.unwrap()).unwrap();
        assert!(connections.is_empty() || peer == from);
        from = peer;
        connections.push((socket, accepted));
    }
}

/// Who waits, once somebody does.
fn waiting(watch: &impl Watch) -> Vec<u16> {
    assert!(is_readable(watch, LATE));
    let mut ports: Vec<u16> = watch.waiting().unwrap().collect();
    ports.sort_unstable();
    ports
}

fn a_watch_tells_who_waits_as_long_as_somebody_does<K: Kernel>() {
    let watch = K::Watch::new().unwrap();
    let listeners = [listener::<K>(), listener::<K>(), listener::<K>()];
    for (listener, address) in &listeners {
        watch.add(address.port(), listener).unwrap();
    }
    assert!(!is_readable(&watch, Duration::from_millis(20)));
    assert_eq!(watch.waiting().unwrap().count(), 0);
    let mut ports = Vec::new();
    let mut clients = Vec::new();
    for (_, address) in &listeners[1..] {
        clients.push(TcpStream::connect(address).unwrap());
        ports.push(address.port());
        ports.sort_unstable();
        // As long as nobody is accepted.
        for _ in 0..3 {
            assert_eq!(waiting(&watch), ports);
        }
    }
    // With one of them still there.
    K::accept(&listeners[1].0).unwrap();
    assert_eq!(waiting(&watch), [listeners[2].1.port()]);
    assert!(is_readable(&watch, LATE));
    for port in watch.waiting().unwrap() {
        assert_eq!(port, listeners[2].1.port());
        K::accept(&listeners[2].0).unwrap();
    }
    assert!(!is_readable(&watch, Duration::from_millis(20)));
}

fn a_watch_forgets_what_is_removed<K: Kernel>() {
    let watch = K::Watch::new().unwrap();
    let (mut kept, address) = listener::<K>();
    for _ in 0..20 {
        watch.add(address.port(), &kept).unwrap();
        let client = TcpStream::connect(address).unwrap();
        assert_eq!(waiting(&watch), [address.port()]);
        watch.remove(&kept).unwrap();
        // Nobody else has it any more.
        let alone = Arc::into_inner(kept).unwrap();
        assert!(!is_readable(&watch, Duration::ZERO));
        assert_eq!(watch.waiting().unwrap().count(), 0);
        K::accept(&alone).unwrap();
        drop(client);
        kept = Arc::new(alone);
    }
}

/// A hundred clients come while listeners come and go beside theirs: each is seen.
fn a_watch_is_none_the_worse_for_changes<K: Kernel>() {
    let watch = K::Watch::new().unwrap();
    let (kept, address) = listener::<K>();
    watch.add(address.port(), &kept).unwrap();
    let begun = Instant::now();
    thread::scope(|scope| {
        let connects = scope.spawn(move || {
            for _ in 0..100 {
                let mut client = TcpStream::connect(address).unwrap();
                // It is accepted, and dropped.
                client.set_read_timeout(Some(LATE)).unwrap();
                assert_eq!(client.read(&mut [0]).unwrap(), 0);
            }
        });
        let others: Vec<_> = (0..8).map(|_| listener::<K>()).collect();
        for (other, address) in others.iter().cycle() {
            if connects.is_finished() || begun.elapsed() > LATE {
                break;
            }
            watch.add(address.port(), other).unwrap();
            if is_readable(&watch, Duration::from_millis(1)) {
                for port in watch.waiting().unwrap() {
                    assert_eq!(port, address_of(&kept).port());
                    K::accept(&kept).unwrap();
                }
            }
            watch.remove(other).unwrap();
        }
        connects.join().unwrap();
    });
    watch.remove(&kept).unwrap();
    assert!(Arc::into_inner(kept).is_some());
}

fn address_of(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().unwrap()
}

fn options_are_set_or_are_not_there<K: Kernel>() {
    let (server, _client) = connection::<K>();
    K::acknowledge(&server).unwrap();
    K::give_up_after(&server, 60_000).unwrap();
    K::give_up_after(&server, 0).unwrap();
}

fn a_file_is_sent_or_is_not<K: Kernel>() {
    let (server, mut client) = connection::<K>();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"one two").unwrap();
    file.seek(SeekFrom::Start(4)).unwrap();
    // It does not move the position.
    K::is_cached(file.as_fd());
    let Some(sent) = K::send_file(&server, file.as_fd(), 100) else {
        assert_eq!(file.stream_position().unwrap(), 4);
        return;
    };
    assert_eq!(sent, Ok(3));
    assert_eq!(file.stream_position().unwrap(), 7);
    assert_eq!(K::send_file(&server, file.as_fd(), 100), Some(Ok(0)));
    drop(server);
    let mut received = Vec::new();
    client.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"two");
}

fn a_pipe_carries_what_it_took_or_is_not_there<K: Kernel>() {
    let Some(pipe) = K::Pipe::new() else { return };
    let (server, mut client) = connection::<K>();
    let mut file = tempfile::tempfile().unwrap();
    assert_eq!(pipe.fill(&server), Err(Errno::AGAIN));
    client.write_all(b"one two").unwrap();
    assert!(is_readable(&server, LATE));
    assert_eq!(pipe.fill(&server), Ok(7));
    assert_eq!(pipe.drain(file.as_fd(), 4), Ok(4));
    assert_eq!(pipe.drain(file.as_fd(), 3), Ok(3));
    drop(client);
    assert!(is_readable(&server, LATE));
    assert_eq!(pipe.fill(&server), Ok(0));
    file.rewind().unwrap();
    let mut received = String::new();
    file.read_to_string(&mut received).unwrap();
    assert_eq!(received, "one two");
}

#[cfg(target_os = "linux")]
fn what_is_fast_is_there<K: Kernel>() {
    let (server, _client) = connection::<K>();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"one two").unwrap();
    file.rewind().unwrap();
    assert!(K::is_cached(file.as_fd()));
    assert_eq!(K::send_file(&server, file.as_fd(), 100), Some(Ok(7)));
    assert!(K::Pipe::new().is_some());
}
