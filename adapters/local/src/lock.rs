//! [`Locked`]: a file that nobody else writes to.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::metadata::{Identity, identity, look};
use crate::mutex::lock;

/// Files that are locked here because their file system has no locks.
static HELD: Mutex<BTreeSet<Identity>> = Mutex::new(BTreeSet::new());

/// An open file with its lock, which a killed process gives back too.
pub(crate) struct Locked {
    file: OwnedFd,
    /// Where the file system has no locks: what is noted in [`HELD`].
    noted: Option<Identity>,
}

impl Locked {
    /// Locks a file; `EAGAIN` if somebody else holds it. On a file system without locks, as some
    /// of NFS and FUSE are, only this process is kept out.
    pub(crate) fn new(file: OwnedFd) -> Result<Self, Errno> {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { file, noted: None }),
            Err(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) => {
                let identity = identity(&look(&file)?);
                let noted = held().insert(identity);
                let locked = noted.then_some(Self {
                    file,
                    noted: Some(identity),
                });
                locked.ok_or(Errno::AGAIN)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether other processes are kept out too.
    pub(crate) fn is_known_to_all(&self) -> bool {
        self.noted.is_none()
    }
}

fn held() -> MutexGuard<'static, BTreeSet<Identity>> {
    lock(&HELD)
}

impl AsFd for Locked {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if let Some(identity) = self.noted {
            held().remove(&identity);
            return;
        }
        // To close it is not enough while a child that was just forked has it open too.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}
