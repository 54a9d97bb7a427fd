//! [`Pump`]: moves the bytes of a transfer between what was opened and the data connection.
//!
//! It is the part of both adapters that the kernel and the codecs of the core do: the adapter
//! waits until the socket is ready, then lets the pump take a step. A step never waits for the
//! socket; it may wait for the file.

mod receive;
mod send;

use std::io::{self, ErrorKind};

use receive::Receiver;
use rustix::io::Errno;
use send::{Bytes, Sender, Sendfile};
use wharf_core::{End, Failure, Flow, Plan, Verdict};
use wharf_storage::{Handle, Lines};

use crate::Stream;

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Some bytes have moved, or it was seen that some entries are not listed, and there may be
    /// more to do at once.
    Moved,
    /// The socket must first be ready.
    Blocked,
    /// The transfer has ended.
    Ended(End),
}

/// Moves the bytes of one transfer.
pub struct Pump {
    mover: Mover,
    moved: u64,
}

enum Mover {
    /// From a file, by the kernel.
    File(Sendfile),
    /// From a source, through a buffer.
    Bytes(Sender<Bytes>),
    /// From a listing.
    Lines(Sender<Lines>),
    /// Nothing: the transfer has ended.
    Nothing,
    /// Into a sink.
    Receiver(Receiver),
}

impl Pump {
    /// A pump for that plan. `offset` is the time zone of LIST in seconds east of UTC.
    ///
    /// # Errors
    /// [`Failure::Io`] if the handle is not of the kind that the plan is for.
    pub fn new(handle: Handle, plan: Plan, offset: i32) -> Result<Self, Failure> {
        let mover = match (handle, plan.flow) {
            (Handle::Source(source), Flow::Send { length }) => {
                if plan.wire.is_identity() && source.file().is_some() {
                    Mover::File(Sendfile::new(source, length))
                } else {
                    Mover::Bytes(Sender::new(Bytes::new(source, length, plan.wire.text)))
                }
            }
            (Handle::Directory(directory), Flow::List(listing)) => {
                Mover::Lines(Sender::new(Lines::new(directory, listing, offset)))
            }
            (Handle::Sink(sink), Flow::Receive) => {
                Mover::Receiver(Receiver::new(sink, plan.wire.text))
            }
            _ => return Err(Failure::Io),
        };
        Ok(Self { mover, moved: 0 })
    }

    /// Moves what the data connection lets through now.
    pub fn step(&mut self, data: &mut Stream) -> Step {
        match &mut self.mover {
            Mover::File(file) => {
                let sent = data
                    .plain()
                    .and_then(|socket| file.step(socket, &mut self.moved));
                sent.unwrap_or_else(|| self.read_instead())
            }
            Mover::Bytes(bytes) => bytes.step(data, &mut self.moved),
            Mover::Lines(lines) => lines.step(data, &mut self.moved),
            Mover::Receiver(receiver) => receiver.step(data, &mut self.moved),
            Mover::Nothing => Step::Ended(End::Cancelled),
        }
    }

    /// A file that the kernel cannot send from is read like any other source.
    fn read_instead(&mut self) -> Step {
        if let Mover::File(file) = std::mem::replace(&mut self.mover, Mover::Nothing) {
            let (source, left) = file.into_parts();
            self.mover = Mover::Bytes(Sender::new(Bytes::new(source, left, false)));
        }
        Step::Moved
    }

    /// Bytes of the file, or of the listing, that have moved.
    #[must_use]
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// Whether the bytes go to the client: then a step needs a writable socket, else a readable
    /// one.
    #[must_use]
    pub fn sends(&self) -> bool {
        !matches!(self.mover, Mover::Receiver(_))
    }

    /// Whether the next step is known not to wait for a disk.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        match &self.mover {
            Mover::File(file) => file.is_cached(),
            Mover::Bytes(_) | Mover::Lines(_) | Mover::Receiver(_) | Mover::Nothing => false,
        }
    }

    /// Ends the transfer as the core has decided: see [`finish`].
    ///
    /// # Errors
    /// Why an upload is not visible under its name.
    pub fn finish(self, verdict: Verdict) -> Result<(), Failure> {
        match self.mover {
            Mover::Receiver(receiver) => finish(Handle::Sink(receiver.into_sink()), verdict),
            Mover::File(_) | Mover::Bytes(_) | Mover::Lines(_) | Mover::Nothing => Ok(()),
        }
    }
}

/// Ends what was opened as the core has decided.
///
/// # Errors
/// Why an upload is not visible under its name.
pub fn finish(handle: Handle, verdict: Verdict) -> Result<(), Failure> {
    match (handle, verdict) {
        (Handle::Sink(sink), Verdict::Commit) => sink.commit(),
        (Handle::Sink(sink), Verdict::Abandon(reason)) => {
            sink.abandon(reason);
            Ok(())
        }
        (Handle::Source(_) | Handle::Directory(_), _) => Ok(()),
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
