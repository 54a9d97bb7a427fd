//! What killed processes and clients who never came back have left.

use std::ffi::CStr;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use bstr::BStr;
use rustix::io::Errno;

use crate::metadata::{Identity, identity, look};
use crate::names::Names;
use crate::open::{LIST, open_at};
use crate::partial::{clear_all, for_each_new, remove_unless_held};
use crate::spot::{PARTIALS, is_reserved};
use crate::temporary::is_temporary;
use crate::{Tree, label};

/// A directory on the way to where a walk is.
struct Level {
    identity: Identity,
    /// Where its names go on behind the one that the walk has gone down to.
    cookie: u64,
    /// How long the way to it is.
    length: usize,
}

/// Removes leftovers in the whole tree; says how many. It goes down first and holds one directory
/// open, so that what it keeps in mind grows with the depth of the tree alone.
pub(crate) fn sweep(tree: &Tree) -> usize {
    let mut removed = 0;
    let mut above: Vec<Level> = Vec::new();
    let mut path = Vec::new();
    let Ok(root) = tree.jail.list(b"") else {
        return removed;
    };
    let mut names = Names::new(root);
    loop {
        let Ok(true) = names.advance() else {
            match go_up(tree, &names, &mut above, &mut path) {
                Some(parent) => names = parent,
                None => return removed,
            }
            continue;
        };
        let name = names.name().to_bytes();
        if is_reserved(name) {
            let place = tree.jail.place(BStr::new(&path));
            let age = |_: &[u8], _: &[u8]| Some(tree.options.retention);
            removed += tidy(&names, names.name(), &place, age);
            if name == PARTIALS {
                for_each_new(&names, |owner, name, stat| {
                    tree.ledger.found(owner, &path, name, stat);
                });
            }
        } else if names.may_be_directory()
            && let Ok(inner) = go_down(&names, &mut above, path.len())
        {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            names = inner;
        }
    }
}

/// The names in the directory to which the walk has come.
fn go_down(names: &Names, above: &mut Vec<Level>, length: usize) -> Result<Names, Errno> {
    let inner = open_at(names, names.name().to_bytes(), LIST)?;
    above.push(Level {
        identity: identity(&look(names)?),
        cookie: names.cookie(),
        length,
    });
    Ok(Names::new(inner))
}

/// The names of the directory above that are still to come. Where the walk is in a directory that
/// somebody has moved meanwhile, it goes on further up.
fn go_up(tree: &Tree, names: &Names, above: &mut Vec<Level>, path: &mut Vec<u8>) -> Option<Names> {
    let mut parent = open_at(names, b"..", LIST);
    while let Some(level) = above.pop() {
        path.truncate(level.length);
        let same = |found: &_| look(found).is_ok_and(|stat| identity(&stat) == level.identity);
        let found = parent.ok().filter(same);
        let found = found.or_else(|| tree.jail.list(path).ok().filter(same));
        if let Some(names) = found.and_then(|found| Names::resume(found, level.cookie).ok()) {
            return Some(names);
        }
        parent = Err(Errno::NOENT);
    }
    None
}

/// Removes a leftover in a place, in the case of partials those of that age, which is told by
/// account and base; says how many files it removed.
pub(crate) fn tidy(
    directory: impl AsFd,
    name: &CStr,
    place: &Path,
    age: impl Fn(&[u8], &[u8]) -> Option<Duration>,
) -> usize {
    if name.to_bytes() == PARTIALS {
        return clear_all(directory, place, age);
    }
    if !is_temporary(name.to_bytes()) {
        return 0;
    }
    let label = label::read(&directory, name.to_bytes());
    if let Ok(Some(bytes)) = remove_unless_held(&directory, name, None) {
        label.inspect(|label| label.mark(&directory));
        let (directory, name) = (place.display(), BStr::new(name.to_bytes()));
        tracing::info!(%directory, ?name, bytes, "removed what a killed process has left");
        return 1;
    }
    0
}
