//! [`Reserve`]: one descriptor more than there are.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard};

use crate::kernel::{Host, Kernel};
use crate::lock::lock;

/// A descriptor that is given up for a moment when there is no other, so that a client can be
/// told so.
#[derive(Debug)]
pub(crate) struct Reserve(Mutex<Option<OwnedFd>>);

impl Default for Reserve {
    fn default() -> Self {
        Self(Mutex::new(spare()))
    }
}

impl Reserve {
    /// Waits for the turn to accept: another acceptor would take the descriptor that one has given up.
    pub(crate) fn turn(&self) -> Turn<'_> {
        Turn(lock(&self.0))
    }
}

/// As long as this lives nobody else accepts clients.
pub(crate) struct Turn<'a>(MutexGuard<'a, Option<OwnedFd>>);

impl Turn<'_> {
    /// Does something with one descriptor more than there are; `None` if the reserve is gone.
    pub(crate) fn spend<T>(&mut self, act: impl FnOnce() -> T) -> Option<T> {
        if self.0.is_none() {
            *self.0 = spare();
        }
        drop(self.0.take()?);
        let outcome = act();
        *self.0 = spare();
        Some(outcome)
    }
}

fn spare() -> Option<OwnedFd> {
    Host::spare().ok()
}
