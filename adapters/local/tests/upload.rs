//! What an upload leaves behind: each sentence of the rule.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use common::*;
use rustix::fs::{CWD, FileType, Mode as Bits, mknodat};
use wharf_core::{Edit, Facts, Failure, Kind, Mode, Reason, Scope, Timestamp, VPath};
use wharf_local::{LocalOptions, Partials};
use wharf_storage::BlockingStorage;

const MISSING: Result<u64, Failure> = Err(Failure::NotFound);

fn list_of<const N: usize>(entries: [(&str, u64); N]) -> BTreeMap<String, u64> {
    entries.map(|(name, size)| (name.to_owned(), size)).into()
}

#[test]
fn a_fresh_upload_becomes_visible_at_the_commit() {
    let place = Place::new();
    let mut sink = place.sink(write_at(0), "/f").unwrap();
    sink.write(b"new").unwrap();
    assert_eq!(place.size("/f"), MISSING);
    assert_eq!(place.list("/"), list_of([]));
    assert_eq!(place.get("/f"), None);
    sink.commit().unwrap();
    assert_eq!(place.get("/f").unwrap(), "new");
    assert_eq!(place.list("/"), list_of([("f", 3)]));
    assert_eq!(place.everything(), ["f"]);
}

#[test]
fn it_replaces_the_old_file_in_one_step() {
    let place = Place::new();
    place.put("/f", "old");
    let mut sink = place.sink(write_at(0), "/f").unwrap();
    sink.write(b"newer").unwrap();
    assert_eq!(place.read("/f").unwrap(), "old");
    assert_eq!(place.size("/f"), Ok(3));
    sink.commit().unwrap();
    assert_eq!(place.read("/f").unwrap(), "newer");
    assert_eq!(place.everything(), ["f"]);
}

#[test]
fn an_empty_upload_makes_an_empty_file() {
    let place = Place::new();
    place.store(write_at(0), "/f", "").unwrap();
    assert_eq!(place.get("/f").unwrap(), "");
    place.store(APPEND, "/g", "").unwrap();
    assert_eq!(place.get("/g").unwrap(), "");
}

#[test]
fn the_permission_bits_of_the_old_file_are_kept() {
    let place = Place::new();
    let mode = |name| fs::metadata(place.real(name)).unwrap().permissions().mode() & 0o7777;
    place.store(write_at(0), "/f", "a").unwrap();
    assert_eq!(mode("/f"), 0o644);
    fs::set_permissions(place.real("/f"), fs::Permissions::from_mode(0o751)).unwrap();
    place.store(write_at(0), "/f", "b").unwrap();
    assert_eq!(mode("/f"), 0o751);
    place.store(write_at(1), "/f", "c").unwrap();
    let own = Mode::Write {
        at: 0,
        replace: true,
        umask: Some(0o077),
        resumable: true,
        expected: None,
    };
    place.store(own, "/g", "a").unwrap();
    assert_eq!(mode("/g"), 0o600);
}

#[test]
fn what_arrived_can_be_continued_for_every_reason() {
    for reason in REASONS {
        let place = Place::new();
        let mut sink = place.sink(write_at(0), "/f").unwrap();
        sink.write(part().as_bytes()).unwrap();
        sink.abandon(reason);
        let seen = place.local.stat(&path("/f")).unwrap();
        assert_eq!((seen.kind, seen.size), (Kind::Partial, TOLD), "{reason:?}");
    }
    let place = Place::new();
    let mut sink = place.sink(write_at(0), "/f").unwrap();
    sink.write(part().as_bytes()).unwrap();
    drop(sink);
    assert_eq!(place.size("/f"), Ok(TOLD));
}

#[test]
fn less_is_told_than_arrived() {
    for (arrived, told) in [
        (4_097, 4_096),
        (8_191, 4_096),
        (8_192, 4_096),
        (8_193, 8_192),
    ] {
        let place = Place::new();
        place.fail(write_at(0), "/f", &text(arrived)).unwrap();
        assert_eq!(place.size("/f"), Ok(told), "{arrived}");
        // Also if the process dies while it is continued, and whoever continues it sends nothing.
        drop(place.sink(write_at(told), "/f"));
        assert_eq!(place.size("/f"), Ok(told), "{arrived}");
    }
}

#[test]
fn nothing_is_kept_where_nothing_would_be_left_or_nobody_shall_continue_it() {
    let place = Place::new();
    for reason in REASONS {
        place.sink(write_at(0), "/f").unwrap().abandon(reason);
    }
    drop(place.sink(write_at(0), "/f"));
    place.fail(write_at(0), "/f", &text(4_096)).unwrap();
    let in_type_a = Mode::Write {
        at: 0,
        replace: true,
        umask: None,
        resumable: false,
        expected: None,
    };
    place.fail(in_type_a, "/f", &part()).unwrap();
    // A full disk shall not stay full.
    for reason in [
        Reason::Refused,
        Reason::Storage(Failure::NoSpace),
        Reason::Storage(Failure::Quota),
    ] {
        let mut sink = place.sink(write_at(0), "/f").unwrap();
        sink.write(part().as_bytes()).unwrap();
        sink.abandon(reason);
    }
    assert_eq!(place.size("/f"), MISSING);
    assert_eq!(place.everything(), [""; 0]);
}

