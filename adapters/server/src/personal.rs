//! [`personal`]: paths in which the name of a user stands.

use std::path::{Path, PathBuf};

use crate::config::User;
use crate::source::Source;

/// What stands for the name in them.
const NAME: &str = "%u";

/// Returns the text with the name of that user in it, which `source` is the file of.
///
/// # Errors
/// The name would lead to another directory.
pub(crate) fn personal(source: &Source, user: &User, text: &str) -> Result<String, String> {
    if !text.contains(NAME) {
        return Ok(text.to_owned());
    }
    let name = user.name.get_ref().0.0.as_str();
    let is_plain = !name.contains('/') && !matches!(name, "." | "..");
    match is_plain {
        true => Ok(text.replace(NAME, name)),
        false => Err(source.mistake(
            &user.name.span(),
            "this name would stand for `%u` in a path, expected one without a slash, and not `.` or `..`",
        )),
    }
}

/// Returns the path with the name of that user in it.
///
/// # Errors
/// As [`personal`].
pub(crate) fn expanded(source: &Source, user: &User, path: &Path) -> Result<PathBuf, String> {
    match path.to_str() {
        Some(text) => personal(source, user, text).map(PathBuf::from),
        None => Ok(path.to_owned()),
    }
}

/// Returns the path with that name in it, whatever name it is.
pub(crate) fn of_name(path: &Path, name: &str) -> PathBuf {
    path.to_str()
        .map_or_else(|| path.to_owned(), |text| text.replace(NAME, name).into())
}
