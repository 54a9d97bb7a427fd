//! Partials: what uploads that broke off leave behind, under `.wharf` in the directory of the file.
//!
//! Where nothing finished stands under the name `f`, what arrived lies at
//! `.wharf/<account>/new-<boot>/f.partial`, and can be continued until the system starts anew: what
//! it had not yet written to the disk then reads as zeros. Where a finished file stands nothing is
//! continued: an empty file at `.wharf/<account>/<version>/f.partial` marks that the last upload of
//! the account over this version broke off. The version is the identity and the length of the
//! finished file, so that whoever replaces it has lost the marks: they are no longer found.
//!
//! Whoever writes to a partial, removes it or moves it holds its lock. Hence a partial that is
//! being continued stays what it is until that upload ends.

use std::ffi::CStr;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bstr::BStr;
use rustix::fs::{AtFlags, Mode, OFlags, Statx, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use rustix::path::Arg;
use wharf_core::{Kind, Metadata};

use crate::jail::{Lookup, Resolver};
use crate::lock::Locked;
use crate::metadata::{fnv, identity, is_file, look, look_at, metadata};
use crate::names::Names;
use crate::open::{ENTER, LIST, LOOK_AT_LINK, READ, WRITE, open_at};
use crate::spot::{PARTIALS, Spot, rename};

/// What is to become of an upload that broke off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Partials {
    /// Nothing of it is kept.
    Off,
    /// It can be continued, and SIZE tells from where.
    #[default]
    Resume,
    /// LIST and MLSD tell that too, for clients that look there before they continue.
    Listed,
}

/// What the base of partials that have no file beside them begins with.
const NEW: &str = "new";

/// A name for the time since the system has started.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// What the name of a partial ends in, so that no pattern for finished files matches it.
const SUFFIX: &[u8] = b".partial";

/// The longest name that a file system takes.
const MAX_NAME: usize = 255;

/// A partial can be continued at multiples of this, and at least one byte before what arrived: so
/// whoever continues it has something left to send, and is told whether that was kept.
const BLOCK: u64 = 4096;

/// For how long a leftover of an unknown process is left alone that cannot be locked.
const UNLOCKED: Duration = Duration::from_secs(60 * 60);

/// How often directories are made again that somebody else found empty and removed.
const TRIES: usize = 8;

/// The directory name of an account: no two accounts share one (but for a hash of 128 bits).
pub(crate) fn account_name(account: &[u8]) -> String {
    // Longer ones would not fit in a name.
    if account.len() > 127 {
        return format!("hash-{:032x}", fnv(account));
    }
    account
        .iter()
        .fold(String::from("a"), |name, byte| format!("{name}{byte:02x}"))
}

/// The base of partials that have no file beside them.
pub(crate) fn new_base() -> &'static str {
    static BASE: OnceLock<String> = OnceLock::new();
    // Read once, since a process that was confined meanwhile may no longer.
    BASE.get_or_init(|| {
        let boot = fs::read(BOOT).unwrap_or_else(|_| {
            // Then they last as long as this process, of which only the time is known.
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.unwrap_or_default().as_nanos().to_le_bytes().to_vec()
        });
        format!("{NEW}-{:032x}", fnv(&boot))
    })
}

/// The base of a partial or mark for the file that stands under its name.
pub(crate) fn base_of(finished: Option<&Statx>) -> String {
    let Some(stat) = finished else {
        return new_base().to_owned();
    };
    let (device, inode) = identity(stat);
    let bytes = [device, inode, stat.stx_size].map(u64::to_le_bytes);
    format!("{:032x}", fnv(bytes.as_flattened()))
}

/// How much of an upload that broke off after so many bytes can be continued.
pub(crate) const fn resumable_length(arrived: u64) -> u64 {
    arrived.saturating_sub(1) / BLOCK * BLOCK
}

/// The name of a file's partial among others of its base.
pub(crate) fn filed_name(name: &[u8]) -> Vec<u8> {
    if name.len() + SUFFIX.len() > MAX_NAME {
        return format!("{:032x}.long", fnv(name)).into_bytes();
    }
    [name, SUFFIX].concat()
}

/// The partials of one account in one directory.
pub(crate) struct Drawer {
    resolver: Resolver,
    directory: OwnedFd,
    retention: Duration,
}

