//! A disk that is full.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::sync::{Mutex, PoisonError};

use common::mount::{Mount, make_ext4};
use common::*;
use tempfile::TempDir;
use wharf_core::{Failure, Reason};
use wharf_storage::{Local, LocalOptions, Storage};

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
fn fill(mount: &Mount, local: &Local, reason: Option<Reason>) {
    let mut sink = sink(local, write_at(0), "/f").unwrap();
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
    match reason {
        Some(reason) => sink.abandon(reason),
        None => drop(sink),
    }
}

#[test]
fn the_old_file_stands_and_the_partial_is_kept() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mount) = Mount::new(&["-t", "tmpfs", "-o", "size=1m", "tmpfs"]) else {
        return;
    };
    let local = local(&mount);
    fs::write(mount.path().join("f"), "the old file").unwrap();
    for reason in [None, Some(Reason::Storage(Failure::NoSpace))] {
        fill(&mount, &local, reason);
        assert_eq!(read(&local, "/f").unwrap(), "the old file");
        let partial = size(&local, "/f").unwrap();
        assert!(partial > 500_000);
        assert!(local.available(&path("/")).unwrap() < 64 * 1024);
    }
    // An append gives back what it took.
    let partial = size(&local, "/f").unwrap();
    let mut append = sink(&local, write_at(partial - 4096), "/f").unwrap();
    append.write(b"end").unwrap();
    append.commit().unwrap();
    assert_eq!(size(&local, "/f"), Ok(partial - 4093));
    let before = size(&local, "/f").unwrap();
    let mut append = sink(&local, APPEND, "/f").unwrap();
    assert_eq!(append.write(&vec![0; 1 << 20]), Err(Failure::NoSpace));
    append.abandon(Reason::Storage(Failure::NoSpace));
    assert_eq!(size(&local, "/f"), Ok(before));
}

#[test]
fn a_disk_without_room_for_a_directory_still_keeps_most_of_it() {
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
    fill(&mount, &local, None);
    let partial = size(&local, "/f").unwrap();
    assert!(partial > 500_000);
    store(&local, write_at(partial - 65_536), "/f", "end").unwrap();
    assert_eq!(size(&local, "/f"), Ok(partial - 65_533));
}
