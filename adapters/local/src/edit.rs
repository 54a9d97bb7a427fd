//! What a client may change beside the bytes of a file.

use std::sync::Arc;

use bstr::ByteSlice;
use rustix::fs::{
    AtFlags, Mode, Statx, Timespec, Timestamps, fchmod, futimens, mkdirat, readlinkat, symlinkat,
    unlinkat,
};
use rustix::io::Errno;
use wharf_core::time::Timestamp;
use wharf_core::{Changed, Edit, Facts, Failure, Kind, VPath};

use crate::failure::{failure, rename_failure};
use crate::jail::Lookup;
use crate::metadata::{kind, look};
use crate::names::Names;
use crate::open::{LIST, LOOK, READ, WRITE, open_at};
use crate::partial::{base_of, new_base, others_could_continue};
use crate::spot::{Spot, is_reserved, is_visible, rename};
use crate::sweep::tidy;
use crate::temporary::create_link;
use crate::{Tree, upload};

/// What whoever owns a directory needs in it: without that nobody could mend it through the server.
const OWNERS: u16 = 0o700;

/// Carries out an edit.
pub(crate) fn change(
    tree: &Arc<Tree>,
    edit: Edit,
    path: &VPath,
    other: &VPath,
) -> Result<Changed, Failure> {
    let done = match edit {
        Edit::Delete => delete(tree, &existing(tree, path)?),
        Edit::RemoveDirectory => remove_directory(tree, &existing(tree, path)?),
        Edit::MakeDirectory { umask } => {
            let spot = new(tree, path)?;
            // A client may take more away than is configured, and give nothing back.
            let mode = 0o777 & !(tree.options.umask | umask.unwrap_or(0)) | OWNERS;
            let mode = Mode::from_raw_mode(mode.into());
            match mkdirat(&spot.directory, spot.name(), mode) {
                Err(Errno::EXIST) => return Err(taken(tree, &spot)),
                made => made.map_err(failure)?,
            }
            changed(tree, &spot, new_base())
        }
        Edit::Rename { replace } => {
            let from = existing(tree, other)?;
            let stat = from.look_at_name(Lookup::Full).map_err(failure)?;
            let is_link = stat.as_ref().is_some_and(|stat| kind(stat) == Kind::Link);
            let moved = base_of(stat.as_ref());
            let to = new(tree, path)?;
            let replaced = tree.base(&to);
            // Not over a link that leads nowhere.
            to.look(&tree.jail, Lookup::Full).map_err(failure)?;
            let (old, new) = ((&from.directory, from.name()), (&to.directory, to.name()));
            let text = match is_link && other.parent() != path.parent() {
                true => text_elsewhere(&from, &other.parent(), &path.parent())?,
                false => None,
            };
            let renamed = match text {
                Some(text) => move_link(&from, &to, &text, replace),
                None => rename(old, new, replace),
            };
            match renamed {
                // Two mounts of one home.
                Err(Errno::XDEV) => move_file(tree, &from, path, replace)?,
                outcome => outcome.map_err(rename_failure)?,
            }
            // The new name first: better two than none.
            changed(tree, &to, &replaced).and(changed(tree, &from, &moved))
        }
        Edit::Set(facts) => return set(tree, path, facts),
        Edit::Symlink => {
            let spot = new(tree, path)?;
            if !is_visible(other) {
                return Err(Failure::BadName);
            }
            let text = relative(&path.parent(), other);
            symlinkat(text, &spot.directory, spot.name()).map_err(failure)?;
            changed(tree, &spot, new_base())
        }
    };
    done.map(|()| Changed::default())
}

