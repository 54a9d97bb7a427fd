//! [`Entries`]: the entries of a directory.

use std::mem;
use std::os::fd::AsFd;
use std::sync::Arc;

use bstr::BStr;
use rustix::fs::{Statx, readlinkat};
use rustix::io::Errno;
use wharf_core::{Entry, Failure, Kind, Metadata, Opened, Scope, VPath};

use super::Tree;
use super::failure::failure;
use super::jail::{Jail, Lookup};
use super::metadata::{is_file, look_at};
use super::names::Names;
use super::open::{LIST, LOOK_AT_LINK, open_at};
use super::partial::{Drawer, Partial};
use super::spot::{Spot, is_reserved, is_visible};
use crate::storage::{Directory, Handle, Opening};

/// Something that cannot be looked at, such as the mount point of a server that is gone.
const UNKNOWN: Metadata = Metadata {
    kind: Kind::Other,
    size: 0,
    modified: None,
    mode: None,
    links: None,
    owner: None,
    group: None,
    unique: None,
};

/// The entries of a directory: first its files, where the account has a partial of one with the
/// length of that, then the partials that have no file.
pub(super) struct Entries {
    tree: Arc<Tree>,
    here: VPath,
    stage: Stage,
    name: Vec<u8>,
    metadata: Metadata,
    target: Option<Vec<u8>>,
}

enum Stage {
    /// The one entry is already there.
    One,
    Files(Names, Option<Drawer>),
    Partials {
        names: Names,
        drawer: Drawer,
        /// The directory, to see whether a file stands there.
        files: Names,
    },
    End,
}

impl Entries {
    /// Opens what the scope asks for.
    pub(super) fn open(
        tree: &Arc<Tree>,
        path: &VPath,
        scope: Scope,
        lookup: Lookup,
    ) -> Result<Opening, Failure> {
        if !is_visible(path) {
            return Err(Failure::NotFound);
        }
        let mut entries = Self {
            tree: Arc::clone(tree),
            here: path.clone(),
            stage: Stage::End,
            name: Vec::new(),
            metadata: Metadata::default(),
            target: None,
        };
        match scope {
            Scope::Entries => entries.list(lookup)?,
            Scope::Itself => entries.show(lookup)?,
        }
        Ok(Opening {
            opened: Opened::default(),
            handle: Handle::Directory(Box::new(entries)),
        })
    }

    /// Begins with the names in the directory.
    fn list(&mut self, lookup: Lookup) -> Result<(), Failure> {
        let tree = &self.tree;
        let directory = tree.jail.find(self.here.relative(), LIST, lookup);
        let directory = directory.map_err(failure)?;
        let retention = tree.options.retention;
        let resolver = tree.jail.resolver();
        let drawer = Drawer::open(resolver, &directory, &tree.account, retention, lookup);
        self.stage = Stage::Files(Names::new(directory), drawer.map_err(failure)?);
        Ok(())
    }

    /// Begins, and ends, with the file or directory itself.
    fn show(&mut self, lookup: Lookup) -> Result<(), Failure> {
        self.stage = Stage::One;
        if self.here.is_root() {
            self.metadata = self.tree.stat(&self.here, lookup)?;
            self.name.push(b'.');
            return Ok(());
        }
        let spot = Spot::find(&self.tree.jail, &self.here, lookup)?;
        let finished = spot.look_at_name(lookup).map_err(failure)?;
        let partial = self.tree.partial(&spot, finished.as_ref(), lookup)?;
        let seen = self.tree.merge(finished.as_ref(), partial.as_ref());
        self.metadata = seen.ok_or(Failure::NotFound)?;
        if self.metadata.kind == Kind::Link {
            if lookup == Lookup::Cached {
                return Err(Failure::Busy);
            }
            let here = self.here.parent();
            self.target = read_link(&self.tree.jail, &here, &spot.directory, spot.name());
        }
        self.name.extend_from_slice(spot.name());
        Ok(())
    }

    fn step(&mut self) -> Result<bool, Errno> {
        let (names, found) = match &mut self.stage {
            Stage::One => {
                self.stage = Stage::End;
                return Ok(true);
            }
            Stage::Files(names, drawer) => {
                let found = next_file(names, drawer.as_ref())?;
                (names, found)
            }
            Stage::Partials {
                names,
                drawer,
                files,
            } => {
                let found = next_partial(names, drawer, files)?;
                (names, found)
            }
            Stage::End => return Ok(false),
        };
        if let Some((finished, partial)) = found {
            let seen = self.tree.merge(finished.as_ref(), partial.as_ref());
            self.metadata = seen.unwrap_or(UNKNOWN);
            self.name.clear();
            self.name.extend_from_slice(names.name().to_bytes());
            self.target = match self.metadata.kind {
                Kind::Link => read_link(&self.tree.jail, &self.here, names, &self.name),
                _ => None,
            };
            return Ok(true);
        }
        if let Stage::Files(files, Some(drawer)) = mem::replace(&mut self.stage, Stage::End)
            && let Some(names) = drawer.new_names()?
        {
            self.stage = Stage::Partials {
                names,
                drawer,
                files,
            };
            return self.step();
        }
        Ok(false)
    }
}

impl Directory for Entries {
    fn advance(&mut self) -> Result<bool, Failure> {
        self.step().map_err(|error| {
            self.stage = Stage::End;
            failure(error)
        })
    }

    fn entry(&self) -> Entry<'_> {
        Entry {
            name: BStr::new(&self.name),
            metadata: self.metadata,
            target: self.target.as_deref().map(BStr::new),
        }
    }

    fn enter(&mut self, path: &VPath) -> Result<(), Failure> {
        self.stage = Stage::End;
        if !is_visible(path) {
            return Err(Failure::NotFound);
        }
        self.here = path.clone();
        self.list(Lookup::Full)
    }
}

/// What stands under a name: a file, a partial, both, or something that cannot be looked at.
type Found = (Option<Statx>, Option<Partial>);

/// Goes to the next name that a client may see.
fn next_file(names: &mut Names, drawer: Option<&Drawer>) -> Result<Option<Found>, Errno> {
    while names.advance()? {
        let name = names.name();
        if is_reserved(name.to_bytes()) {
            continue;
        }
        let stat = match look_at(&*names, name) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            // It is there, so a listing without it would be wrong.
            Err(_) => return Ok(Some((None, None))),
        };
        let partial = match drawer {
            Some(drawer) if is_file(&stat) => {
                drawer.find(name.to_bytes(), Some(&stat), Lookup::Full)?
            }
            _ => None,
        };
        return Ok(Some((Some(stat), partial)));
    }
    Ok(None)
}

/// Goes to the next partial that has no file.
fn next_partial(names: &mut Names, drawer: &Drawer, files: &Names) -> Result<Option<Found>, Errno> {
    while names.advance()? {
        let name = names.name();
        if look_at(files, name).is_ok() {
            continue;
        }
        if let Some(partial) = drawer.find(name.to_bytes(), None, Lookup::Full)? {
            return Ok(Some((None, Some(partial))));
        }
    }
    Ok(None)
}

/// Where a link points, if that lies within the jail. The text is read from the link and then
/// followed as text, so that no other one is shown in a race.
fn read_link(jail: &Jail, here: &VPath, directory: impl AsFd, name: &[u8]) -> Option<Vec<u8>> {
    let link = open_at(directory, name, LOOK_AT_LINK).ok()?;
    let text = readlinkat(link, c"", Vec::new()).ok()?.into_bytes();
    jail.find_target(here, &text).is_ok().then_some(text)
}
