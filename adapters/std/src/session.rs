//! The loop of one session.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wharf_driver::connection::{Connection, Ready, Wait};
use wharf_driver::{Bell, Client, sockets};

/// Serves one client until it is gone.
pub(crate) fn run(client: Client, stop: &Bell) {
    // The thread serves nobody else.
    let executors = client.service().executors(true);
    let Ok(mut connection) = Connection::new(client, executors) else {
        return;
    };
    while connection.advance() {
        let ready = wait(&connection, stop);
        connection.wake(ready);
    }
}

/// Sleeps until something can be done or time has passed.
fn wait(connection: &Connection, stop: &Bell) -> Ready {
    let control = connection.socket();
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
        None => None,
    };
    let bell = wants.signal.map(|signal| (signal, signal.bell()));
    let within = match &bell {
        Some((signal, _)) if signal.is_given() => Some(Duration::ZERO),
        // There is no descriptor to wait with: it is looked at again after a while.
        Some((_, None)) => wants.within.into_iter().chain([sockets::EXHAUSTED]).min(),
        _ => wants.within,
    };
    let bell = bell.and_then(|(_, bell)| bell);
    let bell = bell.as_deref().map(|bell| PollFd::new(bell, PollFlags::IN));
    let has_work = work.is_some();
    let mut others = work.into_iter().chain(bell);
    let (third, fourth) = (others.next(), others.next());
    let count = 2 + usize::from(third.is_some()) + usize::from(fourth.is_some());
    let third = third.unwrap_or_else(|| stop.clone());
    let fourth = fourth.unwrap_or_else(|| stop.clone());
    let mut polled = [PollFd::new(control, interest), stop, third, fourth];
    let within = within.and_then(|within| Timespec::try_from(within).ok());
    // After an error nothing has happened but time.
    let happened = poll(&mut polled[..count], within.as_ref()).is_ok();
    let events = |at: usize| {
        if happened {
            polled[at].revents()
        } else {
            PollFlags::empty()
        }
    };
    Ready {
        input: events(0).contains(PollFlags::IN),
        broken: events(0).intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
        work: has_work && !events(2).is_empty(),
        stop: wants.stop && !events(1).is_empty(),
    }
}
