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
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;
    use crate::provider::Style;
    use crate::wire::Request;

    /// On the wire, a key lies below its prefix, and is the one that was meant.
    fn check(argument: &[u8]) {
        let Ok(path) = VPath::resolve(&VPath::root(), argument) else {
            return;
        };
        for (_, provider) in Provider::ALL {
            let Ok(key) = key("users/u/", &path, provider) else {
                continue;
            };
            let (host, target) = Request::head(&key).target("store", "bucket", Style::Path);
            assert_eq!(host, "store");
            let sent = target
                .strip_prefix("/bucket/")
                .expect("it names the bucket");
            let sent = percent_decode_str(sent).decode_utf8().expect("it is UTF-8");
            assert_eq!(sent, key);
            let relative = sent
                .strip_prefix("users/u/")
                .expect("it lies below the prefix");
            let is_one = |name: &str| !matches!(name, "" | "." | ".." | RECORDS);
            assert!(
                relative.is_empty() || relative.split('/').all(is_one),
                "{key:?}"
            );
            assert!(key.len() <= provider.key_limit());
        }
    }

    proptest! {
        #[test]
        fn s21_no_path_leads_out_of_its_prefix(path in "([a-z.~%/\\\\\u{fc} +?#&]|\\.\\./|\\.wharf){0,40}") {
            check(path.as_bytes());
        }

        #[test]
        fn s21_nor_do_any_bytes(path in proptest::collection::vec(any::<u8>(), 0..60)) {
            check(&path);
        }
    }

    #[test]
    fn s21_nor_does_what_others_have_tried() {
        let vectors = include_str!("../../../core/tests/corpora/paths.tsv");
        let lines = vectors.lines().filter(|line| !line.starts_with('#'));
        let arguments: Vec<_> = lines.filter_map(|line| line.split('\t').nth(1)).collect();
        assert!(arguments.len() > 20);
        for argument in arguments {
            check(argument.as_bytes());
        }
    }

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
