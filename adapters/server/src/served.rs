//! [`Served`]: what somebody sees, and who may do what in it.

use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use wharf_core::Rights;
use wharf_driver::Escape;

/// Something that is served.
#[derive(Clone, Debug)]
pub struct Served {
    /// Where it is.
    pub at: At,
    /// The name of the user who sees it; `None`: anonymous clients.
    pub user: Option<String>,
    /// What they may do.
    pub rights: Rights,
    /// They log in under TLS only.
    pub demands_tls: bool,
}

/// Where something is that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// A directory.
    Home(PathBuf),
    /// A part of a bucket, by its URL.
    Bucket(String),
}

impl Served {
    /// Returns the directory, if it is one.
    pub(crate) fn home(&self) -> Option<&Path> {
        match &self.at {
            At::Home(home) => Some(home),
            At::Bucket(_) => None,
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Home(home) => Escape(home.as_os_str().as_bytes()).fmt(f),
            Self::Bucket(url) => Escape(url.as_bytes()).fmt(f),
        }
    }
}

/// Whether somebody with these rights can change anything.
pub(crate) fn changes(rights: Rights) -> bool {
    (Rights::LIST | Rights::READ | rights) != Rights::LIST | Rights::READ
}
