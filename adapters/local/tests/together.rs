//! Several accounts in one home: nobody ends, moves or leads astray what another one has under way.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;

use common::*;
use wharf_core::{Edit, Failure, Reason, VPath};
use wharf_local::Local;
use wharf_storage::{BlockingHandle, BlockingStorage};

fn rename(local: &Local, from: &str, to: &str) -> Result<(), Failure> {
    let rename = Edit::Rename { replace: true };
    local.change(rename, &path(to), &path(from)).map(drop)
}

fn remove(local: &Local, name: &str) -> Result<(), Failure> {
    let remove = Edit::RemoveDirectory;
    local.change(remove, &path(name), &VPath::root()).map(drop)
}

fn make(local: &Local, name: &str) {
    let make = Edit::MakeDirectory { umask: None };
    local.change(make, &path(name), &VPath::root()).unwrap();
}

/// A place with the directory `d`, and another account there.
fn place() -> (Place, Local) {
    let place = Place::new();
    fs::create_dir(place.real("/d")).unwrap();
    let bob = place.account("bob");
    (place, bob)
}

#[test]
fn an_upload_whose_directory_was_moved_is_not_told_to_be_there() {
    type Moved = fn(&Place, &Local);
    let ways: [(&str, Moved); 3] = [
        ("moved", |_, bob| rename(bob, "/d", "/e").unwrap()),
        ("replaced", |_, bob| {
            rename(bob, "/d", "/e").unwrap();
            make(bob, "/d");
        }),
        ("further up", |_, bob| {
            rename(bob, "/d", "/e").unwrap();
            make(bob, "/d");
            make(bob, "/d/d");
        }),
    ];
    for (what, moves) in ways {
        let (place, bob) = place();
        fs::create_dir(place.real("/d/d")).unwrap();
        for (name, moved) in [("/d/f", "/e/f"), ("/d/d/f", "/e/d/f")] {
            let mut sink = place.sink(write_at(0), name).unwrap();
            sink.write(part().as_bytes()).unwrap();
            moves(&place, &bob);
            assert_eq!(sink.commit(), Err(Failure::NotFound), "{what}");
            assert_eq!((place.get(name), place.get(moved)), (None, None), "{what}");
            // What was sent went with the directory, and can be continued there.
            assert_eq!(place.size(moved), Ok(TOLD), "{what}");
            assert_eq!(size(&bob, moved), Err(Failure::NotFound), "{what}");
            let rest = text_from(TOLD, 5_000);
            place.store(write_at(TOLD), moved, &rest).unwrap();
            assert_eq!(place.get(moved).unwrap(), part(), "{what}");
            if place.real("/d").exists() {
                fs::remove_dir_all(place.real("/d")).unwrap();
            }
            fs::rename(place.real("/e"), place.real("/d")).unwrap();
        }
    }
}

#[test]
fn the_same_holds_for_what_is_continued_appended_and_written_over() {
    let (place, bob) = place();
    place.fail(write_at(0), "/d/f", &part()).unwrap();
    place.put("/d/old", "0123456789");
    let mut continued = place.sink(write_at(TOLD), "/d/f").unwrap();
    continued.write(text_from(TOLD, 9_000).as_bytes()).unwrap();
    let mut appended = place.sink(APPEND, "/d/old").unwrap();
    appended.write(b"more").unwrap();
    rename(&bob, "/d", "/e").unwrap();
    assert_eq!(appended.commit(), Err(Failure::NotFound));
    assert_eq!(place.get("/e/old").unwrap(), "0123456789");
    let mut over = place.sink(write_at(0), "/e/old").unwrap();
    over.write(b"new").unwrap();
    rename(&bob, "/e", "/d").unwrap();
    assert_eq!(over.commit(), Err(Failure::NotFound));
    assert_eq!(place.get("/d/old").unwrap(), "0123456789");
    // It is where the client says again.
    continued.commit().unwrap();
    assert_eq!(place.get("/d/f").unwrap(), text(9_000));
    let opening = place.local.open(UNIQUE, &path("/d/u")).unwrap();
    let BlockingHandle::Sink(unique) = opening.handle else {
        panic!("not a sink");
    };
    rename(&bob, "/d", "/e").unwrap();
    assert_eq!(unique.commit(), Err(Failure::NotFound));
    assert_eq!(place.list("/e").len(), 2);
}

#[test]
fn a_directory_that_was_moved_and_is_reached_as_before_is_no_other() {
    let (place, bob) = place();
    let mut sink = place.sink(write_at(0), "/d/f").unwrap();
    sink.write(b"f").unwrap();
    rename(&bob, "/d", "/e").unwrap();
    symlink("e", place.real("/d")).unwrap();
    sink.commit().unwrap();
    assert_eq!(place.get("/e/f").unwrap(), "f");
    assert_eq!(place.read("/d/f").unwrap(), "f");
}

