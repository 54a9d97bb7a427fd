//! [`Control`]: the bytes of a control connection, in clear or within TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use wharf_core::ticket::{StartTls, StopTls};
use wharf_core::{Event, Instant, Ticket, TlsFailure};
use zeroize::{Zeroize, Zeroizing};

use crate::log;
use crate::sockets::acknowledge;
use crate::tls::{Channel, Keys, Tls};

/// What is read at once.
const PIECE: usize = 4096;

/// What stands between a session and the socket of its control connection.
#[derive(Default)]
pub(crate) struct Control {
    layer: Layer,
    turn: Turn,
    /// Plain bytes that were read and that the session has not taken yet.
    left: Zeroizing<Vec<u8>>,
}

#[derive(Default)]
enum Layer {
    #[default]
    Clear,
    Tls(Box<Channel>),
    /// We have left TLS, and the client's close_notify may still come.
    Leaving(Box<Channel>),
}

/// The connection is becoming another one: nothing is exchanged with the session meanwhile.
#[derive(Default)]
enum Turn {
    #[default]
    None,
    /// TLS begins before the greeting, until then.
    Opening(Keys, Option<Instant>),
    Starting(Ticket<StartTls>, Keys),
    Stopping(Ticket<StopTls>),
}

/// The connection is another one, or will not be.
pub(crate) struct Turned {
    /// What data connections shake hands with, and the version, if it is a TLS connection now.
    pub(crate) outcome: io::Result<Option<(Keys, &'static str)>>,
    /// The answer, if the session has asked for it: where TLS begins, nobody did.
    pub(crate) answer: Option<Event>,
}

impl Control {
    /// TLS begins at once, and must be there at that time, if there is one.
    pub(crate) fn open(&mut self, tls: &Tls, until: Option<Instant>) -> io::Result<()> {
        let (channel, keys) = tls.begin(&[])?;
        self.layer = Layer::Tls(Box::new(channel));
        self.turn = Turn::Opening(keys, until);
        Ok(())
    }

    /// TLS begins behind what was written: whatever came behind AUTH belongs to it.
    pub(crate) fn start(&mut self, ticket: Ticket<StartTls>, tls: Option<&Tls>) -> Option<Event> {
        let begun = tls.map(|tls| tls.begin(&std::mem::take(&mut self.left)));
        if let Some(Ok((channel, keys))) = begun {
            self.layer = Layer::Tls(Box::new(channel));
            self.turn = Turn::Starting(ticket, keys);
            return None;
        }
        if let Some(Err(error)) = begun {
            log::error!(%error, "TLS cannot begin");
        }
        Some(ticket.done(Err(TlsFailure::Handshake)))
    }

    /// TLS ends behind what was written.
    pub(crate) fn stop(&mut self, ticket: Ticket<StopTls>) {
        self.turn = Turn::Stopping(ticket);
    }

    /// Whether it is becoming another one.
    pub(crate) fn turns(&self) -> bool {
        !matches!(self.turn, Turn::None)
    }

    /// Whether TLS has to be there before anything is said.
    pub(crate) fn is_opening(&self) -> bool {
        matches!(self.turn, Turn::Opening(..))
    }

