//! No path and no link leads out of the directory, and nothing but files is opened.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use common::*;
use rustix::fs::{CWD, FileType, Mode as Bits, RenameFlags, mknodat, renameat_with};
use tempfile::TempDir;
use wharf_core::{Edit, Facts, Failure, Kind, Mode, Scope, VPath};
use wharf_local::{Links, Local, LocalOptions};
use wharf_storage::BlockingStorage;

const ALL_LINKS: [Links; 3] = [Links::Root, Links::Beneath, Links::None];

fn with(links: Links) -> Place {
    Place::with(LocalOptions { links, ..options() })
}

/// Everything that a client can try with a name under which nothing shall be found.
fn assert_unreachable(local: &Local, name: &str) {
    let path = path(name);
    // That there is a link every listing tells.
    let told = local.stat(&path).map(|facts| facts.kind);
    assert!(
        matches!(told, Ok(Kind::Link) | Err(Failure::NotFound)),
        "{name}"
    );
    let modes = [
        READ,
        write_at(0),
        write_at(1),
        APPEND,
        Mode::List(Scope::Entries),
    ];
    for mode in modes {
        let opened = local.open(mode, &path);
        assert_eq!(opened.err(), Some(Failure::NotFound), "{name} {mode:?}");
    }
    let facts = Facts {
        mode: Some(0o777),
        modified: None,
    };
    let set = local.change(Edit::Set(facts), &path, &path);
    assert_eq!(set, Err(Failure::NotFound), "{name}");
    let rename = Edit::Rename { replace: true };
    let over = local.change(rename, &path, &common::path("/inside"));
    assert_eq!(over, Err(Failure::NotFound), "{name}");
    let text = local.text_size(&path, 1000);
    assert_eq!(text, Err(Failure::NotFound), "{name}");
    assert_eq!(local.available(&path), Err(Failure::NotFound), "{name}");
}

#[test]
fn a_link_that_leads_out_leads_nowhere() {
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    for links in ALL_LINKS {
        let place = with(links);
        place.put("/inside", "inside");
        fs::create_dir(place.real("/d")).unwrap();
        let up = "../".repeat(40);
        symlink(outside.path().join("secret"), place.real("/absolute")).unwrap();
        symlink(outside.path(), place.real("/directory")).unwrap();
        let relative = format!("{up}{}/secret", outside.path().display());
        symlink(relative, place.real("/d/relative")).unwrap();
        symlink("loop-b", place.real("/loop-a")).unwrap();
        symlink("loop-a", place.real("/loop-b")).unwrap();
        symlink("nothing", place.real("/dangling")).unwrap();
        for name in [
            "/absolute",
            "/directory",
            "/d/relative",
            "/loop-a",
            "/dangling",
        ] {
            assert_unreachable(&place.local, name);
        }
        assert_eq!(place.read("/directory/secret"), Err(Failure::NotFound));
        let mut listed = directory(&place.local, Scope::Entries, "/").unwrap();
        for (name, metadata, target) in entries(&mut *listed) {
            if metadata.kind == Kind::Link {
                assert_eq!(target, None, "{}", name.escape_ascii());
            }
        }
        // They can be removed, and renamed, as links.
        let rename = Edit::Rename { replace: false };
        place
            .local
            .change(rename, &path("/moved"), &path("/absolute"))
            .unwrap();
        place
            .local
            .change(Edit::Delete, &path("/moved"), &VPath::root())
            .unwrap();
        let secret = fs::read_to_string(outside.path().join("secret"));
        assert_eq!(secret.unwrap(), "secret");
    }
}

#[test]
fn links_within_are_followed_as_the_policy_says() {
    for links in ALL_LINKS {
        let place = with(links);
        fs::create_dir(place.real("/d")).unwrap();
        place.put("/d/file", "inside");
        symlink("/d/file", place.real("/absolute")).unwrap();
        symlink("../d/file", place.real("/d/relative")).unwrap();
        symlink("../../../d/file", place.real("/d/clamped")).unwrap();
        symlink("d", place.real("/to-d")).unwrap();
        let expect = |followed| match followed {
            true => Ok("inside".to_owned()),
            false => Err(Failure::NotFound),
        };
        // Only the kernel can take the directory for their root.
        let rooted = links == Links::Root && !without_openat2();
        assert_eq!(place.read("/absolute"), expect(rooted));
        assert_eq!(place.read("/d/clamped"), expect(rooted));
        assert_eq!(place.read("/d/relative"), expect(links != Links::None));
        assert_eq!(place.read("/to-d/file"), expect(links != Links::None));
        let mut listed = directory(&place.local, Scope::Entries, "/d").unwrap();
        for (name, _, target) in entries(&mut *listed) {
            // Where it points is shown even if nobody may follow it.
            let text = match &name[..] {
                b"clamped" if rooted => Some("../../../d/file"),
                b"relative" => Some("../d/file"),
                _ => None,
            };
            assert_eq!(target.as_deref(), text.map(str::as_bytes));
        }
    }
}

