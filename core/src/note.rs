//! [`Note`]: what happened, for audit logs and metrics.

use alloc::collections::VecDeque;
use core::time::Duration;

use bstr::BString;

use crate::account::Denied;
use crate::action::{Edit, Reason};
use crate::command::Verb;
use crate::path::VPath;

/// Something that happened in a session. What is done with it changes nothing there, but it has to
/// be taken: see [`Config::notes`](crate::Config::notes).
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
        /// Why.
        why: Denied,
        /// How many names or passwords were wrong in this session, with this one.
        tries: u32,
    },
    /// The client is logged in no more, but may log in again.
    LoggedOut,
    /// A command was answered. Kept only with [`Notes::Commands`](crate::Notes::Commands).
    Command {
        /// The line as the client wrote it, without the password.
        line: BString,
        /// The code of the final reply.
        code: u16,
    },
    /// The storage was asked to change something.
    Changed {
        /// DELE, RMD, MKD, RNTO, MFMT, MFF or SITE.
        verb: Verb,
        /// What was asked for.
        edit: Edit,
        /// What was changed.
        path: VPath,
        /// The old name of a rename, or the target of a link.
        other: Option<VPath>,
        /// The code of the final reply.
        code: u16,
        /// What the client was told if it was not changed.
        refused: Option<&'static str>,
    },
    /// SITE UMASK: new files of this session do not get these permission bits.
    MaskSet {
        /// The bits.
        umask: u16,
    },
    /// A command was refused, not because of its form or of what is not there, but because the
    /// account, the policy or the system does not let the client do it.
    Refused {
        /// The command.
        verb: Verb,
        /// Its path; where it has none that could be resolved, its argument as the client wrote it.
        about: Option<BString>,
        /// The code of the final reply.
        code: u16,
        /// What the client was told.
        why: &'static str,
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
    /// The session is over.
    Ended {
        /// Why.
        why: Ending,
    },
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The client said QUIT.
    Quit,
    /// The client closed the connection without QUIT.
    Closed,
    /// The connection broke.
    Lost,
    /// The client did not log in in time.
    NoLogin,
    /// The client was silent for too long.
    Idle,
    /// A command line took too long.
    SlowLine,
    /// The client did not take its replies.
    Unread,
    /// The login was refused for good.
    LoginRefused,
    /// Too many lines before the login were no commands.
    BadCommands,
    /// The client spoke another protocol.
    Foreign,
    /// The control connection could not become another one.
    Tls,
    /// The embedder did not answer a request in time.
    Unanswered,
    /// The server is stopping.
    Shutdown,
    /// The embedder has [dismissed](crate::Session::dismiss) the client.
    Dismissed,
}

impl Note {
    /// Bytes of memory behind it.
    fn heap_size(&self) -> usize {
        let bytes = |name: &BString| name.capacity();
        match self {
            Self::LoggedIn { username } | Self::LoginRefused { username, .. } => bytes(username),
            Self::Command { line, .. } => bytes(line),
            Self::Changed { path, other, .. } => {
                path.capacity() + other.as_ref().map_or(0, VPath::capacity)
            }
            Self::Refused { about, .. } => about.as_ref().map_or(0, bytes),
            Self::Transferred { path, .. } => path.capacity(),
            Self::LoggedOut | Self::MaskSet { .. } | Self::Ended { .. } => 0,
        }
    }
}

/// No command begins while so many wait, or so many bytes of names. Each leaves a few at most, so
/// this bounds them.
const MOST: usize = 16;
const MOST_BYTES: usize = 2 * VPath::MAX;

/// The notes that nobody has taken yet. None is ever lost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal(VecDeque<Note>);

impl Journal {
    pub(crate) fn push(&mut self, note: Note) {
        self.0.push_back(note);
    }

    /// Takes the oldest.
    pub(crate) fn pop(&mut self) -> Option<Note> {
        self.0.pop_front()
    }

    /// The oldest.
    pub(crate) fn first(&self) -> Option<&Note> {
        self.0.front()
    }

    /// Whether no more may come for now.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= MOST || self.names() >= MOST_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of memory held.
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity() * size_of::<Note>() + self.names()
    }

    fn names(&self) -> usize {
        self.0.iter().map(Note::heap_size).sum()
    }

    pub(crate) fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }
}
