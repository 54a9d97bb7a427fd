//! [`Blocking`]: a [`Storage`] of a backend whose calls block.

mod directory;
mod sink;
mod source;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wharf_core::{
    Capabilities, Changed, Edit, Entry, Failure, Metadata, Mode, Opened, Reason, VPath,
};

use crate::descriptor::Descriptor;
use crate::executor::{Executor, Group, OnCancel, Wanted, run};
use crate::operation::{Begun, Operation};
use crate::storage::{Handle, Opening, Storage};

/// For so long calls are made one after the other, before what they came to is handed over.
const BURST: Duration = Duration::from_millis(100);

/// A tree of files whose calls block; see [`Storage`] for what they mean.
pub trait BlockingStorage: Send + Sync {
    /// Returns what this storage can do at all.
    fn capabilities(&self) -> Capabilities;

    /// Returns whether the calls are short (a local disk), so that a thread that serves one session may
    /// make them itself.
    fn is_short(&self) -> bool {
        false
    }

    /// Returns whether that is also so for [`BlockingStorage::change`] and the end of an upload, which
    /// may have to wait until the disk has it.
    fn changes_are_short(&self) -> bool {
        self.is_short()
    }

    /// Returns what may hang together with it.
    fn group(&self) -> Group {
        Group::default()
    }

    /// Looks at a file or directory, following links.
    ///
    /// # Errors
    /// [`Failure::NotFound`] and others.
    fn stat(&self, path: &VPath) -> Result<Metadata, Failure>;

    /// [`BlockingStorage::stat`], or `None` if it would have to wait.
    fn stat_now(&self, path: &VPath) -> Option<Result<Metadata, Failure>> {
        let _ = path;
        None
    }

    /// Changes something. `other` is the old name for [`Edit::Rename`] and the target for
    /// [`Edit::Symlink`]; for other edits it means nothing.
    ///
    /// # Errors
    /// As the edit says.
    fn change(&self, edit: Edit, path: &VPath, other: &VPath) -> Result<Changed, Failure>;

    /// Opens a file or directory for a transfer.
    ///
    /// # Errors
    /// As the mode says. A device, socket or pipe is [`Failure::NotAFile`].
    fn open(&self, mode: Mode, path: &VPath) -> Result<BlockingOpening, Failure>;

    /// [`BlockingStorage::open`], or `None` if it would have to wait.
    fn open_now(&self, mode: Mode, path: &VPath) -> Option<Result<BlockingOpening, Failure>> {
        let _ = (mode, path);
        None
    }

    /// Returns the length of a file as TYPE A sends it.
    ///
    /// # Errors
    /// [`Failure::TooLarge`] if the file is longer than `limit` bytes; [`Failure::Unsupported`]
    /// if the storage cannot tell.
    fn text_size(&self, path: &VPath, limit: u64) -> Result<u64, Failure> {
        let _ = (path, limit);
        Err(Failure::Unsupported)
    }

    /// Returns how many bytes may still be written in a directory.
    ///
    /// # Errors
    /// [`Failure::Unsupported`] if the storage cannot tell.
    fn available(&self, path: &VPath) -> Result<u64, Failure> {
        let _ = path;
        Err(Failure::Unsupported)
    }
}

/// What [`BlockingStorage::open`] opened.
#[derive(Debug)]
pub struct BlockingOpening {
    /// What the core wants to know of it.
    pub opened: Opened,
    /// What moves the bytes.
    pub handle: BlockingHandle,
}

impl BlockingOpening {
    /// Returns it as what is polled: all its calls are made by that executor.
    #[must_use]
    pub fn behind(self, executor: Arc<dyn Executor>, group: Group) -> Opening {
        let calls = Calls {
            executor,
            group,
            is_short: false,
            ends_are_short: false,
        };
        calls.wrap(self)
    }
}

/// An opened file or directory. Dropping it abandons it.
pub enum BlockingHandle {
    /// Opened with [`Mode::Read`].
    Source(Box<dyn BlockingSource>),
    /// Opened with [`Mode::Write`], [`Mode::Append`] or [`Mode::Unique`].
    Sink(Box<dyn BlockingSink>),
    /// Opened with [`Mode::List`].
    Directory(Box<dyn BlockingDirectory>),
}

impl fmt::Debug for BlockingHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source(_) => "Source(..)",
            Self::Sink(_) => "Sink(..)",
            Self::Directory(_) => "Directory(..)",
        })
    }
}

/// A file that is read; see [`Source`](crate::Source).
pub trait BlockingSource: Send {
    /// Reads the next bytes; 0 at the end.
    ///
    /// # Errors
    /// [`Failure::Io`] and others.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure>;

    /// Returns the file, if there is one, with its position at the next byte.
    fn file(&self) -> Option<Descriptor<'_>> {
        None
    }
}

/// An upload; see [`Sink`](crate::Sink).
pub trait BlockingSink: Send {
    /// Writes all of these bytes behind the last ones.
    ///
    /// # Errors
    /// [`Failure::NoSpace`], [`Failure::Quota`], [`Failure::Io`].
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure>;

    /// Returns the file, if there is one, with its position at the next byte.
    fn file(&self) -> Option<Descriptor<'_>> {
        None
    }

    /// Makes the upload visible under its name in one step, in place of what stood there.
    ///
    /// # Errors
    /// Why it is not visible: then nothing has changed under its name. [`Failure::Unknown`] if
    /// that cannot be told.
    fn commit(self: Box<Self>) -> Result<(), Failure>;

    /// Gives the upload up. What was written is kept as a partial where the storage has those.
    fn abandon(self: Box<Self>, reason: Reason);
}

