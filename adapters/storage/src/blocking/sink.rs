//! Uploads.

use std::mem;
use std::task::{Context, Poll, ready};

use wharf_core::{Failure, Reason};

use super::{BlockingSink, Calls};
use crate::executor::{OnCancel, Wanted};
use crate::operation::{Begun, Operation};
use crate::storage::{Backing, Sink};

/// So much is taken while the last bytes are written.
const PIECE: usize = 256 << 10;
/// So much is written before it is looked whether that is still wanted.
const STEP: usize = 32 << 10;

pub(super) fn wrap(sink: Box<dyn BlockingSink>, calls: Calls) -> Box<dyn Sink> {
    // One that shows its file is polled where it may be waited for.
    if calls.are_here() || sink.file().is_some() {
        Box::new(Here { sink, calls })
    } else {
        Box::new(Behind {
            calls,
            taken: Vec::new(),
            state: State::Idle(Written {
                sink,
                buffer: Vec::new(),
                failed: None,
            }),
        })
    }
}

/// An upload that is written when it is polled.
struct Here {
    sink: Box<dyn BlockingSink>,
    calls: Calls,
}

impl Sink for Here {
    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Failure>> {
        Poll::Ready(self.sink.write(bytes).map(|()| bytes.len()))
    }

    fn backing(&self) -> Option<Backing<'_>> {
        Some(Backing {
            file: self.sink.file()?,
            is_short: self.calls.is_short,
            group: self.calls.group,
        })
    }

    fn commit(self: Box<Self>) -> Begun<()> {
        let Self { sink, calls } = *self;
        if calls.end_here() {
            return Begun::Done(sink.commit());
        }
        Begun::Pending(calls.run(OnCancel::Wait, move |wanted| {
            wanted.check::<Failure>()?;
            sink.commit()
        }))
    }

    fn abandon(self: Box<Self>, reason: Reason) -> Begun<()> {
        let Self { sink, calls } = *self;
        if calls.end_here() {
            sink.abandon(reason);
            return Begun::Done(Ok(()));
        }
        Begun::Pending(calls.run(OnCancel::Wait, move |_| {
            sink.abandon(reason);
            Ok(())
        }))
    }
}

/// An upload that takes bytes while the last ones are written.
struct Behind {
    calls: Calls,
    /// Bytes that are to be written next.
    taken: Vec<u8>,
    state: State,
}

enum State {
    Idle(Written),
    Writing(Box<dyn Operation<Written>>),
    /// What was writing is gone, for that reason.
    Lost(Failure),
}

struct Written {
    sink: Box<dyn BlockingSink>,
    /// An empty buffer.
    buffer: Vec<u8>,
    failed: Option<Failure>,
}

impl Written {
    fn write(&mut self, bytes: &[u8], wanted: &Wanted) {
        if self.failed.is_none() {
            let mut pieces = bytes.chunks(STEP);
            let written = pieces.try_for_each(|piece| {
                wanted.check::<Failure>()?;
                self.sink.write(piece)
            });
            self.failed = written.err();
        }
    }
}

impl Behind {
    /// Begins to write what was taken, if nothing is being written.
    fn write(&mut self) {
        if self.taken.is_empty() {
            return;
        }
        match mem::replace(&mut self.state, State::Lost(Failure::Io)) {
            State::Idle(mut written) if written.failed.is_none() => {
                let bytes = mem::replace(&mut self.taken, mem::take(&mut written.buffer));
                let writing = self.calls.run(OnCancel::Wait, move |wanted| {
                    written.write(&bytes, wanted);
                    written.buffer = bytes;
                    written.buffer.clear();
                    Ok(written)
                });
                self.state = State::Writing(writing);
            }
            other => self.state = other,
        }
    }

    /// Goes on when the last bytes were written.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if let State::Writing(writing) = &mut self.state {
            self.state = match ready!(writing.poll(cx)) {
                Ok(written) => State::Idle(written),
                Err(failure) => State::Lost(failure),
            };
        }
        Poll::Ready(match &self.state {
            State::Idle(written) => written.failed.map_or(Ok(()), Err),
            State::Lost(failure) => Err(*failure),
            State::Writing(_) => Ok(()),
        })
    }

    /// Ends the upload once the last bytes were written: `end` is told what became of them.
    fn end(
        self,
        end: impl FnOnce(Box<dyn BlockingSink>, Option<Failure>) -> Result<(), Failure> + Send + 'static,
    ) -> Begun<()> {
        let Self {
            calls,
            taken,
            state,
        } = self;
        let begun = match state {
            State::Idle(written) => Begun::Done(Ok(written)),
            State::Writing(writing) => Begun::Pending(writing),
            State::Lost(failure) => Begun::Done(Err(failure)),
        };
        begun.then(move |written| match written {
            Err(failure) => Begun::Done(Err(failure)),
            Ok(mut written) => Begun::Pending(calls.run(OnCancel::Wait, move |wanted| {
                written.write(&taken, wanted);
                let cancelled = wanted.check::<Failure>().err();
                end(written.sink, written.failed.or(cancelled))
            })),
        })
    }
}

impl Sink for Behind {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Failure>> {
        let room = loop {
            let idle = self.poll_idle(cx);
            if let Poll::Ready(outcome) = idle {
                outcome?;
                self.write();
            }
            let room = PIECE - self.taken.len();
            if room > 0 {
                break room;
            }
            if idle.is_pending() {
                return Poll::Pending;
            }
        };
        let count = room.min(bytes.len());
        self.taken.extend_from_slice(&bytes[..count]);
        if let State::Idle(_) = self.state {
            self.write();
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            ready!(self.poll_idle(cx))?;
            if self.taken.is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.write();
        }
    }

    fn commit(self: Box<Self>) -> Begun<()> {
        self.end(|sink, failed| match failed {
            None => sink.commit(),
            Some(failure) => {
                sink.abandon(Reason::Storage(failure));
                Err(failure)
            }
        })
    }

    fn abandon(mut self: Box<Self>, reason: Reason) -> Begun<()> {
        if let State::Writing(writing) = &mut self.state {
            writing.cancel();
        }
        self.taken.clear();
        self.end(move |sink, _| {
            sink.abandon(reason);
            Ok(())
        })
    }
}
