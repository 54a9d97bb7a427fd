//! Replies: codes and text into the bytes that wait to be written.

use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use bstr::BStr;

use crate::decimal::Decimal;
use crate::path::VPath;

/// Room that any one reply fits in: a path whose every byte is a quote is twice as long.
pub(crate) const MAX_REPLY: usize = 2 * (VPath::MAX + 1) + 2_048;
/// Room for a final reply without a path.
pub(crate) const SHORT_REPLY: usize = 512;

/// Bytes of a text of several lines that are sent.
const MAX_TEXT: usize = 2_048;
/// And its lines, each of which has a code and an end.
const MAX_LINES: usize = 100;

/// Replies that the peer has not taken yet. Nothing else writes into it than these methods, so
/// every line is well-formed: three digits, a space or a dash, text without CR, LF or NUL, CRLF.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    /// Bytes before this one are written.
    sent: usize,
}

impl Output {
    pub(crate) fn waiting(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Bytes that may still be added under that limit.
    pub(crate) fn room(&self, limit: usize) -> usize {
        limit.saturating_sub(self.bytes.len() - self.sent)
    }

    /// `count` bytes were written.
    pub(crate) fn sent(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.bytes.len());
        if self.is_empty() {
            self.bytes.clear();
            self.sent = 0;
        } else if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn shrink(&mut self) {
        if self.is_empty() {
            self.clear();
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// A reply of one line.
    pub(crate) fn line(&mut self, code: u16, text: &str) {
        self.begin(code, b' ').text(text.as_bytes()).end();
    }

    /// A reply of as many lines as the text has, of which the last may be blank.
    pub(crate) fn paragraph(&mut self, code: u16, text: &str) {
        let text = bounded(text.trim_end());
        match text.rsplit_once('\n') {
            Some((before, last)) => {
                self.preface(code, before);
                self.line(code, last.trim_end());
            }
            None => self.line(code, text),
        }
    }

    /// Lines of text before the last line of a reply, if there are any. Each has the code, so that
    /// none looks like the last one (RFC 959 section 4.2).
    pub(crate) fn preface(&mut self, code: u16, text: &str) {
        for line in bounded(text.trim_end()).lines() {
            self.first(code, line);
        }
    }

    /// The first line of a reply of several lines.
    pub(crate) fn first(&mut self, code: u16, text: &str) {
        self.begin(code, b'-').text(text.as_bytes()).end();
    }

    /// Begins a line with a code: `b' '` for the last line of a reply, `b'-'` for the first.
    pub(crate) fn begin(&mut self, code: u16, separator: u8) -> Text<'_> {
        self.bytes.extend_from_slice(&[
            b'0' + (code / 100 % 10) as u8,
            b'0' + (code / 10 % 10) as u8,
            b'0' + (code % 10) as u8,
            separator,
        ]);
        Text {
            out: &mut self.bytes,
        }
    }

    /// Begins a line between the first and the last. Its space keeps it from looking like either.
    pub(crate) fn inner(&mut self) -> Text<'_> {
        self.bytes.push(b' ');
        Text {
            out: &mut self.bytes,
        }
    }

    /// Lines of a listing, which have their own form and begin with a space each.
    pub(crate) fn lines(&mut self, lines: &[u8]) {
        self.bytes.extend_from_slice(lines);
    }
}

/// A line of a reply that is being written.
#[must_use = "a line needs its end"]
pub(crate) struct Text<'a> {
    out: &'a mut Vec<u8>,
}

impl Text<'_> {
    /// Bytes of which those that could end a line or a string are shown as `?`.
    pub(crate) fn text(self, text: &[u8]) -> Self {
        self.out.extend(text.iter().map(|&byte| match byte {
            0 | b'\r' | b'\n' => b'?',
            byte => byte,
        }));
        self
    }

    pub(crate) fn number(self, number: u64) -> Self {
        self.out.extend_from_slice(Decimal::new(number).as_bytes());
        self
    }

    /// What has no byte that could end a line.
    pub(crate) fn shown(self, value: impl fmt::Display) -> Self {
        // Writing into a vector cannot fail.
        let _ = write!(Sink(self.out), "{value}");
        self
    }

    /// A path in quotes, each quote in it doubled (RFC 959 appendix II).
    pub(crate) fn quoted(self, path: &BStr) -> Self {
        self.out.push(b'"');
        for &byte in path.iter() {
            if byte == b'"' {
                self.out.push(b'"');
            }
            self.out.push(byte);
        }
        self.out.push(b'"');
        self
    }

    /// Whatever writes itself into the buffer without a line end.
    pub(crate) fn with(self, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        write(self.out);
        self
    }

    pub(crate) fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// As many whole lines of a text as may be sent.
fn bounded(text: &str) -> &str {
    let mut end = 0;
    for line in text.split_inclusive('\n').take(MAX_LINES) {
        if end + line.len() > MAX_TEXT {
            break;
        }
        end += line.len();
    }
    if end == 0 {
        // One line that is too long is cut where a character ends.
        end = (0..=MAX_TEXT.min(text.len()))
            .rev()
            .find(|&at| text.is_char_boundary(at))
            .unwrap_or(0);
    }
    text[..end].trim_end()
}

struct Sink<'a>(&'a mut Vec<u8>);

impl fmt::Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// What an adapter writes to a client for which it has no session, before it closes the
/// connection. Some clients look for these words and try again later.
pub const TOO_MANY_CONNECTIONS: &[u8] = b"421 Too many connections, try again later.\r\n";

/// As [`TOO_MANY_CONNECTIONS`], for a client from a network whose clients are not served.
pub const NOT_SERVED: &[u8] = b"421 Clients from your address are not served.\r\n";

/// As [`TOO_MANY_CONNECTIONS`], for a client from whose address too many logins were refused.
pub const TOO_MANY_FAILURES: &[u8] = b"421 Too many refused logins, try again later.\r\n";
