//! RETR, STOR, APPE, STOU, LIST, NLST, MLSD and ABOR: from the command to the final reply.
//!
//! A transfer goes through its stages in one order:
//!
//! ```text
//! Opening -> Connecting -> Securing -> Moving -> Closing -> Finishing -> final reply
//!    |           |            |          |
//!    |           +------------+----------+--- whatever goes wrong: Closing with Abandon
//!    +--- refused: the data connection is not touched
//! ```
//!
//! Securing is for PROT P only. Between Moving and Closing a long upload settles for a moment (see
//! [`Work::Settling`]). How transfers begin is in `begin`, what stops them in `stop`.

mod begin;
mod stop;

use core::time::Duration;

use super::Session;
use super::state::{Data, Job, Stage, Transfer, Work};
use crate::action::{Action, Flow, Plan, Reason, Verdict, Wire};
use crate::command::{Type, Verb};
use crate::config::{DoubtfulEnds, Limits, Notes};
use crate::failure::Failure;
use crate::note::Note;
use crate::outcome::{DataFailure, End, Opened, TlsFailure, Transferred};
use crate::ticket::Outcome;
use crate::timer::Timer;

/// An upload that took less than this is not doubted: for many small files it would cost too much.
const WORTH_DOUBTING: Duration = Duration::from_millis(20);
/// To doubt for less than this would tell too little.
const LEAST_DOUBT: Duration = Duration::from_millis(2);

impl Transfer {
    /// How many bytes will have moved, if that is known.
    pub(super) fn length(&self) -> Option<u64> {
        self.size.and_then(|size| size.checked_sub(self.offset))
    }

    /// Bytes have moved, or what finishes has come further: how long it may take until it does again, if
    /// that proves that the transfer is alive.
    pub(super) fn advance_to(&mut self, total: u64, limits: &Limits) -> Option<Duration> {
        let (reached, limit) = match self.stage {
            Stage::Moving => (&mut self.bytes, limits.stall),
            Stage::Finishing(_) => (&mut self.measured, limits.finish),
            _ => return None,
        };
        if total <= *reached {
            return None;
        }
        *reached = total;
        // What shall stop must not win time by moving on.
        self.stop.is_none().then_some(limit)
    }

    /// Measures the rate: whether so many bytes have moved since the last time.
    pub(super) fn keeps_up(&mut self, least: u64) -> bool {
        let moved = self.bytes - self.measured;
        self.measured = self.bytes;
        moved >= least
    }

    /// The transfer waits for its turn, if it moves bytes and shall not end: then its rate is measured anew.
    pub(super) fn is_held_up(&mut self) -> bool {
        let is_moving = matches!(self.stage, Stage::Moving) && self.stop.is_none();
        if is_moving {
            self.measured = self.bytes;
        }
        is_moving
    }

    /// The stage has taken too long.
    pub(super) fn expire(&mut self) {
        let reason = match self.stage {
            Stage::Opening => Reason::Storage(Failure::Cancelled),
            Stage::Connecting => Reason::NoData,
            Stage::Securing => Reason::Tls(TlsFailure::Handshake),
            Stage::Moving => Reason::Stalled,
            // What happens now must end by itself.
            Stage::Closing(_) | Stage::Finishing(_) => return,
        };
        self.stop.get_or_insert(reason);
    }

    /// What a failure of the storage means to this command.
    fn failure(&self, failure: Failure) -> Failure {
        match failure {
            Failure::PastEnd if self.verb == Verb::Retr => failure,
            _ if self.is_upload() => failure,
            _ => failure.of_looking(),
        }
    }

    fn is_upload(&self) -> bool {
        matches!(self.verb, Verb::Stor | Verb::Appe | Verb::Stou)
    }

    /// Whether an upload has just the length that ALLO announced. It is whole then, however its
    /// connections ended.
    fn is_as_announced(&self) -> bool {
        self.is_upload() && self.size == Some(self.bytes)
    }

