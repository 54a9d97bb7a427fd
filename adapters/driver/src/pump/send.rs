//! From a file, a source or a listing to the data connection.

use std::net::TcpStream;
use std::task::{Context, Poll};

use wharf_core::ascii::ToWire;
use wharf_core::listing::{Lines, Piece};
use wharf_core::{End, Failure};
use wharf_storage::{Backing, Source};

use super::{Step, ended, ended_by, failed};
use crate::kernel::{Host, Kernel};
use crate::stream::Stream;

/// As much as one call to the kernel may move; the socket's buffer is the true limit.
const AT_ONCE: u64 = 8 << 20;
/// A buffer of text.
const BUFFER: usize = 128 << 10;

/// What is sent of a source.
pub(super) struct Bytes {
    source: Box<dyn Source>,
    /// Bytes that are still to be sent; `None`: up to the end.
    left: Option<u64>,
}

impl Bytes {
    pub(super) fn new(source: Box<dyn Source>, left: Option<u64>) -> Self {
        Self { source, left }
    }

    pub(super) fn backing(&self) -> Option<Backing<'_>> {
        self.source.backing()
    }

    /// The next bytes; none at the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<&[u8], Failure>> {
        if self.left == Some(0) {
            return Poll::Ready(Ok(&[]));
        }
        let left = self.left;
        self.source.poll_fill(cx).map_ok(|bytes| {
            let most = left.map(|left| usize::try_from(left).unwrap_or(usize::MAX));
            &bytes[..bytes.len().min(most.unwrap_or(usize::MAX))]
        })
    }

    fn consume(&mut self, count: usize) {
        self.source.consume(count);
        self.sent(count as u64);
    }

    fn sent(&mut self, count: u64) {
        self.left = self.left.map(|left| left.saturating_sub(count));
    }
}

/// A file that the kernel sends.
pub(super) struct Sendfile(Bytes);

impl Sendfile {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// What is left of it, for another way to send it.
    pub(super) fn into_bytes(self) -> Bytes {
        self.0
    }

    pub(super) fn backing(&self) -> Option<Backing<'_>> {
        self.0.backing()
    }

    /// `None` if the kernel cannot send from this file.
    pub(super) fn step(&mut self, socket: &TcpStream, moved: &mut u64) -> Option<Step> {
        if self.0.left == Some(0) {
            return Some(ended(End::Clean));
        }
        let file = self.backing()?.file;
        let count = usize::try_from(self.0.left.unwrap_or(AT_ONCE).min(AT_ONCE)).ok()?;
        match Host::send_file(socket, file, count)? {
            Ok(0) => Some(ended(End::Clean)),
            Ok(sent) => {
                let sent = sent as u64;
                *moved += sent;
                self.0.sent(sent);
                Some(if self.0.left == Some(0) {
                    ended(End::Clean)
                } else {
                    Step::Moved
                })
            }
            Err(error) => Some(ended_by(error)),
        }
    }

    /// Whether the next bytes are in memory.
    pub(super) fn is_cached(&self) -> bool {
        self.backing()
            .is_some_and(|backing| Host::is_cached(backing.file))
    }
}

/// A source that is sent as it is.
pub(super) struct Verbatim(Bytes);

impl Verbatim {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub(super) fn backing(&self) -> Option<Backing<'_>> {
        self.0.backing()
    }

    pub(super) fn step(
        &mut self,
        data: &mut Stream,
        moved: &mut u64,
        cx: &mut Context<'_>,
    ) -> Step {
        match self.0.poll_fill(cx) {
            Poll::Pending => Step::Pending,
            Poll::Ready(Err(failure)) => ended(End::Storage(failure)),
            Poll::Ready(Ok([])) => close(data),
            Poll::Ready(Ok(bytes)) => match data.write(bytes) {
                Ok(count) => {
                    self.0.consume(count);
                    *moved += count as u64;
                    Step::Moved
                }
                Err(error) => failed(&error),
            },
        }
    }
}

/// All was written: says so where TLS does.
fn close(data: &mut Stream) -> Step {
    match data.close() {
        Ok(()) => ended(End::Clean),
        Err(error) => failed(&error),
    }
}

/// Something that is written into a buffer before it is sent.
pub(super) trait Render {
    /// Fills the buffer with what is sent next.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<Filled, Failure>>;
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

impl Render for Lines {
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<Filled, Failure>> {
        self.poll_read(cx, buffer).map_ok(|piece| match piece {
            Piece::Text(count) => Filled::Bytes(count, count as u64),
            Piece::Nothing => Filled::Nothing,
            Piece::End => Filled::End,
        })
    }
}

/// The bytes of a source, translated for TYPE A.
pub(super) struct Text {
    bytes: Bytes,
    codec: ToWire,
}

impl Text {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self {
            bytes,
            codec: ToWire::default(),
        }
    }
}

impl Render for Text {
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<Filled, Failure>> {
        let progress = match self.bytes.poll_fill(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
            Poll::Ready(Ok([])) => return Poll::Ready(Ok(Filled::End)),
            Poll::Ready(Ok(raw)) => self.codec.push(raw, buffer),
        };
        self.bytes.consume(progress.read);
        Poll::Ready(Ok(Filled::Bytes(progress.written, progress.read as u64)))
    }
}

/// Sends what is rendered through a buffer.
pub(super) struct Sender<T> {
    text: T,
    buffer: Vec<u8>,
    /// Bytes of the buffer before this one are sent.
    sent: usize,
    /// Bytes of the file that the buffer stands for, and how many of them count as moved.
    stands_for: u64,
    counted: u64,
}

impl Sender<Text> {
    pub(super) fn backing(&self) -> Option<Backing<'_>> {
        self.text.bytes.backing()
    }
}

impl<T: Render> Sender<T> {
    pub(super) fn new(text: T) -> Self {
        Self {
            text,
            buffer: Vec::new(),
            sent: 0,
            stands_for: 0,
            counted: 0,
        }
    }

    pub(super) fn step(
        &mut self,
        data: &mut Stream,
        moved: &mut u64,
        cx: &mut Context<'_>,
    ) -> Step {
        if self.sent == self.buffer.len() {
            self.buffer.resize(BUFFER, 0);
            let filled = self.text.poll_fill(cx, &mut self.buffer);
            let length = match filled {
                Poll::Ready(Ok(Filled::Bytes(count, _))) => count,
                _ => 0,
            };
            self.buffer.truncate(length);
            self.sent = 0;
            match filled {
                Poll::Ready(Ok(Filled::Bytes(_, stands_for))) => {
                    (self.stands_for, self.counted) = (stands_for, 0);
                }
                Poll::Ready(Ok(Filled::Nothing)) => return Step::Moved,
                Poll::Ready(Ok(Filled::End)) => return close(data),
                Poll::Ready(Err(failure)) => return ended(End::Storage(failure)),
                Poll::Pending => return Step::Pending,
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
