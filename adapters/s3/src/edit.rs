//! Changes: remove, make, rename, set the time.

use wharf_core::{Changed, Edit, Facts, Failure, VPath};
use wharf_storage::Wanted;

use crate::tree::{Found, Tree};
use crate::wire::{Attributes, Guarded, Head, Request};

/// The type of an object that stands for a directory, as other tools know it.
const DIRECTORY: &str = "application/x-directory";

impl Tree {
    /// Changes something.
    pub(crate) fn change(
        &self,
        edit: Edit,
        path: &VPath,
        other: &VPath,
        wanted: &Wanted,
    ) -> Result<Changed, Failure> {
        match edit {
            Edit::Delete => self.delete(path, wanted)?,
            Edit::RemoveDirectory => self.remove_directory(path, wanted)?,
            Edit::MakeDirectory { umask: _ } => self.make_directory(path, wanted)?,
            Edit::Rename { replace } => self.rename(other, path, replace, wanted)?,
            Edit::Set(facts) => self.set(path, facts, wanted)?,
            Edit::Symlink => return Err(Failure::Unsupported),
        }
        Ok(Changed::AS_ASKED)
    }

    fn delete(&self, path: &VPath, wanted: &Wanted) -> Result<(), Failure> {
        let key = self.key(path)?;
        let found = self.look(path, wanted)?;
        if let Found::Directory = found {
            return Err(Failure::IsADirectory);
        }
        let records = self.records(&key, wanted)?;
        if let Found::File(_) = found {
            self.forget_all(&records, wanted)?;
            self.remove(&key, wanted)?;
            return self.keep_directory(&path.parent(), wanted);
        }
        // What can be continued goes, also if somebody still sends parts of it.
        let partial = self.partial(records, wanted)?.ok_or(Failure::NotFound)?;
        Ok(self.forget(&partial.record, wanted)?)
    }

    fn remove_directory(&self, path: &VPath, wanted: &Wanted) -> Result<(), Failure> {
        if path.is_root() {
            return Err(Failure::IsHome);
        }
        let directory = self.directory(path)?;
        let objects = self.first_objects(&directory, 2, wanted)?;
        if objects.iter().any(|object| object.key != directory) {
            return Err(Failure::NotEmpty);
        }
        if objects.is_empty() {
            return Err(match self.head(&self.key(path)?, wanted)? {
                Some(_) => Failure::NotADirectory,
                None => Failure::NotFound,
            });
        }
        self.remove(&directory, wanted)?;
        self.keep_directory(&path.parent(), wanted)
    }

    fn make_directory(&self, path: &VPath, wanted: &Wanted) -> Result<(), Failure> {
        match self.look(path, wanted)? {
            Found::Nothing => {}
            Found::File(_) | Found::Directory => return Err(Failure::Exists),
        }
        let guarded = Guarded::Absent(self.store.options.provider.condition());
        self.put_marker(&self.directory(path)?, guarded, wanted)
    }

    /// Puts the object that stands for a directory where nothing else does.
    pub(crate) fn put_marker(
        &self,
        directory: &str,
        guarded: Guarded<'_>,
        wanted: &Wanted,
    ) -> Result<(), Failure> {
        let options = &self.store.options;
        let mut attributes = options.attributes.clone();
        attributes.fields.push("content-type", DIRECTORY);
        let put = Request::put(directory, b"", &attributes, options.checksum, guarded);
        match self.store.client.ask(&put, wanted) {
            // It is ours, or as good as that.
            Err(refused) if refused.may_be_done() && refused.status() == Some(412) => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }

    pub(crate) fn remove(&self, key: &str, wanted: &Wanted) -> Result<(), Failure> {
        Ok(self
            .store
            .client
            .ask(&Request::delete(key), wanted)
            .map(drop)?)
    }

    /// Keeps a directory that has lost what was in it: else it would be gone.
    pub(crate) fn keep_directory(&self, path: &VPath, wanted: &Wanted) -> Result<(), Failure> {
        if path.is_root() || !self.store.options.keep_directories {
            return Ok(());
        }
        let directory = self.directory(path)?;
        if self.is_prefix(&directory, wanted)? {
            return Ok(());
        }
        self.put_marker(&directory, Guarded::No, wanted)
    }

    fn set(&self, path: &VPath, facts: Facts, wanted: &Wanted) -> Result<(), Failure> {
        let (Some(modified), None) = (facts.modified, facts.mode) else {
            return Err(Failure::Unsupported);
        };
        let head = match self.look(path, wanted)? {
            Found::File(head) => head,
            Found::Directory => return Err(Failure::Unsupported),
            Found::Nothing => return Err(Failure::NotFound),
        };
        let attributes = Attributes {
            modified: Some(modified),
            ..self.attributes_of(&head)
        };
        let key = self.key(path)?;
        self.copy(&key, &head, &key, &attributes, Guarded::No, wanted)
    }

    /// Returns what a copy of an object is given.
    pub(crate) fn attributes_of(&self, head: &Head) -> Attributes {
        self.store.options.attributes.of(head)
    }
}