    /// Whether an upload is shorter than what was announced: no error, since ALLO may ask for more
    /// room than is used, but not to be passed over in silence.
    fn is_short_of_allo(&self) -> bool {
        self.is_upload() && self.size.is_some_and(|announced| self.bytes < announced)
    }

    /// Why data that have ended so do not prove that an upload is whole, if nothing else does.
    fn doubt(&self, end: End, accepted: DoubtfulEnds) -> Option<Reason> {
        match (end, self.stop) {
            (End::Clean | End::Truncated, _) if self.is_as_announced() => None,
            // An upload whose client has vanished is not known to be whole.
            (_, Some(reason @ (Reason::ControlLost | Reason::HungUp))) => Some(reason),
            (End::Truncated, Some(reason)) => Some(reason),
            _ if self.hung_up && !accepted.hang_up => Some(Reason::HungUp),
            (End::Truncated, None) if !accepted.truncated => Some(Reason::Truncated),
            _ => None,
        }
    }

    /// What becomes of it when the data has ended so.
    fn verdict(&self, end: End, accepted: DoubtfulEnds) -> Verdict {
        let short = self.verb == Verb::Retr && self.length().is_some_and(|all| self.bytes < all);
        match (end, self.stop) {
            (End::Clean | End::Truncated, _) if self.is_upload() => self
                .doubt(end, accepted)
                .map_or(Verdict::Commit, Verdict::Abandon),
            // The file became shorter while it was read.
            (End::Clean, _) if short => Verdict::Abandon(Reason::Storage(Failure::Io)),
            // A transfer that was done before it could be stopped is done.
            (End::Clean, _) => Verdict::Commit,
            (End::Storage(failure), _) => Verdict::Abandon(Reason::Storage(failure)),
            (_, Some(reason)) => Verdict::Abandon(reason),
            (End::Truncated, None) => Verdict::Abandon(Reason::Truncated),
            (End::Reset, None) => Verdict::Abandon(Reason::Reset),
            (End::Cancelled, None) => Verdict::Abandon(Reason::Aborted),
        }
    }
}

impl Session {
    pub(super) fn on_transfer(&mut self, transfer: Transfer, outcome: Outcome) {
        match (transfer.stage, outcome) {
            (Stage::Opening, Outcome::Open(outcome)) => self.on_opened(transfer, outcome),
            (Stage::Connecting, Outcome::OpenData(outcome)) => self.on_connected(transfer, outcome),
            (Stage::Securing, Outcome::Secure(outcome)) => self.on_secured(transfer, outcome),
            (Stage::Moving, Outcome::Transfer(moved)) => self.on_moved(transfer, moved),
            (Stage::Closing(verdict), Outcome::CloseData(())) => {
                self.settings.data = Data::None;
                self.finish(transfer, verdict);
            }
            (Stage::Finishing(verdict), Outcome::Finish(outcome)) => {
                self.conclude(&transfer, verdict, outcome);
            }
            (stage, outcome) => debug_assert!(false, "{stage:?} got {outcome:?}"),
        }
    }

    fn on_opened(&mut self, mut transfer: Transfer, outcome: Result<Opened, Failure>) {
        let opened = match (outcome, transfer.stop) {
            (Ok(opened), None) => opened,
            (Ok(_), Some(reason)) => return self.end(transfer, Verdict::Abandon(reason)),
            (Err(_), Some(reason)) => {
                return self.conclude(&transfer, Verdict::Abandon(reason), Ok(()));
            }
            (Err(failure), None) => {
                let failure = transfer.failure(failure);
                // RFC 3659 section 7.2.1: an argument that MLSD cannot take.
                let code = match (transfer.verb, failure) {
                    (Verb::Mlsd, Failure::NotADirectory) => 501,
                    _ => failure.code(),
                };
                self.note_transfer(&transfer, code, Some(Reason::Storage(failure)));
                return self.done(code, failure.text());
            }
        };
        if transfer.verb == Verb::Retr {
            transfer.size = opened.size;
            if transfer.size.is_some_and(|size| transfer.offset > size) {
                return self.finish(transfer, Verdict::Abandon(Reason::Refused));
            }
        }
        if let Some(name) = opened.name {
            self.path = name;
            if self.forbidden_names.forbid(&self.path) {
                let refused = Reason::Storage(Failure::Denied);
                return self.finish(transfer, Verdict::Abandon(refused));
            }
        }
        let Some(route) = self.route() else {
            return self.end(transfer, Verdict::Abandon(Reason::NoData));
        };
        transfer.stage = Stage::Connecting;
        let limit = self.config.limits.connect;
        self.ask(Job::Transfer(transfer), limit, |ticket| {
            Action::OpenData(ticket, route)
        });
    }

