//! [`Passive`]: where the data connection of a session is expected.

#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wharf_core::Instant;

use crate::bell::Bell;
use crate::log;
use crate::ports::{Lease, Request};
use crate::queue::Asker;
use crate::service::Service;
use crate::sockets::{AT_ONCE, EXHAUSTED, drop_stranger};

/// The passive port of one session, from PASV until its data connection stands: then it is free
/// for others.
pub(crate) struct Passive {
    service: Arc<Service>,
    /// Tells it from those of other sessions.
    session: u64,
    /// The server's and the client's end of the control connection.
    ends: (SocketAddr, IpAddr),
    lease: Option<Lease>,
    /// Since when it has the lease.
    since: Instant,
    /// Since when it has had leases of which none was used.
    unused_since: Option<Instant>,
    /// The port of the lease before.
    former: u16,
    /// When the log was last told of a stranger, and how many were not worth a line since.
    told: Option<Instant>,
    strangers: u64,
    /// Rings when there may be a port, if one is waited for.
    bell: Option<Arc<Bell>>,
    /// When there may be one in any case.
    again: Option<Instant>,
}

/// How often the log is told of strangers who come to the ports of a session.
const TELL_AGAIN: Duration = Duration::from_secs(60);

impl Passive {
    /// No port yet, for a client whose control connection has these ends.
    pub(crate) fn new(service: Arc<Service>, local: SocketAddr, client: IpAddr) -> Self {
        static SESSIONS: AtomicU64 = AtomicU64::new(0);
        Self {
            session: SESSIONS.fetch_add(1, Ordering::Relaxed),
            ends: (local, client.to_canonical()),
            since: service.now(),
            service,
            lease: None,
            unused_since: None,
            former: 0,
            told: None,
            strangers: 0,
            bell: None,
            again: None,
        }
    }

    /// Listens and says where; `None` if no port is free just now: then it is to be tried again when
    /// [`Passive::bell`] is readable, and at [`Passive::again`]. Whoever connected before is not
    /// served.
    ///
    /// # Errors
    /// What the system says, but for ports that are in use: then the next one is tried.
    pub(crate) fn arm(&mut self) -> io::Result<Option<SocketAddr>> {
        self.end(false);
        if let Some(bell) = &self.bell {
            bell.silence();
        }
        let Some(lease) = self.service.ports().lease(&self.request()).transpose() else {
            self.wait();
            return Ok(None);
        };
        self.wait_no_longer();
        let lease = self.lease.insert(lease?);
        let address = lease.address;
        self.former = address.port();
        self.since = self.service.now();
        self.unused_since.get_or_insert(self.since);
        Ok(Some(address))
    }

    /// Accepts the client, if it has connected, and gives the port back. Others are dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if it has not; otherwise what the system says.
    pub(crate) fn accept(&mut self) -> io::Result<TcpStream> {
        let lease = self.lease.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let (_, client) = self.ends;
        for _ in 0..AT_ONCE {
            let (stream, peer) = self.service.settings().system.accept(&lease.listener)?;
            if peer == Some(client) {
                self.unused_since = None;
                self.end(true);
                return Ok(stream);
            }
            drop_stranger(stream);
            let now = self.service.now();
            if self.told.is_none_or(|told| now.since(told) >= TELL_AGAIN) {
                let others = std::mem::take(&mut self.strangers);
                log::warn!(?peer, %client, others, "a stranger on the data port was dropped");
                self.told = Some(now);
            } else {
                self.strangers += 1;
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Gives the port back, and waits for none.
    pub(crate) fn release(&mut self) {
        self.wait_no_longer();
        self.end(false);
    }

    /// What rings when a port may be had that is waited for.
    pub(crate) fn bell(&self) -> Option<BorrowedFd<'_>> {
        self.bell.as_ref().map(|bell| bell.as_fd())
    }

    /// When a port may be had that is waited for, though no bell rings.
    pub(crate) fn again(&self) -> Option<Instant> {
        self.again
    }

    fn wait(&mut self) {
        let now = self.service.now();
        if self.bell.is_none() {
            self.bell = Bell::new().ok().map(Arc::new);
        }
        let later = match &self.bell {
            Some(bell) => self.service.ports().wait(&self.request(), bell),
            // There is no descriptor for it.
            None => Some(EXHAUSTED),
        };
        self.again = later.map(|later| now + later);
    }

    fn wait_no_longer(&mut self) {
        self.again = None;
        if self.bell.take().is_some() {
            self.service.ports().leave(self.session, self.service.now());
        }
    }

    /// The listener, to wait for a connection.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.lease.as_ref().map(|lease| lease.listener.as_fd())
    }

    /// When it was told to clients where to connect, if nobody has yet.
    pub(crate) fn since(&self) -> Option<Instant> {
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
        let limits = &settings.protocol.limits;
        let (local, client) = self.ends;
        let now = self.service.now();
        let unused = self.unused_since.map(|since| now.since(since));
        Request {
            system: &*settings.system,
            local,
            asker: Asker {
                session: self.session,
                client,
                outstays: !limits.connect.is_zero()
                    && unused.is_some_and(|unused| unused >= limits.connect),
            },
            former: self.former,
            now,
        }
    }
}

impl Drop for Passive {
    fn drop(&mut self) {
        self.release();
    }
}