/// What a link must say in another directory to lead to the same place; `None`: the same as here.
/// One that leads out of the home stays where the administrator has put it.
fn text_elsewhere(link: &Spot, from: &VPath, to: &VPath) -> Result<Option<Vec<u8>>, Failure> {
    let text = readlinkat(&link.directory, link.name(), Vec::new()).map_err(failure)?;
    let text = text.as_bytes();
    if text.starts_with(b"/") {
        return Ok(None);
    }
    let is_up = |part: &&[u8]| matches!(*part, b"" | b"." | b"..");
    let ups = text
        .split_str("/")
        .take_while(is_up)
        .filter(|part| *part == b"..")
        .count();
    // What stands before later dots may be a link itself.
    let dots = text
        .split_str("/")
        .skip_while(is_up)
        .any(|part| part == b"..");
    if dots || ups > from.components().count() {
        return Err(Failure::BadMove);
    }
    let target = VPath::resolve(from, text).map_err(|_| Failure::BadMove)?;
    let anew = relative(to, &target);
    Ok((anew != text).then_some(anew))
}

/// Moves a link, which says something else in its new place.
fn move_link(from: &Spot, to: &Spot, text: &[u8], replace: bool) -> Result<(), Errno> {
    let name = create_link(&to.directory, text)?;
    let made = (&to.directory, name.as_str());
    if let Err(error) = rename(made, (&to.directory, to.name()), replace) {
        unlinkat(made.0, made.1, AtFlags::empty())?;
        return Err(error);
    }
    unlinkat(&from.directory, from.name(), AtFlags::empty())
}

/// Moves a file to another file system: it is copied as an upload would be, and then removed.
fn move_file(tree: &Arc<Tree>, from: &Spot, to: &VPath, replace: bool) -> Result<(), Failure> {
    let file = open_at(&from.directory, from.name(), READ).map_err(rename_failure)?;
    let stat = look(&file).map_err(failure)?;
    if kind(&stat) != Kind::File {
        return Err(Failure::BadMove);
    }
    upload::copy_to(tree, to, replace, &file, &stat)?;
    unlinkat(&from.directory, from.name(), AtFlags::empty()).map_err(failure)
}

/// Where a path stands that shall be there.
fn existing(tree: &Tree, path: &VPath) -> Result<Spot, Failure> {
    if !is_visible(path) {
        return Err(Failure::NotFound);
    }
    Spot::find_to_change(tree, path)
}

/// Where a path stands that may come to be.
fn new(tree: &Tree, path: &VPath) -> Result<Spot, Failure> {
    if !is_visible(path) {
        return Err(Failure::BadName);
    }
    if path.is_root() {
        return Err(Failure::IsADirectory);
    }
    Spot::find_to_change(tree, path)
}

/// Why no directory can be made there.
fn taken(tree: &Tree, spot: &Spot) -> Failure {
    match spot.look(&tree.jail, Lookup::Full) {
        Ok(Some(stat)) if kind(&stat).is_directory() => Failure::IsADirectory,
        _ => Failure::Exists,
    }
}

/// Drops the partials of a file that has changed, and the marks over the version that stood there,
/// and waits for the disk.
fn changed(tree: &Tree, spot: &Spot, stood: &str) -> Result<(), Failure> {
    tree.clear(spot, None, &[new_base(), stood]);
    tree.options.durability.settle(&spot.directory)
}

fn delete(tree: &Tree, spot: &Spot) -> Result<(), Failure> {
    let stood = tree.base(spot);
    match unlinkat(&spot.directory, spot.name(), AtFlags::empty()) {
        Ok(()) => changed(tree, spot, &stood),
        // The account may see a partial there.
        Err(Errno::NOENT) => {
            let cleared = tree.clear(spot, Some(&tree.account), &[new_base()]);
            match cleared {
                _ if cleared.held > 0 => Err(Failure::Busy),
                _ if cleared.removed > 0 => Ok(()),
                _ => Err(Failure::NotFound),
            }
        }
        Err(error) => Err(failure(error)),
    }
}

fn remove_directory(tree: &Tree, spot: &Spot) -> Result<(), Failure> {
    spot.look_at_name(Lookup::Full).map_err(failure)?;
    let remove = || unlinkat(&spot.directory, spot.name(), AtFlags::REMOVEDIR);
    let removed = match remove() {
        Err(Errno::NOTEMPTY | Errno::EXIST) => remove_leftovers(tree, spot).and_then(|()| remove()),
        result => result,
    };
    removed.map_err(failure)?;
    tree.options.durability.settle(&spot.directory)
}

