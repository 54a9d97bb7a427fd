//! The configuration that the README shows.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use std::fs;

use common::{Place, SECRET};
use wharf_core::Limits;
use wharf_server::BackOff;

const README: &str = include_str!("../../../README.md");

/// A certificate and its key, as the configuration names them.
fn certify(place: &Place) {
    for name in ["fullchain.pem", "privkey.pem"] {
        fs::copy(place.path("own.pem"), place.path(name)).unwrap();
    }
}

/// What is indented below the words that introduce it, with names that this machine knows.
fn shown(place: &Place) -> String {
    let (_, text) = README.split_once("with the defaults:\n").unwrap();
    let lines = text.lines().take_while(|line| !line.starts_with('`'));
    let lines: Vec<&str> = lines.map(str::trim_start).collect();
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$...";
    lines
        .join("\n")
        .replace(hash, SECRET)
        .replace("/srv/pub", place.path("pub").to_str().unwrap())
        .replace("/home/user0", place.path("home").to_str().unwrap())
        .replace("user = \"ftp\"", "user = \"nobody\"")
        .replace("group = \"ftp\"", "group = \"daemon\"")
}

#[test]
fn what_the_readme_shows_is_understood_and_has_the_defaults() {
    let place = Place::new();
    certify(&place);
    let launch = place.start(shown(&place).as_bytes(), &[]);
    let settings = launch
        .unwrap_or_else(|stop| panic!("{}", stop.text))
        .settings;
    let limits = Limits {
        // Of these there are none unless they are given.
        commands_per_second: 50,
        min_rate: 1_000,
        ..Limits::default()
    };
    assert_eq!(settings.protocol.limits, limits);
    assert_eq!(settings.back_off, BackOff::default());
    assert_eq!(settings.protocol.greeting, "Wharf ready.");
    assert_eq!(
        (settings.sessions, settings.sessions_per_address),
        (512, 64)
    );
    assert_eq!(settings.grace.as_secs(), 30);
    assert_eq!(settings.vanished.as_secs(), 60);
}