    /// When the turn must be over, if nobody else sees to that.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.turn {
            Turn::Opening(_, until) => *until,
            Turn::None | Turn::Starting(..) | Turn::Stopping(_) => None,
        }
    }

    /// Whether a turn waits to write, not to read.
    pub(crate) fn turn_writes(&self) -> bool {
        match (&self.turn, &self.layer) {
            (Turn::None, _) | (_, Layer::Clear) => false,
            (_, Layer::Tls(channel) | Layer::Leaving(channel)) => channel.writes(),
        }
    }

    /// Goes on with the turn as far as nothing must be waited for; `None` if it must, or if there is
    /// nothing to turn.
    pub(crate) fn turn(&mut self, socket: &TcpStream, now: Instant) -> Option<Turned> {
        let Layer::Tls(channel) = &mut self.layer else {
            return None;
        };
        let outcome = match &self.turn {
            Turn::None => return None,
            Turn::Opening(_, Some(until)) if now >= *until => Err(ErrorKind::TimedOut.into()),
            Turn::Opening(..) | Turn::Starting(..) => channel.shake(socket),
            Turn::Stopping(_) => channel.close(socket),
        };
        if outcome.as_ref().is_err_and(is_passing) {
            // Some clients send the last words of a handshake one by one.
            acknowledge(socket);
            return None;
        }
        let (ticket, keys) = match std::mem::take(&mut self.turn) {
            Turn::None => return None,
            Turn::Opening(keys, _) => (None, keys),
            Turn::Starting(ticket, keys) => (Some(ticket), keys),
            Turn::Stopping(ticket) => {
                let outcome = outcome.and_then(|()| self.stopped());
                let answer = ticket.done(outcome.as_ref().map_err(failure).copied());
                return Some(Turned {
                    outcome: outcome.map(|()| None),
                    answer: Some(answer),
                });
            }
        };
        let answer = ticket.map(|ticket| ticket.done(outcome.as_ref().map_err(failure).copied()));
        let outcome = outcome.map(|()| Some((keys.of(channel), channel.version())));
        Some(Turned { outcome, answer })
    }

    /// We have said our last word within TLS.
    fn stopped(&mut self) -> io::Result<()> {
        if let Layer::Tls(channel) = std::mem::take(&mut self.layer) {
            self.left.extend_from_slice(channel.left());
            self.layer = Layer::Leaving(channel);
        }
        self.leave()
    }

    /// The turn shall not be waited for any longer.
    pub(crate) fn cancel(&mut self) -> Option<Event> {
        match std::mem::take(&mut self.turn) {
            Turn::None => None,
            Turn::Opening(keys, until) => {
                self.turn = Turn::Opening(keys, until);
                None
            }
            Turn::Starting(ticket, _) => Some(ticket.done(Err(TlsFailure::Cancelled))),
            Turn::Stopping(ticket) => Some(ticket.done(Err(TlsFailure::Cancelled))),
        }
    }

    /// Plain bytes that the session has not taken yet.
    pub(crate) fn left(&self) -> &[u8] {
        match self.layer {
            // What is the client's close_notify, and what is clear text, is not known yet.
            Layer::Leaving(_) => &[],
            Layer::Clear | Layer::Tls(_) => &self.left,
        }
    }

    /// The session has taken so many of them.
    pub(crate) fn take(&mut self, count: usize) {
        self.left = Zeroizing::new(self.left[count..].to_vec());
    }

    /// Gives what TLS still holds to the session, as [`Control::read`] does.
    pub(crate) fn read_held(&mut self, give: impl FnOnce(&[u8]) -> usize) -> io::Result<bool> {
        match self.layer {
            Layer::Tls(_) => self.read(Nothing, give),
            Layer::Clear | Layer::Leaving(_) => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// Reads what the client has sent, when nothing is left, and gives it to the session, which
    /// says how many bytes it has taken. False at the end.
    pub(crate) fn read(
        &mut self,
        mut connection: impl Read + Write,
        give: impl FnOnce(&[u8]) -> usize,
    ) -> io::Result<bool> {
        debug_assert!(self.left().is_empty(), "what came first is given first");
        let mut buffer = [0; PIECE];
        let read = match &mut self.layer {
            Layer::Clear | Layer::Leaving(_) => connection.read(&mut buffer),
            Layer::Tls(channel) => channel.read(connection, &mut buffer),
        };
        let count = match read {
            // What is cut off is no command.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
            read => read?,
        };
        let taken = match self.layer {
            Layer::Clear | Layer::Tls(_) => give(&buffer[..count]),
            Layer::Leaving(_) => 0,
        };
        self.left.extend_from_slice(&buffer[taken..count]);
        // It may hold a password.
        buffer[..count].zeroize();
        self.leave()?;
        Ok(count > 0)
    }

    /// Writes replies, and says how many bytes were taken.
    pub(crate) fn write(&mut self, mut socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.layer {
            Layer::Clear | Layer::Leaving(_) => socket.write(bytes),
            Layer::Tls(channel) => channel
                .write(socket, bytes)
                .map(|count| count.min(bytes.len())),
        }
    }

    /// Nothing more will be written.
    pub(crate) fn close(&mut self, socket: &TcpStream) {
        if let Layer::Tls(channel) = &mut self.layer {
            // The end of the connection says the same to a client that does not take it.
            let _ = channel.close(socket);
        }
    }

    /// Takes the client's close_notify away from what was read.
    fn leave(&mut self) -> io::Result<()> {
        if let Layer::Leaving(channel) = &mut self.layer {
            let (count, left) = channel.leave(&self.left)?;
            self.take(count);
            if left {
                self.layer = Layer::Clear;
            }
        }
        Ok(())
    }
}

/// A connection of which nothing is known.
struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

impl Write for Nothing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether it must only be waited for.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// What it means to the protocol that there is no TLS.
pub(crate) fn failure(error: &io::Error) -> TlsFailure {
    match error.kind() {
        // What came was no handshake, or a wrong one.
        ErrorKind::InvalidData => TlsFailure::Handshake,
        _ => TlsFailure::Closed,
    }
}