/// Empties a directory in which a client sees nothing.
fn remove_leftovers(tree: &Tree, spot: &Spot) -> Result<(), Errno> {
    let place = tree.jail.place(spot.path());
    let open = || open_at(&spot.directory, spot.name(), LIST).map(Names::new);
    let mut names = open()?;
    while names.advance()? {
        if !is_reserved(names.name().to_bytes()) {
            return Err(Errno::NOTEMPTY);
        }
    }
    let retention = tree.options.retention;
    if others_could_continue(&names, &tree.account, retention) {
        return Err(Errno::NOTEMPTY);
    }
    let mut names = open()?;
    while names.advance()? {
        tidy(&names, names.name(), &place, |owner, base| {
            let anothers = owner != tree.account.as_bytes() && base == new_base().as_bytes();
            anothers.then_some(retention)
        });
    }
    tree.ledger.forget_below(spot.path());
    Ok(())
}

/// Sets the facts of a file or directory, through a descriptor, since a name could be given to
/// something else meanwhile. It must be readable or writable to be opened.
fn set(tree: &Tree, path: &VPath, facts: Facts) -> Result<Changed, Failure> {
    if !is_visible(path) {
        return Err(Failure::NotFound);
    }
    let open = |flags| tree.jail.find(path.relative(), flags, Lookup::Full);
    let must_be_settable = |kind| match kind {
        Kind::File | Kind::Directory => Ok(()),
        Kind::Link | Kind::Other | Kind::Partial => Err(Failure::NotAFile),
    };
    // To open a device may already do something.
    let seen = open(LOOK).and_then(look).map_err(failure)?;
    must_be_settable(kind(&seen))?;
    let file = match open(READ) {
        Err(Errno::ACCESS) => open(WRITE),
        file => file,
    };
    let file = file.map_err(failure)?;
    let stat = look(&file).map_err(failure)?;
    must_be_settable(kind(&stat))?;
    let mut changed = Changed::default();
    if let Some(asked) = facts.mode {
        // By whatever name or link: everybody who logs in to it, and the next start, need it.
        if tree.jail.is_root(&stat) {
            return Err(Failure::IsHome);
        }
        // What other programs obey stays with a directory, and leaves a file.
        let (told, kept) = match kind(&stat) {
            Kind::Directory => (asked & 0o777 | OWNERS, stat.stx_mode & 0o7000),
            _ => (asked & 0o777, 0),
        };
        let mode = Mode::from_raw_mode((told | kept).into());
        fchmod(&file, mode).map_err(failure)?;
    }
    if let Some(time) = facts.modified {
        // Some FUSE file systems do nothing where only one of both is set.
        let times = Timestamps {
            last_access: Timespec {
                tv_sec: stat.stx_atime.tv_sec,
                tv_nsec: stat.stx_atime.tv_nsec.into(),
            },
            last_modification: Timespec {
                tv_sec: time.seconds,
                tv_nsec: time.nanos.into(),
            },
        };
        futimens(&file, &times).map_err(failure)?;
    }
    let stat = look(&file).map_err(failure)?;
    if let Some(asked) = facts.mode {
        let mode = stat.stx_mode & 0o777;
        changed.mode = (mode != asked).then_some(mode);
    }
    if facts.modified.is_some_and(|asked| !is_about(&stat, asked)) {
        return Err(Failure::Unsupported);
    }
    tree.options.durability.settle(&file)?;
    Ok(changed)
}

/// Whether a file has that time, as nearly as FAT keeps it.
fn is_about(stat: &Statx, time: Timestamp) -> bool {
    stat.stx_mtime.tv_sec.abs_diff(time.seconds) <= 2
}

/// The text of a link in the directory `from` to `to`. It is relative, so that it leads to the
/// same place for a client and for everybody else.
fn relative(from: &VPath, to: &VPath) -> Vec<u8> {
    let common = from
        .components()
        .zip(to.components())
        .take_while(|(a, b)| a == b)
        .count();
    let up = from.components().skip(common).map(|_| &b".."[..]);
    let down = to.components().skip(common).map(|name| name.as_bytes());
    let text = bstr::join("/", up.chain(down));
    if text.is_empty() { b".".to_vec() } else { text }
}
