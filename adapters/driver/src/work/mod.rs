//! [`Work`]: what a session has asked for, and how it is done.

mod data;
mod files;
mod secure;

use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wharf_core::ticket::{Listen, OpenData, Report, Secure, Transfer};
use wharf_core::{
    Action, DataFailure, End, Endpoints, Event, Failure, Instant, Route, Session, Ticket,
    TlsFailure, Transferred,
};
use wharf_storage::{Handle, Lines, Seat, Storage};

use crate::bell::Bell;
use crate::passive::Passive;
use crate::public::Announced;
use crate::pump::Pump;
use crate::tls::Keys;
use crate::{Service, Stream};

/// A job for another thread.
pub type Job<H> = Box<dyn FnOnce() -> Rest<H> + Send>;
/// What a job brings back, for the session's own thread: it may answer the request.
pub type Rest<H> = Box<dyn FnOnce(&mut Work<H>) -> Option<Event> + Send>;

/// Where an adapter runs what may take long.
pub trait Helper: Sized + 'static {
    /// Whether the session's own thread may wait for a local disk: a thread that serves one
    /// session may, one that serves many may not.
    const WAITS_FOR_DISK: bool;

    /// Runs a job in another thread. The adapter wakes the session when it is done, then
    /// [`Helper::finished`] gives its rest. Where no thread can be had, it runs the job here and
    /// gives the rest at once.
    fn run(&mut self, job: Job<Self>) -> Option<Rest<Self>>;

    /// The rest of a job that is done.
    fn finished(&mut self) -> Option<Rest<Self>>;
}

/// What the request in hand waits for.
#[derive(Clone, Copy, Debug)]
pub enum Wait<'a> {
    /// A socket from which something can be read or accepted.
    Readable(BorrowedFd<'a>),
    /// A socket to which something can be written, or that is connected.
    Writable(BorrowedFd<'a>),
    /// A job in another thread.
    Helper,
}

/// The work of one session: its storage, its data connection, and the request in hand.
pub struct Work<H> {
    service: Arc<Service>,
    ends: Endpoints,
    storage: Option<Arc<dyn Storage>>,
    /// The place that the session has among those of its account.
    seat: Option<Seat>,
    passive: Passive,
    data: Option<Stream>,
    /// What data connections shake hands with, where the control connection has.
    keys: Option<Keys>,
    /// The log knows that data connections of this login do not resume its session.
    told_anew: bool,
    /// What is done before a command asks for the data connection.
    ahead: Ahead,
    opened: Opened,
    task: Task,
    /// What a transfer has moved while another thread has it.
    progress: Arc<AtomicU64>,
    /// Whether the task can go on without waiting.
    ready: bool,
    /// When it goes on though nothing has happened.
    again: Option<Instant>,
    /// It goes on for that reason.
    late: bool,
    /// The ticket is wanted back as soon as another thread lets go of it.
    cancelled: bool,
    helper: H,
}

/// What is done on a passive port before a command asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ahead {
    Nothing,
    /// Strangers are dropped and the client is accepted, so that its port is free for others.
    Accept,
    /// And it shakes hands: some clients wait for that before they send a command.
    Shake,
}

/// What was opened, from Open to Finish.
#[derive(Default)]
enum Opened {
    #[default]
    Nothing,
    Handle(Handle),
    /// Its bytes have been moved.
    Pump(Box<Pump>),
}

/// The request in hand, if it is not answered at once.
#[derive(Default)]
enum Task {
    #[default]
    None,
    /// No passive port is free.
    Listen(Ticket<Listen>, Announced),
    /// The public address is being looked up.
    LookUp(Ticket<Listen>, Option<Arc<Bell>>),
    Accept(Ticket<OpenData>),
    Dial(Ticket<OpenData>, TcpStream),
    Shake(Ticket<Secure>),
    Move(Ticket<Transfer>, Pump),
    /// Lines that the session has no room for yet.
    Report(Ticket<Report>, Lines, Vec<u8>),
    /// Another thread has it.
    Away,
}

impl<H: Helper> Work<H> {
    /// No work yet.
    #[must_use]
    pub fn new(service: &Arc<Service>, ends: Endpoints, helper: H) -> Self {
        Self {
            service: Arc::clone(service),
            ends,
            storage: None,
            seat: None,
            passive: Passive::new(Arc::clone(service), ends.local, ends.peer.ip()),
            data: None,
            keys: None,
            told_anew: false,
            ahead: Ahead::Nothing,
            opened: Opened::Nothing,
            task: Task::None,
            progress: Arc::default(),
            ready: false,
            again: None,
            late: false,
            cancelled: false,
            helper,
        }
    }

