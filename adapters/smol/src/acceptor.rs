//! [`serve`] and [`serve_on`]: accept clients and give each a task.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::FutureExt;
use smol::Executor;
use smol::channel::{self, Receiver, Sender};
use wharf_core::Config;
use wharf_server::{Listener, Service, sockets};

use crate::native::AsyncIo;
use crate::session::serve_client;

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
        let acceptor = Acceptor {
            executor: Arc::clone(executor),
            service: Arc::clone(service),
            protocol: Arc::clone(listener.protocol(service.settings())),
            stop: stop.clone(),
            running: running.clone(),
        };
        let listener = Async::new(listener.socket)?;
        accepting.push(executor.spawn(async move { acceptor.run(&listener).await }));
    }
    drop(running);
    for acceptor in accepting {
        acceptor.await?;
    }
    or_after(service.drain_time(), async {
        let _ = ended.recv().await;
    })
    .await;
    Ok(())
}

/// Accepts the clients of one listener.
struct Acceptor {
    executor: Arc<Executor<'static>>,
    service: Arc<Service>,
    /// Of the listener.
    protocol: Arc<Config>,
    /// Closed when the server shall stop.
    stop: Receiver<()>,
    /// Closed when no session is left.
    running: Sender<()>,
}

impl Acceptor {
    async fn run(&self, listener: &Async<TcpListener>) -> io::Result<()> {
        while !self.service.is_stopping() {
            let stopped = async {
                let _ = self.stop.recv().await;
                Ok(())
            };
            match listener.readable().or(stopped).await {
                Ok(()) => self.accept(listener).await,
                Err(error) if sockets::is_exhausted(&error) => {
                    tracing::warn!(%error, "clients cannot be waited for now");
                    self.pause().await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Accepts the clients that wait.
    async fn accept(&self, listener: &Async<TcpListener>) {
        while !self.service.is_stopping() {
            match sockets::accept(listener.get_ref(), self.service.settings().vanished) {
                Ok((stream, peer)) => self.start(stream, peer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if sockets::is_exhausted(&error) => {
                    tracing::warn!(%error, "no client can be accepted for now");
                    // The client still waits: to ask again at once would spin.
                    return self.pause().await;
                }
                // That client is gone; others wait.
                Err(error) => tracing::debug!(%error, "a client was gone before it was accepted"),
            }
        }
    }

    /// Until there may be descriptors or memory again.
    async fn pause(&self) {
        or_after(sockets::EXHAUSTED, async {
            let _ = self.stop.recv().await;
        })
        .await;
    }

    fn start(&self, stream: TcpStream, peer: SocketAddr) {
        let Some(permit) = self.service.admit_or_refuse(&stream, peer, &self.protocol) else {
            return;
        };
        let stream = match Async::new_nonblocking(stream) {
            Ok(stream) => stream,
            Err(error) => return tracing::warn!(%error, %peer, "a client cannot be waited for"),
        };
        let (stop, running) = (self.stop.clone(), self.running.clone());
        let (service, protocol) = (Arc::clone(&self.service), Arc::clone(&self.protocol));
        let session = async move {
            serve_client(AsyncIo(stream), peer, service, protocol, stop).await;
            drop((permit, running));
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
