//! [`File`]: a file that is read.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bstr::BStr;
use memchr::memchr_iter;
use rustix::fs::{OFlags, SeekFrom, Statx, seek};
use rustix::io::{read, retry_on_intr};
use wharf_core::{Failure, Kind, VPath};
use wharf_storage::BlockingSource;

use crate::Tree;
use crate::failure::failure;
use crate::jail::{Jail, Lookup};
use crate::metadata::{kind, look};
use crate::open::{LOOK, READ};
use crate::spot::is_visible;

/// An opened file.
pub(crate) struct File {
    file: OwnedFd,
    /// Bytes up to where the file ended when it was opened.
    left: u64,
}

/// Opens a file behind `offset` bytes, and says how long it is.
pub(crate) fn open(
    tree: &Tree,
    path: &VPath,
    offset: u64,
    lookup: Lookup,
) -> Result<(File, u64), Failure> {
    if !is_visible(path) {
        return Err(Failure::NotFound);
    }
    let (file, stat) = open_file(&tree.jail, path.relative(), READ, lookup)?;
    let size = stat.stx_size;
    let left = size.checked_sub(offset).ok_or(Failure::PastEnd)?;
    if offset > 0 {
        seek(&file, SeekFrom::Start(offset)).map_err(failure)?;
    }
    Ok((File { file, left }, size))
}

/// Opens what must be a regular file.
pub(crate) fn open_file(
    jail: &Jail,
    path: &BStr,
    flags: OFlags,
    lookup: Lookup,
) -> Result<(OwnedFd, Statx), Failure> {
    // To open a device or a pipe may already do something, so it is looked at first.
    let seen = jail.find(path, LOOK, lookup).and_then(look);
    must_be_file(&seen.map_err(failure)?)?;
    let file = jail.find(path, flags, lookup).map_err(failure)?;
    let stat = look(&file).map_err(failure)?;
    must_be_file(&stat)?;
    Ok((file, stat))
}

pub(crate) fn must_be_file(stat: &Statx) -> Result<(), Failure> {
    match kind(stat) {
        Kind::File => Ok(()),
        Kind::Directory => Err(Failure::IsADirectory),
        Kind::Link | Kind::Other | Kind::Partial => Err(Failure::NotAFile),
    }
}

impl BlockingSource for File {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        let read = retry_on_intr(|| read(&self.file, &mut buffer[..most])).map_err(failure)?;
        self.left -= read as u64;
        Ok(read)
    }

    fn file(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }
}

/// The length of a file with CRLF for each LF that has no CR.
pub(crate) fn text_size(tree: &Tree, path: &VPath, limit: u64) -> Result<u64, Failure> {
    let (mut file, size) = open(tree, path, 0, Lookup::Full)?;
    if size > limit {
        return Err(Failure::TooLarge);
    }
    let mut total = 0;
    let mut last = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        let Some(&end) = buffer[..read].last() else {
            return Ok(total);
        };
        let alone = memchr_iter(b'\n', &buffer[..read])
            .filter(|&at| at.checked_sub(1).map_or(last, |before| buffer[before]) != b'\r')
            .count();
        total += (read + alone) as u64;
        last = end;
    }
}
