//! [`Home`]: a directory that somebody sees who logs in, and that may be another by then.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{self, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::{Access, AtFlags, Mode, OFlags, accessat, fstat, openat, stat};
use wharf_driver::Escape;
use wharf_local::{Found, Guard, LocalOptions, Root, RootId, WeakRoot};
use wharf_storage::Group;

/// A directory that may be missing, mounted later, or made anew: whoever logs in sees what stands
/// under its name at that moment. It is open only while somebody sees it, once for all of them.
pub struct Home {
    /// As it was given: relative to where the process was started.
    given: PathBuf,
    path: PathBuf,
    options: LocalOptions,
    /// Past which it is found.
    guard: Arc<Guard>,
    /// Some client may change something in it.
    is_changed: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The directory from the start, where the process cannot walk to it any more.
    kept: Option<Root>,
    /// What was there last.
    seen: Option<(RootId, WeakRoot)>,
}

impl Home {
    /// The directory at that path, which is not looked at yet.
    #[must_use]
    pub fn new(given: &Path, options: LocalOptions, guard: &Arc<Guard>) -> Self {
        Self {
            given: given.to_owned(),
            path: path::absolute(given).unwrap_or_else(|_| given.to_owned()),
            options,
            guard: Arc::clone(guard),
            is_changed: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// Says that some client may change something in it.
    pub(crate) fn is_for_changes(&self) {
        self.is_changed.store(true, Ordering::Relaxed);
    }

    /// Whether some client may change something in it.
    pub(crate) fn is_changed(&self) -> bool {
        self.is_changed.load(Ordering::Relaxed)
    }

    /// For how long uploads that broke off are kept in it.
    #[must_use]
    pub fn retention(&self) -> Duration {
        self.options.retention
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it is served.
    #[must_use]
    pub fn options(&self) -> LocalOptions {
        self.options
    }

    /// What may hang together with it, before it is known where that is.
    pub(crate) fn group(&self) -> Group {
        let mut hasher = DefaultHasher::new();
        self.path.hash(&mut hasher);
        Group(hasher.finish())
    }

    /// What the log calls it.
    #[must_use]
    pub fn name(&self) -> Escape<'_> {
        Escape(self.path.as_os_str().as_bytes())
    }

    /// The directory that is there now.
    ///
    /// # Errors
    /// It is not there, or the process may not enter it.
    pub fn open(&self) -> io::Result<Root> {
        // That takes no descriptor, and the same directory is the same by whatever way.
        let there = RootId::at(&self.path);
        let (kept, shared) = {
            let state = self.state();
            let seen = state.seen.as_ref();
            let same = seen.filter(|(seen, _)| there.as_ref().is_ok_and(|there| there == seen));
            let shared = same.and_then(|(_, shared)| shared.upgrade());
            (state.kept.clone(), shared)
        };
        let opened = match shared {
            Some(shared) => Ok(shared),
            None => self
                .guard
                .directory(&self.path)
                .and_then(|found| self.open_anew(found)),
        };
        match (opened, kept) {
            (Err(error), Some(kept)) if error.kind() == ErrorKind::PermissionDenied => {
                if kept.is_removed() {
                    return Err(ErrorKind::NotFound.into());
                }
                enter(&kept)?;
                Ok(kept)
            }
            (opened, _) => opened,
        }
    }

    /// The directory that is there now, whether or not it can be entered.
    ///
    /// # Errors
    /// It is not there.
    pub(crate) fn look(&self) -> io::Result<Root> {
        Root::of(self.guard.directory(&self.given)?, &self.path, self.options)
    }

    fn open_anew(&self, found: Found) -> io::Result<Root> {
        let root = Root::of(found, &self.path, self.options)?;
        enter(&root)?;
        if self.is_changed() {
            root.add_to(&self.guard)?;
        }
        self.state().seen = Some((root.id()?, root.downgrade()));
        Ok(root)
    }

    /// Keeps the directory that is there now for as long as the process runs: it will not be able
    /// to walk to it.
    ///
    /// # Errors
    /// It is not there.
    pub(crate) fn keep(&self) -> io::Result<()> {
        let root = self.look()?;
        self.state().kept = Some(root);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps it no longer.
    pub(crate) fn let_go(&self) {
        self.state().kept = None;
    }

    /// Whether it is kept from the start, whatever stands under its name.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.state().kept.is_some()
    }
}

/// Whether a directory can be entered, and its files be reached.
fn enter(root: &Root) -> io::Result<()> {
    may(root, Access::EXEC_OK)?;
    let list = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if may(root, Access::READ_OK).is_ok()
        && let Err(error) = openat(root, ".", list, Mode::empty())
        && error == rustix::io::Errno::ACCESS
    {
        // What the modes allow, Landlock does not.
        return Err(io::Error::new(
            ErrorKind::PermissionDenied,
            "it lies outside of what `reach` in [process] names",
        ));
    }
    Ok(())
}

/// Whether the process may do that in a directory.
pub(crate) fn may(root: &Root, access: Access) -> io::Result<()> {
    // As who it acts, which is not who it is while it tries how another user would fare.
    Ok(accessat(root, ".", access, AtFlags::EACCESS)?)
}

/// Whether a directory is the root of the file system, by whatever name.
pub(crate) fn is_root(home: &Root) -> bool {
    let place = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
    match (fstat(home), stat("/")) {
        (Ok(home), Ok(root)) => place(home) == place(root),
        // What cannot be told apart might be.
        _ => true,
    }
}

/// What is said where the root of the file system would be served for writing.
pub(crate) const ROOT: &str = "this is the root of the file system, expected another directory, no \
                               right to change it, or serve-root as well";
