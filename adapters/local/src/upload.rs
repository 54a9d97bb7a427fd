//! [`Upload`]: a file that comes into being beside the one that it will replace.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, SeekFrom, Statx, ftruncate, seek, unlinkat};
use rustix::io::Errno;
use wharf_core::{Failure, Opened, Reason, VPath};
use wharf_storage::{BlockingHandle, BlockingOpening, BlockingSink};

use crate::Tree;
use crate::adorn::{adorn_like, adorn_new};
use crate::append::Append;
use crate::claim::Claim;
use crate::failure::{failure, rename_failure};
use crate::in_place::{InPlace, overwrite};
use crate::jail::Lookup;
use crate::label::{stick, strip};
use crate::lock::Locked;
use crate::metadata::{identity, is_file, look, look_at};
use crate::open::{READ, WRITE, open_at};
use crate::partial::{Partials, base_of, filed_name, keep, mark, new_base, resumable_length};
use crate::source::{must_be_file, open_file};
use crate::spot::{Spot, is_visible, rename};
use crate::temporary::{copy, create, cut, write_all};

/// How many names are tried for a file that shall have one of its own.
const UNIQUE_NAMES: usize = 1_000;

/// What the client asked for.
pub(crate) struct Request {
    pub(crate) begin: Begin,
    pub(crate) replace: bool,
    pub(crate) umask: Option<u16>,
    /// What arrives may be continued if the upload breaks off.
    pub(crate) resumable: bool,
}

/// Where an upload begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// At that byte.
    At(u64),
    /// At the end of what is there; a partial must have the length that the client was told.
    Behind { told: Option<u64> },
}

impl Request {
    /// The permission bits of a new file.
    fn mode(&self, tree: &Tree) -> u16 {
        tree.new_mode() & !self.umask.unwrap_or(0)
    }
}

/// Whether an upload over that version leaves a mark if its process is killed.
fn is_labelled(tree: &Tree, base: &str) -> bool {
    base != new_base() && tree.options.partials != Partials::Off
}

/// Opens an upload.
pub(crate) fn open(
    tree: &Arc<Tree>,
    path: &VPath,
    request: Request,
) -> Result<Box<dyn BlockingSink>, Failure> {
    let (spot, finished) = find_spot(tree, path)?;
    if let Some(stat) = &finished {
        must_be_file(stat)?;
        if !request.replace {
            return Err(Failure::Exists);
        }
    }
    let base = base_of(finished.as_ref());
    if request.begin == Begin::At(0) {
        let claim = spot.claim();
        let temporary = match create(&spot.directory) {
            Err(error) if finished.is_some() && tree.overwrites_after(error) => {
                return Ok(Box::new(InPlace::open(tree, spot)?));
            }
            temporary => temporary.map_err(failure)?,
        };
        let upload = Upload::beside(tree, spot, base, &request, claim, temporary);
        // A mark stays until the file is there: this upload may break off too.
        tree.clear(&upload.spot, Some(&tree.account), &[new_base()]);
        return Ok(Box::new(upload));
    }
    match finished {
        Some(finished) => change_finished(tree, spot, base, &request, &finished),
        None => continue_partial(tree, spot, base, &request),
    }
}

/// Appends to a finished file, or changes bytes within it.
fn change_finished(
    tree: &Arc<Tree>,
    spot: Spot,
    base: String,
    request: &Request,
    finished: &Statx,
) -> Result<Box<dyn BlockingSink>, Failure> {
    if let Some(drawer) = tree.drawer(&spot, Lookup::Full)?
        && drawer.is_marked(spot.name(), finished).map_err(failure)?
    {
        return Err(Failure::BrokenOff);
    }
    let size = finished.stx_size;
    match request.begin {
        // What the client was told of is gone.
        Begin::Behind { told: Some(_) } => Err(Failure::BrokenOff),
        Begin::Behind { told: None } => Ok(Box::new(Append::open(tree, spot, size)?)),
        Begin::At(at) if at == size => Ok(Box::new(Append::open(tree, spot, size)?)),
        Begin::At(at) if at < size => Ok(Box::new(Upload::patch(tree, spot, base, request, at)?)),
        Begin::At(_) => Err(Failure::PastEnd),
    }
}

