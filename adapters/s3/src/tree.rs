//! [`Tree`]: the part of a bucket that an account sees, and what stands in it.

use std::sync::Arc;

use wharf_core::{Entry, Failure, Kind, Metadata, VPath};
use wharf_storage::Wanted;

use crate::client::Refused;
use crate::key;
use crate::store::Store;
use crate::wire::{Head, Object, Page, Request, Start};

/// The part of a bucket that an account sees.
pub(crate) struct Tree {
    pub(crate) store: Arc<Store>,
    /// What all its keys begin with: nothing, or something that ends with a slash.
    pub(crate) prefix: String,
    /// What the keys of its records begin with.
    pub(crate) records: String,
    /// Whether uploads that broke off can be continued.
    pub(crate) keeps_partials: bool,
}

/// What stands under a name.
pub(crate) enum Found {
    File(Head),
    Directory,
    Nothing,
}

impl Tree {
    /// Returns the key of a file.
    pub(crate) fn key(&self, path: &VPath) -> Result<String, Failure> {
        key::key(&self.prefix, path, self.store.options.provider)
    }

    /// Returns what the keys of all that lies in a directory begin with.
    pub(crate) fn directory(&self, path: &VPath) -> Result<String, Failure> {
        key::directory(&self.prefix, path, self.store.options.provider)
    }

    /// Returns what the store tells of an object, if there is one.
    pub(crate) fn head(&self, key: &str, wanted: &Wanted) -> Result<Option<Head>, Refused> {
        match self.store.client.ask(&Request::head(key), wanted) {
            Ok(answer) => Ok(Some(Head::of(answer.headers))),
            Err(refused) if refused.is_absent() => Ok(None),
            Err(refused) => Err(refused),
        }
    }

    /// Returns where a page begins, in the words of the store.
    pub(crate) fn start<'a>(&self, from: Option<&'a str>) -> Start<'a> {
        match self.store.options.provider.lists_by_token() {
            true => Start::V2(from),
            false => Start::V1(from),
        }
    }

    /// Returns a page of the names that begin with a prefix.
    pub(crate) fn page(
        &self,
        prefix: &str,
        up_to_slash: bool,
        from: Option<&str>,
        most: u16,
        wanted: &Wanted,
    ) -> Result<Page, Refused> {
        let start = self.start(from);
        let request = Request::list(prefix, up_to_slash, start, most);
        let answer = self.store.client.ask(&request, wanted)?;
        Ok(Page::parse(&answer.body, start)?)
    }

    /// Returns whether any key begins with that.
    pub(crate) fn is_prefix(&self, prefix: &str, wanted: &Wanted) -> Result<bool, Refused> {
        let page = self.page(prefix, false, None, 1, wanted)?;
        Ok(!page.objects.is_empty())
    }

    /// Looks at what stands under a name. The root is a directory, whatever is in it.
    pub(crate) fn look(&self, path: &VPath, wanted: &Wanted) -> Result<Found, Failure> {
        if path.is_root() {
            return Ok(Found::Directory);
        }
        if let Some(head) = self.head(&self.key(path)?, wanted)? {
            return Ok(Found::File(head));
        }
        Ok(match self.is_prefix(&self.directory(path)?, wanted)? {
            true => Found::Directory,
            false => Found::Nothing,
        })
    }

    /// Returns the facts of what stands under a name, also of an upload that can be continued.
    pub(crate) fn stat(&self, path: &VPath, wanted: &Wanted) -> Result<Metadata, Failure> {
        match self.look(path, wanted)? {
            Found::File(head) => Ok(of_file(&head)),
            Found::Directory => Ok(Metadata::of_kind(Kind::Directory)),
            Found::Nothing => {
                let records = self.records(&self.key(path)?, wanted)?;
                let partial = self.partial(records, wanted)?.ok_or(Failure::NotFound)?;
                Ok(Metadata {
                    size: partial.resumable(),
                    ..Metadata::of_kind(Kind::Partial)
                })
            }
        }
    }
}

fn of_file(head: &Head) -> Metadata {
    Metadata {
        size: head.size,
        modified: head.modified,
        ..Metadata::of_kind(Kind::File)
    }
}

/// Returns what a directory says of an object under that name.
pub(crate) fn entry<'a>(name: &'a str, object: &Object) -> Entry<'a> {
    let metadata = Metadata {
        size: object.size,
        modified: object.modified,
        ..Metadata::of_kind(Kind::File)
    };
    Entry::new(name, metadata)
}

/// Returns what a directory says of another one in it.
pub(crate) fn directory_entry(name: &str) -> Entry<'_> {
    Entry::new(name, Metadata::of_kind(Kind::Directory))
}

/// Returns what a directory says of one file whose facts are known.
pub(crate) fn entry_of<'a>(name: &'a str, head: &Head) -> Entry<'a> {
    Entry::new(name, of_file(head))
}
