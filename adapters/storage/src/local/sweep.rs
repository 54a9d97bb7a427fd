//! What killed processes and clients who never came back have left.

use std::ffi::CStr;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use bstr::BStr;

use super::names::Names;
use super::partial::{Which, clear, for_each_new, remove_unless_held};
use super::spot::{PARTIALS, is_reserved};
use super::temporary::is_temporary;
use super::{Tree, label};

/// Removes leftovers in the whole tree; says how many.
pub(super) fn sweep(tree: &Tree) -> usize {
    let mut removed = 0;
    let mut waiting = vec![Vec::new()];
    while let Some(path) = waiting.pop() {
        let Ok(directory) = tree.jail.list(&path) else {
            continue;
        };
        let mut names = Names::new(directory);
        while let Ok(true) = names.advance() {
            let name = names.name().to_bytes();
            if is_reserved(name) {
                let place = tree.jail.place(BStr::new(&path));
                removed += tidy(&names, names.name(), Some(tree.options.retention), &place);
                if name == PARTIALS {
                    let ledger = &tree.ledger;
                    for_each_new(&names, |owner, name, stat| {
                        ledger.found(owner, &path, name, stat);
                    });
                }
            } else if names.may_be_directory() {
                let separator = if path.is_empty() { "" } else { "/" };
                waiting.push([&path, separator.as_bytes(), name].concat());
            }
        }
    }
    removed
}

/// Removes a leftover in a place, in the case of partials those of that age; says how many files it
/// removed.
pub(super) fn tidy(
    directory: impl AsFd,
    name: &CStr,
    age: Option<Duration>,
    place: &Path,
) -> usize {
    if name.to_bytes() == PARTIALS {
        return clear(directory, None, Which::Every(age, place)).removed;
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
