//! What an account may do: [`Rights`], [`Capabilities`] and the [`Grant`] of a login.

use core::fmt;
use core::ops::{BitOr, BitOrAssign};

use crate::config::DoubtfulEnds;
use crate::forbidden::ForbiddenNames;
use crate::path::VPath;

/// A set of the things that an account may do. The core checks them before a storage is asked.
///
/// ```
/// use wharf_core::Rights;
///
/// let rights = Rights::LIST | Rights::READ;
/// assert!(rights.contains(Rights::READ));
/// assert!(!rights.contains(Rights::READ | Rights::WRITE));
/// assert_eq!("mkdir".parse(), Ok(Rights::MKDIR));
/// assert_eq!(rights.to_string(), "list, read");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rights(u8);

impl Rights {
    /// Nothing at all.
    pub const NONE: Self = Self(0);
    /// See the names in a directory.
    pub const LIST: Self = Self(1);
    /// Download.
    pub const READ: Self = Self(1 << 1);
    /// Upload new files.
    pub const WRITE: Self = Self(1 << 2);
    /// Replace or change an existing file: its bytes, time or mode, also as the target of RNTO.
    pub const OVERWRITE: Self = Self(1 << 3);
    /// Remove files and directories.
    pub const DELETE: Self = Self(1 << 4);
    /// Rename and move.
    pub const RENAME: Self = Self(1 << 5);
    /// Make directories.
    pub const MKDIR: Self = Self(1 << 6);
    /// Make symbolic links: SITE SYMLINK. Not part of [`WRITE`](Self::WRITE), since other programs
    /// may follow a link to where its maker could not.
    pub const SYMLINK: Self = Self(1 << 7);
    /// Everything.
    pub const ALL: Self = Self(u8::MAX);

    const NAMES: [(Self, &'static str); 8] = [
        (Self::LIST, "list"),
        (Self::READ, "read"),
        (Self::WRITE, "write"),
        (Self::OVERWRITE, "overwrite"),
        (Self::DELETE, "delete"),
        (Self::RENAME, "rename"),
        (Self::MKDIR, "mkdir"),
        (Self::SYMLINK, "symlink"),
    ];

    /// Whether every right of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether at least one right of `other` is in this set.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The rights of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl BitOrAssign for Rights {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.union(other);
    }
}

impl fmt::Display for Rights {
    /// The names, divided by commas.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (right, name) in Self::NAMES {
            if self.contains(right) {
                write!(f, "{separator}{name}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

/// The word is not the name of a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownRight;

impl fmt::Display for UnknownRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected one of list, read, write, overwrite, delete, rename, mkdir, symlink")
    }
}

impl core::error::Error for UnknownRight {}

impl core::str::FromStr for Rights {
    type Err = UnknownRight;

    /// One name, in lower case.
    fn from_str(word: &str) -> Result<Self, UnknownRight> {
        Self::NAMES
            .iter()
            .find(|(_, name)| *name == word)
            .map(|(right, _)| *right)
            .ok_or(UnknownRight)
    }
}

/// What a storage can do at all, whoever asks. The core refuses the rest at once, so that an
/// object store need not fail late, and leaves it out of FEAT and HELP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// APPE to an existing file.
    pub append: bool,
    /// STOR after REST: write at an offset.
    pub restart_write: bool,
    /// RNFR and RNTO.
    pub rename: bool,
    /// Set the time of last change: MFMT, MFF, SITE UTIME.
    pub set_time: bool,
    /// Set the permission bits: SITE CHMOD, MFF, and SITE UMASK for new files.
    pub set_mode: bool,
    /// Make symbolic links: SITE SYMLINK.
    pub symlink: bool,
    /// Tell the free space: AVBL.
    pub available: bool,
    /// Yield the names of a directory in the order of their bytes, so that LIST and NLST need not
    /// keep them back to sort them.
    pub sorted: bool,
}

impl Capabilities {
    /// What a file system of a Unix system can do: everything.
    pub const ALL: Self = Self {
        append: true,
        restart_write: true,
        rename: true,
        set_time: true,
        set_mode: true,
        symlink: true,
        available: true,
        sorted: false,
    };

    /// The least: read, write whole files, list, delete.
    pub const NONE: Self = Self {
        append: false,
        restart_write: false,
        rename: false,
        set_time: false,
        set_mode: false,
        symlink: false,
        available: false,
        sorted: false,
    };
}

/// A login that succeeded.
///
/// ```
/// use wharf_core::{Capabilities, ForbiddenNames, Grant, PathError, Rights};
///
/// let grant = Grant::new(Rights::LIST | Rights::READ, Capabilities::NONE)
///     .with_start("/pub".parse()?)
///     .with_forbidden(ForbiddenNames::new([".ssh"]));
/// assert_eq!(grant.start.as_bytes(), "/pub");
/// assert!(!grant.protect_data);
/// # Ok::<(), PathError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grant {
    /// What the account may do.
    pub rights: Rights,
    /// What its storage can do.
    pub capabilities: Capabilities,
    /// The working directory after the login.
    pub start: VPath,
    /// Its data moves under PROT P only, whatever the [`TlsPolicy`](crate::TlsPolicy) says.
    pub protect_data: bool,
    /// Doubtful ends of its uploads that count, beside those of [`Config`](crate::Config::accept).
    pub accept: DoubtfulEnds,
    /// Names that it can neither see, reach nor make.
    pub forbidden: ForbiddenNames,
}

impl Grant {
    /// A grant of these rights, which starts at the root and leaves the rest to the
    /// [`Config`](crate::Config).
    #[must_use]
    pub fn new(rights: Rights, capabilities: Capabilities) -> Self {
        Self {
            rights,
            capabilities,
            start: VPath::root(),
            protect_data: false,
            accept: DoubtfulEnds::NONE,
            forbidden: ForbiddenNames::NONE,
        }
    }

    /// The same with another [`start`](Self::start).
    #[must_use]
    pub fn with_start(self, start: VPath) -> Self {
        Self { start, ..self }
    }

    /// The same with another [`protect_data`](Self::protect_data).
    #[must_use]
    pub fn with_protect_data(self, protect_data: bool) -> Self {
        Self {
            protect_data,
            ..self
        }
    }

    /// The same with others to [`accept`](Self::accept).
    #[must_use]
    pub fn with_accept(self, accept: DoubtfulEnds) -> Self {
        Self { accept, ..self }
    }

    /// The same with other [`forbidden`](Self::forbidden) names.
    #[must_use]
    pub fn with_forbidden(self, forbidden: ForbiddenNames) -> Self {
        Self { forbidden, ..self }
    }
}

/// What is to be said to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identified {
    /// A password is asked for, as it is for a name that does not exist.
    Password,
    /// The client has shown by its certificate who it is, and is logged in without a password
    /// (232, RFC 2228 section 5).
    Account(Grant),
}

/// A login that was refused. The client learns nothing more than that (RFC 2577 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// Unknown name or wrong password.
    Credentials,
    /// Such a name is to be told under TLS only; answered 530, not counted as a failed try.
    Unprotected,
    /// The account has as many sessions as it may have; answered 421.
    TooMany,
    /// From the client's address too many logins were refused; answered 421, not counted as a
    /// failed try.
    Waits,
    /// The accounts could not be asked; answered 421, not counted as a failed try.
    Unavailable,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credentials => "unknown name or wrong password",
            Self::Unprotected => "the name is to be told under TLS only",
            Self::TooMany => "the account has as many sessions as it may have",
            Self::Waits => "too many logins from that address were refused",
            Self::Unavailable => "the accounts could not be asked",
        })
    }
}

impl core::error::Error for Denied {}