#[test]
fn the_owner_and_nobody_else_is_told_of_a_partial() {
    let place = Place::new();
    let bob = place.account("bob");
    place.put("/old", "0123456789");
    for name in ["/old", "/new"] {
        place.fail(write_at(0), name, &part()).unwrap();
    }
    assert_eq!(place.size("/new"), Ok(TOLD));
    assert_eq!(place.size("/old"), Ok(10), "a finished file is what it is");
    assert_eq!(place.list("/"), list_of([("old", 10)]));
    assert_eq!(size(&bob, "/new"), MISSING);
    assert_eq!(place.local.text_size(&path("/new"), 10_000), MISSING);
    let itself = directory(&place.local, Scope::Itself, "/new");
    assert_eq!(itself.err(), Some(Failure::NotFound));
    // The same account is told of it in another session too.
    assert_eq!(size(&place.account("alice"), "/new"), Ok(TOLD));
}

#[test]
fn a_storage_that_lists_partials_shows_them_to_their_owner() {
    let place = Place::with(LocalOptions {
        partials: Partials::Listed,
        ..options()
    });
    let long = format!("/{}", "x".repeat(255));
    for name in ["/old", "/new", &long] {
        place.fail(write_at(0), name, &part()).unwrap();
    }
    place.put("/old", "0123456789");
    assert_eq!(place.list("/"), list_of([("new", TOLD), ("old", 10)]));
    let bob = place.account("bob");
    assert_eq!(list(&bob, "/"), list_of([("old", 10)]));
    // A name that leaves no room for the ending is not listed, and can be continued all the same.
    assert_eq!(place.size(&long), Ok(TOLD));
}

#[test]
fn no_pattern_for_finished_files_matches_what_is_kept() {
    let place = Place::new();
    place.fail(write_at(0), "/clip.mp4", &part()).unwrap();
    place.put("/old.mp4", "old");
    place.fail(write_at(0), "/old.mp4", &part()).unwrap();
    let finished = place.everything();
    let finished = finished.iter().filter(|name| name.ends_with(".mp4"));
    assert_eq!(finished.collect::<Vec<_>>(), ["old.mp4"]);
}

#[test]
fn a_partial_has_the_permission_bits_of_a_new_file() {
    let place = Place::new();
    place.fail(write_at(0), "/g", &part()).unwrap();
    assert_eq!(place.local.stat(&path("/g")).unwrap().mode, Some(0o644));
}

#[test]
fn reading_gives_the_old_file_or_nothing() {
    let place = Place::new();
    place.put("/old", "0123456789");
    place.fail(write_at(0), "/old", &part()).unwrap();
    place.fail(write_at(0), "/new", &part()).unwrap();
    assert_eq!(place.read("/old").unwrap(), "0123456789");
    assert_eq!(place.read("/new"), Err(Failure::NotFound));
}

#[test]
fn restart_up_to_its_length_continues_a_partial() {
    for at in [1, 100, TOLD] {
        let place = Place::new();
        place.fail(write_at(0), "/f", &part()).unwrap();
        place
            .store(write_at(at), "/f", &text_from(at, 9_000))
            .unwrap();
        assert_eq!(place.get("/f").unwrap(), text(9_000));
        assert_eq!(place.everything(), ["f"]);
    }
    // Nothing need be sent: what was there up to the offset is the file.
    let place = Place::new();
    place.fail(write_at(0), "/f", &part()).unwrap();
    place.store(write_at(100), "/f", "").unwrap();
    assert_eq!(place.get("/f").unwrap(), text(100));
}

#[test]
fn append_continues_a_partial_only_where_its_length_was_told() {
    let place = Place::new();
    place.fail(write_at(0), "/f", &part()).unwrap();
    for told in [None, Some(TOLD - 1), Some(part().len() as u64)] {
        let append = place.fail(append_to(told), "/f", "");
        assert_eq!(append, Err(Failure::BrokenOff), "{told:?}");
    }
    place
        .store(append_to(Some(TOLD)), "/f", &text_from(TOLD, 9_000))
        .unwrap();
    assert_eq!(place.get("/f").unwrap(), text(9_000));
    assert_eq!(place.everything(), ["f"]);
    // What was told of is gone: the end of a file alone would be no file.
    for told in [Some(TOLD), Some(0)] {
        let append = place.fail(append_to(told), "/f", "");
        assert_eq!(append, Err(Failure::BrokenOff));
        let append = place.fail(append_to(told), "/none", "");
        assert_eq!(append, Err(Failure::BrokenOff));
    }
}

