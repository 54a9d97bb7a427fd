//! [`Storage`] and the handles that it opens.

use std::os::fd::BorrowedFd;

use wharf_core::{
    Capabilities, Changed, Edit, Entry, Failure, Metadata, Mode, Opened, Reason, VPath,
};

/// A tree of files, as one account sees it.
///
/// Rights are not its business: the core has checked them. What it must see to is that no call
/// reaches anything outside its tree, and that an upload keeps its rule (see [`Sink`]).
pub trait Storage: Send + Sync {
    /// What this storage can do at all.
    fn capabilities(&self) -> Capabilities;

    /// Whether the calls are short (a local disk), so that an adapter with a thread for each
    /// session may make them in that thread. If not, a helper thread makes them, so that a
    /// backend that hangs cannot stop the session's timers.
    fn is_short(&self) -> bool {
        false
    }

    /// Whether that is also so for [`Storage::change`] and the end of an upload, which may have to
    /// wait until the disk has it.
    fn changes_are_short(&self) -> bool {
        self.is_short()
    }

    /// Looks at a file or directory, following links.
    ///
    /// # Errors
    /// [`Failure::NotFound`] and others.
    fn stat(&self, path: &VPath) -> Result<Metadata, Failure>;

    /// [`Storage::stat`], or `None` if it would have to wait.
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
    fn open(&self, mode: Mode, path: &VPath) -> Result<Opening, Failure>;

    /// [`Storage::open`], or `None` if it would have to wait.
    fn open_now(&self, mode: Mode, path: &VPath) -> Option<Result<Opening, Failure>> {
        let _ = (mode, path);
        None
    }

    /// The length of a file as TYPE A sends it.
    ///
    /// # Errors
    /// [`Failure::TooLarge`] if the file is longer than `limit` bytes; [`Failure::Unsupported`]
    /// if the storage cannot tell.
    fn text_size(&self, path: &VPath, limit: u64) -> Result<u64, Failure> {
        let _ = (path, limit);
        Err(Failure::Unsupported)
    }

    /// Bytes that may still be written in a directory.
    ///
    /// # Errors
    /// [`Failure::Unsupported`] if the storage cannot tell.
    fn available(&self, path: &VPath) -> Result<u64, Failure> {
        let _ = path;
        Err(Failure::Unsupported)
    }
}

/// What [`Storage::open`] opened.
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

/// A file that is read, from the offset on that it was opened with. It stays the version that
/// was opened, whoever replaces it.
pub trait Source: Send {
    /// Reads the next bytes; 0 at the end.
    ///
    /// # Errors
    /// [`Failure::Io`] and others.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure>;

    /// The file, if there is one, with its position at the next byte: an adapter may let the
    /// kernel move bytes from it instead of calling [`Source::read`].
    fn file(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// An upload. Nothing of it is visible under its name until it is committed.
pub trait Sink: Send {
    /// Writes all of these bytes behind the last ones.
    ///
    /// # Errors
    /// [`Failure::NoSpace`], [`Failure::Quota`], [`Failure::Io`].
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure>;

    /// The file, if there is one, with its position at the next byte: an adapter may let the
    /// kernel move bytes into it instead of calling [`Sink::write`].
    fn file(&self) -> Option<BorrowedFd<'_>> {
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

/// The entries of a directory, one after the other.
pub trait Directory: Send {
    /// Goes to the next entry, first to the first one; false at the end. An entry that vanished
    /// meanwhile is skipped.
    ///
    /// # Errors
    /// [`Failure::Io`] and others; the end is near.
    fn advance(&mut self) -> Result<bool, Failure>;

    /// The entry that [`Directory::advance`] went to.
    fn entry(&self) -> Entry<'_>;

    /// Goes on with another directory of the same storage.
    ///
    /// # Errors
    /// As [`Storage::open`]; then [`Directory::advance`] says that there are no entries.
    fn enter(&mut self, path: &VPath) -> Result<(), Failure>;
}
