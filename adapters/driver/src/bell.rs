//! [`Bell`]: wakes a session from another thread.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};

/// Readable from when it was rung until it is silenced. One that is never silenced tells everybody, for
/// ever.
#[derive(Debug)]
pub struct Bell(OwnedFd);

impl Bell {
    /// Returns a bell that was not rung.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub fn new() -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self(eventfd(0, flags)?))
    }

    /// Wakes whoever waits for it, and whoever does next.
    pub fn ring(&self) {
        // It cannot be full, unless it is readable.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// It was heard.
    pub fn silence(&self) {
        // If it was not rung, there is nothing to read.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
