//! [`Jail`]: the only way from a path of the virtual tree into the file system.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bstr::{BStr, ByteSlice};
use cap_std::fs::Dir;
use rustix::fs::{
    CWD, Mode, OFlags, ResolveFlags, Statx, StatxFlags, fstatfs, openat, openat2, readlinkat,
};
use rustix::io::Errno;
use wharf_core::VPath;

use crate::beneath::{follow, walk};
use crate::metadata::{Identity, identity, kind, look, look_at};
use crate::mutex::lock;
use crate::open::{ENTER, LIST, LOOK, LOOK_AT_LINK, open_at};
use crate::spot::PARTIALS;
use crate::{Links, LocalOptions};

/// How often a lookup is tried again when a rename crossed it.
const TRIES: usize = 64;

/// The magic number of the file system that has no disk.
const TMPFS: u32 = 0x0102_1994;

/// How many links are followed one after the other.
pub(crate) const MOST_LINKS: usize = 40;

/// Whether a lookup may wait for the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// It may.
    Full,
    /// If it would have to, it is `EAGAIN`.
    Cached,
}

/// Who resolves paths.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolver {
    /// The kernel, with one call of openat2.
    Kernel,
    /// This process, where that call is missing. It cannot tell whether it would have to wait.
    Process,
}

/// A directory that no lookup leaves, whatever links are in it and whoever renames what.
pub(crate) struct Jail {
    root: Dir,
    /// Which directory that is.
    identity: Identity,
    links: Links,
    resolver: Resolver,
    /// What the kernel has in memory it gives without asking anybody.
    is_local: bool,
    /// Where it was opened, for warnings.
    path: PathBuf,
    /// What was warned of.
    warned: Mutex<BTreeSet<&'static str>>,
    /// Directories that were found not to belong to the storage, the latest first. They never will:
    /// no client can move one there.
    known: Mutex<VecDeque<Born>>,
}

/// Which directory it is, and since when: a number is used again when a directory is removed.
type Born = (Identity, (i64, u32));

/// So many directories are remembered.
const MOST_KNOWN: usize = 64;

impl Jail {
    /// The jail whose root is the directory at that path.
    pub(crate) fn open(path: &Path, options: &LocalOptions) -> io::Result<Self> {
        Self::of(openat(CWD, path, ENTER, Mode::empty())?, path, options)
    }

    /// The jail whose root is that directory, which was opened to look things up in it.
    pub(crate) fn of(root: OwnedFd, path: &Path, options: &LocalOptions) -> io::Result<Self> {
        let (root, path) = (Dir::from(root), path.to_owned());
        let resolver = if options.kernel_jail && has_openat2(&root)? {
            Resolver::Kernel
        } else {
            Resolver::Process
        };
        Ok(Self {
            is_local: is_local(&root)?,
            identity: identity(&look(&root)?),
            root,
            links: options.links,
            resolver,
            path,
            warned: Mutex::default(),
            known: Mutex::default(),
        })
    }

    /// Says once that something which only adorns a file could not be had.
    pub(crate) fn warn_once<T>(&self, outcome: Result<T, Errno>, what: &'static str) {
        if let Err(error) = outcome {
            let mut warned = lock(&self.warned);
            if warned.insert(what) {
                tracing::warn!(home = %self.path.display(), %error, "{what}");
            }
        }
    }

    /// Where it was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the log calls a directory.
    pub(crate) fn place(&self, directory: &BStr) -> PathBuf {
        self.path.join(OsStr::from_bytes(directory))
    }

    /// The root.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Whether its disk answers for itself; others may hang for as long as they like.
    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    pub(crate) fn resolver(&self) -> Resolver {
        self.resolver
    }

    /// Whether that is its root, by whatever name.
    pub(crate) fn is_root(&self, stat: &Statx) -> bool {
        identity(stat) == self.identity
    }

    /// Opens what stands at a path relative to the root. What belongs to the storage does not exist,
    /// however its name is spelled: some file systems take many for the same.
    pub(crate) fn find(
        &self,
        path: &BStr,
        flags: OFlags,
        lookup: Lookup,
    ) -> Result<OwnedFd, Errno> {
        self.identify(path, flags, lookup).map(|(found, _)| found)
    }

