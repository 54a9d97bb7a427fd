//! [`Storage`] and the handles that it opens.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use wharf_core::listing::Directory;
use wharf_core::{Capabilities, Changed, Edit, Failure, Metadata, Mode, Opened, Reason, VPath};

use crate::descriptor::Descriptor;
use crate::executor::{Executor, Group};
use crate::operation::Begun;

/// A tree of files, as one account sees it.
///
/// Rights are not its business: the core has checked them. What it must see to is that no call
/// reaches anything outside its tree, and that an upload keeps its rule (see [`Sink`]).
///
/// No call waits. What cannot be answered at once is [begun](Begun::Pending); where that takes a
/// call that blocks, the executor has threads for it, and [`Blocking`](crate::Blocking) makes a storage
/// of a backend whose calls all do.
pub trait Storage: Send + Sync {
    /// Returns what this storage can do at all.
    fn capabilities(&self) -> Capabilities;

    /// Looks at a file or directory, following links. Fails with [`Failure::NotFound`] and others.
    fn stat(&self, path: &VPath, executor: &Arc<dyn Executor>) -> Begun<Metadata>;

    /// Changes something. `other` is the old name for [`Edit::Rename`] and the target for
    /// [`Edit::Symlink`]; for other edits it means nothing. Fails as the edit says.
    fn change(
        &self,
        edit: Edit,
        path: &VPath,
        other: &VPath,
        executor: &Arc<dyn Executor>,
    ) -> Begun<Changed>;

    /// Opens a file or directory for a transfer. Fails as the mode says. A device, socket or pipe is
    /// [`Failure::NotAFile`].
    fn open(&self, mode: Mode, path: &VPath, executor: &Arc<dyn Executor>) -> Begun<Opening>;

    /// Returns the length of a file as TYPE A sends it. Fails with [`Failure::TooLarge`] if the file is
    /// longer than `limit` bytes, and with [`Failure::Unsupported`] if the storage cannot tell.
    fn text_size(&self, path: &VPath, limit: u64, executor: &Arc<dyn Executor>) -> Begun<u64> {
        let _ = (path, limit, executor);
        Begun::Done(Err(Failure::Unsupported))
    }

    /// Returns how many bytes may still be written in a directory. Fails with
    /// [`Failure::Unsupported`] if the storage cannot tell.
    fn available(&self, path: &VPath, executor: &Arc<dyn Executor>) -> Begun<u64> {
        let _ = (path, executor);
        Begun::Done(Err(Failure::Unsupported))
    }
}

/// What [`Storage::open`] opened.
#[derive(Debug)]
pub struct Opening {
    /// What the core wants to know of it.
    pub opened: Opened,
    /// What moves the bytes.
    pub handle: Handle,
}

/// An opened file or directory. Dropping it abandons it.
pub enum Handle {
    /// Opened with [`Mode::Read`].
    Source(Box<dyn Source>),
    /// Opened with [`Mode::Write`], [`Mode::Append`] or [`Mode::Unique`].
    Sink(Box<dyn Sink>),
    /// Opened with [`Mode::List`].
    Directory(Box<dyn Directory>),
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source(_) => "Source(..)",
            Self::Sink(_) => "Sink(..)",
            Self::Directory(_) => "Directory(..)",
        })
    }
}

/// The file behind a source or a sink, with its position at the next byte: the kernel may move bytes
/// from or into it instead.
///
/// What shows its file blocks: a poll is never pending, and waits for the disk. So it is polled on a
/// thread that may wait for it.
#[derive(Clone, Copy, Debug)]
pub struct Backing<'a> {
    /// The file.
    pub file: Descriptor<'a>,
    /// Whether it is on a local disk, for which a thread that serves one session may wait.
    pub is_short: bool,
    /// What may hang together with it.
    pub group: Group,
}

/// A file that is read, from the offset on that it was opened with. It stays the version that
/// was opened, whoever replaces it.
pub trait Source: Send {
    /// Returns the next bytes, as many as are there; none at the end. The same bytes are returned again
    /// until they are [consumed](Source::consume).
    ///
    /// # Errors
    /// [`Failure::Io`] and others.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<&[u8], Failure>>;

    /// The first so many of the bytes returned last are not needed any more.
    fn consume(&mut self, count: usize);

    /// Returns the file, if there is one.
    fn backing(&self) -> Option<Backing<'_>> {
        None
    }
}

/// An upload. Nothing of it is visible under its name until it is committed.
pub trait Sink: Send {
    /// Takes these bytes behind the last ones, as many as it has room for, and says how many those are:
    /// at least one, or it is pending.
    ///
    /// # Errors
    /// [`Failure::NoSpace`], [`Failure::Quota`], [`Failure::Io`], also of bytes that were taken before.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Failure>>;

    /// Goes on with the bytes that were taken, now that no others have come. It is pending while it may
    /// still fail with them.
    ///
    /// # Errors
    /// As [`Sink::poll_write`].
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// Returns whether it is pending since it waits for its turn, for memory or a place that others have: then
    /// no limit on its client runs.
    fn is_queued(&self) -> bool {
        false
    }

    /// Returns the file, if there is one.
    fn backing(&self) -> Option<Backing<'_>> {
        None
    }

    /// Makes the upload visible under its name in one step, in place of what stood there. If that fails
    /// nothing has changed under its name, but for [`Failure::Unknown`], where that cannot be told.
    fn commit(self: Box<Self>) -> Begun<()>;

    /// Gives the upload up. What was taken is kept as a partial where the storage has those. Dropping
    /// the operation does not stop it.
    fn abandon(self: Box<Self>, reason: Reason) -> Begun<()>;
}
