//! [`Wire`]: the client's end of a connection, in clear or under TLS, without the connection.

use std::io::{Read as _, Write as _};
use std::sync::LazyLock;

use bstr::Finder;
use rustls::{ClientConnection, HandshakeKind};

use super::tls::Dialect;
use crate::client::tells_secret;

/// The length of the head of a record, whose last two bytes are that of its body.
const HEAD: usize = 5;

/// What goes into it is said or was heard; what comes out of it goes over the connection, or is what
/// was meant.
#[derive(Debug, Default)]
pub(super) struct Wire {
    tls: Option<Box<ClientConnection>>,
    /// What came and is no whole record yet.
    raw: Vec<u8>,
    /// The server's close_notify came.
    ended: bool,
    /// What we say is clear text again, and so is what comes behind the server's close_notify.
    leaves: bool,
}

impl Wire {
    /// TLS begins, with a ClientHello that waits to be said.
    pub(super) fn begin(&mut self, dialect: &Dialect) {
        *self = Self {
            tls: Some(Box::new(dialect.begin())),
            ..Self::default()
        };
    }

    /// Whether what is said is under TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some() && !self.leaves
    }

    /// Whether the handshake goes on.
    pub(super) fn shakes(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Whether a session was resumed.
    pub(super) fn is_resumed(&self) -> bool {
        let kind = self.tls.as_ref().and_then(|tls| tls.handshake_kind());
        kind == Some(HandshakeKind::Resumed)
    }

    /// Whether the server has said that nothing more comes.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether TLS has something to say by itself.
    pub(super) fn has_word(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// What goes over the connection to say these bytes, behind all that must be said before.
    pub(super) fn say(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Some(tls) = self.tls.as_mut().filter(|_| !self.leaves) else {
            return bytes.to_vec();
        };
        let mut raw = Vec::new();
        let said = tls.writer().write_all(bytes);
        while said.is_ok() && tls.wants_write() {
            // There is always room in memory.
            let _ = tls.write_tls(&mut raw);
        }
        assert!(said.is_ok(), "too much is said before the handshake ends");
        raw
    }

    /// What says that nothing more will be said under TLS.
    pub(super) fn end(&mut self) -> Vec<u8> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        self.say(b"")
    }

    /// Goes back to clear text, with a close_notify or without one, unless it has already.
    pub(super) fn leave(&mut self, notifies: bool) -> Vec<u8> {
        let speaks = notifies && self.is_tls();
        let raw = if speaks { self.end() } else { Vec::new() };
        self.leaves = true;
        // The server's close_notify may have come with the reply that spoke of it.
        if self.ended {
            self.tls = None;
        }
        raw
    }

    /// What was said by what came over the connection. O10: all of it is under TLS.
    pub(super) fn hear(&mut self, raw: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        if self.is_tls() {
            is_secret(raw);
        }
        self.raw.extend_from_slice(raw);
        let mut said = Vec::new();
        while let Some(tls) = &mut self.tls {
            let Some(length) = record(&self.raw) else {
                return Ok(said);
            };
            let record: Vec<u8> = self.raw.drain(..length).collect();
            if self.ended {
                return Err(rustls::Error::General("more behind close_notify".into()));
            }
            let mut record = &record[..];
            while !record.is_empty() {
                let taken = tls.read_tls(&mut record);
                assert!(
                    taken.is_ok_and(|count| count > 0),
                    "a record that is not taken"
                );
            }
            self.ended = tls.process_new_packets()?.peer_has_closed();
            // Up to where more must come.
            let _ = tls.reader().read_to_end(&mut said);
            if self.ended && self.leaves {
                self.tls = None;
            }
        }
        said.append(&mut self.raw);
        Ok(said)
    }
}

/// The length of the record at the begin of the bytes, if it is whole. What is no record counts as
/// one: TLS says what is wrong with it.
fn record(bytes: &[u8]) -> Option<usize> {
    match *bytes {
        [kind, ..] if !(20..=24).contains(&kind) => Some(bytes.len()),
        [_, _, _, high, low, ..] => {
            let length = HEAD + usize::from(u16::from_be_bytes([high, low]));
            (length <= bytes.len()).then_some(length)
        }
        _ => None,
    }
}

/// O10: neither a password nor what files have in them can be read on the way.
pub(super) fn is_secret(raw: &[u8]) {
    // In what is there from the beginning, and in what clients store.
    static CONTENT: LazyLock<[Finder<'static>; 2]> =
        LazyLock::new(|| [Finder::new("\nfirst "), Finder::new("........")]);
    let tells = tells_secret(raw) || CONTENT.iter().any(|content| content.find(raw).is_some());
    assert!(!tells, "O10: what is secret can be read on the way");
}