impl Drawer {
    /// Those of the account in the directory; `None` if there is none, as is mostly so.
    pub(crate) fn open(
        resolver: Resolver,
        directory: impl AsFd,
        account: &str,
        retention: Duration,
        lookup: Lookup,
    ) -> Result<Option<Self>, Errno> {
        let path = [PARTIALS, b"/", account.as_bytes()].concat();
        let directory = found(resolver.open_below(directory, &path, ENTER, lookup))?;
        Ok(directory.map(|directory| Self {
            resolver,
            directory,
            retention,
        }))
    }

    /// The partial of a name under which nothing finished stands, if some of it can be continued.
    pub(crate) fn find(&self, name: &[u8], lookup: Lookup) -> Result<Option<Statx>, Errno> {
        self.find_filed(&filed_name(name), lookup)
    }

    /// The same by the name of the partial itself.
    fn find_filed(&self, filed: &[u8], lookup: Lookup) -> Result<Option<Statx>, Errno> {
        let stat = self.look(new_base(), filed, lookup)?;
        Ok(stat.filter(|stat| resumable_length(stat.stx_size) > 0))
    }

    /// Whether the last upload over that finished file broke off.
    pub(crate) fn is_marked(&self, name: &[u8], finished: &Statx) -> Result<bool, Errno> {
        let base = base_of(Some(finished));
        let mark = self.look(&base, &filed_name(name), Lookup::Full)?;
        Ok(mark.is_some())
    }

    fn look(&self, base: &str, filed: &[u8], lookup: Lookup) -> Result<Option<Statx>, Errno> {
        let path = [base.as_bytes(), b"/", filed].concat();
        let opened = self
            .resolver
            .open_below(&self.directory, &path, LOOK_AT_LINK, lookup);
        let stat = found(opened)?.map(look).transpose()?;
        Ok(stat.filter(|stat| is_file(stat) && !is_older(stat, self.retention)))
    }

    /// The partials that have no file, to be looked at one by one.
    pub(crate) fn news(self) -> Result<Option<News>, Errno> {
        let names = open_at(&self.directory, new_base().as_bytes(), LIST);
        Ok(found(names)?.map(|names| News {
            drawer: self,
            names: Names::new(names),
        }))
    }

    /// Opens the directory of the partials that have no file.
    pub(crate) fn enter(&self) -> Result<OwnedFd, Errno> {
        open_at(&self.directory, new_base().as_bytes(), ENTER)
    }
}

/// The partials of one account in one directory that have no file.
pub(crate) struct News {
    drawer: Drawer,
    names: Names,
}

impl News {
    /// The next one whose name is not taken in the directory, and the name of its file.
    pub(crate) fn next(&mut self, directory: impl AsFd) -> Result<Option<(&[u8], Statx)>, Errno> {
        while self.names.advance()? {
            let filed = self.names.name().to_bytes();
            let Some(name) = filed.strip_suffix(SUFFIX) else {
                continue;
            };
            if look_at(&directory, name).is_ok() {
                continue;
            }
            if let Some(stat) = self.drawer.find_filed(filed, Lookup::Full)? {
                // Borrowed anew: a borrow that is returned would last for the whole loop.
                let name = self.names.name().to_bytes();
                return Ok(Some((&name[..name.len() - SUFFIX.len()], stat)));
            }
        }
        Ok(None)
    }
}

/// What the owner of a partial sees of it; `mode` is that of a new file.
pub(crate) fn seen(partial: &Statx, mode: u16) -> Metadata {
    Metadata {
        kind: Kind::Partial,
        size: resumable_length(partial.stx_size),
        mode: Some(mode),
        ..metadata(partial)
    }
}

/// Whether an account other than this one could continue something in a directory.
pub(crate) fn others_could_continue(
    directory: impl AsFd,
    account: &str,
    retention: Duration,
) -> bool {
    let mut found = false;
    for_each_new(directory, |owner, _, stat| {
        found |= owner != account.as_bytes() && !is_older(stat, retention);
    });
    found
}

