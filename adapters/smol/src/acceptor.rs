//! [`serve`] and [`serve_on`]: accept clients and give each a task.

use std::io;
use std::num::NonZero;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::FutureExt;
use smol::Executor;
use smol::channel::{self, Receiver, Sender};
use wharf_driver::task::serve_client;
use wharf_driver::{Client, Listener, Service};

use crate::native::AsyncIo;

/// Serves FTP to the clients of these listeners until [`Service::stop`] is called and the
/// sessions have ended, or their grace time has. Runs a thread for each processor.
///
/// # Errors
/// When a listener cannot be waited for. A client that cannot be served is no error.
pub fn serve<L: Into<Listener>>(listeners: Vec<L>, service: &Arc<Service>) -> io::Result<()> {
    let listeners = listeners.into_iter().map(Into::into).collect();
    let executor = Arc::new(Executor::new());
    let (running, ended) = channel::bounded::<()>(1);
    thread::scope(|scope| {
        let others = thread::available_parallelism().map_or(1, NonZero::get) - 1;
        for number in 0..others {
            let (executor, ended) = (&executor, ended.clone());
            let work = move || {
                // The channel is closed when all is served.
                let _ = smol::block_on(executor.run(ended.recv()));
            };
            thread::Builder::new()
                .name(format!("ftp {number}"))
                .spawn_scoped(scope, work)?;
        }
        let served = smol::block_on(executor.run(serve_on(&executor, listeners, service)));
        drop(running);
        served
    })
}

/// As [`serve`], on an executor that others run.
///
/// # Errors
/// As [`serve`].
pub async fn serve_on(
    executor: &Arc<Executor<'static>>,
    listeners: Vec<Listener>,
    service: &Arc<Service>,
) -> io::Result<()> {
    let (stopper, stop) = channel::bounded::<()>(1);
    service.on_stop(move || drop(stopper));
    // Each session holds a sender; when the last one is gone, nothing more is received.
    let (running, ended) = channel::bounded::<()>(1);
    let mut accepting = Vec::new();
    for listener in listeners {
        listener.socket.set_nonblocking(true)?;
        let acceptor = Acceptor {
            executor: Arc::clone(executor),
            service: Arc::clone(service),
            listener,
            stop: stop.clone(),
            running: running.clone(),
        };
        accepting.push(executor.spawn(async move { acceptor.run().await }));
    }
    let sweeper = {
        let (service, stop) = (Arc::clone(service), stop.clone());
        executor.spawn(async move {
            while let Err(error) = drop_strays(&service, &stop).await {
                // The next session that has the port drops them, too.
                let Ok(pause) = service.pause_after(error) else {
                    break;
                };
                or_after(pause, stopped(&stop)).await;
            }
        })
    };
    drop(running);
    for acceptor in accepting {
        acceptor.await?;
    }
    sweeper.await;
    or_after(service.drain_time(), async {
        let _ = ended.recv().await;
    })
    .await;
    Ok(())
}

/// Drops those who connect to passive ports that no session has.
async fn drop_strays(service: &Service, stop: &Receiver<()>) -> io::Result<()> {
    match service.strays() {
        Some(strays) => whenever_ready(strays, service, stop, || service.drop_strays()).await,
        None => Ok(()),
    }
}

/// Acts whenever something can be read there, and then pauses for as long as `act` says, until the server
/// shall stop.
async fn whenever_ready(
    socket: impl AsFd,
    service: &Service,
    stop: &Receiver<()>,
    act: impl Fn() -> Option<Duration>,
) -> io::Result<()> {
    let socket = Async::new_nonblocking(socket)?;
    while !service.is_stopping() {
        let ready = socket.readable().or(async {
            stopped(stop).await;
            Ok(())
        });
        let pause = match ready.await {
            Ok(()) => act(),
            Err(error) => Some(service.pause_after(error)?),
        };
        if let Some(pause) = pause {
            or_after(pause, stopped(stop)).await;
        }
    }
    Ok(())
}

/// Is done when the server shall stop.
async fn stopped(stop: &Receiver<()>) {
    // Nothing is ever sent: the channel is closed.
    let _ = stop.recv().await;
}

/// Accepts the clients of one listener.
struct Acceptor {
    executor: Arc<Executor<'static>>,
    service: Arc<Service>,
    listener: Listener,
    /// Closed when the server shall stop.
    stop: Receiver<()>,
    /// Closed when no session is left.
    running: Sender<()>,
}

impl Acceptor {
    async fn run(&self) -> io::Result<()> {
        let accept = || {
            self.service
                .accept(&self.listener, |client| self.start(client))
        };
        whenever_ready(&self.listener.socket, &self.service, &self.stop, accept).await
    }

    fn start(&self, client: Client) {
        let reactor = match Async::new_nonblocking(Arc::clone(client.socket())) {
            Ok(socket) => AsyncIo(socket),
            Err(error) => return client.refuse(&error),
        };
        let (stop, running) = (self.stop.clone(), self.running.clone());
        let session = async move {
            serve_client(client, reactor, stopped(&stop)).await;
            drop(running);
        };
        self.executor.spawn(session).detach();
    }
}

/// Waits for something, but no longer than that.
async fn or_after(patience: Duration, something: impl Future<Output = ()>) {
    let late = async {
        Timer::after(patience).await;
    };
    something.or(late).await;
}
