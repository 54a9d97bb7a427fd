//! [`Local`]: a local directory as a [`BlockingStorage`], out of which neither a path nor a link leads.
//!
//! It stands on calls that only Linux has: statx, O_PATH, renameat2, and openat2 where it is there.
#![cfg(target_os = "linux")]
#![deny(missing_debug_implementations)]

mod adorn;
mod append;
mod beneath;
mod claim;
mod directory;
mod durability;
mod edit;
mod failure;
mod guard;
mod in_place;
mod jail;
mod label;
mod ledger;
mod lock;
mod metadata;
mod mutex;
mod names;
mod open;
mod partial;
mod root;
mod shelf;
mod source;
mod spot;
mod sweep;
mod temporary;
mod upload;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Access, AtFlags, Statx, accessat, fstatvfs, makedev};
use rustix::io::Errno;
use wharf_core::{Capabilities, Changed, Edit, Failure, Metadata, Mode, Opened, VPath};

use crate::directory::Entries;

pub use crate::durability::Durability;
use crate::failure::failure;
pub use crate::guard::{Found, Guard};
use crate::jail::{Jail, Lookup};
use crate::ledger::Ledger;
pub use crate::ledger::sweep_due;
use crate::metadata::{look, metadata};
use crate::open::{ENTER, LOOK};
pub use crate::partial::Partials;
use crate::partial::{Cleared, Drawer, seen};
pub use crate::root::{Root, RootId, WeakRoot};
use crate::spot::{Spot, is_visible};
use crate::upload::{Begin, Request};
use wharf_storage::{BlockingHandle, BlockingOpening, BlockingStorage, Group};

/// Which symbolic links are followed. None ever leads out of the directory, not even in a race
/// with somebody who moves things about: each lookup sees to it (see [`LocalOptions::kernel_jail`]
/// for who does that).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// The directory is their root, as after `chroot`: an absolute link begins there, and `..`
    /// at the top stays there. Without the kernel's help this is [`Links::Beneath`].
    #[default]
    Root,
    /// Those that stay within the directory; an absolute link does not.
    Beneath,
    /// None.
    None,
}

/// How an upload replaces a file where the directory does not let it: there may no temporary file
/// be made, or the file is a mount of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replace {
    /// It does not, and is refused: the old file is never seen half overwritten.
    #[default]
    Rename,
    /// It is written into the old file. Where a temporary file can be made, only once all of it has
    /// arrived; otherwise as it arrives, so that one that breaks off leaves neither file.
    InPlaceIfNeeded,
}

/// How a [`Local`] behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalOptions {
    /// Which symbolic links are followed.
    pub links: Links,
    /// The permission bits that new files and directories do not get, where the client has not
    /// set its own. The `umask` of the process applies to directories too.
    pub umask: u16,
    /// What becomes of an upload that broke off.
    pub partials: Partials,
    /// For how long what can be continued is kept, at most until the system starts anew; zero is
    /// [`Partials::Off`].
    pub retention: Duration,
    /// How many bytes of uploads that broke off are kept of one account in one directory tree; the
    /// oldest go first. `None`: any number. Of more than 10,000 uploads nothing is kept either way.
    pub partials_size: Option<u64>,
    /// How an upload replaces a file where the directory does not let it.
    pub replace: Replace,
    /// What a power cut may take of the changes that were answered.
    pub durability: Durability,
    /// Whether the kernel keeps each lookup below the directory, which it does in one call of
    /// `openat2` (Linux has it since 5.6). Where it is missing or forbidden, and everywhere if this
    /// is false, the library `cap-std` does that: name by name, so more slowly and with a
    /// descriptor for each name meanwhile, but as safely. [`Links::Root`] then is
    /// [`Links::Beneath`], and the methods whose name ends in `_now` have no answer.
    pub kernel_jail: bool,
}

impl Default for LocalOptions {
    /// Links as after `chroot`, a umask of 022, uploads that broke off are kept for a day, in
    /// 100 GiB for each account, no wait for the disk, and lookups by the kernel.
    fn default() -> Self {
        Self {
            links: Links::default(),
            umask: 0o022,
            partials: Partials::default(),
            retention: Duration::from_secs(24 * 60 * 60),
            partials_size: Some(100 << 30),
            replace: Replace::default(),
            durability: Durability::default(),
            kernel_jail: true,
        }
    }
}

