//! What a session has asked for, and how it is done.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use wharf_core::ticket::{Listen, Login, Open, OpenData, Report, Transfer};
use wharf_core::{
    Action, Answer, DataFailure, Denied, Edit, End, Endpoints, Event, Failure, Instant, Listing,
    Mode, Optional, Plan, Route, Scope, Session, Ticket, TicketId, Transferred, VPath, Verdict,
};
use wharf_server::passive::{self, Passive};
use wharf_server::pump::{self, Pump, Step};
use wharf_server::{Secret, Service, sockets};
use wharf_storage::{Account, Credentials, Handle, Lines, Opening, Storage};

use crate::helper::Helper;

/// A resting listener is released after so long.
const REST: Duration = Duration::from_secs(1);
/// How often a session that waits for a port looks for one.
const PORT_WAIT: Duration = Duration::from_millis(5);
/// A report is written in pieces of this size.
const REPORT: usize = Listing::MAX_LINE + 4096;

/// The work of one session: its storage, its data connection, and the request in hand.
pub(crate) struct Work {
    service: Arc<Service>,
    ends: Endpoints,
    storage: Option<Arc<dyn Storage>>,
    passive: Passive,
    /// When the listener began to rest.
    resting: Option<Instant>,
    data: Option<TcpStream>,
    opened: Opened,
    task: Task,
    /// Whether the task can go on without waiting.
    ready: bool,
    helper: Option<Helper>,
}

/// What was opened, from Open to Finish.
enum Opened {
    Nothing,
    Handle(Handle),
    /// Its bytes have been moved.
    Pump(Pump),
}

/// The request in hand, if it is not answered at once.
enum Task {
    None,
    /// No passive port is free.
    Listen(Ticket<Listen>),
    Accept(Ticket<OpenData>, IpAddr),
    Dial(Ticket<OpenData>, TcpStream),
    Move(Ticket<Transfer>, Pump),
    Report(Ticket<Report>, Lines, Vec<u8>),
    /// A helper thread has it.
    Away,
}

impl Work {
    pub(crate) fn new(service: &Arc<Service>, ends: Endpoints) -> Self {
        Self {
            service: Arc::clone(service),
            ends,
            storage: None,
            passive: Passive::new(Arc::clone(service)),
            resting: None,
            data: None,
            opened: Opened::Nothing,
            task: Task::None,
            ready: false,
            helper: None,
        }
    }

    /// Carries an action out, or begins to: the answer, if there is one already.
    pub(crate) fn act(&mut self, action: Action, session: &Session, now: Instant) -> Option<Event> {
        match action {
            Action::Login(ticket) => self.login(ticket, session),
            Action::Stat(ticket) => self.ask(
                session,
                |storage, path, _| storage.stat(path),
                |_, outcome| ticket.done(outcome),
            ),
            Action::Change(ticket, edit) => self.change(session, ticket, edit),
            Action::Open(ticket, mode) => self.open(session, ticket, mode),
            Action::Listen(ticket) => self.begin(Task::Listen(ticket)),
            Action::OpenData(ticket, Route::Accept { only_from }) => {
                self.begin(Task::Accept(ticket, only_from))
            }
            Action::OpenData(ticket, Route::Dial { to }) => self.dial(ticket, to),
            Action::Transfer(ticket, plan) => self.transfer(ticket, plan),
            Action::CloseData(ticket) => {
                self.data = None;
                self.passive.rest();
                self.resting = self.passive.is_resting().then_some(now);
                Some(ticket.done(()))
            }
            Action::Finish(ticket, verdict) => self.finish(ticket, verdict),
            Action::Report(ticket, scope, listing) => self.report(session, ticket, scope, listing),
            Action::Optional(ticket, request) => self.optional(session, ticket, request),
            Action::Cancel(id) => self.cancel(id),
            // TLS is not offered, so the core does not ask for it.
            Action::StartTls(ticket) => Some(ticket.done(Err(wharf_core::TlsFailure::Handshake))),
            Action::StopTls(ticket) => Some(ticket.done(Err(wharf_core::TlsFailure::Handshake))),
            Action::Secure(ticket) => Some(ticket.done(Err(wharf_core::TlsFailure::Handshake))),
            Action::Disconnect => None,
        }
    }

