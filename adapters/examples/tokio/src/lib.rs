//! Wharf on tokio, as an example of how to serve FTP on a runtime of your own: how a session sleeps, and who
//! accepts clients. All else is `wharf-driver`'s.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use wharf_driver::sockets::is_ready;
use wharf_driver::task::{Alarm, Reactor, serve_client};
use wharf_driver::{Client, Listener, Service};

/// A socket that tokio can wait for.
struct Awaited<T: AsRawFd + AsFd>(AsyncFd<T>);

impl<T: AsRawFd + AsFd> Awaited<T> {
    #[expect(deprecated, reason = "the other constructor is unsafe")]
    fn new(socket: T) -> io::Result<Self> {
        // A descriptor of this type stays the same as long as it lives.
        AsyncFd::new(socket).map(Self)
    }

    /// Tokio tells of changes, and takes a socket as ready until it hears that it is not. So the kernel is
    /// asked.
    async fn until_ready(&self, readable: bool) -> io::Result<()> {
        let interest = match readable {
            true => Interest::READABLE,
            false => Interest::WRITABLE,
        };
        let ask = |socket: &T| match is_ready(socket, readable) {
            true => Ok(()),
            false => Err(ErrorKind::WouldBlock.into()),
        };
        self.0.async_io(interest, ask).await
    }
}

/// How a session sleeps that has this control connection.
struct Bed(Awaited<Arc<TcpStream>>);

impl Reactor for Bed {
    type Alarm = Clock;

    async fn readable(&self) -> io::Result<()> {
        self.0.until_ready(true).await
    }

    async fn writable(&self) -> io::Result<()> {
        self.0.until_ready(false).await
    }

    async fn ready(&self, socket: BorrowedFd<'_>, readable: bool) -> io::Result<()> {
        Awaited::new(socket)?.until_ready(readable).await
    }

    fn alarm(&self) -> Clock {
        Clock
    }
}

struct Clock;

impl Alarm for Clock {
    async fn ring(&mut self, within: Option<Duration>) {
        sleep(within.unwrap_or(Duration::MAX)).await;
    }
}

/// Serves FTP to the clients of these listeners until [`Service::stop`] is called and the sessions have ended,
/// or their grace time has.
///
/// # Errors
/// There is no runtime, or a listener cannot be waited for.
pub fn serve(listeners: Vec<Listener>, service: &Arc<Service>) -> io::Result<()> {
    Runtime::new()?.block_on(async {
        // Each session holds a receiver; when the last one is gone, the channel is closed.
        let (stopper, stop) = watch::channel(false);
        let stopper = Arc::new(stopper);
        let word = Arc::clone(&stopper);
        service.on_stop(move || _ = word.send(true));
        let strays = tokio::spawn(drop_strays(Arc::clone(service), stop.clone()));
        let accept = |listener| tokio::spawn(accept(listener, Arc::clone(service), stop.clone()));
        let accepting: Vec<_> = listeners.into_iter().map(accept).collect();
        for task in accepting.into_iter().chain([strays]) {
            task.await??;
        }
        drop(stop);
        let _ = timeout(service.drain_time(), stopper.closed()).await;
        Ok(())
    })
}

/// Is done when the server shall stop.
async fn stopped(stop: &watch::Receiver<bool>) {
    let _ = stop.clone().wait_for(|stop| *stop).await;
}

async fn accept(
    listener: Listener,
    service: Arc<Service>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    listener.socket.set_nonblocking(true)?;
    let start = |client: Client| match Awaited::new(Arc::clone(client.socket())) {
        Ok(socket) => {
            let stop = stop.clone();
            tokio::spawn(async move {
                serve_client(client, Bed(socket), stopped(&stop)).await;
            });
        }
        Err(error) => client.refuse(&error),
    };
    whenever_ready(listener.socket.as_fd(), &stop, || {
        service.accept(&listener, start)
    })
    .await
}

/// Drops those who connect to passive ports that no session has.
async fn drop_strays(service: Arc<Service>, stop: watch::Receiver<bool>) -> io::Result<()> {
    match service.strays() {
        Some(strays) => whenever_ready(strays, &stop, || service.drop_strays()).await,
        None => Ok(()),
    }
}

/// Acts whenever something can be read there, and then pauses for as long as `act` says.
async fn whenever_ready(
    socket: BorrowedFd<'_>,
    stop: &watch::Receiver<bool>,
    act: impl Fn() -> Option<Duration>,
) -> io::Result<()> {
    let socket = Awaited::new(socket)?;
    loop {
        tokio::select! {
            ready = socket.until_ready(true) => ready?,
            () = stopped(stop) => return Ok(()),
        }
        if let Some(pause) = act() {
            sleep(pause).await;
        }
    }
}