    /// The same, and says what it is.
    pub(crate) fn identify(
        &self,
        path: &BStr,
        flags: OFlags,
        lookup: Lookup,
    ) -> Result<(OwnedFd, Identity), Errno> {
        if lookup == Lookup::Cached && !self.is_local {
            return Err(Errno::AGAIN);
        }
        if path.starts_with(b"/") && self.links != Links::Root {
            return Err(Errno::XDEV);
        }
        let mut path = Cow::Borrowed(&**path);
        for _ in 0..MOST_LINKS {
            let (parent, name) = split(&path);
            if path.is_empty() {
                return Ok((self.resolve(&path, flags, lookup)?, self.identity));
            }
            if matches!(name, b"" | b"." | b"..") {
                // The root, or a directory to which a link leads by dots.
                let found = self.resolve(&path, flags, lookup)?;
                let identity = self.check_from_above(&found, lookup)?;
                return Ok((found, identity));
            }
            let directory = self.enter(parent, lookup)?;
            let directory = directory.as_ref().map_or(self.as_fd(), AsFd::as_fd);
            match self.resolver.open_below(directory, name, flags, lookup) {
                Err(Errno::LOOP) if self.links != Links::None && lookup == Lookup::Full => {
                    let text = readlinkat(directory, name, Vec::new())?;
                    let target = self.target(&path, text.to_bytes()).ok_or(Errno::XDEV)?;
                    path = Cow::Owned(target);
                }
                // What a link says may not be in memory.
                Err(Errno::LOOP) if self.links != Links::None => return Err(Errno::AGAIN),
                found => {
                    let found = found?;
                    let stat = look(&found)?;
                    self.check(directory, &stat, lookup)?;
                    return Ok((found, identity(&stat)));
                }
            }
        }
        Err(Errno::LOOP)
    }

    /// Opens the directory at a path, to look things up in it; `None`: it is the root.
    fn enter(&self, path: &[u8], lookup: Lookup) -> Result<Option<OwnedFd>, Errno> {
        if path.is_empty() {
            return Ok(None);
        }
        let directory = self.resolve(path, ENTER, lookup)?;
        self.check_from_above(&directory, lookup)?;
        Ok(Some(directory))
    }

    /// Opens what stands at a path, whatever it is.
    fn resolve(&self, path: &[u8], flags: OFlags, lookup: Lookup) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        let links = match self.links {
            Links::None => return self.resolver.open_below(&self.root, path, flags, lookup),
            Links::Root => ResolveFlags::IN_ROOT,
            Links::Beneath => ResolveFlags::BENEATH,
        };
        match (self.resolver, lookup) {
            (Resolver::Kernel, _) => resolve(&self.root, path, flags, links, lookup),
            (Resolver::Process, Lookup::Full) => follow(&self.root, path, flags),
            (Resolver::Process, Lookup::Cached) => Err(Errno::AGAIN),
        }
    }

    /// Whether what was found in a directory, which does not belong to the storage, does: then it is not
    /// there.
    fn check(&self, directory: BorrowedFd<'_>, found: &Statx, lookup: Lookup) -> Result<(), Errno> {
        let born = born(found).filter(|_| kind(found).is_directory());
        if self.knows(born) {
            return Ok(());
        }
        self.resolver.check(directory, found, lookup)?;
        self.remember(born);
        Ok(())
    }

    /// Whether that directory is known not to belong to the storage.
    fn knows(&self, born: Option<Born>) -> bool {
        born.is_some_and(|born| lock(&self.known).contains(&born))
    }

    fn remember(&self, born: Option<Born>) {
        if let Some(born) = born {
            let mut known = lock(&self.known);
            known.truncate(MOST_KNOWN - 1);
            known.push_front(born);
        }
    }

    /// Says which directory that is which is open. One that belongs to the storage, or is below such a
    /// one, is not there.
    fn check_from_above(&self, directory: &OwnedFd, lookup: Lookup) -> Result<Identity, Errno> {
        let mut stat = look(directory)?;
        let (found, born) = (identity(&stat), born(&stat));
        if self.knows(born) {
            return Ok(found);
        }
        let mut above: Option<OwnedFd> = None;
        while !self.is_root(&stat) {
            let here = above.as_ref().unwrap_or(directory);
            let parent = open_at(here, b"..", ENTER)?;
            let next = look(&parent)?;
            if identity(&next) == identity(&stat) {
                // Somebody has moved it out of the root meanwhile.
                return Ok(found);
            }
            self.resolver.check(&parent, &stat, lookup)?;
            (stat, above) = (next, Some(parent));
        }
        self.remember(born);
        Ok(found)
    }

    /// The way to what a link at `path` with that text leads to, if such links are followed. The
    /// lookup of it sees to it that it stays in the jail.
    pub(crate) fn target(&self, path: &[u8], text: &[u8]) -> Option<Vec<u8>> {
        let rooted = (self.links, self.resolver) == (Links::Root, Resolver::Kernel);
        match (self.links, text.strip_prefix(b"/")) {
            (Links::None, _) => None,
            (_, Some(text)) => rooted.then(|| text.trim_start_with(|c| c == '/').to_vec()),
            (_, None) => {
                let parent = path.rfind_byte(b'/').map_or(0, |slash| slash + 1);
                Some([&path[..parent], text].concat())
            }
        }
    }

    /// Opens a directory, by a path without links, to read it.
    pub(crate) fn list(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        self.resolver
            .open_below(&self.root, path, LIST, Lookup::Full)
    }

    /// Opens what a link in the directory `here` points to, by the text of the link.
    pub(crate) fn find_target(&self, here: &VPath, text: &[u8]) -> Result<OwnedFd, Errno> {
        let path = match text.first() {
            Some(b'/') => text.to_vec(),
            _ if here.is_root() => text.to_vec(),
            _ => [here.relative(), b"/".as_slice(), text].concat(),
        };
        match self.resolver {
            Resolver::Kernel => self.find(BStr::new(&path), LOOK, Lookup::Full),
            // Whatever the policy: the text may well lead up and down again.
            Resolver::Process => follow(&self.root, &path, LOOK),
        }
    }
}

