//! [`System`]: what sessions need of the operating system beside files and bytes, so that a
//! simulator can stand in for it.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use rustix::io::Errno;
use rustix::net::sockopt;
use wharf_core::{Instant, Monotonic};

use crate::kernel::{Host, Kernel};
use crate::sockets;

/// Time, and where data connections come from. The sockets are the kernel's own and do not block,
/// whatever family they are of.
pub trait System: Send + Sync {
    /// The time of the core's clock.
    fn now(&self) -> Instant;

    /// The server's end of a control connection.
    ///
    /// # Errors
    /// The client is gone already.
    fn local_address(&self, control: &TcpStream) -> io::Result<SocketAddr>;

    /// A listener for data connections there, and its address.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`], and whatever else the system says.
    fn listen(&self, at: SocketAddr) -> io::Result<(TcpListener, SocketAddr)>;

    /// A connection that waits at the listener, and who made it, as far as that is known.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if none waits; otherwise what the system says.
    fn accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, Option<IpAddr>)>;

    /// Begins a connection from `local`, where port 0 lets the system pick one, to `to`. It is made,
    /// or has failed, when the socket is writable; see [`dialed`].
    ///
    /// # Errors
    /// What the system says at once.
    fn dial(&self, local: SocketAddr, to: SocketAddr) -> io::Result<TcpStream>;
}

/// The machine that the program runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine(Monotonic);

impl System for Machine {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn local_address(&self, control: &TcpStream) -> io::Result<SocketAddr> {
        control.local_addr().map(sockets::canonical)
    }

    fn listen(&self, at: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
        let socket = sockets::open(at)?;
        // Connections of transfers before may still be in TIME_WAIT on this port.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        sockets::prepare_data(&socket)?;
        rustix::net::bind(&socket, &at)?;
        rustix::net::listen(&socket, sockets::BACKLOG)?;
        let listener = TcpListener::from(socket);
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    fn accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, Option<IpAddr>)> {
        loop {
            match Host::accept(listener) {
                Ok((stream, peer)) => {
                    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                    let address = peer.map(|peer| peer.ip().to_canonical());
                    return Ok((TcpStream::from(stream), address));
                }
                // The connection was gone before it was accepted.
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn dial(&self, local: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
        let socket = sockets::bound(local)?;
        sockets::prepare_data(&socket)?;
        match rustix::net::connect(&socket, &to) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a connection that [`System::dial`] began is made.
///
/// # Errors
/// Why it is not.
pub fn dialed(stream: &TcpStream) -> io::Result<()> {
    match stream.take_error()? {
        Some(error) => Err(error),
        None => Ok(rustix::net::getpeername(stream).map(drop)?),
    }
}
