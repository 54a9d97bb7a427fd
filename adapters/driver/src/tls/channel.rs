//! [`Channel`]: TLS between plain bytes and a connection, which may be a socket or memory.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use rustls::{HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection};

/// The longest record (RFC 5246 section 6.2.3), with its header.
const LONGEST_RECORD: usize = 5 + (1 << 14) + 2048;
/// What is read from the connection at once, at least.
const PIECE: usize = 4096;
/// What is read from the connection at once, at most.
const PIECES: usize = 128 << 10;

/// The server's end of one TLS connection. It owns no connection: each call is given one that
/// does not block, and says [`ErrorKind::WouldBlock`] where it must be waited for.
///
/// Records are taken one by one, so that nothing is swallowed of what stands behind the last one:
/// after CCC that is clear text.
pub(crate) struct Channel {
    tls: ServerConnection,
    /// What was read from the connection and is not taken yet.
    raw: Vec<u8>,
    /// Bytes of `raw` before this one are taken.
    taken: usize,
    /// The peer has said something.
    touched: bool,
    /// Plain bytes whose records are not all written yet.
    pledged: usize,
    /// Our close_notify is sent, or waits to be.
    closing: bool,
}

impl Channel {
    /// A connection whose peer has yet to begin its handshake, with what was already read from it.
    ///
    /// # Errors
    /// The configuration is not sound.
    pub(crate) fn new(config: Arc<ServerConfig>, read: &[u8]) -> Result<Self, rustls::Error> {
        Ok(Self {
            tls: ServerConnection::new(config)?,
            raw: read.to_vec(),
            taken: 0,
            touched: !read.is_empty(),
            pledged: 0,
            closing: false,
        })
    }

    /// Shakes hands as far as nothing must be waited for; all is done when this is `Ok`.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`]: see [`Channel::writes`] for what to wait for. Otherwise why there
    /// will be no TLS.
    pub(crate) fn shake(&mut self, mut connection: impl Read + Write) -> io::Result<()> {
        loop {
            self.flush(&mut connection)?;
            if !self.tls.is_handshaking() {
                return Ok(());
            }
            if !self.take(&mut connection)? {
                self.fill(&mut connection, PIECE)?;
            }
        }
    }

    /// Whether it waits to write, not to read.
    pub(crate) fn writes(&self) -> bool {
        self.tls.wants_write()
    }

    /// Whether nothing was read yet.
    pub(crate) fn is_untouched(&self) -> bool {
        !self.touched
    }

