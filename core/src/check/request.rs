//! What the command in hand may ask for, in which order, and what a success must stand on.

use super::lines::Line;
use super::standing::{Got, Ready, Standing, transfers};
use crate::account::{Identified, Rights};
use crate::action::{Action, Edit, Flow, Mode, Reason, Route, Verdict};
use crate::command::{Command, Site, Verb};
use crate::failure::Failure;
use crate::listing::ListOptions;
use crate::machine::Machine;
use crate::optional::Optional;
use crate::outcome::{End, Transferred};
use crate::path::VPath;
use crate::ticket::{Outcome, TicketId};

/// A request that is out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Out {
    pub(super) id: TicketId,
    /// For [`Action::Open`].
    mode: Option<Mode>,
    /// For [`Action::Finish`].
    verdict: Option<Verdict>,
    pub(super) moves: bool,
    pub(super) cancelled: bool,
}

impl Out {
    /// Whether it is [`Action::Finish`], and nobody wants it back.
    pub(super) fn finishes(&self) -> bool {
        self.verdict.is_some() && !self.cancelled
    }

    /// `None` for actions that ask nothing.
    pub(super) fn of(action: &Action) -> Option<Self> {
        Some(Self {
            id: action.id()?,
            mode: match action {
                Action::Open(_, mode) => Some(*mode),
                _ => None,
            },
            verdict: match action {
                Action::Finish(_, verdict) => Some(*verdict),
                _ => None,
            },
            moves: matches!(action, Action::Transfer(..)),
            cancelled: false,
        })
    }
}

/// Why a command may be stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Causes {
    /// An ABOR was taken.
    pub(super) aborted: bool,
    /// The input ended without a QUIT, or the connection broke.
    pub(super) left: bool,
    /// The connection broke, and had not been closed in order before.
    pub(super) lost: bool,
    /// The server stops.
    pub(super) stopping: bool,
    /// No byte has moved for as long as that is borne.
    pub(super) stalled: bool,
    /// Too few bytes have moved in the last minute.
    pub(super) slow: bool,
    /// The request has taken as long as that is borne.
    pub(super) late: bool,
}

/// What the command in hand has asked for and got.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    pub(super) got: Got,
    /// Something was asked and done.
    done: bool,
    /// The last request that was answered failed.
    failed: bool,
    /// What is open and not finished.
    pub(super) opened: Option<Mode>,
    open_failed: bool,
    /// The length of the file that was opened.
    size: Option<u64>,
    /// What ALLO said of the upload.
    announced_size: Option<u64>,
    asked_for_data: bool,
    connected: bool,
    closed: bool,
    pub(super) announced: bool,
    /// The TLS handshake of the data connection was asked for.
    secures: bool,
    secured: bool,
    moved: Option<Transferred>,
    /// The client had left before the data ended.
    left: bool,
    /// Its connection had broken before that.
    lost: bool,
    finished: Option<(Verdict, bool)>,
    causes: Causes,
}

impl Work {
    /// What was a cause once stays one until the final reply.
    pub(super) fn remember(&mut self, now: Causes) {
        let causes = &mut self.causes;
        causes.aborted |= now.aborted;
        causes.left |= now.left;
        causes.lost |= now.lost;
        causes.stopping |= now.stopping;
        causes.stalled |= now.stalled;
        causes.slow |= now.slow;
        causes.late |= now.late;
    }

    pub(super) fn has_cause(&self) -> bool {
        self.causes != Causes::default()
    }

