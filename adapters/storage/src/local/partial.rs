//! Partials: what abandoned uploads leave behind, under `.wharf` in the directory of the file.
//!
//! A partial of the file `name` lies at `.wharf/<account>/<base>/name`. The base is the version
//! of the file that stands under the name (its identity, size and times), or `new` where there is
//! none, so that whoever changes the file has lost the partials of it: they are no longer found.
//! Behind the version of a file a `+` says that the partial is a patch, which keeps the bytes of
//! the file beyond its own end. (Before Linux 6.13 time goes in ticks of some milliseconds: a
//! change by another process in the tick of the last one, to the same length, is not seen.)
//!
//! Whoever writes to a partial, removes it or moves it holds its lock. Hence a partial that is
//! being continued stays what it is until that upload ends.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Mode, OFlags, Statx, mkdirat, unlinkat};
use rustix::io::Errno;
use rustix::path::Arg;

use super::jail::{Lookup, Resolver};
use super::lock::Locked;
use super::metadata::{fnv, identity, is_file, look, look_at, version};
use super::names::Names;
use super::open::{ENTER, LIST, LOOK_AT_LINK, READ, open_at};
use super::spot::{PARTIALS, Spot, rename};

/// The base of partials that have no file beside them.
const NEW: &str = "new";

/// How often directories are made again that somebody else found empty and removed.
const TRIES: usize = 8;

/// The directory name of an account: no two accounts share one (but for a hash of 128 bits).
pub(super) fn account_name(account: &[u8]) -> String {
    // Longer ones would not fit in a name.
    if account.len() > 127 {
        return format!("hash-{:032x}", fnv(account));
    }
    account
        .iter()
        .fold(String::from("a"), |name, byte| format!("{name}{byte:02x}"))
}

/// The base of a partial for the file that stands under its name.
pub(super) fn base_of(finished: Option<&Statx>) -> String {
    finished.map_or_else(|| NEW.to_owned(), version)
}

/// The base of a patch of that version of a file.
pub(super) fn patch_of(version: &str) -> String {
    format!("{version}+")
}

/// The partials of one account in one directory.
pub(super) struct Drawer {
    resolver: Resolver,
    directory: OwnedFd,
    retention: Duration,
}

/// A partial that was found.
pub(super) struct Partial {
    pub(super) stat: Statx,
    pub(super) base: String,
}

impl Partial {
    /// Whether it keeps the bytes of the finished file beyond its own end.
    pub(super) fn is_patch(&self) -> bool {
        self.base.ends_with('+')
    }
}

