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
//! [`Work::Settling`]).

use alloc::boxed::Box;
use core::time::Duration;

use bstr::{BStr, ByteSlice};

use super::Session;
use super::data::Data;
use super::run::{After, Job, Look, Work};
use crate::account::Rights;
use crate::action::{
    Action, DataFailure, End, Flow, Mode, Opened, Plan, Reason, Scope, TlsFailure, Transferred,
    Verdict, Wire,
};
use crate::command::{Type, Verb};
use crate::config::Notes;
use crate::entry::Metadata;
use crate::failure::Failure;
use crate::listing::{Form, ListOptions, Listing, is_pattern};
use crate::note::Note;
use crate::ticket::Outcome;
use crate::time::Instant;
use crate::timer::Timer;

/// An upload that took less than this is not doubted: for many small files it would cost too much.
const WORTH_DOUBTING: Duration = Duration::from_millis(20);
/// To doubt for less than this would tell too little.
const LEAST_DOUBT: Duration = Duration::from_millis(2);

/// A transfer command on its way.
#[derive(Clone, Debug)]
pub(super) struct Transfer {
    verb: Verb,
    stage: Stage,
    /// The 150 was sent.
    announced: bool,
    /// What the directory is formatted with, until it is handed over.
    listing: Option<Box<Listing>>,
    /// When the command began.
    since: Instant,
    /// The first byte of the file that moves.
    offset: u64,
    /// The length of the whole file, or what ALLO said of an upload.
    size: Option<u64>,
    /// Bytes that have moved so far.
    bytes: u64,
    /// Those of them that had when the rate was measured last.
    measured: u64,
    /// Why it shall stop, once that is known.
    stop: Option<Reason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Opening,
    Connecting,
    Securing,
    Moving,
    Closing(Verdict),
    Finishing(Verdict),
}

