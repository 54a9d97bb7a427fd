//! [`Bucket`]: what one account sees of a bucket.

use std::fmt;
use std::sync::Arc;

use wharf_core::{Capabilities, Changed, Edit, Failure, Metadata, Mode, Opened, VPath};
use wharf_storage::{
    Begun, BlockingHandle, BlockingOpening, Executor, Handle, OnCancel, Opening, Storage, Wanted,
    run,
};

use crate::directory;
use crate::record::records_of;
use crate::source::Download;
use crate::store::Store;
use crate::tree::Tree;
use crate::upload::{Asked, Place, Upload, begin};

/// So many names are tried for STOU.
const UNIQUE_NAMES: u32 = 100;

/// What one account sees of a bucket: the objects whose keys begin with a prefix.
///
/// - A directory is what keys have in common up to a slash. An empty one, and one whose last object goes,
///   is kept by an object whose key ends with a slash and that has no bytes.
/// - A name `.wharf` belongs to the storage, at any depth: there stands what uploads write down so that
///   any server can continue them. Keys that no path leads to (with `//`, `.` or `..`, or a line break)
///   are neither listed nor reached.
/// - An upload that fits one part is one request. Above that its parts are sent while the next ones come,
///   and the object is made of them when all have arrived; nothing is visible before.
/// - What arrived of an upload that broke off is kept as a [partial](wharf_core::Kind::Partial) where no
///   object stands, in whole parts. Where one stands the upload is given up, and until the account has
///   stored the name anew the rest of it cannot be appended to the old object ([`Failure::BrokenOff`]).
/// - A download stays the version that was opened, or fails.
#[derive(Clone)]
pub struct Bucket {
    tree: Arc<Tree>,
}

impl Bucket {
    /// Returns what an account sees of a bucket below a prefix, with or without a slash at its end. The
    /// bytes that name the account tell it from others that see some of the same objects; without any,
    /// nothing can be continued.
    #[must_use]
    pub fn new(store: &Arc<Store>, prefix: &str, account: &[u8]) -> Self {
        let mut prefix = prefix.trim_start_matches('/').to_owned();
        if !prefix.is_empty() && !prefix.ends_with('/') {
            prefix.push('/');
        }
        Self {
            tree: Arc::new(Tree {
                records: records_of(&prefix, account),
                keeps_partials: !account.is_empty() && !store.options.retention().is_zero(),
                store: Arc::clone(store),
                prefix,
            }),
        }
    }