    /// A request was polled.
    pub(super) fn on_request<M: Machine>(
        &mut self,
        action: &Action,
        line: &Line,
        standing: &mut Standing,
        session: &M,
    ) {
        let verb = line.verb;
        assert!(
            self.is_of(action, line),
            "I21: {verb:?} does not ask for {action:?}"
        );
        if !matches!(
            action,
            Action::Identify(_) | Action::Login(_) | Action::CloseData(_)
        ) {
            let rights = standing.rights;
            assert!(rights.is_some(), "I21: {action:?} before the login");
            let rights = rights.unwrap_or_default();
            let needed = needed(action, verb);
            let know = Rights::LIST | Rights::READ;
            let knows = match verb {
                Some(Verb::Size) => rights.intersects(know | Rights::WRITE),
                Some(Verb::Mdtm | Verb::Mlst) => rights.intersects(know),
                _ => true,
            };
            let has = rights.contains(needed) && knows;
            assert!(has, "I24: {action:?} with {rights}");
        }
        check_path(session.path());
        match action {
            Action::Identify(_) => {
                assert!(standing.tls.allows_login(), "I25: a name in clear");
            }
            Action::Login(_) => {
                assert!(standing.tls.allows_login(), "I25: a password in clear");
                let has_one = !session.password().is_empty() || line.bytes.len() <= 5;
                assert!(has_one, "I22: a login without its password");
            }
            Action::Stat(_) => self.got.path = Some(session.path().clone()),
            Action::Change(_, edit) => {
                self.got.path = Some(session.path().clone());
                check_edit(*edit, standing, session);
            }
            Action::Open(_, mode) => {
                assert!(standing.tls.allows_data(), "I25: data in clear");
                assert!(self.opened.is_none(), "I39: opened twice");
                if uploads(verb) {
                    let announced = standing.announced.take();
                    self.announced_size = announced.filter(|_| !standing.text);
                }
                let (offset, wanted) = match *mode {
                    Mode::Read { offset } => (offset, standing.restart),
                    Mode::Write { at, .. } => (at, standing.restart),
                    Mode::Append { .. } => (0, standing.restart),
                    _ => (0, 0),
                };
                assert_eq!(offset, wanted, "I36: opened at another offset");
                assert!(offset == 0 || !standing.text, "I42: an offset in TYPE A");
            }
            Action::OpenData(_, route) => self.on_route(*route, standing),
            Action::Secure(_) => {
                assert!(standing.tls.data, "I25: PROT C");
                assert!(self.announced, "I14: a handshake before the 150");
                assert!(self.connected && !self.secures, "I32: secures nothing");
                self.secures = true;
            }
            Action::Transfer(_, plan) => {
                assert!(self.announced, "I14: bytes move before the 150");
                assert!(
                    self.opened.is_some() && self.connected,
                    "I32: moves nothing"
                );
                let lists = matches!(plan.flow, Flow::List(_));
                assert_eq!(plan.wire.tls, standing.tls.data, "I25: not as PROT says");
                assert_eq!(plan.wire.tls, self.secured, "I25: no handshake");
                assert_eq!(plan.wire.text, standing.text && !lists, "I42: not the TYPE");
                if let Flow::Send { length } = plan.flow {
                    let rest = self.size.map(|size| size - standing.restart);
                    assert_eq!(length, rest, "I16: another length is sent");
                }
            }
            Action::CloseData(_) => {
                assert!(
                    !self.open_failed,
                    "I32: a failed Open touches the data connection"
                );
            }
            Action::Finish(_, verdict) => {
                assert!(
                    self.opened.is_some(),
                    "I39: finished twice, or never opened"
                );
                assert!(
                    self.closed || !self.asked_for_data,
                    "I33: finished before closed"
                );
                self.check_verdict(*verdict, verb, standing);
            }
            _ => {}
        }
    }

    fn on_route(&mut self, route: Route, standing: &Standing) {
        assert!(self.opened.is_some(), "I32: data for nothing");
        assert!(!self.asked_for_data, "I28: a second data connection");
        self.asked_for_data = true;
        let is_right = match (route, standing.ready) {
            (Route::Accept { .. }, Ready::Passive) => true,
            (Route::Dial { to }, Ready::Active(told)) => {
                let is_told = to.ip() == told.ip();
                let is_own = told.ip().is_unspecified() && !to.ip().is_unspecified();
                (is_told || is_own) && to.port() == told.port()
            }
            _ => false,
        };
        assert!(is_right, "I29: data to somewhere else");
    }