#[test]
fn an_upload_to_a_link_replaces_what_it_leads_to() {
    for links in ALL_LINKS {
        let place = with(links);
        fs::create_dir_all(place.real("/d/e")).unwrap();
        let rooted = links == Links::Root && !without_openat2();
        let ways = [
            ("file", links != Links::None),
            ("./d/../file", links != Links::None),
            ("d/up/file", links != Links::None),
            ("again", links != Links::None),
            ("/file", rooted),
            ("//file", rooted),
            ("../file", rooted),
            ("nowhere", false),
            ("d/nowhere", false),
            ("link", false),
            ("/etc/hostname", false),
            (".wharf/file", false),
        ];
        symlink("..", place.real("/d/up")).unwrap();
        symlink("file", place.real("/again")).unwrap();
        for (text, follows) in ways {
            let _ = fs::remove_file(place.real("/link"));
            symlink(text, place.real("/link")).unwrap();
            for (mode, after) in [(write_at(0), "xy"), (write_at(1), "0xy3456789")] {
                place.put("/file", "0123456789");
                match place.store(mode, "/link", "xy") {
                    Ok(()) => assert!(follows, "{links:?} {text}"),
                    Err(failure) => {
                        assert_eq!((failure, follows), (Failure::NotFound, false), "{text}");
                    }
                }
                let expected = if follows { after } else { "0123456789" };
                assert_eq!(place.get("/file").unwrap(), expected, "{links:?} {text}");
                let kept = fs::read_link(place.real("/link")).unwrap();
                assert_eq!(kept.to_str(), Some(text));
            }
        }
        let _ = fs::remove_file(place.real("/link"));
        for text in ["d", "d/.", "d/e/..", "."] {
            symlink(text, place.real("/link")).unwrap();
            let failure = if links == Links::None {
                Failure::NotFound
            } else {
                Failure::IsADirectory
            };
            assert_eq!(
                place.store(write_at(0), "/link", ""),
                Err(failure),
                "{text}"
            );
            fs::remove_file(place.real("/link")).unwrap();
        }
    }
}

#[test]
fn a_link_that_leads_nowhere_is_told_as_such_and_can_be_renamed() {
    let place = Place::new();
    symlink("nowhere", place.real("/link")).unwrap();
    let seen = place.local.stat(&path("/link")).unwrap();
    assert_eq!(seen.kind, Kind::Link);
    assert_eq!(place.read("/link"), Err(Failure::NotFound));
    let rename = Edit::Rename { replace: false };
    let renamed = place.local.change(rename, &path("/other"), &path("/link"));
    assert_eq!(renamed, DONE);
    assert_eq!(place.everything(), ["other"]);
}

#[test]
fn magic_links_are_not_followed() {
    for links in ALL_LINKS {
        let place = with(links);
        symlink("/proc/self/root/etc/passwd", place.real("/magic")).unwrap();
        assert_unreachable(&place.local, "/magic");
    }
    // Where the directory holds them, too.
    let proc = Local::open("/proc".as_ref(), b"", options()).unwrap();
    assert_eq!(read(&proc, "/self/root/etc/passwd"), Err(Failure::NotFound));
    assert_eq!(read(&proc, "/self/cwd/Cargo.toml"), Err(Failure::NotFound));
}

