//! Files that are read.

use std::mem;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use wharf_core::Failure;

use super::{BURST, BlockingSource, Calls};
use crate::executor::{OnCancel, Wanted};
use crate::operation::Operation;
use crate::storage::{Backing, Source};

/// What is read at once.
const PIECE: usize = 128 << 10;

pub(super) fn wrap(source: Box<dyn BlockingSource>, calls: Calls) -> Box<dyn Source> {
    // One that shows its file is polled where it may be waited for.
    if calls.are_here() || source.file().is_some() {
        Box::new(Here {
            source,
            calls,
            buffer: Vec::new(),
            at: 0,
        })
    } else {
        Box::new(Ahead {
            calls,
            state: State::Idle(source, Vec::new()),
            buffer: Vec::new(),
            at: 0,
        })
    }
}

/// A file that is read when it is polled.
struct Here {
    source: Box<dyn BlockingSource>,
    calls: Calls,
    buffer: Vec<u8>,
    at: usize,
}

impl Source for Here {
    fn poll_fill(&mut self, _: &mut Context<'_>) -> Poll<Result<&[u8], Failure>> {
        if self.at == self.buffer.len() {
            self.buffer.resize(PIECE, 0);
            let read = self.source.read(&mut self.buffer);
            self.buffer.truncate(*read.as_ref().unwrap_or(&0));
            self.at = 0;
            read?;
        }
        Poll::Ready(Ok(&self.buffer[self.at..]))
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
    at: usize,
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
    bytes: Vec<u8>,
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
        let reading = self.calls.run(OnCancel::Leave, move |wanted| {
            Ok(read(source, buffer, wanted))
        });
        self.state = State::Reading(reading);
    }
}

/// Reads a piece, of as many small ones as there are in time.
fn read(mut source: Box<dyn BlockingSource>, mut bytes: Vec<u8>, wanted: &Wanted) -> Piece {
    let begun = Instant::now();
    let (mut filled, mut failed) = (0, None);
    bytes.resize(PIECE, 0);
    loop {
        match source.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(failure) => {
                failed = Some(failure);
                break;
            }
        }
        if filled >= PIECE / 2 || begun.elapsed() >= BURST || !wanted.is_so() {
            break;
        }
    }
    bytes.truncate(filled);
    Piece {
        source,
        bytes,
        failed,
    }
}

impl Source for Ahead {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<&[u8], Failure>> {
        while self.at == self.buffer.len() {
            self.read();
            match &mut self.state {
                State::Idle(..) | State::Over(None) => break,
                State::Over(Some(failure)) => return Poll::Ready(Err(*failure)),
                State::Reading(reading) => {
                    let piece = match ready!(reading.poll(cx)) {
                        Ok(piece) => piece,
                        Err(failure) => {
                            self.state = State::Over(Some(failure));
                            continue;
                        }
                    };
                    let is_last = piece.bytes.is_empty() || piece.failed.is_some();
                    let empty = mem::replace(&mut self.buffer, piece.bytes);
                    self.at = 0;
                    self.state = if is_last {
                        State::Over(piece.failed)
                    } else {
                        State::Idle(piece.source, empty)
                    };
                    self.read();
                }
            }
        }
        Poll::Ready(Ok(&self.buffer[self.at..]))
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}