    /// Goes on with the request in hand as far as nothing is waited for.
    pub(crate) fn step(&mut self, session: &mut Session, now: Instant) -> Option<Event> {
        if self.resting.is_some_and(|since| now.since(since) >= REST) {
            self.passive.release();
            self.resting = None;
        }
        if !self.ready {
            return None;
        }
        match std::mem::replace(&mut self.task, Task::None) {
            Task::None => {
                self.ready = false;
                None
            }
            Task::Listen(ticket) => self.listen(ticket),
            Task::Accept(ticket, only_from) => match self.passive.accept(only_from) {
                Ok(stream) => Some(self.connected(ticket, stream)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.wait(Task::Accept(ticket, only_from))
                }
                Err(_) => Some(ticket.done(Err(DataFailure::NoResources))),
            },
            Task::Dial(ticket, stream) => match passive::dialed(&stream) {
                Ok(()) => Some(self.connected(ticket, stream)),
                Err(error) if error.kind() == std::io::ErrorKind::NotConnected => {
                    self.wait(Task::Dial(ticket, stream))
                }
                Err(error) => Some(ticket.done(Err(data_failure(&error)))),
            },
            Task::Move(ticket, mut pump) => {
                let step = self.data.as_ref().map_or(Step::Ended(End::Reset), |data| pump.step(data));
                match step {
                    Step::Ended(end) => {
                        let bytes = pump.moved();
                        self.opened = Opened::Pump(pump);
                        Some(ticket.done(Transferred { bytes, end }))
                    }
                    Step::Moved => {
                        self.task = Task::Move(ticket, pump);
                        None
                    }
                    Step::Blocked => self.wait(Task::Move(ticket, pump)),
                }
            }
            Task::Report(ticket, lines, buffer) => self.write_report(session, now, ticket, lines, buffer),
            Task::Away => {
                // Another job of a session that is over may come first.
                let rest = self.helper.as_ref().and_then(Helper::done);
                match rest {
                    Some(rest) => Some(rest(self)),
                    None => self.wait(Task::Away),
                }
            }
        }
    }

    /// Something that is waited for has happened.
    pub(crate) fn wake(&mut self) {
        self.ready = true;
    }

    /// Bytes that the transfer in hand has moved.
    pub(crate) fn moved(&self) -> u64 {
        if let Task::Move(_, pump) = &self.task { pump.moved() } else { 0 }
    }