/// Goes on where an upload broke off, or begins a file that is not there.
fn continue_partial(
    tree: &Arc<Tree>,
    spot: Spot,
    base: String,
    request: &Request,
) -> Result<Box<dyn BlockingSink>, Failure> {
    let partial = tree.partial(&spot, Lookup::Full)?;
    let length = partial.as_ref().map(|stat| resumable_length(stat.stx_size));
    let at = match (request.begin, length) {
        (Begin::Behind { told: None }, None) => {
            return Ok(Box::new(Upload::fresh(tree, spot, base, request)?));
        }
        (Begin::Behind { told }, length) if told != length => return Err(Failure::BrokenOff),
        (Begin::At(at), length) if length.is_none_or(|length| at > length) => {
            return Err(Failure::PastEnd);
        }
        (Begin::At(at), _) => at,
        (Begin::Behind { told }, _) => told.unwrap_or(0),
    };
    let partial = partial.ok_or(Failure::PastEnd)?;
    Ok(Box::new(Upload::resume(
        tree, spot, base, request, at, &partial,
    )?))
}

/// Opens an upload under a name that nobody has.
pub(crate) fn open_unique(
    tree: &Arc<Tree>,
    path: &VPath,
    umask: Option<u16>,
    resumable: bool,
) -> Result<BlockingOpening, Failure> {
    let suggested = path.file_name().ok_or(Failure::BadName)?;
    let mut name = path.clone();
    for serial in 1..UNIQUE_NAMES {
        must_be_visible(&name)?;
        let spot = Spot::open_to_write(tree, name.relative().to_vec())?;
        // A link has its name, wherever it leads.
        let found = spot.look_at_name(Lookup::Full).map_err(failure)?;
        let is_free = found.is_none() && tree.partial(&spot, Lookup::Full)?.is_none();
        let claim = is_free.then(|| spot.claim_first()).flatten();
        if let Some(claim) = claim {
            let request = Request {
                begin: Begin::At(0),
                replace: false,
                umask,
                resumable,
            };
            let upload = Upload::claimed(tree, spot, base_of(None), &request, claim)?;
            let opened = Opened::named(name);
            let handle = BlockingHandle::Sink(Box::new(upload));
            return Ok(BlockingOpening { opened, handle });
        }
        let next = [suggested, format!(".{serial}").as_bytes()].concat();
        name = path.parent().join(&next).map_err(|_| Failure::BadName)?;
    }
    Err(Failure::Exists)
}

/// Makes a copy of a file, with what it has beside its bytes, under a name.
pub(crate) fn copy_to(
    tree: &Arc<Tree>,
    path: &VPath,
    replace: bool,
    file: &OwnedFd,
    stat: &Statx,
) -> Result<(), Failure> {
    let spot = Spot::find_to_change(tree, path)?;
    let request = Request {
        begin: Begin::At(0),
        replace,
        umask: None,
        resumable: false,
    };
    let base = base_of(spot.look_at_name(Lookup::Full).map_err(failure)?.as_ref());
    let upload = Upload::fresh(tree, spot, base, &request)?;
    let copied = copy(file, &upload.file, 0, stat.stx_size).map_err(failure);
    let copied = copied.and_then(|()| {
        adorn_like(tree, &upload.file, Some(file), stat).map_err(failure)?;
        tree.options.durability.flush(&upload.file)?;
        upload.publish().map_err(rename_failure)
    });
    if copied.is_err() {
        upload.remove();
    }
    upload.forget();
    copied
}

fn find_spot(tree: &Tree, path: &VPath) -> Result<(Spot, Option<Statx>), Failure> {
    must_be_visible(path)?;
    Spot::find_to_write(tree, path)
}

fn must_be_visible(path: &VPath) -> Result<(), Failure> {
    match path.is_root() {
        true => Err(Failure::IsADirectory),
        false if !is_visible(path) => Err(Failure::BadName),
        false => Ok(()),
    }
}

/// Opens the finished file at a spot, which must still be that one, and says how long it is.
fn open_version(tree: &Tree, spot: &Spot, base: &str) -> Result<(OwnedFd, u64), Failure> {
    let (file, stat) = open_file(&tree.jail, spot.path(), READ, Lookup::Full)?;
    match base_of(Some(&stat)) == base {
        true => Ok((file, stat.stx_size)),
        false => Err(Failure::Busy),
    }
}

/// A file that is written where nobody sees it. It is locked as long as it is open, which tells
/// it from what a killed process has left.
struct Upload {
    tree: Arc<Tree>,
    spot: Spot,
    /// The name at the spot, as long as this is under way.
    _claim: Claim,
    /// The base of what stood at the spot when it was opened.
    base: String,
    file: Locked,
    place: Place,
    /// For a patch: the finished file, whose end it keeps, and its length.
    old: Option<(OwnedFd, u64)>,
    replace: bool,
    /// The permission bits of a file that replaces none.
    mode: u16,
    resumable: bool,
}

