//! [`Guest`]: a session of the adapter, and the client's end of its control connection.

use std::future::Future;
use std::net::{Ipv4Addr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use smol::channel::Receiver;
use wharf_core::check::Checked;
use wharf_driver::Service;
use wharf_driver::connection::Connection;
use wharf_driver::task::{Reactor as _, drive};

use super::elsewhere::Elsewhere;
use super::outside::{Bed, Outside, Wake};
use super::turns::Turns;
use crate::case::Case;
use crate::random::Random;

pub(super) struct Guest {
    /// Nothing once the session is over.
    pub(super) task: Option<Pin<Box<dyn Future<Output = ()>>>>,
    /// Where calls run that may block.
    pub(super) elsewhere: Arc<Elsewhere>,
    pub(super) wake: Wake,
    pub(super) control: Option<TcpStream>,
    woken: Arc<Flag>,
}

#[derive(Default)]
struct Flag(AtomicBool);

impl std::task::Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Guest {
    /// A client has connected. How long jobs take is drawn from `random`. Those of a storage for which that is
    /// the number of a seat take turns with others.
    ///
    /// # Panics
    /// If the system has no sockets.
    pub(super) fn new(
        service: &Arc<Service>,
        outside: &Arc<Outside>,
        case: &Case,
        random: Random,
        stop: Receiver<()>,
        takes_turns: Option<u64>,
    ) -> Self {
        let (server, control) = match outside.pair() {
            Ok(ends) => ends,
            Err(error) => panic!("no sockets: {error}"),
        };
        let peer = (Ipv4Addr::LOCALHOST, 40_000).into();
        let protocol = &service.settings().protocol;
        let Some(client) = service.admit(server, peer, protocol) else {
            panic!("no place for a client");
        };
        let wake = Wake::default();
        let elsewhere = Arc::new(Elsewhere::new(outside, &wake, case, random));
        let bed = Bed {
            control: Arc::clone(client.socket()),
            outside: Arc::clone(outside),
            wake: wake.clone(),
            elsewhere: Arc::clone(&elsewhere),
        };
        let mut executors = bed.executors(service);
        if let Some(seat) = takes_turns {
            let elsewhere = Arc::clone(&elsewhere);
            executors.storage = Arc::new(Turns { elsewhere, seat });
        }
        let mut connection = match Connection::<Checked>::with_machine(client, executors) {
            Ok(connection) => connection,
            Err(error) => panic!("no connection: {error}"),
        };
        let task = async move {
            let stopped = async {
                // Nothing is ever sent: the channel is closed.
                let _ = stop.recv().await;
            };
            drive(&mut connection, &bed, stopped).await;
        };
        Self {
            task: Some(Box::pin(task)),
            elsewhere,
            wake,
            control: Some(control),
            woken: Arc::default(),
        }
    }

    /// The process that the session is part of is killed.
    pub(super) fn die(&mut self) {
        self.task = None;
        self.elsewhere.end();
    }

    /// Whether something has woken the session since it ran, which is then forgotten.
    pub(super) fn take_woken(&self) -> bool {
        self.woken.0.swap(false, Ordering::Relaxed)
    }

    /// Lets the session run: whether it wants to do so again at once.
    pub(super) fn poll(&mut self) -> bool {
        self.elsewhere.work();
        self.take_woken();
        let Some(task) = &mut self.task else {
            return false;
        };
        let waker = Waker::from(Arc::clone(&self.woken));
        match task.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(()) => {
                // The server's end of the control connection was the session's.
                self.task = None;
                self.elsewhere.end();
                false
            }
            Poll::Pending => self.take_woken(),
        }
    }
}
