//! [`Served`]: the session of one client together with its work, driven by readiness.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use wharf_core::{Action, Endpoints, Event, Instant, Machine};
use wharf_storage::Executors;

use super::{Ready, Wants};
use crate::client::{Client, Origin};
use crate::control::{Control, Turned, is_passing};
use crate::executors::Held;
use crate::journal::Journal;
use crate::roster::Presence;
use crate::service::Service;
use crate::sockets::{acknowledge, bear_a_slow_reader};
use crate::work::Work;

/// A client that is known.
pub(super) struct Served<M: Machine> {
    service: Arc<Service>,
    held: Arc<Held>,
    socket: Arc<TcpStream>,
    session: M,
    work: Work,
    journal: Journal,
    presence: Presence,
    control: Control,
    /// Something has come on the control connection, and nothing was sent since.
    unanswered: bool,
    /// How many bytes of replies were written since it last slept.
    written: usize,
    /// The session knows that the server is stopping.
    stopping: bool,
    /// It knows that an operator wants it to end.
    dismissed: bool,
    /// There is more to do at once, when it was seen what has happened meanwhile.
    goes_on: bool,
}

/// For so long a connection works without a look at what has happened: its client may be gone, or
/// have sent ABOR, and others may have to wait for the same thread.
const AT_ONCE: Duration = Duration::from_millis(100);

/// More than this at once some client may read little by little.
const MUCH: usize = 4096;

impl<M: Machine> Served<M> {
    /// Returns the session of a client that has come so.
    ///
    /// # Errors
    /// The client is gone already, or the listener begins with TLS and there is none.
    pub(super) fn new(client: Client, origin: Origin, executors: Executors) -> io::Result<Self> {
        let Client {
            socket,
            peer,
            permit,
            protocol,
            ..
        } = client;
        let service = Arc::clone(permit.service());
        let settings = service.settings();
        let now = service.now();
        let ends = Endpoints {
            local: settings.system.local_address(&socket)?,
            peer,
        };
        let mut control = Control::default();
        if protocol.tls.implicit {
            let tls = settings.tls.as_ref().ok_or(ErrorKind::Unsupported)?;
            let limit = protocol.limits.handshake;
            let until = (!limit.is_zero()).then(|| now + limit);
            control.open(tls, until)?;
        }
        let presence = Presence::new(&service, peer, &socket);
        let held = Held::new(permit, executors);
        Ok(Self {
            session: M::new(&protocol, ends, now),
            work: Work::new(&service, ends, origin.reached(), Arc::clone(&held)),
            journal: Journal::new(presence.session(), peer, &origin, settings),
            presence,
            control,
            unanswered: false,
            written: 0,
            stopping: false,
            dismissed: false,
            goes_on: false,
            held,
            service,
            socket,
        })
    }

    /// The two ends of the control connection.
    pub(super) fn endpoints(&self) -> Endpoints {
        self.session.endpoints()
    }

    /// As [`Connection::advance`](super::Connection::advance).
    pub(super) fn advance(&mut self) -> bool {
        let span = self.journal.span();
        let _in = span.enter();
        let until = self.service.now() + AT_ONCE;
        self.written = 0;
        loop {
            let now = self.service.now();
            self.goes_on = now >= until;
            if self.goes_on {
                self.tell_progress(now);
                return true;
            }
            if let Some(action) = self.session.poll() {
                if matches!(action, Action::Disconnect) {
                    self.control.close(&self.socket);
                    return false;
                }
                let event = self.act(action);
                event.into_iter().for_each(|event| self.answer(now, event));
                continue;
            }
            self.work.vacate(&self.session);
            if self.session.is_logged_in() {
                self.held.permit.welcome();
            }
            let noted = self.journal.take_notes(&mut self.session, now);
            if noted || self.turn(now) || self.flush(now) || self.give(now) {
                // With room for replies and notes, more commands may have run.
                continue;
            }
            match self.work.step(&mut self.session, now) {
                Some(event) => self.answer(now, event),
                None => {
                    if std::mem::take(&mut self.unanswered) && self.work.is_idle() {
                        // A part of a command: the rest may wait behind it.
                        acknowledge(&*self.socket);
                    }
                    // Before the session sleeps: the limit on stalls counts from here.
                    self.tell_progress(now);
                    return true;
                }
            }
        }
    }

