//! [`serve`]: accepts clients and gives each a thread.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::Timespec;
use wharf_core::TOO_MANY_CONNECTIONS;
use wharf_server::journal::Journal;
use wharf_server::{Permit, Service, sockets};

use crate::session;

/// A session needs little stack; what is not touched costs nothing.
const STACK: usize = 256 << 10;
/// How long to wait when no descriptor is free for a client.
const EXHAUSTED: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
/// How long after the grace time sessions may take to end.
const LATE: Duration = Duration::from_secs(5);

/// Serves FTP to the clients of these listeners until [`Service::stop`] is called and the
/// sessions have ended, or their grace time has.
///
/// # Errors
/// When a listener cannot be waited for. A client that cannot be served is no error.
pub fn serve(listeners: Vec<TcpListener>, service: &Arc<Service>) -> io::Result<()> {
    let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let told = Arc::clone(&stop);
    // Never read, so that every thread sees it for ever.
    service.on_stop(move || {
        let _ = rustix::io::write(&told, &1_u64.to_ne_bytes());
    });
    for listener in &listeners {
        listener.set_nonblocking(true)?;
    }
    // Each session holds a sender; when the last one is gone, nothing more is received.
    let (running, ended) = mpsc::channel::<()>();
    while !service.is_stopping() {
        let mut waits: Vec<PollFd<'_>> = listeners
            .iter()
            .map(|listener| PollFd::new(listener, PollFlags::IN))
            .collect();
        waits.push(PollFd::new(&stop, PollFlags::IN));
        match poll(&mut waits, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = waits
            .iter()
            .map(|wait| !wait.revents().is_empty())
            .collect();
        for (listener, _) in listeners.iter().zip(ready).filter(|(_, ready)| *ready) {
            accept(listener, service, &stop, &running);
        }
    }
    drop(listeners);
    drop(running);
    let until = Instant::now() + service.settings().grace + LATE;
    let _ = ended.recv_timeout(until.saturating_duration_since(Instant::now()));
    Ok(())
}

/// Accepts the clients that wait.
fn accept(
    listener: &TcpListener,
    service: &Arc<Service>,
    stop: &Arc<OwnedFd>,
    running: &mpsc::Sender<()>,
) {
    while !service.is_stopping() {
        match sockets::accept(listener) {
            Ok((stream, peer)) => match service.admit(peer) {
                Some(permit) => start(stream, peer, permit, stop, running),
                None => refuse(&stream, peer),
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) if sockets::is_exhausted(&error) => {
                tracing::warn!(%error, "no client can be accepted for now");
                // The client still waits: to ask again at once would spin.
                let _ = poll(&mut [PollFd::new(stop, PollFlags::IN)], Some(&EXHAUSTED));
                return;
            }
            // That client is gone; others wait.
            Err(error) => tracing::debug!(%error, "a client was gone before it was accepted"),
        }
    }
}

fn start(
    stream: TcpStream,
    peer: SocketAddr,
    permit: Permit,
    stop: &Arc<OwnedFd>,
    running: &mpsc::Sender<()>,
) {
    let (stop, running) = (Arc::clone(stop), running.clone());
    let name = format!("ftp {peer}");
    let spawned = thread::Builder::new()
        .name(name)
        .stack_size(STACK)
        .spawn(move || {
            session::run(&stream, peer, permit.service(), &stop);
            drop((stream, permit, running));
        });
    if let Err(error) = spawned {
        tracing::warn!(%error, %peer, "no thread for a client");
    }
}

/// What does not fit into the socket's buffer is not worth waiting for.
fn refuse(mut stream: &TcpStream, peer: SocketAddr) {
    Journal::refused(peer);
    let _ = stream.write(TOO_MANY_CONNECTIONS);
}
