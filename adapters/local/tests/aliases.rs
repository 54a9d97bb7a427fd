//! The directory of partials by other names than its own.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use common::mount::Mount;
use common::*;
use wharf_core::{Edit, Facts, Failure, Kind, Mode, Scope, VPath};
use wharf_local::Local;
use wharf_storage::BlockingStorage;

/// What lies in it, as whoever gets in would find it.
fn inner(directory: &Path) -> (String, String) {
    let name = |place: &Path| {
        let entry = fs::read_dir(place).unwrap().next().unwrap().unwrap();
        entry.file_name().into_string().unwrap()
    };
    let account = name(directory);
    let base = name(&directory.join(&account));
    (account, base)
}

/// Nothing is there for a client, by that name.
fn assert_hidden(local: &Local, alias: &str, inside: &[String]) {
    let gone = Failure::NotFound;
    let root = VPath::root();
    assert!(!list(local, "/d").contains_key(alias.trim_start_matches("/d/")));
    let link = path("/link");
    for name in std::iter::once(alias).chain(inside.iter().map(String::as_str)) {
        let hidden = path(name);
        assert_eq!(size(local, name), Err(gone), "{name}");
        for mode in [
            READ,
            write_at(0),
            write_at(1),
            APPEND,
            Mode::List(Scope::Entries),
            Mode::List(Scope::Itself),
        ] {
            let opened = local.open(mode, &hidden).err();
            let refused = matches!(opened, Some(Failure::NotFound | Failure::BadName));
            assert!(refused, "{name} {mode:?} {opened:?}");
        }
        assert!(local.stat_now(&hidden).is_none_or(|seen| seen == Err(gone)));
        let set = Edit::Set(Facts {
            mode: Some(0o777),
            modified: None,
        });
        for edit in [Edit::RemoveDirectory, set] {
            let changed = local.change(edit, &hidden, &root).map(drop);
            assert_eq!(changed, Err(gone), "{name} {edit:?}");
        }
        assert!(local.change(Edit::Delete, &hidden, &root).is_err());
        for replace in [false, true] {
            let rename = Edit::Rename { replace };
            let moved = local.change(rename, &path("/e"), &hidden).map(drop);
            assert_eq!(moved, Err(gone), "{name}");
            assert!(local.change(rename, &hidden, &path("/other")).is_err());
        }
        assert_eq!(local.available(&hidden).err(), Some(gone), "{name}");
        // Nor through a link of the client's own.
        if local.change(Edit::Symlink, &link, &hidden).is_ok() {
            assert_eq!(read(local, "/link"), Err(gone), "{name}");
            let through = local.open(Mode::List(Scope::Entries), &link);
            assert_eq!(through.err(), Some(gone), "{name}");
            assert!(store(local, write_at(0), "/link/x", "").is_err());
            local.change(Edit::Delete, &link, &root).unwrap();
        }
    }
    for name in [format!("{alias}/new"), format!("{alias}/a/new")] {
        let make = Edit::MakeDirectory { umask: None };
        assert!(local.change(make, &path(&name), &root).is_err(), "{name}");
        assert!(store(local, write_at(0), &name, "").is_err(), "{name}");
    }
}

/// Alice has a partial at `/d/f`; bob tries that name for where it lies.
fn hides(place: &Path, alias: &str) {
    let open = |name: &[u8]| Local::open(place, name, options()).unwrap();
    let (alice, bob) = (open(b"alice"), open(b"bob"));
    let (account, base) = inner(&place.join("d/.wharf"));
    let inside = [
        format!("{alias}/{account}"),
        format!("{alias}/{account}/{base}"),
        format!("{alias}/{account}/{base}/f.partial"),
    ];
    for local in [&alice, &bob] {
        assert_hidden(local, alias, &inside);
    }
    assert_eq!(size(&alice, "/d/f"), Ok(TOLD), "it is what it was");
    store(&alice, write_at(TOLD), "/d/f", "!").unwrap();
    assert_eq!(read(&alice, "/d/f").unwrap(), text(4_096) + "!");
}

/// Leaves a partial of alice at `/d/f`.
fn leave(place: &Path) {
    fs::create_dir(place.join("d")).unwrap();
    fs::create_dir(place.join("e")).unwrap();
    fs::write(place.join("other"), "").unwrap();
    let local = Local::open(place, b"alice", options()).unwrap();
    let mut sink = sink(&local, write_at(0), "/d/f").unwrap();
    sink.write(part().as_bytes()).unwrap();
    drop(sink);
    fs::remove_dir(place.join("e")).unwrap();
}

