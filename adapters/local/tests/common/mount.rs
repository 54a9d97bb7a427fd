//! File systems of a test's own, for which it must be root.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A file system that is unmounted in the end.
pub struct Mount(Place);

/// Where it is.
enum Place {
    /// In a directory of its own.
    Own(TempDir),
    At(PathBuf),
}

impl Mount {
    /// What `mount` makes of these arguments; `None` where that is not possible.
    pub fn new(arguments: &[&str]) -> Option<Self> {
        let found = Self::if_known(arguments);
        if found.is_none() {
            skip(&format!("mount {arguments:?} is not possible here"));
        }
        found
    }

    /// The same of what not every kernel knows.
    pub fn if_known(arguments: &[&str]) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        mount(arguments, directory.path()).then(|| Self(Place::Own(directory)))
    }

    /// A directory once more, at that place.
    pub fn bind(directory: &Path, at: &Path) -> Option<Self> {
        let arguments = ["--bind", directory.to_str().unwrap()];
        if !mount(&arguments, at) {
            skip("mount --bind is not possible here");
            return None;
        }
        Some(Self(Place::At(at.to_owned())))
    }

    /// The file system in an image.
    pub fn image(image: &Path) -> Option<Self> {
        Self::new(&["-o", "loop", image.to_str().unwrap()])
    }

    pub fn path(&self) -> &Path {
        match &self.0 {
            Place::Own(directory) => directory.path(),
            Place::At(path) => path,
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

fn mount(arguments: &[&str], at: &Path) -> bool {
    let status = Command::new("mount").args(arguments).arg(at).status();
    status.is_ok_and(|status| status.success())
}

/// Makes an image with an empty ext4 of that size; says whether that is possible.
pub fn make_ext4(image: &Path, size: u64, arguments: &[&str]) -> bool {
    File::create(image).unwrap().set_len(size).unwrap();
    let mut make = Command::new("mkfs.ext4");
    let status = make.args(["-q", "-m", "0"]).args(arguments).arg(image);
    let made = status.status().is_ok_and(|status| status.success());
    if !made {
        skip("no mkfs.ext4");
    }
    made
}

/// Says that a test cannot be made here. Where everything must be there, that is a failure.
fn skip(why: &str) {
    assert!(env::var_os("WHARF_REQUIRE_CLIENTS").is_none(), "{why}");
    println!("skipped: {why}");
}
