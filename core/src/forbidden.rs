//! [`ForbiddenNames`]: names that an account can neither see nor reach.

use alloc::vec::Vec;

use bstr::ByteSlice;

use crate::glob::matches;
use crate::path::VPath;
use crate::shared::Shared;

/// Patterns of names that an account can neither see, reach nor make, wherever in a path they
/// stand. To some file systems upper and lower case are the same, and dots and blanks at the end of a
/// name are none, so that it is so here.
///
/// The patterns are those of [`glob_matches`](crate::listing::glob_matches), but a star matches a
/// dot at the beginning, too.
///
/// ```
/// use wharf_core::{ForbiddenNames, VPath};
///
/// let names = ForbiddenNames::new([".ssh", "*.php"]);
/// let path = |text: &[u8]| VPath::resolve(&VPath::root(), text);
/// assert!(names.forbid(&path(b"/home/.SSH/authorized_keys")?));
/// assert!(names.forbid(&path(b"/.index.php")?));
/// assert!(!names.forbid(&path(b"/notes.txt")?));
/// # Ok::<(), wharf_core::PathError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForbiddenNames(Option<Shared<[Vec<u8>]>>);

impl ForbiddenNames {
    /// No name is forbidden.
    pub const NONE: Self = Self(None);

    /// These patterns.
    #[must_use]
    pub fn new<P: AsRef<[u8]>>(patterns: impl IntoIterator<Item = P>) -> Self {
        let patterns = patterns.into_iter();
        let patterns: Shared<[_]> = patterns
            .map(|pattern| pattern.as_ref().to_ascii_lowercase())
            .collect();
        Self(Some(patterns).filter(|patterns| !patterns.is_empty()))
    }

    /// Whether a name in a directory is forbidden.
    #[must_use]
    pub fn contain(&self, name: &[u8]) -> bool {
        let Some(patterns) = &self.0 else {
            return false;
        };
        let name = name.to_ascii_lowercase();
        let plain = name.trim_end_with(|c| matches!(c, '.' | ' '));
        let is = |name: &[u8]| patterns.iter().any(|pattern| matches(pattern, name));
        is(&name) || is(plain)
    }

    /// Whether a path leads to or through such a name.
    #[must_use]
    pub fn forbid(&self, path: &VPath) -> bool {
        self.0.is_some() && path.components().any(|name| self.contain(name))
    }
}