#[test]
fn a_partial_may_be_continued_more_than_once() {
    let place = Place::new();
    place.fail(write_at(0), "/f", &part()).unwrap();
    place
        .fail(write_at(TOLD), "/f", &text_from(TOLD, 9_000))
        .unwrap();
    assert_eq!(place.size("/f"), Ok(8_192));
    // One that brings nothing new changes nothing.
    drop(place.sink(write_at(8_192), "/f"));
    let refused = place.sink(append_to(Some(8_192)), "/f").unwrap();
    refused.abandon(Reason::Refused);
    assert_eq!(place.size("/f"), Ok(8_192));
    place
        .store(write_at(8_192), "/f", &text_from(8_192, 9_000))
        .unwrap();
    assert_eq!(place.get("/f").unwrap(), text(9_000));
}

#[test]
fn behind_what_was_told_of_a_partial_is_nothing() {
    let place = Place::new();
    place.fail(write_at(0), "/f", &part()).unwrap();
    assert_eq!(
        place.fail(write_at(TOLD + 1), "/f", ""),
        Err(Failure::PastEnd)
    );
    // One that is cut short enough is gone.
    place.fail(write_at(100), "/f", "").unwrap();
    assert_eq!(place.size("/f"), MISSING);
    assert_eq!(place.everything(), [""; 0]);
}

#[test]
fn a_fresh_upload_discards_the_partial() {
    let place = Place::new();
    place.fail(write_at(0), "/f", &part()).unwrap();
    let sink = place.sink(write_at(0), "/f").unwrap();
    assert_eq!(place.size("/f"), MISSING);
    sink.abandon(Reason::Reset);
    assert_eq!(place.size("/f"), MISSING);
    assert_eq!(place.everything(), [""; 0]);
}

#[test]
fn a_partial_that_is_being_continued_is_busy() {
    let place = Place::new();
    place.fail(write_at(0), "/f", &part()).unwrap();
    let append = append_to(Some(TOLD));
    let mut first = place.sink(append, "/f").unwrap();
    assert_eq!(place.fail(append, "/f", ""), Err(Failure::Busy));
    assert_eq!(place.fail(write_at(TOLD), "/f", ""), Err(Failure::Busy));
    let delete = place
        .local
        .change(Edit::Delete, &path("/f"), &VPath::root());
    assert_eq!(delete, Err(Failure::Busy));
    // A new upload does not mix with it, whatever becomes of it.
    place.fail(write_at(0), "/f", &"x".repeat(5_000)).unwrap();
    first.write(text_from(TOLD, 9_000).as_bytes()).unwrap();
    first.commit().unwrap();
    assert_eq!(place.get("/f").unwrap(), text(9_000));
    assert_eq!(place.everything(), ["f"]);
}

#[test]
fn over_a_finished_file_nothing_is_continued_until_it_is_sent_anew() {
    type Break = fn(&Place);
    let breaks: [(&str, Break); 4] = [
        ("whole", |place| {
            place.fail(write_at(0), "/f", &part()).unwrap();
        }),
        ("nothing", |place| {
            place.fail(write_at(0), "/f", "").unwrap();
        }),
        ("patch", |place| {
            place.fail(write_at(2), "/f", "ab").unwrap();
        }),
        ("full disk", |place| {
            let sink = place.sink(write_at(0), "/f").unwrap();
            sink.abandon(Reason::Storage(Failure::NoSpace));
        }),
    ];
    for (what, breaks) in breaks {
        let place = Place::new();
        place.put("/f", "0123456789");
        breaks(&place);
        assert_eq!(place.size("/f"), Ok(10), "{what}");
        assert_eq!(place.get("/f").unwrap(), "0123456789", "{what}");
        for mode in [APPEND, write_at(10), write_at(3), append_to(Some(10))] {
            assert_eq!(
                place.fail(mode, "/f", ""),
                Err(Failure::BrokenOff),
                "{what}"
            );
        }
        // What others do with their uploads is their business, and a new length a new version.
        let bob = place.account("bob");
        store(&bob, APPEND, "/f", "!").unwrap();
        place.store(APPEND, "/f", "?").unwrap();
        assert_eq!(place.get("/f").unwrap(), "0123456789!?");
        breaks(&place);
        // One more that breaks off changes nothing.
        place.fail(write_at(0), "/f", "").unwrap();
        assert_eq!(place.fail(APPEND, "/f", ""), Err(Failure::BrokenOff));
        place.store(write_at(0), "/f", "new").unwrap();
        place.store(APPEND, "/f", "er").unwrap();
        assert_eq!(place.get("/f").unwrap(), "newer");
        assert_eq!(place.everything(), ["f"]);
    }
}

