//! [`Append`]: an upload that goes on at the end of a finished file.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::fs::{SeekFrom, ftruncate, seek};
use wharf_core::{Failure, Reason};
use wharf_storage::BlockingSink;

use crate::Tree;
use crate::failure::failure;
use crate::jail::Lookup;
use crate::lock::Locked;
use crate::metadata::{identity, look};
use crate::open::WRITE;
use crate::partial::{base_of, new_base};
use crate::source::open_file;
use crate::spot::Spot;
use crate::temporary::write_all;

/// A file that grows in place, and is cut back unless that is committed. It is locked meanwhile,
/// so that nobody cuts off what another one has appended.
pub(crate) struct Append {
    tree: Arc<Tree>,
    spot: Spot,
    file: Locked,
    /// The base of what it was before.
    base: String,
    /// Its length before; `None` once it shall stay as it is.
    start: Option<u64>,
}

impl Append {
    /// The file at the spot, which must still have the length `size`.
    pub(crate) fn open(tree: &Arc<Tree>, spot: Spot, size: u64) -> Result<Self, Failure> {
        let (file, stat) = open_file(&tree.jail, spot.path(), WRITE, Lookup::Full)?;
        let file = Locked::new(file).map_err(failure)?;
        // Somebody may have appended to it before it was locked.
        if look(&file).map_err(failure)?.stx_size != size {
            return Err(Failure::Busy);
        }
        seek(&file, SeekFrom::Start(size)).map_err(failure)?;
        Ok(Self {
            tree: Arc::clone(tree),
            spot,
            file,
            base: base_of(Some(&stat)),
            start: Some(size),
        })
    }

    /// Whether the name still leads to this file.
    fn is_current(&self) -> Result<bool, Failure> {
        let here = look(&self.file).map_err(failure)?;
        let there = self.spot.look(&self.tree.jail, Lookup::Full);
        let there = there.map_err(failure)?;
        Ok(there.is_some_and(|there| identity(&there) == identity(&here)))
    }
}

impl BlockingSink for Append {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        write_all(&self.file, bytes)
    }

    fn file(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }

    fn commit(mut self: Box<Self>) -> Result<(), Failure> {
        self.spot.is_in_place(&self.tree.jail)?;
        if !self.is_current()? {
            return Err(Failure::Busy);
        }
        self.tree.options.durability.flush(&self.file)?;
        self.start = None;
        self.tree.clear(&self.spot, None, &[new_base(), &self.base]);
        Ok(())
    }

    fn abandon(self: Box<Self>, _: Reason) {}
}

impl Drop for Append {
    fn drop(&mut self) {
        if let Some(start) = self.start {
            // Unchanged, it keeps its times.
            if look(&self.file).is_ok_and(|stat| stat.stx_size > start) {
                let _ = ftruncate(&self.file, start);
            }
        }
    }
}
