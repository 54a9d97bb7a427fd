//! [`Pump`]: moves the bytes of a transfer between what was opened and the data connection.
//!
//! It is the part of both adapters that the kernel and the codecs of the core do: the adapter
//! waits until the socket or the storage is ready, then lets the pump take a step. A step never waits
//! for the socket; it waits for the disk only where what was opened [shows its file](Pump::backing).

mod receive;
mod send;
#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind};
use std::task::Context;

use receive::Receiver;
use rustix::io::Errno;
use send::{Bytes, Sender, Sendfile, Text, Verbatim};
use wharf_core::listing::{Clock, Lines};
use wharf_core::{End, Failure, Flow, Plan, Verdict};
use wharf_storage::{Backing, Begun, Handle};

use crate::stream::Stream;

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Some bytes have moved, or it was seen that some entries are not listed, and there may be
    /// more to do at once.
    Moved,
    /// The socket must first be ready.
    Blocked,
    /// The storage must first be ready.
    Pending,
    /// The socket or the storage must first be ready.
    Either,
    /// The transfer has ended.
    Ended(End),
}

/// Moves the bytes of one transfer.
pub(crate) struct Pump {
    mover: Mover,
    moved: u64,
}

enum Mover {
    /// From a file, by the kernel.
    File(Sendfile),
    /// From a source, as they are.
    Bytes(Verbatim),
    /// From a source, translated for TYPE A.
    Text(Sender<Text>),
    /// From a listing.
    Lines(Sender<Lines>),
    /// Nothing: the transfer has ended.
    Nothing,
    /// Into a sink.
    Receiver(Receiver),
}

impl Pump {
    /// A pump for that plan. The clock is that of listings.
    ///
    /// # Errors
    /// [`Failure::Io`] if the handle is not of the kind that the plan is for.
    pub(crate) fn new(handle: Handle, plan: Plan, clock: Clock) -> Result<Self, Failure> {
        let mover = match (handle, plan.flow) {
            (Handle::Source(source), Flow::Send { length }) => {
                let bytes = Bytes::new(source, length);
                if plan.wire.text {
                    Mover::Text(Sender::new(Text::new(bytes)))
                } else if plan.wire.is_identity() && bytes.backing().is_some() {
                    Mover::File(Sendfile::new(bytes))
                } else {
                    Mover::Bytes(Verbatim::new(bytes))
                }
            }
            (Handle::Directory(directory), Flow::List(listing)) => {
                Mover::Lines(Sender::new(Lines::new(directory, listing, clock)))
            }
            (Handle::Sink(sink), Flow::Receive) => {
                Mover::Receiver(Receiver::new(sink, plan.wire.text))
            }
            _ => return Err(Failure::Io),
        };
        Ok(Self { mover, moved: 0 })
    }

    /// Moves what the data connection lets through now. Whoever waits in the context is woken when the
    /// storage is ready.
    pub(crate) fn step(&mut self, data: &mut Stream, cx: &mut Context<'_>) -> Step {
        let moved = &mut self.moved;
        match &mut self.mover {
            Mover::File(file) => {
                let sent = data.plain().and_then(|socket| file.step(socket, moved));
                sent.unwrap_or_else(|| self.read_instead())
            }
            Mover::Bytes(bytes) => bytes.step(data, moved, cx),
            Mover::Text(text) => text.step(data, moved, cx),
            Mover::Lines(lines) => lines.step(data, moved, cx),
            Mover::Receiver(receiver) => receiver.step(data, moved, cx),
            Mover::Nothing => Step::Ended(End::Cancelled),
        }
    }

    /// A file that the kernel cannot send from is read like any other source.
    fn read_instead(&mut self) -> Step {
        if let Mover::File(file) = std::mem::replace(&mut self.mover, Mover::Nothing) {
            self.mover = Mover::Bytes(Verbatim::new(file.into_bytes()));
        }
        Step::Moved
    }

    /// Bytes of the file, or of the listing, that have moved.
    pub(crate) fn moved(&self) -> u64 {
        self.moved
    }

    /// Whether the bytes go to the client: then a step needs a writable socket, else a readable
    /// one.
    pub(crate) fn sends(&self) -> bool {
        !matches!(self.mover, Mover::Receiver(_))
    }

    /// Whether what was opened waits for its turn.
    pub(crate) fn is_queued(&self) -> bool {
        matches!(&self.mover, Mover::Receiver(receiver) if receiver.is_queued())
    }

    /// Returns the file for which a step waits, if it may have to wait for one.
    pub(crate) fn backing(&self) -> Option<Backing<'_>> {
        match &self.mover {
            Mover::File(file) => file.backing(),
            Mover::Bytes(bytes) => bytes.backing(),
            Mover::Text(text) => text.backing(),
            Mover::Receiver(receiver) => receiver.backing(),
            Mover::Lines(_) | Mover::Nothing => None,
        }
    }

    /// Whether the next step is known not to wait for a disk.
    pub(crate) fn is_quick(&self) -> bool {
        match &self.mover {
            Mover::File(file) => file.is_cached(),
            _ => false,
        }
    }

    /// Ends the transfer as the core has decided: see [`finish`].
    pub(crate) fn finish(self, verdict: Verdict) -> Begun<()> {
        match self.mover {
            Mover::Receiver(receiver) => finish(Handle::Sink(receiver.into_sink()), verdict),
            _ => Begun::Done(Ok(())),
        }
    }
}

/// Ends what was opened as the core has decided. Fails if an upload is not visible under its name.
pub(crate) fn finish(handle: Handle, verdict: Verdict) -> Begun<()> {
    match (handle, verdict) {
        (Handle::Sink(sink), Verdict::Commit) => sink.commit(),
        (Handle::Sink(sink), Verdict::Abandon(reason)) => sink.abandon(reason),
        (Handle::Source(_) | Handle::Directory(_), _) => Begun::Done(Ok(())),
    }
}

fn ended(end: End) -> Step {
    Step::Ended(end)
}

/// What an error of the data connection means.
fn failed(error: &io::Error) -> Step {
    match error.kind() {
        ErrorKind::WouldBlock => Step::Blocked,
        ErrorKind::Interrupted => Step::Moved,
        ErrorKind::UnexpectedEof => Step::Ended(End::Truncated),
        _ => Step::Ended(End::Reset),
    }
}

/// What an error of the kernel means, which moves bytes between the socket and the file itself.
fn ended_by(error: Errno) -> Step {
    match error {
        Errno::AGAIN => Step::Blocked,
        Errno::INTR => Step::Moved,
        Errno::IO | Errno::STALE => Step::Ended(End::Storage(Failure::Io)),
        _ => Step::Ended(End::Reset),
    }
}
