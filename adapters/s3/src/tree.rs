//! [`Tree`]: the part of a bucket that an account sees, and what stands in it.

use std::ops::ControlFlow;
use std::sync::Arc;

use wharf_core::{Entry, Failure, Kind, Metadata, Timestamp, VPath};
use wharf_storage::Wanted;

use crate::client::Refused;
use crate::key;
use crate::store::Store;
use crate::wire::{Head, Object, Page, Request, Start};

/// So many names are asked for at once: as many as stores give.
pub(crate) const PAGE: u16 = 1000;

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

    /// Visits the objects whose keys begin with a prefix, in order, until it is enough. So many are asked for
    /// at once; a store may give fewer, also none, and still have more.
    pub(crate) fn each_object(
        &self,
        prefix: &str,
        at_once: u16,
        wanted: &Wanted,
        mut visit: impl FnMut(Object) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<(), Failure> {
        let mut from: Option<String> = None;
        loop {
            let page = self.page(prefix, false, from.as_deref(), at_once, wanted)?;
            for object in page.objects {
                if visit(object)?.is_break() {
                    return Ok(());
                }
            }
            match page.next {
                None => return Ok(()),
                // A store that does not get on would be asked for ever.
                next if next == from => return Err(Failure::Io),
                next => from = next,
            }
        }
    }

    /// Returns the first objects whose keys begin with a prefix, so many at the most.
    pub(crate) fn first_objects(
        &self,
        prefix: &str,
        most: usize,
        wanted: &Wanted,
    ) -> Result<Vec<Object>, Failure> {
        let at_once = u16::try_from(most).map_or(PAGE, |most| most.min(PAGE));
        let mut objects = Vec::new();
        self.each_object(prefix, at_once, wanted, |object| {
            objects.push(object);
            Ok(match objects.len() < most {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            })
        })?;
        Ok(objects)
    }

    /// Returns whether any key begins with that.
    pub(crate) fn is_prefix(&self, prefix: &str, wanted: &Wanted) -> Result<bool, Failure> {
        Ok(!self.first_objects(prefix, 1, wanted)?.is_empty())
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
            Found::File(head) => Ok(file(head.size, head.modified)),
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

fn file(size: u64, modified: Option<Timestamp>) -> Metadata {
    Metadata {
        size,
        modified,
        ..Metadata::of_kind(Kind::File)
    }
}

/// Returns what a directory says of an object under that name.
pub(crate) fn entry<'a>(name: &'a str, object: &Object) -> Entry<'a> {
    Entry::new(name, file(object.size, object.modified))
}

/// Returns what a directory says of another one in it.
pub(crate) fn directory_entry(name: &str) -> Entry<'_> {
    Entry::new(name, Metadata::of_kind(Kind::Directory))
}

/// Returns what a directory says of one file whose facts are known.
pub(crate) fn entry_of<'a>(name: &'a str, head: &Head) -> Entry<'a> {
    Entry::new(name, file(head.size, head.modified))
}
