//! Directories as they are listed.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZero;
use std::os::unix::fs::symlink;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use common::*;
use wharf_core::listing::{Clock, Form, Lines, ListOptions, Listing, Piece};
use wharf_core::{Failure, Kind, Mode, Scope, Timestamp};
use wharf_storage::{Blocking, Handle, Pool, Storage};

#[test]
fn a_large_directory_is_listed_completely() {
    let place = Place::new();
    for number in 0..20_000 {
        place.put(&format!("/file-{number}"), "");
    }
    let names: BTreeSet<_> = place.list("/").into_keys().collect();
    let expected: BTreeSet<_> = (0..20_000).map(|number| format!("file-{number}")).collect();
    assert_eq!(names, expected);

    for may_wait in [true, false] {
        let listing = Listing::new(Form::Names, ListOptions::default());
        let (text, _) = listed(&place, listing, may_wait);
        let text = String::from_utf8(text).unwrap();
        let lines: BTreeSet<_> = text.split_terminator("\r\n").map(str::to_owned).collect();
        assert_eq!(lines, expected, "{may_wait}");
    }
}

/// The text of a listing, and how often there was none yet, on a thread that may wait for a disk or not.
fn listed(place: &Place, listing: Listing, may_wait: bool) -> (Vec<u8>, usize) {
    let pool = Pool::new("test", NonZero::new(2).unwrap(), Duration::from_secs(60));
    let storage = Blocking::new(place.local.clone());
    let mode = Mode::List(Scope::Entries);
    let opened = storage.open(mode, &path("/"), &pool.executor(may_wait));
    let Handle::Directory(directory) = opened.wait().unwrap().handle else {
        panic!("no directory");
    };
    let clock = Clock {
        now: Timestamp::from_seconds(0),
        offset: 0,
    };
    let mut lines = Lines::new(directory, listing, clock);
    let mut buffer = vec![0; Listing::MAX_LINE + 1];
    let (mut text, mut pauses) = (Vec::new(), 0);
    loop {
        match lines.poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer) {
            Poll::Pending => thread::yield_now(),
            Poll::Ready(piece) => match piece.unwrap() {
                Piece::End => return (text, pauses),
                Piece::Nothing => pauses += 1,
                Piece::Text(read) => text.extend_from_slice(&buffer[..read]),
            },
        }
    }
}

#[test]
fn whoever_waits_is_asked_between_entries_that_are_not_listed() {
    let place = Place::new();
    for number in 0..5_000 {
        place.put(&format!("/.hidden-{number}"), "");
    }
    place.put("/shown", "");
    for argument in ["", "-t"] {
        let (options, _) = ListOptions::parse(argument.as_bytes());
        let (text, pauses) = listed(&place, Listing::new(Form::Names, options), true);
        assert!(pauses >= 15, "{pauses} pauses");
        assert_eq!(text, b"shown\r\n");
    }
}

#[test]
fn scopes_choose_what_is_listed() {
    let place = Place::new();
    fs::create_dir(place.real("/d")).unwrap();
    place.put("/d/f", "file");
    symlink("d", place.real("/link")).unwrap();
    place.fail(write_at(0), "/d/part", &part()).unwrap();
    let list = |scope, path| {
        let mut directory = directory(&place.local, scope, path)?;
        let mut entries: Vec<_> = entries(&mut *directory)
            .into_iter()
            .map(|(name, metadata, _)| (String::from_utf8(name).unwrap(), metadata.kind))
            .collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Ok::<_, Failure>(entries)
    };
    let one = |name: &str, kind| Ok(vec![(name.to_owned(), kind)]);
    let inside = one("f", Kind::File);
    assert_eq!(list(Scope::Entries, "/d"), inside);
    assert_eq!(list(Scope::Entries, "/link"), inside);
    assert_eq!(list(Scope::Entries, "/none"), Err(Failure::NotFound));
    assert_eq!(list(Scope::Itself, "/d/f"), one("f", Kind::File));
    assert_eq!(list(Scope::Itself, "/d/part"), Err(Failure::NotFound));
    assert_eq!(list(Scope::Entries, "/d/f"), Err(Failure::NotADirectory));
    assert_eq!(list(Scope::Entries, "/d/part"), Err(Failure::NotFound));
    assert_eq!(list(Scope::Itself, "/d"), one("d", Kind::Directory));
    assert_eq!(list(Scope::Itself, "/link"), one("link", Kind::Link));
    assert_eq!(list(Scope::Itself, "/"), one(".", Kind::Directory));
    assert_eq!(list(Scope::Itself, "/none"), Err(Failure::NotFound));
}

#[test]
fn an_entry_that_vanished_is_skipped() {
    let place = Place::new();
    for number in 0..10 {
        place.put(&format!("/{number}"), "");
    }
    let mut directory = directory(&place.local, Scope::Entries, "/").unwrap();
    assert_eq!(directory.advance(), Ok(true));
    let first = directory.entry().name.to_string();
    for number in 0..10 {
        fs::remove_file(place.real(&format!("/{number}"))).unwrap();
    }
    assert_eq!(directory.entry().name, first.as_str());
    assert_eq!(directory.advance(), Ok(false));
}

#[test]
fn a_directory_that_vanished_has_no_entries() {
    let place = Place::new();
    fs::create_dir(place.real("/d")).unwrap();
    let mut directory = directory(&place.local, Scope::Entries, "/d").unwrap();
    fs::remove_dir(place.real("/d")).unwrap();
    assert_eq!(directory.advance(), Ok(false));
}

#[test]
fn another_directory_may_be_entered() {
    let place = Place::new();
    fs::create_dir(place.real("/d")).unwrap();
    place.put("/d/f", "file");
    symlink("f", place.real("/d/link")).unwrap();
    let mut directory = directory(&place.local, Scope::Entries, "/").unwrap();
    assert_eq!(entries(&mut *directory).len(), 1);
    directory.enter(&path("/d")).unwrap();
    let mut found = entries(&mut *directory);
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(found[0].0, b"f");
    assert_eq!(
        (&found[1].0[..], found[1].2.as_deref()),
        (&b"link"[..], Some(&b"f"[..]))
    );
    assert_eq!(directory.enter(&path("/none")), Err(Failure::NotFound));
    assert_eq!(directory.advance(), Ok(false));
    assert_eq!(directory.enter(&path("/.wharf")), Err(Failure::NotFound));
    assert_eq!(directory.advance(), Ok(false));
}
