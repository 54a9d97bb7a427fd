//! [`Names`]: the entries of a directory, page by page.

use std::iter::Peekable;
use std::mem;
use std::sync::Arc;
use std::vec;

use wharf_core::{Entry, Failure, Scope, VPath};
use wharf_storage::{BlockingDirectory, Wanted};

use crate::key::is_shown;
use crate::tree::{Found, PAGE, Tree, directory_entry, entry, entry_of};
use crate::wire::{Head, Object, Page};

/// The entries of a directory, in the order of the store, in constant memory.
pub(crate) struct Names {
    tree: Arc<Tree>,
    /// What the keys of all entries begin with.
    prefix: String,
    page: Merged,
    /// What to ask with for the next page.
    next: Option<String>,
    /// Files whose names are the beginning of the one that it has gone to: one of them may also be the
    /// name of a directory, which is then not listed.
    above: Vec<String>,
    /// The last directory: a list may tell of it at the end of one page and the begin of another.
    last_directory: String,
    /// How many were listed.
    count: usize,
    here: Here,
}

/// The entry that it has gone to.
enum Here {
    Nowhere,
    File(String, Object),
    Directory(String),
}

/// The objects and prefixes of a page, in one order.
struct Merged {
    objects: Peekable<vec::IntoIter<Object>>,
    prefixes: Peekable<vec::IntoIter<String>>,
}

impl From<Page> for Merged {
    fn from(page: Page) -> Self {
        Self {
            objects: page.objects.into_iter().peekable(),
            prefixes: page.prefixes.into_iter().peekable(),
        }
    }
}

/// An object, or the prefix of a directory.
enum Either {
    Object(Object),
    Prefix(String),
}

impl Merged {
    fn next(&mut self) -> Option<Either> {
        let prefix_is_first = match (self.objects.peek(), self.prefixes.peek()) {
            (Some(object), Some(prefix)) => *prefix < object.key,
            (None, _) => true,
            (Some(_), None) => false,
        };
        if prefix_is_first {
            self.prefixes.next().map(Either::Prefix)
        } else {
            self.objects.next().map(Either::Object)
        }
    }
}

/// Opens what is to be listed.
pub(crate) fn open(
    tree: &Arc<Tree>,
    path: &VPath,
    scope: Scope,
    wanted: &Wanted,
) -> Result<Box<dyn BlockingDirectory>, Failure> {
    if scope == Scope::Entries {
        return Ok(Box::new(Names::open(tree, path, wanted)?));
    }
    let name = path
        .file_name()
        .map_or_else(|| ".".into(), ToString::to_string);
    let head = match tree.look(path, wanted)? {
        Found::File(head) => Some(head),
        Found::Directory => None,
        Found::Nothing => return Err(Failure::NotFound),
    };
    Ok(Box::new(Itself {
        name,
        head,
        is_due: true,
    }))
}

impl Names {
    fn open(tree: &Arc<Tree>, path: &VPath, wanted: &Wanted) -> Result<Self, Failure> {
        let prefix = tree.directory(path)?;
        let page = tree.page(&prefix, true, None, PAGE, wanted)?;
        // An empty page that leads on is no proof.
        let is_there = !page.objects.is_empty() || !page.prefixes.is_empty() || page.next.is_some();
        if !is_there && !path.is_root() {
            return Err(match tree.look(path, wanted)? {
                Found::File(_) => Failure::NotADirectory,
                Found::Directory | Found::Nothing => Failure::NotFound,
            });
        }
        Ok(Self {
            tree: Arc::clone(tree),
            prefix,
            next: page.next.clone(),
            page: page.into(),
            above: Vec::new(),
            last_directory: String::new(),
            count: 0,
            here: Here::Nowhere,
        })
    }

    /// Goes to what comes next, as the store has it; asks for another page where this one ends.
    fn next(&mut self) -> Result<Option<Either>, Failure> {
        loop {
            if let Some(next) = self.page.next() {
                return Ok(Some(next));
            }
            let Some(from) = self.next.take() else {
                return Ok(None);
            };
            let page = self
                .tree
                .page(&self.prefix, true, Some(&from), PAGE, &Wanted::default())?;
            // A store that does not get on would be asked for ever.
            if page.next.as_deref() == Some(&*from) {
                return Err(Failure::Io);
            }
            self.next.clone_from(&page.next);
            self.page = page.into();
        }
    }

    /// Returns the entry for what the store has, if clients are shown one.
    fn show(&mut self, next: Either) -> Option<Here> {
        let key = match &next {
            Either::Object(object) => &object.key,
            Either::Prefix(prefix) => prefix,
        };
        let name = key.strip_prefix(&self.prefix)?;
        self.above.retain(|above| name.starts_with(above.as_str()));
        match next {
            Either::Object(object) => {
                let name = object.key[self.prefix.len()..].to_owned();
                if !is_shown(&name) {
                    return None;
                }
                self.above.push(name.clone());
                Some(Here::File(name, object))
            }
            Either::Prefix(prefix) => {
                let name = prefix[self.prefix.len()..].strip_suffix('/')?;
                let is_told =
                    self.last_directory == name || self.above.iter().any(|above| above == name);
                if is_told || !is_shown(name) {
                    return None;
                }
                name.clone_into(&mut self.last_directory);
                Some(Here::Directory(name.to_owned()))
            }
        }
    }
}

impl BlockingDirectory for Names {
    fn advance(&mut self) -> Result<bool, Failure> {
        while let Some(next) = self.next()? {
            let Some(here) = self.show(next) else {
                continue;
            };
            let most = self.tree.store.options.max_list;
            if most.is_some_and(|most| self.count >= most) {
                tracing::info!(prefix = %self.prefix, most, "a directory is not listed to its end");
                self.here = Here::Nowhere;
                return Err(Failure::TooLarge);
            }
            self.count += 1;
            self.here = here;
            return Ok(true);
        }
        self.here = Here::Nowhere;
        Ok(false)
    }

    fn entry(&self) -> Entry<'_> {
        match &self.here {
            Here::File(name, object) => entry(name, object),
            Here::Directory(name) => directory_entry(name),
            Here::Nowhere => directory_entry(""),
        }
    }

    fn enter(&mut self, path: &VPath) -> Result<(), Failure> {
        *self = Self::open(&self.tree, path, &Wanted::default())?;
        Ok(())
    }
}

/// One entry for what was asked for itself.
struct Itself {
    name: String,
    /// What is known of a file; of a directory there is nothing to know.
    head: Option<Head>,
    is_due: bool,
}

impl BlockingDirectory for Itself {
    fn advance(&mut self) -> Result<bool, Failure> {
        Ok(mem::take(&mut self.is_due))
    }

    fn entry(&self) -> Entry<'_> {
        match &self.head {
            Some(head) => entry_of(&self.name, head),
            None => directory_entry(&self.name),
        }
    }

    fn enter(&mut self, _: &VPath) -> Result<(), Failure> {
        // Nothing lies in it.
        self.is_due = false;
        Ok(())
    }
}