    /// What the request in hand waits for.
    pub(crate) fn waits(&self) -> Option<PollFd<'_>> {
        if self.ready {
            return None;
        }
        match &self.task {
            Task::Accept(..) => {
                self.passive.fd().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            }
            Task::Dial(_, stream) => Some(PollFd::new(stream, PollFlags::OUT)),
            Task::Move(_, pump) => {
                let interest = if pump.sends() { PollFlags::OUT } else { PollFlags::IN };
                self.data.as_ref().map(|data| PollFd::new(data, interest))
            }
            Task::Away => {
                let helper = self.helper.as_ref()?;
                Some(PollFd::from_borrowed_fd(helper.fd(), PollFlags::IN))
            }
            Task::None | Task::Listen(_) | Task::Report(..) => None,
        }
    }

    /// How long to wait at most.
    pub(crate) fn patience(&self) -> Option<Duration> {
        match &self.task {
            _ if self.ready => Some(Duration::ZERO),
            Task::Listen(_) => Some(PORT_WAIT),
            _ => self.resting.map(|_| REST),
        }
    }

    fn begin(&mut self, task: Task) -> Option<Event> {
        self.task = task;
        self.ready = true;
        None
    }

    fn wait(&mut self, task: Task) -> Option<Event> {
        self.task = task;
        self.ready = false;
        None
    }

    /// Has the storage do something with the paths of the request, here if its calls are short,
    /// else in a helper thread.
    fn ask<T: Send + 'static>(
        &mut self,
        session: &Session,
        job: impl FnOnce(&dyn Storage, &VPath, &VPath) -> T + Send + 'static,
        then: impl FnOnce(&mut Self, T) -> Event + Send + 'static,
    ) -> Option<Event> {
        let storage = Arc::clone(self.storage.as_ref()?);
        if storage.is_short() {
            let outcome = job(storage.as_ref(), session.path(), session.rename_from());
            return Some(then(self, outcome));
        }
        let (path, other) = (session.path().clone(), session.rename_from().clone());
        self.help(move || {
            let outcome = job(storage.as_ref(), &path, &other);
            Box::new(move |work| then(work, outcome))
        });
        None
    }

    /// Runs a job in a helper thread.
    fn help(&mut self, job: impl FnOnce() -> Box<dyn FnOnce(&mut Self) -> Event + Send> + Send + 'static) {
        self.wait(Task::Away);
        if self.helper.is_none() {
            self.helper = Helper::new().ok();
        }
        let run = self.helper.as_ref().map(|helper| helper.run(job));
        if !matches!(run, Some(Ok(()))) {
            tracing::error!("no thread or descriptor for a helper; the request will time out");
        }
    }

    fn login(&mut self, ticket: Ticket<Login>, session: &Session) -> Option<Event> {
        let peer = self.ends.peer;
        let accounts = Arc::clone(&self.service.settings().accounts);
        let credentials =
            Credentials { username: session.username(), password: session.password(), peer };
        if let Some(outcome) = accounts.login_now(&credentials) {
            return Some(self.logged_in(ticket, outcome));
        }
        let username = session.username().to_owned();
        let password = Secret::new(session.password());
        self.help(move || {
            let credentials =
                Credentials { username: username.as_ref(), password: password.as_bytes(), peer };
            let outcome = accounts.login(&credentials);
            Box::new(move |work| work.logged_in(ticket, outcome))
        });
        None
    }

    fn logged_in(&mut self, ticket: Ticket<Login>, outcome: Result<Account, Denied>) -> Event {
        ticket.done(outcome.map(|account| {
            self.storage = Some(account.storage);
            account.grant
        }))
    }

    fn change(
        &mut self,
        session: &Session,
        ticket: Ticket<wharf_core::ticket::Change>,
        edit: Edit,
    ) -> Option<Event> {
        self.ask(
            session,
            move |storage, path, other| storage.change(edit, path, other),
            |_, outcome| ticket.done(outcome),
        )
    }

    fn open(&mut self, session: &Session, ticket: Ticket<Open>, mode: Mode) -> Option<Event> {
        self.ask(
            session,
            move |storage, path, _| storage.open(mode, path),
            |work, outcome| {
                ticket.done(outcome.map(|Opening { opened, handle }| {
                    work.opened = Opened::Handle(handle);
                    opened
                }))
            },
        )
    }

    fn optional(
        &mut self,
        session: &Session,
        ticket: Ticket<Optional>,
        request: Optional,
    ) -> Option<Event> {
        match request {
            Optional::TextSize { limit } => self.ask(
                session,
                move |storage, path, _| storage.text_size(path, limit),
                |_, outcome| ticket.done(outcome.map(Answer::Bytes)),
            ),
            Optional::Available => self.ask(
                session,
                |storage, path, _| storage.available(path),
                |_, outcome| ticket.done(outcome.map(Answer::Bytes)),
            ),
            _ => Some(ticket.decline()),
        }
    }

    /// Listens for a data connection and says where clients find it.
    fn listen(&mut self, ticket: Ticket<Listen>) -> Option<Event> {
        self.resting = None;
        match self.passive.arm(self.ends.local.ip()) {
            Ok(Some(address)) => {
                let public = self.service.public_address().unwrap_or_else(|name| name.wait());
                let ip = public.unwrap_or(address.ip());
                Some(ticket.done(Ok(SocketAddr::new(ip, address.port()))))
            }
            // All are taken: one may become free soon.
            Ok(None) => self.wait(Task::Listen(ticket)),
            Err(error) => {
                tracing::warn!(%error, "no listener for a data connection");
                Some(ticket.done(Err(Failure::Busy)))
            }
        }
    }

    fn dial(&mut self, ticket: Ticket<OpenData>, to: SocketAddr) -> Option<Event> {
        match passive::dial(self.ends.local.ip(), to) {
            Ok(stream) => self.wait(Task::Dial(ticket, stream)),
            Err(error) => Some(ticket.done(Err(data_failure(&error)))),
        }
    }

    fn connected(&mut self, ticket: Ticket<OpenData>, stream: TcpStream) -> Event {
        if sockets::prepare_data(&stream).is_err() {
            return ticket.done(Err(DataFailure::Refused));
        }
        self.data = Some(stream);
        ticket.done(Ok(()))
    }

    fn transfer(&mut self, ticket: Ticket<Transfer>, plan: Plan) -> Option<Event> {
        let failed = |failure| Transferred { bytes: 0, end: End::Storage(failure) };
        let Opened::Handle(handle) = std::mem::replace(&mut self.opened, Opened::Nothing) else {
            return Some(ticket.done(failed(Failure::Io)));
        };
        match Pump::new(handle, plan, self.service.settings().utc_offset) {
            Ok(pump) => self.begin(Task::Move(ticket, pump)),
            Err(failure) => Some(ticket.done(failed(failure))),
        }
    }

    fn finish(
        &mut self,
        ticket: Ticket<wharf_core::ticket::Finish>,
        verdict: Verdict,
    ) -> Option<Event> {
        let opened = std::mem::replace(&mut self.opened, Opened::Nothing);
        let finish = move || match opened {
            Opened::Nothing => Ok(()),
            Opened::Handle(handle) => pump::finish(handle, verdict),
            Opened::Pump(pump) => pump.finish(verdict),
        };
        if self.storage.as_ref().is_none_or(|storage| storage.is_short()) {
            return Some(ticket.done(finish()));
        }
        self.help(move || {
            let outcome = finish();
            Box::new(move |_| ticket.done(outcome))
        });
        None
    }

    fn report(
        &mut self,
        session: &Session,
        ticket: Ticket<Report>,
        scope: Scope,
        listing: Listing,
    ) -> Option<Event> {
        let storage = Arc::clone(self.storage.as_ref()?);
        match storage.open(Mode::List(scope), session.path()) {
            Ok(Opening { handle: Handle::Directory(directory), .. }) => {
                let lines = Lines::new(directory, listing, self.service.settings().utc_offset);
                self.begin(Task::Report(ticket, lines, Vec::new()))
            }
            Ok(_) => Some(ticket.done(Err(Failure::Io))),
            Err(failure) => Some(ticket.done(Err(failure))),
        }
    }

    /// Gives lines to the session until it has no room.
    fn write_report(
        &mut self,
        session: &mut Session,
        now: Instant,
        ticket: Ticket<Report>,
        mut lines: Lines,
        mut buffer: Vec<u8>,
    ) -> Option<Event> {
        if buffer.is_empty() {
            buffer.resize(REPORT, 0);
            match lines.read(&mut buffer) {
                Ok(0) => return Some(ticket.done(Ok(()))),
                Ok(count) => buffer.truncate(count),
                Err(failure) => return Some(ticket.done(Err(failure))),
            }
        }
        let taken = session.report(now, &buffer);
        buffer.drain(..taken);
        self.task = Task::Report(ticket, lines, buffer);
        // Without room the next chance comes when the client has taken replies.
        self.ready = taken > 0;
        None
    }

    fn cancel(&mut self, id: TicketId) -> Option<Event> {
        let _ = id;
        match std::mem::replace(&mut self.task, Task::None) {
            Task::Listen(ticket) => {
                self.passive.release();
                Some(ticket.done(Err(Failure::Cancelled)))
            }
            Task::Accept(ticket, _) | Task::Dial(ticket, _) => {
                Some(ticket.done(Err(DataFailure::Cancelled)))
            }
            Task::Move(ticket, pump) => {
                let bytes = pump.moved();
                self.opened = Opened::Pump(pump);
                Some(ticket.done(Transferred { bytes, end: End::Cancelled }))
            }
            Task::Report(ticket, ..) => Some(ticket.done(Err(Failure::Cancelled))),
            // A helper comes back when it can; till then the session's timers count.
            Task::Away => self.wait(Task::Away),
            Task::None => None,
        }
    }
}

fn data_failure(error: &std::io::Error) -> DataFailure {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::ConnectionReset => {
            DataFailure::Refused
        }
        std::io::ErrorKind::HostUnreachable
        | std::io::ErrorKind::NetworkUnreachable
        | std::io::ErrorKind::TimedOut => DataFailure::Unreachable,
        _ => DataFailure::NoResources,
    }
}
