//! [`Reception`]: who is let in, and what the others are told.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use crate::Listener;
use crate::service::{Permit, Refusal, Service};
use crate::sockets::{AT_ONCE, accept, is_exhausted};

/// What comes of a listener at which a client may wait.
pub enum Reception {
    /// A client that has a place.
    Client(Arc<TcpStream>, SocketAddr, Permit),
    /// Nobody waits; or many did for whom there is no place, and now others have their turn.
    Nobody,
    /// For want of descriptors or memory nobody can be accepted: try again
    /// [later](crate::sockets::EXHAUSTED), since to do so at once would spin.
    Exhausted,
}

impl Service {
    /// Accepts the next client that waits at the listener. Those for whom there is no place are
    /// told why not, and are gone.
    #[must_use]
    pub fn next_client(self: &Arc<Self>, listener: &Listener) -> Reception {
        let vanished = self.settings().vanished;
        let protocol = listener.protocol(self.settings());
        for _ in 0..AT_ONCE {
            let mut turn = self.reserve().turn();
            match accept(&listener.socket, vanished) {
                Ok((stream, peer)) => match self.admit(peer) {
                    Ok(permit) => {
                        let stream = Arc::new(stream);
                        permit.hold(&stream);
                        if protocol.tls.implicit {
                            permit.protect();
                        }
                        return Reception::Client(stream, peer, permit);
                    }
                    Err(why) => Self::refuse(&stream, peer, protocol, why),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Reception::Nobody;
                }
                Err(error) if is_exhausted(&error) => {
                    let refused = turn.spend(|| {
                        let (stream, peer) = accept(&listener.socket, vanished)?;
                        Self::refuse(&stream, peer, protocol, Refusal::Exhausted);
                        Ok::<_, io::Error>(())
                    });
                    match refused {
                        Some(Ok(())) => {}
                        Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                            return Reception::Nobody;
                        }
                        Some(Err(_)) | None => {
                            tracing::warn!(%error, "no client can be accepted for now");
                            return Reception::Exhausted;
                        }
                    }
                }
                // That client is gone; others wait.
                Err(error) => tracing::debug!(%error, "a client was gone before it was accepted"),
            }
            if self.is_stopping() {
                break;
            }
        }
        Reception::Nobody
    }
}
