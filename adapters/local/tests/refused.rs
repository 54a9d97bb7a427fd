//! File systems that refuse what only adorns a file, or have no locks: the bytes are kept all the
//! same.
#![allow(clippy::unwrap_used)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};
use std::{fs, thread};

use common::*;
use rustix::io::Errno;
use wharf_core::{Edit, Failure, VPath};
use wharf_local::{Durability, LocalOptions};
use wharf_storage::BlockingStorage;

/// Runs a test in a thread of its own, in which these calls fail.
fn without(calls: &[i64], error: Errno, test: impl FnOnce() + Send + 'static) {
    let calls = calls.to_vec();
    let tested = thread::spawn(move || {
        forbid(&calls, error);
        test();
    });
    tested.join().unwrap();
}

#[test]
fn what_adorns_a_file_does_not_decide_over_its_bytes() {
    let adorn = [
        call(91, 52),  // fchmod
        call(93, 55),  // fchown
        call(193, 10), // fgetxattr
        call(190, 7),  // fsetxattr
        call(196, 13), // flistxattr
    ];
    for error in [Errno::PERM, Errno::NOSYS, Errno::OPNOTSUPP, Errno::INVAL] {
        without(&adorn, error, || {
            let place = Place::new();
            place.store(write_at(0), "/f", "new").unwrap();
            place.store(write_at(0), "/f", "newer").unwrap();
            place.store(write_at(1), "/f", "E").unwrap();
            place.store(APPEND, "/f", ".").unwrap();
            assert_eq!(place.get("/f").unwrap(), "nEwer.");
            // Whoever asks for the permission bits is told.
            let facts = wharf_core::Facts {
                mode: Some(0o600),
                modified: None,
            };
            let set = Edit::Set(facts);
            let set = place.local.change(set, &path("/f"), &VPath::root());
            assert!(set.is_err());
        });
    }
}

#[test]
fn without_locks_this_process_still_keeps_uploads_apart() {
    for error in [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP] {
        without(&[call(73, 32)], error, || {
            let place = Place::new();
            place.store(write_at(0), "/f", "new").unwrap();
            let mut first = place.sink(APPEND, "/f").unwrap();
            assert_eq!(place.fail(APPEND, "/f", ""), Err(Failure::Busy));
            first.write(b"er").unwrap();
            first.commit().unwrap();
            place.store(APPEND, "/f", ".").unwrap();
            assert_eq!(place.get("/f").unwrap(), "newer.");
            place.fail(write_at(0), "/g", &part()).unwrap();
            let continued = place.sink(write_at(TOLD), "/g").unwrap();
            assert_eq!(place.fail(write_at(TOLD), "/g", ""), Err(Failure::Busy));
            drop(continued);
            assert_eq!(place.size("/g"), Ok(TOLD));
            // Nobody can tell whether another process still writes: it is left alone for a while.
            place.put("/.wharf-1-7", "of some process");
            assert_eq!(place.local.sweep(), 0);
            let times = fs::FileTimes::new();
            let long_ago = SystemTime::now() - Duration::from_secs(2 * 60 * 60);
            let leftover = fs::File::options()
                .write(true)
                .open(place.real("/.wharf-1-7"))
                .unwrap();
            leftover.set_times(times.set_modified(long_ago)).unwrap();
            assert_eq!(place.local.sweep(), 1);
        });
    }
}

#[test]
fn a_directory_that_cannot_be_synced_is_no_failure() {
    let place = Place::with(LocalOptions {
        durability: Durability::Disk,
        ..options()
    });
    let file = place.sink(write_at(0), "/f").unwrap();
    without(&[call(74, 82)], Errno::INVAL, move || {
        // The bytes themselves must get to the disk.
        assert_eq!(file.commit(), Err(Failure::Io));
        let make = Edit::MakeDirectory { umask: None };
        let made = place.local.change(make, &path("/d"), &VPath::root());
        assert_eq!(made, DONE);
    });
}

#[test]
fn a_mode_that_cannot_be_set_leaves_the_file_to_its_owner() {
    without(&[call(91, 52)], Errno::PERM, || {
        let place = Place::new();
        place.store(write_at(0), "/f", "new").unwrap();
        let mode = fs::metadata(place.real("/f")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    });
}
