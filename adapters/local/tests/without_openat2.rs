//! The other tests once more, as on a kernel that has no openat2.
#![allow(
    clippy::duplicate_mod,
    clippy::unwrap_used,
    reason = "each test file brings the common part along"
)]

mod common;
#[path = "durability.rs"]
mod durability;
#[path = "edits.rs"]
mod edits;
#[path = "jail.rs"]
mod jail;
#[path = "listing.rs"]
mod listing;
#[path = "model.rs"]
mod model;
#[path = "names.rs"]
mod names;
#[path = "sparse.rs"]
mod sparse;
#[path = "threads.rs"]
mod threads;
#[path = "upload.rs"]
mod upload;

use std::fs;
use std::os::unix::fs::symlink;
use std::thread;

use common::*;
use rustix::io::Errno;
use wharf_core::{Edit, Failure, Mode, Scope, VPath};
use wharf_local::{Links, LocalOptions};
use wharf_storage::BlockingStorage;

/// Whether an absolute link within the directory is followed, as only the kernel can.
fn follows_as_after_chroot(options: LocalOptions) -> bool {
    let place = Place::with(options);
    place.put("/f", "file");
    symlink("/f", place.real("/absolute")).unwrap();
    symlink("f", place.real("/relative")).unwrap();
    assert_eq!(place.read("/relative").unwrap(), "file");
    place.store(write_at(0), "/g", "new").unwrap();
    assert_eq!(place.get("/g").unwrap(), "new");
    place.read("/absolute").is_ok()
}

#[test]
fn the_kernel_is_asked_only_where_it_can_and_shall() {
    assert!(follows_as_after_chroot(LocalOptions::default()));
    assert!(!follows_as_after_chroot(LocalOptions {
        kernel_jail: false,
        ..LocalOptions::default()
    }));
    // No such call, and a sandbox that forbids it.
    for error in [Errno::NOSYS, Errno::PERM] {
        let as_without = thread::spawn(move || {
            forbid_openat2(error);
            follows_as_after_chroot(LocalOptions::default())
        });
        assert!(!as_without.join().unwrap(), "{error}");
    }
}

#[test]
fn a_kernel_that_cannot_tell_whether_it_would_wait_is_not_asked_that() {
    let place = Place::with(LocalOptions::default());
    place.put("/f", "file");
    let local = place.local.clone();
    let answered = thread::spawn(move || {
        // What Linux before 5.12 says to RESOLVE_CACHED.
        forbid_openat2(Errno::INVAL);
        (
            local.stat_now(&path("/f")).is_some(),
            local.open_now(READ, &path("/f")).is_some(),
        )
    });
    assert_eq!(answered.join().unwrap(), (false, false));
}

#[test]
fn nothing_is_answered_at_once() {
    for links in [Links::Beneath, Links::None] {
        let place = Place::with(LocalOptions { links, ..options() });
        place.put("/f", "file");
        assert_eq!(place.size("/f"), Ok(4));
        assert!(place.local.stat_now(&path("/f")).is_none());
        assert!(place.local.open_now(READ, &path("/f")).is_none());
        let list = Mode::List(Scope::Entries);
        assert!(place.local.open_now(list, &VPath::root()).is_none());
    }
}

#[test]
fn without_links_none_is_followed_on_the_way_either() {
    let place = Place::with(LocalOptions {
        links: Links::None,
        ..options()
    });
    fs::create_dir_all(place.real("/a/b/c")).unwrap();
    place.put("/a/b/c/f", "file");
    symlink("b", place.real("/a/link")).unwrap();
    symlink("f", place.real("/a/b/c/link")).unwrap();
    assert_eq!(place.read("/a/b/c/f").unwrap(), "file");
    assert_eq!(place.size("/a/b/c/f"), Ok(4));
    assert_eq!(place.list("/a/b/c").len(), 2);
    for name in ["/a/b/c/link", "/a/link"] {
        let seen = place.local.stat(&path(name)).map(|facts| facts.kind);
        assert_eq!(seen, Ok(wharf_core::Kind::Link), "{name}");
        assert_eq!(place.read(name), Err(Failure::NotFound), "{name}");
    }
    for name in ["/a/link/c/f", "/a/link/c"] {
        assert_eq!(place.size(name), Err(Failure::NotFound), "{name}");
        let make = Edit::MakeDirectory { umask: None };
        let new = path(name).join(b"new").unwrap();
        let made = place.local.change(make, &new, &VPath::root());
        assert_eq!(made, Err(Failure::NotFound), "{name}");
    }
    assert_eq!(place.size("/a/b/c/f/x"), Err(Failure::NotADirectory));
}
