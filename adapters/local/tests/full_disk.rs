//! A disk that is full.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::sync::{Mutex, PoisonError};

use common::mount::{Mount, make_ext4};
use common::*;
use tempfile::TempDir;
use wharf_core::{Failure, Reason};
use wharf_local::{Local, LocalOptions};
use wharf_storage::BlockingStorage;

/// One test at a time: a child that one starts would for a moment keep open, and so keep on the
/// disk, what the other one has removed.
static ALONE: Mutex<()> = Mutex::new(());

fn local(mount: &Mount) -> Local {
    Local::open(mount.path(), b"alice", LocalOptions::default()).unwrap()
}

/// Makes the system find room for what was written, or not.
fn sync(mount: &Mount) -> std::io::Result<()> {
    fs::File::open(mount.path())?.sync_all()
}

/// An upload for which the disk has no room, and then no room for anything else either.
fn fill(mount: &Mount, local: &Local, name: &str, reason: Reason) {
    let mut sink = sink(local, write_at(0), name).unwrap();
    let block = vec![b'x'; 64 * 1024];
    let failure = loop {
        if let Err(failure) = sink.write(&block) {
            break failure;
        }
    };
    assert_eq!(failure, Failure::NoSpace);
    let mut others = (0..10_000).map(|number| mount.path().join(format!("other-{number}")));
    let full = others.any(|other| fs::write(other, "x").and_then(|()| sync(mount)).is_err());
    assert!(full);
    sink.abandon(reason);
}

/// The bytes that are free.
fn room(local: &Local) -> u64 {
    local.available(&path("/")).unwrap()
}

#[test]
fn an_upload_that_has_filled_the_disk_gives_it_back() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mount) = Mount::new(&["-t", "tmpfs", "-o", "size=1m", "tmpfs"]) else {
        return;
    };
    let local = local(&mount);
    fs::write(mount.path().join("old"), "the old file").unwrap();
    for name in ["/old", "/f"] {
        fill(&mount, &local, name, Reason::Storage(Failure::NoSpace));
        assert!(room(&local) > 500_000, "{name}");
    }
    assert_eq!(read(&local, "/old").unwrap(), "the old file");
    assert_eq!(size(&local, "/f"), Err(Failure::NotFound));
    // Nor is the old one continued by the end of the new one.
    let append = sink(&local, APPEND, "/old").map(drop);
    assert_eq!(append, Err(Failure::BrokenOff));
    // An append gives back what it took.
    store(&local, write_at(0), "/g", "begun").unwrap();
    let mut append = sink(&local, APPEND, "/g").unwrap();
    assert_eq!(append.write(&vec![0; 1 << 20]), Err(Failure::NoSpace));
    append.abandon(Reason::Storage(Failure::NoSpace));
    assert_eq!(size(&local, "/g"), Ok(5));
}

#[test]
fn an_upload_that_ends_otherwise_on_a_full_disk_keeps_what_it_can() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let image = TempDir::new().unwrap();
    let image = image.path().join("image");
    if !make_ext4(&image, 4 << 20, &[]) {
        return;
    }
    let Some(mount) = Mount::image(&image) else {
        return;
    };
    let local = local(&mount);
    fill(&mount, &local, "/f", Reason::Reset);
    // There is no room for the directories that it would be kept in.
    assert_eq!(size(&local, "/f"), Err(Failure::NotFound));
    assert!(room(&local) > 500_000);
}
