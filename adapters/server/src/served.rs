//! [`Served`]: a home, and who may do what in it.

use std::path::PathBuf;

use wharf_core::Rights;

/// A directory that is served.
#[derive(Clone, Debug)]
pub struct Served {
    /// The directory.
    pub home: PathBuf,
    /// The name of the user who sees it; `None`: anonymous clients.
    pub user: Option<String>,
    /// What they may do.
    pub rights: Rights,
    /// They log in under TLS only.
    pub demands_tls: bool,
}

/// Whether somebody with these rights can change anything.
pub(crate) fn changes(rights: Rights) -> bool {
    (Rights::LIST | Rights::READ | rights) != Rights::LIST | Rights::READ
}
