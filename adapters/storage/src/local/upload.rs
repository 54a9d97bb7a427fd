//! [`Upload`]: a file that comes into being beside the one that it will replace.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, SeekFrom, fchmod, ftruncate, seek, unlinkat};
use rustix::io::Errno;
use wharf_core::{Failure, Opened, Reason, VPath};

use super::Tree;
use super::append::Append;
use super::failure::failure;
use super::jail::Lookup;
use super::lock::Locked;
use super::metadata::{identity, look, look_at};
use super::open::{READ, WRITE, open_at};
use super::partial::{Drawer, Partial, Which, base_of, clear, keep, patch_of};
use super::source::{must_be_file, open_file};
use super::spot::{Spot, is_visible, rename};
use super::temporary::{copy, create, write_all};
use crate::storage::{Handle, Opening, Sink};

/// How many names are tried for a file that shall have one of its own.
const UNIQUE_NAMES: usize = 1_000;
/// Bytes that are given up where the disk is so full that a partial cannot be filed.
const ROOM: u64 = 64 * 1024;

/// What the client asked for.
pub(super) struct Request {
    /// Where the upload begins, `None` for the end of what is there.
    pub(super) at: Option<u64>,
    pub(super) replace: bool,
    pub(super) umask: Option<u16>,
}

impl Request {
    /// The permission bits of a new file.
    fn mode(&self, tree: &Tree) -> u16 {
        0o666 & !self.umask.unwrap_or(tree.options.umask)
    }
}

/// Opens an upload.
pub(super) fn open(
    tree: &Arc<Tree>,
    path: &VPath,
    request: Request,
) -> Result<Box<dyn Sink>, Failure> {
    let spot = find_spot(tree, path)?;
    let finished = spot.look(&tree.jail, Lookup::Full).map_err(failure)?;
    if let Some(stat) = &finished {
        must_be_file(stat)?;
        if !request.replace {
            return Err(Failure::Exists);
        }
    }
    let version = base_of(finished.as_ref());
    if request.at == Some(0) {
        let upload = Upload::fresh(tree, spot, version, &request)?;
        let which = Which::Of(upload.spot.name());
        clear(&upload.spot.directory, Some(&tree.account), which);
        return Ok(Box::new(upload));
    }
    if let Some(drawer) = tree.drawer(&spot, Lookup::Full)? {
        let partial = drawer.find(spot.name(), finished.as_ref(), Lookup::Full);
        if let Some(partial) = partial.map_err(failure)? {
            let upload = Upload::resume(tree, spot, version, &request, (&drawer, partial))?;
            return Ok(Box::new(upload));
        }
    }
    match (finished.map(|stat| stat.stx_size), request.at) {
        (None, None) => Ok(Box::new(Upload::fresh(tree, spot, version, &request)?)),
        (Some(size), Some(at)) if at < size => {
            Ok(Box::new(Upload::patch(tree, spot, version, &request, at)?))
        }
        (Some(size), at) if at.is_none_or(|at| at == size) => {
            Ok(Box::new(Append::open(tree, spot, size)?))
        }
        _ => Err(Failure::PastEnd),
    }
}

/// Opens an upload under a name that nobody has.
pub(super) fn open_unique(
    tree: &Arc<Tree>,
    path: &VPath,
    umask: Option<u16>,
) -> Result<Opening, Failure> {
    let suggested = path.file_name().ok_or(Failure::BadName)?;
    let mut name = path.clone();
    for serial in 1..UNIQUE_NAMES {
        let spot = find_spot(tree, &name)?;
        let taken = spot.look_at_name(Lookup::Full).map_err(failure)?.is_some()
            || tree.partial(&spot, None, Lookup::Full)?.is_some();
        if !taken {
            let request = Request {
                at: Some(0),
                replace: false,
                umask,
            };
            let upload = Upload::fresh(tree, spot, base_of(None), &request)?;
            let opened = Opened {
                size: None,
                name: Some(name),
            };
            let handle = Handle::Sink(Box::new(upload));
            return Ok(Opening { opened, handle });
        }
        let next = [suggested, format!(".{serial}").as_bytes()].concat();
        name = path.parent().join(&next).map_err(|_| Failure::BadName)?;
    }
    Err(Failure::Exists)
}

