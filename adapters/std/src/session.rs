//! The loop of one session.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wharf_core::Config;
use wharf_driver::connection::{Connection, Ready};
use wharf_driver::work::Wait;
use wharf_driver::{Bell, Permit};

use crate::helper::Threads;

/// Serves one client until it is gone.
pub(crate) fn run(
    control: &TcpStream,
    peer: SocketAddr,
    permit: Permit,
    protocol: &Arc<Config>,
    stop: &Bell,
) {
    let helper = Threads::default();
    let Ok(mut connection) = Connection::new(permit, protocol, control, peer, helper) else {
        return;
    };
    while connection.advance(control) {
        let ready = wait(control, &connection, stop);
        connection.wake(control, ready);
    }
}

/// Sleeps until something can be done or time has passed.
fn wait(control: &TcpStream, connection: &Connection<Threads>, stop: &Bell) -> Ready {
    let wants = connection.wants();
    let mut interest = PollFlags::empty();
    interest.set(PollFlags::IN, wants.input);
    interest.set(PollFlags::OUT, wants.output);
    // A descriptor whose events nobody wants still tells of its end.
    let stop = if wants.stop {
        PollFd::new(stop, PollFlags::IN)
    } else {
        PollFd::new(control, PollFlags::empty())
    };
    let work = match wants.work {
        Some(Wait::Readable(fd)) => Some(PollFd::from_borrowed_fd(fd, PollFlags::IN)),
        Some(Wait::Writable(fd)) => Some(PollFd::from_borrowed_fd(fd, PollFlags::OUT)),
        Some(Wait::Helper) => connection
            .helper()
            .fd()
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)),
        None => None,
    };
    let count = if work.is_some() { 3 } else { 2 };
    let work = work.unwrap_or_else(|| stop.clone());
    let mut polled = [PollFd::new(control, interest), stop, work];
    let within = wants
        .within
        .and_then(|within| Timespec::try_from(within).ok());
    // After an error nothing has happened but time.
    let happened = poll(&mut polled[..count], within.as_ref()).is_ok();
    let events = |at: usize| {
        if happened && at < count {
            polled[at].revents()
        } else {
            PollFlags::empty()
        }
    };
    Ready {
        input: events(0).contains(PollFlags::IN),
        broken: events(0).intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
        work: !events(2).is_empty(),
        stop: wants.stop && !events(1).is_empty(),
    }
}