impl Drawer {
    /// Those of the account in the directory; `None` if there is none, as is mostly so.
    pub(super) fn open(
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

    /// The partial of a name under which that file stands.
    pub(super) fn find(
        &self,
        name: &[u8],
        finished: Option<&Statx>,
        lookup: Lookup,
    ) -> Result<Option<Partial>, Errno> {
        let whole = base_of(finished);
        let patch = finished.map(|_| patch_of(&whole));
        for base in [Some(whole), patch].into_iter().flatten() {
            let path = [base.as_bytes(), b"/", name].concat();
            if let Some(file) = found(self.open_below(&path, LOOK_AT_LINK, lookup))? {
                let stat = look(file)?;
                if is_file(&stat) && !is_older(&stat, self.retention) {
                    return Ok(Some(Partial { stat, base }));
                }
            }
        }
        Ok(None)
    }

    /// Opens the partial of a name to read it, and says how long it is.
    pub(super) fn open_file(
        &self,
        name: &[u8],
        finished: Option<&Statx>,
    ) -> Result<Option<(OwnedFd, u64)>, Errno> {
        let Some(partial) = self.find(name, finished, Lookup::Full)? else {
            return Ok(None);
        };
        let path = [partial.base.as_bytes(), b"/", name].concat();
        let flags = READ | OFlags::NOFOLLOW;
        let file = found(self.open_below(&path, flags, Lookup::Full))?;
        Ok(file.map(|file| (file, partial.stat.stx_size)))
    }

    /// The names that have a partial but may have no file.
    pub(super) fn new_names(&self) -> Result<Option<Names>, Errno> {
        let names = open_at(&self.directory, NEW.as_bytes(), LIST);
        Ok(found(names)?.map(Names::new))
    }

    /// Opens the directory of a base.
    pub(super) fn enter(&self, base: &str) -> Result<OwnedFd, Errno> {
        open_at(&self.directory, base.as_bytes(), ENTER)
    }

    fn open_below(&self, path: &[u8], flags: OFlags, lookup: Lookup) -> Result<OwnedFd, Errno> {
        self.resolver
            .open_below(&self.directory, path, flags, lookup)
    }
}

/// Moves a file that the caller has locked to where the partials of the spot are, in place of
/// those that nobody continues.
pub(super) fn keep(
    from: (impl AsFd, impl Arg + Copy),
    spot: &Spot,
    account: &str,
    base: &str,
) -> Result<(), Errno> {
    let mut outcome = Err(Errno::BUSY);
    for _ in 0..TRIES {
        clear(&spot.directory, Some(account), Which::Of(spot.name()));
        outcome = make_directories(&spot.directory, account, base)
            .and_then(|to| rename((&from.0, from.1), (&to, spot.name()), false));
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

/// Which partials to remove.
#[derive(Clone, Copy)]
pub(super) enum Which<'a> {
    /// Those of that file.
    Of(&'a [u8]),
    /// Those of every file; with an age, those that nobody has written to for so long.
    Every(Option<Duration>),
}

/// What became of the partials that were to be removed.
#[derive(Clone, Copy, Default)]
pub(super) struct Cleared {
    /// How many were removed.
    pub(super) removed: usize,
    /// How many stay because somebody continues them.
    pub(super) held: usize,
}

/// Removes partials of one account, or of all, in a directory, and the directories that are
/// empty then. What cannot be removed stays.
pub(super) fn clear(directory: impl AsFd, account: Option<&str>, which: Which<'_>) -> Cleared {
    let mut cleared = Cleared::default();
    let Ok(partials) = open_at(&directory, PARTIALS, LIST) else {
        return cleared;
    };
    for_each_directory(partials, |partials, owner| {
        if account.is_some_and(|account| account.as_bytes() != owner.to_bytes()) {
            return;
        }
        if let Ok(drawer) = open_at(partials, owner.to_bytes(), LIST) {
            for_each_directory(drawer, |drawer, base| {
                if let Ok(files) = open_at(drawer, base.to_bytes(), LIST) {
                    clear_base(files, which, &mut cleared);
                }
                remove_directory(drawer, base);
            });
        }
        remove_directory(partials, owner);
    });
    remove_directory(directory, PARTIALS);
    cleared
}

fn clear_base(files: OwnedFd, which: Which<'_>, cleared: &mut Cleared) {
    let mut remove = |files: &Names, name: &CStr, age| match remove_unless_held(files, name, age) {
        Ok(true) => cleared.removed += 1,
        Err(Errno::AGAIN) => cleared.held += 1,
        _ => {}
    };
    let mut files = Names::new(files);
    match which {
        Which::Of(name) => {
            let name = [name, b"\0"].concat();
            if let Ok(name) = CStr::from_bytes_with_nul(&name) {
                remove(&files, name, None);
            }
        }
        Which::Every(age) => {
            while let Ok(true) = files.advance() {
                remove(&files, files.name(), age);
            }
        }
    }
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

/// Removes a file that belongs to the storage, if it is old enough; `EAGAIN` if somebody holds it.
pub(super) fn remove_unless_held(
    directory: impl AsFd,
    name: &CStr,
    age: Option<Duration>,
) -> Result<bool, Errno> {
    let file = open_at(&directory, name.to_bytes(), READ)?;
    let file = Locked::new(file)?;
    let stat = look(&file)?;
    // Who held it until now may have moved it.
    let same = identity(&stat) == identity(&look_at(&directory, name)?);
    let remove = same && is_file(&stat) && age.is_none_or(|age| is_older(&stat, age));
    if remove {
        unlinkat(directory, name, AtFlags::empty())?;
    }
    Ok(remove)
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