impl Transfer {
    #[cfg(feature = "testing")]
    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    pub(super) fn verb(&self) -> Verb {
        self.verb
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many bytes will have moved, if that is known.
    pub(super) fn length(&self) -> Option<u64> {
        self.size.and_then(|size| size.checked_sub(self.offset))
    }

    /// Bytes have moved: whether that proves that the transfer is alive.
    pub(super) fn advance_to(&mut self, total: u64) -> bool {
        let advanced = self.stage == Stage::Moving && total > self.bytes;
        if advanced {
            self.bytes = total;
        }
        // What shall stop must not win time by moving on.
        advanced && self.stop.is_none()
    }

    /// Measures the rate: whether so many bytes have moved since the last time.
    pub(super) fn keeps_up(&mut self, least: u64) -> bool {
        let moved = self.bytes - self.measured;
        self.measured = self.bytes;
        moved >= least
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

    /// What becomes of it when the data has ended so.
    fn verdict(&self, end: End) -> Verdict {
        let short = self.verb == Verb::Retr && self.length().is_some_and(|all| self.bytes < all);
        match (end, self.stop) {
            // An upload whose client has vanished is not known to be whole.
            (End::Clean, Some(reason @ Reason::ControlLost)) if self.is_upload() => {
                Verdict::Abandon(reason)
            }
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
    pub(super) fn retr(&mut self, path: &BStr) {
        let offset = core::mem::take(&mut self.settings.restart);
        if self.permit(Rights::READ)
            && self.may_restart(offset)
            && self.may_begin()
            && self.target(path)
        {
            let transfer = Transfer {
                offset,
                ..self.transfer(Verb::Retr)
            };
            self.open(transfer, Mode::Read { offset });
        }
    }

    pub(super) fn stor(&mut self, path: &BStr) {
        let at = core::mem::take(&mut self.settings.restart);
        if at > 0 && !self.capabilities().restart_write {
            self.done(550, "Uploads cannot be restarted here.");
        } else if self.may_restart(at) {
            let mode = Mode::Write {
                at,
                replace: self.may_replace(),
                umask: self.settings.umask,
            };
            self.upload(Verb::Stor, path, mode);
        }
    }

    pub(super) fn appe(&mut self, path: &BStr) {
        self.settings.restart = 0;
        if self.capabilities().append {
            let mode = Mode::Append {
                replace: self.may_replace(),
                umask: self.settings.umask,
            };
            self.upload(Verb::Appe, path, mode);
        } else {
            self.refuse_verb();
        }
    }

    pub(super) fn stou(&mut self, name: Option<&BStr>) {
        self.settings.restart = 0;
        let mode = Mode::Unique {
            umask: self.settings.umask,
        };
        self.upload(Verb::Stou, name.unwrap_or(b"upload".as_bstr()), mode);
    }

    fn upload(&mut self, verb: Verb, path: &BStr, mode: Mode) {
        let size = self.settings.announced.take();
        if self.permit(Rights::WRITE) && self.may_begin() && self.new_target(path) {
            let transfer = Transfer {
                size,
                ..self.transfer(verb)
            };
            self.open(transfer, mode);
        }
    }

    /// Whether a transfer may begin at that offset: TYPE A may have been set since REST.
    fn may_restart(&mut self, offset: u64) -> bool {
        let may = offset == 0 || self.settings.representation == Type::Image;
        if !may {
            self.done(501, "REST works in TYPE I only.");
        }
        may
    }

    fn may_replace(&self) -> bool {
        self.rights().contains(Rights::OVERWRITE)
    }

    pub(super) fn mlsd(&mut self, path: Option<&BStr>) {
        self.settings.restart = 0;
        if self.permit(Rights::LIST) && self.may_begin() && self.target(path.unwrap_or_default()) {
            let listing = Listing::new(self.facts_form(), ListOptions::default());
            let transfer = Transfer {
                listing: Some(Box::new(listing)),
                ..self.transfer(Verb::Mlsd)
            };
            self.open(transfer, Mode::List(Scope::Entries));
        }
    }

    /// LIST and NLST.
    pub(super) fn list(&mut self, verb: Verb, options: ListOptions, path: Option<&BStr>) {
        self.settings.restart = 0;
        if !self.permit(Rights::LIST) || !self.may_begin() {
            return;
        }
        let listing = match verb {
            Verb::Nlst => Listing::new(Form::Names, options).with_dot_files(self.config.dot_files),
            _ => self.long_listing(options),
        };
        let argument = path.unwrap_or_default();
        let listing = Some(Box::new(listing.named(argument)));
        let transfer = Transfer {
            listing,
            ..self.transfer(verb)
        };
        if path.is_some() {
            // What it names decides what is listed.
            self.look(argument, Look::List(transfer, options));
        } else if self.target(argument) {
            self.open_listing(transfer, options.itself);
        }
    }

    /// Opens the path of a LIST or NLST: itself, or what is in it.
    fn open_listing(&mut self, mut transfer: Transfer, itself: bool) {
        if let Some(listing) = &mut transfer.listing {
            if itself {
                listing.show_itself();
            } else {
                listing.show_entries(&self.path);
            }
        }
        let scope = if itself {
            Scope::Itself
        } else {
            Scope::Entries
        };
        self.open(transfer, Mode::List(scope));
    }

    /// The argument of LIST or NLST was looked at: a directory, a file, or a pattern.
    pub(super) fn on_list_target(
        &mut self,
        mut transfer: Transfer,
        options: ListOptions,
        outcome: Result<Metadata, Failure>,
    ) {
        match (outcome, transfer.stop) {
            (_, Some(reason)) => self.conclude(&transfer, Verdict::Abandon(reason), Ok(())),
            (Ok(facts), None) => {
                let itself = options.itself || !facts.kind.is_directory();
                self.open_listing(transfer, itself);
            }
            // A file of just that name would have come before the pattern.
            (Err(Failure::NotFound), None)
                if self.path.file_name().is_some_and(|name| is_pattern(name)) =>
            {
                if let Some(listing) = &mut transfer.listing {
                    listing.show_matches();
                }
                self.path.pop();
                self.open(transfer, Mode::List(Scope::Entries));
            }
            (Err(failure), None) => self.refuse(transfer.failure(failure)),
        }
    }

    /// Whether a transfer may begin: no ABOR waits behind it, nor the end of the input without a
    /// QUIT, and something stands ready for data.
    fn may_begin(&mut self) -> bool {
        if self.ended && self.input.quits == 0 {
            self.done(426, "The control connection is gone.");
            return false;
        }
        if self.input.aborts > 0 {
            self.aborted = true;
            self.done(426, "Transfer aborted.");
            return false;
        }
        if !self.may_send_data() {
            return false;
        }
        if self.settings.data == Data::None {
            self.done(425, "Use PASV, EPSV, PORT or EPRT first.");
            return false;
        }
        true
    }

    fn transfer(&self, verb: Verb) -> Transfer {
        Transfer {
            verb,
            stage: Stage::Opening,
            announced: false,
            listing: None,
            since: self.now,
            offset: 0,
            size: None,
            bytes: 0,
            measured: 0,
            stop: None,
        }
    }

    fn open(&mut self, transfer: Transfer, mode: Mode) {
        let limit = self.config.limits.request;
        self.ask(Job::Transfer(transfer), limit, |ticket| {
            Action::Open(ticket, mode)
        });
    }

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
                self.note_transfer(&transfer, failure.code(), Some(Reason::Storage(failure)));
                return self.refuse(failure);
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
        let verdict = transfer.verdict(moved.end);
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
        let doubtful = transfer.is_upload() && took >= WORTH_DOUBTING && !self.input.has_line();
        if doubtful {
            LEAST_DOUBT.max(took / 50).min(self.config.limits.settle)
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
        let limit = self.config.limits.finish;
        self.ask(Job::Transfer(transfer), limit, |ticket| {
            Action::Finish(ticket, verdict)
        });
    }

    /// The final reply.
    fn conclude(&mut self, transfer: &Transfer, verdict: Verdict, outcome: Result<(), Failure>) {
        let outcome = outcome.map_err(|failure| transfer.failure(failure));
        let (code, text) = match (verdict, outcome) {
            (Verdict::Commit, Ok(())) if self.is_short_of_allo(transfer) => {
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
                Reason::ControlLost => (426, "The control connection is gone."),
                Reason::Stalled => (426, "No data moved for too long."),
                Reason::Slow => (426, "The data moved too slowly."),
                Reason::Shutdown => (426, "Server is shutting down."),
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

    /// Whether an upload of bytes is shorter than what was announced: no error, since ALLO may
    /// ask for more room than is used, but not to be passed over in silence.
    fn is_short_of_allo(&self, transfer: &Transfer) -> bool {
        let counts = self.settings.representation == Type::Image && transfer.is_upload();
        counts
            && transfer
                .size
                .is_some_and(|announced| transfer.bytes < announced)
    }

    fn note_transfer(&mut self, transfer: &Transfer, code: u16, abandoned: Option<Reason>) {
        self.note_that(Notes::Audit, |session| Note::Transferred {
            verb: transfer.verb,
            path: session.path.clone(),
            bytes: transfer.bytes,
            took: session.now.since(transfer.since),
            code,
            abandoned,
        });
    }

    /// Stops the transfer that runs, if there is one and it can still be stopped.
    pub(super) fn abort_transfer(&mut self, reason: Reason) {
        let transfer = match &mut self.work {
            Work::Settling(_) => {
                self.aborted |= reason == Reason::Aborted;
                return self.settle(match reason {
                    Reason::ControlLost => Verdict::Abandon(reason),
                    _ => Verdict::Commit,
                });
            }
            Work::Waiting(Job::Transfer(transfer) | Job::Look(Look::List(transfer, _))) => transfer,
            _ => return,
        };
        self.aborted |= reason == Reason::Aborted;
        if matches!(transfer.stage, Stage::Closing(_) | Stage::Finishing(_)) {
            return;
        }
        match reason {
            // It weighs more than what came before: see `verdict`.
            Reason::ControlLost => transfer.stop = Some(reason),
            _ => _ = transfer.stop.get_or_insert(reason),
        }
        // To ask again gives no more time.
        if !self.desk.is_cancelled() {
            self.desk.cancel();
            self.timers
                .set(Timer::Ticket, self.now, self.config.limits.cancel);
        }
    }

    /// Whether a 150 was sent and its final reply was not.
    pub(super) fn is_moving(&self) -> bool {
        match &self.work {
            Work::Waiting(Job::Transfer(transfer)) => transfer.announced,
            Work::Settling(_) => true,
            _ => false,
        }
    }

    /// ABOR in its turn: what it was meant for is over by now.
    pub(super) fn abor(&mut self) {
        if core::mem::take(&mut self.aborted) {
            self.done(226, "Abort successful.");
        } else {
            let data = core::mem::take(&mut self.settings.data);
            self.forget(data, After::Abor);
        }
    }
}
