//! [`serve`]: accepts clients and gives each a thread.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Timespec;
use wharf_core::Config;
use wharf_driver::{Bell, Listener, Permit, Reception, Refusal, Service, sockets};

use crate::session;

/// A session needs little stack; what is not touched costs nothing.
const STACK: usize = 256 << 10;

/// Serves FTP to the clients of these listeners until [`Service::stop`] is called and the
/// sessions have ended, or their grace time has.
///
/// # Errors
/// When a listener cannot be waited for. A client that cannot be served is no error.
pub fn serve<L: Into<Listener>>(listeners: Vec<L>, service: &Arc<Service>) -> io::Result<()> {
    let listeners: Vec<Listener> = listeners.into_iter().map(Into::into).collect();
    let stop = Arc::new(Bell::new()?);
    let told = Arc::clone(&stop);
    // Never silenced, so that every thread hears it for ever.
    service.on_stop(move || told.ring());
    for listener in &listeners {
        listener.socket.set_nonblocking(true)?;
    }
    // Each session holds a sender; when the last one is gone, nothing more is received.
    let (running, ended) = mpsc::channel::<()>();
    while !service.is_stopping() {
        let mut waits: Vec<PollFd<'_>> = listeners
            .iter()
            .map(|listener| PollFd::new(&listener.socket, PollFlags::IN))
            .collect();
        waits.push(PollFd::new(&stop, PollFlags::IN));
        let strays = service.strays();
        waits.extend(
            strays
                .iter()
                .map(|strays| PollFd::new(strays, PollFlags::IN)),
        );
        match poll(&mut waits, None).map_err(io::Error::from) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if sockets::is_exhausted(&error) => {
                tracing::warn!(%error, "clients cannot be waited for now");
                pause(&stop);
            }
            Err(error) => return Err(error),
        }
        let ready: Vec<bool> = waits
            .iter()
            .map(|wait| !wait.revents().is_empty())
            .collect();
        for (listener, _) in listeners.iter().zip(&ready).filter(|(_, ready)| **ready) {
            accept(listener, service, &stop, &running);
        }
        if ready.get(listeners.len() + 1) == Some(&true)
            && service
                .drop_strays()
                .is_err_and(|error| sockets::is_exhausted(&error))
        {
            pause(&stop);
        }
    }
    drop(listeners);
    drop(running);
    let _ = ended.recv_timeout(service.drain_time());
    Ok(())
}

/// Accepts the clients that wait; if they are many, others have their turn after some.
fn accept(
    listener: &Listener,
    service: &Arc<Service>,
    stop: &Arc<Bell>,
    running: &mpsc::Sender<()>,
) {
    for _ in 0..sockets::AT_ONCE {
        if service.is_stopping() {
            return;
        }
        match service.next_client(listener) {
            Reception::Client(stream, peer, permit) => {
                let protocol = listener.protocol(service.settings());
                start(stream, peer, permit, protocol, stop, running);
            }
            Reception::Nobody => return,
            Reception::Exhausted => return pause(stop),
        }
    }
}

/// Until there may be descriptors or memory again.
fn pause(stop: &Bell) {
    let pause = Timespec {
        tv_sec: 0,
        tv_nsec: sockets::EXHAUSTED.subsec_nanos().into(),
    };
    let _ = poll(&mut [PollFd::new(stop, PollFlags::IN)], Some(&pause));
}

fn start(
    stream: Arc<TcpStream>,
    peer: SocketAddr,
    permit: Permit,
    protocol: &Arc<Config>,
    stop: &Arc<Bell>,
    running: &mpsc::Sender<()>,
) {
    let (stop, running) = (Arc::clone(stop), running.clone());
    let control = Arc::clone(&stream);
    let its_protocol = Arc::clone(protocol);
    let name = format!("ftp {peer}");
    let spawned = thread::Builder::new()
        .name(name)
        .stack_size(STACK)
        .spawn(move || {
            session::run(&control, peer, permit, &its_protocol, &stop);
            drop((control, running));
        });
    if let Err(error) = spawned {
        tracing::warn!(%error, %peer, "no thread for a client");
        Service::refuse(&stream, peer, protocol, Refusal::Exhausted);
    }
}
