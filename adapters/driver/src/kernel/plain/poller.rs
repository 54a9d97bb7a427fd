//! [`Poller`]: a thread that waits for many listeners.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::vec;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::PipeBell;
use crate::kernel::{Doorbell, Watch};
use crate::lock::lock;
use crate::sockets::EXHAUSTED;

/// A thread polls the listeners, and rings for whoever waits for all of them. Then it looks no more until
/// those who wait were looked at, or there are other listeners.
pub(crate) struct Poller {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    /// Rung while somebody waits.
    bell: PipeBell,
    /// Rung when the thread shall look again.
    again: PipeBell,
    state: Mutex<State>,
    /// The thread holds no listeners any more, or others.
    let_go: Condvar,
}

#[derive(Default)]
struct State {
    listeners: Listeners,
    /// How often they have changed.
    changes: u64,
    /// Those after so many changes are held by the thread.
    held: Option<u64>,
    is_over: bool,
}

type Listeners = Vec<(u16, Arc<TcpListener>)>;

impl Watch for Poller {
    fn new() -> io::Result<Self> {
        let shared = Arc::new(Shared {
            bell: PipeBell::new()?,
            again: PipeBell::new()?,
            state: Mutex::default(),
            let_go: Condvar::new(),
        });
        let its_own = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("ftp free ports".into())
            .spawn(move || while its_own.look() {})?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    fn add(&self, port: u16, listener: &Arc<TcpListener>) -> io::Result<()> {
        self.shared.change(|listeners| {
            listeners.push((port, Arc::clone(listener)));
        });
        Ok(())
    }

    fn remove(&self, listener: &Arc<TcpListener>) -> io::Result<()> {
        let changes = self.shared.change(|listeners| {
            listeners.retain(|(_, one)| !Arc::ptr_eq(one, listener));
        });
        let state = lock(&self.shared.state);
        let is_held = |state: &mut State| state.held.is_some_and(|held| held < changes);
        let state = self.shared.let_go.wait_while(state, is_held);
        drop(state.unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    fn waiting(&self) -> io::Result<impl Iterator<Item = u16>> {
        self.shared.bell.silence();
        let again = Again(&self.shared);
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let state = lock(&self.shared.state);
        let mut polled: Vec<_> = state.listeners.iter().map(polled).collect();
        poll(&mut polled, Some(&at_once))?;
        let ready = polled.iter().map(|one| !one.revents().is_empty());
        let ports = state.listeners.iter().zip(ready);
        let ports: Vec<u16> = ports
            .filter(|(_, is_ready)| *is_ready)
            .map(|((port, _), _)| *port)
            .collect();
        Ok(Waiting {
            ports: ports.into_iter(),
            _again: again,
        })
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.bell.as_fd()
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        lock(&self.shared.state).is_over = true;
        self.shared.again.ring();
        if let Some(thread) = self.thread.take() {
            // It has not panicked, or has let go in any case.
            let _ = thread.join();
        }
    }
}

/// Ports where somebody waits. The thread looks again when they were looked at.
struct Waiting<'a> {
    ports: vec::IntoIter<u16>,
    _again: Again<'a>,
}

impl Iterator for Waiting<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        self.ports.next()
    }
}

/// Has the thread look again, in the end.
struct Again<'a>(&'a Shared);

impl Drop for Again<'_> {
    fn drop(&mut self) {
        self.0.again.ring();
    }
}

impl Shared {
    /// Changes the listeners, and has the thread look at the new ones: returns how many changes there were.
    fn change(&self, change: impl FnOnce(&mut Listeners)) -> u64 {
        let mut state = lock(&self.state);
        change(&mut state.listeners);
        state.changes += 1;
        let changes = state.changes;
        drop(state);
        // Who waits may be at one that is gone; if it is at another one, the thread rings again.
        self.bell.silence();
        self.again.ring();
        changes
    }

    /// Waits until somebody is at a listener, or there are others; false when all is over.
    fn look(&self) -> bool {
        let mut state = lock(&self.state);
        if state.is_over {
            return false;
        }
        let listeners = state.listeners.clone();
        let changes = state.changes;
        state.held = Some(changes);
        drop(state);
        let mut all = vec![PollFd::new(&self.again, PollFlags::IN)];
        all.extend(listeners.iter().map(polled));
        let outcome = poll(&mut all, None);
        let is_anybody = outcome.is_ok() && all[1..].iter().any(|one| !one.revents().is_empty());
        drop(all);
        drop(listeners);
        let mut state = lock(&self.state);
        state.held = None;
        if is_anybody && state.changes == changes {
            self.bell.ring();
        }
        drop(state);
        self.let_go.notify_all();
        match outcome {
            Ok(_) if is_anybody => self.rest(None),
            Ok(_) => {}
            Err(_) => self.rest(Timespec::try_from(EXHAUSTED).ok()),
        }
        self.again.silence();
        true
    }

    /// Waits until it is worth looking again.
    fn rest(&self, at_most: Option<Timespec>) {
        let mut again = [PollFd::new(&self.again, PollFlags::IN)];
        let _ = poll(&mut again, at_most.as_ref());
    }
}

fn polled((_, listener): &(u16, Arc<TcpListener>)) -> PollFd<'_> {
    PollFd::new(&**listener, PollFlags::IN)
}
