//! [`InPlace`]: an upload into the very file that it replaces, where nothing else is possible.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{SeekFrom, ftruncate, seek};
use rustix::io::Errno;
use wharf_core::{Failure, Reason};
use wharf_storage::BlockingSink;

use crate::Tree;
use crate::failure::failure;
use crate::lock::Locked;
use crate::metadata::{is_file, look};
use crate::open::{WRITE, open_at};
use crate::partial::{base_of, new_base};
use crate::source::must_be_file;
use crate::spot::Spot;
use crate::temporary::{copy, cut, write_all};

/// A file that is overwritten as the bytes arrive. If that breaks off, what arrived is all that
/// is left, and its length tells a client where to go on.
pub(crate) struct InPlace {
    tree: Arc<Tree>,
    spot: Spot,
    file: Locked,
    /// The base of what it was before.
    base: String,
}

impl InPlace {
    /// The file at the spot. It stays what it is until the first byte arrives.
    pub(crate) fn open(tree: &Arc<Tree>, spot: Spot) -> Result<Self, Failure> {
        let file = open_at(&spot.directory, spot.name(), WRITE).map_err(failure)?;
        let stat = look(&file).map_err(failure)?;
        must_be_file(&stat)?;
        let file = Locked::new(file).map_err(failure)?;
        Ok(Self {
            tree: Arc::clone(tree),
            spot,
            file,
            base: base_of(Some(&stat)),
        })
    }
}

impl BlockingSink for InPlace {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        write_all(&self.file, bytes)
    }

    fn file(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }

    fn commit(self: Box<Self>) -> Result<(), Failure> {
        cut(&self.file).map_err(failure)?;
        self.tree.options.durability.flush(&self.file)?;
        self.spot.is_in_place(&self.tree.jail)?;
        self.tree.clear(&self.spot, None, &[new_base(), &self.base]);
        Ok(())
    }

    fn abandon(self: Box<Self>, _: Reason) {
        let begun = seek(&self.file, SeekFrom::Current(0));
        if begun.is_ok_and(|end| end > 0) {
            let _ = cut(&self.file);
        }
    }
}

/// Writes a whole file over another one, which keeps its identity.
pub(crate) fn overwrite(new: &Locked, old: OwnedFd) -> Result<(), Errno> {
    let size = look(new)?.stx_size;
    if !is_file(&look(&old)?) {
        return Err(Errno::BUSY);
    }
    let old = Locked::new(old)?;
    ftruncate(&old, 0)?;
    copy(new, &old, 0, size)
}