impl Resolver {
    /// Opens what stands below a directory, through no link at all.
    pub(crate) fn open_below(
        self,
        directory: impl AsFd,
        path: &[u8],
        flags: OFlags,
        lookup: Lookup,
    ) -> Result<OwnedFd, Errno> {
        let links = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match (self, lookup) {
            (Self::Kernel, _) => resolve(directory, path, flags, links, lookup),
            (Self::Process, Lookup::Full) => walk(directory, path, flags),
            (Self::Process, Lookup::Cached) => Err(Errno::AGAIN),
        }
    }

    /// Whether something that was found in a directory belongs to the storage: then it is not
    /// there.
    pub(crate) fn check(
        self,
        directory: impl AsFd,
        found: &Statx,
        lookup: Lookup,
    ) -> Result<(), Errno> {
        let may_be_hidden = kind(found).is_directory();
        if may_be_hidden && self.hidden_in(directory, lookup)? == Some(identity(found)) {
            return Err(Errno::NOENT);
        }
        Ok(())
    }

    /// The directory of partials in a directory, if there is one.
    pub(crate) fn hidden_in(
        self,
        directory: impl AsFd,
        lookup: Lookup,
    ) -> Result<Option<Identity>, Errno> {
        let found = match lookup {
            Lookup::Full => look_at(&directory, PARTIALS),
            Lookup::Cached => {
                let found = self.open_below(&directory, PARTIALS, LOOK_AT_LINK, lookup);
                match found.and_then(look) {
                    // It forgets which names there are not, and has all others in memory.
                    Err(Errno::AGAIN) if is_in_memory(&directory) => look_at(&directory, PARTIALS),
                    found => found,
                }
            }
        };
        match found {
            Ok(stat) => Ok(kind(&stat).is_directory().then(|| identity(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Which directory it is, and since when, where the file system tells.
fn born(stat: &Statx) -> Option<Born> {
    let tells = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    let since = (stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec);
    tells.then(|| (identity(stat), since))
}

/// The way to a name, and the name. A link may have any number of slashes in it.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.rfind_byte(b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// Whether a directory is on the file system that has no disk.
fn is_in_memory(directory: impl AsFd) -> bool {
    fstatfs(directory).is_ok_and(|found| u32::try_from(found.f_type) == Ok(TMPFS))
}

/// Whether a directory is on one of the file systems that need nobody else, by their magic numbers:
/// to open a file on others, such as NFS or FUSE, sends a message and waits for the answer, even if
/// the name is in memory.
fn is_local(directory: impl AsFd) -> io::Result<bool> {
    const BCACHEFS: u32 = 0xca45_1a4e;
    const BTRFS: u32 = 0x9123_683e;
    const EXT: u32 = 0xef53;
    const F2FS: u32 = 0xf2f5_2010;
    const OVERLAY: u32 = 0x794c_7630;
    const XFS: u32 = 0x5846_5342;
    const ZFS: u32 = 0x2fc1_2fc1;
    let kind = u32::try_from(fstatfs(directory)?.f_type);
    Ok(matches!(
        kind,
        Ok(BCACHEFS | BTRFS | EXT | F2FS | OVERLAY | TMPFS | XFS | ZFS)
    ))
}

/// Whether the kernel resolves paths: Linux does since 5.6, but some sandboxes forbid it.
fn has_openat2(root: &Dir) -> io::Result<bool> {
    match resolve(root, b".", ENTER, ResolveFlags::BENEATH, Lookup::Full) {
        Ok(_) => Ok(true),
        Err(Errno::NOSYS | Errno::PERM) => Ok(false),
        Err(error) => Err(error.into()),
    }
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
        // Beyond a mount another file system may have to be asked.
        how |= ResolveFlags::CACHED | ResolveFlags::NO_XDEV;
        tries = 1;
    }
    loop {
        tries -= 1;
        match openat2(&directory, path, flags, Mode::empty(), how) {
            Err(Errno::AGAIN | Errno::INTR) if tries > 0 => {}
            // Before 5.12 the kernel cannot tell whether it would have to wait.
            Err(Errno::INVAL | Errno::XDEV) if lookup == Lookup::Cached => {
                return Err(Errno::AGAIN);
            }
            result => return result,
        }
    }
}