/// The entries of a directory, one after the other; see
/// [`Directory`](wharf_core::listing::Directory).
pub trait BlockingDirectory: Send {
    /// Goes to the next entry, first to the first one; false at the end. An entry that vanished
    /// meanwhile is skipped.
    ///
    /// # Errors
    /// [`Failure::Io`] and others; the end is near.
    fn advance(&mut self) -> Result<bool, Failure>;

    /// Returns the entry that [`BlockingDirectory::advance`] went to.
    fn entry(&self) -> Entry<'_>;

    /// Goes on with another directory of the same storage.
    ///
    /// # Errors
    /// As [`BlockingStorage::open`]; then [`BlockingDirectory::advance`] says that there are no entries.
    fn enter(&mut self, path: &VPath) -> Result<(), Failure>;
}

/// A [`Storage`] of a backend whose calls block.
///
/// What the backend calls short is done at once where the session's thread may wait for a disk. The rest
/// is done by the executor, many entries or bytes at a time: reading ahead, and taking the next bytes of
/// an upload while the last ones are written.
#[derive(Debug)]
pub struct Blocking<S> {
    backend: Arc<S>,
}

impl<S: BlockingStorage + 'static> Blocking<S> {
    /// Returns a storage of that backend.
    #[must_use]
    pub fn new(backend: S) -> Self {
        Self {
            backend: Arc::new(backend),
        }
    }

    fn run<T: Send + 'static>(
        &self,
        executor: &Arc<dyn Executor>,
        on_cancel: OnCancel,
        call: impl FnOnce(&S) -> Result<T, Failure> + Send + 'static,
    ) -> Begun<T> {
        let backend = Arc::clone(&self.backend);
        let group = backend.group();
        let called = run(&**executor, group, on_cancel, move |wanted| {
            wanted.check::<Failure>()?;
            call(&backend)
        });
        Begun::Pending(called)
    }

    /// Asks what changes nothing: here, if that is short, else elsewhere.
    fn look<T: Send + 'static>(
        &self,
        executor: &Arc<dyn Executor>,
        call: impl FnOnce(&S) -> Result<T, Failure> + Send + 'static,
    ) -> Begun<T> {
        if executor.may_wait() && self.backend.is_short() {
            return Begun::Done(call(&self.backend));
        }
        self.run(executor, OnCancel::Leave, call)
    }
}

impl<S: BlockingStorage + 'static> Storage for Blocking<S> {
    fn capabilities(&self) -> Capabilities {
        self.backend.capabilities()
    }

    fn stat(&self, path: &VPath, executor: &Arc<dyn Executor>) -> Begun<Metadata> {
        let here = executor.may_wait() && self.backend.is_short();
        if !here && let Some(outcome) = self.backend.stat_now(path) {
            return Begun::Done(outcome);
        }
        let path = path.clone();
        self.look(executor, move |backend| backend.stat(&path))
    }

    fn change(
        &self,
        edit: Edit,
        path: &VPath,
        other: &VPath,
        executor: &Arc<dyn Executor>,
    ) -> Begun<Changed> {
        if executor.may_wait() && self.backend.changes_are_short() {
            return Begun::Done(self.backend.change(edit, path, other));
        }
        let (path, other) = (path.clone(), other.clone());
        self.run(executor, OnCancel::Wait, move |backend| {
            backend.change(edit, &path, &other)
        })
    }

    fn open(&self, mode: Mode, path: &VPath, executor: &Arc<dyn Executor>) -> Begun<Opening> {
        let calls = Calls {
            executor: Arc::clone(executor),
            group: self.backend.group(),
            is_short: self.backend.is_short(),
            ends_are_short: self.backend.changes_are_short(),
        };
        let here = executor.may_wait() && calls.is_short;
        if here {
            return Begun::Done(
                self.backend
                    .open(mode, path)
                    .map(|opening| calls.wrap(opening)),
            );
        }
        if let Some(outcome) = self.backend.open_now(mode, path) {
            return Begun::Done(outcome.map(|opening| calls.wrap(opening)));
        }
        let path = path.clone();
        self.look(executor, move |backend| {
            backend.open(mode, &path).map(|opening| calls.wrap(opening))
        })
    }

    fn text_size(&self, path: &VPath, limit: u64, executor: &Arc<dyn Executor>) -> Begun<u64> {
        let path = path.clone();
        self.look(executor, move |backend| backend.text_size(&path, limit))
    }

    fn available(&self, path: &VPath, executor: &Arc<dyn Executor>) -> Begun<u64> {
        let path = path.clone();
        self.look(executor, move |backend| backend.available(&path))
    }
}

/// How the calls of an opened file or directory are made.
#[derive(Clone)]
struct Calls {
    executor: Arc<dyn Executor>,
    group: Group,
    is_short: bool,
    ends_are_short: bool,
}

impl Calls {
    /// Whether the session's own thread makes them.
    fn are_here(&self) -> bool {
        self.executor.may_wait() && self.is_short
    }

    /// Whether it also makes the call that ends an upload.
    fn end_here(&self) -> bool {
        self.executor.may_wait() && self.ends_are_short
    }

    fn run<T: Send + 'static>(
        &self,
        on_cancel: OnCancel,
        job: impl FnOnce(&Wanted) -> Result<T, Failure> + Send + 'static,
    ) -> Box<dyn Operation<T>> {
        run(&*self.executor, self.group, on_cancel, job)
    }

    fn wrap(self, BlockingOpening { opened, handle }: BlockingOpening) -> Opening {
        let handle = match handle {
            BlockingHandle::Source(source) => Handle::Source(source::wrap(source, self)),
            BlockingHandle::Sink(sink) => Handle::Sink(sink::wrap(sink, self)),
            BlockingHandle::Directory(directory) => {
                Handle::Directory(directory::wrap(directory, self))
            }
        };
        Opening { opened, handle }
    }
}