#[test]
fn a_mark_outlives_what_does_not_change_the_bytes() {
    let place = Place::new();
    place.put("/f", "0123456789");
    place.fail(write_at(0), "/f", &part()).unwrap();
    let facts = Facts {
        mode: Some(0o600),
        modified: Some(Timestamp::from_seconds(1_000_000_000)),
    };
    let set = place
        .local
        .change(Edit::Set(facts), &path("/f"), &VPath::root());
    assert_eq!(set, DONE);
    assert_eq!(place.fail(APPEND, "/f", ""), Err(Failure::BrokenOff));
}

#[test]
fn a_change_of_the_name_by_anyone_ends_the_mark() {
    type Change = fn(&Place);
    let changes: [(&str, Change); 6] = [
        ("another account", |place| {
            store(&place.account("bob"), write_at(0), "/f", "012").unwrap();
        }),
        ("append", |place| {
            store(&place.account("bob"), APPEND, "/f", "0").unwrap();
        }),
        ("another process", |place| place.put("/f", "012")),
        ("delete", |place| {
            let bob = place.account("bob");
            bob.change(Edit::Delete, &path("/f"), &VPath::root())
                .unwrap();
        }),
        ("rename", |place| {
            let rename = Edit::Rename { replace: true };
            place
                .local
                .change(rename, &path("/g"), &path("/f"))
                .unwrap();
        }),
        ("rename over", |place| {
            place.put("/g", "0");
            let rename = Edit::Rename { replace: true };
            place
                .local
                .change(rename, &path("/f"), &path("/g"))
                .unwrap();
        }),
    ];
    for (what, change) in changes {
        let place = Place::new();
        place.put("/f", "0123456789");
        place.fail(write_at(0), "/f", &part()).unwrap();
        assert_eq!(place.fail(APPEND, "/f", ""), Err(Failure::BrokenOff));
        change(&place);
        assert_eq!(place.fail(APPEND, "/f", ""), Ok(()), "{what}");
        if what != "another process" {
            assert!(!place.everything().iter().any(|name| name.starts_with('.')));
        }
    }
}

#[test]
fn a_pipe_in_place_of_a_mark_keeps_nobody_waiting() {
    let place = Place::new();
    place.put("/f", "0123456789");
    place.fail(write_at(0), "/f", &part()).unwrap();
    let mut names = place.everything().into_iter();
    let mark = names.find(|name| name.ends_with(".partial")).unwrap();
    let mark = place.real(&mark);
    fs::remove_file(&mark).unwrap();
    mknodat(CWD, &mark, FileType::Fifo, Bits::RWXU, 0).unwrap();
    let mut sink = place.sink(write_at(0), "/f").unwrap();
    sink.write(part().as_bytes()).unwrap();
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        sink.abandon(Reason::Reset);
        done.send(()).unwrap();
    });
    assert_eq!(ended.recv_timeout(Duration::from_secs(20)), Ok(()));
    assert_eq!(place.get("/f").unwrap(), "0123456789");
}

#[test]
fn a_partial_of_a_new_file_is_dropped_when_somebody_makes_the_file() {
    let place = Place::new();
    let bob = place.account("bob");
    place.fail(write_at(0), "/f", &part()).unwrap();
    store(&bob, write_at(0), "/f", "0123456789").unwrap();
    assert_eq!(place.size("/f"), Ok(10));
    bob.change(Edit::Delete, &path("/f"), &VPath::root())
        .unwrap();
    assert_eq!(place.size("/f"), MISSING);
    assert_eq!(place.everything(), [""; 0]);
}

#[test]
fn deleting_a_partial_without_a_file_succeeds_for_the_owner() {
    let place = Place::new();
    place.fail(write_at(0), "/f", &part()).unwrap();
    let delete =
        |local: &wharf_local::Local| local.change(Edit::Delete, &path("/f"), &VPath::root());
    assert_eq!(delete(&place.account("bob")), Err(Failure::NotFound));
    assert_eq!(delete(&place.local), DONE);
    assert_eq!(delete(&place.local), Err(Failure::NotFound));
    assert_eq!(place.everything(), [""; 0]);
}

#[test]
fn without_a_partial_appending_works_in_place() {
    for mode in [APPEND, write_at(3)] {
        let place = Place::new();
        place.put("/f", "old");
        let inode = place.local.stat(&path("/f")).unwrap().unique;
        place.store(mode, "/f", " and new").unwrap();
        assert_eq!(place.get("/f").unwrap(), "old and new");
        assert_eq!(place.local.stat(&path("/f")).unwrap().unique, inode);
    }
    let place = Place::new();
    place.store(APPEND, "/f", "made").unwrap();
    assert_eq!(place.get("/f").unwrap(), "made");
}