    /// What to wait for.
    pub(super) fn wants(&self) -> Wants<'_> {
        let now = self.service.now();
        let until = |at: Option<Instant>| at.map(|at| at.since(now));
        let (input, output) = if self.control.turns() {
            let writes = self.control.turn_writes();
            (!writes, writes)
        } else {
            let reads = self.session.wants_input() && !self.dismissed;
            let input = reads && self.control.left().is_empty();
            (input, !self.session.transmit().is_empty())
        };
        Wants {
            input,
            output,
            work: self.work.waits(),
            signal: self.work.signal(),
            stop: !self.stopping,
            within: [
                until(self.session.deadline()),
                until(self.control.deadline()),
                self.work.patience(now),
                self.journal.patience(),
                self.goes_on.then_some(Duration::ZERO),
            ]
            .into_iter()
            .flatten()
            .min(),
        }
    }

    /// Takes what has happened. The control connection comes first: what it says changes what the
    /// data means.
    pub(super) fn wake(&mut self, ready: Ready) {
        let span = self.journal.span();
        let _in = span.enter();
        let now = self.service.now();
        let stops = ready.stop && !self.stopping;
        let is_dismissed = self.presence.is_dismissed() && !self.dismissed;
        if (stops || is_dismissed) && self.control.is_opening() {
            // It can be told nothing yet.
            self.session.lost(now);
        }
        if stops {
            self.stopping = true;
            self.session.shutdown(now, self.service.settings().grace);
        }
        if is_dismissed {
            self.dismissed = true;
            self.session.dismiss(now);
        }
        // On a busy machine much may have come since the wait for a deadline was over: a client that
        // was killed has closed its control connection by now.
        let due = self.session.deadline().is_some_and(|at| at <= now);
        if !self.dismissed && (ready.input || due && !ready.broken) {
            self.read(now);
        } else if ready.broken && self.held.permit.gave_way() {
            self.give_way(now);
        } else if ready.broken {
            if let Ok(Some(error)) = self.socket.take_error() {
                self.journal.broke(&error);
            }
            self.session.lost(now);
        }
        self.work.wake(now, ready.work);
        // What has moved meanwhile is no stall.
        self.tell_progress(now);
        self.session.tick(now);
    }

    /// Tells how far the request in hand has come, or that it waits for its turn.
    fn tell_progress(&mut self, now: Instant) {
        self.session.progress(now, self.work.moved());
        if self.work.is_queued() {
            self.session.queued(now);
        }
        self.presence.show(&self.session);
    }

    fn act(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::StartTls(ticket) => {
                self.held.permit.protect();
                let tls = self.service.settings().tls.as_deref();
                self.control.start(ticket, tls)
            }
            Action::StopTls(ticket) => {
                self.control.stop(ticket);
                None
            }
            Action::Cancel(_) if self.control.turns() => self.control.cancel(),
            action => self.work.act(action, &self.session),
        }
    }

    fn answer(&mut self, now: Instant, event: Event) {
        let handled = self.session.handle(now, event);
        debug_assert!(handled.is_ok(), "an event of the session's own ticket");
    }

    /// Goes on with what makes the control connection another one: whether that came to something.
    fn turn(&mut self, now: Instant) -> bool {
        let Some(Turned { outcome, answer }) = self.control.turn(&self.socket, now) else {
            return false;
        };
        match outcome {
            Ok(Some((keys, version))) => {
                self.journal.protected(version);
                self.work.protect(keys);
            }
            Ok(None) => self.journal.in_clear(),
            Err(error) => {
                self.journal.unprotected(&error);
                if answer.is_none() {
                    self.session.lost(now);
                }
            }
        }
        answer.into_iter().for_each(|event| self.answer(now, event));
        true
    }

    /// Reads what the client has sent, unless what it sent before still waits for the session.
    fn read(&mut self, now: Instant) {
        self.give(now);
        let waits = self.control.turns() || !self.control.left().is_empty();
        if !waits && self.session.wants_input() {
            let session = &mut self.session;
            let read = self
                .control
                .read(&*self.socket, |bytes| session.receive(now, bytes));
            self.has_read(now, read);
        }
    }

    /// Gives what was read before to the session: whether it took some.
    fn give(&mut self, now: Instant) -> bool {
        if self.control.turns() || !self.session.wants_input() {
            return false;
        }
        if self.control.left().is_empty() {
            let session = &mut self.session;
            let read = self.control.read_held(|bytes| session.receive(now, bytes));
            return self.has_read(now, read);
        }
        let taken = self.session.receive(now, self.control.left());
        self.control.take(taken);
        taken > 0
    }

    /// What reading came to: whether that is anything.
    fn has_read(&mut self, now: Instant, read: io::Result<bool>) -> bool {
        match read {
            Ok(true) => {
                self.presence.heard(now);
                self.unanswered = true;
            }
            Ok(false) if self.held.permit.gave_way() => self.give_way(now),
            Ok(false) => self.session.receive_eof(now),
            Err(error) if is_passing(&error) => return false,
            Err(error) => {
                self.journal.broke(&error);
                self.session.lost(now);
            }
        }
        true
    }

    /// The place is another client's by now.
    fn give_way(&mut self, now: Instant) {
        let why = io::Error::other("it gave way to another client");
        self.journal.broke(&why);
        self.session.lost(now);
    }

    /// Writes replies as far as the client takes them: whether any were written.
    fn flush(&mut self, now: Instant) -> bool {
        let mut written = false;
        while !self.session.transmit().is_empty() && !self.control.turns() {
            match self.control.write(&self.socket, self.session.transmit()) {
                Ok(count) => {
                    self.session.transmitted(now, count);
                    self.work.has_room();
                    if self.written <= MUCH && self.written + count > MUCH {
                        bear_a_slow_reader(&*self.socket);
                    }
                    self.written += count;
                    (written, self.unanswered) = (true, false);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    self.journal.broke(&error);
                    self.session.lost(now);
                    return true;
                }
            }
        }
        written
    }
}
