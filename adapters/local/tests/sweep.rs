//! What a sweep costs, and how far it gets.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant, SystemTime};

use common::*;
use rustix::fs::{
    AtFlags, CWD, Mode as Bits, OFlags, Timespec, Timestamps, mkdirat, openat, utimensat,
};
use wharf_core::{Edit, VPath};
use wharf_storage::BlockingStorage;

fn open(directory: &OwnedFd, name: &str) -> OwnedFd {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(directory, name, flags, Bits::empty()).unwrap()
}

/// Makes directories in each other, and opens the last one.
fn deep(place: &Place, names: impl Iterator<Item = String>) -> OwnedFd {
    let root = place.directory.path();
    let mut here = openat(CWD, root, OFlags::DIRECTORY, Bits::empty()).unwrap();
    for name in names {
        mkdirat(&here, &*name, Bits::RWXU).unwrap();
        here = open(&here, &name);
    }
    here
}

fn leave(directory: &OwnedFd) {
    let flags = OFlags::CREATE | OFlags::WRONLY;
    openat(directory, ".wharf-1-7", flags, Bits::RWXU).unwrap();
}

/// KiB that this process has had in memory at most.
fn most_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let count = line.unwrap().split_whitespace().nth(1).unwrap();
    count.parse().unwrap()
}

#[test]
fn a_sweep_holds_no_list_of_directories() {
    let place = Place::new();
    let here = deep(&place, (0..15).map(|_| "d".repeat(250)));
    for number in 0..4_000 {
        mkdirat(&here, format!("{number:0250}"), Bits::RWXU).unwrap();
    }
    leave(&open(&here, &format!("{:0250}", 3_999)));
    leave(&here);
    let before = most_memory();
    assert_eq!(place.local.sweep(), 2);
    let more = most_memory() - before;
    println!("{more} KiB more");
    assert!(more < 4_000, "{more} KiB more for 4,000 directories");
}

#[test]
fn a_sweep_reaches_what_no_path_names() {
    let place = Place::new();
    for name in ["a", "z"] {
        fs::create_dir(place.real(name)).unwrap();
        place.put(&format!("{name}/.wharf-1-7"), "");
    }
    // A path has 4,096 bytes at most.
    let here = deep(&place, (0..3_000).map(|_| "m".to_owned()));
    leave(&here);
    drop(here);
    assert_eq!(place.local.sweep(), 3);
    // Directories are left in the middle of a batch of names, and come back to there.
    let place = Place::new();
    for number in 0..1_500 {
        let name = format!("{number:0100}");
        fs::create_dir_all(place.real(&name).join("inner")).unwrap();
        place.put(&format!("{name}/inner/.wharf-1-7"), "");
        place.put(&format!("{name}/.wharf-1-7"), "");
    }
    assert_eq!(place.local.sweep(), 3_000);
    assert_eq!(place.local.sweep(), 0);
}

#[test]
fn to_delete_a_file_costs_the_same_beside_many_that_broke_off() {
    let place = Place::new();
    let delete = |name: &str| {
        place.put(name, "");
        let begun = Instant::now();
        place
            .local
            .change(Edit::Delete, &path(name), &VPath::root())
            .unwrap();
        begun.elapsed()
    };
    for number in 0..1_000 {
        let name = format!("/over-{number}");
        place.put(&name, "old");
        place.fail(write_at(0), &name, "").unwrap();
        place
            .fail(write_at(0), &format!("/new-{number}"), &part())
            .unwrap();
    }
    assert!(place.everything().len() > 4_000, "they are there");
    let fastest = (0..20).map(|_| delete("/f")).min().unwrap();
    println!("{fastest:?}");
    assert!(fastest < Duration::from_millis(2), "{fastest:?}");
}

#[test]
fn to_keep_one_more_costs_the_same_beside_many() {
    let place = Place::new();
    let keep = |number: usize| {
        let begun = Instant::now();
        place
            .fail(write_at(0), &format!("/{number}"), &part())
            .unwrap();
        begun.elapsed()
    };
    let few = (0..50).map(keep).min().unwrap();
    (50..1_500).for_each(|number| _ = keep(number));
    let many = (1_500..1_550).map(keep).min().unwrap();
    println!("{few:?} beside few, {many:?} beside many");
    assert!(many < few * 8, "{few:?} beside few, {many:?} beside many");
}

#[test]
fn a_link_that_was_not_moved_goes_once_it_is_old() {
    let place = Place::new();
    let old = SystemTime::now() - Duration::from_secs(2 * 60 * 60);
    let old = old.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let old = Timespec {
        tv_sec: i64::try_from(old.as_secs()).unwrap(),
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: old,
        last_modification: old,
    };
    let leave = |directory: &str| {
        let link = place.real(directory).join(".wharf-1-7");
        symlink("nowhere", &link).unwrap();
        // Somebody may be about to move it.
        assert_eq!(place.local.sweep(), 0);
        utimensat(CWD, &link, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    };
    fs::create_dir(place.real("/d")).unwrap();
    leave("/d");
    assert_eq!(place.local.sweep(), 1);
    leave("/d");
    let removed = place
        .local
        .change(Edit::RemoveDirectory, &path("/d"), &VPath::root());
    assert_eq!(removed, DONE);
}