    /// Whether a command of that verb asks for such a thing at all.
    fn is_of(&self, action: &Action, line: &Line) -> bool {
        let Some(verb) = line.verb else {
            return false;
        };
        match action {
            Action::Identify(_) => verb == Verb::User,
            Action::Login(_) => verb == Verb::Pass,
            Action::Stat(_) => matches!(
                verb,
                Verb::Cwd
                    | Verb::Cdup
                    | Verb::Size
                    | Verb::Mdtm
                    | Verb::Mlst
                    | Verb::Rnfr
                    | Verb::Stat
                    | Verb::List
                    | Verb::Nlst
            ),
            Action::Change(_, edit) => match edit {
                Edit::Delete => verb == Verb::Dele,
                Edit::RemoveDirectory => verb == Verb::Rmd,
                Edit::MakeDirectory { .. } => verb == Verb::Mkd,
                Edit::Rename { .. } => verb == Verb::Rnto,
                Edit::Set(_) => matches!(verb, Verb::Mfmt | Verb::Mff | Verb::Site),
                Edit::Symlink => verb == Verb::Site,
            },
            Action::Open(_, mode) => match mode {
                Mode::Read { .. } => verb == Verb::Retr,
                // APPE behind REST.
                Mode::Write { at, .. } => verb == Verb::Stor || verb == Verb::Appe && *at > 0,
                Mode::Append { .. } => verb == Verb::Appe,
                Mode::Unique { .. } => verb == Verb::Stou,
                Mode::List(_) => matches!(verb, Verb::List | Verb::Nlst | Verb::Mlsd),
            },
            Action::Listen(_) => matches!(verb, Verb::Pasv | Verb::Epsv),
            Action::OpenData(..)
            | Action::Secure(_)
            | Action::Transfer(..)
            | Action::Finish(..) => transfers(Some(verb)),
            Action::CloseData(_) => {
                transfers(Some(verb))
                    || matches!(
                        verb,
                        Verb::Auth
                            | Verb::User
                            | Verb::Rein
                            | Verb::Port
                            | Verb::Eprt
                            | Verb::Abor
                            | Verb::Pasv
                    )
            }
            Action::Report(..) => verb == Verb::Stat && self.done,
            Action::Optional(_, Optional::Available) => matches!(verb, Verb::Allo | Verb::Avbl),
            Action::Optional(..) => verb == Verb::Size && self.done,
            // These belong to the reply before.
            Action::StartTls(_) | Action::StopTls(_) | Action::Cancel(_) | Action::Disconnect => {
                false
            }
        }
    }

    /// A request was answered.
    pub(super) fn on_outcome(&mut self, out: Out, outcome: &Outcome, standing: &mut Standing) {
        self.failed = match outcome {
            Outcome::Identify(outcome) => {
                if let Ok(Identified::Account(grant)) = outcome {
                    self.got.grant = Some(grant.clone());
                }
                self.got.denied = outcome.as_ref().err().copied();
                outcome.is_err()
            }
            Outcome::Login(outcome) => {
                self.got.grant = outcome.as_ref().ok().cloned();
                self.got.denied = outcome.as_ref().err().copied();
                outcome.is_err()
            }
            Outcome::Listen(outcome) => {
                self.got.listening = outcome.ok();
                outcome.is_err()
            }
            Outcome::Open(outcome) => {
                self.open_failed = outcome.is_err();
                self.opened = out.mode.filter(|_| outcome.is_ok());
                self.size = outcome.as_ref().ok().and_then(|opened| opened.size);
                outcome.is_err()
            }
            Outcome::OpenData(outcome) => {
                self.connected = outcome.is_ok();
                outcome.is_err()
            }
            Outcome::Transfer(moved) => {
                self.moved = Some(*moved);
                (self.left, self.lost) = (self.causes.left, self.causes.lost);
                moved.end != End::Clean
            }
            Outcome::CloseData(()) => {
                self.closed = true;
                self.connected = false;
                standing.ready = Ready::Nothing;
                self.failed
            }
            Outcome::Finish(outcome) => {
                self.opened = None;
                self.finished = out.verdict.map(|verdict| (verdict, outcome.is_ok()));
                outcome.is_err()
            }
            Outcome::Stat(outcome) => outcome.is_err(),
            Outcome::Change(outcome) => outcome.is_err(),
            Outcome::Report(outcome) => outcome.is_err(),
            Outcome::Optional(outcome) => outcome.is_err(),
            Outcome::Secure(outcome) => {
                self.secured = outcome.is_ok();
                outcome.is_err()
            }
            Outcome::StartTls(outcome) | Outcome::StopTls(outcome) => outcome.is_err(),
        };
        self.done = true;
    }

