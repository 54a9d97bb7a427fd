//! Who is let in, and what the others are told.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::Listener;
use crate::client::{Client, refuse};
use crate::log;
use crate::service::{Refusal, Service};
use crate::sockets::{self, AT_ONCE, EXHAUSTED, is_exhausted};

/// What comes of a listener at which a client may wait.
enum Next {
    Client(Client),
    /// One who is not served.
    Refused,
    Nobody,
    /// For want of descriptors or memory nobody can be accepted.
    Exhausted,
}

impl Service {
    /// Accepts the clients that wait at a listener, which does not block, and hands those that have a place
    /// over. The others are told why they have none, and are gone. If many wait, they are left for the next
    /// call after some, so that others have their turn.
    ///
    /// Returns how long to wait before the next call, if that must not follow at once: there are no
    /// descriptors or no memory left, and the listener would seem to be ready all the time.
    #[must_use = "without the pause its caller spins"]
    pub fn accept(
        self: &Arc<Self>,
        listener: &Listener,
        mut hand_over: impl FnMut(Client),
    ) -> Option<Duration> {
        for _ in 0..AT_ONCE {
            if self.is_stopping() {
                break;
            }
            match self.next(listener) {
                Next::Client(client) => hand_over(client),
                Next::Refused => {}
                Next::Nobody => break,
                Next::Exhausted => return Some(EXHAUSTED),
            }
        }
        None
    }

    /// Returns how long to wait before the next try when listeners could not be waited for, and tells the log.
    ///
    /// # Errors
    /// The same error, if it is none that goes by: the server cannot go on.
    pub fn pause_after(&self, error: io::Error) -> io::Result<Duration> {
        log::warn!(%error, "clients cannot be waited for now");
        match is_exhausted(&error) {
            true => Ok(EXHAUSTED),
            false => Err(error),
        }
    }

    fn next(self: &Arc<Self>, listener: &Listener) -> Next {
        let vanished = self.settings().vanished;
        let protocol = listener.protocol(self.settings());
        let proxy_from = listener.proxy_from(self.settings());
        let mut turn = self.reserve().turn();
        match sockets::accept(&listener.socket, vanished) {
            Ok((stream, peer)) => match self.admit_from(stream, peer, protocol, proxy_from) {
                Some(client) => Next::Client(client),
                None => Next::Refused,
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Next::Nobody,
            Err(error) if is_exhausted(&error) => {
                let refused = turn.spend(|| {
                    let (stream, peer) = sockets::accept(&listener.socket, vanished)?;
                    refuse(&stream, peer, protocol, Refusal::Exhausted);
                    Ok::<_, io::Error>(())
                });
                match refused {
                    Some(Ok(())) => Next::Refused,
                    Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => Next::Nobody,
                    Some(Err(_)) | None => {
                        log::warn!(%error, "no client can be accepted for now");
                        Next::Exhausted
                    }
                }
            }
            // That client is gone; others wait.
            Err(error) => {
                log::debug!(%error, "a client was gone before it was accepted");
                Next::Refused
            }
        }
    }
}
