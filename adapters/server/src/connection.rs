//! [`Connection`]: the session of one client together with its work, driven by readiness.
//!
//! An adapter calls [`Connection::advance`], sleeps until one of the things happens that
//! [`Connection::wants`] names, says so by [`Connection::wake`], and begins again.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use wharf_core::{Action, Endpoints, Instant, Session};
use zeroize::{Zeroize, Zeroizing};

use crate::Service;
use crate::journal::Journal;
use crate::work::{Helper, Wait, Work};

/// One client.
pub struct Connection<H> {
    service: Arc<Service>,
    session: Session,
    work: Work<H>,
    journal: Journal,
    /// Bytes that were read and that the session has not taken yet.
    left: Zeroizing<Vec<u8>>,
    /// The session knows that the server is stopping.
    stopping: bool,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug)]
pub struct Wants<'a> {
    /// Something to read from the control connection.
    pub input: bool,
    /// Room to write to the control connection.
    pub output: bool,
    /// What its work waits for.
    pub work: Option<Wait<'a>>,
    /// The word that the server shall stop.
    pub stop: bool,
    /// To be woken at the latest after so long.
    pub within: Option<Duration>,
}

/// What has happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ready {
    /// Something can be read from the control connection, or may be.
    pub input: bool,
    /// The control connection is broken.
    pub broken: bool,
    /// What the work waits for has happened.
    pub work: bool,
    /// The server shall stop.
    pub stop: bool,
}

impl<H: Helper> Connection<H> {
    /// A client that has just connected.
    ///
    /// # Errors
    /// The client is gone already.
    pub fn new(
        service: &Arc<Service>,
        control: &TcpStream,
        peer: SocketAddr,
        helper: H,
    ) -> io::Result<Self> {
        let settings = service.settings();
        let ends = Endpoints {
            local: settings.system.local_address(control)?,
            peer,
        };
        Ok(Self {
            service: Arc::clone(service),
            session: Session::new(&settings.protocol, ends, service.now()),
            work: Work::new(service, ends, helper),
            journal: Journal::new(peer),
            left: Zeroizing::default(),
            stopping: false,
        })
    }

    /// Does everything that can be done without waiting; false when the session is over.
    pub fn advance(&mut self, control: &TcpStream) -> bool {
        loop {
            let now = self.service.now();
            while let Some(action) = self.session.poll() {
                if matches!(action, Action::Disconnect) {
                    self.write_notes();
                    return false;
                }
                let event = self.work.act(action, &self.session, now);
                event.into_iter().for_each(|event| self.answer(now, event));
            }
            self.write_notes();
            if self.flush(control, now) || self.give(now) {
                // With room for replies, more commands may have run.
                continue;
            }
            match self.work.step(&mut self.session, now) {
                Some(event) => self.answer(now, event),
                None => {
                    // Before the session sleeps: the limit on stalls counts from here.
                    self.session.progress(now, self.work.moved());
                    return true;
                }
            }
        }
    }

    /// What to wait for.
    #[must_use]
    pub fn wants(&self) -> Wants<'_> {
        let now = self.service.now();
        let deadline = self.session.deadline().map(|at| at.since(now));
        Wants {
            input: self.session.wants_input() && self.left.is_empty(),
            output: !self.session.transmit().is_empty(),
            work: self.work.waits(),
            stop: !self.stopping,
            within: [deadline, self.work.patience()].into_iter().flatten().min(),
        }
    }

    /// Takes what has happened. The control connection comes first: what it says changes what the
    /// data means.
    pub fn wake(&mut self, control: &TcpStream, ready: Ready) {
        let now = self.service.now();
        if ready.stop && !self.stopping {
            self.stopping = true;
            self.session.shutdown(now, self.service.settings().grace);
        }
        if ready.input && self.session.wants_input() {
            self.read(control, now);
        } else if ready.broken {
            self.session.lost(now);
        }
        if ready.work || self.work.is_due() {
            self.work.wake();
        }
        self.session.tick(now);
    }

    /// Where its jobs run.
    pub fn helper(&self) -> &H {
        self.work.helper()
    }

    /// Where its jobs run.
    pub fn helper_mut(&mut self) -> &mut H {
        self.work.helper_mut()
    }

    fn answer(&mut self, now: Instant, event: wharf_core::Event) {
        let handled = self.session.handle(now, event);
        debug_assert!(handled.is_ok(), "an event of the session's own ticket");
    }

    fn write_notes(&mut self) {
        while let Some(note) = self.session.note() {
            self.journal.write(&note);
        }
    }

    fn read(&mut self, mut control: &TcpStream, now: Instant) {
        let mut buffer = [0; 4096];
        match control.read(&mut buffer) {
            Ok(0) => self.session.receive_eof(now),
            Ok(count) => {
                let taken = self.session.receive(now, &buffer[..count]);
                self.left = Zeroizing::new(buffer[taken..count].to_vec());
                // It may hold a password.
                buffer[..count].zeroize();
            }
            Err(error) if is_passing(&error) => {}
            Err(_) => self.session.lost(now),
        }
    }

    /// Gives what was read before to the session: whether it took some.
    fn give(&mut self, now: Instant) -> bool {
        if self.left.is_empty() || !self.session.wants_input() {
            return false;
        }
        let taken = self.session.receive(now, &self.left);
        self.left = Zeroizing::new(self.left[taken..].to_vec());
        taken > 0
    }

    /// Writes replies as far as the client takes them: whether any were written.
    fn flush(&mut self, mut control: &TcpStream, now: Instant) -> bool {
        let mut written = false;
        while !self.session.transmit().is_empty() {
            match control.write(self.session.transmit()) {
                Ok(count) => {
                    self.session.transmitted(now, count);
                    self.work.has_room();
                    written = true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.session.lost(now);
                    return true;
                }
            }
        }
        written
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
