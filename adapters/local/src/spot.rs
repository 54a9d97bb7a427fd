//! [`Spot`]: a name in a directory of the jail, which is where changes are made.

use std::os::fd::{AsFd, OwnedFd};

use bstr::{BStr, ByteSlice};
use rustix::fs::{
    AtFlags, OFlags, RenameFlags, Statx, linkat, readlinkat, renameat, renameat_with, unlinkat,
};
use rustix::io::Errno;
use rustix::path::Arg;
use wharf_core::{Failure, Kind, VPath};

use crate::Tree;
use crate::claim::Claim;
use crate::failure::failure;
use crate::jail::{Jail, Lookup, MOST_LINKS, Resolver};
use crate::metadata::{Identity, identity, kind, look, look_at};
use crate::open::{ENTER, LIST, LOOK, LOOK_AT_LINK, open_at};

/// The directory in which the partials of its neighbours lie.
pub(crate) const PARTIALS: &[u8] = b".wharf";

/// Whether a name belongs to the storage itself. Also in capital letters, and before dots and
/// blanks: some file systems make no difference. What they make no difference between beside that
/// is the same directory (see [`Resolver::check`]).
pub(crate) fn is_reserved(name: &[u8]) -> bool {
    let name = name.trim_end_with(|c| matches!(c, '.' | ' '));
    match name.get(..PARTIALS.len()) {
        Some(start) if start.eq_ignore_ascii_case(PARTIALS) => {
            matches!(name.get(PARTIALS.len()), None | Some(b'-'))
        }
        _ => false,
    }
}

/// Whether a client may know of a path.
pub(crate) fn is_visible(path: &VPath) -> bool {
    !path.components().any(|name| is_reserved(name))
}

/// A name in a directory. Changes act on the name itself, never through a link under it.
pub(crate) struct Spot {
    /// The directory, opened to name things in it.
    pub(crate) directory: OwnedFd,
    /// Which directory that is.
    identity: Identity,
    /// The way from the root, as a lookup takes it.
    path: Vec<u8>,
    resolver: Resolver,
}

impl Spot {
    /// Where `path` stands. The root stands nowhere: it cannot be changed.
    pub(crate) fn find(jail: &Jail, path: &VPath, lookup: Lookup) -> Result<Self, Failure> {
        Self::open(jail, path.relative().to_vec(), ENTER, lookup)
    }

    /// Where `path` stands, to change what is there.
    pub(crate) fn find_to_change(tree: &Tree, path: &VPath) -> Result<Self, Failure> {
        let flags = tree.options.durability.directory();
        Self::open(&tree.jail, path.relative().to_vec(), flags, Lookup::Full)
    }

    /// Where an upload to `path` goes, and what stands there: through a link to what it leads to.
    /// One that leads nowhere within the jail is not written through.
    pub(crate) fn find_to_write(
        tree: &Tree,
        path: &VPath,
    ) -> Result<(Self, Option<Statx>), Failure> {
        let mut spot = Self::open_to_write(tree, path.relative().to_vec())?;
        for followed in 0..MOST_LINKS {
            match spot.look_at_name(Lookup::Full).map_err(failure)? {
                Some(stat) if kind(&stat) == Kind::Link => {
                    let target = spot.target(tree)?;
                    spot = Self::open_to_write(tree, target)?;
                }
                None if followed > 0 => return Err(Failure::NotFound),
                found => return Ok((spot, found)),
            }
        }
        Err(Failure::NotFound)
    }

    /// Where an upload to `path` itself goes, whatever stands there, with a directory that can
    /// also be read where it may be: its default ACL says what becomes of new files.
    pub(crate) fn open_to_write(tree: &Tree, path: Vec<u8>) -> Result<Self, Failure> {
        match Self::open(&tree.jail, path.clone(), LIST, Lookup::Full) {
            Err(Failure::Denied) => {
                let flags = tree.options.durability.directory();
                Self::open(&tree.jail, path, flags, Lookup::Full)
            }
            spot => spot,
        }
    }

