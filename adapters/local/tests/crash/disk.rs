//! [`Disk`]: an ext4 in memory whose power can be cut.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::common::mount::{Mount, make_ext4};

const SIZE: u64 = 12 << 20;
/// Blocks as on any disk, although this one is small.
const BLOCKS: [&str; 2] = ["-b", "4096"];

pub struct Disk {
    mount: Mount,
    image: PathBuf,
    _folder: TempDir,
}

impl Disk {
    /// An empty one; `None` where that is not possible.
    pub fn new() -> Option<Self> {
        let folder = in_memory();
        let image = folder.path().join("image");
        if !make_ext4(&image, SIZE, &BLOCKS) {
            return None;
        }
        Some(Self {
            mount: Mount::image(&image)?,
            image,
            _folder: folder,
        })
    }

    pub fn home(&self) -> &Path {
        self.mount.path()
    }

    /// What any other program may do, whereupon the names that have changed go to the disk too.
    pub fn sync_something_else(&self) {
        let mut other = File::create(self.home().join("other")).unwrap();
        other.write_all(b"!").unwrap();
        other.sync_all().unwrap();
    }

    /// What a power cut would leave of it now: whatever the system has handed to the device. A copy
    /// that comes out the same twice is one of a single moment.
    pub fn cut(&self) -> Cut {
        let mut copy = fs::read(&self.image).unwrap();
        loop {
            let again = fs::read(&self.image).unwrap();
            if again == copy {
                break;
            }
            copy = again;
        }
        let folder = in_memory();
        let image = folder.path().join("image");
        fs::write(&image, copy).unwrap();
        Cut {
            image,
            _folder: folder,
        }
    }
}

/// A disk after a power cut.
pub struct Cut {
    image: PathBuf,
    _folder: TempDir,
}

impl Cut {
    /// Mounts it, which replays the journal.
    pub fn mount(&self) -> Option<Mount> {
        Mount::image(&self.image)
    }
}

/// A directory in memory, where there is such a place.
fn in_memory() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .unwrap()
}