    /// A commit has only data that ended well behind it (I40), and whatever is given up has its
    /// reason (I46).
    fn check_verdict(&self, verdict: Verdict, verb: Option<Verb>, standing: &Standing) {
        let causes = self.causes;
        let end = self.moved.map(|moved| moved.end);
        match verdict {
            Verdict::Commit => {
                let accepted = standing.accepted();
                let whole = uploads(verb) && self.is_as_announced();
                let truncated = end == Some(End::Truncated) && (whole || accepted.truncated);
                assert!(
                    end == Some(End::Clean) || uploads(verb) && truncated,
                    "I40: committed after {end:?}"
                );
                let may_leave = whole || accepted.hang_up && !self.lost;
                assert!(
                    !uploads(verb) || !self.left || may_leave,
                    "I40: committed for a client that left"
                );
            }
            Verdict::Abandon(reason) => {
                let founded = match reason {
                    Reason::Aborted => causes.aborted || end == Some(End::Cancelled),
                    Reason::HungUp => causes.left,
                    Reason::ControlLost => causes.left,
                    Reason::Shutdown => causes.stopping,
                    Reason::Stalled => causes.stalled,
                    Reason::Slow => causes.slow,
                    Reason::NoData => !self.announced && (self.failed || causes.late),
                    Reason::Reset => end == Some(End::Reset),
                    Reason::Truncated => end == Some(End::Truncated),
                    Reason::Refused => self.size.is_some(),
                    Reason::Storage(Failure::Cancelled) if end.is_none() => true,
                    Reason::Storage(Failure::Io) if end == Some(End::Clean) => {
                        self.is_short(standing.restart)
                    }
                    Reason::Tls(_) => self.secures && (self.failed || causes.late),
                    Reason::Storage(failure) => end == Some(End::Storage(failure)),
                };
                assert!(founded, "I46: abandoned for {reason:?}: {self:?}");
            }
        }
    }

    /// Whether an upload has the length that ALLO announced.
    fn is_as_announced(&self) -> bool {
        let moved = self.moved.map(|moved| moved.bytes);
        moved.is_some() && moved == self.announced_size
    }

    /// Whether fewer bytes than the file has were sent.
    fn is_short(&self, offset: u64) -> bool {
        let moved = self.moved.map_or(0, |moved| moved.bytes);
        let whole = self.size.map_or(0, |size| size.saturating_sub(offset));
        moved < whole
    }

    /// The final reply is there. A success must stand on something that was done.
    pub(super) fn check_final(&self, line: &Line, code: u16, standing: &Standing) {
        assert!(self.opened.is_none(), "I39: {code} with something open");
        assert!(
            !self.connected,
            "I33: {code} before the data connection is closed"
        );
        assert!(
            self.closed || !self.asked_for_data,
            "I32: {code} and nothing was closed"
        );
        if !matches!(code, 200..400) {
            return;
        }
        if transfers(line.verb) {
            assert_eq!(self.finished, Some((Verdict::Commit, true)), "I15: {code}");
            let ends = |end| self.moved.is_some_and(|moved| moved.end == end);
            let clean = ends(End::Clean) || uploads(line.verb) && ends(End::Truncated);
            let whole = line.verb != Some(Verb::Retr) || !self.is_short(standing.restart);
            assert!(clean && whole, "I16: {code} after {:?}", self.moved);
        } else if needs_work(line, code) {
            let reports = line.verb == Some(Verb::Stat);
            let well = self.done && (!self.failed || reports);
            assert!(
                well,
                "I15: {code} for {:?}, and nothing was done",
                line.verb
            );
        }
    }
}