/// Where a file stands that is being written.
enum Place {
    /// Under a temporary name beside the file that it will become.
    Beside(String),
    /// Among the partials, in that directory, under that name.
    Filed(OwnedFd, Vec<u8>),
    /// It has come to its end.
    Settled,
}

impl Upload {
    /// A file of its own.
    fn fresh(
        tree: &Arc<Tree>,
        spot: Spot,
        base: String,
        request: &Request,
    ) -> Result<Self, Failure> {
        let claim = spot.claim();
        Self::claimed(tree, spot, base, request, claim)
    }

    /// A file of its own, under a name that is claimed.
    fn claimed(
        tree: &Arc<Tree>,
        spot: Spot,
        base: String,
        request: &Request,
        claim: Claim,
    ) -> Result<Self, Failure> {
        let temporary = create(&spot.directory).map_err(failure)?;
        Ok(Self::beside(tree, spot, base, request, claim, temporary))
    }

    /// A file of its own, which was just made beside the one that it will become.
    fn beside(
        tree: &Arc<Tree>,
        spot: Spot,
        base: String,
        request: &Request,
        claim: Claim,
        (file, name): (Locked, String),
    ) -> Self {
        if is_labelled(tree, &base) {
            stick(&file, &tree.account, &base, spot.name());
        }
        Self {
            tree: Arc::clone(tree),
            spot,
            _claim: claim,
            base,
            file,
            place: Place::Beside(name),
            old: None,
            replace: request.replace,
            mode: request.mode(tree),
            resumable: request.resumable,
        }
    }

    /// A copy of the first bytes of the finished file, which will keep its last ones.
    fn patch(
        tree: &Arc<Tree>,
        spot: Spot,
        base: String,
        request: &Request,
        at: u64,
    ) -> Result<Self, Failure> {
        let old = open_version(tree, &spot, &base)?;
        let mut upload = Self::fresh(tree, spot, base, request)?;
        copy(&old.0, &upload.file, 0, at).map_err(failure)?;
        seek(&upload.file, SeekFrom::Start(at)).map_err(failure)?;
        upload.old = Some(old);
        Ok(upload)
    }

    /// A partial that goes on at that byte.
    fn resume(
        tree: &Arc<Tree>,
        spot: Spot,
        base: String,
        request: &Request,
        at: u64,
        partial: &Statx,
    ) -> Result<Self, Failure> {
        let drawer = tree.drawer(&spot, Lookup::Full)?.ok_or(Failure::Busy)?;
        let directory = drawer.enter().map_err(failure)?;
        let filed = filed_name(spot.name());
        let file = open_at(&directory, &filed, WRITE).map_err(failure)?;
        let file = Locked::new(file).map_err(failure)?;
        let size = look(&file).map_err(failure)?.stx_size;
        // Who held it until now may have moved it or written to it.
        let named = look_at(&directory, &filed).map_err(failure)?;
        if identity(&named) != identity(partial) || size != partial.stx_size {
            return Err(Failure::Busy);
        }
        // One byte more than was told stays, so that the same is told again if nothing comes.
        if at + 1 < size {
            ftruncate(&file, at + 1).map_err(failure)?;
        }
        seek(&file, SeekFrom::Start(at)).map_err(failure)?;
        Ok(Self {
            tree: Arc::clone(tree),
            _claim: spot.claim(),
            spot,
            base,
            file,
            place: Place::Filed(directory, filed),
            old: None,
            replace: request.replace,
            mode: request.mode(tree),
            resumable: request.resumable,
        })
    }

    /// The directory and the name under which the file stands.
    fn stands_at(&self) -> Option<(BorrowedFd<'_>, &[u8])> {
        match &self.place {
            Place::Beside(name) => Some((self.spot.directory.as_fd(), name.as_bytes())),
            Place::Filed(directory, name) => Some((directory.as_fd(), name)),
            Place::Settled => None,
        }
    }

    /// Makes the file what it shall be under its name, and returns the base of what stands there.
    fn complete(&self) -> Result<String, Errno> {
        if let Some((old, whole)) = &self.old {
            let size = look(&self.file)?.stx_size;
            copy(old, &self.file, size, *whole).inspect_err(|_| {
                let _ = ftruncate(&self.file, size);
            })?;
        }
        if let Place::Filed(..) = self.place {
            cut(&self.file)?;
        }
        let stands = self.spot.look_at_name(Lookup::Full)?;
        match stands.filter(is_file) {
            Some(stat) => {
                // One that cannot be read keeps its attributes to itself.
                let old = open_at(&self.spot.directory, self.spot.name(), READ).ok();
                adorn_like(&self.tree, &self.file, old.as_ref(), &stat)?;
            }
            None => adorn_new(&self.tree, &self.file, &self.spot.directory, self.mode)?,
        }
        Ok(base_of(stands.as_ref()))
    }