    /// Reads plain bytes into a buffer that is not empty: none at the end, which is the peer's
    /// close_notify.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`]: the connection ended without close_notify.
    /// [`ErrorKind::InvalidData`]: what came is not what the peer has sent. Otherwise what the
    /// connection says.
    pub(crate) fn read(
        &mut self,
        mut connection: impl Read + Write,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let mut count = 0;
        let mut may_fill = true;
        loop {
            match self.tls.reader().read(&mut buffer[count..]) {
                Ok(0) => return Ok(count),
                Ok(read) => {
                    count += read;
                    if count == buffer.len() {
                        return Ok(count);
                    }
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            match self.take(&mut connection) {
                Ok(true) => continue,
                // What is wrong stays wrong, and the next call tells it.
                _ if count > 0 => return Ok(count),
                taken => _ = taken?,
            }
            // To ask the connection twice would cost more than it brings.
            if !std::mem::take(&mut may_fill) {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.fill(&mut connection, buffer.len())?;
        }
    }

    /// Whether there is something to read without the connection: bytes, an end or an error.
    pub(crate) fn holds(&mut self) -> bool {
        whole(&self.raw[self.taken..]).is_some()
            || self.tls.process_new_packets().map_or(true, |state| {
                state.plaintext_bytes_to_read() > 0 || state.peer_has_closed()
            })
    }

    /// Writes plain bytes, and says how many the connection has taken. What it has not must be
    /// given again, also after [`ErrorKind::WouldBlock`], and more may follow.
    ///
    /// # Errors
    /// What the connection says.
    pub(crate) fn write(&mut self, connection: impl Write, bytes: &[u8]) -> io::Result<usize> {
        if self.pledged == 0 {
            self.pledged = self.tls.writer().write(bytes)?;
        }
        let mut connection = Counted(connection, 0);
        let flushed = self.flush(&mut connection);
        let taken = match flushed {
            Ok(()) => self.pledged,
            // Records are a little longer than what is in them.
            Err(_) => connection.1.min(self.pledged.saturating_sub(1)),
        };
        self.pledged -= taken;
        match flushed {
            // What is wrong stays wrong, and the next call tells it.
            Err(error) if taken == 0 => Err(error),
            _ => Ok(taken),
        }
    }

    /// Says close_notify, if there is TLS to close. All is said and written when this is `Ok`.
    ///
    /// # Errors
    /// What the connection says.
    pub(crate) fn close(&mut self, mut connection: impl Write) -> io::Result<()> {
        if self.tls.is_handshaking() {
            return Ok(());
        }
        if !self.closing {
            self.closing = true;
            self.tls.send_close_notify();
        }
        self.flush(&mut connection)
    }

    /// After our close_notify the peer goes on in clear text, with or without a close_notify of its
    /// own. Takes what is still TLS at the begin of these bytes: how many of them it is, and
    /// whether what follows is clear text.
    ///
    /// # Errors
    /// The peer goes on within TLS.
    pub(crate) fn leave(&mut self, bytes: &[u8]) -> io::Result<(usize, bool)> {
        let mut count = 0;
        loop {
            let state = self.tls.process_new_packets().map_err(broken)?;
            if state.plaintext_bytes_to_read() > 0 {
                return Err(ErrorKind::InvalidData.into());
            }
            let left = &bytes[count..];
            if state.peer_has_closed() || left.first().is_some_and(|kind| !is_record(*kind)) {
                return Ok((count, true));
            }
            (self.raw, self.taken) = (left.to_vec(), 0);
            if !self.take(io::sink())? {
                return Ok((count, false));
            }
            count += self.taken;
        }
    }

    /// What was read from the connection and not taken.
    pub(crate) fn left(&self) -> &[u8] {
        &self.raw[self.taken..]
    }

    /// Whether the handshake, which is done, resumed an earlier session.
    pub(crate) fn is_resumed(&self) -> bool {
        matches!(self.tls.handshake_kind(), Some(HandshakeKind::Resumed))
    }

    /// The version that is spoken.
    pub(crate) fn version(&self) -> &'static str {
        match self.tls.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "TLS",
        }
    }

    /// The connection itself, to ask what was agreed upon.
    pub(crate) fn tls(&self) -> &ServerConnection {
        &self.tls
    }

    /// Takes a record that was read, if one is whole.
    fn take(&mut self, mut connection: impl Write) -> io::Result<bool> {
        let Some(length) = whole(&self.raw[self.taken..]) else {
            return Ok(false);
        };
        let end = self.taken + length;
        while self.taken < end {
            match self.tls.read_tls(&mut &self.raw[self.taken..end])? {
                // After close_notify nothing more is taken.
                0 => self.taken = end,
                count => self.taken += count,
            }
        }
        if let Err(error) = self.tls.process_new_packets() {
            // The peer is told why, if it still listens.
            let _ = self.flush(&mut connection);
            return Err(broken(error));
        }
        Ok(true)
    }

    /// Reads from the connection.
    fn fill(&mut self, mut connection: impl Read, wanted: usize) -> io::Result<()> {
        // What was wrong stays wrong.
        self.tls.process_new_packets().map_err(broken)?;
        self.raw.drain(..self.taken);
        self.taken = 0;
        let before = self.raw.len();
        self.raw.resize(before + wanted.clamp(PIECE, PIECES), 0);
        let read = connection.read(&mut self.raw[before..]);
        self.raw.truncate(before + *read.as_ref().unwrap_or(&0));
        self.touched |= self.raw.len() > before;
        if read? == 0 {
            // So it learns of the end.
            self.tls.read_tls(&mut io::empty())?;
            let _ = self.tls.process_new_packets();
            if self.tls.is_handshaking() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    fn flush(&mut self, connection: &mut impl Write) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(connection)?;
        }
        Ok(())
    }
}

/// A connection, and how many bytes it has taken.
struct Counted<C>(C, usize);

impl<C: Write> Write for Counted<C> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.0.write(bytes)?;
        self.1 += count;
        Ok(count)
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let count = self.0.write_vectored(parts)?;
        self.1 += count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The length of the record at the begin of the bytes, if it is whole. What is no record counts as
/// one: TLS says what is wrong with it.
fn whole(bytes: &[u8]) -> Option<usize> {
    let (kind, header) = bytes.split_first()?;
    if !is_record(*kind) {
        return Some(bytes.len());
    }
    let &[version, _, high, low] = header.first_chunk()?;
    let length = 5 + usize::from(u16::from_be_bytes([high, low]));
    if version != 3 || length > LONGEST_RECORD {
        return Some(bytes.len());
    }
    (length <= bytes.len()).then_some(length)
}

/// Whether a record may begin with that byte, as no command does.
fn is_record(kind: u8) -> bool {
    (20..=24).contains(&kind)
}

fn broken(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}
