//! [`serve_client`]: a session as a future, on whatever can wait for a descriptor. With the feature `async`.
//!
//! Nothing here belongs to a runtime: a [`Reactor`] says how one session sleeps, and a page of code makes one
//! of tokio's or any other. `wharf-smol` has that of async-io; `adapters/examples/tokio` is the page.

use std::io;
use std::os::fd::BorrowedFd;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures_lite::{FutureExt as _, future};
use wharf_core::Machine;
use wharf_storage::Executors;

use crate::connection::{Connection, Ready, Wait};
use crate::{Client, Service};

/// How one session sleeps.
///
/// Its futures are level-triggered: they are done whenever the socket is ready, also if it has been ready
/// since the last time. A session may leave bytes unread and come back for them. The reactor of a runtime that
/// tells of changes only asks [`sockets::is_ready`](crate::sockets::is_ready) first.
///
/// Each of them may be dropped before it is done, and nothing is lost by that. [`Reactor::readable`] and
/// [`Reactor::writable`] are waited for at the same time, so that the control connection must not be
/// registered once for each.
pub trait Reactor {
    /// What wakes the session when time has passed.
    type Alarm: Alarm;

    /// Sleeps until something can be read from the control connection.
    ///
    /// # Errors
    /// The socket cannot be waited for: the session ends.
    fn readable(&self) -> impl Future<Output = io::Result<()>>;

    /// Sleeps until something can be written to the control connection.
    ///
    /// # Errors
    /// As [`Reactor::readable`].
    fn writable(&self) -> impl Future<Output = io::Result<()>>;

    /// Sleeps until another socket can be read from, if `readable`, or else written to.
    ///
    /// # Errors
    /// The socket cannot be waited for: it is used all the same, and tells why.
    fn ready(&self, socket: BorrowedFd<'_>, readable: bool)
    -> impl Future<Output = io::Result<()>>;

    /// Returns an alarm that is not set.
    fn alarm(&self) -> Self::Alarm;

    /// Returns where calls run that may block: on the threads of the service, unless the reactor has others.
    fn executors(&self, service: &Service) -> Executors {
        service.executors(false)
    }
}

/// Wakes a session.
pub trait Alarm {
    /// Sleeps for so long, or for ever.
    fn ring(&mut self, within: Option<Duration>) -> impl Future<Output = ()>;
}

/// Serves one client until it is gone. Once `stop` is done the server is stopping: an idle client is told 421,
/// and a transfer may go on for the [grace time](crate::Settings::grace).
///
/// A client that is gone before its session begins is no error: there is nobody to tell.
pub async fn serve_client<R: Reactor>(client: Client, reactor: R, stop: impl Future<Output = ()>) {
    let executors = reactor.executors(client.service());
    // Lent, and in no scrutinee: a future holds what is moved on twice.
    let Ok(mut connection) = Connection::new(client, executors) else {
        return;
    };
    drive(&mut connection, &reactor, stop).await;
}

/// Drives a connection until its client is gone; see [`serve_client`], which makes the connection too.
pub async fn drive<R: Reactor, M: Machine>(
    connection: &mut Connection<M>,
    reactor: &R,
    stop: impl Future<Output = ()>,
) {
    let mut stop = pin!(stop);
    let mut alarm = reactor.alarm();
    while connection.advance() {
        let ready = sleep(connection, reactor, stop.as_mut(), &mut alarm).await;
        connection.wake(ready);
    }
}

/// Sleeps until something can be done or time has passed.
///
/// Whatever woke it, the control connection is looked at too: what it says comes first.
async fn sleep<R: Reactor, M: Machine>(
    connection: &mut Connection<M>,
    reactor: &R,
    mut stop: Pin<&mut impl Future<Output = ()>>,
    alarm: &mut R::Alarm,
) -> Ready {
    let wants = connection.wants();
    let anything = Ready {
        input: wants.input,
        ..Ready::default()
    };
    if wants.within == Some(Duration::ZERO) {
        // It goes on at once, but others have their turn first.
        future::yield_now().await;
        return Ready {
            stop: wants.stop && future::poll_once(stop).await.is_some(),
            ..anything
        };
    }
    let control_ready = async {
        let broken = match (wants.input, wants.output) {
            (true, true) => reactor.readable().or(reactor.writable()).await,
            (true, false) => reactor.readable().await,
            (false, true) => reactor.writable().await,
            (false, false) => future::pending().await,
        };
        Ready {
            broken: broken.is_err(),
            ..anything
        }
    };
    let socket_ready = async {
        // An error is seen again, and better understood, by the next step.
        match wants.work {
            Some(Wait::Readable(fd)) => drop(reactor.ready(fd, true).await),
            Some(Wait::Writable(fd)) => drop(reactor.ready(fd, false).await),
            None => future::pending().await,
        }
        Ready {
            work: true,
            ..anything
        }
    };
    let signalled = async {
        match wants.signal {
            Some(signal) => future::poll_fn(|cx| signal.poll(cx)).await,
            None => future::pending().await,
        }
        anything
    };
    let stopped = async {
        match wants.stop {
            true => stop.as_mut().await,
            false => future::pending().await,
        }
        Ready {
            stop: true,
            ..anything
        }
    };
    let late = async {
        alarm.ring(wants.within).await;
        anything
    };
    let others = stopped.or(late);
    control_ready
        .or(socket_ready)
        .or(signalled)
        .or(others)
        .await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wharf_storage::Nobody;

    use super::*;
    use crate::Settings;
    use crate::loopback::pair;

    /// Sleeps for ever.
    struct Asleep;

    impl Reactor for Asleep {
        type Alarm = Self;

        async fn readable(&self) -> io::Result<()> {
            future::pending().await
        }

        async fn writable(&self) -> io::Result<()> {
            future::pending().await
        }

        async fn ready(&self, _: BorrowedFd<'_>, _: bool) -> io::Result<()> {
            future::pending().await
        }

        fn alarm(&self) -> Self {
            Self
        }
    }

    impl Alarm for Asleep {
        async fn ring(&mut self, _: Option<Duration>) {
            future::pending::<()>().await;
        }
    }

    #[test]
    fn a_future_holds_its_connection_once() {
        let service = Service::new(Settings::new(Arc::new(Nobody)));
        let (server, _client) = pair();
        let peer = server.peer_addr().unwrap();
        let client = service.admit(server, peer, &service.settings().protocol);
        let session = serve_client(client.unwrap(), Asleep, future::pending());
        let (future, connection) = (size_of_val(&session), size_of::<Connection>());
        assert!(future < 2 * connection, "{future} for {connection}");
    }
}
