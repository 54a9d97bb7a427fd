//! Changes that wait for the disk, and what a disk that fails makes of them.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs::{self, File, FileTimes};
use std::os::fd::RawFd;
use std::time::{Duration, SystemTime};

use common::*;
use rustix::io::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};
use wharf_core::{Edit, Facts, Failure};
use wharf_local::{Durability, LocalOptions};
use wharf_storage::BlockingStorage;

fn place(durability: Durability) -> Place {
    Place::with(LocalOptions {
        durability,
        ..options()
    })
}

/// Makes fsync fail in this thread: for these descriptors, or for all if there are none.
fn break_fsync(error: Errno, descriptors: Vec<RawFd>) {
    let rule = |descriptor: RawFd| {
        let descriptor = u64::try_from(descriptor).unwrap();
        let length = SeccompCmpArgLen::Dword;
        let is_it = SeccompCondition::new(0, length, SeccompCmpOp::Eq, descriptor).unwrap();
        SeccompRule::new(vec![is_it]).unwrap()
    };
    let fsync = if cfg!(target_arch = "x86_64") { 74 } else { 82 };
    let rules = [(fsync, descriptors.into_iter().map(rule).collect())].into();
    let error = SeccompAction::Errno(error.raw_os_error().cast_unsigned());
    let machine = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, error, machine).unwrap();
    apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}

/// The descriptors with which the directory of a place is open: those of the storage and of an upload.
fn descriptors(place: &Place) -> Vec<RawFd> {
    let opened = fs::read_dir("/proc/thread-self/fd").unwrap();
    let found = opened.filter_map(|entry| {
        let entry = entry.unwrap();
        let is_it = fs::read_link(entry.path()).ok()? == place.directory.path();
        is_it.then(|| entry.file_name().to_str().unwrap().parse().unwrap())
    });
    found.collect()
}

/// One change of each kind.
fn edits() -> [(Edit, &'static str, &'static str); 7] {
    let facts = Facts {
        mode: Some(0o600),
        ..Facts::default()
    };
    [
        (Edit::MakeDirectory { umask: None }, "/made", "/"),
        (Edit::Rename { replace: true }, "/new/a", "/a"),
        (Edit::Rename { replace: false }, "/b", "/new/a"),
        (Edit::Set(facts), "/b", "/"),
        (Edit::Symlink, "/link", "/b"),
        (Edit::Delete, "/b", "/"),
        (Edit::RemoveDirectory, "/new", "/"),
    ]
}

#[test]
fn whatever_it_waits_for_a_change_is_the_same() {
    for durability in [Durability::Os, Durability::Disk] {
        let place = place(durability);
        place.store(write_at(0), "/a", "one two").unwrap();
        place.store(write_at(4), "/a", "2").unwrap();
        place.store(APPEND, "/a", " three").unwrap();
        place.fail(write_at(0), "/c", &part()).unwrap();
        place
            .store(write_at(TOLD), "/c", &text_from(TOLD, 9_000))
            .unwrap();
        assert_eq!(place.get("/a").unwrap(), "one 2wo three");
        assert_eq!(place.get("/c").unwrap(), text(9_000));
        fs::create_dir(place.real("/new")).unwrap();
        for (edit, new, old) in edits() {
            let outcome = place.local.change(edit, &path(new), &path(old));
            assert_eq!(outcome, DONE, "{edit:?}");
        }
        assert_eq!(place.everything(), ["c", "link", "made"]);
        let waits = durability == Durability::Disk;
        assert_eq!(place.local.changes_are_short(), !waits);
        assert!(place.local.is_short());
    }
}

#[test]
fn nothing_waits_unless_it_is_told_to() {
    let place = place(Durability::Os);
    break_fsync(Errno::IO, Vec::new());
    place.store(write_at(0), "/a", "one").unwrap();
    place.store(APPEND, "/a", " two").unwrap();
    fs::create_dir(place.real("/new")).unwrap();
    for (edit, new, old) in edits() {
        let outcome = place.local.change(edit, &path(new), &path(old));
        assert_eq!(outcome, DONE, "{edit:?}");
    }
}

