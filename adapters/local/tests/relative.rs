//! The way to a home from a working directory that clients may change. A program of its own, since
//! it goes there.
#![allow(clippy::unwrap_used)]

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;
use wharf_local::Guard;

#[test]
fn a_link_in_a_home_is_followed_for_nobody_who_starts_there() {
    let place = TempDir::new().unwrap();
    let here = place.path().canonicalize().unwrap();
    fs::create_dir_all(here.join("outside/c")).unwrap();
    fs::create_dir_all(here.join("beside")).unwrap();
    symlink("srv", here.join("way")).unwrap();
    let guards = ["srv/a", "srv", "way/a", "beside"].map(|home| (Guard::default(), home));
    let watch = |seen: bool| {
        for (guard, home) in &guards {
            // That which a link leads to is known only once it was seen.
            if seen || !home.starts_with("way") {
                guard.watch([here.join(home).as_path()].into_iter());
            }
        }
    };
    watch(false);
    fs::create_dir_all(here.join("srv/a/b/real/c")).unwrap();
    symlink("real", here.join("srv/a/b/link")).unwrap();
    symlink("../../../outside", here.join("srv/a/b/out")).unwrap();
    env::set_current_dir(here.join("srv/a/b")).unwrap();
    for seen in [false, true] {
        if seen {
            watch(seen);
        }
        for (guard, home) in &guards {
            let real = |name: &str| {
                let found = guard.directory(Path::new(name)).ok()?;
                Some(found.real().strip_prefix(&here).unwrap().to_owned())
            };
            assert_eq!(real("real/c").unwrap(), Path::new("srv/a/b/real/c"));
            assert_eq!(real("../../../beside").unwrap(), Path::new("beside"));
            let is_guarded = home.starts_with("srv") || seen && home.starts_with("way");
            for (link, target) in [
                ("link", "srv/a/b/real"),
                ("link/c", "srv/a/b/real/c"),
                ("out/c", "outside/c"),
                ("../../../way/a", "srv/a"),
            ] {
                let expected = (!is_guarded).then_some(Path::new(target));
                assert_eq!(real(link).as_deref(), expected, "{home} {link} {seen}");
            }
        }
    }
}
