//! [`Bell`]: wakes a session from another thread.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::kernel::{Doorbell, Host, Kernel};

/// Readable from when it was rung until it is silenced. One that is never silenced tells everybody, for
/// ever.
#[derive(Debug)]
pub struct Bell(<Host as Kernel>::Doorbell);

impl Bell {
    /// Returns a bell that was not rung.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub fn new() -> io::Result<Self> {
        Doorbell::new().map(Self)
    }

    /// Wakes whoever waits for it, and whoever does next.
    pub fn ring(&self) {
        self.0.ring();
    }

    /// It was heard.
    pub fn silence(&self) {
        self.0.silence();
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
