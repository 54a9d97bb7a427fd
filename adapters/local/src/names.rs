//! [`Names`]: the names in a directory, read in constant memory.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, RawDir, SeekFrom, seek};
use rustix::io::Errno;

/// Bytes that one call of the system may return.
const BATCH: usize = 32 * 1024;

/// What stands before a name in a batch: where the names behind it begin, and whether it may be
/// that of a directory.
const HEAD: usize = 9;

/// The names in a directory, without `.` and `..`, in the order of the file system.
pub(crate) struct Names {
    directory: OwnedFd,
    buffer: Vec<u8>,
    /// The names of this batch, each behind its [`HEAD`] and before a NUL.
    batch: Vec<u8>,
    /// Where the present name's record lies in it.
    at: usize,
    /// Where the next one begins.
    next: usize,
}

impl Names {
    /// The names in an opened directory.
    pub(crate) fn new(directory: OwnedFd) -> Self {
        Self {
            directory,
            buffer: Vec::with_capacity(BATCH),
            batch: Vec::new(),
            at: 0,
            next: 0,
        }
    }

    /// The names in an opened directory behind the one of which that is the [`Names::cookie`].
    pub(crate) fn resume(directory: OwnedFd, cookie: u64) -> Result<Self, Errno> {
        seek(&directory, SeekFrom::Start(cookie))?;
        Ok(Self::new(directory))
    }

    /// Goes to the next name; false at the end.
    pub(crate) fn advance(&mut self) -> Result<bool, Errno> {
        while self.next == self.batch.len() {
            if !self.read()? {
                return Ok(false);
            }
        }
        self.at = self.next;
        self.next = self.at + HEAD + self.name().to_bytes_with_nul().len();
        Ok(true)
    }

    /// The name that [`Names::advance`] went to.
    pub(crate) fn name(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.batch[self.at + HEAD..]).unwrap_or_default()
    }

    /// Whether it may be that of a directory: some file systems do not say.
    pub(crate) fn may_be_directory(&self) -> bool {
        self.batch[self.at + HEAD - 1] == 1
    }

    /// Where the names behind this one begin.
    pub(crate) fn cookie(&self) -> u64 {
        let bytes = self.batch[self.at..].first_chunk();
        u64::from_ne_bytes(bytes.copied().unwrap_or_default())
    }

    /// Reads the next batch; false at the end.
    fn read(&mut self) -> Result<bool, Errno> {
        self.batch.clear();
        self.next = 0;
        let mut entries = RawDir::new(&self.directory, self.buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = match entry {
                // The directory itself was removed.
                Err(Errno::NOENT) => return Ok(false),
                entry => entry?,
            };
            let name = entry.file_name().to_bytes_with_nul();
            if name != b".\0" && name != b"..\0" {
                let kind = entry.file_type();
                let maybe = matches!(kind, FileType::Directory | FileType::Unknown);
                self.batch
                    .extend_from_slice(&entry.next_entry_cookie().to_ne_bytes());
                self.batch.push(maybe.into());
                self.batch.extend_from_slice(name);
            }
            if entries.is_buffer_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl AsFd for Names {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}