#[test]
fn a_failed_append_is_cut_back() {
    for reason in REASONS {
        let place = Place::new();
        place.put("/f", "old");
        let mut sink = place.sink(APPEND, "/f").unwrap();
        sink.write(b" and new").unwrap();
        sink.abandon(reason);
        assert_eq!(place.get("/f").unwrap(), "old");
        let mut sink = place.sink(write_at(3), "/f").unwrap();
        sink.write(b" and new").unwrap();
        drop(sink);
        assert_eq!(place.get("/f").unwrap(), "old");
        assert_eq!(place.everything(), ["f"]);
        // The file is what it was: whoever appends begins where it was told to.
        place.store(APPEND, "/f", "er").unwrap();
        assert_eq!(place.get("/f").unwrap(), "older");
    }
}

#[test]
fn two_appends_do_not_mix() {
    let place = Place::new();
    place.put("/f", "old");
    let mut first = place.sink(APPEND, "/f").unwrap();
    first.write(b" 1").unwrap();
    assert_eq!(place.fail(APPEND, "/f", ""), Err(Failure::Busy));
    // Replaced meanwhile: what was appended is nowhere, and it is said.
    store(&place.account("bob"), write_at(0), "/f", "bob").unwrap();
    assert_eq!(first.commit(), Err(Failure::Busy));
    assert_eq!(place.get("/f").unwrap(), "bob");
}

#[test]
fn within_a_finished_file_the_rest_of_it_is_kept() {
    let place = Place::new();
    place.put("/f", "0123456789");
    let mut sink = place.sink(write_at(2), "/f").unwrap();
    sink.write(b"ab").unwrap();
    assert_eq!(place.read("/f").unwrap(), "0123456789");
    sink.commit().unwrap();
    assert_eq!(place.get("/f").unwrap(), "01ab456789");
    place.store(write_at(8), "/f", "cdefg").unwrap();
    assert_eq!(place.get("/f").unwrap(), "01ab4567cdefg");
    assert_eq!(place.fail(write_at(14), "/f", ""), Err(Failure::PastEnd));
    assert_eq!(place.everything(), ["f"]);
}

#[test]
fn a_patch_of_a_file_that_changed_is_not_kept() {
    let place = Place::new();
    place.put("/f", "0123456789");
    let mut sink = place.sink(write_at(2), "/f").unwrap();
    sink.write(b"ab").unwrap();
    store(&place.account("bob"), write_at(0), "/f", "bob").unwrap();
    sink.abandon(Reason::Reset);
    assert_eq!(place.size("/f"), Ok(3));
    assert_eq!(place.everything(), ["f"]);
}

#[test]
fn behind_the_end_is_nothing() {
    let place = Place::new();
    assert_eq!(place.fail(write_at(1), "/f", ""), Err(Failure::PastEnd));
    place.put("/f", "old");
    assert_eq!(place.fail(write_at(4), "/f", ""), Err(Failure::PastEnd));
    let read = place.local.open(Mode::Read { offset: 4 }, &path("/f"));
    assert_eq!(read.err(), Some(Failure::PastEnd));
    let read = place
        .local
        .open(Mode::Read { offset: 1 }, &path("/f"))
        .unwrap();
    assert_eq!(read.opened.size, Some(3));
    assert_eq!(drain(&mut *source(read)).unwrap(), "ld");
}

#[test]
fn of_two_uploads_to_one_name_the_later_commit_wins() {
    let place = Place::new();
    let mut first = place.sink(write_at(0), "/f").unwrap();
    let mut second = place.sink(write_at(0), "/f").unwrap();
    for _ in 0..3 {
        first.write(b"1").unwrap();
        second.write(b"22").unwrap();
    }
    second.commit().unwrap();
    assert_eq!(place.get("/f").unwrap(), "222222");
    first.commit().unwrap();
    assert_eq!(place.get("/f").unwrap(), "111");
    assert_eq!(place.everything(), ["f"]);
}

#[test]
fn the_later_of_two_abandoned_uploads_is_kept() {
    let place = Place::new();
    let mut first = place.sink(write_at(0), "/f").unwrap();
    first.write(part().as_bytes()).unwrap();
    place.fail(write_at(0), "/f", &"x".repeat(9_000)).unwrap();
    drop(first);
    assert_eq!(place.size("/f"), Ok(TOLD));
    place.store(write_at(TOLD), "/f", "!").unwrap();
    assert_eq!(place.get("/f").unwrap(), text(4_096) + "!");
}

#[test]
fn an_upload_that_another_one_has_overtaken_is_not_kept() {
    // A client whose connection hangs comes back and sends the file again; the hanging session
    // ends later.
    for old in [None, Some("0123456789")] {
        let place = Place::new();
        if let Some(old) = old {
            place.put("/f", old);
        }
        let mut hanging = place.sink(write_at(0), "/f").unwrap();
        hanging.write(part().as_bytes()).unwrap();
        place.store(write_at(0), "/f", "whole").unwrap();
        hanging.abandon(Reason::Stalled);
        place.store(APPEND, "/f", ".").unwrap();
        assert_eq!(place.get("/f").unwrap(), "whole.");
        assert_eq!(place.everything(), ["f"]);
    }
    // The same for one that had been continued.
    let place = Place::new();
    place.fail(write_at(0), "/f", &part()).unwrap();
    let mut hanging = place.sink(write_at(TOLD), "/f").unwrap();
    hanging.write(b" and").unwrap();
    place.store(write_at(0), "/f", "new").unwrap();
    hanging.abandon(Reason::Stalled);
    assert_eq!(place.size("/f"), Ok(3));
    assert_eq!(place.local.sweep(), 0);
    assert_eq!(place.get("/f").unwrap(), "new");
}

