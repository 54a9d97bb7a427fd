//! What a client may change, and what the storage can tell beside.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use common::*;
use wharf_core::{Edit, Facts, Failure, Kind, Timestamp, VPath};
use wharf_local::{Links, LocalOptions};
use wharf_storage::BlockingStorage;

fn change(place: &Place, edit: Edit, name: &str) -> Result<(), Failure> {
    place
        .local
        .change(edit, &path(name), &VPath::root())
        .map(drop)
}

#[test]
fn metadata_is_that_of_the_system() {
    let place = Place::new();
    place.put("/f", "file");
    fs::set_permissions(place.real("/f"), fs::Permissions::from_mode(0o4751)).unwrap();
    let real = fs::metadata(place.real("/f")).unwrap();
    let seen = place.local.stat(&path("/f")).unwrap();
    assert_eq!((seen.kind, seen.size), (Kind::File, 4));
    let modified = Timestamp {
        seconds: real.mtime(),
        nanos: real.mtime_nsec() as u32,
    };
    assert_eq!(seen.modified, Some(modified));
    assert_eq!(seen.mode, Some(0o4751));
    assert_eq!(seen.links, Some(1));
    assert_eq!(
        (seen.owner, seen.group),
        (Some(real.uid()), Some(real.gid()))
    );
    assert_eq!(seen.unique, Some((real.dev(), real.ino())));
    assert_eq!(
        place.local.stat(&VPath::root()).unwrap().kind,
        Kind::Directory
    );
    symlink("f", place.real("/link")).unwrap();
    assert_eq!(place.local.stat(&path("/link")), Ok(seen));
    assert_eq!(place.local.stat(&path("/f/x")), Err(Failure::NotADirectory));
}

#[test]
fn files_and_directories_are_removed_each_in_its_way() {
    let place = Place::new();
    let make = Edit::MakeDirectory { umask: None };
    change(&place, make, "/d").unwrap();
    assert_eq!(change(&place, make, "/d"), Err(Failure::IsADirectory));
    assert_eq!(change(&place, make, "/"), Err(Failure::IsADirectory));
    place.put("/f", "");
    assert_eq!(change(&place, make, "/f"), Err(Failure::Exists));
    change(&place, Edit::Delete, "/f").unwrap();
    assert_eq!(change(&place, make, "/none/d"), Err(Failure::NotFound));
    place.put("/d/f", "");
    assert_eq!(
        change(&place, Edit::Delete, "/d"),
        Err(Failure::IsADirectory)
    );
    assert_eq!(
        change(&place, Edit::Delete, "/none"),
        Err(Failure::NotFound)
    );
    assert_eq!(change(&place, Edit::Delete, "/"), Err(Failure::Denied));
    let remove = Edit::RemoveDirectory;
    assert_eq!(change(&place, remove, "/d/f"), Err(Failure::NotADirectory));
    assert_eq!(change(&place, remove, "/d"), Err(Failure::NotEmpty));
    assert_eq!(change(&place, remove, "/"), Err(Failure::Denied));
    assert_eq!(change(&place, remove, "/none"), Err(Failure::NotFound));
    change(&place, Edit::Delete, "/d/f").unwrap();
    change(&place, remove, "/d").unwrap();
    assert_eq!(place.everything(), [""; 0]);
}

#[test]
fn a_directory_gets_the_bits_that_the_mask_leaves() {
    let place = Place::new();
    for (umask, bits) in [(Some(0o077), 0o700), (None, 0o755)] {
        let name = format!("/{bits:o}");
        change(&place, Edit::MakeDirectory { umask }, &name).unwrap();
        let mode = place.local.stat(&path(&name)).unwrap().mode.unwrap();
        assert_eq!(mode & 0o777, bits);
    }
}

#[test]
fn a_rename_replaces_only_what_it_may() {
    let place = Place::new();
    place.put("/a", "a");
    place.put("/b", "b");
    fs::create_dir_all(place.real("/d/e")).unwrap();
    let rename = |replace, from: &str, to: &str| {
        place
            .local
            .change(Edit::Rename { replace }, &path(to), &path(from))
    };
    assert_eq!(rename(false, "/a", "/b"), Err(Failure::Exists));
    assert_eq!(rename(false, "/a", "/d"), Err(Failure::Exists));
    assert_eq!(rename(true, "/a", "/d"), Err(Failure::IsADirectory));
    assert_eq!(rename(true, "/d", "/a"), Err(Failure::NotADirectory));
    assert_eq!(rename(true, "/none", "/c"), Err(Failure::NotFound));
    assert_eq!(rename(true, "/a", "/none/c"), Err(Failure::NotFound));
    for replace in [false, true] {
        assert_eq!(rename(replace, "/d", "/d/e/f"), Err(Failure::BadMove));
        assert_eq!(rename(replace, "/", "/d/e/f"), Err(Failure::Denied));
        assert_eq!(rename(replace, "/a", "/"), Err(Failure::IsADirectory));
    }
    assert_eq!(rename(true, "/a", "/b"), DONE);
    assert_eq!(rename(false, "/b", "/d/c"), DONE);
    assert_eq!(rename(false, "/d", "/g"), DONE);
    assert_eq!(place.get("/g/c").unwrap(), "a");
    assert_eq!(place.everything(), ["g", "g/c", "g/e"]);
}