/// A local directory as one account sees it. Copies share what is opened.
///
/// - Names are bytes. A name that is `.wharf` or begins with `.wharf-` belongs to the storage:
///   there lies what uploads leave behind. By whatever name a file system finds that directory, or
///   a link leads to it, for clients it is not there.
/// - The directory itself has no mode for clients, and a directory keeps what its owner needs.
/// - An upload whose directory was moved meanwhile does not succeed, and is kept where the directory
///   is now. One in which another account could continue something is not removed.
/// - A link is followed by whoever reads or writes: an upload replaces what it leads to. Other
///   changes are made to the link itself. A link that leads nowhere within the directory is told as
///   such; it can be renamed and removed, but not written through.
/// - An upload that replaces a file keeps its permission bits, and its owner, group, ACL and `user.`
///   attributes as far as the process may give them; capabilities and set-user-ID are gone. A new
///   file has the bits that the default ACL of its directory says, else those of the mask.
/// - What arrived of an upload that broke off is kept where nothing finished stands under the name.
///   [`BlockingStorage::stat`] then tells its account of a [`Partial`](wharf_core::Kind::Partial), in whole
///   blocks of 4 KiB and less than arrived. Where a finished file stands nothing is kept, and until
///   the account has stored it anew the rest of it cannot be appended to the old one
///   ([`Failure::BrokenOff`]).
/// - Unless the directory is on a file system that is known to be local, as NFS and FUSE are not,
///   its calls are not [short](BlockingStorage::is_short), and the methods whose name ends in `_now` have
///   no answer. What is mounted deeper in the tree does not count.
#[derive(Clone)]
pub struct Local {
    tree: Arc<Tree>,
}

/// What the handles of a [`Local`] share.
struct Tree {
    jail: Arc<Jail>,
    /// What is on one device hangs together.
    group: Group,
    /// The partials that are known of, of all accounts.
    ledger: Arc<Ledger>,
    /// The directory name of the account's partials.
    account: String,
    options: LocalOptions,
}

/// Reads what a process that is confined later could not: until when uploads that broke off can be
/// continued.
pub fn prepare() {
    partial::new_base();
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("account", &self.tree.account)
            .field("options", &self.tree.options)
            .finish_non_exhaustive()
    }
}

impl Local {
    /// The directory `root` for an account; the bytes that name it must tell it from every other
    /// account that sees some of the same files.
    ///
    /// # Errors
    /// If `root` is not a directory that can be entered.
    pub fn open(root: &Path, account: &[u8], options: LocalOptions) -> io::Result<Self> {
        Root::open(root, options)?.account(account)
    }

    /// What an account sees of that directory.
    fn of(jail: Arc<Jail>, account: &[u8], mut options: LocalOptions) -> io::Result<Self> {
        // Nobody in particular could continue what another one has begun.
        if account.is_empty() || options.retention.is_zero() {
            options.partials = Partials::Off;
        }
        let root = look(jail.as_fd())?;
        let tree = Tree {
            group: Group(makedev(root.stx_dev_major, root.stx_dev_minor)),
            ledger: Ledger::of(&root, jail.path(), options),
            jail,
            account: partial::account_name(account),
            options,
        };
        Ok(Self {
            tree: Arc::new(tree),
        })
    }

    /// Removes what killed processes have left of their uploads, and partials beyond their time,
    /// in the whole tree and for all accounts; says how many it removed. It reads every
    /// directory, but may run while the tree is served.
    pub fn sweep(&self) -> usize {
        sweep::sweep(&self.tree)
    }
}

impl AsFd for Local {
    /// The directory itself, open only to look things up in it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tree.jail.as_fd()
    }
}

impl BlockingStorage for Local {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            // Nobody could follow them.
            symlink: self.tree.options.links != Links::None,
            ..Capabilities::ALL
        }
    }

    fn is_short(&self) -> bool {
        self.tree.jail.is_local()
    }

    fn group(&self) -> Group {
        self.tree.group
    }

    fn changes_are_short(&self) -> bool {
        self.tree.options.durability == Durability::Os
    }

    fn stat(&self, path: &VPath) -> Result<Metadata, Failure> {
        self.tree.stat(path, Lookup::Full)
    }

    fn stat_now(&self, path: &VPath) -> Option<Result<Metadata, Failure>> {
        unless_busy(self.tree.stat(path, Lookup::Cached))
    }

    fn change(&self, edit: Edit, path: &VPath, other: &VPath) -> Result<Changed, Failure> {
        edit::change(&self.tree, edit, path, other)
    }

    fn open(&self, mode: Mode, path: &VPath) -> Result<BlockingOpening, Failure> {
        let request = match mode {
            Mode::Read { offset } => return self.tree.read(path, offset, Lookup::Full),
            Mode::List(scope) => return Entries::open(&self.tree, path, scope, Lookup::Full),
            Mode::Unique { umask, resumable } => {
                return upload::open_unique(&self.tree, path, umask, resumable);
            }
            Mode::Write {
                at,
                replace,
                umask,
                resumable,
                expected: _,
            } => Request {
                begin: Begin::At(at),
                replace,
                umask,
                resumable,
            },
            Mode::Append {
                told,
                replace,
                umask,
                resumable,
                expected: _,
            } => Request {
                begin: Begin::Behind { told },
                replace,
                umask,
                resumable,
            },
        };
        let sink = upload::open(&self.tree, path, request)?;
        Ok(BlockingOpening {
            opened: Opened::default(),
            handle: BlockingHandle::Sink(sink),
        })
    }

    fn open_now(&self, mode: Mode, path: &VPath) -> Option<Result<BlockingOpening, Failure>> {
        match mode {
            Mode::Read { offset } => unless_busy(self.tree.read(path, offset, Lookup::Cached)),
            Mode::List(scope) => {
                unless_busy(Entries::open(&self.tree, path, scope, Lookup::Cached))
            }
            _ => None,
        }
    }

    fn text_size(&self, path: &VPath, limit: u64) -> Result<u64, Failure> {
        source::text_size(&self.tree, path, limit)
    }

    fn available(&self, path: &VPath) -> Result<u64, Failure> {
        if !is_visible(path) {
            return Err(Failure::NotFound);
        }
        let directory = self.tree.jail.find(path.relative(), LOOK, Lookup::Full);
        let space = directory.and_then(fstatvfs).map_err(failure)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }
}

