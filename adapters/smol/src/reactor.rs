//! [`Reactor`]: what tells a session that something is ready, so that a simulator can stand in for
//! the system's.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use async_io::{Async, Timer};
use futures_lite::future;
use wharf_server::work::Helper;

/// How one session sleeps. Nothing is lost when one of these futures is dropped before it is done.
pub trait Reactor {
    /// Where jobs run that may wait for a disk.
    type Pool: Pool;
    /// What wakes it when time has passed.
    type Alarm: Alarm;

    /// The control connection, which does not block.
    fn control(&self) -> &TcpStream;

    /// Sleeps until something can be read from the control connection.
    fn readable(&self) -> impl Future<Output = io::Result<()>>;

    /// Sleeps until something can be written to the control connection.
    fn writable(&self) -> impl Future<Output = io::Result<()>>;

    /// Sleeps until another socket can be read from, or written to.
    fn ready(&self, socket: BorrowedFd<'_>, readable: bool)
    -> impl Future<Output = io::Result<()>>;

    /// A pool that has nothing to do.
    fn pool(&self) -> Self::Pool;

    /// An alarm that is not set.
    fn alarm(&self) -> Self::Alarm;
}

/// A [`Helper`] whose jobs can be awaited.
pub trait Pool: Helper {
    /// Sleeps until the job is done.
    fn done(&mut self) -> impl Future<Output = ()>;
}

/// Wakes a session.
pub trait Alarm {
    /// Sleeps for so long, or for ever.
    fn ring(&mut self, within: Option<Duration>) -> impl Future<Output = ()>;
}

/// The reactor of async-io, for a session with that control connection.
pub(crate) struct AsyncIo(pub(crate) Async<TcpStream>);

impl Reactor for AsyncIo {
    type Pool = crate::helper::Blocking;
    type Alarm = Clock;

    fn control(&self) -> &TcpStream {
        self.0.get_ref()
    }

    async fn readable(&self) -> io::Result<()> {
        self.0.readable().await
    }

    async fn writable(&self) -> io::Result<()> {
        self.0.writable().await
    }

    /// The socket is not registered yet: most are ready before anybody has to wait, and cost
    /// nothing.
    async fn ready(&self, socket: BorrowedFd<'_>, readable: bool) -> io::Result<()> {
        let socket = Async::new_nonblocking(socket.as_fd())?;
        if readable {
            socket.readable().await
        } else {
            socket.writable().await
        }
    }

    fn pool(&self) -> Self::Pool {
        Self::Pool::default()
    }

    fn alarm(&self) -> Clock {
        Clock::default()
    }
}

/// A timer that is set again only if it would ring too late: deadlines move on with every
/// command, and to look at them once too often is cheaper than to tell the reactor each time.
#[derive(Default)]
pub(crate) struct Clock {
    timer: Option<(Timer, Instant)>,
}

impl Alarm for Clock {
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