#[test]
fn a_reader_keeps_the_version_it_opened() {
    let place = Place::new();
    place.put("/f", "the old version");
    let mut reader = source(place.local.open(READ, &path("/f")).unwrap());
    let mut buffer = [0; 4];
    assert_eq!(reader.read(&mut buffer), Ok(4));
    place.store(write_at(0), "/f", "new").unwrap();
    assert_eq!(drain(&mut *reader).unwrap(), "old version");
    let mut reader = source(place.local.open(READ, &path("/f")).unwrap());
    place.store(APPEND, "/f", "er").unwrap();
    assert_eq!(drain(&mut *reader).unwrap(), "new");
    assert_eq!(place.read("/f").unwrap(), "newer");
}

#[test]
fn without_leave_to_replace_a_finished_file_stands() {
    let place = Place::new();
    let write = |at| Mode::Write {
        at,
        replace: false,
        umask: None,
        resumable: true,
        expected: None,
    };
    let append = Mode::Append {
        told: None,
        replace: false,
        umask: None,
        resumable: true,
        expected: None,
    };
    // A new file, also in two parts.
    place.fail(write(0), "/f", &part()).unwrap();
    place.store(write(TOLD), "/f", "!").unwrap();
    assert_eq!(place.get("/f").unwrap(), text(4_096) + "!");
    for mode in [write(0), write(2), write(5), append] {
        assert_eq!(place.fail(mode, "/f", ""), Err(Failure::Exists), "{mode:?}");
    }
    place.put("/empty", "");
    assert_eq!(place.fail(append, "/empty", ""), Err(Failure::Exists));
    // One that appears during the upload.
    let mut sink = place.sink(write(0), "/g").unwrap();
    sink.write(b"mine").unwrap();
    place.put("/g", "theirs");
    assert_eq!(sink.commit(), Err(Failure::Exists));
    assert_eq!(place.get("/g").unwrap(), "theirs");
    assert_eq!(place.size("/g"), Ok(6));
}

#[test]
fn a_directory_is_no_target() {
    let place = Place::new();
    fs::create_dir(place.real("/d")).unwrap();
    for mode in [write_at(0), write_at(1), APPEND] {
        assert_eq!(place.fail(mode, "/d", ""), Err(Failure::IsADirectory));
        assert_eq!(place.fail(mode, "/", ""), Err(Failure::IsADirectory));
        assert_eq!(place.fail(mode, "/none/f", ""), Err(Failure::NotFound));
    }
    let mut sink = place.sink(write_at(0), "/e").unwrap();
    sink.write(b"x").unwrap();
    fs::create_dir(place.real("/e")).unwrap();
    assert_eq!(sink.commit(), Err(Failure::IsADirectory));
    assert_eq!(place.everything(), ["d", "e"]);
}

#[test]
fn leftovers_are_swept_except_those_that_somebody_holds() {
    let place = Place::new();
    fs::create_dir_all(place.real("/a/b")).unwrap();
    place.put("/a/b/.wharf-1-7", "of a killed process");
    place.put("/a/b/.wharf-notes", "not ours");
    let mut held = place.sink(write_at(0), "/a/held").unwrap();
    held.write(b"running").unwrap();
    place.fail(write_at(0), "/a/young", &part()).unwrap();
    place.fail(write_at(0), "/a/old", &part()).unwrap();
    place.fail(write_at(0), "/a/b/old", &part()).unwrap();
    for partial in place.everything() {
        if partial.ends_with("/old.partial") {
            let long_ago = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
            let file = File::options()
                .write(true)
                .open(place.real(&partial))
                .unwrap();
            file.set_times(FileTimes::new().set_modified(long_ago))
                .unwrap();
        }
    }
    // Expired, also before it is swept.
    assert_eq!(place.size("/a/old"), MISSING);
    assert_eq!(place.local.sweep(), 3);
    assert_eq!(place.local.sweep(), 0);
    assert_eq!(place.size("/a/young"), Ok(TOLD));
    assert!(!place.real("/a/b/.wharf").exists());
    assert!(place.real("/a/b/.wharf-notes").exists());
    held.commit().unwrap();
    assert_eq!(place.get("/a/held").unwrap(), "running");
}

