//! [`Note`]: what happened, for audit logs and metrics.

use alloc::collections::VecDeque;
use core::time::Duration;

use bstr::BString;

use crate::action::Reason;
use crate::command::Verb;
use crate::path::VPath;

/// Something that happened in a session. Notes change nothing and may be ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// An account logged in.
    LoggedIn {
        /// Its name as the client wrote it.
        username: BString,
    },
    /// A login was refused.
    LoginRefused {
        /// The name as the client wrote it.
        username: BString,
        /// How many were refused in this session, with this one.
        tries: u32,
    },
    /// A command was answered. Kept only with [`Notes::Commands`](crate::Notes::Commands).
    Command {
        /// The line as the client wrote it, without the password.
        line: BString,
        /// The code of the final reply.
        code: u16,
    },
    /// A transfer ended.
    Transferred {
        /// RETR, STOR, APPE, STOU, LIST, NLST or MLSD.
        verb: Verb,
        /// What was transferred.
        path: VPath,
        /// Bytes of the file, or of the listing.
        bytes: u64,
        /// From the command to its final reply.
        took: Duration,
        /// The code of the final reply.
        code: u16,
        /// Why it was abandoned, if it was.
        abandoned: Option<Reason>,
        /// The doubtful end that was accepted, if it was: [`Reason::Truncated`] or
        /// [`Reason::HungUp`].
        accepted: Option<Reason>,
    },
}

/// Notes are few and short-lived; whoever ignores them loses the oldest.
pub(crate) const MOST: usize = 16;

#[derive(Clone, Debug, Default)]
pub(crate) struct Journal(VecDeque<Note>);

impl Journal {
    pub(crate) fn push(&mut self, note: Note) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(note);
    }

    pub(crate) fn pop(&mut self) -> Option<Note> {
        self.0.pop_front()
    }

    /// Bytes of memory held, beside the names in the notes.
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity() * size_of::<Note>()
    }

    pub(crate) fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }
}
