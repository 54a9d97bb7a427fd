//! [`Ledger`]: which partials there are in a tree, as far as this process knows, so that they can
//! be bounded and go in their time without a walk through the tree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bstr::{BStr, ByteSlice};
use rustix::fs::Statx;

use crate::jail::{Jail, Lookup};
use crate::metadata::{Identity, identity, look, modified};
use crate::mutex::lock;
use crate::open::LIST;
use crate::partial::{clear, clear_all, new_base};
use crate::shelf::Shelf;
use crate::spot::Spot;
use crate::{LocalOptions, Tree};

/// The ledgers of this process, by the identity of their root.
static LEDGERS: Mutex<BTreeMap<Identity, Arc<Ledger>>> = Mutex::new(BTreeMap::new());

/// The partials in one tree, of all accounts.
pub(crate) struct Ledger {
    /// Where the tree was opened last, and how.
    opened: Mutex<(PathBuf, LocalOptions)>,
    /// By account.
    shelves: Mutex<BTreeMap<String, Shelf>>,
}

impl Ledger {
    /// That of the tree with this root.
    pub(crate) fn of(root: &Statx, path: &Path, options: LocalOptions) -> Arc<Self> {
        let mut ledgers = lock(&LEDGERS);
        let ledger = ledgers.entry(identity(root)).or_insert_with(|| {
            Arc::new(Self {
                opened: Mutex::default(),
                shelves: Mutex::default(),
            })
        });
        *lock(&ledger.opened) = (path.to_owned(), options);
        Arc::clone(ledger)
    }

    /// A partial of the tree's account is there; others of it go until all of them have room, the
    /// oldest first.
    pub(crate) fn add(&self, tree: &Tree, spot: &Spot, bytes: u64) {
        let limit = tree.options.partials_size.unwrap_or(u64::MAX);
        let crowded = {
            let mut shelves = lock(&self.shelves);
            let shelf = shelves.entry(tree.account.clone()).or_default();
            shelf.put(spot.path(), SystemTime::now(), bytes);
            shelf.take_crowded(limit)
        };
        for (path, bytes) in crowded {
            discard(tree, &path, bytes);
        }
    }

    /// A partial that was found on the disk.
    pub(crate) fn found(&self, account: &[u8], directory: &[u8], name: &[u8], stat: &Statx) {
        let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
        let path = [directory, slash, name].concat();
        let written = u64::try_from(modified(stat).seconds).unwrap_or(0);
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(written);
        let mut shelves = lock(&self.shelves);
        let shelf = shelves.entry(account.to_str_lossy().into_owned());
        shelf.or_default().find(&path, since, stat.stx_size);
    }

    /// The partials of an account, or of all, of the file at a path are gone.
    pub(crate) fn forget(&self, account: Option<&str>, path: &[u8]) {
        let mut shelves = lock(&self.shelves);
        match account {
            Some(account) => {
                if let Some(shelf) = shelves.get_mut(account) {
                    shelf.take(path);
                }
            }
            None => shelves.values_mut().for_each(|shelf| _ = shelf.take(path)),
        }
    }

    /// The partials in a directory that is empty now are gone.
    pub(crate) fn forget_below(&self, directory: &[u8]) {
        let mut shelves = lock(&self.shelves);
        shelves
            .values_mut()
            .for_each(|shelf| shelf.take_below(directory));
    }

    /// Takes those out whose time is over: the ways to their files.
    fn take_due(&self, retention: Duration) -> Vec<Vec<u8>> {
        let Some(before) = SystemTime::now().checked_sub(retention) else {
            return Vec::new();
        };
        let mut shelves = lock(&self.shelves);
        let due = shelves.values_mut();
        let due = due.flat_map(|shelf| shelf.take_older(before)).collect();
        shelves.retain(|_, shelf| !shelf.is_empty());
        due
    }
}

/// Removes the partials whose time is over, of all trees that this process has opened and where it
/// knows of some; says how many. It walks through no tree: what other processes have left,
/// [`Local::sweep`](crate::Local::sweep) finds.
pub fn sweep_due() -> usize {
    let ledgers: Vec<_> = lock(&LEDGERS)
        .iter()
        .map(|(root, ledger)| (*root, Arc::clone(ledger)))
        .collect();
    let mut removed = 0;
    for (known, ledger) in ledgers {
        let (root, options) = lock(&ledger.opened).clone();
        let retention = options.retention;
        let due = ledger.take_due(retention);
        if due.is_empty() {
            continue;
        }
        // Another directory may stand there by now.
        let jail = Jail::open(&root, &options).ok();
        let same = |jail: &Jail| look(jail.as_fd()).is_ok_and(|stat| identity(&stat) == known);
        let Some(jail) = jail.filter(same) else {
            continue;
        };
        for path in due {
            let (directory, _) = split(&path);
            if let Ok(found) = jail.find(directory, LIST, Lookup::Full) {
                let place = jail.place(directory);
                removed += clear_all(found, &place, |_, _| Some(retention));
            }
        }
    }
    removed
}

/// Removes a partial of the tree's account for which there is no room.
fn discard(tree: &Tree, path: &[u8], bytes: u64) {
    let (directory, name) = split(path);
    if let Ok(found) = tree.jail.find(directory, LIST, Lookup::Full)
        && clear(found, Some(&tree.account), name, &[new_base()]).removed > 0
    {
        let place = tree.jail.place(directory);
        tracing::info!(
            directory = %place.display(),
            name = ?name.as_bstr(),
            bytes,
            "removed what was left of an upload: the account has too many of them"
        );
    }
}

/// The directory of a file, and its name.
fn split(path: &[u8]) -> (&BStr, &[u8]) {
    match path.rfind_byte(b'/') {
        Some(slash) => (path[..slash].as_bstr(), &path[slash + 1..]),
        None => (b"".as_bstr(), path),
    }
}
