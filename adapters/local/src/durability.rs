//! [`Durability`]: what a power cut may take.

use std::os::fd::AsFd;

use rustix::fs::{OFlags, fsync};
use rustix::io::{Errno, retry_on_intr};
use wharf_core::Failure;

use crate::failure::failure;
use crate::open::{ENTER, LIST};

/// What a power cut may take of the changes that were answered. The end of the process alone, even
/// by SIGKILL, takes none of them.
///
/// Of a change that was not answered nothing is seen afterwards, or all of it. Only an append to a
/// finished file is made in place: some of its bytes may be there, after a power cut also some
/// zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// What the system has not yet written, which may be the changes of half a minute. On ext4 such
    /// a file may also come back empty, or with zeros in place of its last bytes or all of them.
    #[default]
    Os,
    /// None: each change waits for the disk, also that to the directory. An upload whose bytes do
    /// not get there is not committed; a change that was made but of which the disk says nothing
    /// fails with [`Failure::Unknown`]. Directories in which something changes must be readable.
    Disk,
}

impl Durability {
    /// How to open a directory in which something will change: only what can be read can be synced.
    pub(crate) fn directory(self) -> OFlags {
        match self {
            Self::Os => ENTER,
            Self::Disk => LIST,
        }
    }

    /// Waits until the bytes of a file are on the disk, before anybody relies on them.
    pub(crate) fn flush(self, file: impl AsFd) -> Result<(), Failure> {
        self.sync(file).map_err(|error| match failure(error) {
            // Where bytes get their room only now.
            full @ (Failure::NoSpace | Failure::Quota) => full,
            _ => Failure::Io,
        })
    }

    /// Waits until a change that was made to a directory, or to what is told of a file, is on the
    /// disk. Some file systems cannot be asked for that.
    pub(crate) fn settle(self, changed: impl AsFd) -> Result<(), Failure> {
        match self.sync(changed) {
            Ok(()) | Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
            Err(_) => Err(Failure::Unknown),
        }
    }

    fn sync(self, file: impl AsFd) -> Result<(), Errno> {
        match self {
            Self::Os => Ok(()),
            Self::Disk => retry_on_intr(|| fsync(&file)),
        }
    }
}
