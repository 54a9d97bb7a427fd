//! Each mistake in a configuration, and what is said about it.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use common::{Place, SECRET, start, start_with, stop};

/// Files, each followed by where in it a mistake is and what is said about it.
const FILES: &str = include_str!("mistakes.txt");

#[test]
fn a_mistake_names_its_place_and_what_was_expected() {
    let place = Place::new();
    for case in FILES.trim_end().split("\n\n") {
        let (toml, said) = case.split_once("\n=> ").unwrap();
        let stop = place.stop(toml.replace("SECRET", SECRET).as_bytes(), &[]);
        assert_eq!(stop.text, format!("error: wharf.toml:{said}\n"), "{toml}");
        assert_eq!(stop.code, 2, "{toml}");
    }
}

#[test]
fn a_refused_password_is_not_repeated() {
    let place = Place::new();
    for password in [
        "\"hunter2\"",
        "hunter2",
        "'hunter2",
        "[\"hunter2\"]",
        "{ hunter2 = 1 }",
    ] {
        let toml = format!("[[user]]\nname = \"a\"\nhome = \"home\"\npassword = {password}\n");
        let stop = place.stop(toml.as_bytes(), &[]);
        assert!(
            stop.text.starts_with("error: wharf.toml:4:"),
            "{}",
            stop.text
        );
        assert!(!stop.text.contains("hunter2"), "{}", stop.text);
    }
}

#[test]
fn a_refused_password_says_how_to_make_a_hash() {
    let toml = b"[[user]]\nname = \"a\"\nhome = \"home\"\npassword = \"hunter2\"\n";
    let stop = Place::new().stop(toml, &[]);
    assert!(stop.text.contains("--hash-password"), "{}", stop.text);
}

#[test]
fn a_file_that_is_not_text_is_refused() {
    let stop = Place::new().stop(b"# one\n# caf\xe9\n", &[]);
    assert_eq!(stop.text, "error: wharf.toml:2:6: expected text in UTF-8\n");
}

#[test]
fn a_column_counts_characters() {
    let stop = Place::new().stop("listen = [\"ä\", \"ü\"]".as_bytes(), &[]);
    assert!(
        stop.text.starts_with("error: wharf.toml:1:11: "),
        "{}",
        stop.text
    );
    let stop = Place::new().stop(
        "storage = { links = \"none\", umask = \"ü\" }".as_bytes(),
        &[],
    );
    assert!(
        stop.text.starts_with("error: wharf.toml:1:37: "),
        "{}",
        stop.text
    );
}

#[test]
fn a_server_that_would_serve_nothing_does_not_start() {
    let nothing = "error: wharf.toml: nothing is served, expected [anonymous], [[user]] or DIR\n";
    assert_eq!(Place::new().stop(b"", &[]).text, nothing);
    let write =
        "error: wharf.toml: --write is for anonymous clients, expected [anonymous] or DIR\n";
    assert_eq!(Place::new().stop(b"", &["--write"]).text, write);
}

/// Command lines, and how what is said about them begins.
const ARGUMENTS: &[(&[&str], &str)] = &[
    (
        &["/nowhere"],
        "/nowhere: No such file or directory (os error 2), expected a directory",
    ),
    (
        &["-c", "/nowhere"],
        "/nowhere: No such file or directory (os error 2), expected a TOML file",
    ),
    (
        &["-l", "2121"],
        "invalid value '2121' for '--listen <ADDR>': expected an address with a port, such as \
         \"0.0.0.0:2121\" or \"[::]:2121\"",
    ),
    (
        &["--passive-ports", "9-1"],
        "invalid value '9-1' for '--passive-ports <A-B>': expected two ports from low to high, \
         such as \"60000-65535\"",
    ),
    (
        &["--public-address", "a b"],
        "invalid value 'a b' for '--public-address <ADDR>': expected an IP address or a host name",
    ),
    (
        &["--log-format", "xml"],
        "invalid value 'xml' for '--log-format <FORM>'\n  [possible values: text, json]",
    ),
    (&["one", "two"], "unexpected argument 'two' found"),
    (
        &["--frobnicate"],
        "unexpected argument '--frobnicate' found",
    ),
];

#[test]
fn a_wrong_argument_says_what_was_expected() {
    for (arguments, said) in ARGUMENTS {
        let stop = stop(start(arguments));
        let expected = format!("error: {said}\n");
        assert!(
            stop.text.starts_with(&expected),
            "{arguments:?} {}",
            stop.text
        );
        assert_eq!(stop.code, 2, "{arguments:?}");
    }
}

#[test]
fn a_password_that_cannot_be_hashed_is_refused() {
    let expected = "error: expected a password of 1 to 1024 bytes on the standard input\n";
    for password in ["", "\n", "\r\n", &"x".repeat(1_025), &"x".repeat(5_000)] {
        let stop = stop(start_with(&["--hash-password"], password.as_bytes()));
        assert_eq!(
            (stop.text.as_str(), stop.code),
            (expected, 2),
            "{password:?}"
        );
    }
}
