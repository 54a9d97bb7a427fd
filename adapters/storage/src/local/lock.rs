//! [`Locked`]: a file that nobody else writes to.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// An open file with its lock, which a killed process gives back too.
pub(super) struct Locked(OwnedFd);

impl Locked {
    /// Locks a file; `EAGAIN` if somebody else holds it.
    pub(super) fn new(file: OwnedFd) -> Result<Self, Errno> {
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self(file))
    }
}

impl AsFd for Locked {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // To close it is not enough while a child that was just forked has it open too.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}
