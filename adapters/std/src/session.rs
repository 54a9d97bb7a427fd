//! The loop of one session.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Timespec;
use wharf_core::{Action, Endpoints, Instant, Session};
use wharf_server::Service;
use wharf_server::journal::Journal;

use crate::work::Work;

/// Serves one client until it is gone.
pub(crate) fn run(control: &TcpStream, peer: SocketAddr, service: &Arc<Service>, stop: &OwnedFd) {
    let Ok(local) = control.local_addr() else { return };
    let ends = Endpoints { local, peer };
    let journal = Journal::new(peer);
    let mut session = Session::new(&service.settings().protocol, ends, service.now());
    let mut work = Work::new(service, ends);
    let mut input = Input::default();
    let mut told = false;
    loop {
        let mut now = service.now();
        while let Some(action) = session.poll() {
            if matches!(action, Action::Disconnect) {
                write_notes(&mut session, &journal);
                return;
            }
            if let Some(event) = work.act(action, &session, now) {
                // An event of this session's own ticket is never foreign.
                let _ = session.handle(now, event);
            }
        }
        write_notes(&mut session, &journal);
        if flush(control, &mut session, now) || input.give(&mut session, now) {
            // With room for replies more commands may have run.
            continue;
        }
        if let Some(event) = work.step(&mut session, now) {
            let _ = session.handle(now, event);
            continue;
        }
        let ready = wait(control, &session, &work, (!told).then_some(stop), now);
        now = service.now();
        if ready.stop {
            told = true;
            session.shutdown(now, service.settings().grace);
        }
        // The control connection comes first: what it says changes what the data means.
        if ready.readable {
            input.read(control, &mut session, now);
        } else if ready.broken {
            session.lost(now);
        }
        if ready.work {
            work.wake();
        }
        session.progress(now, work.moved());
        session.tick(now);
    }
}

fn write_notes(session: &mut Session, journal: &Journal) {
    while let Some(note) = session.note() {
        journal.write(&note);
    }
}

/// Writes replies as far as the client takes them: whether any were written.
fn flush(mut control: &TcpStream, session: &mut Session, now: Instant) -> bool {
    let mut written = false;
    while !session.transmit().is_empty() {
        match control.write(session.transmit()) {
            Ok(count) => {
                session.transmitted(now, count);
                written = true;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => {
                session.lost(now);
                return true;
            }
        }
    }
    written
}

/// Bytes that were read and that the session has not taken yet.
#[derive(Default)]
struct Input {
    left: Vec<u8>,
}

impl Input {
    fn read(&mut self, mut control: &TcpStream, session: &mut Session, now: Instant) {
        let mut buffer = [0; 4096];
        match control.read(&mut buffer) {
            Ok(0) => session.receive_eof(now),
            Ok(count) => {
                let taken = session.receive(now, &buffer[..count]);
                self.left.extend_from_slice(&buffer[taken..count]);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => session.lost(now),
        }
    }

    /// Gives what is left to the session: whether it took some.
    fn give(&mut self, session: &mut Session, now: Instant) -> bool {
        if self.left.is_empty() || !session.wants_input() {
            return false;
        }
        let taken = session.receive(now, &self.left);
        self.left.drain(..taken);
        if self.left.is_empty() {
            self.left = Vec::new();
        }
        taken > 0
    }
}

/// What happened while the session waited.
struct Ready {
    readable: bool,
    broken: bool,
    work: bool,
    stop: bool,
}

/// Sleeps until something can be done or time has passed.
fn wait(
    control: &TcpStream,
    session: &Session,
    work: &Work,
    stop: Option<&OwnedFd>,
    now: Instant,
) -> Ready {
    let mut interest = PollFlags::empty();
    interest.set(PollFlags::IN, session.wants_input());
    interest.set(PollFlags::OUT, !session.transmit().is_empty());
    let none = PollFd::new(control, PollFlags::empty());
    let mut waits = [PollFd::new(control, interest), none.clone(), none.clone(), none];
    let mut count = 1;
    let stop_at = stop.map(|stop| {
        waits[count] = PollFd::new(stop, PollFlags::IN);
        count += 1;
        count - 1
    });
    let work_from = count;
    if let Some(wait) = work.waits() {
        waits[count] = wait;
        count += 1;
    }
    let limit = [session.deadline().map(|at| at.since(now)), work.patience()];
    let limit: Option<Duration> = limit.into_iter().flatten().min();
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    // An error here leaves every answer at no; time passes, and the loop comes back.
    let _ = poll(&mut waits[..count], limit.as_ref());
    let happened = waits[0].revents();
    Ready {
        readable: happened.contains(PollFlags::IN),
        broken: happened.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
        work: waits[work_from..count].iter().any(|wait| !wait.revents().is_empty()),
        stop: stop_at.is_some_and(|at| !waits[at].revents().is_empty()),
    }
}
