//! [`Jail`]: the only way from a path of the virtual tree into the file system.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use bstr::BStr;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use wharf_core::VPath;

use super::Links;

/// To look at something without opening it.
pub(super) const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
/// To look at a link itself.
pub(super) const LOOK_AT_LINK: OFlags = LOOK.union(OFlags::NOFOLLOW);
/// To name things relative to a directory.
pub(super) const ENTER: OFlags = LOOK.union(OFlags::DIRECTORY);
/// To read a directory.
pub(super) const LIST: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);
/// To read a file; what proves not to be one is left without waiting for it.
pub(super) const READ: OFlags = OFlags::CLOEXEC
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);
/// To write a file.
pub(super) const WRITE: OFlags = READ.union(OFlags::WRONLY);

/// How often a lookup is tried again when a rename crossed it.
const TRIES: usize = 64;

/// Whether a lookup may wait for the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    /// It may.
    Full,
    /// If it would have to, it is `EAGAIN`.
    Cached,
}

/// A directory that no lookup leaves, whatever links are in it and whoever renames what.
pub(super) struct Jail {
    root: OwnedFd,
    links: ResolveFlags,
}

impl Jail {
    /// The jail whose root is that directory.
    pub(super) fn open(root: &Path, links: Links) -> io::Result<Self> {
        let jail = Self {
            root: openat(CWD, root, ENTER, Mode::empty())?,
            links: match links {
                Links::Root => ResolveFlags::IN_ROOT,
                Links::Beneath => ResolveFlags::BENEATH,
                Links::None => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
            },
        };
        match jail.find(BStr::new(b""), ENTER, Lookup::Full) {
            Err(Errno::NOSYS) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this system has no openat2(2), which Linux has since 5.6",
            )),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(jail),
        }
    }

    /// Opens what stands at a path relative to the root.
    pub(super) fn find(
        &self,
        path: &BStr,
        flags: OFlags,
        lookup: Lookup,
    ) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() {
            BStr::new(b".")
        } else {
            path
        };
        resolve(&self.root, path, flags, self.links, lookup)
    }

    /// Opens a directory, by a path without links, to read it.
    pub(super) fn list(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        open_below(&self.root, path, LIST, Lookup::Full)
    }

    /// Opens what a link in the directory `here` points to, by the text of the link.
    pub(super) fn find_target(&self, here: &VPath, text: &[u8]) -> Result<OwnedFd, Errno> {
        let path = match text.first() {
            Some(b'/') => text.to_vec(),
            _ if here.is_root() => text.to_vec(),
            _ => [here.relative(), b"/".as_slice(), text].concat(),
        };
        self.find(BStr::new(&path), LOOK, Lookup::Full)
    }
}

/// Opens what stands below a directory, through no link at all.
pub(super) fn open_below(
    directory: impl AsFd,
    path: &[u8],
    flags: OFlags,
    lookup: Lookup,
) -> Result<OwnedFd, Errno> {
    let links = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    resolve(directory, path, flags, links, lookup)
}

fn resolve(
    directory: impl AsFd,
    path: &[u8],
    flags: OFlags,
    links: ResolveFlags,
    lookup: Lookup,
) -> Result<OwnedFd, Errno> {
    let mut how = links | ResolveFlags::NO_MAGICLINKS;
    let mut tries = TRIES;
    if lookup == Lookup::Cached {
        how |= ResolveFlags::CACHED;
        tries = 1;
    }
    loop {
        tries -= 1;
        match openat2(&directory, path, flags, Mode::empty(), how) {
            Err(Errno::AGAIN | Errno::INTR) if tries > 0 => {}
            result => return result,
        }
    }
}
