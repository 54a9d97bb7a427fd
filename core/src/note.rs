//! [`Note`]: what happened, for audit logs and metrics.

use alloc::collections::VecDeque;
use core::time::Duration;

use bstr::BString;

use crate::account::Denied;
use crate::action::{Edit, Reason};
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
    /// Notes that were not kept, since nobody took those before them.
    Omitted {
        /// Of [`Note::Refused`].
        refused: u32,
        /// Of [`Note::Command`].
        commands: u32,
        /// Of any other kind, the oldest.
        others: u32,
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
            Self::LoggedOut | Self::MaskSet { .. } | Self::Ended { .. } | Self::Omitted { .. } => 0,
        }
    }
}

/// Commands and refusals come without a ticket, as many as a client sends: so many are kept.
const MOST: usize = 16;

/// Each of the others took a ticket, after which an embedder has looked: whoever ignores them
/// loses the oldest.
const MOST_OF_ALL: usize = 32;

/// The notes that nobody has taken yet. None is lost without being counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    kept: VecDeque<Note>,
    refused: u32,
    commands: u32,
    others: u32,
}

impl Journal {
    pub(crate) fn push(&mut self, note: Note) {
        let full = self.kept.len() >= MOST;
        match note {
            Note::Refused { .. } if full => self.refused = self.refused.saturating_add(1),
            Note::Command { .. } if full => self.commands = self.commands.saturating_add(1),
            note => {
                if self.kept.len() >= MOST_OF_ALL {
                    self.forget_oldest();
                }
                self.kept.push_back(note);
            }
        }
    }

    /// The oldest that was kept; behind all of them, how many were not.
    pub(crate) fn pop(&mut self) -> Option<Note> {
        self.kept.pop_front().or_else(|| self.omitted())
    }

    fn omitted(&mut self) -> Option<Note> {
        let Self {
            refused,
            commands,
            others,
            ..
        } = *self;
        (self.refused, self.commands, self.others) = (0, 0, 0);
        (refused > 0 || commands > 0 || others > 0).then_some(Note::Omitted {
            refused,
            commands,
            others,
        })
    }

    fn forget_oldest(&mut self) {
        let count = match self.kept.pop_front() {
            Some(Note::Refused { .. }) => &mut self.refused,
            Some(Note::Command { .. }) => &mut self.commands,
            _ => &mut self.others,
        };
        *count = count.saturating_add(1);
    }

    /// Bytes of memory held.
    pub(crate) fn capacity(&self) -> usize {
        let names: usize = self.kept.iter().map(Note::heap_size).sum();
        self.kept.capacity() * size_of::<Note>() + names
    }

    pub(crate) fn shrink(&mut self) {
        self.kept.shrink_to_fit();
    }
}
