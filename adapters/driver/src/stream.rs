//! [`Stream`]: a data connection, in clear or within TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use crate::control::is_passing;
use crate::sockets::acknowledge;
use crate::tls::Channel;

/// A data connection that does not block.
pub(crate) struct Stream {
    socket: Arc<TcpStream>,
    tls: Option<Box<Channel>>,
}

impl From<TcpStream> for Stream {
    /// In clear text.
    fn from(socket: TcpStream) -> Self {
        Self {
            socket: Arc::new(socket),
            tls: None,
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Stream {
    /// The socket, if its bytes are those that are meant, so that the kernel may move them.
    pub(crate) fn plain(&self) -> Option<&TcpStream> {
        self.tls.is_none().then_some(&self.socket)
    }

    /// The socket, by which the connection can be ended while another thread has this.
    pub(crate) fn socket(&self) -> &Arc<TcpStream> {
        &self.socket
    }

    /// Begins TLS.
    pub(crate) fn protect(&mut self, channel: Channel) {
        self.tls = Some(Box::new(channel));
    }

    /// Goes back to clear text: whether the peer has not begun its handshake.
    pub(crate) fn unprotect(&mut self) -> bool {
        let possible = self.tls.as_ref().is_none_or(|tls| tls.is_untouched());
        if possible {
            self.tls = None;
        }
        possible
    }

    /// The TLS between us and the peer.
    pub(crate) fn tls(&self) -> Option<&Channel> {
        self.tls.as_deref()
    }

    /// Shakes hands as far as the socket lets it: all is done when this is `Ok`.
    pub(crate) fn shake(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return Err(ErrorKind::NotConnected.into());
        };
        let shaken = tls.shake(&*self.socket);
        // The peer's last words of the handshake are answered by nothing else.
        acknowledge(&*self.socket);
        shaken
    }

    /// Reads bytes: none at the end.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`]: TLS ended without close_notify. Otherwise what the system
    /// says, or TLS.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => {
                let read = tls.read(&*self.socket, buffer);
                if read.as_ref().is_err_and(is_passing) {
                    // Its close_notify may wait behind what has come.
                    acknowledge(&*self.socket);
                }
                read
            }
            None => (&*self.socket).read(buffer),
        }
    }

    /// Whether something can be read that the socket does not tell of.
    pub(crate) fn holds(&mut self) -> bool {
        self.tls.as_mut().is_some_and(|tls| tls.holds())
    }

    /// Writes bytes, and says how many were taken. After [`ErrorKind::WouldBlock`] the same bytes
    /// must be given again.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.write(&*self.socket, bytes),
            None => (&*self.socket).write(bytes),
        }
    }

    /// Says that all is written. In clear text the end of the connection does.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`]: it is not said yet. Otherwise what the system says.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.close(&*self.socket),
            None => Ok(()),
        }
    }
}
