//! [`Unwelcome`]: a connection that the server does not want.

use std::io::{ErrorKind, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::client::bound;

/// A connection that the server does not want. It may be reset before it is told to stand, so this is
/// nothing at all where the system refuses to connect.
pub(crate) struct Unwelcome(Option<TcpStream>);

impl Unwelcome {
    pub(crate) fn connect(to: SocketAddr) -> Self {
        Self(TcpStream::connect(to).ok())
    }

    /// Connects from another address of this machine.
    pub(crate) fn connect_from(from: Ipv4Addr, to: SocketAddr) -> Self {
        let socket = bound(from);
        let connected = rustix::net::connect(&socket, &to).is_ok();
        Self(connected.then(|| TcpStream::from(socket)))
    }

    /// Returns what comes until it is closed, in whatever way, or until nothing has come for so long.
    pub(crate) fn heard(&self, patience: Duration) -> Vec<u8> {
        self.listen(patience).0
    }

    /// Whether it is closed within that time, without a byte.
    pub(crate) fn is_dropped(&self, patience: Duration) -> bool {
        let (bytes, closed) = self.listen(patience);
        closed && bytes.is_empty()
    }

    /// What has come, and whether the connection was closed.
    fn listen(&self, patience: Duration) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        let Some(mut stream) = self.0.as_ref() else {
            return (bytes, true);
        };
        stream.set_read_timeout(Some(patience)).expect("a timeout");
        let end = stream.read_to_end(&mut bytes);
        let closed = end.map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true);
        (bytes, closed)
    }
}
