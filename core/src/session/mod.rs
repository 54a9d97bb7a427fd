//! [`Session`]: the protocol of one control connection.

mod answer;
mod data;
mod desk;
mod dispatch;
mod extensions;
mod files;
mod login;
mod navigation;
mod noting;
mod permission;
mod protection;
mod rate;
pub(crate) mod state;
mod time;
mod transfer;

use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use bstr::{BStr, BString, ByteSlice};

use crate::action::{Action, Reason};
use crate::command::Verb;
use crate::config::Config;
use crate::forbidden::ForbiddenNames;
use crate::line::{Input, wipe_bytes};
use crate::note::{Ending, Journal, Note};
use crate::pace::Pace;
use crate::path::VPath;
use crate::reply::{MAX_REPLY, Output, SHORT_REPLY};
use crate::shared::Shared;
use crate::ticket::{Event, Foreign};
use crate::time::Instant;
use crate::timer::{Timer, Timers};
use desk::Desk;
use state::{Ahead, Job, Login, Overdue, Protected, Settings, Work};

/// A transfer that runs, as [`Session::underway`] tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Underway {
    /// The command that began it.
    pub verb: Verb,
    /// When that came.
    pub since: Instant,
    /// The first byte of the file that moves: what REST or APPE has led to.
    pub offset: u64,
    /// The bytes that have moved so far: of the file, or of the text of a listing.
    pub bytes: u64,
    /// How many there will be, if that is known: of a file that is sent, or as ALLO said of an upload.
    pub length: Option<u64>,
}

/// The two ends of the control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The server's.
    pub local: SocketAddr,
    /// The client's. Data connections are made with this address and no other. An IPv4 address that is
    /// mapped into IPv6, as a listener for both tells of it, is taken as the IPv4 address.
    pub peer: SocketAddr,
}

/// The protocol of one control connection: bytes and outcomes in, bytes and actions out.
///
/// The [crate page](crate) shows the loop that drives it, and the contract.
#[cfg_attr(feature = "testing", derive(Clone))]
pub struct Session {
    config: Shared<Config>,
    ends: Endpoints,
    /// The latest time that was told; it never goes back.
    now: Instant,
    pub(crate) input: Input,
    ahead: Ahead,
    output: Output,
    timers: Timers,
    /// What the client owes by now: the session ends once no command runs.
    pub(crate) overdue: Overdue,
    /// Bytes of replies that the client has taken since the window of [`Timer::Unread`] began.
    taken: usize,
    pub(crate) desk: Desk,
    pub(crate) work: Work,
    journal: Journal,
    /// The line of the command in hand, for its note.
    noted: Option<BString>,
    /// The command in hand, as long as no note says what became of it.
    unnoted: Option<Verb>,
    /// The code and the text by which it was refused.
    forbidden: Option<(u16, &'static str)>,
    /// Why the session will be over, where that is known before.
    ending: Option<Ending>,

    pub(crate) login: Login,
    username: Vec<u8>,
    password: Vec<u8>,
    /// Logins that were refused.
    tries: u32,
    /// Lines before the login that were no commands.
    bad_commands: u32,
    pace: Pace,

    /// Names that the account cannot reach.
    forbidden_names: ForbiddenNames,
    /// Where the login has begun.
    home: VPath,
    cwd: VPath,
    path: VPath,
    other: VPath,
    pub(crate) settings: Settings,
    pub(crate) protected: Protected,

    /// The last line is AUTH, CCC or REIN, behind which the connection may become another: nothing
    /// behind it is taken until it is answered.
    barrier: bool,
    /// The client will send no more.
    pub(crate) ended: bool,
    /// The control connection is gone.
    pub(crate) lost: bool,
    /// Why the session ends as soon as no command runs, if it shall.
    pub(crate) stopping: Option<Ending>,
    /// An ABOR that waits has met a transfer.
    pub(crate) aborted: bool,
}

impl Session {
    /// A session for a client that has just connected. The greeting waits in
    /// [`transmit`](Session::transmit).
    #[must_use]
    pub fn new(config: &Shared<Config>, ends: Endpoints, now: Instant) -> Self {
        let mut session = Self {
            config: Shared::clone(config),
            ends,
            now,
            input: Input::default(),
            ahead: Ahead::default(),
            output: Output::default(),
            timers: Timers::default(),
            overdue: Overdue::default(),
            taken: 0,
            desk: Desk::default(),
            work: Work::Idle,
            journal: Journal::default(),
            noted: None,
            unnoted: None,
            forbidden: None,
            ending: None,
            login: Login::Nobody,
            username: Vec::new(),
            password: Vec::new(),
            tries: 0,
            bad_commands: 0,
            pace: Pace::default(),
            forbidden_names: ForbiddenNames::NONE,
            home: VPath::root(),
            cwd: VPath::root(),
            path: VPath::root(),
            other: VPath::root(),
            settings: Settings::default(),
            protected: Protected::new(config.tls),
            barrier: false,
            ended: false,
            lost: false,
            stopping: None,
            aborted: false,
        };
        let config = Shared::clone(config);
        session.timers.set(Timer::Login, now, config.limits.login);
        session.output.paragraph(220, &config.greeting);
        session.rest();
        session.expect_reader();
        session
    }

