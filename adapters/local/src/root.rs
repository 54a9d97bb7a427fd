//! [`Root`]: a directory that several accounts may see.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::{Arc, Weak};

use rustix::fs::{AtFlags, CWD, Statx, StatxFlags, statx};

use crate::guard::{Found, Guard, above};
use crate::jail::Jail;
use crate::metadata::identity;
use crate::{Local, LocalOptions};

/// A directory that is open, whoever sees it. Copies, and the [`Local`]s that are made of it, share
/// its descriptor.
#[derive(Clone)]
pub struct Root {
    jail: Arc<Jail>,
    options: LocalOptions,
}

/// A [`Root`] that is open only as long as somebody sees it.
#[derive(Clone)]
pub struct WeakRoot {
    jail: Weak<Jail>,
    options: LocalOptions,
}

/// Which directory it is, on which mount: two that stand under one name one after the other
/// differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootId {
    directory: (u64, u64),
    mount: Option<u64>,
}

impl RootId {
    const WANTED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID);

    /// Which directory stands at `path`, where links may lead to it. It is not opened.
    ///
    /// # Errors
    /// It cannot be reached.
    pub fn at(path: &Path) -> io::Result<Self> {
        Self::look(statx(CWD, path, AtFlags::empty(), Self::WANTED))
    }

    fn look(stat: rustix::io::Result<Statx>) -> io::Result<Self> {
        let stat = stat?;
        let told = stat.stx_mask & StatxFlags::MNT_ID.bits() != 0;
        Ok(Self {
            directory: identity(&stat),
            mount: told.then_some(stat.stx_mnt_id),
        })
    }

    /// Two numbers that are the same for the same directory on every mount.
    #[must_use]
    pub fn directory(&self) -> (u64, u64) {
        self.directory
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Root {
    /// Opens the directory at `path`.
    ///
    /// # Errors
    /// It is not a directory that can be reached.
    pub fn open(path: &Path, options: LocalOptions) -> io::Result<Self> {
        Ok(Self {
            jail: Arc::new(Jail::open(path, &options)?),
            options,
        })
    }

    /// The directory that was found at `path`.
    ///
    /// # Errors
    /// It cannot be entered.
    pub fn of(found: Found, path: &Path, options: LocalOptions) -> io::Result<Self> {
        Ok(Self {
            jail: Arc::new(Jail::of(found.into(), path, &options)?),
            options,
        })
    }

    /// Guards what lies in it as something that clients may change.
    ///
    /// # Errors
    /// The system does not tell which directory it is.
    pub fn add_to(&self, guard: &Guard) -> io::Result<()> {
        guard.add(self)
    }

    /// The directory and those above it, as [`RootId::directory`] tells them, as far as the process
    /// may walk.
    ///
    /// # Errors
    /// The system does not tell which directory it is.
    pub fn above(&self) -> io::Result<Vec<(u64, u64)>> {
        above(self)
    }

    /// What an account sees of it; the bytes that name it must tell it from every other account
    /// that sees some of the same files.
    ///
    /// # Errors
    /// The system does not tell which directory it is.
    pub fn account(&self, account: &[u8]) -> io::Result<Local> {
        Local::of(Arc::clone(&self.jail), account, self.options)
    }

    /// The same without holding it open.
    #[must_use]
    pub fn downgrade(&self) -> WeakRoot {
        WeakRoot {
            jail: Arc::downgrade(&self.jail),
            options: self.options,
        }
    }

    /// Which directory it is.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn id(&self) -> io::Result<RootId> {
        RootId::look(statx(self, c"", AtFlags::EMPTY_PATH, RootId::WANTED))
    }

    /// Whether it stands under no name any more.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        rustix::fs::fstat(self).is_ok_and(|stat| stat.st_nlink == 0)
    }
}

impl fmt::Debug for WeakRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakRoot")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl WeakRoot {
    /// The directory, if somebody still sees it.
    #[must_use]
    pub fn upgrade(&self) -> Option<Root> {
        Some(Root {
            jail: self.jail.upgrade()?,
            options: self.options,
        })
    }
}

impl AsFd for Root {
    /// The directory itself, open only to look things up in it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.jail.as_fd()
    }
}