#[test]
fn facts_are_set() {
    let place = Place::new();
    place.put("/f", "");
    fs::create_dir(place.real("/d")).unwrap();
    symlink("f", place.real("/link")).unwrap();
    let modified = Timestamp {
        seconds: 981_173_106,
        nanos: 500_000_000,
    };
    for name in ["/f", "/d", "/link"] {
        let facts = Facts {
            modified: Some(modified),
            mode: Some(0o700),
        };
        change(&place, Edit::Set(facts), name).unwrap();
        let seen = place.local.stat(&path(name)).unwrap();
        assert_eq!((seen.modified, seen.mode), (Some(modified), Some(0o700)));
    }
    let early = Facts {
        modified: Some(Timestamp::from_seconds(-1)),
        mode: None,
    };
    change(&place, Edit::Set(early), "/f").unwrap();
    let seen = place.local.stat(&path("/f")).unwrap();
    assert_eq!(seen.modified, early.modified);
    assert_eq!(seen.mode, Some(0o700));
    let none = change(&place, Edit::Set(early), "/none");
    assert_eq!(none, Err(Failure::NotFound));
}

fn mode(place: &Place, name: &str) -> u32 {
    fs::metadata(place.real(name)).unwrap().permissions().mode() & 0o7777
}

fn set_mode(place: &Place, mode: u16, name: &str) -> Result<Option<u16>, Failure> {
    let facts = Facts {
        mode: Some(mode),
        modified: None,
    };
    let changed = place
        .local
        .change(Edit::Set(facts), &path(name), &VPath::root())?;
    Ok(changed.mode)
}

#[test]
fn a_directory_keeps_what_its_owner_needs() {
    let place = Place::new();
    fs::create_dir(place.real("/d")).unwrap();
    fs::set_permissions(place.real("/d"), fs::Permissions::from_mode(0o2755)).unwrap();
    for (asked, told) in [
        (0o000, Some(0o700)),
        (0o077, Some(0o777)),
        (0o555, Some(0o755)),
        (0o750, None),
    ] {
        assert_eq!(set_mode(&place, asked, "/d"), Ok(told), "{asked:o}");
        let set = u32::from(told.unwrap_or(asked));
        assert_eq!(mode(&place, "/d"), 0o2000 | set, "{asked:o}");
    }
    let make = Edit::MakeDirectory { umask: Some(0o777) };
    change(&place, make, "/d/e").unwrap();
    assert_eq!(mode(&place, "/d/e") & 0o777, 0o700);
    place.put("/f", "");
    assert_eq!(set_mode(&place, 0o000, "/f"), Ok(None));
    assert_eq!(mode(&place, "/f"), 0o000);
}

#[test]
fn the_home_itself_has_no_mode_for_clients() {
    let place = Place::new();
    fs::create_dir_all(place.real("/d/e")).unwrap();
    symlink("../..", place.real("/d/e/up")).unwrap();
    symlink(".", place.real("/here")).unwrap();
    let before = mode(&place, "/");
    for name in ["/", ".", "..", "/d/..", "/here", "/d/e/up", "/here/d/e/up"] {
        for asked in [0o000, 0o777] {
            assert_eq!(
                set_mode(&place, asked, name),
                Err(Failure::IsHome),
                "{name}"
            );
        }
        // Nor is anything else done of what was asked along with it.
        let both = Facts {
            modified: Some(Timestamp::from_seconds(1)),
            mode: Some(0o700),
        };
        let set = change(&place, Edit::Set(both), name);
        assert_eq!(set, Err(Failure::IsHome), "{name}");
    }
    assert_eq!(mode(&place, "/"), before);
    assert_ne!(fs::metadata(place.real("/")).unwrap().mtime(), 1);
    // Its time is nobody's key.
    let time = Facts {
        modified: Some(Timestamp::from_seconds(1)),
        mode: None,
    };
    change(&place, Edit::Set(time), "/").unwrap();
}