    /// Carries an action out, or begins to: the answer, if there is one already.
    pub fn act(&mut self, action: Action, session: &Session) -> Option<Event> {
        if !matches!(action, Action::Cancel(_)) {
            self.cancelled = false;
        }
        match action {
            Action::Identify(ticket) => self.identify(ticket, session),
            Action::Login(ticket) => self.login(ticket, session),
            Action::Stat(ticket) => self.stat(ticket, session),
            Action::Change(ticket, edit) => self.change(ticket, session, edit),
            Action::Open(ticket, mode) => self.open(ticket, session, mode),
            Action::Listen(ticket) => {
                self.ahead = if session.protects_data() {
                    Ahead::Shake
                } else {
                    Ahead::Accept
                };
                let announced = if session.announces_address() {
                    Announced::Public
                } else {
                    Announced::Port
                };
                self.listen(ticket, announced)
            }
            // It is the client, whose address the listener knows.
            Action::OpenData(ticket, Route::Accept { only_from: _ }) => {
                self.begin(Task::Accept(ticket))
            }
            Action::OpenData(ticket, Route::Dial { to }) => self.dial(ticket, to),
            Action::Transfer(ticket, plan) => self.transfer(ticket, plan),
            Action::CloseData(ticket) => {
                self.close_data();
                Some(ticket.done(()))
            }
            Action::Finish(ticket, verdict) => self.finish(ticket, verdict),
            Action::Report(ticket, scope, listing) => self.report(ticket, session, scope, listing),
            Action::Optional(ticket, request) => self.optional(ticket, session, request),
            Action::Cancel(_) => self.cancel(),
            Action::Secure(ticket) => self.secure(ticket),
            // The control connection is not its business.
            Action::StartTls(ticket) => Some(ticket.done(Err(TlsFailure::Handshake))),
            Action::StopTls(ticket) => Some(ticket.done(Err(TlsFailure::Handshake))),
            Action::Disconnect => None,
        }
    }

    /// Gives up what a client has who is not logged in any more. To be called before it is told
    /// so: it may come back at once.
    pub fn vacate(&mut self, session: &Session) {
        if !session.is_logged_in() {
            self.seat = None;
        }
    }

    /// Goes on with the request in hand, as far as nothing is waited for.
    pub fn step(&mut self, session: &mut Session, now: Instant) -> Option<Event> {
        self.give_up_port(now);
        if !self.ready {
            return None;
        }
        match std::mem::take(&mut self.task) {
            Task::None => self.go_ahead(),
            Task::Listen(ticket, announced) => self.listen(ticket, announced),
            Task::LookUp(ticket, _) => self.listen(ticket, Announced::Public),
            Task::Accept(ticket) => self.accept(ticket),
            Task::Dial(ticket, stream) => self.dialed(ticket, stream),
            Task::Shake(ticket) => self.shake(ticket),
            Task::Move(ticket, pump) => self.pump(ticket, pump),
            Task::Report(ticket, lines, buffer) => {
                self.write_report(session, now, ticket, lines, buffer)
            }
            Task::Away => match self.helper.finished() {
                Some(rest) => rest(self),
                None => self.wait(Task::Away),
            },
        }
    }

    /// What was waited for has happened, or has not for so long that it is tried all the same.
    pub fn wake(&mut self, now: Instant, happened: bool) {
        self.late = !happened && self.again.is_some_and(|again| now >= again);
        self.ready |= happened || self.late;
    }