fn find_spot(tree: &Tree, path: &VPath) -> Result<Spot, Failure> {
    if path.is_root() {
        return Err(Failure::IsADirectory);
    }
    if !is_visible(path) {
        return Err(Failure::BadName);
    }
    Spot::find_to_change(tree, path)
}

/// Opens the finished file at a spot, which must still be that version, and says how long it is.
fn open_version(tree: &Tree, spot: &Spot, version: &str) -> Result<(OwnedFd, u64), Failure> {
    let path = spot.path().relative();
    let (file, stat) = open_file(&tree.jail, path, READ, Lookup::Full)?;
    match base_of(Some(&stat)) == version {
        true => Ok((file, stat.stx_size)),
        false => Err(Failure::Busy),
    }
}

/// A file that is written where nobody sees it. It is locked as long as it is open, which tells
/// it from what a killed process has left.
struct Upload {
    tree: Arc<Tree>,
    spot: Spot,
    /// The version that stood at the spot when it was opened.
    version: String,
    file: Locked,
    place: Place,
    /// How long the file was when it was opened.
    start: u64,
    /// For a patch: the finished file, whose end it keeps, and its length.
    old: Option<(OwnedFd, u64)>,
    replace: bool,
    /// The permission bits of a file that replaces none.
    mode: u16,
}

/// Where a file stands that is being written.
enum Place {
    /// Under a temporary name beside the file that it will become.
    Beside(String),
    /// Among the partials, in that directory.
    Filed(OwnedFd),
    /// It has come to its end.
    Settled,
}

impl Upload {
    /// A file of its own.
    fn fresh(
        tree: &Arc<Tree>,
        spot: Spot,
        version: String,
        request: &Request,
    ) -> Result<Self, Failure> {
        let (file, name) = create(&spot.directory).map_err(failure)?;
        Ok(Self {
            tree: Arc::clone(tree),
            spot,
            version,
            file,
            place: Place::Beside(name),
            start: 0,
            old: None,
            replace: request.replace,
            mode: request.mode(tree),
        })
    }

    /// A copy of the first bytes of the finished file, which will keep its last ones.
    fn patch(
        tree: &Arc<Tree>,
        spot: Spot,
        version: String,
        request: &Request,
        at: u64,
    ) -> Result<Self, Failure> {
        let old = open_version(tree, &spot, &version)?;
        let mut upload = Self::fresh(tree, spot, version, request)?;
        // Set before the copy: if that fails, there is nothing to keep.
        upload.start = at;
        copy(&old.0, &upload.file, 0, at).map_err(failure)?;
        seek(&upload.file, SeekFrom::Start(at)).map_err(failure)?;
        upload.old = Some(old);
        Ok(upload)
    }

    /// A partial that goes on.
    fn resume(
        tree: &Arc<Tree>,
        spot: Spot,
        version: String,
        request: &Request,
        (drawer, partial): (&Drawer, Partial),
    ) -> Result<Self, Failure> {
        let directory = drawer.enter(&partial.base).map_err(failure)?;
        let file = open_at(&directory, spot.name(), WRITE).map_err(failure)?;
        let file = Locked::new(file).map_err(failure)?;
        let size = look(&file).map_err(failure)?.stx_size;
        // Who held it until now may have moved it or written to it.
        let named = look_at(&directory, spot.name()).map_err(failure)?;
        if identity(&named) != identity(&partial.stat) || size != partial.stat.stx_size {
            return Err(Failure::Busy);
        }
        let at = request.at.unwrap_or(size);
        if at > size {
            return Err(Failure::PastEnd);
        }
        let old = match partial.is_patch() {
            true => Some(open_version(tree, &spot, &version)?),
            false => None,
        };
        if at < size {
            ftruncate(&file, at).map_err(failure)?;
        }
        seek(&file, SeekFrom::Start(at)).map_err(failure)?;
        Ok(Self {
            tree: Arc::clone(tree),
            spot,
            version,
            file,
            place: Place::Filed(directory),
            start: at,
            old,
            replace: request.replace,
            mode: request.mode(tree),
        })
    }

