//! [`Passive`]: the listener of a session for passive data connections.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType};

use crate::service::Service;
use crate::sockets;

/// The passive listener of one session, which is kept for its next transfer: to arm it again
/// costs a third of a new one.
///
/// Between transfers its port accepts nobody, and who waited in its backlog is gone.
pub struct Passive {
    service: Arc<Service>,
    listener: Option<TcpListener>,
    /// The port that is leased from the pool; 0 if the system picked it.
    leased: u16,
    armed: bool,
    /// This session is counted among those that wait for a port.
    waiting: bool,
}

/// Connections that may wait; one is needed, and a stranger must not keep it away.
const BACKLOG: i32 = 8;

impl Passive {
    /// No listener yet.
    #[must_use]
    pub fn new(service: Arc<Service>) -> Self {
        Self {
            service,
            listener: None,
            leased: 0,
            armed: false,
            waiting: false,
        }
    }

    /// Listens on `local` and says where; `None` if no port is free just now. Whoever connected
    /// before is not served.
    ///
    /// # Errors
    /// What the system says, but for ports that are in use: then the next one is tried.
    pub fn arm(&mut self, local: IpAddr) -> io::Result<Option<SocketAddr>> {
        if let Some(address) = self.rearm() {
            return Ok(Some(address));
        }
        self.release();
        let service = Arc::clone(&self.service);
        let stall = service.settings().protocol.limits.stall;
        let mut refused = Vec::new();
        let mut outcome = Ok(None);
        // A port that is free by the pool may be in use by another program.
        for port in service.ports().tries() {
            match listen(SocketAddr::new(local, port), stall) {
                Ok((listener, address)) => {
                    self.listener = Some(listener);
                    (self.leased, self.armed) = (port, true);
                    outcome = Ok(Some(address));
                    break;
                }
                Err(error) => {
                    refused.push(port);
                    if error.kind() != io::ErrorKind::AddrInUse {
                        outcome = Err(error);
                        break;
                    }
                }
            }
        }
        // Not before, or the same one might be drawn again and the free one never.
        for port in refused {
            service.ports().give_back(port);
        }
        self.await_port(matches!(outcome, Ok(None)));
        outcome
    }

    /// Listens again on the socket that was kept.
    fn rearm(&mut self) -> Option<SocketAddr> {
        if self.armed {
            self.rest();
        }
        let listener = self.listener.as_ref()?;
        rustix::net::listen(listener, BACKLOG).ok()?;
        let address = listener.local_addr().ok()?;
        self.armed = true;
        Some(address)
    }

    /// Accepts the connection that came from `only_from`, if there is one. Others are dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if none waits; otherwise what the system says.
    pub fn accept(&self, only_from: IpAddr) -> io::Result<TcpStream> {
        let listener = self.listener.as_ref().filter(|_| self.armed);
        let listener = listener.ok_or(io::ErrorKind::NotConnected)?;
        loop {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match rustix::net::acceptfrom_with(listener, flags) {
                Ok((stream, peer)) => {
                    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                    let address = peer.map(|peer| peer.ip().to_canonical());
                    if address == Some(only_from) {
                        return Ok(TcpStream::from(stream));
                    }
                    tracing::warn!(?peer, %only_from, "a stranger on the data port was dropped");
                }
                // The connection was gone before it was accepted.
                Err(rustix::io::Errno::CONNABORTED | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Accepts nobody any more and drops who waits; the socket is kept.
    pub fn rest(&mut self) {
        if let Some(listener) = self.listener.as_ref().filter(|_| self.armed) {
            self.armed = false;
            if rustix::net::shutdown(listener, Shutdown::Both).is_err() {
                self.release();
            }
        }
        if self.service.ports().is_short() {
            self.release();
        }
    }

    /// Closes the socket and gives the port back.
    pub fn release(&mut self) {
        self.await_port(false);
        self.armed = false;
        if self.listener.take().is_some() {
            self.service.ports().give_back(self.leased);
        }
    }

    /// Whether a socket is kept that is not in use.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        self.listener.is_some() && !self.armed
    }

    /// The listener, to wait for a connection.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.listener
            .as_ref()
            .filter(|_| self.armed)
            .map(AsFd::as_fd)
    }

    fn await_port(&mut self, waits: bool) {
        if self.waiting != waits {
            self.waiting = waits;
            self.service.ports().wait(waits);
        }
    }
}

impl Drop for Passive {
    fn drop(&mut self) {
        self.release();
    }
}

fn listen(address: SocketAddr, stall: Duration) -> io::Result<(TcpListener, SocketAddr)> {
    let family = if address.is_ipv6() {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    // Connections of transfers before may still be in TIME_WAIT on this port.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockets::prepare_data(&socket, stall)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    let listener = TcpListener::from(socket);
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Begins a connection from `local` to `to`, which may `stall` for so long. It is made, or has
/// failed, when the socket is writable; see [`dialed`].
///
/// # Errors
/// What the system says at once.
pub fn dial(local: IpAddr, to: SocketAddr, stall: Duration) -> io::Result<TcpStream> {
    let family = if to.is_ipv6() {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockets::prepare_data(&socket, stall)?;
    rustix::net::bind(
        &socket,
        &SocketAddr::new(sockets::plain(local, to.is_ipv6()), 0),
    )?;
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
        Err(error) => Err(error.into()),
    }
}

/// Whether a connection that [`dial`] began is made.
///
/// # Errors
/// Why it is not.
pub fn dialed(stream: &TcpStream) -> io::Result<()> {
    match stream.take_error()? {
        Some(error) => Err(error),
        None => stream.peer_addr().map(drop),
    }
}