    /// Returns what the keys of all that it shows begin with: nothing, or something that ends with a slash.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.tree.prefix
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Has a job done on the threads for this store.
    fn run<T: Send + 'static>(
        &self,
        executor: &Arc<dyn Executor>,
        on_cancel: OnCancel,
        job: impl FnOnce(&Arc<Tree>, &Wanted) -> Result<T, Failure> + Send + 'static,
    ) -> Begun<T> {
        let tree = Arc::clone(&self.tree);
        let group = tree.store.group;
        Begun::Pending(run(&**executor, group, on_cancel, move |wanted| {
            wanted.check::<Failure>()?;
            job(&tree, wanted)
        }))
    }

    /// Opens an upload.
    fn upload(&self, path: &VPath, asked: Asked, executor: &Arc<dyn Executor>) -> Begun<Opening> {
        let (path, executor_of_parts) = (path.clone(), Arc::clone(executor));
        self.run(executor, OnCancel::Leave, move |tree, wanted| {
            let begin = begin(tree, &path, asked, wanted)?;
            Ok(Opening {
                opened: Opened::default(),
                handle: Handle::Sink(Box::new(Upload::new(begin, executor_of_parts))),
            })
        })
    }

    /// Opens an upload under a name that is not taken.
    fn upload_unique(
        &self,
        path: &VPath,
        resumable: bool,
        executor: &Arc<dyn Executor>,
    ) -> Begun<Opening> {
        let (path, executor_of_parts) = (path.clone(), Arc::clone(executor));
        self.run(executor, OnCancel::Leave, move |tree, wanted| {
            let suggested = path.file_name().ok_or(Failure::BadName)?.to_owned();
            let asked = Asked {
                place: Place::At(0),
                replace: false,
                resumable,
                expected: None,
            };
            let mut name = path.clone();
            for serial in 1..UNIQUE_NAMES {
                match begin(tree, &name, asked, wanted) {
                    Err(Failure::Exists | Failure::IsADirectory) => {}
                    Err(failure) => return Err(failure),
                    Ok(begin) => {
                        return Ok(Opening {
                            opened: Opened::named(name),
                            handle: Handle::Sink(Box::new(Upload::new(begin, executor_of_parts))),
                        });
                    }
                }
                let next = [&suggested[..], format!(".{serial}").as_bytes()].concat();
                name = path.parent().join(&next).map_err(|_| Failure::BadName)?;
            }
            Err(Failure::Exists)
        })
    }

    /// Opens what is read, whose calls block.
    fn read(
        &self,
        executor: &Arc<dyn Executor>,
        open: impl FnOnce(&Arc<Tree>, &Wanted) -> Result<BlockingOpening, Failure> + Send + 'static,
    ) -> Begun<Opening> {
        let (executor_of_calls, group) = (Arc::clone(executor), self.tree.store.group);
        self.run(executor, OnCancel::Leave, move |tree, wanted| {
            Ok(open(tree, wanted)?.behind(executor_of_calls, group))
        })
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("store", &self.tree.store)
            .field("prefix", &self.tree.prefix)
            .finish_non_exhaustive()
    }
}

impl Storage for Bucket {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            append: true,
            restart_write: true,
            rename: true,
            set_time: true,
            // In the order of the store, which it need not be kept back for.
            sorted: true,
            ..Capabilities::NONE
        }
    }

    fn stat(&self, path: &VPath, executor: &Arc<dyn Executor>) -> Begun<Metadata> {
        let path = path.clone();
        self.run(executor, OnCancel::Leave, move |tree, wanted| {
            tree.stat(&path, wanted)
        })
    }

    fn change(
        &self,
        edit: Edit,
        path: &VPath,
        other: &VPath,
        executor: &Arc<dyn Executor>,
    ) -> Begun<Changed> {
        let (path, other) = (path.clone(), other.clone());
        self.run(executor, OnCancel::Wait, move |tree, wanted| {
            tree.change(edit, &path, &other, wanted)
        })
    }

    fn open(&self, mode: Mode, path: &VPath, executor: &Arc<dyn Executor>) -> Begun<Opening> {
        let asked = match mode {
            Mode::Read { offset } => {
                let path = path.clone();
                return self.read(executor, move |tree, wanted| {
                    let (download, size) = Download::open(tree, &path, offset, wanted)?;
                    Ok(BlockingOpening {
                        opened: Opened::file(Some(size)),
                        handle: BlockingHandle::Source(Box::new(download)),
                    })
                });
            }
            Mode::List(scope) => {
                let path = path.clone();
                return self.read(executor, move |tree, wanted| {
                    Ok(BlockingOpening {
                        opened: Opened::default(),
                        handle: BlockingHandle::Directory(directory::open(
                            tree, &path, scope, wanted,
                        )?),
                    })
                });
            }
            Mode::Unique {
                umask: _,
                resumable,
            } => return self.upload_unique(path, resumable, executor),
            Mode::Write {
                at,
                replace,
                umask: _,
                resumable,
                expected,
            } => Asked {
                place: Place::At(at),
                replace,
                resumable,
                expected,
            },
            Mode::Append {
                told,
                replace,
                umask: _,
                resumable,
                expected,
            } => Asked {
                place: Place::Behind(told),
                replace,
                resumable,
                expected,
            },
        };
        self.upload(path, asked, executor)
    }
}
