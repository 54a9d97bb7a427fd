//! The loop of one session.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_io::{Async, Timer};
use futures_lite::{FutureExt, future};
use smol::channel::Receiver;
use wharf_server::Service;
use wharf_server::connection::{Connection, Ready};
use wharf_server::work::Wait;

use crate::helper::Pool;

/// Serves one client until it is gone.
pub(crate) async fn run(
    control: Async<TcpStream>,
    peer: SocketAddr,
    service: Arc<Service>,
    stop: Receiver<()>,
) {
    let stream = control.get_ref();
    let Ok(mut connection) = Connection::new(&service, stream, peer, Pool::default()) else {
        return;
    };
    let mut alarm = Alarm::default();
    while connection.advance(stream) {
        let ready = wait(&control, &mut connection, &stop, &mut alarm).await;
        connection.wake(stream, ready);
    }
}

/// Sleeps until something can be done or time has passed.
///
/// Whatever woke it, the control connection is looked at too: what it says comes first.
async fn wait(
    control: &Async<TcpStream>,
    connection: &mut Connection<Pool>,
    stop: &Receiver<()>,
    alarm: &mut Alarm,
) -> Ready {
    let wants = connection.wants();
    if wants.within == Some(Duration::ZERO) {
        // A transfer goes on at once, but others have their turn first.
        future::yield_now().await;
        return Ready {
            input: wants.input,
            ..Ready::default()
        };
    }
    let (input, output, stops, within) = (wants.input, wants.output, wants.stop, wants.within);
    let anything = Ready {
        input,
        ..Ready::default()
    };
    let work = Ready {
        work: true,
        ..anything
    };

    let control_ready = async {
        let broken = match (input, output) {
            (true, true) => control.readable().or(control.writable()).await,
            (true, false) => control.readable().await,
            (false, true) => control.writable().await,
            (false, false) => future::pending().await,
        };
        Ready {
            broken: broken.is_err(),
            ..anything
        }
    };
    let stopped = async {
        if !stops {
            return future::pending().await;
        }
        // Nothing is ever sent: the channel is closed.
        let _ = stop.recv().await;
        Ready {
            stop: true,
            ..anything
        }
    };
    let late = async {
        alarm.ring(within).await;
        anything
    };
    let other = stopped.or(late);
    if let Some(Wait::Helper) = wants.work {
        let done = async {
            connection.helper_mut().done().await;
            work
        };
        return control_ready.or(done).or(other).await;
    }
    let socket_ready = async {
        // An error is seen again, and better understood, by the next step.
        match wants.work {
            Some(Wait::Readable(fd)) => drop(ready(fd, true).await),
            Some(Wait::Writable(fd)) => drop(ready(fd, false).await),
            Some(Wait::Helper) | None => future::pending().await,
        }
        work
    };
    control_ready.or(socket_ready).or(other).await
}

/// Waits for a socket that is not registered yet: most are ready before anybody has to wait, and
/// cost nothing.
async fn ready(fd: BorrowedFd<'_>, readable: bool) -> io::Result<()> {
    let socket = Async::new_nonblocking(fd.as_fd())?;
    if readable {
        socket.readable().await
    } else {
        socket.writable().await
    }
}

/// A timer that is set again only if it would ring too late: deadlines move on with every
/// command, and to look at them once too often is cheaper than to tell the reactor each time.
#[derive(Default)]
struct Alarm {
    timer: Option<(Timer, Instant)>,
}

impl Alarm {
    async fn ring(&mut self, within: Option<Duration>) {
        let Some(within) = within else {
            return future::pending().await;
        };
        let at = Instant::now() + within;
        let (timer, set) = self.timer.get_or_insert_with(|| (Timer::at(at), at));
        if at < *set {
            timer.set_at(at);
            *set = at;
        }
        timer.await;
        self.timer = None;
    }
}