#[test]
fn a_sweep_follows_no_link() {
    let place = Place::new();
    let outside = Place::new();
    outside.put("/.wharf-1-1", "");
    std::os::unix::fs::symlink(outside.directory.path(), place.real("/link")).unwrap();
    std::os::unix::fs::symlink(outside.directory.path(), place.real("/.wharf")).unwrap();
    assert_eq!(place.local.sweep(), 0);
    // Nothing is kept through such a link either.
    place.fail(write_at(0), "/f", &part()).unwrap();
    assert_eq!(outside.everything(), [".wharf-1-1"]);
    assert_eq!(place.size("/f"), MISSING);
}

#[test]
fn without_partials_nothing_is_kept_or_marked() {
    for (partials, retention) in [(Partials::Off, 60), (Partials::Resume, 0)] {
        let place = Place::with(LocalOptions {
            partials,
            retention: Duration::from_secs(retention),
            ..options()
        });
        place.fail(write_at(0), "/f", &part()).unwrap();
        assert_eq!(place.everything(), [""; 0]);
        place.put("/f", "old");
        place.fail(write_at(0), "/f", &part()).unwrap();
        place.store(APPEND, "/f", "er").unwrap();
        assert_eq!(place.everything(), ["f"]);
    }
}

#[test]
fn a_directory_with_nothing_but_leftovers_can_be_removed() {
    let place = Place::new();
    fs::create_dir(place.real("/d")).unwrap();
    let remove = || {
        place
            .local
            .change(Edit::RemoveDirectory, &path("/d"), &VPath::root())
    };
    place.fail(write_at(0), "/d/f", &part()).unwrap();
    place.put("/d/.wharf-1-1", "");
    let running = place.sink(write_at(0), "/d/g").unwrap();
    assert_eq!(remove(), Err(Failure::NotEmpty));
    running.abandon(Reason::Reset);
    place.put("/d/file", "");
    place.fail(write_at(0), "/d/f", &part()).unwrap();
    assert_eq!(remove(), Err(Failure::NotEmpty));
    assert_eq!(place.size("/d/f"), Ok(TOLD), "nothing is cleaned in vain");
    fs::remove_file(place.real("/d/file")).unwrap();
    assert_eq!(remove(), DONE);
    assert_eq!(place.everything(), [""; 0]);
}

#[test]
fn accounts_of_any_name_never_share_a_partial() {
    let place = Place::new();
    let names = [
        "a",
        "A",
        "../x",
        "hash-0",
        &"x".repeat(127),
        &"x".repeat(128),
        &"x".repeat(300),
    ];
    for (length, name) in names.iter().enumerate() {
        let mut sink = sink(&place.account(name), write_at(0), "/f").unwrap();
        sink.write(&vec![b'x'; (length + 1) * 4_096 + 1]).unwrap();
    }
    for (length, name) in names.iter().enumerate() {
        let told = (length as u64 + 1) * 4_096;
        assert_eq!(size(&place.account(name), "/f"), Ok(told));
    }
}

#[test]
fn the_bytes_that_one_account_leaves_are_bounded() {
    let bounded = LocalOptions {
        partials_size: Some(20_000),
        ..options()
    };
    let place = Place::with(bounded);
    fs::create_dir(place.real("/d")).unwrap();
    let bob = wharf_local::Local::open(place.directory.path(), b"bob", bounded).unwrap();
    let mut others = sink(&bob, write_at(0), "/bob").unwrap();
    others.write(text(9_000).as_bytes()).unwrap();
    drop(others);
    let names = ["/1", "/d/2", "/3", "/d/4"];
    for name in names {
        place.fail(write_at(0), name, &text(9_000)).unwrap();
    }
    let kept: Vec<bool> = names.map(|name| place.size(name).is_ok()).into();
    assert_eq!(kept, [false, false, true, true], "the oldest go");
    assert_eq!(size(&bob, "/bob"), Ok(8_192));
    // One that has been continued to its end makes room.
    place.store(write_at(8_192), "/3", "!").unwrap();
    place.fail(write_at(0), "/1", &text(9_000)).unwrap();
    assert!(place.size("/d/4").is_ok());
    // One that is too large for itself alone is not kept either.
    place.fail(write_at(0), "/large", &text(30_000)).unwrap();
    assert_eq!(place.size("/large"), MISSING);
}