    /// Whether no request is in hand.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.task, Task::None)
    }

    /// The session has room for replies again: a report goes on.
    pub fn has_room(&mut self) {
        self.ready |= matches!(self.task, Task::Report(..));
    }

    /// Bytes that the transfer in hand has moved.
    #[must_use]
    pub fn moved(&self) -> u64 {
        match &self.task {
            Task::Move(_, pump) => pump.moved(),
            Task::Away => self.progress.load(Ordering::Relaxed),
            _ => 0,
        }
    }

    /// What the request in hand waits for.
    #[must_use]
    pub fn waits(&self) -> Option<Wait<'_>> {
        if self.ready {
            return None;
        }
        match &self.task {
            Task::Accept(..) => self.passive.fd().map(Wait::Readable),
            Task::Dial(_, stream) => Some(Wait::Writable(stream.as_fd())),
            Task::Move(_, pump) => {
                let data = self.data.as_ref()?.as_fd();
                Some(if pump.sends() {
                    Wait::Writable(data)
                } else {
                    Wait::Readable(data)
                })
            }
            Task::Shake(_) => self.handshake_waits(),
            Task::None if self.ahead != Ahead::Nothing => match self.data {
                Some(_) => self.handshake_waits(),
                None => self.passive.fd().map(Wait::Readable),
            },
            Task::Away => Some(Wait::Helper),
            Task::Listen(..) => self.passive.bell().map(Wait::Readable),
            Task::LookUp(_, bell) => bell.as_ref().map(|bell| Wait::Readable(bell.as_fd())),
            Task::None | Task::Report(..) => None,
        }
    }

    /// How long to wait at most.
    #[must_use]
    pub fn patience(&self, now: Instant) -> Option<Duration> {
        if self.ready {
            return Some(Duration::ZERO);
        }
        let times = self.again.into_iter().chain(self.port_until());
        times.min().map(|time| time.since(now))
    }

    /// The control connection has shaken hands, and data connections may.
    pub(crate) fn protect(&mut self, keys: Keys) {
        self.keys = Some(keys);
    }

    /// Where jobs run.
    pub fn helper(&self) -> &H {
        &self.helper
    }

    /// Where jobs run.
    pub fn helper_mut(&mut self) -> &mut H {
        &mut self.helper
    }

    /// A task whose first step may be taken at once.
    fn begin(&mut self, task: Task) -> Option<Event> {
        self.task = task;
        (self.ready, self.again) = (true, None);
        None
    }

    /// A task that waits for something.
    fn wait(&mut self, task: Task) -> Option<Event> {
        self.wait_until(task, None)
    }

    /// A task that waits for something, and is tried again then if nothing happens.
    fn wait_until(&mut self, task: Task, again: Option<Instant>) -> Option<Event> {
        self.task = task;
        (self.ready, self.again) = (false, again);
        None
    }

    /// Does a job here, or has another thread do it; then goes on with what it brought.
    fn run<T: Send + 'static>(
        &mut self,
        here: bool,
        job: impl FnOnce() -> T + Send + 'static,
        then: impl FnOnce(&mut Self, T) -> Option<Event> + Send + 'static,
    ) -> Option<Event> {
        if here {
            let outcome = job();
            return then(self, outcome);
        }
        let span = tracing::Span::current();
        let done = self.helper.run(Box::new(move || {
            let outcome = span.in_scope(job);
            Box::new(move |work| then(work, outcome))
        }));
        match done {
            Some(rest) => rest(self),
            None => self.wait(Task::Away),
        }
    }

    /// Whether the storage may be waited for in this thread.
    fn may_wait(&self) -> bool {
        H::WAITS_FOR_DISK
            && self
                .storage
                .as_ref()
                .is_none_or(|storage| storage.is_short())
    }

    /// Whether a change to the storage may be waited for in this thread.
    fn may_wait_for_change(&self) -> bool {
        H::WAITS_FOR_DISK
            && self
                .storage
                .as_ref()
                .is_none_or(|storage| storage.changes_are_short())
    }

    /// The request in hand shall come back.
    fn cancel(&mut self) -> Option<Event> {
        self.cancelled = true;
        match std::mem::take(&mut self.task) {
            Task::Listen(ticket, _) | Task::LookUp(ticket, _) => {
                self.passive.release();
                Some(ticket.done(Err(Failure::Cancelled)))
            }
            Task::Accept(ticket) | Task::Dial(ticket, _) => {
                Some(ticket.done(Err(DataFailure::Cancelled)))
            }
            Task::Shake(ticket) => Some(ticket.done(Err(TlsFailure::Cancelled))),
            Task::Move(ticket, pump) => Some(self.moved_all(ticket, pump, End::Cancelled)),
            Task::Report(ticket, ..) => Some(ticket.done(Err(Failure::Cancelled))),
            // Another thread has it; till it comes back the session's timers count.
            Task::Away => self.wait_still(Task::Away),
            Task::None => None,
        }
    }

    /// Waits on as before.
    fn wait_still(&mut self, task: Task) -> Option<Event> {
        self.task = task;
        None
    }

    /// The bytes have been moved, or shall be no longer.
    fn moved_all(&mut self, ticket: Ticket<Transfer>, pump: Pump, end: End) -> Event {
        let bytes = pump.moved();
        self.opened = Opened::Pump(Box::new(pump));
        ticket.done(Transferred { bytes, end })
    }
}
