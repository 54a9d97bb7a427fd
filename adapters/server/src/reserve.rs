//! [`Reserve`]: one descriptor more than there are.

use std::os::fd::OwnedFd;
use std::sync::Mutex;

use rustix::event::{EventfdFlags, eventfd};

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
    /// Does something with one descriptor more than there are; `None` if the reserve is gone.
    pub(crate) fn spend<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        let mut spare_one = lock(&self.0);
        if spare_one.is_none() {
            *spare_one = spare();
        }
        drop(spare_one.take()?);
        let outcome = act();
        *spare_one = spare();
        Some(outcome)
    }
}

fn spare() -> Option<OwnedFd> {
    eventfd(0, EventfdFlags::CLOEXEC).ok()
}
