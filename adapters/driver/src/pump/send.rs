//! From a file, a source or a listing to the data connection.

use std::io::IoSliceMut;
use std::net::TcpStream;

use rustix::fs;
use rustix::io::{Errno, ReadWriteFlags};
use wharf_core::ascii::ToWire;
use wharf_core::{End, Failure};
use wharf_storage::{Lines, Piece, Source};

use super::{Step, ended, ended_by, failed};
use crate::Stream;

/// As much as one call to the kernel may move; the socket's buffer is the true limit.
const AT_ONCE: u64 = 8 << 20;
/// A buffer of text.
const BUFFER: usize = 128 << 10;

/// A file that the kernel sends.
pub(super) struct Sendfile {
    source: Box<dyn Source>,
    /// Bytes that are still to be sent; `None`: up to the end.
    left: Option<u64>,
}

impl Sendfile {
    pub(super) fn new(source: Box<dyn Source>, left: Option<u64>) -> Self {
        Self { source, left }
    }

    /// The source and what is left of it, for another way to send it.
    pub(super) fn into_parts(self) -> (Box<dyn Source>, Option<u64>) {
        (self.source, self.left)
    }

    /// `None` if the kernel cannot send from this file.
    pub(super) fn step(&mut self, socket: &TcpStream, moved: &mut u64) -> Option<Step> {
        if self.left == Some(0) {
            return Some(ended(End::Clean));
        }
        let file = self.source.file()?;
        let count = usize::try_from(self.left.unwrap_or(AT_ONCE).min(AT_ONCE)).ok()?;
        match fs::sendfile(socket, file, None, count) {
            Ok(0) => Some(ended(End::Clean)),
            Ok(sent) => {
                let sent = sent as u64;
                *moved += sent;
                self.left = self.left.map(|left| left.saturating_sub(sent));
                Some(if self.left == Some(0) {
                    ended(End::Clean)
                } else {
                    Step::Moved
                })
            }
            Err(Errno::INVAL | Errno::NOSYS) => None,
            Err(error) => Some(ended_by(error)),
        }
    }

    /// Whether the next bytes are in memory.
    pub(super) fn is_cached(&self) -> bool {
        let Some(file) = self.source.file() else {
            return false;
        };
        let Ok(at) = fs::tell(file) else { return false };
        let mut byte = [0];
        let mut probe = [IoSliceMut::new(&mut byte)];
        rustix::io::preadv2(file, &mut probe, at, ReadWriteFlags::NOWAIT).is_ok()
    }
}

/// Something that text can be read from.
pub(super) trait Text {
    /// Fills the buffer with what is sent next.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<Filled, Failure>;
}

/// What a buffer was filled with.
pub(super) enum Filled {
    /// So many bytes, which stand for so many bytes of the file.
    Bytes(usize, u64),
    /// Nothing yet.
    Nothing,
    /// Nothing more.
    End,
}

impl Filled {
    fn new(count: usize, stands_for: u64) -> Self {
        match count {
            0 => Self::End,
            count => Self::Bytes(count, stands_for),
        }
    }
}

impl Text for Lines {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<Filled, Failure> {
        self.read(buffer).map(|piece| match piece {
            Piece::Text(count) => Filled::Bytes(count, count as u64),
            Piece::Nothing => Filled::Nothing,
            Piece::End => Filled::End,
        })
    }
}

/// The bytes of a source, translated for TYPE A if that is asked for.
pub(super) struct Bytes {
    source: Box<dyn Source>,
    left: Option<u64>,
    translation: Option<Translation>,
}

/// Bytes of the file that wait to be translated.
#[derive(Default)]
struct Translation {
    codec: ToWire,
    raw: Vec<u8>,
    /// Bytes of `raw` before this one are translated.
    done: usize,
}

impl Bytes {
    pub(super) fn new(source: Box<dyn Source>, left: Option<u64>, text: bool) -> Self {
        Self {
            source,
            left,
            translation: text.then(Translation::default),
        }
    }
}

impl Text for Bytes {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<Filled, Failure> {
        let (source, left) = (&mut self.source, &mut self.left);
        let mut read = |buffer: &mut [u8]| {
            let most = left.map_or(buffer.len(), |left| {
                usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()))
            });
            let count = source.read(&mut buffer[..most])?;
            *left = left.map(|left| left - count as u64);
            Ok(count)
        };
        let Some(translation) = &mut self.translation else {
            return read(buffer).map(|count| Filled::new(count, count as u64));
        };
        if translation.done == translation.raw.len() {
            translation.raw.resize(BUFFER, 0);
            let count = read(&mut translation.raw)?;
            translation.raw.truncate(count);
            translation.done = 0;
        }
        let progress = translation
            .codec
            .push(&translation.raw[translation.done..], buffer);
        translation.done += progress.read;
        Ok(Filled::new(progress.written, progress.read as u64))
    }
}

/// Sends text through a buffer.
pub(super) struct Sender<T> {
    text: T,
    buffer: Vec<u8>,
    /// Bytes of the buffer before this one are sent.
    sent: usize,
    /// Bytes of the file that the buffer stands for, and how many of them count as moved.
    stands_for: u64,
    counted: u64,
}

impl<T: Text> Sender<T> {
    pub(super) fn new(text: T) -> Self {
        Self {
            text,
            buffer: Vec::new(),
            sent: 0,
            stands_for: 0,
            counted: 0,
        }
    }

    pub(super) fn step(&mut self, data: &mut Stream, moved: &mut u64) -> Step {
        if self.sent == self.buffer.len() {
            self.buffer.resize(BUFFER, 0);
            match self.text.fill(&mut self.buffer) {
                Ok(Filled::Nothing) => {
                    self.buffer.clear();
                    self.sent = 0;
                    return Step::Moved;
                }
                Ok(Filled::End) => {
                    self.buffer.clear();
                    self.sent = 0;
                    return match data.close() {
                        Ok(()) => ended(End::Clean),
                        Err(error) => failed(&error),
                    };
                }
                Ok(Filled::Bytes(count, stands_for)) => {
                    self.buffer.truncate(count);
                    (self.sent, self.stands_for, self.counted) = (0, stands_for, 0);
                }
                Err(failure) => return ended(End::Storage(failure)),
            }
        }
        match data.write(&self.buffer[self.sent..]) {
            Ok(count) => {
                self.sent += count;
                // A part of the buffer is as good a part of the file: a slow client is seen to move.
                let now = self.stands_for * self.sent as u64 / self.buffer.len() as u64;
                *moved += now - self.counted;
                self.counted = now;
                Step::Moved
            }
            Err(error) => failed(&error),
        }
    }
}
