//! [`Trouble`]: what keeps an account from being served, or from doing what it may.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::Access;
use wharf_core::Rights;
use wharf_driver::Escape;

use crate::home::{Home, may};
use crate::served::{Served, changes};

/// Something that is wrong with a home, for the user that the process is, or acts as.
pub(crate) struct Trouble {
    home: PathBuf,
    user: Option<String>,
    what: What,
    error: io::Error,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// It is not there, or cannot be entered: whoever sees it cannot log in.
    Missing,
    /// It cannot be listed.
    Unlisted,
    /// Nothing in it can be changed.
    Unchanged,
}

impl What {
    fn words(self) -> &'static str {
        match self {
            Self::Missing => "the home cannot be had, so that nobody can log in to it",
            Self::Unlisted => "clients may list it, but the server may not",
            Self::Unchanged => "clients may change it, but the server may not",
        }
    }
}

impl Trouble {
    /// Whether the account cannot be served at all.
    pub(crate) fn is_missing(&self) -> bool {
        self.what == What::Missing
    }

    /// Whether nothing is there that somebody could open.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_missing() && self.error.kind() != io::ErrorKind::PermissionDenied
    }

    pub(crate) fn log(&self) {
        let home = Escape(self.home.as_os_str().as_bytes());
        let (error, words) = (&self.error, self.what.words());
        match &self.user {
            Some(user) => {
                let account = Escape(user.as_bytes());
                tracing::warn!(?account, ?home, %error, "{words}");
            }
            None => tracing::warn!(?home, %error, "{words}"),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let home = Escape(self.home.as_os_str().as_bytes());
        match (&self.what, self.error.kind()) {
            (What::Missing, io::ErrorKind::PermissionDenied) => {
                write!(f, "cannot enter {home}: {}", self.error)?;
            }
            (What::Missing, _) => write!(f, "{home}: {}", self.error)?,
            (what, _) => write!(f, "{home}: {}: {}", what.words(), self.error)?,
        }
        match &self.user {
            Some(user) => write!(f, " (the home of {})", Escape(user.as_bytes())),
            None => f.write_str(" (the home of anonymous clients)"),
        }
    }
}

/// What is wrong with the homes, as this user sees them. Who cannot enter one serves nothing; the
/// rest is worth a warning, since it may be otherwise further down.
pub(crate) fn all(served: &[Served], homes: &BTreeMap<PathBuf, Arc<Home>>) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    for each in served {
        let Some((path, home)) = each.home().and_then(|path| homes.get_key_value(path)) else {
            continue;
        };
        let mut add = |what, error| {
            troubles.push(Trouble {
                home: path.clone(),
                user: each.user.clone(),
                what,
                error,
            });
        };
        let root = match home.open() {
            Ok(root) => root,
            Err(error) => {
                add(What::Missing, error);
                continue;
            }
        };
        if each.rights.contains(Rights::LIST)
            && let Err(error) = may(&root, Access::READ_OK)
        {
            add(What::Unlisted, error);
        }
        if changes(each.rights)
            && let Err(error) = may(&root, Access::WRITE_OK)
        {
            add(What::Unchanged, error);
        }
    }
    troubles
}

/// What is to be said of homes that lie in others.
pub(crate) fn nested<'a>(homes: impl Iterator<Item = &'a Arc<Home>> + Clone) -> Option<String> {
    let above = |home: &Arc<Home>| home.look()?.above();
    let homes: Vec<_> = homes
        .filter_map(|home| Some((home, above(home).ok()?)))
        .collect();
    let by_directory: HashMap<_, _> = homes
        .iter()
        .filter_map(|(home, above)| Some((above.first()?, *home)))
        .collect();
    let mut nested = homes.iter().filter_map(|(home, above)| {
        let outer = above.iter().skip(1).find_map(|each| by_directory.get(each));
        Some((home, outer?))
    });
    let (inner, outer) = nested.next()?;
    let others = match nested.count() {
        0 => String::new(),
        count => format!(" (and {count} more lie so)"),
    };
    Some(format!(
        "the home {} lies in the home {}{others}: whoever sees or changes the outer one does so \
         with all that is in it, and may put something else in its place",
        inner.name(),
        outer.name()
    ))
}
