//! From the text of a file to what stands in it, with all mistakes.

use std::path::Path;

use serde::de::{DeserializeOwned, IgnoredAny};

use crate::config::File;
use crate::hint;
use crate::mistakes::{Mistakes, Remainder};
use crate::source::Source;

/// Mistakes that are told at once, at most, of one file.
const MOST_MISTAKES: usize = 50;

/// Understands a file, as far as it can be understood, and tells whether that is enough to go on: what is
/// missing stood in tables of these names, in which a mistake leads to no other one. `None` if nothing can be
/// understood.
pub(crate) fn parse<T: DeserializeOwned>(
    source: &Source,
    apart: &[&str],
    mistakes: &mut Mistakes,
) -> Option<(T, bool)> {
    let mut remainder = Remainder::new(source.text());
    for _ in 0..MOST_MISTAKES {
        let error = match toml::from_str(remainder.text()) {
            Ok(file) => return Some((file, remainder.is_only_in(source.text(), apart))),
            Err(error) => error,
        };
        // Not the error's own form: it would repeat the line, in which a password may stand.
        let end = source.text().len();
        let span = error.span().unwrap_or(end..end);
        let at = source.text().get(span.clone()).unwrap_or_default();
        let missing = error.message().starts_with("missing field ");
        if !(missing && remainder.has_gap(&span)) {
            mistakes.push(source.mistake(&span, hint::explain(error.message(), at)));
        }
        let is_toml = toml::from_str::<IgnoredAny>(remainder.text()).is_ok();
        if !is_toml || !remainder.leave_out(&span) {
            return None;
        }
    }
    None
}

/// Tables of the configuration file in which a mistake leads to no other one.
pub(crate) const APART: [&str; 6] = ["user", "limits", "passive", "active", "storage", "listener"];

impl File {
    /// Understands the configuration file alone; `None` if what is left would only lead to further mistakes.
    pub(crate) fn parse(source: &Source, mistakes: &mut Mistakes) -> Option<Self> {
        let (file, is_whole) = parse(source, &APART, mistakes)?;
        is_whole.then_some(file)
    }
}

/// Understands these bytes as the configuration file of that name, and opens nothing.
///
/// # Errors
/// What to tell the user: the name, the line and the column of each mistake, and what it is.
pub fn check(path: &Path, bytes: Vec<u8>) -> Result<(), String> {
    let source = Source::new(path, bytes)?;
    let mut mistakes = Mistakes::default();
    let _ = File::parse(&source, &mut mistakes);
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(mistakes.to_string())
    }
}
