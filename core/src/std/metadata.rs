//! What the system says of a file.

use std::fs;

use crate::entry::{Kind, Metadata};
use crate::time::Timestamp;

impl From<fs::FileType> for Kind {
    /// Returns what a file is.
    fn from(kind: fs::FileType) -> Self {
        if kind.is_file() {
            Self::File
        } else if kind.is_dir() {
            Self::Directory
        } else if kind.is_symlink() {
            Self::Link
        } else {
            Self::Other
        }
    }
}

impl From<&fs::Metadata> for Metadata {
    /// Returns the facts that the system tells: all of them on Unix, else the kind, the length and the
    /// time. Whether a directory can be entered it does not tell.
    fn from(file: &fs::Metadata) -> Self {
        let facts = Self {
            kind: file.file_type().into(),
            size: file.len(),
            modified: file.modified().ok().map(Timestamp::from),
            ..Self::default()
        };
        #[cfg(unix)]
        let facts = {
            use std::os::unix::fs::MetadataExt as _;
            Self {
                mode: u16::try_from(file.mode() & 0o7777).ok(),
                links: u32::try_from(file.nlink()).ok(),
                owner: Some(file.uid()),
                group: Some(file.gid()),
                unique: Some((file.dev(), file.ino())),
                ..facts
            }
        };
        facts
    }
}
