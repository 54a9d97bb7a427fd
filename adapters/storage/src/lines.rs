//! [`Lines`]: the text of a listing, read like a file.

use std::time::{SystemTime, UNIX_EPOCH};

use wharf_core::listing::{Clock, Listing, Step};
use wharf_core::{Failure, Timestamp};

use crate::storage::Directory;

/// How many entries are looked at for the next line before the caller is asked whether it still
/// wants it.
const PATIENCE: usize = 256;

/// What [`Lines::read`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// So many bytes of text.
    Text(usize),
    /// There is no text yet: of what was looked at nothing is listed.
    Nothing,
    /// There is nothing more.
    End,
}

/// Joins a [`Directory`] and a [`Listing`] to a stream of text that is produced as it is read.
pub struct Lines {
    directory: Box<dyn Directory>,
    listing: Listing,
    clock: Clock,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
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

impl Lines {
    /// The lines of `listing` for the entries of `directory`. `offset` is the time zone of LIST in
    /// seconds east of UTC.
    #[must_use]
    pub fn new(directory: Box<dyn Directory>, listing: Listing, offset: i32) -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let now = Timestamp::from_seconds(i64::try_from(now).unwrap_or(i64::MAX));
        Self {
            directory,
            listing,
            clock: Clock { now, offset },
            state: State::Advance,
        }
    }

    /// Fills `buffer` with whole lines. Among many entries that are not listed it stops between,
    /// so that the caller can see whether somebody still waits.
    ///
    /// The buffer must be longer than [`Listing::MAX_LINE`].
    ///
    /// # Errors
    /// What the directory says, once the lines before it were read.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Piece, Failure> {
        let mut written = 0;
        let mut in_vain = 0;
        let text = |written| match written {
            0 => Piece::Nothing,
            written => Piece::Text(written),
        };
        loop {
            match self.state {
                State::Done if written == 0 => return Ok(Piece::End),
                State::Done => return Ok(Piece::Text(written)),
                State::Advance if in_vain == PATIENCE => return Ok(text(written)),
                State::Advance => match self.directory.advance() {
                    Ok(true) => self.state = State::Again,
                    Ok(false) => self.state = State::Ending,
                    Err(failure) => self.state = State::Failed(failure),
                },
                State::Failed(_) if written > 0 => return Ok(Piece::Text(written)),
                State::Failed(failure) => {
                    self.state = State::Done;
                    return Err(failure);
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
                        return Ok(text(written));
                    }
                    self.state = State::Advance;
                }
                State::Ending => {
                    let (more, step) = self
                        .listing
                        .end_of_directory(self.clock, &mut buffer[written..]);
                    written += more;
                    in_vain += 1;
                    self.state = match step {
                        Step::More => return Ok(text(written)),
                        Step::Done => State::Done,
                        // One that cannot be opened is shown as empty.
                        Step::Enter(path) if self.directory.enter(&path).is_err() => State::Ending,
                        Step::Enter(_) => State::Advance,
                    };
                }
            }
        }
    }
}