    /// Whether [`receive`](Session::receive) would take a byte.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        !self.ended && !self.work.is_over() && !self.barrier && self.input_room() > 0
    }

    /// Takes bytes of the control connection, runs the commands in them as far as nothing is
    /// waited for, and says how many bytes were taken. The others stay the embedder's, to be
    /// given again when [`wants_input`](Session::wants_input) says so.
    #[must_use = "bytes that were not taken must be given again"]
    pub fn receive(&mut self, now: Instant, bytes: &[u8]) -> usize {
        self.advance_clock(now);
        let mut taken = 0;
        while taken < bytes.len() && self.wants_input() {
            let amid = self.input.is_amid_line();
            let room = self.input_room();
            let (count, complete) = self
                .input
                .take(&bytes[taken..], room, self.config.limits.line);
            taken += count;
            if complete {
                self.forget_line();
                self.on_line();
            } else if !amid && self.input.is_amid_line() {
                self.timers
                    .set(Timer::Line, self.now, self.config.limits.line_time);
            }
        }
        taken
    }

    /// The client will send no more, though it may still read. Complete lines that wait still
    /// run; a transfer is aborted unless a QUIT waits behind it, or how an upload ends is still to
    /// be seen ([`DoubtfulEnds`](crate::DoubtfulEnds), ALLO).
    pub fn receive_eof(&mut self, now: Instant) {
        self.advance_clock(now);
        self.ended = true;
        self.forget_line();
        if self.ahead.quits == 0 {
            self.hang_up();
        }
        self.advance();
    }

    /// The control connection broke: nothing can be sent or received any more. What runs is
    /// cancelled, and [`Action::Disconnect`] comes when all of it has come back.
    pub fn lost(&mut self, now: Instant) {
        self.advance_clock(now);
        self.ended = true;
        self.lost = true;
        self.forget_input();
        self.output.clear();
        self.timers.clear(Timer::Unread);
        if let Work::Penalty(_) | Work::Turning(_) = self.work {
            self.work = Work::Idle;
        }
        // That a client which has closed in order is then gone says nothing new.
        if !self.goes_on_without_client() {
            self.abort_transfer(Reason::ControlLost);
        }
        // What a transfer has decided is left to complete.
        if !matches!(self.work, Work::Waiting(Job::Transfer(_))) {
            self.desk.cancel();
        }
        self.advance();
    }

    /// The server wants to stop: the client gets 421 as soon as no command runs. A transfer that
    /// still runs after `grace` is aborted. A later call sets another grace.
    pub fn shutdown(&mut self, now: Instant, grace: Duration) {
        self.stop(now, grace, Ending::Shutdown);
    }

    /// The client has to go, though the server goes on: it gets 421 as soon as no command runs. A transfer is
    /// aborted at once.
    pub fn dismiss(&mut self, now: Instant) {
        self.stop(now, Duration::ZERO, Ending::Dismissed);
    }

    fn stop(&mut self, now: Instant, grace: Duration, why: Ending) {
        self.advance_clock(now);
        if self.work.is_over() {
            return;
        }
        self.stopping = Some(why);
        if grace.is_zero() {
            self.abort_transfer(Reason::Shutdown);
        } else {
            self.timers.set(Timer::Grace, self.now, grace);
        }
        self.advance();
    }

