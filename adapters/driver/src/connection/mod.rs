//! [`Connection`]: the session of one client together with its work, driven by readiness.
//!
//! An adapter calls [`Connection::advance`], sleeps until one of the things happens that
//! [`Connection::wants`] names, says so by [`Connection::wake`], and begins again. Readiness is that of the
//! kernel, level-triggered: what is ready is told as long as it is. An adapter that is told of changes only
//! asks [`sockets::is_ready`](crate::sockets::is_ready) before it believes that something is.

mod arrival;
mod served;

use std::fmt;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use wharf_core::{Machine, Session};
use wharf_storage::Executors;

use self::arrival::{Arrival, Arrived};
use self::served::Served;
use crate::client::{Client, Origin};
use crate::signal::Signal;

pub use crate::work::Wait;

/// One client.
///
/// Its session can be any [`Machine`]: in the tests of an adapter `Checked` stands in for it, which watches it.
pub struct Connection<M: Machine = Session> {
    socket: Arc<TcpStream>,
    stage: Stage<M>,
}

/// How far a connection is.
#[expect(
    clippy::large_enum_variant,
    reason = "it is the small one for a moment only"
)]
enum Stage<M: Machine> {
    /// A balancer has yet to say who the client is. `None`: it is over.
    Arrives(Option<Arrival>),
    Served(Served<M>),
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug)]
pub struct Wants<'a> {
    /// Something to read from the control connection.
    pub input: bool,
    /// Room to write to the control connection.
    pub output: bool,
    /// The socket that its work waits for.
    pub work: Option<Wait<'a>>,
    /// What its storage gives, if that is waited for.
    pub signal: Option<&'a Signal>,
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
    /// The socket that the work waits for is ready. What its storage gives need not be told.
    pub work: bool,
    /// The server shall stop.
    pub stop: bool,
}

impl<M: Machine> fmt::Debug for Connection<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Connection");
        if let Stage::Served(served) = &self.stage {
            f.field("ends", &served.endpoints());
        }
        f.finish_non_exhaustive()
    }
}

impl Connection {
    /// Returns the connection of a client that has just connected. Calls that may block run where the
    /// [executors](crate::Service::executors) run them.
    ///
    /// # Errors
    /// The client is gone already, or the listener begins with TLS and there is none.
    pub fn new(client: Client, executors: Executors) -> io::Result<Self> {
        Self::with_machine(client, executors)
    }
}

impl<M: Machine> Connection<M> {
    /// Returns what [`Connection::new`] does, with another session.
    ///
    /// # Errors
    /// As [`Connection::new`].
    pub fn with_machine(client: Client, executors: Executors) -> io::Result<Self> {
        Ok(Self {
            socket: Arc::clone(&client.socket),
            stage: match client.is_announced {
                true => Stage::Arrives(Some(Arrival::new(client, executors))),
                false => Stage::Served(Served::new(client, Origin::Direct, executors)?),
            },
        })
    }

    /// Returns the control connection, to wait for.
    #[must_use]
    pub fn socket(&self) -> &Arc<TcpStream> {
        &self.socket
    }

    /// Does what can be done without waiting, for a tenth of a second at most; false when the
    /// session is over.
    pub fn advance(&mut self) -> bool {
        if let Stage::Arrives(arrival) = &mut self.stage {
            match arrival.take().map(Arrival::step) {
                Some(Arrived::NotYet(waiting)) => {
                    *arrival = Some(waiting);
                    return true;
                }
                Some(Arrived::Client(client, origin, executors)) => {
                    match Served::new(client, origin, executors) {
                        Ok(served) => self.stage = Stage::Served(served),
                        // It is gone: there is nobody to tell.
                        Err(_) => return false,
                    }
                }
                Some(Arrived::Nobody) | None => return false,
            }
        }
        match &mut self.stage {
            Stage::Served(served) => served.advance(),
            Stage::Arrives(_) => false,
        }
    }

    /// What to wait for.
    #[must_use]
    pub fn wants(&self) -> Wants<'_> {
        match &self.stage {
            Stage::Served(served) => served.wants(),
            Stage::Arrives(arrival) => Wants {
                input: true,
                output: false,
                work: None,
                signal: None,
                stop: true,
                within: Some(arrival.as_ref().map_or(Duration::ZERO, Arrival::patience)),
            },
        }
    }

    /// Takes what has happened. The control connection comes first: what it says changes what the
    /// data means.
    pub fn wake(&mut self, ready: Ready) {
        match &mut self.stage {
            Stage::Served(served) => served.wake(ready),
            // Nothing was said yet, and nobody needs to be told.
            Stage::Arrives(arrival) if ready.stop => *arrival = None,
            Stage::Arrives(Some(arrival)) if ready.broken => arrival.is_broken(),
            Stage::Arrives(_) => {}
        }
    }
}
