//! [`Spot`]: a name in a directory of the jail, which is where changes are made.

use std::os::fd::{AsFd, OwnedFd};

use bstr::{BStr, ByteSlice};
use rustix::fs::{AtFlags, OFlags, RenameFlags, Statx, linkat, renameat, renameat_with, unlinkat};
use rustix::io::Errno;
use rustix::path::Arg;
use wharf_core::{Failure, Kind, VPath};

use super::Tree;
use super::failure::failure;
use super::jail::{Jail, Lookup, Resolver};
use super::metadata::{kind, look, look_at};
use super::open::{ENTER, LOOK, LOOK_AT_LINK};

/// The directory in which the partials of its neighbours lie.
pub(super) const PARTIALS: &[u8] = b".wharf";

/// Whether a name belongs to the storage itself. Also in capital letters: some file systems
/// make no difference.
pub(super) fn is_reserved(name: &[u8]) -> bool {
    match name.get(..PARTIALS.len()) {
        Some(start) if start.eq_ignore_ascii_case(PARTIALS) => {
            matches!(name.get(PARTIALS.len()), None | Some(b'-'))
        }
        _ => false,
    }
}

/// Whether a client may know of a path.
pub(super) fn is_visible(path: &VPath) -> bool {
    !path.components().any(|name| is_reserved(name))
}

/// A name in a directory. Changes act on the name itself, never through a link under it.
pub(super) struct Spot {
    /// The directory, opened to name things in it.
    pub(super) directory: OwnedFd,
    path: VPath,
    resolver: Resolver,
}

impl Spot {
    /// Where `path` stands. The root stands nowhere: it cannot be changed.
    pub(super) fn find(jail: &Jail, path: &VPath, lookup: Lookup) -> Result<Self, Failure> {
        Self::open(jail, path, ENTER, lookup)
    }

    /// Where `path` stands, to change what is there.
    pub(super) fn find_to_change(tree: &Tree, path: &VPath) -> Result<Self, Failure> {
        let flags = tree.options.durability.directory();
        Self::open(&tree.jail, path, flags, Lookup::Full)
    }

    fn open(jail: &Jail, path: &VPath, flags: OFlags, lookup: Lookup) -> Result<Self, Failure> {
        if path.is_root() {
            return Err(Failure::Denied);
        }
        let relative = path.relative();
        let parent = relative.rfind_byte(b'/').unwrap_or(0);
        let directory = jail
            .find(BStr::new(&relative[..parent]), flags, lookup)
            .map_err(failure)?;
        Ok(Self {
            directory,
            path: path.clone(),
            resolver: jail.resolver(),
        })
    }

    pub(super) fn name(&self) -> &[u8] {
        self.path.file_name().unwrap_or_default()
    }

    pub(super) fn path(&self) -> &VPath {
        &self.path
    }

    /// What stands here, a link as such.
    pub(super) fn look_at_name(&self, lookup: Lookup) -> Result<Option<Statx>, Errno> {
        let found = match lookup {
            Lookup::Full => look_at(&self.directory, self.name()),
            Lookup::Cached => self
                .resolver
                .open_below(&self.directory, self.name(), LOOK_AT_LINK, lookup)
                .and_then(look),
        };
        match found {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What stands here or where a link here leads. A link that leads nowhere within the jail is
    /// an error, so that nothing is written in its place.
    pub(super) fn look(&self, jail: &Jail, lookup: Lookup) -> Result<Option<Statx>, Errno> {
        match self.look_at_name(lookup)? {
            Some(stat) if kind(&stat) == Kind::Link => jail
                .find(self.path.relative(), LOOK, lookup)
                .and_then(look)
                .map(Some),
            found => Ok(found),
        }
    }
}

/// Moves a name, over another one only if that is allowed.
pub(super) fn rename(
    from: (impl AsFd, impl Arg + Copy),
    to: (impl AsFd, impl Arg + Copy),
    replace: bool,
) -> Result<(), Errno> {
    if replace {
        return renameat(from.0, from.1, to.0, to.1);
    }
    match renameat_with(&from.0, from.1, &to.0, to.1, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {}
        result => return result,
    }
    // The file system has no such rename. A second name is refused as well where one stands.
    match linkat(&from.0, from.1, &to.0, to.1, AtFlags::empty()) {
        Ok(()) => unlinkat(from.0, from.1, AtFlags::empty()),
        // A directory can have no second name. In place of one only an empty one would vanish.
        Err(Errno::PERM) => match look_at(&to.0, to.1) {
            Ok(_) => Err(Errno::EXIST),
            Err(_) => renameat(from.0, from.1, to.0, to.1),
        },
        Err(error) => Err(error),
    }
}