    /// The bytes to write next to the control connection.
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        self.output.waiting()
    }

    /// The first `count` bytes of [`transmit`](Session::transmit) were written.
    pub fn transmitted(&mut self, now: Instant, count: usize) {
        self.advance_clock(now);
        self.output.sent(count);
        self.taken = self.taken.saturating_add(count);
        if self.output.is_empty() {
            self.timers.clear(Timer::Unread);
        }
        self.advance();
    }

    /// When [`tick`](Session::tick) must be called at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Lets time pass. Afterwards the deadline is none or later than `now`.
    pub fn tick(&mut self, now: Instant) {
        self.advance_clock(now);
        while let Some(timer) = self.timers.expired(self.now) {
            self.on_timer(timer);
        }
        self.advance();
    }

    /// The next thing to do, if there is one.
    #[must_use = "a ticket that is dropped is never answered"]
    pub fn poll(&mut self) -> Option<Action> {
        if let Some(action) = self.desk.poll() {
            return Some(action);
        }
        if let Work::Turning(turn) = self.work
            && self.output.is_empty()
        {
            self.on_turn(turn);
            return self.desk.poll();
        }
        if matches!(self.work, Work::Closing) && self.output.is_empty() && self.journal.is_empty() {
            self.work = Work::Closed;
            self.timers.clear_all();
            return Some(Action::Disconnect);
        }
        None
    }

    /// Takes the answer to a request.
    ///
    /// # Errors
    /// [`Foreign`] if this session does not wait for it; nothing is changed.
    pub fn handle(&mut self, now: Instant, event: Event) -> Result<(), Foreign> {
        self.advance_clock(now);
        self.desk.settle(&event)?;
        self.timers.clear(Timer::Ticket);
        self.timers.clear(Timer::Rate);
        match core::mem::replace(&mut self.work, Work::Running) {
            Work::Waiting(job) => self.on_outcome(job, event.outcome),
            other => self.work = other,
        }
        self.note_forbidden(None);
        self.advance();
        Ok(())
    }

    /// `total` bytes of the transfer that runs have moved so far: bytes of the file, or of the text of a
    /// listing, as in [`Transferred::bytes`](crate::Transferred::bytes), since the transfer began. The
    /// highest number counts; a lower one, and one while no transfer runs, changes nothing.
    ///
    /// Feeds STAT and keeps the stall timer from expiring. That timer begins anew when a byte is told of,
    /// not when it moved: tell of them in every turn of the loop, before [`tick`](Session::tick).
    ///
    /// While [`Action::Finish`] is carried out, a number that is higher than any before since it was asked
    /// for tells that it goes on, in whatever unit, and begins its limit anew.
    pub fn progress(&mut self, now: Instant, total: u64) {
        self.advance_clock(now);
        if let Work::Waiting(Job::Transfer(transfer)) = &mut self.work
            && let Some(limit) = transfer.advance_to(total, &self.config.limits)
            && !self.desk.is_cancelled()
        {
            self.timers.set(Timer::Ticket, self.now, limit);
        }
    }

    /// The transfer that runs waits for its turn in the embedder, for memory or for a place that others have:
    /// nothing moves, and its client cannot change that. The limits on stalls and on the rate begin anew, so
    /// that they stand still while this is told in every turn of the loop, before [`tick`](Session::tick).
    ///
    /// Changes nothing while no transfer runs, nor for one that shall end.
    pub fn queued(&mut self, now: Instant) {
        self.advance_clock(now);
        if let Work::Waiting(Job::Transfer(transfer)) = &mut self.work
            && transfer.is_held_up()
            && !self.desk.is_cancelled()
        {
            self.timers
                .set(Timer::Ticket, self.now, self.config.limits.stall);
            self.measure_rate();
        }
    }

    /// Takes bytes of the listing that [`Action::Report`] asked for, and says how many were taken: as
    /// many whole lines as there is room for. A line that has begun is not taken before its end is
    /// given with it. None are taken if no report is wanted, or if no room is left for now: then more
    /// are taken after [`transmitted`](Session::transmitted).
    #[must_use = "bytes that were not taken must be given again"]
    pub fn report(&mut self, now: Instant, lines: &[u8]) -> usize {
        self.advance_clock(now);
        let taken = self.on_report(lines);
        self.expect_reader();
        taken
    }

    /// Takes the oldest of the notes that wait. Where many did, commands that waited for that run
    /// now.
    pub fn note(&mut self) -> Option<Note> {
        let note = self.journal.pop()?;
        self.advance();
        Some(note)
    }

    /// The note that [`note`](Session::note) would give, for who may have no room for it yet.
    #[must_use]
    pub fn peek_note(&self) -> Option<&Note> {
        self.journal.first()
    }

    /// What the request in hand is about. The same until it is answered.
    #[must_use]
    pub fn path(&self) -> &VPath {
        &self.path
    }

    /// The old name, for [`Edit::Rename`](crate::Edit::Rename).
    #[must_use]
    pub fn rename_from(&self) -> &VPath {
        &self.other
    }

    /// What the link points to, for [`Edit::Symlink`](crate::Edit::Symlink).
    #[must_use]
    pub fn link_target(&self) -> &VPath {
        &self.other
    }

    /// The transfer that runs, if one does; [`path`](Session::path) is what it moves. What STAT tells a client,
    /// this tells whoever runs the server.
    #[must_use]
    pub fn underway(&self) -> Option<Underway> {
        let (Work::Waiting(Job::Transfer(transfer)) | Work::Settling(transfer)) = &self.work else {
            return None;
        };
        Some(Underway {
            verb: transfer.verb,
            since: transfer.since,
            offset: transfer.offset,
            bytes: transfer.bytes,
            length: transfer.length(),
        })
    }

    /// The argument of USER.
    #[must_use]
    pub fn username(&self) -> &BStr {
        self.username.as_bstr()
    }

    /// Whether the client is logged in by now: USER, REIN and the end of the session end that, for
    /// an embedder before the reply is written.
    #[must_use]
    pub fn is_logged_in(&self) -> bool {
        matches!(self.login, Login::Account { .. }) && !matches!(self.work, Work::Closing)
    }

    /// The argument of PASS, for [`Action::Login`]. Wiped once that is answered.
    #[must_use]
    pub fn password(&self) -> &[u8] {
        &self.password
    }

    /// Whether the control connection is a TLS connection.
    #[must_use]
    pub fn protects_control(&self) -> bool {
        self.protected.control
    }

    /// Whether PROT P holds for the next data connection, so that an embedder may shake hands on a
    /// passive one before a command asks for it.
    #[must_use]
    pub fn protects_data(&self) -> bool {
        self.protected.data
    }

    /// Whether the reply to the command in hand tells an address, for [`Action::Listen`]: that of
    /// PASV does, that of EPSV tells a port only.
    #[must_use]
    pub fn announces_address(&self) -> bool {
        matches!(self.work, Work::Waiting(Job::Listen(Verb::Pasv)))
    }

    /// The two ends of the control connection.
    #[must_use]
    pub fn endpoints(&self) -> Endpoints {
        self.ends
    }

    /// Bytes of memory beyond the session itself: lines, replies, paths, a listing that is not handed
    /// over, notes and the texts in them. What it shares is not counted: the [`Config`] with other
    /// sessions, forbidden names with the account.
    #[must_use]
    pub fn heap_size(&self) -> usize {
        let rename_from = self.settings.rename_from.as_ref();
        let told = self.settings.told.as_ref();
        let paths = self.home.capacity()
            + self.cwd.capacity()
            + self.path.capacity()
            + self.other.capacity()
            + rename_from.map_or(0, VPath::capacity)
            + told.map_or(0, |(path, _)| path.capacity());
        let noted = self.noted.as_ref().map_or(0, |line| line.capacity());
        self.input.capacity()
            + self.output.capacity()
            + self.username.capacity()
            + self.password.capacity()
            + self.journal.capacity()
            + self.desk.heap_size()
            + self.work.heap_size()
            + noted
            + paths
    }

    /// Bytes of command lines that may still be taken. A whole line always fits.
    fn input_room(&self) -> usize {
        let limits = &self.config.limits;
        let bound = limits.look_ahead.max(limits.line + 2);
        bound.saturating_sub(self.input.len())
    }

    fn advance_clock(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Whether a command may start: there is room for its reply.
    fn has_reply_room(&self) -> bool {
        self.output.is_empty() || self.output.room(self.output_limit()) >= MAX_REPLY
    }

    /// Whether a command may start by now; if not, it is tried again when it may.
    fn keeps_pace(&mut self) -> bool {
        let per_second = self.config.limits.commands_per_second;
        let taken = self.pace.take(self.now, per_second);
        if let Err(wait) = taken {
            self.timers.set(Timer::Pace, self.now, wait);
        }
        taken.is_ok()
    }

    fn output_limit(&self) -> usize {
        self.config.limits.output.max(MAX_REPLY + SHORT_REPLY)
    }

    /// Where replies wait, a window begins in which the client has to take some, unless one has
    /// begun already.
    fn expect_reader(&mut self) {
        if !self.output.is_empty() && !self.timers.is_set(Timer::Unread) {
            self.taken = 0;
            self.timers
                .set(Timer::Unread, self.now, self.config.limits.unread);
        }
    }

    /// Forgets what was received and not run.
    fn forget_input(&mut self) {
        self.input.clear();
        self.ahead = Ahead::default();
        self.barrier = false;
    }

    /// No line is waited for: it has ended, or will not.
    fn forget_line(&mut self) {
        self.timers.clear(Timer::Line);
        self.overdue.line = false;
    }

    /// Overwrites the password.
    fn wipe_password(&mut self) {
        wipe_bytes(&mut self.password);
        self.password = Vec::new();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.input.clear();
        self.wipe_password();
    }
}

impl fmt::Debug for Session {
    /// Neither the password nor what was received is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("peer", &self.ends.peer)
            .field("login", &self.login)
            .field("work", &self.work)
            .field("cwd", &self.cwd)
            .finish_non_exhaustive()
    }
}