#[test]
fn bytes_that_do_not_reach_the_disk_replace_nothing() {
    for (error, failure) in [
        (Errno::IO, Failure::Io),
        (Errno::INVAL, Failure::Io),
        (Errno::NOSPC, Failure::NoSpace),
        (Errno::DQUOT, Failure::Quota),
    ] {
        // A thread of its own, since the filter stays.
        std::thread::spawn(move || {
            let place = place(Durability::Disk);
            place.put("/old", "old");
            place.put("/other", "old");
            place.fail(write_at(0), "/part", &part()).unwrap();
            break_fsync(error, Vec::new());
            for (mode, name) in [
                (write_at(0), "/new"),
                (write_at(0), "/old"),
                (APPEND, "/other"),
                (write_at(1), "/other"),
                (write_at(TOLD), "/part"),
            ] {
                let outcome = place.store(mode, name, "bytes");
                assert_eq!(outcome, Err(failure), "{mode:?} {name}");
            }
            assert_eq!(place.get("/old").unwrap(), "old");
            assert_eq!(place.get("/other").unwrap(), "old");
            // Nor can they be continued.
            assert_eq!(place.size("/old"), Ok(3));
            assert_eq!(place.size("/new"), Err(Failure::NotFound));
            assert_eq!(place.size("/part"), Err(Failure::NotFound));
        })
        .join()
        .unwrap();
    }
}

#[test]
fn only_a_partial_of_this_boot_is_continued() {
    for durability in [Durability::Os, Durability::Disk] {
        let place = place(durability);
        place.put("/old", "old");
        place.fail(write_at(0), "/f", &part()).unwrap();
        place.fail(write_at(0), "/old", "").unwrap();
        assert_eq!(place.size("/f"), Ok(TOLD));
        let everything = place.everything();
        let base = everything.iter().find(|name| name.contains("/new-"));
        let base = place.real(base.unwrap());
        fs::rename(&base, base.with_file_name("new-of-another-boot")).unwrap();
        assert_eq!(place.size("/f"), Err(Failure::NotFound));
        // A mark holds all the same.
        assert_eq!(place.fail(APPEND, "/old", ""), Err(Failure::BrokenOff));
        // What nobody continues goes in its time.
        place.store(write_at(0), "/f", "f").unwrap();
        place.store(write_at(0), "/old", "new").unwrap();
        assert_eq!(place.local.sweep(), 0);
        let partial = base.with_file_name("new-of-another-boot/f.partial");
        let long_ago = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
        let file = File::options().write(true).open(partial).unwrap();
        file.set_times(FileTimes::new().set_modified(long_ago))
            .unwrap();
        assert_eq!(place.local.sweep(), 1);
        assert_eq!(place.everything(), ["f", "old"]);
    }
}

#[test]
fn an_upload_whose_name_may_not_have_reached_the_disk_is_in_doubt() {
    let place = place(Durability::Disk);
    place.put("/f", "old");
    let mut sink = place.sink(write_at(0), "/f").unwrap();
    sink.write(b"new").unwrap();
    break_fsync(Errno::IO, descriptors(&place));
    assert_eq!(sink.commit(), Err(Failure::Unknown));
    assert_eq!(place.everything(), ["f"]);
    assert_eq!(place.get("/f").unwrap(), "new");
}

#[test]
fn a_change_that_may_not_have_reached_the_disk_is_in_doubt() {
    let place = place(Durability::Disk);
    place.put("/a", "a");
    fs::create_dir(place.real("/new")).unwrap();
    break_fsync(Errno::IO, Vec::new());
    for (edit, new, old) in edits() {
        let outcome = place.local.change(edit, &path(new), &path(old));
        assert_eq!(outcome, Err(Failure::Unknown), "{edit:?}");
    }
    assert_eq!(place.everything(), ["link", "made"]);
}
