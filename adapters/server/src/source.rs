//! [`Source`]: the text of the configuration file, and where in it a mistake is.

use std::fmt::Display;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The text of a file, to tell where in it a mistake is; empty if there is no file.
#[derive(Default)]
pub(crate) struct Source {
    path: PathBuf,
    /// Where paths in it start.
    directory: PathBuf,
    text: String,
}

impl Source {
    /// Reads the file.
    ///
    /// # Errors
    /// What to tell the user.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let bytes = fs::read(path)
            .map_err(|error| format!("{}: {error}, expected a TOML file", path.display()))?;
        Self::new(path, bytes)
    }

    /// Takes these bytes as the file of that name.
    ///
    /// # Errors
    /// What to tell the user.
    pub(crate) fn new(path: &Path, bytes: Vec<u8>) -> Result<Self, String> {
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::starting_at(directory, path, bytes)
    }

    /// Takes these bytes as a file of that name in which paths start where they do in this one.
    ///
    /// # Errors
    /// What to tell the user.
    pub(crate) fn beside(&self, path: &Path, bytes: Vec<u8>) -> Result<Self, String> {
        Self::starting_at(self.directory.clone(), path, bytes)
    }

    fn starting_at(directory: PathBuf, path: &Path, bytes: Vec<u8>) -> Result<Self, String> {
        let path = path.to_owned();
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self {
                path,
                directory,
                text,
            }),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let source = Self {
                    path,
                    directory,
                    text,
                };
                Err(source.mistake(&(valid..valid), "expected text in UTF-8"))
            }
        }
    }

    /// Returns the name of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What stands in it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Tells a mistake and where it is.
    pub(crate) fn mistake(&self, span: &Range<usize>, what: impl Display) -> String {
        // A key is repeated as it stands in the file, and a terminal may obey what stands there.
        let what = what.to_string().replace(char::is_control, "?");
        format!("{}: {what}", self.place(span))
    }

    /// Returns the file, the line and the column.
    pub(crate) fn place(&self, span: &Range<usize>) -> String {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        format!("{}:{line}:{column}", self.path.display())
    }

    /// Tells a mistake that is at no place in particular.
    pub(crate) fn whole(&self, what: impl Display) -> String {
        format!("{}: {what}", self.path.display())
    }

    /// What is said of it if others than its owner can read it.
    pub(crate) fn is_open_to_others(&self) -> Option<String> {
        is_open_to_others(&self.path)
    }

    /// Paths in the configuration file start at its own directory, wherever the server is started from.
    pub(crate) fn locate(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }
}

/// Returns what is said of a file that others than its owner can read, if they can.
pub(crate) fn is_open_to_others(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.mode();
    let name = path.display();
    (mode & 0o066 != 0)
        .then(|| format!("others can read or change {name} (`chmod 600` mends that)"))
}
