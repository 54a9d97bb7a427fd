//! How things are opened: the flags for each purpose, and [`open_at`].

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{Errno, retry_on_intr};

/// To look at something without opening it.
pub(crate) const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
/// To look at a link itself.
pub(crate) const LOOK_AT_LINK: OFlags = LOOK.union(OFlags::NOFOLLOW);
/// To name things relative to a directory.
pub(crate) const ENTER: OFlags = LOOK.union(OFlags::DIRECTORY);
/// To read a directory.
pub(crate) const LIST: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);
/// To read a file; what proves not to be one is left without waiting for it.
pub(crate) const READ: OFlags = OFlags::CLOEXEC
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);
/// To write a file.
pub(crate) const WRITE: OFlags = READ.union(OFlags::WRONLY);

/// Opens what has that name in a directory, but not what a link of that name leads to.
pub(crate) fn open_at(directory: impl AsFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::NOFOLLOW;
    retry_on_intr(|| openat(&directory, name, flags, Mode::empty()))
}
