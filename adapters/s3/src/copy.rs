//! Copying objects, and with that renaming.

use std::collections::BTreeSet;

use wharf_core::{Failure, VPath};
use wharf_storage::Wanted;

use crate::client::Refused;
use crate::multipart::Multipart;
use crate::record::Record;
use crate::store::MOST_PARTS;
use crate::tree::{Found, Tree};
use crate::wire::{Attributes, Copied, Guarded, Head, Object, Part, Request};

/// So much is copied as one part.
const PIECE: u64 = 512 << 20;

impl Tree {
    /// Renames a file or a directory.
    pub(crate) fn rename(
        &self,
        from: &VPath,
        to: &VPath,
        replace: bool,
        wanted: &Wanted,
    ) -> Result<(), Failure> {
        if from.is_root() || to.is_root() {
            return Err(Failure::BadMove);
        }
        let found = self.look(from, wanted)?;
        if from == to {
            return match found {
                Found::Nothing => Err(Failure::NotFound),
                Found::File(_) | Found::Directory => Ok(()),
            };
        }
        match found {
            Found::File(head) => self.rename_file(from, &head, to, replace, wanted),
            Found::Directory => self.rename_directory(from, to, wanted),
            Found::Nothing => Err(Failure::NotFound),
        }
    }

    fn rename_file(
        &self,
        from: &VPath,
        head: &Head,
        to: &VPath,
        replace: bool,
        wanted: &Wanted,
    ) -> Result<(), Failure> {
        let condition = self.store.options.provider.condition();
        let guarded = match self.look(to, wanted)? {
            Found::Directory => return Err(Failure::IsADirectory),
            Found::File(_) if !replace => return Err(Failure::Exists),
            _ if replace => Guarded::No,
            _ => Guarded::Absent(condition),
        };
        let (old, new) = (self.key(from)?, self.key(to)?);
        self.copy(&old, head, &new, &self.attributes_of(head), guarded, wanted)?;
        // From here on it is done: a cancel would leave both.
        let wanted = &Wanted::default();
        for key in [&old, &new] {
            self.forget_all(&self.records(key, wanted)?, wanted)?;
        }
        self.remove(&old, wanted)?;
        self.keep_directory(&from.parent(), wanted)
    }

    /// Renames a directory: copies all that is in it, then removes the old objects. Broken off anywhere,
    /// each object stands under its old name or the new one, or both.
    fn rename_directory(&self, from: &VPath, to: &VPath, wanted: &Wanted) -> Result<(), Failure> {
        if to.is_within(from) {
            return Err(Failure::BadMove);
        }
        let (old, new) = (self.directory(from)?, self.directory(to)?);
        let most = self.store.options.rename_objects;
        let objects = self.first_objects(&old, most.saturating_add(1), wanted)?;
        if objects.len() > most {
            return Err(Failure::BadMove);
        }
        match self.look(to, wanted)? {
            Found::Nothing => {}
            Found::File(_) => return Err(Failure::NotADirectory),
            Found::Directory => return Err(Failure::Exists),
        }
        let renamed = |key: &str| format!("{new}{}", &key[old.len()..]);
        let limit = self.store.options.provider.key_limit();
        if objects
            .iter()
            .any(|object| renamed(&object.key).len() > limit)
        {
            return Err(Failure::BadName);
        }
        for (number, object) in objects.iter().enumerate() {
            wanted.check::<Failure>()?;
            self.copy_object(object, &renamed(&object.key), wanted)?;
            wanted.advance_to(number as u64 + 1);
        }
        let wanted_still = &Wanted::default();
        for (number, object) in objects.iter().enumerate() {
            self.remove(&object.key, wanted_still)?;
            wanted.advance_to((objects.len() + number) as u64 + 1);
        }
        for folder in self.folders_of(&old, &objects) {
            self.remove(folder, wanted_still)?;
        }
        self.keep_directory(&from.parent(), wanted_still)
    }