fn uploads(verb: Option<Verb>) -> bool {
    matches!(verb, Some(Verb::Stor | Verb::Appe | Verb::Stou))
}

/// Whether that success needs something done by the embedder.
fn needs_work(line: &Line, code: u16) -> bool {
    let Some(command) = line.command() else {
        return false;
    };
    match command {
        Command::User(_) => code == 232,
        Command::Pass(_) => code == 230,
        Command::Pasv => true,
        Command::Epsv(_) => code == 229,
        Command::Stat(options, path) => path.is_some() || options != ListOptions::default(),
        Command::Cwd(_)
        | Command::Cdup
        | Command::Size(_)
        | Command::Mdtm(_)
        | Command::Mlst(_)
        | Command::Rnfr(_)
        | Command::Rnto(_)
        | Command::Dele(_)
        | Command::Rmd(_)
        | Command::Mkd(_)
        | Command::Mfmt(..)
        | Command::Mff(..)
        | Command::Avbl(_) => true,
        Command::Site(site) => {
            matches!(site, Site::Chmod(..) | Site::Utime(..) | Site::Symlink(..))
        }
        _ => false,
    }
}

/// I24: the rights that a request needs.
fn needed(action: &Action, verb: Option<Verb>) -> Rights {
    match action {
        Action::Stat(_) => match verb {
            Some(Verb::Cwd | Verb::Cdup | Verb::Size | Verb::Mdtm | Verb::Mlst) => Rights::NONE,
            Some(Verb::Rnfr) => Rights::RENAME,
            _ => Rights::LIST,
        },
        Action::Change(_, edit) => match edit {
            Edit::Delete | Edit::RemoveDirectory => Rights::DELETE,
            Edit::MakeDirectory { .. } => Rights::MKDIR,
            Edit::Rename { replace: true } => Rights::RENAME | Rights::OVERWRITE,
            Edit::Rename { replace: false } => Rights::RENAME,
            Edit::Set(_) => Rights::OVERWRITE,
            Edit::Symlink => Rights::WRITE,
        },
        Action::Open(_, mode) => match mode {
            Mode::Read { .. } => Rights::READ,
            Mode::Write { replace: true, .. } | Mode::Append { replace: true, .. } => {
                Rights::WRITE | Rights::OVERWRITE
            }
            Mode::Write { .. } | Mode::Append { .. } | Mode::Unique { .. } => Rights::WRITE,
            Mode::List(_) => Rights::LIST,
        },
        Action::Report(..) => Rights::LIST,
        Action::Optional(_, Optional::Available) => Rights::WRITE,
        _ => Rights::NONE,
    }
}

/// I37, and I27 for the second path of an edit.
fn check_edit<M: Machine>(edit: Edit, standing: &Standing, session: &M) {
    match edit {
        Edit::Rename { .. } => {
            let from = session.rename_from();
            assert_eq!(
                Some(from),
                standing.rename_from.as_ref(),
                "I37: another name"
            );
            check_path(from);
        }
        Edit::Symlink => check_path(session.link_target()),
        _ => {}
    }
}

/// I27.
fn check_path(path: &VPath) {
    let bytes = path.as_bytes();
    assert!(
        bytes.starts_with(b"/") && bytes.len() <= VPath::MAX,
        "I27: {path}"
    );
    let normal = path.is_root()
        || bytes[1..]
            .split(|byte| *byte == b'/')
            .all(|part| !matches!(part, b"" | b"." | b"..") && !part.contains(&0));
    assert!(normal, "I27: {path}");
}
