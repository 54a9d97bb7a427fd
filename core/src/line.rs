//! Bytes of the control connection to command lines: Telnet filtering, line assembly, look-ahead.

use alloc::vec::Vec;
use core::ops::Range;

use memchr::{memchr, memchr2};

const IAC: u8 = 0xff;
const DM: u8 = 0xf2;
const IP: u8 = 0xf4;
const SB: u8 = 0xfa;
const SE: u8 = 0xf0;

/// What stands behind each line: its mark, and an LF.
const END: usize = 2;
/// The mark of a line that the session has not seen yet.
const UNMARKED: u8 = 0;

/// Where in a Telnet sequence (RFC 854) the last byte ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Telnet {
    #[default]
    Data,
    /// Behind IAC.
    Command,
    /// Behind IAC and WILL, WON'T, DO or DON'T: the option follows.
    Option,
    /// Behind IAC IP: the IAC of the DM that follows may have been lost as urgent data.
    Interrupted,
    /// Within a subnegotiation.
    Sub,
    /// Behind an IAC within a subnegotiation.
    SubCommand,
}

/// Where in a line that is too long the last byte was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Skipping {
    /// In none.
    #[default]
    Nothing,
    /// In its tail.
    Tail,
    /// Behind a CR in its tail.
    TailCr,
}

/// Command lines that were received and not yet run.
///
/// Complete lines stand one behind the other, each with its mark and an LF for its CRLF; the
/// beginning of the next one follows. What a mark means is the session's to say: it is one byte
/// that is kept with the line, so that the line is not looked at twice. A line longer than the limit
/// is cut one byte beyond it, which tells it from the others, and its tail is never kept. It ends as
/// the lines of that client do: an LF amid it begins no line unless the client is known to send LF
/// alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    /// Where the first line begins.
    head: usize,
    /// Where the line that is not complete begins.
    tail: usize,
    telnet: Telnet,
    skipping: Skipping,
    /// The last line ended in an LF without a CR.
    bare: bool,
}

impl Input {
    /// Whether a complete line waits.
    pub(crate) fn has_line(&self) -> bool {
        self.head < self.tail
    }

