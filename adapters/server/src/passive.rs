//! [`Passive`]: the listener of a session for passive data connections.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::net::Shutdown;

use crate::service::Service;
use crate::system::BACKLOG;

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
        let system = &service.settings().system;
        let mut refused = Vec::new();
        let mut outcome = Ok(None);
        // A port that is free by the pool may be in use by another program.
        for port in service.ports().tries() {
            match system.listen(SocketAddr::new(local, port), stall) {
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
            let (stream, peer) = self.service.settings().system.accept(listener)?;
            if peer == Some(only_from) {
                return Ok(stream);
            }
            tracing::warn!(?peer, %only_from, "a stranger on the data port was dropped");
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
