//! What a server that is killed leaves behind.
#![allow(clippy::unwrap_used)]

mod common;

use std::env;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use common::*;
use wharf_core::Failure;
use wharf_local::{Local, LocalOptions};

const DIRECTORY: &str = "WHARF_TEST_DIRECTORY";

/// The server that will be killed: not a test of its own.
#[test]
#[ignore = "started by the other test"]
fn server() {
    let Some(directory) = env::var_os(DIRECTORY) else {
        return;
    };
    let local = Local::open(Path::new(&directory), b"alice", LocalOptions::default()).unwrap();
    let mut fresh = sink(&local, write_at(0), "/fresh").unwrap();
    fresh.write(part().as_bytes()).unwrap();
    let mut over = sink(&local, write_at(0), "/old").unwrap();
    over.write(part().as_bytes()).unwrap();
    let mut continued = sink(&local, write_at(TOLD), "/continued").unwrap();
    continued.write(text_from(TOLD, 9_000).as_bytes()).unwrap();
    std::io::stderr().write_all(b"!").unwrap();
    thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_killed_server_leaves_only_what_can_be_continued() {
    let place = Place::new();
    place.fail(write_at(0), "/continued", &part()).unwrap();
    place.put("/old", "the old file");
    let mut server = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "server"])
        .env(DIRECTORY, place.directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0];
    server
        .stderr
        .as_mut()
        .unwrap()
        .read_exact(&mut ready)
        .unwrap();
    // As long as it lives, its files are its own.
    assert_eq!(place.local.sweep(), 0);
    let at = place.size("/continued").unwrap();
    assert_eq!(at, 8_192, "less than has arrived, also while it arrives");
    let busy = place.fail(write_at(at), "/continued", "");
    assert_eq!(busy, Err(Failure::Busy));
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(place.local.sweep(), 2);
    assert_eq!(place.local.sweep(), 0);
    assert_eq!(place.size("/fresh"), Err(Failure::NotFound));
    assert_eq!(place.size("/continued"), Ok(at), "less than arrived");
    let rest = text_from(at, 9_000);
    place
        .store(append_to(Some(at)), "/continued", &rest)
        .unwrap();
    assert_eq!(place.get("/continued").unwrap(), text(9_000));
    // What was being written over a file is not continued by the end of another version.
    assert_eq!(place.size("/old"), Ok(12));
    assert_eq!(place.fail(APPEND, "/old", ""), Err(Failure::BrokenOff));
    place.store(write_at(0), "/old", "new").unwrap();
    place.store(APPEND, "/old", "er").unwrap();
    assert_eq!(place.get("/old").unwrap(), "newer");
    let attributes = rustix::fs::listxattr(place.real("/old"), &mut [0; 256][..]);
    assert!(
        attributes.is_ok_and(|length| length == 0),
        "a label is left"
    );
    assert_eq!(place.everything(), ["continued", "old"]);
}