    fn on_connected(&mut self, mut transfer: Transfer, outcome: Result<(), DataFailure>) {
        match (outcome, transfer.stop) {
            (_, Some(reason)) => self.end(transfer, Verdict::Abandon(reason)),
            (Err(_), None) => self.end(transfer, Verdict::Abandon(Reason::NoData)),
            (Ok(()), None) => {
                self.announce(&transfer);
                transfer.announced = true;
                if self.protected.data {
                    transfer.stage = Stage::Securing;
                    let limit = self.config.limits.handshake;
                    self.ask(Job::Transfer(transfer), limit, Action::Secure);
                } else {
                    self.start_moving(transfer);
                }
            }
        }
    }

    fn on_secured(&mut self, transfer: Transfer, outcome: Result<(), TlsFailure>) {
        match (outcome, transfer.stop) {
            (_, Some(reason)) => self.end(transfer, Verdict::Abandon(reason)),
            (Err(failure), None) => self.end(transfer, Verdict::Abandon(Reason::Tls(failure))),
            (Ok(()), None) => self.start_moving(transfer),
        }
    }

    /// The 150. Clients read the length in parentheses (it is that of the wire, so it is not told
    /// where a translation changes it), and the name that STOU chose (RFC 1123 section 4.1.2.9).
    fn announce(&mut self, transfer: &Transfer) {
        let is_image = self.settings.representation == Type::Image;
        let line = self.output.begin(150, b' ');
        match (transfer.verb, transfer.length()) {
            (Verb::Stou, _) => {
                let name = self.path.file_name().unwrap_or_default();
                line.text(b"FILE: ").text(name).end();
            }
            (Verb::Retr, Some(length)) if is_image => {
                line.text(b"Opening data connection (")
                    .number(length)
                    .text(b" bytes).")
                    .end();
            }
            _ => line.text(b"Opening data connection.").end(),
        }
    }

    fn start_moving(&mut self, mut transfer: Transfer) {
        let flow = match transfer.listing.take() {
            Some(listing) => Flow::List(*listing),
            None if transfer.is_upload() => Flow::Receive,
            None => Flow::Send {
                length: transfer.length(),
            },
        };
        let is_file = !matches!(flow, Flow::List(_));
        let text = is_file && self.settings.representation == Type::Ascii;
        let plan = Plan {
            flow,
            wire: Wire {
                text,
                tls: self.protected.data,
                ..Wire::default()
            },
        };
        transfer.stage = Stage::Moving;
        let limit = self.config.limits.stall;
        self.ask(Job::Transfer(transfer), limit, |ticket| {
            Action::Transfer(ticket, plan)
        });
        self.measure_rate();
    }

    fn on_moved(&mut self, mut transfer: Transfer, moved: Transferred) {
        transfer.bytes = moved.bytes;
        let accepted = self.accepted();
        let verdict = transfer.verdict(moved.end, accepted);
        if verdict == Verdict::Commit && transfer.is_upload() {
            transfer.accepted = transfer.doubt(moved.end, DoubtfulEnds::NONE);
        }
        let wait = self.settling_time(&transfer);
        if verdict == Verdict::Commit && !wait.is_zero() {
            self.timers.set(Timer::Settle, self.now, wait);
            self.work = Work::Settling(transfer);
        } else {
            self.end(transfer, verdict);
        }
    }