/// Visits the partials of all accounts in a directory that have no file: the name of the account,
/// that of the file, and what is there.
pub(crate) fn for_each_new(directory: impl AsFd, mut visit: impl FnMut(&[u8], &[u8], &Statx)) {
    let Ok(partials) = open_at(directory, PARTIALS, LIST) else {
        return;
    };
    for_each_directory(partials, |partials, owner| {
        let path = [owner.to_bytes(), b"/", new_base().as_bytes()].concat();
        let files = Resolver::Process.open_below(partials, &path, LIST, Lookup::Full);
        let Ok(files) = files else {
            return;
        };
        let mut files = Names::new(files);
        while let Ok(true) = files.advance() {
            let name = files.name().to_bytes();
            if let (Some(name), Ok(stat)) =
                (name.strip_suffix(SUFFIX), look_at(&files, files.name()))
            {
                visit(owner.to_bytes(), name, &stat);
            }
        }
    });
}

/// Moves a file that the caller has locked to where the partials of the spot are that have no
/// file, in place of one that nobody continues.
pub(crate) fn keep(from: (impl AsFd, &str), spot: &Spot, account: &str) -> Result<(), Errno> {
    let (directory, name) = (&spot.directory, spot.name());
    within(directory, name, account, new_base(), |directory, filed| {
        rename((&from.0, from.1), (directory, filed), false)
    })
}

/// Marks that the last upload over the finished file of that name and base broke off.
pub(crate) fn mark(
    directory: impl AsFd,
    name: &[u8],
    account: &str,
    base: &str,
) -> Result<(), Errno> {
    within(directory, name, account, base, |directory, filed| {
        // Who may write here may have put a pipe there, for whose other end nobody waits.
        let mode = Mode::RUSR | Mode::WUSR;
        openat(
            directory,
            filed,
            WRITE | OFlags::CREATE | OFlags::NOFOLLOW,
            mode,
        )
        .map(drop)
    })
}

/// Files something for a name, in place of what was filed for it before.
fn within(
    directory: impl AsFd,
    name: &[u8],
    account: &str,
    base: &str,
    file: impl Fn(&OwnedFd, &[u8]) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let filed = filed_name(name);
    let mut outcome = Err(Errno::BUSY);
    for _ in 0..TRIES {
        clear(&directory, Some(account), name, &[new_base(), base]);
        outcome = make_directories(&directory, account, base)
            .and_then(|directory| file(&directory, &filed));
        if outcome != Err(Errno::NOENT) {
            break;
        }
    }
    outcome
}

fn make_directories(directory: impl AsFd, account: &str, base: &str) -> Result<OwnedFd, Errno> {
    let mut parent = open_at(directory, b".", ENTER)?;
    for name in [PARTIALS, account.as_bytes(), base.as_bytes()] {
        match mkdirat(&parent, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        parent = open_at(&parent, name, ENTER)?;
    }
    Ok(parent)
}

/// What became of the partials that were to be removed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cleared {
    /// How many were removed.
    pub(crate) removed: usize,
    /// How many stay because somebody continues them.
    pub(crate) held: usize,
}

/// Removes the partials and marks of a name and these bases, of one account or of all, and the
/// directories that are empty then. What cannot be removed stays. It costs the same however many
/// there are of other names.
pub(crate) fn clear(
    directory: impl AsFd,
    account: Option<&str>,
    name: &[u8],
    bases: &[&str],
) -> Cleared {
    let mut cleared = Cleared::default();
    let filed = [&filed_name(name)[..], b"\0"].concat();
    let Ok(filed) = CStr::from_bytes_with_nul(&filed) else {
        return cleared;
    };
    let Ok(partials) = open_at(&directory, PARTIALS, LIST) else {
        return cleared;
    };
    let mut clear_owner = |partials: BorrowedFd<'_>, owner: &[u8]| {
        let Ok(drawer) = open_at(partials, owner, ENTER) else {
            return;
        };
        for base in bases {
            let Ok(files) = open_at(&drawer, base.as_bytes(), ENTER) else {
                continue;
            };
            match remove_unless_held(&files, filed, None) {
                Ok(Some(_)) => cleared.removed += 1,
                Err(Errno::AGAIN) => cleared.held += 1,
                _ => {}
            }
            remove_directory(&drawer, *base);
        }
        remove_directory(partials, owner);
    };
    match account {
        Some(account) => clear_owner(partials.as_fd(), account.as_bytes()),
        None => for_each_directory(partials, |partials, owner| {
            clear_owner(partials.as_fd(), owner.to_bytes());
        }),
    }
    remove_directory(directory, PARTIALS);
    cleared
}

