//! Names are bytes, and some belong to the storage.
#![allow(clippy::unwrap_used)]

mod common;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use common::*;
use wharf_core::{Edit, Failure, Mode, Scope, VPath};
use wharf_storage::{BlockingHandle, BlockingStorage};

#[test]
fn every_name_is_kept_as_it_is() {
    let long = "n".repeat(255);
    let names: [&[u8]; 13] = [
        b"with space",
        b" leading",
        b"trailing.",
        b"-la",
        b"--",
        b"~",
        b"*",
        b"CON",
        b"back\\slash",
        b"\xff\xfe\x80",
        "\u{e4}\u{f6}".as_bytes(),
        b"tab\tescape\x1b",
        long.as_bytes(),
    ];
    let place = Place::new();
    for name in names {
        let path = VPath::root().join(name).unwrap();
        let abandoned = place.local.open(write_at(0), &path).unwrap();
        let BlockingHandle::Sink(mut sink) = abandoned.handle else {
            panic!("not a sink");
        };
        sink.write(part().as_bytes()).unwrap();
        drop(sink);
        assert_eq!(place.local.stat(&path).unwrap().size, TOLD);
        let BlockingHandle::Sink(mut sink) =
            place.local.open(write_at(TOLD), &path).unwrap().handle
        else {
            panic!("not a sink");
        };
        sink.write(b"c").unwrap();
        sink.commit().unwrap();
        let real = place.directory.path().join(OsStr::from_bytes(name));
        assert_eq!(fs::read(real).unwrap(), (text(4_096) + "c").as_bytes());
    }
    let mut listing = directory(&place.local, Scope::Entries, "/").unwrap();
    let mut listed: Vec<_> = entries(&mut *listing)
        .into_iter()
        .map(|entry| entry.0)
        .collect();
    listed.sort();
    let mut expected = names.map(<[u8]>::to_vec);
    expected.sort();
    assert_eq!(listed, expected);
    for name in names {
        let path = VPath::root().join(name).unwrap();
        place
            .local
            .change(Edit::Delete, &path, &VPath::root())
            .unwrap();
    }
    assert_eq!(place.everything(), [""; 0]);
}

#[test]
fn a_name_that_is_too_long_is_a_bad_one() {
    let place = Place::new();
    let long = "n".repeat(256);
    for mode in [write_at(0), APPEND, UNIQUE] {
        assert_eq!(place.fail(mode, &long, ""), Err(Failure::BadName));
    }
    let make = Edit::MakeDirectory { umask: None };
    let made = place.local.change(make, &path(&long), &VPath::root());
    assert_eq!(made, Err(Failure::BadName));
    // The second choice would be too long.
    let longest = "n".repeat(254);
    place.put(&longest, "");
    let unique = place.sink(UNIQUE, &longest);
    assert_eq!(unique.err(), Some(Failure::BadName));
    // A path may be long.
    let mut deep = String::new();
    for _ in 0..15 {
        deep.push('/');
        deep.push_str(&"d".repeat(255));
        let made = place.local.change(make, &path(&deep), &VPath::root());
        made.unwrap();
    }
    deep.push_str(&format!("/{}", "f".repeat(254)));
    assert_eq!(deep.len(), VPath::MAX);
    place.fail(write_at(0), &deep, &part()).unwrap();
    assert_eq!(place.size(&deep), Ok(TOLD));
    place.store(write_at(TOLD), &deep, "c").unwrap();
    assert_eq!(place.read(&deep).unwrap(), text(4_096) + "c");
}

#[test]
fn names_of_the_storage_do_not_exist() {
    let place = Place::new();
    fs::create_dir_all(place.real("/.wharf/x")).unwrap();
    fs::create_dir_all(place.real("/.WHARF-d")).unwrap();
    place.put("/.wharf/x/f", "hidden");
    place.put("/.wharf-1-1", "hidden");
    place.put("/.wharfs", "shown");
    place.put("/f", "shown");
    assert_eq!(
        place.list("/").into_keys().collect::<Vec<_>>(),
        [".wharfs", "f"]
    );
    let root = VPath::root();
    for name in [
        "/.wharf",
        "/.wharf/x/f",
        "/.wharf-1-1",
        "/.WHARF-d",
        "/.wharf-new",
        "/f/.wharf",
    ] {
        let hidden = path(name);
        assert_eq!(place.size(name), Err(Failure::NotFound));
        assert_eq!(place.read(name), Err(Failure::NotFound));
        for scope in [Scope::Entries, Scope::Itself] {
            let listed = place.local.open(Mode::List(scope), &hidden);
            assert_eq!(listed.err(), Some(Failure::NotFound));
        }
        assert_eq!(place.local.text_size(&hidden, 99), Err(Failure::NotFound));
        assert_eq!(place.local.available(&hidden), Err(Failure::NotFound));
        for mode in [write_at(0), APPEND, UNIQUE] {
            assert_eq!(place.fail(mode, name, ""), Err(Failure::BadName));
        }
        let change = |edit, path: &VPath, other: &VPath| place.local.change(edit, path, other);
        let rename = Edit::Rename { replace: true };
        assert_eq!(change(Edit::Delete, &hidden, &root), Err(Failure::NotFound));
        assert_eq!(
            change(Edit::RemoveDirectory, &hidden, &root),
            Err(Failure::NotFound)
        );
        assert_eq!(change(rename, &path("/g"), &hidden), Err(Failure::NotFound));
        assert_eq!(change(rename, &hidden, &path("/f")), Err(Failure::BadName));
        assert_eq!(
            change(Edit::Symlink, &hidden, &path("/f")),
            Err(Failure::BadName)
        );
        assert_eq!(
            change(Edit::Symlink, &path("/g"), &hidden),
            Err(Failure::BadName)
        );
        let make = Edit::MakeDirectory { umask: None };
        assert_eq!(change(make, &hidden, &root), Err(Failure::BadName));
    }
}