    /// The directory and the name under which the file stands.
    fn stands_at(&self) -> Option<(BorrowedFd<'_>, &[u8])> {
        match &self.place {
            Place::Beside(name) => Some((self.spot.directory.as_fd(), name.as_bytes())),
            Place::Filed(directory) => Some((directory.as_fd(), self.spot.name())),
            Place::Settled => None,
        }
    }

    /// Makes the file what it shall be under its name.
    fn complete(&self) -> Result<(), Errno> {
        if let Some((old, size)) = &self.old {
            let end = look(&self.file)?.stx_size;
            copy(old, &self.file, end, *size).inspect_err(|_| {
                let _ = ftruncate(&self.file, end);
            })?;
        }
        let finished = self.spot.look(&self.tree.jail, Lookup::Full)?;
        let mode = finished.map_or(self.mode, |stat| stat.stx_mode & 0o777);
        fchmod(&self.file, Mode::from_raw_mode(mode.into()))
    }

    /// Gives the file its name.
    fn publish(&self) -> Result<(), Errno> {
        let from = self.stands_at().ok_or(Errno::NOENT)?;
        let to = (&self.spot.directory, self.spot.name());
        rename(from, to, self.replace)
    }

    /// Keeps what was written as a partial, if it is worth it.
    fn settle(&mut self, reason: Option<Reason>) {
        if matches!(self.place, Place::Settled) {
            return;
        }
        let size = look(&self.file).map_or(0, |stat| stat.stx_size);
        let is_new = size > self.start && reason != Some(Reason::Refused);
        let is_partial = matches!(self.place, Place::Filed(_));
        let wanted = (is_new || is_partial) && !self.tree.options.retention.is_zero();
        let mut kept = wanted && self.keep() == Ok(());
        if wanted && !kept && size > self.start + ROOM {
            // A full disk has no room for the directories either.
            kept = ftruncate(&self.file, size - ROOM).is_ok() && self.keep() == Ok(());
        }
        if !kept {
            self.remove();
        }
        self.place = Place::Settled;
    }

    /// Files what was written under the version of the finished file. If another one stands there
    /// now, it is out of date: the client may long have sent it again.
    fn keep(&self) -> Result<(), Errno> {
        let finished = self.spot.look(&self.tree.jail, Lookup::Full)?;
        if base_of(finished.as_ref()) != self.version {
            return Err(Errno::STALE);
        }
        let Place::Beside(name) = &self.place else {
            return Ok(());
        };
        let base = match &self.old {
            Some(_) => &patch_of(&self.version),
            None => &self.version,
        };
        let from = (&self.spot.directory, name.as_str());
        keep(from, &self.spot, &self.tree.account, base)
    }

    fn remove(&mut self) {
        if let Some((directory, name)) = self.stands_at() {
            let _ = unlinkat(directory, name, AtFlags::empty());
        }
        self.place = Place::Settled;
    }
}

impl Sink for Upload {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        write_all(&self.file, bytes)
    }

    fn file(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }

    fn commit(mut self: Box<Self>) -> Result<(), Failure> {
        let durability = self.tree.options.durability;
        self.complete().map_err(failure)?;
        // If that fails, a second try would say nothing of these bytes: nobody shall continue them.
        durability
            .flush(&self.file)
            .inspect_err(|_| self.remove())?;
        self.publish().map_err(|error| {
            // The client may never replace that file, so it shall not see another length for it.
            if error == Errno::EXIST {
                self.remove();
            }
            failure(error)
        })?;
        self.place = Place::Settled;
        clear(&self.spot.directory, None, Which::Of(self.spot.name()));
        durability.settle(&self.spot.directory)
    }

    fn abandon(mut self: Box<Self>, reason: Reason) {
        self.settle(Some(reason));
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.settle(None);
    }
}