    fn open(jail: &Jail, path: Vec<u8>, flags: OFlags, lookup: Lookup) -> Result<Self, Failure> {
        if path.is_empty() {
            return Err(Failure::Denied);
        }
        let parent = path.rfind_byte(b'/').unwrap_or(0);
        let (directory, identity) = jail
            .identify(BStr::new(&path[..parent]), flags, lookup)
            .map_err(failure)?;
        Ok(Self {
            directory,
            identity,
            path,
            resolver: jail.resolver(),
        })
    }

    /// The way to what the link here leads to.
    fn target(&self, tree: &Tree) -> Result<Vec<u8>, Failure> {
        let link = open_at(&self.directory, self.name(), LOOK_AT_LINK).map_err(failure)?;
        let text = readlinkat(link, c"", Vec::new()).map_err(failure)?;
        let path = tree.jail.target(&self.path, text.as_bytes());
        let path = path.ok_or(Failure::NotFound)?;
        match path.rsplit_str("/").next().unwrap_or_default() {
            b"" | b"." | b".." => Err(Failure::IsADirectory),
            _ if path.split_str("/").any(is_reserved) => Err(Failure::NotFound),
            _ => Ok(path),
        }
    }

    pub(crate) fn name(&self) -> &[u8] {
        self.path.rsplit_str("/").next().unwrap_or_default()
    }

    /// The way from the root, as a lookup takes it.
    pub(crate) fn path(&self) -> &BStr {
        self.path.as_bstr()
    }

    /// Says that an upload to this name is under way.
    pub(crate) fn claim(&self) -> Claim {
        Claim::shared(self.identity, self.name())
    }

    /// The same, unless one is.
    pub(crate) fn claim_first(&self) -> Option<Claim> {
        Claim::first(self.identity, self.name())
    }

    /// Whether the way to this name still leads to this directory, which somebody may have moved
    /// meanwhile: what is made here would be in the wrong place.
    pub(crate) fn is_in_place(&self, jail: &Jail) -> Result<(), Failure> {
        let parent = self.path.rfind_byte(b'/').unwrap_or(0);
        if parent == 0 {
            return Ok(());
        }
        let parent = BStr::new(&self.path[..parent]);
        // Whatever links it takes, nothing but its identity is seen.
        let seen = look_at(jail.as_fd(), parent.as_bytes());
        if seen.is_ok_and(|seen| identity(&seen) == self.identity) {
            return Ok(());
        }
        let there = jail.identify(parent, ENTER, Lookup::Full);
        match there.map_err(failure)?.1 == self.identity {
            true => Ok(()),
            false => Err(Failure::NotFound),
        }
    }

    /// What stands here, a link as such. What belongs to the storage is an error, so that nothing
    /// is made in its place.
    pub(crate) fn look_at_name(&self, lookup: Lookup) -> Result<Option<Statx>, Errno> {
        let found = match lookup {
            Lookup::Full => look_at(&self.directory, self.name()),
            Lookup::Cached => self
                .resolver
                .open_below(&self.directory, self.name(), LOOK_AT_LINK, lookup)
                .and_then(look),
        };
        match found {
            Ok(stat) => {
                self.resolver.check(&self.directory, &stat, lookup)?;
                Ok(Some(stat))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What stands here or where a link here leads. A link that leads nowhere within the jail is
    /// an error, so that nothing is written in its place.
    pub(crate) fn look(&self, jail: &Jail, lookup: Lookup) -> Result<Option<Statx>, Errno> {
        match self.look_at_name(lookup)? {
            Some(stat) if kind(&stat) == Kind::Link => jail
                .find(self.path(), LOOK, lookup)
                .and_then(look)
                .map(Some),
            found => Ok(found),
        }
    }
}

/// Moves a name, over another one only if that is allowed.
pub(crate) fn rename(
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
