//! Sockets that are connected with each other, and waiting for them.

#![allow(
    dead_code,
    reason = "each test file is a crate of its own and uses a part"
)]

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketType, sockopt};

/// No test waits longer, and none waits so long unless it fails.
pub(crate) const LATE: Duration = Duration::from_secs(20);

/// A server's end, which does not block, and the client's end.
pub(crate) fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    server.set_nonblocking(true).unwrap();
    server.set_nodelay(true).unwrap();
    client.set_nodelay(true).unwrap();
    client.set_read_timeout(Some(LATE)).unwrap();
    client.set_write_timeout(Some(LATE)).unwrap();
    (server, client)
}

/// The same with buffers that hold much less than the tests send.
pub(crate) fn narrow_pair() -> (TcpStream, TcpStream) {
    let (server, client) = pair();
    sockopt::set_socket_send_buffer_size(&server, 8 << 10).unwrap();
    sockopt::set_socket_recv_buffer_size(&client, 32 << 10).unwrap();
    (server, client)
}

/// So many ports in a row that nobody uses. The system gives them to nobody who does not ask for
/// them, and other tests do not either.
pub(crate) fn free_ports(count: u16) -> RangeInclusive<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    until(|| {
        let serial = NEXT.fetch_add(10, Ordering::Relaxed) + std::process::id().wrapping_mul(200);
        let start = 11_000 + u16::try_from(serial % 20_000).unwrap();
        let range = start..=start + count - 1;
        range
            .clone()
            .all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
            .then_some(range)
    })
}

/// Closes a connection as if its process had been killed with bytes unread.
pub(crate) fn reset(stream: TcpStream) {
    sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Connects from an address of this machine.
pub(crate) fn connect_from(from: [u8; 4], to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    rustix::net::bind(&socket, &SocketAddr::from((from, 0)))?;
    rustix::net::connect(&socket, &to)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(LATE))?;
    Ok(stream)
}

/// Waits until one of these happens on the socket: whether it did in time.
pub(crate) fn wait(socket: impl AsFd, interest: PollFlags, within: Duration) -> bool {
    let within = Timespec::try_from(within).unwrap();
    poll(&mut [PollFd::new(&socket, interest)], Some(&within)).unwrap() > 0
}

/// Tries until there is an outcome.
pub(crate) fn until<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(outcome) = attempt() {
            return outcome;
        }
        assert!(start.elapsed() < LATE, "nothing has happened");
        std::thread::sleep(Duration::from_millis(1));
    }
}
