//! [`Client`]: who has connected and has a place.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;

use ipnet::IpNet;
use wharf_core::{Config, NOT_SERVED, TOO_MANY_CONNECTIONS, TOO_MANY_FAILURES};

use crate::journal::Journal;
use crate::log;
use crate::proxy;
use crate::service::{Permit, Refusal, Service};

/// A client that has connected and has a place among the sessions of the server, as long as this or its
/// [`Connection`](crate::connection::Connection) lives.
pub struct Client {
    pub(crate) socket: Arc<TcpStream>,
    pub(crate) peer: SocketAddr,
    pub(crate) permit: Permit,
    pub(crate) protocol: Arc<Config>,
    /// It is a balancer, which says in a PROXY header who the client is.
    pub(crate) is_announced: bool,
}

/// How a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// By itself.
    Direct,
    /// It is a balancer that looks whether somebody is here.
    Balancer,
    /// By a balancer.
    Relayed {
        /// The balancer's end of the control connection.
        by: SocketAddr,
        /// The address that the client has connected to.
        reached: IpAddr,
    },
}

impl Origin {
    /// The address that the client has connected to, where that is not the server's end of the control
    /// connection.
    pub(crate) fn reached(&self) -> Option<IpAddr> {
        match self {
            Self::Direct | Self::Balancer => None,
            Self::Relayed { reached, .. } => Some(*reached),
        }
    }
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
        self.admit_from(socket, peer, protocol, &self.settings().proxy_from)
    }

    /// As [`Service::admit`], where connections from these networks begin with a PROXY header.
    pub(crate) fn admit_from(
        self: &Arc<Self>,
        socket: TcpStream,
        peer: SocketAddr,
        protocol: &Arc<Config>,
        proxy_from: &[IpNet],
    ) -> Option<Client> {
        let address = peer.ip().to_canonical();
        let is_announced = proxy_from.iter().any(|network| network.contains(&address));
        let permit = match is_announced {
            true => self.permit_unknown(),
            false => self.permit(peer),
        };
        let permit = match permit {
            Ok(permit) => permit,
            Err(why) => {
                refuse(&socket, peer, protocol, why);
                return None;
            }
        };
        let client = Client {
            socket: Arc::new(socket),
            peer,
            permit,
            protocol: Arc::clone(protocol),
            is_announced,
        };
        if !is_announced {
            client.hold();
        }
        Some(client)
    }
}

impl Client {
    /// Returns the control connection, to wait for.
    #[must_use]
    pub fn socket(&self) -> &Arc<TcpStream> {
        &self.socket
    }

    /// Returns the address of the client, where an IPv4 address is one whatever the listener. As long as a
    /// balancer has yet to say who that is, it is the balancer's.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Returns the service that the client has connected to.
    #[must_use]
    pub fn service(&self) -> &Arc<Service> {
        self.permit.service()
    }

    /// Its control connection is that by which it can be made to give way.
    fn hold(&self) {
        self.permit.hold(&self.socket);
        if self.protocol.tls.implicit {
            self.permit.protect();
        }
    }

    /// The balancer has said who it is. Returns `None` where there is no place for it: it has been told why.
    pub(crate) fn known_as(mut self, peer: SocketAddr) -> Option<Self> {
        self.peer = peer;
        if let Err(why) = self.permit.claim(peer) {
            refuse(&self.socket, peer, &self.protocol, why);
            return None;
        }
        self.hold();
        Some(self)
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
        Refusal::KeptOut => NOT_SERVED,
    });
    // To close a connection with bytes unread, as a header, resets it, and the reply may be lost.
    let _ = control.read(&mut [0; proxy::MOST]);
}
