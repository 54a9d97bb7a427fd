//! [`Passive`]: where the data connection of a session is expected.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wharf_core::Instant;

use crate::ports::{Lease, Request};
use crate::service::Service;

/// The passive port of one session, from PASV until its data connection stands: then it is free
/// for others.
pub struct Passive {
    service: Arc<Service>,
    /// Tells it from those of other sessions.
    session: u64,
    /// The server's and the client's end of the control connection.
    ends: (SocketAddr, IpAddr),
    lease: Option<Lease>,
    /// Since when it has the lease.
    since: Instant,
    /// The port of the lease before.
    former: u16,
    /// Strangers who came to this lease.
    strangers: u32,
    /// This session is counted among those that wait for a port.
    waiting: bool,
}

/// So many strangers are dropped before others have their turn.
const AT_ONCE: usize = 64;

impl Passive {
    /// No port yet, for a client whose control connection has these ends.
    #[must_use]
    pub fn new(service: Arc<Service>, local: SocketAddr, client: IpAddr) -> Self {
        static SESSIONS: AtomicU64 = AtomicU64::new(0);
        Self {
            session: SESSIONS.fetch_add(1, Ordering::Relaxed),
            ends: (local, client.to_canonical()),
            since: service.now(),
            service,
            lease: None,
            former: 0,
            strangers: 0,
            waiting: false,
        }
    }

    /// Listens and says where; `None` if no port is free just now. Whoever connected before is not
    /// served.
    ///
    /// # Errors
    /// What the system says, but for ports that are in use: then the next one is tried.
    pub fn arm(&mut self) -> io::Result<Option<SocketAddr>> {
        self.end(false);
        let outcome = self.service.ports().lease(&self.request());
        let short = matches!(outcome, Ok(None));
        if short && !self.waiting {
            self.service.ports().begin_to_wait(self.service.now());
        } else if self.waiting && !short {
            self.service.ports().end_to_wait();
        }
        self.waiting = short;
        self.lease = outcome?;
        let address = self.lease.as_ref().map(|lease| lease.address);
        self.former = address.map_or(self.former, |address| address.port());
        (self.since, self.strangers) = (self.service.now(), 0);
        Ok(address)
    }

    /// Accepts the client, if it has connected, and gives the port back. Others are dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if it has not; otherwise what the system says.
    pub fn accept(&mut self) -> io::Result<TcpStream> {
        let lease = self.lease.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let (_, client) = self.ends;
        for _ in 0..AT_ONCE {
            let (stream, peer) = self.service.settings().system.accept(&lease.listener)?;
            if peer == Some(client) {
                self.end(true);
                return Ok(stream);
            }
            if self.strangers == 0 {
                tracing::warn!(?peer, %client, "a stranger on the data port was dropped");
            } else {
                tracing::debug!(?peer, %client, "another stranger was dropped");
            }
            self.strangers = self.strangers.saturating_add(1);
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Gives the port back, and waits for none.
    pub fn release(&mut self) {
        if std::mem::take(&mut self.waiting) {
            self.service.ports().end_to_wait();
        }
        self.end(false);
    }

    /// The listener, to wait for a connection.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.lease.as_ref().map(|lease| lease.listener.as_fd())
    }

    /// When it was told to clients where to connect, if nobody has yet.
    #[must_use]
    pub fn since(&self) -> Option<Instant> {
        self.lease.as_ref().map(|_| self.since)
    }

    fn end(&mut self, used: bool) {
        if let Some(lease) = self.lease.take() {
            let pool = self.service.ports();
            pool.give_back(lease, &self.request(), used);
        }
    }

    fn request(&self) -> Request<'_> {
        let settings = self.service.settings();
        let (local, client) = self.ends;
        Request {
            system: &*settings.system,
            local,
            stall: settings.protocol.limits.stall,
            client,
            session: self.session,
            former: self.former,
            now: self.service.now(),
        }
    }
}

impl Drop for Passive {
    fn drop(&mut self) {
        self.release();
    }
}
