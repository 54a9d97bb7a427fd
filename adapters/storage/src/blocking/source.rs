//! Files that are read.

use std::mem;
use std::task::{Context, Poll};
use std::time::Instant;

use wharf_core::Failure;

use super::{BURST, BlockingSource, Calls};
use crate::executor::{OnCancel, Wanted};
use crate::operation::Operation;
use crate::storage::{Backing, Source};

/// What is read at once of a file that is polled, and at least of one that is read ahead.
const PIECE: usize = 128 << 10;

/// What is read ahead at most, where that much comes in a [`BURST`].
const MOST: usize = 512 << 10;

pub(super) fn wrap(source: Box<dyn BlockingSource>, calls: Calls) -> Box<dyn Source> {
    // One that shows its file is polled where it may be waited for.
    if calls.are_here() || source.file().is_some() {
        Box::new(Here {
            source,
            calls,
            buffer: Vec::new(),
            filled: 0,
            at: 0,
        })
    } else {
        Box::new(Ahead {
            calls,
            state: State::Idle(source, Vec::new()),
            buffer: Vec::new(),
            filled: 0,
            at: 0,
            size: PIECE,
            is_awaited: false,
        })
    }
}

/// A file that is read when it is polled.
struct Here {
    source: Box<dyn BlockingSource>,
    calls: Calls,
    buffer: Vec<u8>,
    /// So many bytes of the buffer were read, and so many of those were sent.
    filled: usize,
    at: usize,
}

impl Source for Here {
    fn poll_fill(&mut self, _: &mut Context<'_>) -> Poll<Result<&[u8], Failure>> {
        if self.at == self.filled {
            self.buffer.resize(PIECE, 0);
            (self.filled, self.at) = (0, 0);
            self.filled = self.source.read(&mut self.buffer)?;
        }
        Poll::Ready(Ok(&self.buffer[self.at..self.filled]))
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }

    fn backing(&self) -> Option<Backing<'_>> {
        Some(Backing {
            file: self.source.file()?,
            is_short: self.calls.is_short,
            group: self.calls.group,
        })
    }
}

/// A file of which the next piece is read while the last one is sent.
struct Ahead {
    calls: Calls,
    state: State,
    buffer: Vec<u8>,
    /// So many bytes of the buffer were read, and so many of those were sent.
    filled: usize,
    at: usize,
    /// The length of the next piece. Long ones cost less, so pieces grow while the client waits for them.
    size: usize,
    /// Whether the client waits for the piece that is read.
    is_awaited: bool,
}

enum State {
    /// With a buffer for the next piece.
    Idle(Box<dyn BlockingSource>, Vec<u8>),
    Reading(Box<dyn Operation<Piece>>),
    /// There is no more, or it failed.
    Over(Option<Failure>),
}

struct Piece {
    source: Box<dyn BlockingSource>,
    buffer: Vec<u8>,
    filled: usize,
    /// What became of the read behind these bytes.
    failed: Option<Failure>,
}

impl Ahead {
    /// Begins to read the next piece.
    fn read(&mut self) {
        let (source, buffer) = match mem::replace(&mut self.state, State::Over(None)) {
            State::Idle(source, buffer) => (source, buffer),
            busy => {
                self.state = busy;
                return;
            }
        };
        let size = self.size;
        let reading = self.calls.run(OnCancel::Leave, move |wanted| {
            Ok(read(source, buffer, size, wanted))
        });
        self.state = State::Reading(reading);
    }

    /// Takes a piece in place of the one that was sent.
    fn take(&mut self, piece: Piece) {
        let is_last = piece.filled == 0 || piece.failed.is_some();
        let is_whole = piece.filled == piece.buffer.len();
        if is_whole && mem::take(&mut self.is_awaited) {
            self.size = MOST.min(self.size * 2);
        } else if !is_whole {
            self.size = PIECE.max(self.size / 2);
        }
        let sent = mem::replace(&mut self.buffer, piece.buffer);
        (self.filled, self.at) = (piece.filled, 0);
        self.state = if is_last {
            State::Over(piece.failed)
        } else {
            State::Idle(piece.source, sent)
        };
    }
}

/// Reads a piece, of as many small ones as there are in time.
fn read(
    mut source: Box<dyn BlockingSource>,
    mut buffer: Vec<u8>,
    size: usize,
    wanted: &Wanted,
) -> Piece {
    let begun = Instant::now();
    let (mut filled, mut failed) = (0, None);
    buffer.resize(size, 0);
    buffer.shrink_to(size);
    while filled < size {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(failure) => {
                failed = Some(failure);
                break;
            }
        }
        if begun.elapsed() >= BURST || !wanted.is_so() {
            break;
        }
    }
    Piece {
        source,
        buffer,
        filled,
        failed,
    }
}

impl Source for Ahead {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<&[u8], Failure>> {
        while self.at == self.filled {
            self.read();
            match &mut self.state {
                State::Idle(..) | State::Over(None) => break,
                State::Over(Some(failure)) => return Poll::Ready(Err(*failure)),
                State::Reading(reading) => match reading.poll(cx) {
                    Poll::Pending => {
                        self.is_awaited = true;
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(piece)) => {
                        self.take(piece);
                        self.read();
                    }
                    Poll::Ready(Err(failure)) => self.state = State::Over(Some(failure)),
                },
            }
        }
        Poll::Ready(Ok(&self.buffer[self.at..self.filled]))
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}
