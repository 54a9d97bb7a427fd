//! The loop of one session.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::{FutureExt, future};
use smol::channel::Receiver;
use wharf_core::Config;
use wharf_driver::Permit;
use wharf_driver::connection::{Connection, Ready};
use wharf_driver::work::Wait;

use crate::reactor::{Alarm, Reactor};

/// Serves one client, whose address is `peer` and for whom there is a place, until it is gone; see
/// [`Listener::protocol`](wharf_driver::Listener::protocol). When `stop` is closed, the server is
/// stopping.
pub async fn serve_client<R: Reactor>(
    reactor: R,
    peer: SocketAddr,
    permit: Permit,
    protocol: Arc<Config>,
    stop: Receiver<()>,
) {
    let control = reactor.control();
    let executors = reactor.executors(permit.service());
    let Ok(mut connection) = Connection::new(permit, &protocol, control, peer, executors) else {
        return;
    };
    let mut alarm = reactor.alarm();
    while connection.advance(control) {
        let ready = wait(&reactor, &mut connection, &stop, &mut alarm).await;
        connection.wake(control, ready);
    }
}

/// Sleeps until something can be done or time has passed.
///
/// Whatever woke it, the control connection is looked at too: what it says comes first.
async fn wait<R: Reactor>(
    reactor: &R,
    connection: &mut Connection,
    stop: &Receiver<()>,
    alarm: &mut R::Alarm,
) -> Ready {
    let wants = connection.wants();
    if wants.within == Some(Duration::ZERO) {
        // It goes on at once, but others have their turn first.
        future::yield_now().await;
        return Ready {
            input: wants.input,
            stop: wants.stop && stop.is_closed(),
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
    let given = async {
        match wants.signal {
            Some(signal) => future::poll_fn(|cx| signal.poll(cx)).await,
            None => future::pending().await,
        }
        anything
    };
    let socket_ready = async {
        // An error is seen again, and better understood, by the next step.
        match wants.work {
            Some(Wait::Readable(fd)) => drop(reactor.ready(fd, true).await),
            Some(Wait::Writable(fd)) => drop(reactor.ready(fd, false).await),
            None => future::pending().await,
        }
        work
    };
    control_ready.or(socket_ready).or(given).or(other).await
}