#[test]
fn a_directory_in_which_another_one_has_something_under_way_stays() {
    let (place, bob) = place();
    let mut sink = place.sink(write_at(0), "/d/f").unwrap();
    sink.write(part().as_bytes()).unwrap();
    assert_eq!(remove(&bob, "/d"), Err(Failure::NotEmpty));
    sink.abandon(Reason::Reset);
    // What could be continued is under way too, and nothing of it goes in vain.
    let mut own = sink_of(&bob, "/d/own");
    own.write(part().as_bytes()).unwrap();
    own.abandon(Reason::Reset);
    assert_eq!(remove(&bob, "/d"), Err(Failure::NotEmpty));
    assert_eq!(remove(&place.account(""), "/d"), Err(Failure::NotEmpty));
    assert_eq!(rename_over(&bob), Err(Failure::NotEmpty));
    assert_eq!(place.size("/d/f"), Ok(TOLD));
    assert_eq!(size(&bob, "/d/own"), Ok(TOLD));
    place.store(write_at(TOLD), "/d/f", "!").unwrap();
    assert_eq!(place.get("/d/f").unwrap(), text(4_096) + "!");
    place
        .local
        .change(Edit::Delete, &path("/d/f"), &VPath::root())
        .unwrap();
    // A mark over a file that is gone holds nothing up.
    place.put("/d/old", "old");
    place.fail(write_at(0), "/d/old", &part()).unwrap();
    fs::remove_file(place.real("/d/old")).unwrap();
    assert_eq!(remove(&bob, "/d"), Ok(()));
    assert_eq!(place.everything(), [""; 0]);
}

fn sink_of(local: &Local, name: &str) -> Box<dyn wharf_storage::BlockingSink> {
    sink(local, write_at(0), name).unwrap()
}

/// Puts another directory in its place.
fn rename_over(local: &Local) -> Result<(), Failure> {
    make(local, "/empty");
    let outcome = rename(local, "/empty", "/d");
    remove(local, "/empty").unwrap();
    outcome
}

#[test]
fn an_upload_that_breaks_off_ends_no_other_one() {
    let (place, bob) = place();
    for begun in [false, true] {
        if begun {
            place.fail(write_at(0), "/d/f", &part()).unwrap();
        }
        let at = if begun { TOLD } else { 0 };
        let mut mine = place.sink(write_at(at), "/d/f").unwrap();
        mine.write(text_from(at, 5_000).as_bytes()).unwrap();
        for reason in REASONS {
            let mut theirs = sink_of(&bob, "/d/f");
            theirs.write("x".repeat(9_000).as_bytes()).unwrap();
            theirs.abandon(reason);
        }
        assert_eq!(size(&bob, "/d/f"), Ok(8_192));
        // Nor does it if it is given up for good.
        bob.change(Edit::Delete, &path("/d/f"), &VPath::root())
            .unwrap();
        mine.write(b"!").unwrap();
        mine.commit().unwrap();
        assert_eq!(place.get("/d/f").unwrap(), part() + "!");
        fs::remove_file(place.real("/d/f")).unwrap();
    }
    // What is kept stays, whatever the other one does with its own.
    place.fail(write_at(0), "/d/f", &part()).unwrap();
    sink_of(&bob, "/d/f").abandon(Reason::Aborted);
    assert_eq!(place.size("/d/f"), Ok(TOLD));
}

fn unique(local: &Local, name: &str) -> (String, Box<dyn wharf_storage::BlockingSink>) {
    let opening = local.open(UNIQUE, &path(name)).unwrap();
    let BlockingHandle::Sink(sink) = opening.handle else {
        panic!("not a sink");
    };
    (opening.opened.name.unwrap().to_string(), sink)
}

#[test]
fn unique_uploads_at_once_get_names_of_their_own() {
    let (place, bob) = place();
    let mut plain = place.sink(write_at(0), "/d/f").unwrap();
    plain.write(b"plain").unwrap();
    let mut uploads = Vec::new();
    for (number, local) in [&place.local, &bob, &place.local].into_iter().enumerate() {
        let (name, mut sink) = unique(local, "/d/f");
        assert_eq!(name, format!("/d/f.{}", number + 1));
        sink.write(name.as_bytes()).unwrap();
        uploads.push((name, sink));
    }
    // A name elsewhere is another one.
    let (name, sink) = unique(&bob, "/f");
    assert_eq!(name, "/f");
    sink.commit().unwrap();
    plain.commit().unwrap();
    for (name, sink) in uploads {
        sink.commit().unwrap();
        assert_eq!(place.get(&name).unwrap(), name);
    }
    assert_eq!(place.get("/d/f").unwrap(), "plain");
    // What was given up is free again.
    let (name, sink) = unique(&bob, "/g");
    assert_eq!(name, "/g");
    sink.abandon(Reason::Refused);
    assert_eq!(unique(&place.local, "/g").0, "/g");
}
