//! Each mistake in a configuration, and what is said about it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use std::fs;

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

#[test]
fn all_mistakes_are_told_at_once() {
    let toml = "listing = \"dos\"\n\
                [limits]\nidle = 5\nidel = \"5m\"\n\
                [storage]\nlinks = \"yes\"\n\
                [[user]]\nname = \"a\"\npassword = \"hunter2\"\nhome = \"home\"\n\
                [[user]]\nname = \"b\"\nhome = \"home\"\n";
    let stop = Place::new().stop(toml.as_bytes(), &[]);
    let places: Vec<&str> = stop
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("error: wharf.toml:")?.split(": ").next())
        .collect();
    // A password that was refused does not lack beside that.
    let mut sorted = places.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        ["11:1", "1:11", "3:8", "4:1", "6:9", "9:12"],
        "{}",
        stop.text
    );
    assert_eq!(stop.code, 2);
}

#[test]
fn mistakes_in_form_and_in_meaning_are_told_together() {
    let place = Place::new();
    let toml = format!(
        "listen = [\"127.0.0.1:2121\", \"127.0.0.1:2121\"]\n\
         [limits]\nidle = 5\n\
         [process]\ngroup = \"daemon\"\n\
         [passive]\naddress = \"::1\"\n\
         [[user]]\nname = \"a\"\npassword = \"{SECRET}\"\nhome = \"nowhere\"\n\
         [[user]]\nname = \"a\"\npassword = \"{SECRET}\"\nhome = \"home\"\ntls = \"login\"\n"
    );
    let said = place.stop(toml.as_bytes(), &[]).text;
    for what in [
        "3:8: invalid type: integer `5`",
        "two listeners have the address 127.0.0.1:2121",
        "5:9: expected `user` beside it",
        "7:11: PASV can only announce IPv4",
        "11:8: nowhere: No such file",
        "13:8: there is a user of this name already",
    ] {
        assert!(said.contains(what), "{what} in {said}");
    }
    assert_eq!(said.lines().count(), 6, "{said}");
}

#[test]
fn listeners_that_cannot_stand_beside_each_other_are_told() {
    let place = Place::new();
    let said = |listen: &str| {
        let toml = format!("listen = {listen}\n[anonymous]\nhome = \"pub\"\n");
        let launch = place.start(toml.as_bytes(), &[]);
        launch.err().map(|stop| stop.text).unwrap_or_default()
    };
    let twice = "two listeners have the address 127.0.0.1:21, expected each once";
    assert!(said("[\"127.0.0.1:21\", \"127.0.0.1:21\"]").contains(twice));
    let holds = "0.0.0.0:21 holds 127.0.0.1:21 too";
    assert!(said("[\"0.0.0.0:21\", \"127.0.0.1:21\"]").contains(holds));
    for listen in [
        "[\"127.0.0.1:0\", \"127.0.0.1:0\"]",
        "[\"127.0.0.1:21\", \"127.0.0.1:2121\"]",
        "[\"0.0.0.0:21\", \"[::]:21\"]",
        "[\"127.0.0.1:21\", \"127.0.0.2:21\"]",
    ] {
        assert_eq!(said(listen), "");
    }
}

#[test]
fn a_key_with_a_passphrase_is_told_with_the_cure() {
    let place = Place::new();
    for mark in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\nMIIB\n\
         -----END RSA PRIVATE KEY-----\n",
    ] {
        fs::write(place.path("closed.pem"), mark).unwrap();
        let toml = "[tls]\ncertificate = \"own.pem\"\nkey = \"closed.pem\"\n\
                    [anonymous]\nhome = \"pub\"\n";
        let said = place.stop(toml.as_bytes(), &[]).text;
        let expected = "wharf.toml:3:7: closed.pem: the key has a passphrase";
        assert!(said.contains(expected), "{said}");
        assert!(said.contains("openssl pkey -in closed.pem"), "{said}");
    }
}