    /// How long a clean end of an upload is doubted. A client that has sent more commands is there.
    fn settling_time(&self, transfer: &Transfer) -> Duration {
        let took = self.now.since(transfer.since);
        let doubtful = transfer.is_upload()
            && took >= WORTH_DOUBTING
            && !transfer.is_as_announced()
            && !transfer.hung_up
            && !self.input.has_line();
        if doubtful {
            LEAST_DOUBT.max(took / 20).min(self.config.limits.settle)
        } else {
            Duration::ZERO
        }
    }

    /// The doubt about the end of an upload is over, if there is one.
    pub(super) fn settle(&mut self, verdict: Verdict) {
        match core::mem::replace(&mut self.work, Work::Running) {
            Work::Settling(transfer) => {
                self.timers.clear(Timer::Settle);
                self.end(transfer, verdict);
            }
            other => self.work = other,
        }
    }

    /// The data connection has served, or there is none to come.
    fn end(&mut self, mut transfer: Transfer, verdict: Verdict) {
        transfer.stage = Stage::Closing(verdict);
        let limit = self.config.limits.request;
        self.ask(Job::Transfer(transfer), limit, Action::CloseData);
    }

    fn finish(&mut self, mut transfer: Transfer, verdict: Verdict) {
        transfer.stage = Stage::Finishing(verdict);
        transfer.measured = 0;
        let limit = self.config.limits.finish;
        self.ask(Job::Transfer(transfer), limit, |ticket| {
            Action::Finish(ticket, verdict)
        });
    }

    /// The final reply.
    fn conclude(&mut self, transfer: &Transfer, verdict: Verdict, outcome: Result<(), Failure>) {
        let outcome = outcome.map_err(|failure| transfer.failure(failure));
        let (code, text) = match (verdict, outcome) {
            (Verdict::Commit, Ok(())) if transfer.is_short_of_allo() => {
                (226, "Transfer complete, with fewer bytes than ALLO said.")
            }
            (Verdict::Commit, Ok(())) => (226, "Transfer complete."),
            (Verdict::Commit, Err(failure)) => (failure.code(), failure.text()),
            (Verdict::Abandon(reason), _) => match reason {
                Reason::NoData => (425, "No data connection."),
                Reason::Tls(TlsFailure::NotResumed) => {
                    (522, "Data connections must resume the TLS session.")
                }
                Reason::Tls(_) => (522, "The TLS handshake of the data connection failed."),
                Reason::Truncated => (426, "The data connection ended without a proper close."),
                Reason::Reset => (426, "The data connection broke."),
                Reason::Aborted => (426, "Transfer aborted."),
                Reason::HungUp => (426, "The control connection was closed before the end."),
                Reason::ControlLost => (426, "The control connection is gone."),
                Reason::Stalled => (426, "No data moved for too long."),
                Reason::Slow => (426, "The data moved too slowly."),
                Reason::Shutdown => (426, self.word_of_stop()),
                Reason::Refused => (554, Failure::PastEnd.text()),
                Reason::Storage(failure) => match transfer.failure(failure) {
                    full @ (Failure::NoSpace | Failure::Quota) => (full.code(), full.text()),
                    failure => (451, failure.text()),
                },
            },
        };
        let abandoned = match (verdict, outcome) {
            (Verdict::Abandon(reason), _) => Some(reason),
            (Verdict::Commit, Err(failure)) => Some(Reason::Storage(failure)),
            (Verdict::Commit, Ok(())) => None,
        };
        self.note_transfer(transfer, code, abandoned);
        self.done(code, text);
    }

    fn note_transfer(&mut self, transfer: &Transfer, code: u16, abandoned: Option<Reason>) {
        self.note_that(Notes::Audit, |session| Note::Transferred {
            verb: transfer.verb,
            path: session.path.clone(),
            bytes: transfer.bytes,
            took: session.now.since(transfer.since),
            code,
            abandoned,
            accepted: transfer.accepted,
        });
    }
}
