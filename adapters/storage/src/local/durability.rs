//! [`Durability`]: what a power cut may take.

use std::os::fd::AsFd;

use rustix::fs::{OFlags, fsync};
use rustix::io::{Errno, retry_on_intr};
use wharf_core::Failure;

use super::failure::failure;
use super::jail::{ENTER, LIST};

/// What a power cut may take of the changes that were answered. The end of the process alone, even
/// by SIGKILL, takes none of them.
///
/// Partials are not waited for: a power cut may take them, or bring back one that was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// What the system has not yet written, which may be the changes of half a minute.
    #[default]
    Os,
    /// None: each change waits for the disk, also that to the directory. An upload whose bytes do
    /// not get there is not committed; a change that was made but of which the disk says nothing
    /// fails with [`Failure::Unknown`]. Directories in which something changes must be readable.
    Disk,
}

impl Durability {
    /// How to open a directory in which something will change: only what can be read can be synced.
    pub(super) fn directory(self) -> OFlags {
        match self {
            Self::Os => ENTER,
            Self::Disk => LIST,
        }
    }

    /// Waits until the bytes of a file are on the disk, before anybody relies on them.
    pub(super) fn flush(self, file: impl AsFd) -> Result<(), Failure> {
        self.sync(file).map_err(|error| match failure(error) {
            // Where bytes get their room only now.
            full @ (Failure::NoSpace | Failure::Quota) => full,
            _ => Failure::Io,
        })
    }

    /// Waits until a change that was made to a file or directory is on the disk.
    pub(super) fn settle(self, changed: impl AsFd) -> Result<(), Failure> {
        self.sync(changed).map_err(|_| Failure::Unknown)
    }

    fn sync(self, file: impl AsFd) -> Result<(), Errno> {
        match self {
            Self::Os => Ok(()),
            Self::Disk => retry_on_intr(|| fsync(&file)),
        }
    }
}
