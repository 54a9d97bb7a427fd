//! Sockets as an FTP server needs them.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::net::sockopt;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto};

/// How long to wait before the next try when accepting failed for want of descriptors.
pub const EXHAUSTED: Duration = Duration::from_millis(100);

/// Clients that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// A peer that does not acknowledge for so long is gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);
/// An idle connection is probed after this time, so often, and this many times.
const KEEP_IDLE: Duration = Duration::from_secs(60);
const KEEP_INTERVAL: Duration = Duration::from_secs(15);
const KEEP_COUNT: u32 = 4;

/// A listener for control connections. The same port can be bound again at once after the server
/// has ended, and an IPv6 address does not take the IPv4 one with it.
///
/// # Errors
/// What the system says; an address in use among them.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv6() {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

/// Accepts a client. The control connection sends small replies at once, keeps urgent bytes in
/// their place, and notices a peer that has vanished.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] if none waits; see [`is_exhausted`] for others.
pub fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (socket, peer) = rustix::net::acceptfrom_with(listener, flags)?;
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    sockopt::set_socket_oobinline(&socket, true)?;
    watch(&socket)?;
    Ok((
        TcpStream::from(socket),
        peer.ok_or(io::ErrorKind::NotConnected)?,
    ))
}

/// Sets up a data connection, or a listener that passes the same on to the connections it accepts.
///
/// # Errors
/// What the system says.
pub(crate) fn prepare_data(socket: impl AsFd + Copy) -> io::Result<()> {
    sockopt::set_tcp_nodelay(socket, true)?;
    let millis = u32::try_from(UNACKNOWLEDGED.as_millis()).unwrap_or(u32::MAX);
    Ok(sockopt::set_tcp_user_timeout(socket, millis)?)
}

fn watch(socket: impl AsFd + Copy) -> io::Result<()> {
    prepare_data(socket)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, KEEP_IDLE)?;
    sockopt::set_tcp_keepintvl(socket, KEEP_INTERVAL)?;
    Ok(sockopt::set_tcp_keepcnt(socket, KEEP_COUNT)?)
}

/// Whether accepting failed for want of descriptors or memory: to try again at once would spin.
#[must_use]
pub fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

/// The address in the family that is wanted: an IPv4 client of a dual-stack socket has a local
/// address in the clothes of IPv6.
pub(crate) fn plain(address: IpAddr, v6: bool) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) if v6 => IpAddr::V6(address.to_ipv6_mapped()),
        address => address,
    }
}
