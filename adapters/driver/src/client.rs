//! [`Client`]: who has connected and has a place.

use std::fmt;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use wharf_core::{Config, TOO_MANY_CONNECTIONS, TOO_MANY_FAILURES};

use crate::journal::Journal;
use crate::log;
use crate::service::{Permit, Refusal, Service};

/// A client that has connected and has a place among the sessions of the server, as long as this or its
/// [`Connection`](crate::connection::Connection) lives.
pub struct Client {
    pub(crate) socket: Arc<TcpStream>,
    pub(crate) peer: SocketAddr,
    pub(crate) permit: Permit,
    pub(crate) protocol: Arc<Config>,
}

impl Service {
    /// Gives a place to a client that was accepted by other means than [`Service::accept`], on a listener
    /// with this protocol. Its socket does not block. Returns `None` where there is no place: the client has
    /// been told why, and is gone.
    ///
    /// A control connection needs what [`sockets::accept`](crate::sockets::accept) sets up; some clients hang
    /// in ABOR without it.
    #[must_use]
    pub fn admit(
        self: &Arc<Self>,
        socket: TcpStream,
        peer: SocketAddr,
        protocol: &Arc<Config>,
    ) -> Option<Client> {
        let permit = match self.permit(peer) {
            Ok(permit) => permit,
            Err(why) => {
                refuse(&socket, peer, protocol, why);
                return None;
            }
        };
        let socket = Arc::new(socket);
        permit.hold(&socket);
        if protocol.tls.implicit {
            permit.protect();
        }
        Some(Client {
            socket,
            peer,
            permit,
            protocol: Arc::clone(protocol),
        })
    }
}

impl Client {
    /// Returns the control connection, to wait for.
    #[must_use]
    pub fn socket(&self) -> &Arc<TcpStream> {
        &self.socket
    }

    /// Returns the address of the client, where an IPv4 address is one whatever the listener.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Returns the service that the client has connected to.
    #[must_use]
    pub fn service(&self) -> &Arc<Service> {
        self.permit.service()
    }

    /// Tells the client that it cannot be served for want of a thread, memory or descriptors, and the log why.
    pub fn refuse(self, error: &io::Error) {
        log::warn!(%error, peer = %self.peer, "a client cannot be served");
        refuse(&self.socket, self.peer, &self.protocol, Refusal::Exhausted);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// Tells a client that there is no place for it now. What does not fit into the socket's buffer is not worth
/// waiting for, nor is a handshake with one that begins with TLS.
pub(crate) fn refuse(mut control: &TcpStream, peer: SocketAddr, protocol: &Config, why: Refusal) {
    Journal::refused(peer, why);
    if protocol.tls.implicit {
        return;
    }
    let _ = control.write(match why {
        Refusal::Full | Refusal::Exhausted => TOO_MANY_CONNECTIONS,
        Refusal::Waits => TOO_MANY_FAILURES,
    });
}