/// Removes the partials and marks of all accounts in a directory, each with a line in the log, and
/// the directories that are empty then; says how many. `age` says, by account and base, for how
/// long nobody may have written to those that go.
pub(crate) fn clear_all(
    directory: impl AsFd,
    place: &Path,
    age: impl Fn(&[u8], &[u8]) -> Option<Duration>,
) -> usize {
    let mut removed = 0;
    let Ok(partials) = open_at(&directory, PARTIALS, LIST) else {
        return removed;
    };
    for_each_directory(partials, |partials, owner| {
        if let Ok(drawer) = open_at(partials, owner.to_bytes(), LIST) {
            for_each_directory(drawer, |drawer, base| {
                if let Ok(files) = open_at(drawer, base.to_bytes(), LIST) {
                    let age = age(owner.to_bytes(), base.to_bytes());
                    removed += clear_base(files, place, age);
                }
                remove_directory(drawer, base);
            });
        }
        remove_directory(partials, owner);
    });
    remove_directory(directory, PARTIALS);
    removed
}

fn clear_base(files: OwnedFd, place: &Path, age: Option<Duration>) -> usize {
    let mut files = Names::new(files);
    let mut removed = 0;
    while let Ok(true) = files.advance() {
        if let Ok(Some(bytes)) = remove_unless_held(&files, files.name(), age) {
            let name = BStr::new(files.name().to_bytes());
            let directory = place.display();
            tracing::info!(%directory, ?name, bytes, "removed what was left of an upload");
            removed += 1;
        }
    }
    removed
}

fn for_each_directory(directory: OwnedFd, mut visit: impl FnMut(&Names, &CStr)) {
    let mut names = Names::new(directory);
    while let Ok(true) = names.advance() {
        if names.may_be_directory() {
            visit(&names, names.name());
        }
    }
}

/// Removes a directory if it is empty.
fn remove_directory(parent: impl AsFd, name: impl Arg) {
    // Failing is the common case: it is still in use.
    let _ = unlinkat(parent, name, AtFlags::REMOVEDIR);
}

/// Removes a file that belongs to the storage, if it is old enough, and says how long it was;
/// `EAGAIN` if somebody holds it.
pub(crate) fn remove_unless_held(
    directory: impl AsFd,
    name: &CStr,
    age: Option<Duration>,
) -> Result<Option<u64>, Errno> {
    let file = match open_at(&directory, name.to_bytes(), READ) {
        Err(Errno::LOOP) => return remove_link(directory, name),
        file => Locked::new(file?)?,
    };
    let stat = look(&file)?;
    // Another process may hold it and nobody can tell: then it is left alone for a while.
    let age = match file.is_known_to_all() {
        true => age,
        false => Some(age.unwrap_or_default().max(UNLOCKED)),
    };
    // Who held it until now may have moved it.
    let same = identity(&stat) == identity(&look_at(&directory, name)?);
    let remove = same && is_file(&stat) && age.is_none_or(|age| is_older(&stat, age));
    if remove {
        unlinkat(directory, name, AtFlags::empty())?;
    }
    Ok(remove.then_some(stat.stx_size))
}

/// Removes a link that was to be moved when its process was killed. Nobody can lock it, so it must be
/// old.
fn remove_link(directory: impl AsFd, name: &CStr) -> Result<Option<u64>, Errno> {
    let stat = look_at(&directory, name)?;
    let remove = is_older(&stat, UNLOCKED);
    if remove {
        unlinkat(directory, name, AtFlags::empty())?;
    }
    Ok(remove.then_some(stat.stx_size))
}

fn is_older(stat: &Statx, age: Duration) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let written = u64::try_from(stat.stx_mtime.tv_sec).unwrap_or(0);
    now.is_ok_and(|now| now.as_secs().saturating_sub(written) > age.as_secs())
}

/// Nothing there, or nothing that belongs to the storage, is no error.
fn found(opened: Result<OwnedFd, Errno>) -> Result<Option<OwnedFd>, Errno> {
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error),
    }
}
