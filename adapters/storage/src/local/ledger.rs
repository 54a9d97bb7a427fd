//! [`Ledger`]: which partials there are in a tree, as far as this process knows, so that their
//! bytes can be bounded and they go in their time without a walk through the tree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bstr::{BStr, ByteSlice};
use rustix::fs::Statx;

use super::jail::{Jail, Lookup};
use super::metadata::{identity, look, modified};
use super::open::LIST;
use super::partial::{Which, clear};
use super::spot::Spot;
use super::{LocalOptions, Tree};

/// The ledgers of this process, by the identity of their root.
static LEDGERS: Mutex<BTreeMap<(u64, u64), Arc<Ledger>>> = Mutex::new(BTreeMap::new());

/// The partials in one tree, of all accounts.
pub(super) struct Ledger {
    /// Where the tree was opened last, and how.
    opened: Mutex<(PathBuf, LocalOptions)>,
    filed: Mutex<Vec<Filed>>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq)]
struct Filed {
    account: String,
    /// The name of its file, and the way to it.
    path: Vec<u8>,
    since: SystemTime,
}

impl Filed {
    fn directory(&self) -> &BStr {
        let end = self.path.rfind_byte(b'/').unwrap_or(0);
        self.path[..end].as_bstr()
    }

    fn name(&self) -> &[u8] {
        self.path.rsplit_str("/").next().unwrap_or_default()
    }
}

impl Ledger {
    /// That of the tree with this root.
    pub(super) fn of(root: &Statx, path: &Path, options: LocalOptions) -> Arc<Self> {
        let mut ledgers = lock(&LEDGERS);
        let ledger = ledgers.entry(identity(root)).or_insert_with(|| {
            Arc::new(Self {
                opened: Mutex::default(),
                filed: Mutex::default(),
            })
        });
        *lock(&ledger.opened) = (path.to_owned(), options);
        Arc::clone(ledger)
    }

    /// A partial of an account is there; others go until all of them have room, the oldest first.
    pub(super) fn add(&self, tree: &Tree, spot: &Spot) {
        let filed = Filed {
            account: tree.account.clone(),
            path: spot.path().to_vec(),
            since: SystemTime::now(),
        };
        let mut all = lock(&self.filed);
        all.retain(|each| (&each.account, &each.path) != (&filed.account, &filed.path));
        all.push(filed);
        let Some(limit) = tree.options.partials_size else {
            return;
        };
        // Some may have been continued or discarded since.
        let sizes: Vec<Option<u64>> = all
            .iter()
            .map(|each| match each.account == tree.account {
                true => size(tree, each),
                false => Some(0),
            })
            .collect();
        let mut total: u64 = sizes.iter().flatten().sum();
        let mut sizes = sizes.into_iter();
        all.retain(|each| match sizes.next().flatten() {
            None => false,
            Some(size) if size > 0 && total > limit => {
                total -= size;
                discard(&tree.jail, each, size);
                false
            }
            Some(_) => true,
        });
    }

    /// A partial that was found on the disk.
    pub(super) fn found(&self, account: &[u8], directory: &[u8], name: &[u8], stat: &Statx) {
        let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
        let written = u64::try_from(modified(stat).seconds).unwrap_or(0);
        let filed = Filed {
            account: account.to_str_lossy().into_owned(),
            path: [directory, slash, name].concat(),
            since: SystemTime::UNIX_EPOCH + Duration::from_secs(written),
        };
        let mut all = lock(&self.filed);
        if !all
            .iter()
            .any(|each| (&each.account, &each.path) == (&filed.account, &filed.path))
        {
            all.push(filed);
        }
    }

    /// Takes those out whose time is over.
    fn take_due(&self, retention: Duration) -> Vec<Filed> {
        let now = SystemTime::now();
        let is_due = |each: &mut Filed| {
            now.duration_since(each.since)
                .is_ok_and(|age| age > retention)
        };
        lock(&self.filed).extract_if(.., is_due).collect()
    }
}

/// Removes the partials whose time is over, of all trees that this process has opened and where it
/// knows of some; says how many. It walks through no tree: what other processes have left,
/// [`Local::sweep`](super::Local::sweep) finds.
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
        for each in due {
            if let Ok(directory) = jail.find(each.directory(), LIST, Lookup::Full) {
                let place = jail.place(each.directory());
                let which = Which::Every(Some(retention), &place);
                removed += clear(directory, None, which).removed;
            }
        }
    }
    removed
}

/// How many bytes a partial of the tree's account has, if it is still there.
fn size(tree: &Tree, filed: &Filed) -> Option<u64> {
    let directory = tree.jail.find(filed.directory(), LIST, Lookup::Full).ok()?;
    let drawer = tree.drawer_in(directory, Lookup::Full).ok()??;
    let stat = drawer.find(filed.name(), Lookup::Full).ok()??;
    Some(stat.stx_size)
}

/// Removes a partial for which there is no room.
fn discard(jail: &Jail, filed: &Filed, bytes: u64) {
    if let Ok(directory) = jail.find(filed.directory(), LIST, Lookup::Full) {
        clear(directory, Some(&filed.account), Which::New(filed.name()));
        let (place, name) = (jail.place(filed.directory()), filed.name().as_bstr());
        tracing::info!(
            directory = %place.display(),
            ?name,
            bytes,
            "removed what was left of an upload: the account has too many of them"
        );
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
