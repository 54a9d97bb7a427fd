//! The command lines in what a session took, read one byte at a time: what `line.rs` does fast,
//! done plainly, so that one can be held against the other.

use alloc::vec::Vec;

use crate::command::{Command, Verb};

/// A command line that was taken.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Without its end. Cut behind the limit if it is too long.
    pub(super) bytes: Vec<u8>,
    pub(super) verb: Option<Verb>,
    pub(super) too_long: bool,
}

impl Line {
    /// What the server answers to the connection itself: a line that no client can send.
    pub(super) fn connection() -> Self {
        Self {
            bytes: b"\n".to_vec(),
            verb: None,
            too_long: false,
        }
    }

    pub(super) fn is_connection(&self) -> bool {
        self.bytes == b"\n"
    }

    fn new(mut bytes: Vec<u8>, limit: usize) -> Self {
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        Self {
            verb: Verb::of_line(&bytes),
            too_long: bytes.len() > limit,
            bytes,
        }
    }

    /// The command that it is, if it is one.
    pub(super) fn command(&self) -> Option<Command<'_>> {
        Command::parse(&self.bytes).ok().filter(|_| !self.too_long)
    }

    /// STAT without a path.
    pub(super) fn asks_for_status(&self) -> bool {
        self.verb == Some(Verb::Stat) && self.bytes.trim_ascii().len() == 4
    }
}

/// Where in a Telnet sequence the last byte ended.
#[derive(Clone, Copy, Debug, Default)]
enum Telnet {
    #[default]
    None,
    Iac,
    Option,
    Interrupt,
    Subnegotiation,
    SubnegotiationIac,
}

/// Bytes to lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    telnet: Telnet,
    /// The line that has begun.
    begun: Vec<u8>,
    /// The last byte of a line that was too long and is given out already.
    skipped: Option<u8>,
    /// The client ends its lines in LF alone.
    lf_alone: bool,
}

impl Lines {
    /// Whether a line has begun and not ended.
    pub(super) fn is_amid_line(&self) -> bool {
        !self.begun.is_empty()
    }

    /// Takes one byte; a line that it completes, or that it makes too long, is given out.
    pub(super) fn take(&mut self, byte: u8, limit: usize) -> Option<Line> {
        let byte = self.without_telnet(byte)?;
        if let Some(last) = self.skipped {
            let ends = byte == b'\n' && (last == b'\r' || self.lf_alone);
            self.skipped = (!ends).then_some(byte);
            return None;
        }
        if byte == b'\n' {
            self.lf_alone = self.begun.last() != Some(&b'\r');
            return Some(Line::new(core::mem::take(&mut self.begun), limit));
        }
        // Left over from a sequence whose IAC came as urgent data.
        if self.begun.is_empty() && matches!(byte, 0xf2 | 0xf4) {
            return None;
        }
        self.begun.push(byte);
        let ends_in_cr = byte == b'\r';
        if self.begun.len() > limit + usize::from(ends_in_cr) {
            self.skipped = Some(byte);
            let mut line = Line::new(core::mem::take(&mut self.begun), limit);
            line.too_long = true;
            return Some(line);
        }
        None
    }

    /// RFC 854: what is not data is `None`.
    fn without_telnet(&mut self, byte: u8) -> Option<u8> {
        use Telnet::{Iac, Interrupt, None as Data, Option, Subnegotiation, SubnegotiationIac};
        let before = core::mem::take(&mut self.telnet);
        match before {
            Data | Interrupt if byte == 0xff => self.telnet = Iac,
            Interrupt if byte == 0xf2 => {}
            Data | Interrupt => return Some(byte),
            Iac => match byte {
                0xff => return Some(byte),
                0xf4 => self.telnet = Interrupt,
                0xfa => self.telnet = Subnegotiation,
                0xfb..=0xfe => self.telnet = Option,
                0xf0.. => {}
                _ => return Some(byte),
            },
            Option => {}
            Subnegotiation if byte == 0xff => self.telnet = SubnegotiationIac,
            Subnegotiation if byte == b'\n' => return Some(byte),
            SubnegotiationIac if byte == 0xf0 => {}
            Subnegotiation | SubnegotiationIac => self.telnet = Subnegotiation,
        }
        None
    }
}
