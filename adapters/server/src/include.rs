//! [`Include`]: which files hold accounts beside the configuration file.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::value::Word;

/// The value of `users`: a directory, and what stands before and behind the star in the names of its files.
#[derive(Clone, Debug)]
pub(crate) struct Include {
    pub(crate) directory: PathBuf,
    before: String,
    behind: String,
}

impl Word for Include {
    const EXPECTED: &'static str =
        "a path with one `*`, which is in the file name, such as \"users.d/*.toml\"";

    fn read(word: &str) -> Option<Self> {
        let (directory, name) = match word.rsplit_once('/') {
            Some(("", name)) => ("/", name),
            Some(parts) => parts,
            None => (".", word),
        };
        let (before, behind) = name.split_once('*')?;
        let is_one = !directory.contains('*') && !behind.contains('*');
        is_one.then(|| Self {
            directory: directory.into(),
            before: before.to_owned(),
            behind: behind.to_owned(),
        })
    }
}

impl Include {
    /// Returns the name of the file for an account that has one of its own.
    pub(crate) fn file_of(&self, account: &str) -> String {
        format!("{}{account}{}", self.before, self.behind)
    }

    /// Whether the file of that name is one of them.
    pub(crate) fn takes(&self, name: &str) -> bool {
        let rest = name.strip_prefix(self.before.as_str());
        rest.is_some_and(|rest| rest.ends_with(&self.behind)) && !is_passing(name)
    }

    /// Returns the names of the files in that directory which it takes, in order.
    pub(crate) fn names(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            let name = entry?.file_name();
            if self.takes(&name.to_string_lossy()) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// Whether an editor or a package manager gives such names to files that are soon gone, or were replaced.
fn is_passing(name: &str) -> bool {
    let ends = [
        "~",
        ".tmp",
        ".swp",
        ".bak",
        ".dpkg-new",
        ".dpkg-old",
        ".rpmnew",
        ".rpmsave",
    ];
    name.starts_with(['.', '#']) || ends.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_name_that_stays() {
        let include = |word| Include::read(word).map(|include| include.directory);
        assert_eq!(include("users.d/*.toml"), Some("users.d".into()));
        assert_eq!(include("*"), Some(".".into()));
        assert_eq!(include("/*"), Some("/".into()));
        for word in [
            "", "users.d", "*/a.toml", "a/**", "*/*", "users.d/", "a*b*c",
        ] {
            assert_eq!(include(word), None, "{word}");
        }
        let takes = |word: &str, name| Include::read(word).is_some_and(|all| all.takes(name));
        for (word, name) in [
            ("*.toml", "a.toml"),
            ("*.toml", ".x.toml"),
            ("a*", "a"),
            ("*", "é"),
        ] {
            assert_eq!(takes(word, name), !name.starts_with('.'), "{word} {name}");
        }
        for name in [
            "a.conf",
            "a.toml~",
            "#a.toml",
            "a.toml.tmp",
            ".a.toml.new",
            "toml",
        ] {
            assert!(!takes("*.toml", name) && !takes("*a.toml", name), "{name}");
        }
        for name in ["a.toml~", "#a.toml#", "a.tmp", ".a", "a.toml.dpkg-old"] {
            assert!(!takes("*", name), "{name}");
        }
        // What stands before the star and what stands behind it do not share letters.
        assert!(!takes("aa*aa", "aaa") && takes("aa*aa", "aaaa"));
    }

    #[test]
    fn the_file_of_an_account_is_taken() {
        for word in ["users.d/*.toml", "*", "x/a*b"] {
            let include = Include::read(word);
            assert!(include.is_some_and(|all| all.takes(&all.file_of("anna"))));
        }
    }
}
