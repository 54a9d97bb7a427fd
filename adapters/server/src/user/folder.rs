//! [`Locked`]: a directory in which one process at a time changes files, each as a whole.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FlockOperation, Gid, Mode, OFlags, Uid, fchmod, fchown, flock, fsync, openat,
    renameat, unlinkat,
};
use rustix::io::retry_on_intr;
use rustix::process::geteuid;

/// What nobody but the owner may.
const PRIVATE: u32 = 0o600;

/// A directory that this process alone changes, as far as others ask for the lock.
pub(super) struct Locked {
    directory: OwnedFd,
    path: PathBuf,
}

impl Locked {
    /// Waits until nobody else has the lock, which ends when this is dropped.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, path, flags, Mode::empty())?;
        retry_on_intr(|| flock(&directory, FlockOperation::LockExclusive))?;
        Ok(Self {
            directory,
            path: path.to_owned(),
        })
    }

    /// Writes a file anew: others see the old text or the new one, also after a power cut. One that was there keeps
    /// owner and mode; a new one belongs to the owner of `model`, if the process may say so.
    pub(super) fn write(&self, name: &OsStr, text: &str, model: &Path) -> io::Result<()> {
        let mut temporary = OsStr::new(".").to_owned();
        temporary.push(name);
        temporary.push(".new");
        // What stands there is of a process that came to its end while it had the lock.
        let _ = self.unlink(&temporary);
        let written = self.create(&temporary, name, text, model).and_then(|()| {
            Ok(renameat(
                &self.directory,
                &temporary,
                &self.directory,
                name,
            )?)
        });
        if written.is_err() {
            let _ = self.unlink(&temporary);
        }
        written?;
        Ok(fsync(&self.directory)?)
    }

    /// Removes a file.
    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        self.unlink(name)?;
        Ok(fsync(&self.directory)?)
    }

    fn create(&self, temporary: &OsStr, name: &OsStr, text: &str, model: &Path) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(&self.directory, temporary, flags, Mode::from(PRIVATE))?;
        let mut file = File::from(file);
        file.write_all(text.as_bytes())?;
        let old = fs::metadata(self.path.join(name)).ok();
        let model = match &old {
            Some(old) => Some(old.clone()),
            None => fs::metadata(model).ok(),
        };
        let owned = model.is_none_or(|model| {
            // Only root gives files away, but a group of one's own may be kept.
            let uid = geteuid().is_root().then(|| Uid::from_raw(model.uid()));
            fchown(&file, uid, Some(Gid::from_raw(model.gid()))).is_ok()
        });
        if let Some(old) = old.filter(|_| owned) {
            // What others could do they cannot do any more.
            fchmod(&file, Mode::from(old.mode() & 0o770 | PRIVATE))?;
        }
        file.sync_all()
    }

    fn unlink(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.directory, name, AtFlags::empty())?)
    }
}
