//! From paths to keys.

use std::str;

use wharf_core::{Failure, VPath};

use crate::provider::Provider;

/// The name below which uploads write down what can be continued. Clients neither see nor reach it.
pub(crate) const RECORDS: &str = ".wharf";

/// Returns the key that a path stands for below a prefix, which is empty or ends with a slash.
///
/// # Errors
/// [`Failure::BadName`] if the store has no such key, or it is none for clients.
pub(crate) fn key(prefix: &str, path: &VPath, provider: Provider) -> Result<String, Failure> {
    let relative = str::from_utf8(path.relative()).map_err(|_| Failure::BadName)?;
    let longest = provider.name_limit();
    let is_taken = relative
        .split('/')
        .all(|name| name.len() <= longest && name != RECORDS);
    let is_folded = provider.folds_backslash() && relative.contains('\\');
    let key = format!("{prefix}{relative}");
    if is_taken && !is_folded && key.len() <= provider.key_limit() {
        Ok(key)
    } else {
        Err(Failure::BadName)
    }
}

/// Returns what the keys of all that lies in a directory begin with.
pub(crate) fn directory(prefix: &str, path: &VPath, provider: Provider) -> Result<String, Failure> {
    let mut key = key(prefix, path, provider)?;
    if !path.is_root() {
        key.push('/');
    }
    (key.len() <= provider.key_limit())
        .then_some(key)
        .ok_or(Failure::BadName)
}

/// Returns whether a name that a list tells of can be shown to clients, and asked for by them.
pub(crate) fn is_shown(name: &str) -> bool {
    !matches!(name, "" | "." | ".." | RECORDS) && !name.contains(['\0', '\r', '\n', '/'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> VPath {
        text.parse().expect("it is a path")
    }

    #[test]
    fn a_key_begins_with_its_prefix_or_is_none() {
        let key = |text: &str, provider| key("u/", &path(text), provider);
        assert_eq!(key("/", Provider::Aws), Ok("u/".into()));
        assert_eq!(key("/a/b c", Provider::Aws), Ok("u/a/b c".into()));
        for hidden in ["/.wharf", "/a/.wharf/b"] {
            assert_eq!(key(hidden, Provider::Aws), Err(Failure::BadName));
        }
        assert_eq!(key("/a\\b", Provider::Seaweedfs), Err(Failure::BadName));
        assert!(key("/a\\b", Provider::Aws).is_ok());
        let long = |count: usize| format!("/{}", "x".repeat(count));
        for (provider, longest) in [
            (Provider::Aws, 1022),
            (Provider::Cos, 848),
            (Provider::Seaweedfs, 255),
        ] {
            assert!(key(&long(longest), provider).is_ok(), "{provider:?}");
            assert_eq!(key(&long(longest + 1), provider), Err(Failure::BadName));
        }
        let octets = VPath::resolve(&VPath::default(), b"\xff").expect("it is a path");
        assert_eq!(
            super::key("", &octets, Provider::Aws),
            Err(Failure::BadName)
        );
    }

    #[test]
    fn names_that_cannot_be_asked_for_are_not_shown() {
        for name in ["", ".", "..", ".wharf", "a\nb", "a\rb", "a\0", "a/b"] {
            assert!(!is_shown(name), "{name:?}");
        }
        assert!(is_shown("...") && is_shown(".wharfs") && is_shown("\u{1}"));
    }
}