    /// Whether a line has begun and not ended.
    pub(crate) fn is_amid_line(&self) -> bool {
        self.tail < self.bytes.len()
    }

    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.head
    }

    /// Takes bytes up to the end of one line, or all. Says how many, and whether a line is
    /// complete.
    ///
    /// `room` bytes may be kept, `limit` is the longest line.
    pub(crate) fn take(&mut self, bytes: &[u8], room: usize, limit: usize) -> (usize, bool) {
        if self.telnet == Telnet::Data
            && self.skipping == Skipping::Nothing
            && !bytes.first().copied().is_some_and(is_stray)
        {
            // Most lines come whole and without Telnet: find the end and copy once.
            let plain = memchr2(b'\n', IAC, bytes);
            if let Some(end) = plain.filter(|&at| bytes[at] == b'\n' && at < room)
                && self.bytes.len() - self.tail + end <= limit
            {
                self.reserve(end + 1);
                self.bytes.extend_from_slice(&bytes[..end]);
                self.end_line();
                return (end + 1, true);
            }
        }
        let mut room = room;
        for (at, &byte) in bytes.iter().enumerate() {
            if room == 0 {
                return (at, false);
            }
            let Some(byte) = self.filter(byte) else {
                continue;
            };
            if self.skipping != Skipping::Nothing {
                self.skip(byte);
                continue;
            }
            if byte == b'\n' {
                self.end_line();
                return (at + 1, true);
            }
            if is_stray(byte) && !self.is_amid_line() {
                continue;
            }
            self.reserve(1);
            self.bytes.push(byte);
            room -= 1;
            // A CR that ends the line does not count.
            let length = self.bytes.len() - self.tail;
            if length > limit + usize::from(byte == b'\r') {
                let bare = self.bare;
                self.end_line();
                (self.bare, self.skipping) = (bare, Skipping::Tail);
                self.skip(byte);
                return (at + 1, true);
            }
        }
        (bytes.len(), false)
    }

    /// One byte through the Telnet filter: `None` if it is part of a sequence.
    fn filter(&mut self, byte: u8) -> Option<u8> {
        let (next, data) = match (self.telnet, byte) {
            (Telnet::Data, IAC) | (Telnet::Interrupted, IAC) => (Telnet::Command, None),
            (Telnet::Interrupted, DM) => (Telnet::Data, None),
            (Telnet::Data | Telnet::Interrupted, _) => (Telnet::Data, Some(byte)),
            (Telnet::Command, IAC) => (Telnet::Data, Some(IAC)),
            (Telnet::Command, IP) => (Telnet::Interrupted, None),
            (Telnet::Command, SB) => (Telnet::Sub, None),
            (Telnet::Command, 0xfb..=0xfe) => (Telnet::Option, None),
            (Telnet::Command, SE..) => (Telnet::Data, None),
            // The command byte was lost as urgent data.
            (Telnet::Command, _) => (Telnet::Data, Some(byte)),
            (Telnet::Option, _) => (Telnet::Data, None),
            (Telnet::Sub, IAC) => (Telnet::SubCommand, None),
            // A line end is stronger than a subnegotiation that never ends.
            (Telnet::Sub, b'\n') => (Telnet::Data, Some(byte)),
            (Telnet::Sub, _) => (Telnet::Sub, None),
            (Telnet::SubCommand, SE) => (Telnet::Data, None),
            (Telnet::SubCommand, _) => (Telnet::Sub, None),
        };
        self.telnet = next;
        data
    }

    /// Makes room without leaving a copy of what may be a password in memory that is given back.
    fn reserve(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            let mut larger = Vec::with_capacity(needed.next_power_of_two().max(64));
            larger.extend_from_slice(&self.bytes);
            wipe_bytes(&mut self.bytes);
            self.bytes = larger;
        }
    }

    /// A byte of the tail of a line that is too long.
    fn skip(&mut self, byte: u8) {
        self.skipping = match byte {
            b'\n' if self.bare || self.skipping == Skipping::TailCr => Skipping::Nothing,
            b'\r' => Skipping::TailCr,
            _ => Skipping::Tail,
        };
    }

    fn end_line(&mut self) {
        self.bare = !self.bytes[self.tail..].ends_with(b"\r");
        if !self.bare {
            self.bytes.pop();
        }
        self.reserve(END);
        self.bytes.extend_from_slice(&[UNMARKED, b'\n']);
        self.tail = self.bytes.len();
    }

    /// The line that came last, without its end.
    pub(crate) fn last(&self) -> &[u8] {
        &self.bytes[self.last_start()..self.tail.saturating_sub(END)]
    }

    /// Keeps a mark with the line that came last. It is no LF.
    pub(crate) fn mark_last(&mut self, mark: u8) {
        debug_assert_ne!(mark, b'\n', "a mark is no line end");
        let at = self.tail - END;
        self.bytes[at] = mark;
    }

    /// Forgets the line that came last.
    pub(crate) fn retract_last(&mut self) {
        self.tail = self.last_start();
        self.bytes.truncate(self.tail);
    }

    fn last_start(&self) -> usize {
        let lines = &self.bytes[self.head..self.tail.saturating_sub(1).max(self.head)];
        self.head + memchr::memrchr(b'\n', lines).map_or(0, |end| end + 1)
    }

    /// Lends out the memory, and says where the first line lies in it, without its end, and how it
    /// is marked. Ends with [`Input::restore`].
    pub(crate) fn lend(&mut self) -> Option<(Vec<u8>, Range<usize>, u8)> {
        let next = self.head + memchr(b'\n', &self.bytes[self.head..self.tail])? + 1;
        let line = self.head..next - END;
        let mark = self.bytes[line.end];
        self.head = next;
        Some((core::mem::take(&mut self.bytes), line, mark))
    }

    /// Takes the memory back, and wipes the line that was lent if it was a secret.
    pub(crate) fn restore(&mut self, mut bytes: Vec<u8>, wipe: Option<Range<usize>>) {
        if let Some(secret) = wipe.and_then(|range| bytes.get_mut(range)) {
            wipe_bytes(secret);
        }
        self.bytes = bytes;
        if self.head == self.bytes.len() {
            self.bytes.clear();
            (self.head, self.tail) = (0, 0);
        } else if self.head > self.bytes.len() / 2 {
            let length = self.bytes.len() - self.head;
            self.bytes.copy_within(self.head.., 0);
            wipe_bytes(&mut self.bytes[length..]);
            self.bytes.truncate(length);
            self.tail -= self.head;
            self.head = 0;
        }
    }

    /// Forgets everything: lines that may hold a password, and a partial sequence.
    pub(crate) fn clear(&mut self) {
        wipe_bytes(&mut self.bytes);
        *self = Self::default();
    }

    pub(crate) fn shrink(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

/// Whether that byte, at the beginning of a line, is what is left of an urgent sequence whose IAC
/// was lost. No verb begins so.
fn is_stray(byte: u8) -> bool {
    matches!(byte, IP | DM)
}

/// Overwrites a secret in a way that the compiler keeps: what is written is looked at behind a
/// barrier.
pub(crate) fn wipe_bytes(secret: &mut [u8]) {
    secret.fill(0);
    core::hint::black_box(secret);
}
