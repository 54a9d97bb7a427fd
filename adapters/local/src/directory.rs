//! [`Entries`]: the entries of a directory.

use std::mem;
use std::os::fd::AsFd;
use std::sync::Arc;

use bstr::BStr;
use rustix::fs::readlinkat;
use rustix::io::Errno;
use wharf_core::{Entry, Failure, Kind, Metadata, Opened, Scope, VPath};
use wharf_storage::{BlockingDirectory, BlockingHandle, BlockingOpening};

use crate::Tree;
use crate::failure::failure;
use crate::jail::{Jail, Lookup};
use crate::metadata::{Identity, identity, look, look_at, metadata};
use crate::names::Names;
use crate::open::{LIST, LOOK_AT_LINK, open_at};
use crate::partial::{News, Partials, seen};
use crate::spot::{Spot, is_reserved, is_visible};

/// Something that cannot be looked at, such as the mount point of a server that is gone.
const UNKNOWN: Metadata = Metadata {
    kind: Kind::Other,
    size: 0,
    modified: None,
    mode: None,
    links: None,
    owner: None,
    group: None,
    enterable: None,
    unique: None,
};

/// The entries of a directory: first its files, then, where they are listed, the partials of the
/// account that have no file.
pub(crate) struct Entries {
    tree: Arc<Tree>,
    here: VPath,
    stage: Stage,
    name: Vec<u8>,
    metadata: Metadata,
    /// Where a link leads that stays in the directory: its text, and what is there.
    link: Option<(Vec<u8>, Metadata)>,
}

enum Stage {
    /// The one entry is already there.
    One,
    /// Its files, among which this one belongs to the storage.
    Files(Names, Option<Identity>),
    /// The partials that have no file, and the directory, to see whether one came to be.
    Partials(News, Names),
    End,
}

impl Entries {
    /// Opens what the scope asks for.
    pub(crate) fn open(
        tree: &Arc<Tree>,
        path: &VPath,
        scope: Scope,
        lookup: Lookup,
    ) -> Result<BlockingOpening, Failure> {
        if !is_visible(path) {
            return Err(Failure::NotFound);
        }
        let mut entries = Self {
            tree: Arc::clone(tree),
            here: path.clone(),
            stage: Stage::End,
            name: Vec::new(),
            metadata: Metadata::default(),
            link: None,
        };
        match scope {
            Scope::Entries => entries.list(lookup)?,
            Scope::Itself => entries.show(lookup)?,
        }
        Ok(BlockingOpening {
            opened: Opened::default(),
            handle: BlockingHandle::Directory(Box::new(entries)),
        })
    }

    /// Begins with the names in the directory.
    fn list(&mut self, lookup: Lookup) -> Result<(), Failure> {
        let tree = &self.tree;
        let directory = tree.jail.find(self.here.relative(), LIST, lookup);
        let directory = directory.map_err(failure)?;
        // It may be listed though it cannot be entered: then nobody can look at what is in it.
        let hidden = match tree.jail.resolver().hidden_in(&directory, lookup) {
            Err(Errno::ACCESS) => None,
            hidden => hidden.map_err(failure)?,
        };
        self.stage = Stage::Files(Names::new(directory), hidden);
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
        self.metadata = metadata(&finished.ok_or(Failure::NotFound)?);
        if self.metadata.kind == Kind::Link {
            if lookup == Lookup::Cached {
                return Err(Failure::Busy);
            }
            let here = self.here.parent();
            self.link = read_link(&self.tree.jail, &here, &spot.directory, spot.name());
        }
        self.name.extend_from_slice(spot.name());
        Ok(())
    }

    fn step(&mut self) -> Result<bool, Failure> {
        let found = match &mut self.stage {
            Stage::One => {
                self.stage = Stage::End;
                return Ok(true);
            }
            Stage::Files(names, hidden) => {
                next_file(names, *hidden).map_err(failure)?.inspect(|_| {
                    self.name.clear();
                    self.name.extend_from_slice(names.name().to_bytes());
                })
            }
            Stage::Partials(news, files) => {
                let found = news.next(&*files).map_err(failure)?;
                found.map(|(name, partial)| {
                    self.name.clear();
                    self.name.extend_from_slice(name);
                    seen(&partial, self.tree.new_mode())
                })
            }
            Stage::End => return Ok(false),
        };
        if let Some(metadata) = found {
            self.metadata = metadata;
            self.link = match (&self.stage, metadata.kind) {
                (Stage::Files(names, _), Kind::Link) => {
                    read_link(&self.tree.jail, &self.here, names, &self.name)
                }
                _ => None,
            };
            return Ok(true);
        }
        if let Stage::Files(files, _) = mem::replace(&mut self.stage, Stage::End)
            && self.tree.options.partials == Partials::Listed
            && let Some(drawer) = self.tree.drawer_in(&files, Lookup::Full)?
            && let Some(news) = drawer.news().map_err(failure)?
        {
            self.stage = Stage::Partials(news, files);
            return self.step();
        }
        Ok(false)
    }
}

impl BlockingDirectory for Entries {
    fn advance(&mut self) -> Result<bool, Failure> {
        self.step().inspect_err(|_| self.stage = Stage::End)
    }

    fn entry(&self) -> Entry<'_> {
        Entry::new(BStr::new(&self.name), self.metadata)
            .with_target(self.link.as_ref().map(|(text, _)| BStr::new(text)))
            .with_leads_to(self.link.as_ref().map(|(_, metadata)| *metadata))
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

/// Goes to the next name that a client may see, and says what stands there.
fn next_file(names: &mut Names, hidden: Option<Identity>) -> Result<Option<Metadata>, Errno> {
    while names.advance()? {
        let name = names.name();
        if is_reserved(name.to_bytes()) {
            continue;
        }
        return Ok(Some(match look_at(&*names, name) {
            Ok(stat) if hidden == Some(identity(&stat)) => continue,
            Ok(stat) => metadata(&stat),
            Err(Errno::NOENT) => continue,
            // It is there, so a listing without it would be wrong.
            Err(_) => UNKNOWN,
        }));
    }
    Ok(None)
}

/// Where a link points, if that lies within the jail, and what is there. The text is read from the
/// link and then followed as text, so that no other one is shown in a race.
fn read_link(
    jail: &Jail,
    here: &VPath,
    directory: impl AsFd,
    name: &[u8],
) -> Option<(Vec<u8>, Metadata)> {
    let link = open_at(directory, name, LOOK_AT_LINK).ok()?;
    let text = readlinkat(link, c"", Vec::new()).ok()?.into_bytes();
    let target = jail.find_target(here, &text).ok()?;
    let metadata = look(target).map_or(UNKNOWN, |stat| metadata(&stat));
    Some((text, metadata))
}
