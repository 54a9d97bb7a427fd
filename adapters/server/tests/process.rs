//! What a process gives up, and the root of the file system, as far as a configuration says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use common::{Place, SECRET, start, stop};

/// What is said where the root of the file system would be served for writing.
const ROOT: &str = "this is the root of the file system, expected another directory, no right to \
                    change it, or serve-root as well\n";

#[test]
fn the_root_is_served_for_writing_only_when_that_is_said_twice() {
    let refused = stop(start(&["--write", "/"]));
    assert_eq!(refused.text, format!("error: /: {ROOT}"));
    assert_eq!(refused.code, 2);
    assert!(start(&["/"]).is_ok());
    assert!(start(&["--write", "--serve-root", "/"]).is_ok());
}

#[test]
fn the_root_is_known_under_every_name() {
    let place = Place::new();
    symlink("/", place.path("slash")).unwrap();
    for home in ["slash", "/proc/self/root", "/usr/..", "//"] {
        let toml = |more: &str| {
            format!("[anonymous]\nhome = \"{home}\"\nrights = [\"list\", \"delete\"]\n{more}")
        };
        let refused = place.stop(toml("").as_bytes(), &[]);
        assert!(refused.text.starts_with("error: wharf.toml:2:8: "));
        assert!(refused.text.ends_with(ROOT), "{}", refused.text);
        let told_twice = toml("serve-root = true");
        assert!(place.start(told_twice.as_bytes(), &[]).is_ok());
        assert!(place.start(toml("").as_bytes(), &["--serve-root"]).is_ok());
        let no_longer = toml("serve-root = false");
        assert!(place.start(no_longer.as_bytes(), &[]).is_err());
    }
}

#[test]
fn the_root_is_not_for_users_either() {
    let place = Place::new();
    let user = |rights: &str, more: &str| {
        format!("[[user]]\nname = \"a\"\nhome = \"/\"\npassword = \"{SECRET}\"\n{rights}\n{more}")
    };
    let refused = place.stop(user("rights = [\"write\"]", "").as_bytes(), &[]);
    assert_eq!(refused.text, format!("error: wharf.toml:3:8: /: {ROOT}"));
    assert!(place.start(user("", "").as_bytes(), &[]).is_ok());
    let told_twice = user("rights = [\"write\"]", "serve-root = true");
    assert!(place.start(told_twice.as_bytes(), &[]).is_ok());
}

/// The adapters and what they stand on start no process: a client could win by it what it is not
/// meant to have.
#[test]
fn no_source_starts_a_process() {
    fn look(folder: &Path) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                look(&path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                for word in ["process::Command", "Command::new", "fork(", "execv"] {
                    assert!(!text.contains(word), "{word} in {}", path.display());
                }
            }
        }
    }
    let adapters = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for adapter in ["server", "std", "smol", "storage"] {
        look(&adapters.join(adapter).join("src"));
    }
    look(&adapters.parent().unwrap().join("core/src"));
}