#[test]
fn a_part_that_is_gone_takes_no_room() {
    let bounded = LocalOptions {
        partials_size: Some(20_000),
        ..options()
    };
    let ways: [fn(&Place); 6] = [
        |place| place.store(write_at(8_192), "/d/f", "!").unwrap(),
        |place| place.store(write_at(0), "/d/f", "anew").unwrap(),
        |place| place.store(append_to(Some(8_192)), "/d/f", "!").unwrap(),
        |place| store(&place.account("bob"), write_at(0), "/d/f", "his").unwrap(),
        |place| change(place, Edit::Delete, "/d/f"),
        |place| change(place, Edit::RemoveDirectory, "/d"),
    ];
    for (number, go) in ways.into_iter().enumerate() {
        let place = Place::with(bounded);
        fs::create_dir(place.real("/d")).unwrap();
        place.fail(write_at(0), "/old", &text(9_000)).unwrap();
        place.fail(write_at(0), "/d/f", &text(9_000)).unwrap();
        go(&place);
        place.fail(write_at(0), "/new", &text(9_000)).unwrap();
        let sizes = ["/old", "/new"].map(|name| place.size(name));
        assert_eq!(sizes, [Ok(8_192); 2], "{number}");
        // Now they are as many as may be.
        place.fail(write_at(0), "/newer", &text(9_000)).unwrap();
        assert_eq!(place.size("/old"), MISSING, "{number}");
    }
}

fn change(place: &Place, edit: Edit, name: &str) {
    let change = place.local.change(edit, &path(name), &VPath::root());
    assert_eq!(change, DONE);
}

#[test]
fn what_was_left_goes_in_its_time_without_a_walk() {
    let short = LocalOptions {
        retention: Duration::from_secs(2),
        ..options()
    };
    let place = Place::with(short);
    fs::create_dir(place.real("/d")).unwrap();
    place.fail(write_at(0), "/d/f", &part()).unwrap();
    // Of those that others have left a walk tells.
    let others = Place::with(short);
    fs::create_dir(others.real("/e")).unwrap();
    others.fail(write_at(0), "/e/f", &part()).unwrap();
    others.fail(write_at(0), "/f", &part()).unwrap();
    for entry in fs::read_dir(others.directory.path()).unwrap() {
        let entry = entry.unwrap();
        fs::rename(entry.path(), place.directory.path().join(entry.file_name())).unwrap();
    }
    assert_eq!(place.local.sweep(), 0);
    wharf_local::sweep_due();
    let names = ["/d/f", "/e/f", "/f"];
    assert_eq!(names.map(|name| place.size(name)), [Ok(TOLD); 3]);
    std::thread::sleep(Duration::from_millis(3_500));
    assert_eq!(wharf_local::sweep_due(), 3);
    assert_eq!(place.everything(), ["d", "e"]);
    assert_eq!(wharf_local::sweep_due(), 0);
}

#[test]
fn of_nobody_in_particular_nothing_is_kept() {
    let place = Place::new();
    let nobody = place.account("");
    let mut sink = sink(&nobody, write_at(0), "/f").unwrap();
    sink.write(part().as_bytes()).unwrap();
    drop(sink);
    assert_eq!(size(&nobody, "/f"), MISSING);
    assert_eq!(place.everything(), [""; 0]);
}

#[test]
fn a_unique_upload_takes_a_name_that_nobody_has() {
    let place = Place::new();
    for expected in ["/f", "/f.1", "/f.2"] {
        let opening = place.local.open(UNIQUE, &path("/f")).unwrap();
        assert_eq!(opening.opened.name, Some(path(expected)));
        let wharf_storage::BlockingHandle::Sink(mut sink) = opening.handle else {
            panic!("not a sink");
        };
        sink.write(part().as_bytes()).unwrap();
        match expected {
            // A partial has the name too.
            "/f.1" => sink.abandon(Reason::Reset),
            _ => sink.commit().unwrap(),
        }
    }
    // And a link has, wherever it leads.
    std::os::unix::fs::symlink("nowhere", place.real("/link")).unwrap();
    let opening = place.local.open(UNIQUE, &path("/link")).unwrap();
    assert_eq!(opening.opened.name, Some(path("/link.1")));
    drop(opening);
    let opening = place.local.open(UNIQUE, &path("/g")).unwrap();
    place.put("/g", "theirs");
    let wharf_storage::BlockingHandle::Sink(sink) = opening.handle else {
        panic!("not a sink");
    };
    assert_eq!(sink.commit(), Err(Failure::Exists));
    assert_eq!(place.get("/g").unwrap(), "theirs");
}

#[test]
fn the_descriptor_stands_at_the_next_byte() {
    let place = Place::new();
    place.put("/f", "0123456789");
    let mut read = source(
        place
            .local
            .open(Mode::Read { offset: 7 }, &path("/f"))
            .unwrap(),
    );
    let mut buffer = [0; 16];
    assert_eq!(rustix::io::read(read.file().unwrap(), &mut buffer), Ok(3));
    assert_eq!(read.read(&mut buffer), Ok(0));
    for (at, expected) in [(0, "xy"), (2, "01xy456789"), (10, "0123456789xy")] {
        place.put("/f", "0123456789");
        let mut sink = place.sink(write_at(at), "/f").unwrap();
        assert_eq!(rustix::io::write(sink.file().unwrap(), b"x"), Ok(1));
        sink.write(b"y").unwrap();
        sink.commit().unwrap();
        assert_eq!(place.get("/f").unwrap(), expected);
    }
}
