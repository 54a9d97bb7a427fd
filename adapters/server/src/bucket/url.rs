//! [`BucketUrl`]: a part of a bucket, as the command line names it.

use crate::value::Word;

/// A part of a bucket, as it is named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BucketUrl {
    pub(super) bucket: String,
    pub(super) prefix: String,
}

impl Word for BucketUrl {
    const EXPECTED: &'static str = "a bucket such as \"s3://scans\" or \"s3://scans/2026/\"";

    fn read(word: &str) -> Option<Self> {
        let named = word.strip_prefix("s3://")?;
        let (bucket, prefix) = named.split_once('/').unwrap_or((named, ""));
        let is_one = !bucket.is_empty() && wrong_prefix(prefix).is_none();
        is_one.then(|| Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

/// Returns what is wrong with a prefix, if something is.
pub(super) fn wrong_prefix(prefix: &str) -> Option<&'static str> {
    let is_one = |name: &str| {
        !matches!(name, "" | "." | ".." | ".wharf") && !name.contains(char::is_control)
    };
    let names = prefix.strip_suffix('/').unwrap_or(prefix);
    let is_good = prefix.is_empty() || names.split('/').all(is_one);
    (!is_good).then_some(
        "no path leads there, expected names with a slash between them, such as \"u/scans/\"",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_one_that_paths_lead_to() {
        for good in ["", "u", "u/", "u/\u{fc} v/", ".well-known/x"] {
            assert_eq!(wrong_prefix(good), None, "{good:?}");
        }
        for wrong in [
            "/",
            "/u",
            "u//",
            "u//v",
            "..",
            "u/../v",
            "./u",
            "u/.wharf/",
            "u\n",
        ] {
            assert!(wrong_prefix(wrong).is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn a_bucket_is_named_by_a_url() {
        let read = |word| BucketUrl::read(word).map(|url| (url.bucket, url.prefix));
        let both = |bucket: &str, prefix: &str| Some((bucket.to_owned(), prefix.to_owned()));
        assert_eq!(read("s3://b"), both("b", ""));
        assert_eq!(read("s3://b/"), both("b", ""));
        assert_eq!(read("s3://b/u/v"), both("b", "u/v"));
        for wrong in [
            "b",
            "s3://",
            "s3:///u",
            "http://b",
            "s3://b//u",
            "s3://b/../u",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
