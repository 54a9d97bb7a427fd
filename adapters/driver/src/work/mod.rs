//! [`Work`]: what a session has asked for, and how it is done.

mod ask;
mod data;
mod files;
mod secure;

use std::net::{IpAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use wharf_core::listing::Lines;
use wharf_core::ticket::{Finish, Listen, OpenData, Report, Secure, Transfer};
use wharf_core::{
    Action, DataFailure, End, Endpoints, Event, Failure, Instant, Machine, Route, Ticket,
    TlsFailure, Transferred,
};
use wharf_storage::{Executor, Handle, Operation, Seat, Storage};

use self::ask::Ask;
use crate::bell::Bell;
use crate::executors::Held;
use crate::passive::Passive;
use crate::public::Announced;
use crate::pump::{Pump, Step};
use crate::service::Service;
use crate::signal::Signal;
use crate::stream::Stream;
use crate::tls::Keys;

/// What the request in hand waits for.
#[derive(Clone, Copy, Debug)]
pub enum Wait<'a> {
    /// A socket from which something can be read or accepted.
    Readable(BorrowedFd<'a>),
    /// A socket to which something can be written, or that is connected.
    Writable(BorrowedFd<'a>),
}

/// The work of one session: its storage, its data connection, and the request in hand.
pub(crate) struct Work {
    service: Arc<Service>,
    ends: Endpoints,
    /// The address that the client has connected to, where that is a balancer's.
    reached: Option<IpAddr>,
    storage: Option<Arc<dyn Storage>>,
    /// The place that the session has among those of its account.
    seat: Option<Seat>,
    /// Where calls run that may block.
    held: Arc<Held>,
    /// Given by the storage when it has something; made when it is first waited for.
    signal: Option<Arc<Signal>>,
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
    /// The ticket is wanted back as soon as the storage lets go of it.
    cancelled: bool,
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

/// The request in hand, if it is not answered at once. What is large is boxed: most sessions have none.
#[derive(Default)]
enum Task {
    #[default]
    None,
    /// No passive port is free.
    Listen(Ticket<Listen>, Announced),
    /// The public address is being looked up.
    LookUp(Ticket<Listen>, Announced, Option<Arc<Bell>>),
    Accept(Ticket<OpenData>),
    Dial(Ticket<OpenData>, TcpStream),
    Shake(Ticket<Secure>),
    /// Bytes move, as soon as that is ready which is waited for.
    Move(Ticket<Transfer>, Box<Pump>, On),
    /// Another thread moves them, and has the data connection of that socket.
    Away(Ticket<Transfer>, Box<dyn Operation<Moved>>, Arc<TcpStream>),
    /// Lines that the session has no room for yet, or that are yet to come.
    Report(Ticket<Report>, Box<Lines>, Vec<u8>, On),
    /// The storage or the accounts have begun something.
    Ask(Box<dyn Ask>),
    /// An upload is being given up.
    Abandon(Ticket<Finish>, Box<dyn Operation<()>>),
}

/// What a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    /// Its socket, or for a report room for replies.
    Peer,
    Storage,
    Either,
}

/// What another thread has moved bytes with, and what its last step came to.
type Moved = (Box<Pump>, Stream, Step);

/// Once an upload is given up, or a transfer that another thread has, this is how long that is waited for.
/// What takes longer ends by itself.
const LET_GO: Duration = Duration::from_millis(100);

impl Work {
    /// No work yet.
    pub(crate) fn new(
        service: &Arc<Service>,
        ends: Endpoints,
        reached: Option<IpAddr>,
        held: Arc<Held>,
    ) -> Self {
        Self {
            service: Arc::clone(service),
            ends,
            reached,
            storage: None,
            seat: None,
            held,
            signal: None,
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
        }
    }

    /// Carries an action out, or begins to: the answer, if there is one already.
    pub(crate) fn act(&mut self, action: Action, session: &impl Machine) -> Option<Event> {
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
            Action::StartTls(_) | Action::StopTls(_) | Action::Disconnect => {
                action.refuse(Failure::Unsupported)
            }
        }
    }

    /// Gives up what a client has who is not logged in any more. To be called before it is told
    /// so: it may come back at once.
    pub(crate) fn vacate(&mut self, session: &impl Machine) {
        if !session.is_logged_in() {
            self.seat = None;
        }
    }

    /// Goes on with the request in hand, as far as nothing is waited for.
    pub(crate) fn step(&mut self, session: &mut impl Machine, now: Instant) -> Option<Event> {
        self.give_up_port(now);
        if !self.ready {
            return None;
        }
        match std::mem::take(&mut self.task) {
            Task::None => self.go_ahead(),
            Task::Listen(ticket, announced) => self.listen(ticket, announced),
            Task::LookUp(ticket, announced, _) => self.listen(ticket, announced),
            Task::Accept(ticket) => self.accept(ticket),
            Task::Dial(ticket, stream) => self.dialed(ticket, stream),
            Task::Shake(ticket) => self.shake(ticket),
            Task::Move(ticket, pump, _) => self.pump(ticket, pump),
            Task::Away(ticket, operation, socket) => self.away(ticket, operation, socket),
            Task::Report(ticket, lines, buffer, _) => {
                self.write_report(session, now, ticket, lines, buffer)
            }
            Task::Ask(ask) => ask.go_on(self),
            Task::Abandon(ticket, operation) => self.abandon(ticket, operation),
        }
    }

    /// What was waited for has happened, or has not for so long that it is tried all the same.
    pub(crate) fn wake(&mut self, now: Instant, happened: bool) {
        let happened = self.signal.as_ref().is_some_and(|signal| signal.take()) || happened;
        self.late = !happened && self.again.is_some_and(|again| now >= again);
        self.ready |= happened || self.late;
    }

    /// Whether no request is in hand.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.task, Task::None)
    }

    /// The session has room for replies again: a report goes on.
    pub(crate) fn has_room(&mut self) {
        self.ready |= matches!(self.task, Task::Report(..));
    }

    /// Whether the transfer in hand waits for its turn.
    pub(crate) fn is_queued(&self) -> bool {
        matches!(&self.task, Task::Move(_, pump, _) if pump.is_queued())
    }

    /// Bytes that the transfer in hand has moved, or how far it has come with another request.
    pub(crate) fn moved(&self) -> u64 {
        match &self.task {
            Task::Move(_, pump, _) => pump.moved(),
            Task::Away(..) => self.progress.load(Ordering::Relaxed),
            Task::Ask(ask) => ask.progress(),
            Task::Abandon(_, operation) => operation.progress(),
            _ => 0,
        }
    }

    /// What the request in hand waits for.
    pub(crate) fn waits(&self) -> Option<Wait<'_>> {
        if self.ready {
            return None;
        }
        match &self.task {
            Task::Accept(..) => self.passive.fd().map(Wait::Readable),
            Task::Dial(_, stream) => Some(Wait::Writable(stream.as_fd())),
            Task::Move(_, pump, On::Peer | On::Either) => {
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
            Task::Listen(..) => self.passive.bell().map(Wait::Readable),
            Task::LookUp(_, _, bell) => bell.as_ref().map(|bell| Wait::Readable(bell.as_fd())),
            Task::None
            | Task::Move(..)
            | Task::Away(..)
            | Task::Report(..)
            | Task::Ask(_)
            | Task::Abandon(..) => None,
        }
    }

    /// The signal that the storage gives, if it is waited for.
    pub(crate) fn signal(&self) -> Option<&Signal> {
        let waits = match &self.task {
            Task::Move(_, _, on) | Task::Report(_, _, _, on) => *on != On::Peer,
            Task::Away(..) | Task::Ask(_) | Task::Abandon(..) => true,
            _ => false,
        };
        self.signal.as_deref().filter(|_| waits && !self.ready)
    }

    /// How long to wait at most.
    pub(crate) fn patience(&self, now: Instant) -> Option<Duration> {
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

    /// Where calls to the storage run that may block.
    fn executor(&self) -> Arc<dyn Executor> {
        Arc::<Held>::clone(&self.held)
    }

    /// Wakes the session when its storage has something.
    fn waker(&mut self) -> Waker {
        Waker::from(Arc::clone(self.signal.get_or_insert_default()))
    }

    /// A task whose first step may be taken at once.
    fn begin(&mut self, task: Task) -> Option<Event> {
        self.task = task;
        (self.ready, self.again, self.late) = (true, None, false);
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

    /// The request in hand shall come back.
    fn cancel(&mut self) -> Option<Event> {
        self.cancelled = true;
        match std::mem::take(&mut self.task) {
            Task::Listen(ticket, _) | Task::LookUp(ticket, ..) => {
                self.passive.release();
                Some(ticket.done(Err(Failure::Cancelled)))
            }
            Task::Accept(ticket) | Task::Dial(ticket, _) => {
                Some(ticket.done(Err(DataFailure::Cancelled)))
            }
            Task::Shake(ticket) => Some(ticket.done(Err(TlsFailure::Cancelled))),
            Task::Move(ticket, pump, _) => Some(self.moved_all(ticket, pump, End::Cancelled)),
            Task::Report(ticket, ..) => Some(ticket.done(Err(Failure::Cancelled))),
            Task::Away(ticket, mut operation, socket) => {
                operation.cancel();
                let patience = self.service.now() + LET_GO;
                self.begin(Task::Away(ticket, operation, socket));
                self.again = Some(patience);
                None
            }
            Task::Ask(mut ask) => {
                ask.cancel();
                self.begin(Task::Ask(ask))
            }
            // It ends by itself.
            Task::Abandon(ticket, _) => Some(ticket.done(Ok(()))),
            Task::None => None,
        }
    }

    /// The bytes have been moved, or shall be no longer.
    fn moved_all(&mut self, ticket: Ticket<Transfer>, pump: Box<Pump>, end: End) -> Event {
        let bytes = pump.moved();
        self.opened = Opened::Pump(pump);
        ticket.done(Transferred::new(bytes, end))
    }
}
