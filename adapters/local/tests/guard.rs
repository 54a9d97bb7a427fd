//! The way to a home past what clients change: no link of theirs is followed on it.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{Access, AtFlags, accessat};
use tempfile::TempDir;
use wharf_local::{Guard, LocalOptions, Root};

/// A directory with these in it, and a link `way` to `srv`.
fn place() -> TempDir {
    let place = TempDir::new().unwrap();
    for name in ["srv/a/b", "srv/a/real/c", "srv/c", "outside/b"] {
        fs::create_dir_all(place.path().join(name)).unwrap();
    }
    symlink("srv", place.path().join("way")).unwrap();
    place
}

/// The way to a directory below that place without a link, or why there is none.
fn real(guard: &Guard, place: &Path, name: &str) -> Result<String, String> {
    let found = guard.directory(&place.join(name));
    let found = found.map_err(|error| error.to_string())?;
    accessat(&found, ".", Access::EXISTS, AtFlags::empty()).unwrap();
    let real = found.real().strip_prefix(place).unwrap();
    Ok(real.to_str().unwrap().to_owned())
}

fn is_refused(found: &Result<String, String>) -> bool {
    found
        .as_ref()
        .is_err_and(|error| error.contains("a client may have made"))
}

#[test]
fn links_of_the_administrator_are_followed_and_those_of_clients_are_not() {
    let place = place();
    let here = place.path().canonicalize().unwrap();
    symlink("real", here.join("srv/a/link")).unwrap();
    symlink(here.join("outside"), here.join("srv/a/out")).unwrap();
    symlink("srv/a/link", here.join("in")).unwrap();
    symlink(here.join("srv/a"), here.join("absolute")).unwrap();
    let guard = Guard::default();
    // As long as nobody may change anything, the system's own rules.
    for (name, expected) in [
        ("way/a/link/c", "srv/a/real/c"),
        ("srv/a/out/b", "outside/b"),
        ("in/c", "srv/a/real/c"),
        ("srv/a/../c", "srv/c"),
        ("absolute/b/.", "srv/a/b"),
    ] {
        assert_eq!(real(&guard, &here, name).unwrap(), expected);
    }
    // By whatever name the home is known.
    for home in ["srv/a", "way/a", "absolute"] {
        let home = here.join(home);
        guard.watch([home.as_path()].into_iter());
        for (name, expected) in [
            ("way/a/b", "srv/a/b"),
            ("absolute/real/c", "srv/a/real/c"),
            ("srv/a/b/../real", "srv/a/real"),
            ("srv/a/../c", "srv/c"),
            ("srv/a", "srv/a"),
        ] {
            assert_eq!(real(&guard, &here, name).unwrap(), expected, "{home:?}");
        }
        for name in [
            "srv/a/link",
            "srv/a/link/c",
            "srv/a/out/b",
            "way/a/link/c",
            "absolute/link",
            "in",
            "in/c",
        ] {
            assert!(is_refused(&real(&guard, &here, name)), "{home:?} {name}");
        }
        let missing = real(&guard, &here, "srv/a/none").unwrap_err();
        assert!(missing.contains("No such file"), "{missing}");
    }
}

#[test]
fn a_planted_link_makes_no_home_of_what_it_leads_to() {
    let place = place();
    let here = place.path().canonicalize().unwrap();
    fs::remove_dir(here.join("srv/a/b")).unwrap();
    symlink(here.join("outside"), here.join("srv/a/b")).unwrap();
    symlink("b", here.join("outside/link")).unwrap();
    // Found through a link, and named before the one in which it lies.
    symlink("srv/a", here.join("z")).unwrap();
    let homes = [here.join("srv/a/b"), here.join("z")];
    let guard = Guard::default();
    guard.watch(homes.iter().map(|home| home.as_path()));
    assert!(is_refused(&real(&guard, &here, "srv/a/b")));
    // Else whoever plants links would keep others from the files of the system.
    assert_eq!(real(&guard, &here, "outside/link").unwrap(), "outside/b");
    // What is a home only from now on counts too.
    let later = Root::open(&here.join("outside"), LocalOptions::default()).unwrap();
    later.add_to(&guard).unwrap();
    assert!(is_refused(&real(&guard, &here, "outside/link")));
}

#[test]
fn a_home_that_is_made_anew_counts_before_anybody_has_seen_it() {
    let place = place();
    let here = place.path().canonicalize().unwrap();
    // One that was there, and one that was not.
    for name in ["srv/a", "srv/new"] {
        let guard = Guard::default();
        let home = here.join(name);
        guard.watch([home.as_path()].into_iter());
        let was_there = fs::rename(&home, here.join("srv/old")).is_ok();
        assert_eq!(was_there, name == "srv/a");
        fs::create_dir(&home).unwrap();
        symlink(here.join("outside/b"), home.join("b")).unwrap();
        assert!(is_refused(&real(&guard, &here, &format!("{name}/b"))));
    }
}

#[test]
fn files_are_read_in_the_same_way() {
    let place = place();
    let here = place.path().canonicalize().unwrap();
    fs::write(here.join("secret"), "secret").unwrap();
    fs::write(here.join("srv/a/key.pem"), "key").unwrap();
    symlink("srv/a/key.pem", here.join("key.pem")).unwrap();
    let guard = Guard::default();
    let home = here.join("srv/a");
    guard.watch([home.as_path()].into_iter());
    let read = |name: &str| {
        let mut text = String::new();
        guard.file(&here.join(name))?.read_to_string(&mut text)?;
        std::io::Result::Ok(text)
    };
    assert_eq!(read("key.pem").unwrap(), "key");
    fs::remove_file(here.join("srv/a/key.pem")).unwrap();
    symlink(here.join("secret"), here.join("srv/a/key.pem")).unwrap();
    let error = read("key.pem").unwrap_err().to_string();
    assert!(error.contains("a client may have made"), "{error}");
    assert!(guard.real(&here.join("key.pem")).is_err());
    assert_eq!(read("secret").unwrap(), "secret");
}

#[test]
fn as_many_links_are_followed_as_the_system_follows() {
    let place = place();
    let here = place.path().canonicalize().unwrap();
    let guard = Guard::default();
    let mut last = "srv".to_owned();
    let mut followed = 0;
    for number in 1..=50 {
        let name = number.to_string();
        symlink(&last, here.join(&name)).unwrap();
        let by_system = fs::metadata(here.join(&name)).is_ok();
        let found = real(&guard, &here, &name);
        assert_eq!(found.is_ok(), by_system, "{number}: {found:?}");
        followed += u32::from(by_system);
        last = name;
    }
    assert!((1..50).contains(&followed), "{followed}");
}

#[test]
fn links_of_the_system_lead_where_they_do() {
    let guard = Guard::default();
    guard.watch([Path::new("/nowhere/at/all")].into_iter());
    let place = place();
    let open = fs::File::open(place.path()).unwrap();
    let name = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open));
    let found = guard.directory(Path::new(&name)).unwrap();
    accessat(&found, "srv/a", Access::EXISTS, AtFlags::empty()).unwrap();
    // A circle has an end.
    symlink("two", place.path().join("one")).unwrap();
    symlink("one", place.path().join("two")).unwrap();
    assert!(guard.directory(&place.path().join("one")).is_err());
    assert!(
        guard.directory(Path::new("")).is_ok(),
        "where it was started"
    );
    assert!(guard.directory(Path::new("/proc/self/status")).is_err());
}
