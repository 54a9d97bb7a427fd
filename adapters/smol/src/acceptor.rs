//! [`serve`] and [`serve_on`]: accept clients and give each a task.

use std::io;
use std::num::NonZero;
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
                or_stop(pause, &stop).await;
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
    let Some(strays) = service.strays() else {
        return Ok(());
    };
    let strays = Async::new_nonblocking(strays)?;
    while !service.is_stopping() {
        strays.readable().or(stopped(stop)).await?;
        if let Some(pause) = service.drop_strays() {
            or_stop(pause, stop).await;
        }
    }
    Ok(())
}

/// Until the server shall stop.
async fn stopped(stop: &Receiver<()>) -> io::Result<()> {
    // Nothing is ever sent: the channel is closed.
    let _ = stop.recv().await;
    Ok(())
}

/// Waits for so long, unless the server shall stop.
async fn or_stop(pause: Duration, stop: &Receiver<()>) {
    or_after(pause, async {
        let _ = stop.recv().await;
    })
    .await;
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
        let socket = Async::new_nonblocking(&self.listener.socket)?;
        while !self.service.is_stopping() {
            match socket.readable().or(stopped(&self.stop)).await {
                Ok(()) => {
                    let pause = self
                        .service
                        .accept(&self.listener, |client| self.start(client));
                    if let Some(pause) = pause {
                        or_stop(pause, &self.stop).await;
                    }
                }
                Err(error) => or_stop(self.service.pause_after(error)?, &self.stop).await,
            }
        }
        Ok(())
    }

    fn start(&self, client: Client) {
        let reactor = match Async::new_nonblocking(Arc::clone(client.socket())) {
            Ok(socket) => AsyncIo(socket),
            Err(error) => return client.refuse(&error),
        };
        let (stop, running) = (self.stop.clone(), self.running.clone());
        let session = async move {
            let stopped = async {
                // Nothing is ever sent: the channel is closed.
                let _ = stop.recv().await;
            };
            serve_client(client, reactor, stopped).await;
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