#[test]
fn a_link_is_relative_and_leads_there() {
    let place = Place::new();
    fs::create_dir_all(place.real("/a/b")).unwrap();
    place.put("/a/f", "file");
    for (link, target, text) in [
        ("/l1", "/a/f", "a/f"),
        ("/a/l2", "/a/f", "f"),
        ("/a/b/l3", "/a/f", "../f"),
        ("/a/b/l4", "/a", ".."),
        ("/a/b/l5", "/", "../.."),
        ("/a/b/l6", "/a/b", "."),
        ("/a/b/l7", "/x/y", "../../x/y"),
    ] {
        place
            .local
            .change(Edit::Symlink, &path(link), &path(target))
            .unwrap();
        assert_eq!(
            fs::read_link(place.real(link)).unwrap().to_str(),
            Some(text)
        );
        let outside = fs::canonicalize(place.real(link)).ok();
        assert_eq!(outside, fs::canonicalize(place.real(target)).ok());
        match place.local.stat(&path(target)) {
            Ok(target) => assert_eq!(place.local.stat(&path(link)), Ok(target)),
            Err(_) => {
                let seen = place.local.stat(&path(link)).map(|facts| facts.kind);
                assert_eq!(seen, Ok(wharf_core::Kind::Link));
            }
        }
    }
    let again = place.local.change(Edit::Symlink, &path("/l1"), &path("/a"));
    assert_eq!(again, Err(Failure::Exists));
    assert!(place.local.capabilities().symlink);
    let none = Place::with(LocalOptions {
        links: Links::None,
        ..options()
    });
    assert!(!none.local.capabilities().symlink);
}

#[test]
fn the_length_as_text_counts_every_bare_line_feed_twice() {
    let place = Place::new();
    let block = "x".repeat(64 * 1024 - 1);
    let texts = [
        "".to_owned(),
        "\n".to_owned(),
        "\r\n".to_owned(),
        "\r\r\n\n".to_owned(),
        "a\nb\r\nc\rd\n".to_owned(),
        format!("{block}\r\n"),
        format!("{block}x\n"),
        format!("{block}\n\n\r"),
    ];
    for text in texts {
        let bytes = text.as_bytes();
        let alone = (0..bytes.len())
            .filter(|&at| bytes[at] == b'\n' && (at == 0 || bytes[at - 1] != b'\r'))
            .count();
        place.put("/f", &text);
        let size = text.len() as u64;
        let expected = size + alone as u64;
        assert_eq!(place.local.text_size(&path("/f"), size), Ok(expected));
        if size > 0 {
            let refused = place.local.text_size(&path("/f"), size - 1);
            assert_eq!(refused, Err(Failure::TooLarge));
        }
    }
    assert_eq!(
        place.local.text_size(&VPath::root(), 9),
        Err(Failure::IsADirectory)
    );
    assert_eq!(
        place.local.text_size(&path("/none"), 9),
        Err(Failure::NotFound)
    );
}

#[test]
fn free_space_is_told() {
    let place = Place::new();
    assert!(place.local.available(&VPath::root()).unwrap() > 0);
    assert_eq!(
        place.local.available(&path("/none")),
        Err(Failure::NotFound)
    );
    assert!(place.local.is_short());
}

/// Other programs follow a link by its text.
#[test]
fn a_link_leads_to_the_same_place_wherever_it_is_moved() {
    let place = Place::new();
    fs::create_dir_all(place.real("/a/b/c")).unwrap();
    place.put("/f", "file");
    place.put("/a/b/g", "another");
    let rename = |from: &str, to: &str, replace| {
        let edit = Edit::Rename { replace };
        place.local.change(edit, &path(to), &path(from))
    };
    for text in ["../../f", "g", "..", "c", "../b/c", "../.."] {
        let stays = |link: &str| fs::canonicalize(place.real(link)).unwrap();
        symlink(text, place.real("/a/b/l")).unwrap();
        let leads_to = stays("/a/b/l");
        for (from, to) in [("/a/b/l", "/l"), ("/l", "/a/b/c/l"), ("/a/b/c/l", "/a/b/m")] {
            assert!(rename(from, to, false).is_ok(), "{text} {from}");
            assert_eq!(stays(to), leads_to, "{text} {to}");
            assert!(
                place.real(from).symlink_metadata().is_err(),
                "{text} {from}"
            );
        }
        // Over something, if that is allowed, and not at all if not.
        place.put("/a/old", "old");
        assert_eq!(rename("/a/b/m", "/a/old", false), Err(Failure::Exists));
        assert_eq!(stays("/a/b/m"), leads_to);
        assert!(rename("/a/b/m", "/a/old", true).is_ok());
        assert_eq!(stays("/a/old"), leads_to);
        fs::remove_file(place.real("/a/old")).unwrap();
    }
    // What leads out is the administrator's, and so is what cannot be told by its text.
    for text in ["../../../etc", "c/../g"] {
        symlink(text, place.real("/a/b/l")).unwrap();
        assert_eq!(
            rename("/a/b/l", "/l", true),
            Err(Failure::BadMove),
            "{text}"
        );
        assert!(rename("/a/b/l", "/a/b/m", true).is_ok());
        fs::remove_file(place.real("/a/b/m")).unwrap();
    }
    let left = fs::read_dir(place.real("/a")).unwrap().count();
    assert_eq!(left, 1, "something is left over");
}
