//! [`Backlog`]: how much of the log waits to be written, and what of it was lost.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// What a line is about. Where not all can be kept, what can be had in any number gives way first.
///
/// Lines of a session tell it by their target, which begins with
/// `wharf_driver::` as that of every other line of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The server itself.
    Server,
    /// Logins, also refused ones.
    Login,
    /// The end of a transfer.
    Transfer,
    /// What was changed.
    Change,
    /// What was refused.
    Refusal,
    /// Who comes and goes.
    Connection,
    /// Commands and their replies.
    Command,
    /// Anything else in a session.
    Session,
}

pub(super) const LOGIN: &str = "wharf_driver::login";
pub(super) const TRANSFER: &str = "wharf_driver::transfer";
pub(super) const CHANGE: &str = "wharf_driver::change";
pub(super) const REFUSAL: &str = "wharf_driver::refusal";
pub(super) const CONNECTION: &str = "wharf_driver::connection";
pub(super) const COMMAND: &str = "wharf_driver::command";

/// Bytes that may wait.
const MOST: usize = 1 << 20;

impl Kind {
    /// All of them, with what the log calls those that were lost.
    const ALL: [(Self, &str); 8] = [
        (Self::Server, "others"),
        (Self::Login, "logins"),
        (Self::Transfer, "transfers"),
        (Self::Change, "changes"),
        (Self::Refusal, "refusals"),
        (Self::Connection, "connections"),
        (Self::Command, "commands"),
        (Self::Session, "warnings"),
    ];

    /// What a line with that target is about.
    #[must_use]
    pub fn of(target: &str, in_session: bool) -> Self {
        match target {
            LOGIN => Self::Login,
            TRANSFER => Self::Transfer,
            CHANGE => Self::Change,
            REFUSAL => Self::Refusal,
            CONNECTION => Self::Connection,
            COMMAND => Self::Command,
            _ if in_session => Self::Session,
            _ => Self::Server,
        }
    }

    /// How much may wait before lines of this kind do.
    fn share(self) -> usize {
        match self {
            Self::Server | Self::Login => MOST,
            Self::Transfer | Self::Change => MOST / 4 * 3,
            Self::Refusal | Self::Connection | Self::Command | Self::Session => MOST / 2,
        }
    }
}

/// How much of a log waits to be written, for those who write it and for those who fill it.
///
/// A sink that takes its time [adds](Backlog::add) each line and tells when it is
/// [written](Backlog::written). Sessions look before they take a note, so that a client waits for a
/// log that is slow, and does not flood it. Without such a sink a backlog stays empty.
#[derive(Debug, Default)]
pub struct Backlog {
    waiting: AtomicUsize,
    /// Somebody has waited in vain, and nothing was written since.
    stuck: AtomicBool,
    lost: [AtomicU64; Kind::ALL.len()],
}

impl Backlog {
    /// Adds a line of so many bytes. False: there is no room for it, and it counts as lost.
    #[must_use]
    pub fn add(&self, kind: Kind, bytes: usize) -> bool {
        let has_room = self.has_room(kind);
        if has_room {
            self.waiting.fetch_add(bytes, Ordering::Relaxed);
        } else {
            self.lost[kind as usize].fetch_add(1, Ordering::Relaxed);
        }
        has_room
    }

    /// So many bytes were written.
    pub fn written(&self, bytes: usize) {
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        self.stuck.store(false, Ordering::Relaxed);
    }

    /// Somebody has waited for room in vain: until something is written, nobody else shall.
    pub(super) fn give_up(&self) {
        self.stuck.store(true, Ordering::Relaxed);
    }

    /// Whether it is worth while to wait for room.
    pub(super) fn moves(&self) -> bool {
        !self.stuck.load(Ordering::Relaxed)
    }

    /// How many lines were lost since the last call, by what they were about.
    pub fn take_lost(&self) -> Vec<(&'static str, u64)> {
        let counts = self.lost.iter().zip(Kind::ALL);
        counts
            .map(|(count, (_, name))| (name, count.swap(0, Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// Whether a line of that kind would be taken.
    pub(super) fn has_room(&self, kind: Kind) -> bool {
        self.waiting.load(Ordering::Relaxed) < kind.share()
    }

    /// Whether the log is written more slowly than it is filled.
    pub(super) fn is_pressed(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= MOST / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_in_any_number_gives_way_first() {
        let backlog = Backlog::default();
        let line = MOST / 8;
        let mut taken = vec![0; Kind::ALL.len()];
        let floods = [Kind::Command, Kind::Transfer, Kind::Login];
        for kind in floods {
            while backlog.add(kind, line) {
                taken[kind as usize] += 1;
            }
        }
        let counts = floods.map(|kind| taken[kind as usize]);
        assert_eq!(counts, [4, 2, 2]);
        let lost = [("logins", 1), ("transfers", 1), ("commands", 1)];
        assert_eq!(backlog.take_lost(), lost);
        assert_eq!(backlog.take_lost(), []);
        backlog.written(MOST);
        assert!(backlog.add(Kind::Session, line));
    }

    #[test]
    fn what_has_no_target_of_its_own_is_told_by_where_it_is() {
        for (target, in_session, kind) in [
            ("wharf_server::pump", true, Kind::Session),
            ("wharf_server::pump", false, Kind::Server),
            (LOGIN, false, Kind::Login),
        ] {
            assert_eq!(Kind::of(target, in_session), kind);
        }
    }

    #[test]
    fn a_log_of_which_a_quarter_waits_is_pressed() {
        let backlog = Backlog::default();
        let pressed = [0, MOST / 4 - 1, 1].map(|bytes| {
            assert!(backlog.add(Kind::Server, bytes));
            backlog.is_pressed()
        });
        assert_eq!(pressed, [false, false, true]);
        backlog.written(1);
        assert!(!backlog.is_pressed());
    }

    #[test]
    fn kinds_are_counted_where_they_stand() {
        for (at, (kind, _)) in Kind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, at);
        }
    }
}