impl Tree {
    fn stat(&self, path: &VPath, lookup: Lookup) -> Result<Metadata, Failure> {
        if !is_visible(path) {
            return Err(Failure::NotFound);
        }
        if path.is_root() {
            let root = self.jail.find(path.relative(), LOOK, lookup);
            let seen = metadata(&root.and_then(look).map_err(failure)?);
            return Ok(self.with_entrance(path, seen, lookup));
        }
        let spot = Spot::find(&self.jail, path, lookup)?;
        match spot.look(&self.jail, lookup) {
            Ok(Some(finished)) => {
                return Ok(self.with_entrance(path, metadata(&finished), lookup));
            }
            Ok(None) => {}
            // A link that leads nowhere is nothing but itself.
            Err(Errno::NOENT | Errno::LOOP | Errno::XDEV) => {
                let link = spot.look_at_name(lookup).map_err(failure)?;
                return link.map(|link| metadata(&link)).ok_or(Failure::NotFound);
            }
            Err(error) => return Err(failure(error)),
        }
        let partial = self.partial(&spot, lookup)?;
        let partial = partial.map(|partial| seen(&partial, self.new_mode()));
        partial.ok_or(Failure::NotFound)
    }

    /// Whether a file is written over in place, now that the directory has refused something else:
    /// because nothing new may stand there, or the file is a mount of its own.
    fn overwrites_after(&self, error: Errno) -> bool {
        let refused = matches!(
            error,
            Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::BUSY | Errno::XDEV
        );
        refused && self.options.replace == Replace::InPlaceIfNeeded
    }

    /// The permission bits of a new file.
    fn new_mode(&self) -> u16 {
        0o666 & !self.options.umask
    }

    /// The same, and whether it can be entered if it is a directory.
    fn with_entrance(&self, path: &VPath, mut seen: Metadata, lookup: Lookup) -> Metadata {
        if seen.kind.is_directory() {
            let entered = self.jail.find(path.relative(), ENTER, lookup);
            let entered = entered
                .and_then(|directory| accessat(directory, ".", Access::EXEC_OK, AtFlags::EACCESS));
            seen.enterable = Some(entered != Err(Errno::ACCESS));
        }
        seen
    }

    fn read(&self, path: &VPath, offset: u64, lookup: Lookup) -> Result<BlockingOpening, Failure> {
        let (source, size) = source::open(self, path, offset, lookup)?;
        Ok(BlockingOpening {
            opened: Opened::file(Some(size)),
            handle: BlockingHandle::Source(Box::new(source)),
        })
    }

    /// Removes what an account, or all, have left of uploads of the name at a spot: what could be
    /// continued, and marks over these versions.
    fn clear(&self, spot: &Spot, account: Option<&str>, bases: &[&str]) -> Cleared {
        self.ledger.forget(account, spot.path());
        partial::clear(&spot.directory, account, spot.name(), bases)
    }

    /// The base of what stands at a spot.
    fn base(&self, spot: &Spot) -> String {
        let stands = spot.look_at_name(Lookup::Full).ok().flatten();
        partial::base_of(stands.as_ref())
    }

    /// The account's partials in a directory, and its marks.
    fn drawer_in(&self, directory: impl AsFd, lookup: Lookup) -> Result<Option<Drawer>, Failure> {
        if self.options.partials == Partials::Off {
            return Ok(None);
        }
        let retention = self.options.retention;
        let resolver = self.jail.resolver();
        let drawer = Drawer::open(resolver, directory, &self.account, retention, lookup);
        drawer.map_err(failure)
    }

    /// The account's partials in the directory of a spot.
    fn drawer(&self, spot: &Spot, lookup: Lookup) -> Result<Option<Drawer>, Failure> {
        self.drawer_in(&spot.directory, lookup)
    }

    /// The account's partial of the name at a spot, where nothing finished stands.
    fn partial(&self, spot: &Spot, lookup: Lookup) -> Result<Option<Statx>, Failure> {
        let drawer = self.drawer(spot, lookup)?;
        let partial = drawer.map(|drawer| drawer.find(spot.name(), lookup));
        partial.transpose().map(Option::flatten).map_err(failure)
    }
}

/// A lookup that would have to wait is busy, and so is worth a blocking one.
fn unless_busy<T>(result: Result<T, Failure>) -> Option<Result<T, Failure>> {
    match result {
        Err(Failure::Busy) => None,
        result => Some(result),
    }
}
