//! Sockets as an FTP server needs them.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, sockopt};

use crate::kernel::{Host, Kernel};

/// How long to wait before the next try when accepting failed for want of descriptors.
pub const EXHAUSTED: Duration = Duration::from_millis(100);

/// Clients that may wait to be accepted: so many that strangers, who are dropped as they come, keep
/// nobody away.
pub(crate) const BACKLOG: i32 = 1024;
/// So many are accepted before others have their turn.
pub(crate) const AT_ONCE: usize = 64;
/// An idle connection is probed so often before it is given up.
const PROBES: u32 = 4;

/// A listener for control connections. The same port can be bound again at once after the server
/// has ended, and an IPv6 address does not take the IPv4 one with it; see [`listen_for_both`].
///
/// # Errors
/// What the system says; an address in use among them.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address, false)
}

/// As [`listen`], where `[::]` is for clients with IPv4 too.
///
/// # Errors
/// As [`listen`]; also that the port is in use with IPv4.
pub fn listen_for_both(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address, true)
}

/// Whether an error says that this machine lacks the address, or all of its family: a kernel
/// without IPv6 does.
#[must_use]
pub fn is_not_here(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        Errno::from_io_error(error),
        Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT)
    )
}

fn bind(address: SocketAddr, for_both: bool) -> io::Result<TcpListener> {
    let socket = open(address)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, !for_both)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

/// A socket of the family of this address.
pub(crate) fn open(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv6() {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    };
    Ok(Host::socket(family)?)
}

/// A socket that connects from this address, also where others do so from its port.
///
/// # Errors
/// What the system says.
pub fn bound(local: SocketAddr) -> io::Result<OwnedFd> {
    let socket = open(local)?;
    if local.port() != 0 {
        Host::share_port(&socket)?;
    }
    rustix::net::bind(&socket, &local)?;
    Ok(socket)
}

/// Accepts a client. The control connection sends small replies at once, keeps urgent bytes in
/// their place, and notices a peer that has [vanished](crate::Settings::vanished).
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] if none waits; see [`is_exhausted`] for others.
pub fn accept(listener: &TcpListener, vanished: Duration) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, peer) = Host::accept(listener)?;
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    sockopt::set_socket_oobinline(&socket, true)?;
    watch(&socket, vanished)?;
    let peer = peer.ok_or(io::ErrorKind::NotConnected)?;
    Ok((TcpStream::from(socket), canonical(peer)))
}

/// Sets up a data connection, or a listener that passes the same on to the connections it accepts.
///
/// It has no `TCP_USER_TIMEOUT` (see [`bear_a_slow_reader`]). Whether its machine still lives the control
/// connection tells, and whether it takes anything the limit on stalls.
///
/// # Errors
/// What the system says.
pub(crate) fn prepare_data(socket: impl AsFd) -> io::Result<()> {
    Ok(sockopt::set_tcp_nodelay(socket, true)?)
}

/// Ends a connection of somebody who is not served. The reset leaves nothing behind, where an end in
/// order would have it in TIME_WAIT for a minute: on a port with many of those it takes long to
/// listen.
pub(crate) fn drop_stranger(stream: TcpStream) {
    // What is not possible is slower, and no more.
    let _ = sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
}

/// Acknowledges at once what has come. The kernel puts that off for 40 ms, in the hope that an
/// answer carries it; a peer with Nagle's algorithm sends nothing more till then.
pub(crate) fn acknowledge(socket: impl AsFd) {
    // What is not possible is slower, and no more.
    let _ = Host::acknowledge(socket);
}

/// Has the kernel give a connection up when what was sent is not acknowledged for so long, and an idle
/// peer probed too. The last of the probes goes out when the time is up, and the connection is then given
/// up: so the kernel reads `TCP_USER_TIMEOUT`.
fn watch(socket: impl AsFd + Copy, vanished: Duration) -> io::Result<()> {
    // The longest that the kernel takes.
    let seconds = vanished.as_secs().clamp(1, 32_767);
    let interval = (seconds / u64::from(2 * PROBES)).max(1);
    let idle = seconds.saturating_sub(interval * u64::from(PROBES)).max(1);
    sockopt::set_tcp_nodelay(socket, true)?;
    let millis = i32::try_from(vanished.as_millis()).unwrap_or(i32::MAX);
    Host::give_up_after(socket, millis.unsigned_abs())?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, Duration::from_secs(idle))?;
    sockopt::set_tcp_keepintvl(socket, Duration::from_secs(interval))?;
    Ok(sockopt::set_tcp_keepcnt(socket, PROBES)?)
}

/// Takes the `TCP_USER_TIMEOUT` from a connection: for the kernel a client that reads little at a time is
/// one that does not answer. The session's own limits tell whether it takes its replies.
pub(crate) fn bear_a_slow_reader(socket: impl AsFd) {
    // What is not possible ends the connection earlier, and no more.
    let _ = Host::give_up_after(socket, 0);
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

/// The address as its own family writes it: an IPv4 client of a socket for both families has one in
/// the clothes of IPv6. The scope of a link-local address stays.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}

/// The address on the link of the peer, if it is its own: a client does not say on which link of
/// this machine it is.
pub(crate) fn on_link_of(address: SocketAddr, peer: SocketAddr) -> SocketAddr {
    match (address, peer) {
        (SocketAddr::V6(mut address), SocketAddr::V6(peer)) if address.ip() == peer.ip() => {
            address.set_scope_id(peer.scope_id());
            address.into()
        }
        _ => address,
    }
}

/// Returns whether a socket can be read from, if `readable`, or else written to, at this moment. One that is
/// broken is ready: whoever uses it learns why.
#[must_use]
pub fn is_ready(socket: impl AsFd, readable: bool) -> bool {
    let interest = if readable {
        PollFlags::IN
    } else {
        PollFlags::OUT
    };
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // Where that cannot be told, the use of the socket tells it.
    !poll(&mut [PollFd::new(&socket, interest)], Some(&at_once)).is_ok_and(|ready| ready == 0)
}
