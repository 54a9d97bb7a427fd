//! [`Kept`]: listeners that nobody has, and where nobody is served.

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};

use rustix::process::{Resource, getrlimit};

use crate::kernel::{Host, Kernel, Watch};
use crate::lock::lock;
use crate::log;
use crate::sockets::{AT_ONCE, drop_stranger, is_exhausted};
use crate::system::System;

/// Listeners that are kept for the next lease of their port.
///
/// Who connects meanwhile is dropped by whoever waits for [`Kept::strays`]. A listener that is
/// leased is not watched, so that the session that has it accepts by itself.
pub(crate) struct Kept {
    watch: <Host as Kernel>::Watch,
    most: usize,
    listeners: Mutex<Listeners>,
}

struct Listeners {
    /// The port comes first: it is what is known of one where somebody waits.
    by_port: BTreeMap<(u16, SocketAddr), Arc<TcpListener>>,
    /// The server stops.
    closed: bool,
}

/// More are not kept: each costs a descriptor, and with so many ports few connections of each are
/// in TIME_WAIT.
const MOST: usize = 4_096;

/// How many are kept at most: no more than a quarter of the descriptors.
pub(crate) fn most() -> usize {
    most_of(getrlimit(Resource::Nofile).current)
}

/// The same of so many descriptors; `None` if there is no limit to them.
fn most_of(descriptors: Option<u64>) -> usize {
    let quarter = descriptors.and_then(|limit| usize::try_from(limit / 4).ok());
    quarter.map_or(MOST, |quarter| quarter.min(MOST))
}

impl Kept {
    /// No listeners yet; `None` if the system has nothing to watch them with.
    pub(crate) fn new() -> Option<Self> {
        Some(Self {
            watch: Watch::new().ok()?,
            most: most(),
            listeners: Mutex::new(Listeners {
                by_port: BTreeMap::new(),
                closed: false,
            }),
        })
    }

    /// Keeps a listener, or closes it if there are enough.
    pub(crate) fn keep(&self, address: SocketAddr, listener: TcpListener) {
        let mut listeners = lock(&self.listeners);
        if listeners.closed || listeners.by_port.len() >= self.most {
            return;
        }
        let listener = Arc::new(listener);
        if self.watch.add(address.port(), &listener).is_ok() {
            let place = (address.port(), address);
            listeners.by_port.insert(place, listener);
        }
    }

    /// The listener of that address, if there is one.
    pub(crate) fn take(&self, address: SocketAddr) -> Option<TcpListener> {
        let listener = lock(&self.listeners)
            .by_port
            .remove(&(address.port(), address))?;
        // What is still watched would wake others for each of its clients.
        self.watch.remove(&listener).ok()?;
        Arc::into_inner(listener)
    }

    /// Closes all of them, and those that are given back later.
    pub(crate) fn close(&self) {
        let mut listeners = lock(&self.listeners);
        listeners.closed = true;
        for listener in mem::take(&mut listeners.by_port).into_values() {
            // One that is closed is watched no longer in any case.
            let _ = self.watch.remove(&listener);
        }
    }

    /// Readable while somebody waits at one of them.
    pub(crate) fn strays(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }

    /// Drops who waits at them.
    pub(crate) fn drop_strays(&self, system: &dyn System) -> io::Result<()> {
        let waiting = self.watch.waiting()?;
        let listeners = lock(&self.listeners);
        for port in waiting {
            let first = (port, SocketAddr::from(([0, 0, 0, 0], 0)));
            let from_there = listeners.by_port.range(first..);
            let here = from_there.take_while(|((at, _), _)| *at == port);
            for ((_, at), listener) in here {
                let (mut count, mut last) = (0, None);
                while count < AT_ONCE {
                    match system.accept(listener) {
                        Ok((stream, peer)) => {
                            drop_stranger(stream);
                            (count, last) = (count + 1, peer);
                        }
                        Err(error) if is_exhausted(&error) => return Err(error),
                        Err(_) => break,
                    }
                }
                if count > 0 {
                    log::debug!(peer = ?last, %at, count, "nobody expects a data connection here");
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_kept_than_a_quarter_of_the_descriptors() {
        let limits = [Some(3), Some(1_024), Some(16_384), Some(1 << 20), None];
        assert_eq!(limits.map(most_of), [0, 256, MOST, MOST, MOST]);
    }
}
