//! [`AsyncIo`]: the [`Reactor`] of async-io.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_io::{Async, Timer};
use futures_lite::future;
use wharf_driver::sockets;
use wharf_driver::task::{Alarm, Reactor};

/// For a session with that control connection.
pub(crate) struct AsyncIo(pub(crate) Async<Arc<TcpStream>>);

impl Reactor for AsyncIo {
    type Alarm = Clock;

    async fn readable(&self) -> io::Result<()> {
        self.0.readable().await
    }

    async fn writable(&self) -> io::Result<()> {
        self.0.writable().await
    }

    /// The socket is not registered yet: most are ready before anybody has to wait, and cost
    /// nothing.
    async fn ready(&self, socket: BorrowedFd<'_>, readable: bool) -> io::Result<()> {
        let Ok(socket) = Async::new_nonblocking(socket.as_fd()) else {
            // There is no memory to wait with: it is looked at again after a while.
            Timer::after(sockets::EXHAUSTED).await;
            return Ok(());
        };
        if readable {
            socket.readable().await
        } else {
            socket.writable().await
        }
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
