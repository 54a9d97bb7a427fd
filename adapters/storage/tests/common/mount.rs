//! File systems of a test's own, for which it must be root.

use std::env;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A file system that is unmounted in the end.
pub struct Mount(TempDir);

impl Mount {
    /// What `mount` makes of these arguments; `None` where that is not possible.
    pub fn new(arguments: &[&str]) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        let status = mount.args(arguments).arg(directory.path()).status();
        if !status.is_ok_and(|status| status.success()) {
            skip(&format!("mount {arguments:?} is not possible here"));
            return None;
        }
        Some(Self(directory))
    }

    /// The file system in an image.
    pub fn image(image: &Path) -> Option<Self> {
        Self::new(&["-o", "loop", image.to_str().unwrap()])
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
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
