//! Replies, read back: their grammar (I08) and their size (I20).

use alloc::vec::Vec;

use bstr::ByteSlice;

use crate::reply::MAX_REPLY;

/// The longest reply that there is.
pub(super) const MOST: usize = MAX_REPLY;

/// One whole reply.
pub(super) struct Reply {
    pub(super) code: u16,
    /// With its line ends.
    pub(super) bytes: Vec<u8>,
}

/// What was written and not looked at, cut into replies.
#[derive(Clone, Debug, Default)]
pub(super) struct Replies {
    /// The part of a reply that is there.
    begun: Vec<u8>,
    /// How far `begun` was searched for the last line.
    searched: usize,
}

impl Replies {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.begun.extend_from_slice(bytes);
    }

    pub(super) fn is_amid_reply(&self) -> bool {
        !self.begun.is_empty()
    }

    /// Whether the replies that wait begin with that code.
    pub(super) fn begins_with(&self, code: &[u8]) -> bool {
        self.begun.starts_with(code)
    }

    /// The next whole reply.
    ///
    /// # Panics
    /// If the bytes are not those of a reply.
    pub(super) fn pop(&mut self) -> Option<Reply> {
        while let Some(end) = self.begun[self.searched..].find_byte(b'\n') {
            let line = &self.begun[self.searched..=self.searched + end];
            let is_first = self.searched == 0;
            check_line(line);
            let is_last = line.starts_with(&self.begun[..3]) && line[3] == b' ';
            assert!(
                is_first || is_last || line.starts_with(b" "),
                "I08: looks like a reply: {:?}",
                line.as_bstr()
            );
            self.searched += line.len();
            if is_last {
                let length = core::mem::take(&mut self.searched);
                let rest = self.begun.split_off(length);
                let bytes = core::mem::replace(&mut self.begun, rest);
                let digit = |at: usize| u16::from(bytes[at] - b'0');
                let code = digit(0) * 100 + digit(1) * 10 + digit(2);
                return Some(Reply { code, bytes });
            }
        }
        None
    }
}

/// One line of a reply: text, and the first one has a code.
fn check_line(line: &[u8]) {
    let shown = line.as_bstr();
    let text = line.strip_suffix(b"\r\n");
    assert!(text.is_some(), "I08: no CRLF ends {shown:?}");
    let text = text.unwrap_or_default();
    let is_clean = text.find_byteset(b"\0\r\n").is_none();
    assert!(is_clean, "I08: a line end within {shown:?}");
    let has_code = matches!(
        text,
        [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9', b' ' | b'-', ..]
    );
    assert!(
        has_code || text.starts_with(b" "),
        "I08: no reply: {shown:?}"
    );
}

impl Reply {
    /// I20: what a command costs is bounded, whatever it says.
    pub(super) fn check_size(&self) {
        assert!(
            self.bytes.len() <= MOST,
            "I20: {} bytes of {}",
            self.bytes.len(),
            self.code
        );
    }

    /// The text in the first line that stands between these two bytes, the first one and the
    /// last one of it.
    pub(super) fn between(&self, open: u8, close: u8) -> &[u8] {
        let line = self.bytes.lines().next().unwrap_or_default();
        let from = line.find_byte(open).map_or(line.len(), |at| at + 1);
        let to = line.rfind_byte(close).unwrap_or(line.len());
        line.get(from..to).unwrap_or_default()
    }
}