#[test]
fn nobody_escapes_in_a_race() {
    let tries = std::env::var("WHARF_RACES").map_or(1_000, |tries| tries.parse().unwrap());
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("f"), "outside").unwrap();
    for links in [Links::Root, Links::Beneath] {
        let place = with(links);
        fs::create_dir(place.real("/d")).unwrap();
        place.put("/d/f", "inside");
        symlink(outside.path(), place.real("/link")).unwrap();
        let (d, link) = (place.real("/d"), place.real("/link"));
        let stop = AtomicBool::new(false);
        let (mut found, mut lost) = (0, 0);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    renameat_with(CWD, &d, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                }
            });
            for _ in 0..tries {
                match place.read("/d/f") {
                    Ok(text) => {
                        assert_eq!(text, "inside");
                        found += 1;
                    }
                    Err(_) => lost += 1,
                }
                let _ = place.store(write_at(0), "/d/new", "x");
                let _ = place.fail(write_at(0), "/d/part", "x");
                let _ = place
                    .local
                    .change(Edit::Delete, &path("/d/f2"), &VPath::root());
                let _ = place.local.sweep();
            }
            stop.store(true, Ordering::Relaxed);
        });
        println!("{links:?}: {found} reads within, {lost} refused, 0 escapes");
        assert!(found > 0 && lost > 0);
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }
}

#[test]
fn what_is_no_file_is_never_opened() {
    let place = Place::new();
    let fifo = place.real("/fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Bits::RWXU, 0).unwrap();
    let _socket = UnixListener::bind(place.real("/socket")).unwrap();
    let device = mknodat(
        CWD,
        place.real("/device"),
        FileType::CharacterDevice,
        Bits::RWXU,
        rustix::fs::makedev(1, 5),
    );
    let mut names = vec!["/fifo", "/socket"];
    match device {
        Ok(()) => names.push("/device"),
        Err(error) => println!("skipped the device: {error}"),
    }
    // A process that waits for a reader must go on waiting.
    let (sender, receiver) = mpsc::channel();
    let writer = fifo.clone();
    thread::spawn(move || sender.send(fs::write(writer, "x")));
    thread::sleep(Duration::from_millis(50));
    let start = Instant::now();
    for name in names {
        for mode in [READ, write_at(0), write_at(1), APPEND] {
            let opened = place.local.open(mode, &path(name));
            assert_eq!(opened.err(), Some(Failure::NotAFile), "{name} {mode:?}");
        }
        let listed = place.local.open(Mode::List(Scope::Entries), &path(name));
        assert_eq!(listed.err(), Some(Failure::NotADirectory));
        let set = Edit::Set(Facts::default());
        let set = place.local.change(set, &path(name), &VPath::root());
        assert_eq!(set, Err(Failure::NotAFile));
        assert_eq!(
            place.local.text_size(&path(name), 10),
            Err(Failure::NotAFile)
        );
        assert_eq!(place.local.stat(&path(name)).unwrap().kind, Kind::Other);
        assert_eq!(place.list("/").len(), place.everything().len());
    }
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err());
    // It is let go.
    drop(fs::File::open(fifo).unwrap());
    assert!(receiver.recv_timeout(Duration::from_secs(5)).is_ok());
}

#[test]
fn a_root_that_is_no_directory_is_refused() {
    let place = Place::new();
    place.put("/file", "");
    for name in ["/file", "/none"] {
        let opened = Local::open(&place.real(name), b"", options());
        assert!(opened.is_err(), "{name}");
    }
}

#[test]
fn what_is_cached_is_answered_without_waiting() {
    let place = Place::new();
    place.put("/f", "file");
    fs::create_dir(place.real("/d")).unwrap();
    // The first lookups may have to wait; these put the answers into the cache.
    assert_eq!(place.size("/f"), Ok(4));
    let Some(now) = place.local.stat_now(&path("/f")) else {
        println!("skipped: this file system does not remember which names there are not");
        return;
    };
    assert_eq!(now, place.local.stat(&path("/f")));
    let opening = place.local.open_now(READ, &path("/f")).unwrap().unwrap();
    assert_eq!(drain(&mut *source(opening)).unwrap(), "file");
    for scope in [Scope::Entries, Scope::Itself] {
        place.local.open(Mode::List(scope), &path("/d")).unwrap();
        assert!(
            place
                .local
                .open_now(Mode::List(scope), &path("/d"))
                .unwrap()
                .is_ok()
        );
    }
    for mode in [write_at(0), APPEND, UNIQUE] {
        assert!(place.local.open_now(mode, &path("/new")).is_none());
    }
    assert_eq!(place.everything(), ["d", "f"]);
}
