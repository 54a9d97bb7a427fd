//! Lookups in user space, for systems without openat2. Link by link and name by name they leave the
//! directory no more than the kernel's own, whoever renames what: each name is opened in the
//! directory that was opened before it.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bstr::ByteSlice;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;
use rustix::io::Errno;
use wharf_core::Kind;

use crate::metadata::{kind, look};
use crate::open::{ENTER, LOOK, open_at};

/// Opens what stands at a path below a directory; links are followed as long as they stay there.
pub(crate) fn follow(root: &Dir, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = Path::new(OsStr::from_bytes(path));
    if flags.contains(OFlags::DIRECTORY) {
        let directory = root.open_dir(path).map_err(errno)?;
        // In what cap-std opens things can be named, but it cannot be read.
        return open_at(directory, b".", flags);
    }
    let writes = flags.contains(OFlags::WRONLY);
    let mut options = OpenOptions::new();
    options
        .read(!writes)
        .write(writes)
        .custom_flags(flags.bits().cast_signed());
    let file = root.open_with(path, &options).map_err(errno)?;
    Ok(file.into_std().into())
}

/// Opens what stands at a path below a directory, through no link at all.
pub(crate) fn walk(directory: impl AsFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    // No path of the virtual tree has such a name, and here it would lead out.
    if path.split_str("/").any(|name| name == b"..") {
        return Err(Errno::XDEV);
    }
    let mut here = open_at(directory, b".", ENTER)?;
    let mut name = path;
    while let Some((parent, rest)) = name.split_once_str("/") {
        here = open_unless_link(here, parent, LOOK)?;
        name = rest;
    }
    if flags.contains(OFlags::NOFOLLOW) {
        open_at(here, name, flags)
    } else {
        open_unless_link(here, name, flags)
    }
}

fn open_unless_link(directory: impl AsFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    // A link is looked at as such.
    let seen = open_at(&directory, name, LOOK)?;
    if kind(&look(&seen)?) == Kind::Link {
        return Err(Errno::LOOP);
    }
    if flags == LOOK {
        return Ok(seen);
    }
    open_at(directory, name, flags)
}

fn errno(error: io::Error) -> Errno {
    // A path that led out of the directory is no error of the system.
    Errno::from_io_error(&error).unwrap_or(Errno::XDEV)
}