    /// Returns the directories in which objects lie, the deepest ones first, where the store keeps them when
    /// their objects are gone.
    fn folders_of<'a>(&self, prefix: &str, objects: &'a [Object]) -> Vec<&'a str> {
        if !self.store.options.provider.keeps_folders() {
            return Vec::new();
        }
        let mut folders = BTreeSet::new();
        for Object { key, .. } in objects {
            let slashes = key.match_indices('/').map(|(at, _)| at + 1);
            folders.extend(
                slashes
                    .filter(|end| *end >= prefix.len())
                    .map(|end| &key[..end]),
            );
        }
        let mut folders: Vec<_> = folders.into_iter().collect();
        folders.sort_by_key(|folder| std::cmp::Reverse(folder.len()));
        folders
    }

    fn copy_object(&self, object: &Object, to: &str, wanted: &Wanted) -> Result<(), Failure> {
        if object.key.ends_with('/') && object.size == 0 {
            // Some stores copy no object that stands for a directory.
            return self.put_marker(to, Guarded::No, wanted);
        }
        // A list tells neither class nor encryption.
        let head = self.head(&object.key, wanted)?.ok_or(Failure::Io)?;
        let attributes = self.attributes_of(&head);
        self.copy(&object.key, &head, to, &attributes, Guarded::No, wanted)
    }

    /// Copies that version of an object, of whatever size, with these attributes.
    pub(crate) fn copy(
        &self,
        from: &str,
        head: &Head,
        to: &str,
        attributes: &Attributes,
        guarded: Guarded<'_>,
        wanted: &Wanted,
    ) -> Result<(), Failure> {
        let source = Copied {
            bucket: &self.store.options.bucket,
            key: from,
            etag: head.etag.as_deref(),
        };
        if head.size > self.store.options.copy_at_once {
            return self.copy_in_parts(source, head.size, to, attributes, guarded, wanted);
        }
        let request = Request::copy(to, source, attributes, from == to, guarded);
        let copied = self.store.client.ask(&request, wanted).and_then(|answer| {
            Request::made(&answer.body)?;
            Ok(())
        });
        match copied {
            Ok(()) => Ok(()),
            // What was copied by a try whose answer was lost is the copy.
            Err(refused) if refused.may_be_done() && refused.status() == Some(412) => {
                let copy = self.head(to, wanted)?;
                let is_ours =
                    copy.is_some_and(|copy| copy.etag == head.etag && copy.size == head.size);
                is_ours.then_some(()).ok_or(Failure::Exists)
            }
            Err(refused) => Err(refused.failure()),
        }
    }

    fn copy_in_parts(
        &self,
        from: Copied<'_>,
        size: u64,
        to: &str,
        attributes: &Attributes,
        guarded: Guarded<'_>,
        wanted: &Wanted,
    ) -> Result<(), Failure> {
        let piece = PIECE
            .min(self.store.options.copy_at_once)
            .max(size.div_ceil(MOST_PARTS));
        let record = Record {
            key: to.to_owned(),
            upload: None,
            part_size: piece,
            base: None,
            is_resumable: false,
            is_running: true,
        };
        let multipart = self.begin_parts(record, attributes, wanted)?;
        let copied = self.copy_parts(from, size, &multipart, wanted);
        let made = copied
            .and_then(|parts| self.complete(&multipart, &parts, guarded, Refused::failure, wanted));
        match made {
            // It may stand there: nothing of it must go.
            Ok(()) | Err(Failure::Unknown) => made,
            Err(_) => {
                // Nobody continues it.
                let _ = self.forget(&multipart.record, &Wanted::default());
                made
            }
        }
    }

    fn copy_parts(
        &self,
        from: Copied<'_>,
        size: u64,
        multipart: &Multipart,
        wanted: &Wanted,
    ) -> Result<Vec<Part>, Failure> {
        let (to, piece) = (&multipart.record.key, multipart.record.part_size);
        let mut parts = Vec::new();
        let (mut at, mut number) = (0, 1);
        while at < size {
            let end = size.min(at + piece);
            self.keep_alive(multipart, wanted)?;
            let request = Request::copy_part(to, &multipart.id, number, from, &(at..end));
            let answer = self.store.client.ask(&request, wanted)?;
            let etag = Request::made(&answer.body).map_err(Refused::from)?;
            parts.push(Part {
                number,
                size: end - at,
                etag,
            });
            wanted.advance_to(end);
            (at, number) = (end, number + 1);
        }
        Ok(parts)
    }
}
