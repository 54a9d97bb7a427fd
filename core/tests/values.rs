//! The values that embedders write: defaults as their docs tell them, errors with a text, paths.

use std::collections::HashSet;
use std::error::Error;

use wharf_core::address::AddressError;
use wharf_core::command::Refusal;
use wharf_core::{
    Config, DataFailure, Denied, Failure, Foreign, Limits, OutOfRange, PathError, Timestamp,
    TlsFailure, UnknownRight, VPath,
};

/// The fields of a struct and the defaults that their docs tell.
fn documented(name: &str) -> Vec<(String, String)> {
    let source = include_str!("../src/config.rs");
    let begin = format!("pub struct {name} {{");
    let rest = source.split_once(&begin).map_or("", |(_, rest)| rest);
    let body = rest.split("\n}").next().unwrap_or_default();
    let mut told = None;
    let mut fields = Vec::new();
    for line in body.lines().map(str::trim) {
        if let Some(default) = line.strip_prefix("/// Default: `") {
            told = default.strip_suffix("`.").map(str::to_owned);
        } else if let Some(field) = line.strip_prefix("pub ") {
            let field = field.split(':').next().unwrap_or_default();
            fields.push((field.to_owned(), told.take().unwrap_or_default()));
        }
    }
    fields
}

/// The fields of a value as it prints itself, but for those that are structs.
fn printed(value: &str) -> Vec<(String, String)> {
    let top = |line: &&str| line.starts_with("    ") && !line.starts_with("     ");
    value
        .lines()
        .filter(top)
        .filter_map(|line| line.trim().strip_suffix(',')?.split_once(": "))
        .map(|(field, value)| (field.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_docs_tell_every_default() {
    let limits = documented("Limits");
    let plain = |(field, told): (String, String)| (field, told.replace(',', ""));
    let limits: Vec<_> = limits.into_iter().map(plain).collect();
    assert_eq!(limits, printed(&format!("{:#?}", Limits::default())));
    assert!(limits.len() > 20);

    let mut config = documented("Config");
    // These have defaults of their own.
    config.retain(|(field, _)| !["tls", "accept", "limits"].contains(&field.as_str()));
    assert_eq!(config, printed(&format!("{:#?}", Config::default())));
    assert!(config.len() > 9);
}

#[test]
fn every_error_has_a_text_of_its_own() {
    let errors: [&[&dyn Error]; 10] = [
        &[&Failure::NotFound, &Failure::Io],
        &[
            &Denied::Credentials,
            &Denied::Unprotected,
            &Denied::TooMany,
            &Denied::Waits,
            &Denied::Unavailable,
        ],
        &[
            &DataFailure::Refused,
            &DataFailure::Unreachable,
            &DataFailure::NoResources,
            &DataFailure::Cancelled,
        ],
        &[
            &TlsFailure::Handshake,
            &TlsFailure::NotResumed,
            &TlsFailure::Closed,
            &TlsFailure::Cancelled,
        ],
        &[&PathError::ForbiddenByte, &PathError::TooLong],
        &[&AddressError::Syntax, &AddressError::Protocol],
        &[
            &Refusal::Unknown,
            &Refusal::Syntax,
            &Refusal::Absent,
            &Refusal::Parameter,
            &Refusal::Protocol,
            &Refusal::Foreign,
        ],
        &[&Foreign],
        &[&UnknownRight],
        &[&OutOfRange(Timestamp::from_seconds(7))],
    ];
    for kind in errors {
        let texts: HashSet<_> = kind.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), kind.len(), "{texts:?}");
        assert!(texts.iter().all(|text| text.len() > 4), "{texts:?}");
    }
}

#[test]
fn a_path_is_what_its_text_means_at_the_root() {
    for (text, path) in [("", "/"), ("a//b/.", "/a/b"), ("/../c", "/c"), ("..", "/")] {
        assert_eq!(text.parse::<VPath>().unwrap().as_bytes(), path);
        assert_eq!(VPath::try_from(text.as_bytes()).unwrap().as_bytes(), path);
    }
    let latin1 = VPath::try_from(&b"caf\xe9"[..]).unwrap();
    assert_eq!(latin1.relative(), &b"caf\xe9"[..]);
    assert_eq!("a\0b".parse::<VPath>(), Err(PathError::ForbiddenByte));
    let long = "d".repeat(VPath::MAX + 1);
    assert_eq!(long.parse::<VPath>(), Err(PathError::TooLong));
}

#[test]
fn what_lies_below_a_path_is_what_is_left_of_it() {
    let path = |text: &str| text.parse::<VPath>().unwrap();
    for (whole, base, rest) in [
        ("/a/b/c", "/a", Some("b/c")),
        ("/a/b/c", "/", Some("a/b/c")),
        ("/a", "/a", Some("")),
        ("/", "/", Some("")),
        ("/ab", "/a", None),
        ("/a", "/a/b", None),
        ("/", "/a", None),
    ] {
        let rest = rest.map(Into::into);
        assert_eq!(
            path(whole).strip_prefix(&path(base)),
            rest,
            "{whole} {base}"
        );
        assert_eq!(path(whole).is_within(&path(base)), rest.is_some());
        if let Some(rest) = rest {
            assert_eq!(VPath::resolve(&path(base), rest), Ok(path(whole)));
        }
    }
}