    /// Gives the file its name.
    fn publish(&self) -> Result<(), Errno> {
        if is_labelled(&self.tree, &self.base) {
            strip(&self.file);
        }
        let from = self.stands_at().ok_or(Errno::NOENT)?;
        let to = (&self.spot.directory, self.spot.name());
        match rename(from, to, self.replace) {
            // The file is a mount of its own, or belongs to somebody in a sticky directory.
            Err(error) if self.replace && self.tree.overwrites_after(error) => {
                let old = open_at(&self.spot.directory, self.spot.name(), WRITE)?;
                overwrite(&self.file, old)?;
                self.remove();
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Keeps what arrived if it can be continued, or marks that it did not arrive whole.
    fn settle(&mut self, reason: Option<Reason>) {
        // A full disk shall not stay full.
        let room = !matches!(
            reason,
            Some(Reason::Storage(Failure::NoSpace | Failure::Quota))
        );
        match &self.place {
            Place::Settled => return,
            Place::Filed(..) if room && self.is_worth_keeping() => {
                self.enter();
            }
            Place::Beside(name) if reason != Some(Reason::Refused) && self.keeps() => {
                let kept = room && self.base == new_base() && self.keep(name) == Ok(());
                if kept {
                    self.enter();
                } else {
                    self.remove();
                    if self.base != new_base() {
                        // Where it cannot be marked there is no directory to change anything in.
                        let (directory, name) = (&self.spot.directory, self.spot.name());
                        let _ = mark(directory, name, &self.tree.account, &self.base);
                    }
                }
            }
            _ => self.remove(),
        }
        self.place = Place::Settled;
    }

    /// Whether it matters what was sent: nothing has taken its place meanwhile, in which case the
    /// client may long have sent it again.
    fn keeps(&self) -> bool {
        let partials = self.tree.options.partials != Partials::Off;
        let finished = || self.spot.look(&self.tree.jail, Lookup::Full);
        partials && finished().is_ok_and(|finished| base_of(finished.as_ref()) == self.base)
    }

    /// Whether some of what arrived can be continued, and may be kept.
    fn is_worth_keeping(&self) -> bool {
        let size = look(&self.file).map_or(0, |stat| stat.stx_size);
        let limit = self.tree.options.partials_size.unwrap_or(u64::MAX);
        self.resumable && resumable_length(size) > 0 && size <= limit
    }

    /// Files what arrived among the partials.
    fn keep(&self, name: &str) -> Result<(), Errno> {
        if !self.is_worth_keeping() {
            return Err(Errno::NODATA);
        }
        keep((&self.spot.directory, name), &self.spot, &self.tree.account)
    }

    /// Enters what is kept in the ledger.
    fn enter(&self) {
        let bytes = look(&self.file).map_or(0, |stat| stat.stx_size);
        self.tree.ledger.add(&self.tree, &self.spot, bytes);
    }

    /// Leaves everything as it is.
    fn forget(mut self) {
        self.place = Place::Settled;
    }

    fn remove(&self) {
        if let Some((directory, name)) = self.stands_at() {
            let _ = unlinkat(directory, name, AtFlags::empty());
        }
        if let Place::Filed(..) = self.place {
            // For the directories, which are empty now.
            let account = Some(&*self.tree.account);
            self.tree.clear(&self.spot, account, &[new_base()]);
        }
    }
}

impl BlockingSink for Upload {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        write_all(&self.file, bytes)
    }

    fn file(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }

    fn commit(mut self: Box<Self>) -> Result<(), Failure> {
        let durability = self.tree.options.durability;
        let whole = self.complete().map_err(failure).and_then(|replaced| {
            // If that fails, a second try would say nothing of these bytes: nobody shall continue
            // them.
            let flushed = durability.flush(&self.file);
            flushed.inspect_err(|_| self.resumable = false)?;
            self.spot.is_in_place(&self.tree.jail)?;
            Ok(replaced)
        });
        let replaced = whole.inspect_err(|failure| self.settle(Some(Reason::Storage(*failure))))?;
        let published = self.publish().map_err(failure);
        if published.is_err() {
            // It would fail again; nothing of it shall stand in the way of what may succeed.
            self.remove();
        }
        self.place = Place::Settled;
        published?;
        self.tree
            .clear(&self.spot, None, &[new_base(), &self.base, &replaced]);
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
