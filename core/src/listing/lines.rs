//! [`Lines`]: the text of a listing, read like a file.

use alloc::boxed::Box;
use core::fmt;
use core::task::{Context, Poll};

use crate::entry::Entry;
use crate::failure::Failure;
use crate::listing::{Clock, Listing, Step};
use crate::path::VPath;

/// How many entries are looked at for the next line before the caller is asked whether it still
/// wants it.
const PATIENCE: usize = 256;

/// The entries of a directory, one after the other.
pub trait Directory: Send {
    /// Goes to the next entry, first to the first one; false at the end. An entry that vanished
    /// meanwhile is skipped. Where the next entry is yet to come, it is pending, and whoever waits in
    /// the context is woken.
    ///
    /// # Errors
    /// [`Failure::Io`] and others; the end is near.
    fn poll_advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Failure>>;

    /// Returns the entry that [`Directory::poll_advance`] went to.
    fn entry(&self) -> Entry<'_>;

    /// Goes on with another directory of the same storage. One that cannot be opened has no entries.
    fn enter(&mut self, path: &VPath);
}

/// What [`Lines::poll_read`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// So many bytes of text.
    Text(usize),
    /// There is no text yet: of what was looked at nothing is listed.
    Nothing,
    /// There is nothing more.
    End,
}

impl Piece {
    const fn of(written: usize) -> Self {
        match written {
            0 => Self::Nothing,
            written => Self::Text(written),
        }
    }
}

/// Joins a [`Directory`] and a [`Listing`] to a stream of text that is produced as it is read.
pub struct Lines {
    directory: Box<dyn Directory>,
    listing: Listing,
    clock: Clock,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The next entry is needed.
    Advance,
    /// The entry had no room.
    Again,
    /// The directory has no more entries.
    Ending,
    /// The lines before it are being read.
    Failed(Failure),
    Done,
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("listing", &self.listing)
            .field("clock", &self.clock)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Lines {
    /// Returns the lines of `listing` for the entries of `directory`.
    #[must_use]
    pub fn new(directory: Box<dyn Directory>, listing: Listing, clock: Clock) -> Self {
        Self {
            directory,
            listing,
            clock,
            state: State::Advance,
        }
    }

    /// Fills `buffer` with whole lines, as many as there are by now. Among many entries that are not
    /// listed it stops between, so that the caller can see whether somebody still waits. It is pending
    /// only if there is nothing to return.
    ///
    /// The buffer must be longer than [`Listing::MAX_LINE`].
    ///
    /// # Errors
    /// What the directory says, once the lines before it were read.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<Piece, Failure>> {
        let mut written = 0;
        let mut in_vain = 0;
        loop {
            match self.state {
                State::Advance if in_vain == PATIENCE => break,
                State::Advance => match self.directory.poll_advance(cx) {
                    Poll::Ready(Ok(true)) => self.state = State::Again,
                    Poll::Ready(Ok(false)) => self.state = State::Ending,
                    Poll::Ready(Err(failure)) => self.state = State::Failed(failure),
                    Poll::Pending if written == 0 => return Poll::Pending,
                    Poll::Pending => break,
                },
                State::Done | State::Failed(_) if written > 0 => break,
                State::Done => return Poll::Ready(Ok(Piece::End)),
                State::Failed(failure) => {
                    self.state = State::Done;
                    return Poll::Ready(Err(failure));
                }
                State::Again => {
                    let entry = self.directory.entry();
                    let pushed = self
                        .listing
                        .push(&entry, self.clock, &mut buffer[written..]);
                    written += pushed.written;
                    in_vain = match pushed.written {
                        0 => in_vain + 1,
                        _ => 0,
                    };
                    if !pushed.taken {
                        break;
                    }
                    self.state = State::Advance;
                }
                State::Ending => {
                    let (more, step) = self
                        .listing
                        .end_of_directory(self.clock, &mut buffer[written..]);
                    written += more;
                    in_vain += 1;
                    match step {
                        Step::More => break,
                        Step::Done => self.state = State::Done,
                        Step::Enter(path) => {
                            self.directory.enter(&path);
                            self.state = State::Advance;
                        }
                    }
                }
            }
        }
        Poll::Ready(Ok(Piece::of(written)))
    }
}
