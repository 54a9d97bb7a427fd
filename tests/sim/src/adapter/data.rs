//! [`Data`]: the client's end of a data connection.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use wharf_driver::sockets::is_ready;

use super::tls::Dialect;
use super::wire::{Wire, is_secret};
use crate::client::{CUT, NOT_RESUMED};

pub(super) struct Data {
    stream: TcpStream,
    wire: Wire,
    /// What is still to be said; `None`: it is listened to.
    upload: Option<Vec<u8>>,
    /// What is said and not written yet.
    out: Vec<u8>,
    /// An upload ends with close_notify.
    pub(super) notifies: bool,
    /// It has.
    notified: bool,
    /// An upload is said at once, behind the last word of the handshake; then the server's end is waited
    /// for.
    pub(super) hurries: bool,
    /// It is.
    waits: bool,
    /// A session must be resumed.
    pub(super) must_resume: bool,
    /// There is no TLS where it must be: why nothing that runs over it can be complete.
    flaw: Option<&'static str>,
    /// A move is planned.
    pub(super) planned: bool,
    /// Nothing moves any more.
    pub(super) stalls: bool,
    /// Nor does it once everything is written.
    stalls_behind: bool,
}

impl Data {
    /// In clear.
    pub(super) fn new(stream: TcpStream, upload: Option<Vec<u8>>) -> Self {
        Self {
            stream,
            wire: Wire::default(),
            upload,
            out: Vec::new(),
            notifies: true,
            notified: false,
            hurries: false,
            waits: false,
            must_resume: false,
            flaw: None,
            planned: false,
            stalls: false,
            stalls_behind: false,
        }
    }

    /// Under TLS.
    pub(super) fn protected(stream: TcpStream, upload: Option<Vec<u8>>, dialect: &Dialect) -> Self {
        let mut data = Self::new(stream, upload);
        data.wire.begin(dialect);
        data
    }

    /// Where TLS must be, only these bytes are sent. Behind them the connection ends, or nothing
    /// happens, or an answer is waited for.
    pub(super) fn wrong(stream: TcpStream, bytes: Vec<u8>, end: End) -> Self {
        Self {
            stalls: end == End::Stall && bytes.is_empty(),
            stalls_behind: end == End::Stall,
            out: bytes,
            flaw: Some("never shook hands"),
            ..Self::new(stream, (end == End::Cut).then(Vec::new))
        }
    }

    pub(super) fn uploads(&self) -> bool {
        self.upload.is_some()
    }

    /// Whether it has more to say of an upload.
    pub(super) fn has_more(&self) -> bool {
        self.upload.as_ref().is_some_and(|rest| !rest.is_empty())
    }

    pub(super) fn is_tls(&self) -> bool {
        self.wire.is_tls()
    }

    /// Whether its handshake goes on.
    pub(super) fn shakes(&self) -> bool {
        self.wire.shakes() || self.wire.has_word()
    }

    /// Whether a step would come to something.
    pub(super) fn is_ready(&self) -> bool {
        !self.stalls && is_ready(&self.stream, !self.writes())
    }

    /// Why what ran over it cannot be complete, as it is now.
    pub(super) fn flaw(&self) -> Option<&'static str> {
        if self.flaw.is_some() || !self.wire.is_tls() {
            return self.flaw;
        }
        let whole = match self.upload {
            Some(_) => self.notified && self.out.is_empty(),
            None => self.wire.has_ended(),
        };
        if self.must_resume && !self.wire.is_resumed() {
            Some(NOT_RESUMED)
        } else if !self.notifies {
            Some(CUT)
        } else {
            (!whole).then_some("has no close_notify yet")
        }
    }

    /// Sends or takes some bytes: whether all is done. What is heard goes into `heard`.
    pub(super) fn step(&mut self, most: usize, heard: &mut Vec<u8>) -> io::Result<bool> {
        if !self.writes() {
            return self.read(most, heard);
        }
        let over = self.write(most)?;
        self.waits = over && self.hurries;
        Ok(over && !self.hurries)
    }

    /// Takes all that there is.
    pub(super) fn drain(&mut self, heard: &mut Vec<u8>) -> io::Result<()> {
        while !self.read(4_096, heard)? {}
        Ok(())
    }

    fn writes(&self) -> bool {
        let speaks = self.upload.is_some() && !self.waits && !self.wire.shakes();
        speaks || !self.out.is_empty() || self.wire.has_word()
    }

    fn write(&mut self, most: usize) -> io::Result<bool> {
        if self.out.is_empty() {
            self.out = self.next(most);
        }
        if self.out.is_empty() {
            return Ok(true);
        }
        let count = match self.hurries {
            true => self.out.len(),
            false => self.out.len().min(most),
        };
        let written = self.stream.write(&self.out[..count])?;
        self.out.drain(..written);
        self.stalls |= self.stalls_behind && self.out.is_empty();
        Ok(false)
    }

    /// What is written next: nothing once all is said.
    fn next(&mut self, most: usize) -> Vec<u8> {
        let mut words = self.wire.say(b"");
        let Some(rest) = &mut self.upload else {
            return words;
        };
        if self.wire.shakes() || !self.hurries && !words.is_empty() {
            return words;
        }
        let count = if self.hurries {
            rest.len()
        } else {
            rest.len().min(most)
        };
        let chunk: Vec<u8> = rest.drain(..count).collect();
        words.extend(self.wire.say(&chunk));
        let ends = rest.is_empty() && (self.hurries || chunk.is_empty());
        if ends && self.notifies && !self.notified {
            self.notified = true;
            words.extend(self.wire.end());
        }
        words
    }

    fn read(&mut self, most: usize, heard: &mut Vec<u8>) -> io::Result<bool> {
        let mut buffer = vec![0; most];
        let count = self.stream.read(&mut buffer)?;
        let raw = &buffer[..count];
        if self.flaw.is_some() {
            is_secret(raw);
        }
        let said = self.wire.hear(raw);
        heard.extend(said.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?);
        Ok(count == 0 || self.wire.has_ended())
    }
}

/// What comes behind a handshake that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The connection breaks.
    Cut,
    /// Nothing.
    Stall,
    /// What the server says.
    Answer,
}
