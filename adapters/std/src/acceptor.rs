//! [`serve`]: accepts clients and gives each a thread.

use std::io;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wharf_driver::{Bell, Client, Listener, Service};

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
            Err(error) => or_stop(service.pause_after(error)?, &stop),
        }
        let ready: Vec<bool> = waits
            .iter()
            .map(|wait| !wait.revents().is_empty())
            .collect();
        for (listener, _) in listeners.iter().zip(&ready).filter(|(_, ready)| **ready) {
            let pause = service.accept(listener, |client| start(client, &stop, &running));
            pause.into_iter().for_each(|pause| or_stop(pause, &stop));
        }
        if ready.get(listeners.len() + 1) == Some(&true)
            && let Some(pause) = service.drop_strays()
        {
            or_stop(pause, &stop);
        }
    }
    drop(listeners);
    drop(running);
    let _ = ended.recv_timeout(service.drain_time());
    Ok(())
}

/// Waits for so long, unless the server shall stop.
fn or_stop(pause: Duration, stop: &Bell) {
    let pause = Timespec::try_from(pause).ok();
    let _ = poll(&mut [PollFd::new(stop, PollFlags::IN)], pause.as_ref());
}

fn start(client: Client, stop: &Arc<Bell>, running: &mpsc::Sender<()>) {
    let name = format!("ftp {}", client.peer());
    // What a thread is given is gone if it cannot be started.
    let left_here = Arc::new(Mutex::new(Some(client)));
    let place = Arc::clone(&left_here);
    let (stop, running) = (Arc::clone(stop), running.clone());
    let spawned = thread::Builder::new()
        .name(name)
        .stack_size(STACK)
        .spawn(move || {
            if let Some(client) = take(&place) {
                session::run(client, &stop);
            }
            drop(running);
        });
    if let Err(error) = spawned
        && let Some(client) = take(&left_here)
    {
        client.refuse(&error);
    }
}

fn take(place: &Mutex<Option<Client>>) -> Option<Client> {
    place.lock().ok()?.take()
}