#[test]
fn mounted_under_another_name_it_is_hidden_too() {
    let place = Place::new();
    leave(place.directory.path());
    fs::create_dir(place.real("/d/alias")).unwrap();
    let at = place.real("/d/alias");
    let Some(_mount) = Mount::bind(&place.real("/d/.wharf"), &at) else {
        return;
    };
    hides(place.directory.path(), "/d/alias");
}

#[test]
fn a_link_of_somebody_else_does_not_lead_there() {
    let place = Place::new();
    leave(place.directory.path());
    let (account, base) = inner(&place.real("/d/.wharf"));
    let deep = format!(".wharf/{account}/{base}/f.partial");
    symlink(&deep, place.real("/d/file")).unwrap();
    symlink(".wharf", place.real("/d/directory")).unwrap();
    symlink(format!("d/.wharf/{account}/{base}"), place.real("/deep")).unwrap();
    symlink("d/.wharf/..", place.real("/out")).unwrap();
    for local in [&place.local, &place.account("bob")] {
        for name in ["/d/file", "/d/directory", "/deep", "/deep/f.partial"] {
            assert_eq!(read(local, name), Err(Failure::NotFound), "{name}");
            let listed = local.open(Mode::List(Scope::Entries), &path(name));
            assert_eq!(listed.err(), Some(Failure::NotFound), "{name}");
            let kind = local.stat(&path(name)).map(|seen| seen.kind);
            assert!(
                matches!(kind, Ok(Kind::Link) | Err(Failure::NotFound)),
                "{name}"
            );
            assert!(store(local, write_at(0), name, "").is_err(), "{name}");
        }
        // To pass through it opens nothing.
        assert_eq!(list(local, "/out"), list(local, "/d"));
    }
    assert_eq!(place.size("/d/f"), Ok(TOLD));
}

/// A file system in an image that this program makes; `None` where it or the kernel lacks it.
fn made(make: &[&str], size: u64) -> Option<Mount> {
    let place = tempfile::tempdir().unwrap();
    let image = place.path().join("image");
    fs::File::create(&image).unwrap().set_len(size).unwrap();
    let status = Command::new(make[0])
        .args(&make[1..])
        .arg(&image)
        .stdout(Stdio::null())
        .status();
    if !status.is_ok_and(|status| status.success()) {
        return None;
    }
    // It stays as long as it is mounted.
    Mount::if_known(&["-o", "loop", image.to_str().unwrap()])
}

#[test]
fn names_that_a_file_system_takes_for_the_same_do_not_exist() {
    match made(&["mkfs.vfat"], 4 << 20) {
        None => println!("skipped: no VFAT"),
        Some(mount) => hides_all(&mount, &[".wharf.", ".wharf...", "WHARF~1", "wharf~1"]),
    }
    let folding = made(&["mkfs.ext4", "-q", "-O", "casefold"], 16 << 20)
        .filter(|mount| {
            let fold = Command::new("chattr").arg("+F").arg(mount.path()).status();
            fold.is_ok_and(|status| status.success())
        })
        .or_else(|| Mount::if_known(&["-t", "tmpfs", "-o", "casefold=utf8-12.1.0", "none"]));
    match folding {
        None => println!("skipped: no file system that folds cases"),
        Some(mount) => hides_all(&mount, &[".wha\u{200d}rf", ".wharf\u{ad}", ".WHARF"]),
    }
}

fn hides_all(mount: &Mount, aliases: &[&str]) {
    leave(mount.path());
    for alias in aliases {
        let is_same = mount.path().join("d").join(alias).exists();
        println!("{alias:?} is the same: {is_same}");
        if is_same {
            hides_once(mount.path(), &format!("/d/{alias}"));
        }
    }
}

/// The same, with a partial that is there again afterwards.
fn hides_once(place: &Path, alias: &str) {
    hides(place, alias);
    fs::remove_file(place.join("d/f")).unwrap();
    let local = Local::open(place, b"alice", options()).unwrap();
    let mut sink = sink(&local, write_at(0), "/d/f").unwrap();
    sink.write(part().as_bytes()).unwrap();
    drop(sink);
}

#[test]
fn dots_and_blanks_behind_a_name_of_the_storage_change_nothing() {
    let place = Place::new();
    for name in [
        ".wharf.",
        ".wharf...",
        ".WHARF. .",
        ".wharf-1-1.",
        ".wharf ",
    ] {
        let name = format!("/{name}");
        assert_eq!(place.fail(write_at(0), &name, ""), Err(Failure::BadName));
        assert_eq!(place.size(&name), Err(Failure::NotFound));
    }
    for name in ["/.wharf.d", "/.wharfs", "/wharf."] {
        place.store(write_at(0), name, "").unwrap();
    }
}
