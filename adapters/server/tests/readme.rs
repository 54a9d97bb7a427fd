//! The configuration that the README shows.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use common::{Place, SECRET, start_with, stop};
use wharf_server::Launch;

const README: &str = include_str!("../../../README.md");

/// What is indented below the words that introduce it.
fn block() -> Vec<&'static str> {
    let (_, text) = README.split_once("says none:\n").unwrap();
    let lines = text.lines().take_while(|line| !line.starts_with('`'));
    lines.map(str::trim_start).collect()
}

/// Whether a comment is a line that could be one of the configuration.
fn is_example(comment: &str) -> bool {
    let key = comment.split(" = ").next().unwrap_or_default();
    let is_key = key.bytes().all(|c| c.is_ascii_lowercase() || c == b'-');
    comment.starts_with('[') || is_key && comment.contains(" = ")
}

/// The block with what stands in it as a comment, and names that this machine knows.
fn with_examples(place: &Place) -> String {
    let lines = block()
        .into_iter()
        .map(|line| match line.strip_prefix("# ") {
            Some(comment) if is_example(comment) => comment,
            _ => line,
        });
    lines
        .collect::<Vec<_>>()
        .join("\n")
        .replace("$argon2id$v=19$m=19456,t=2,p=1$...", SECRET)
        .replace("/srv/pub", place.path("pub").to_str().unwrap())
        .replace("/srv/ftp", place.path("").to_str().unwrap())
        .replace("/home/user0", place.path("home").to_str().unwrap())
}

fn start(place: &Place, toml: &str, arguments: &[&str]) -> Launch {
    let launch = place.start(toml.as_bytes(), arguments);
    launch.unwrap_or_else(|stop| panic!("{}", stop.text))
}

/// All that a configuration decides, but for who may log in.
fn decided(launch: &Launch) -> String {
    let settings = &launch.settings;
    let homes: Vec<_> = launch.homes.values().map(|home| home.options()).collect();
    format!(
        "{:#?}",
        (
            (&settings.protocol, settings.back_off),
            (&settings.back_off_exempt, &settings.proxy_from),
            (&settings.allow, &settings.deny),
            (settings.passive_ports.clone(), &settings.public_address),
            (settings.active_port, settings.utc_offset),
            (settings.sessions, settings.sessions_per_address),
            settings.storage_threads,
            (settings.grace, settings.vanished),
            (settings.tls.is_some(), launch.certified.is_some()),
            (&launch.listen, launch.listen_default),
            (&launch.process, homes),
            &launch.report.served,
        )
    )
}

#[test]
fn the_block_as_it_stands_is_the_default_configuration() {
    let place = Place::new();
    let home = place.path("pub");
    let arguments = [home.to_str().unwrap()];
    let shown = start(&place, &block().join("\n"), &arguments);
    let nothing = start(&place, "", &arguments);
    assert_eq!(decided(&shown), decided(&nothing));
    assert!(decided(&shown).contains("commands_per_second: 0"));
    // A user who is given no number of sessions has any, as without the block.
    let user = format!(
        "\n[[user]]\nname = \"a\"\npassword = \"{SECRET}\"\nhome = {:?}\n",
        place.path("home")
    );
    let with_user = start(&place, &(block().join("\n") + &user), &[]);
    assert_eq!(with_user.report.served.len(), 1);
}

#[test]
fn what_stands_in_comments_is_understood() {
    let place = Place::new();
    fs::create_dir(place.path("users.d")).unwrap();
    for name in ["fullchain.pem", "privkey.pem", "ca.pem"] {
        fs::copy(place.path("own.pem"), place.path(name)).unwrap();
    }
    fs::write(place.path("secret"), "secret\n").unwrap();
    fs::set_permissions(place.path("secret"), Permissions::from_mode(0o600)).unwrap();
    let launch = start(&place, &with_examples(&place), &[]);
    assert_eq!(launch.report.served.len(), 3);
    assert!(launch.certified.is_some());
    assert!(launch.listen.len() > 2);
    let names: Vec<_> = launch.report.reach.iter().collect();
    assert!(names.iter().any(|path| place.path("").starts_with(path)));
}

#[test]
fn every_key_is_shown() {
    let place = Place::new();
    let shown = with_examples(&place);
    let tables = [
        "",
        "[passive]",
        "[active]",
        "[limits]",
        "[tls]",
        "[[listener]]",
        "[storage]",
        "[bucket.scans]",
        "[process]",
        "[anonymous]",
        "[[user]]",
    ];
    for table in tables {
        let toml = format!("{table}\nno-such-key = 1\n");
        let said = place.stop(toml.as_bytes(), &[]).text;
        let (_, keys) = said.split_once("`no-such-key`, expected ").unwrap();
        let known = keys.lines().next().unwrap().split('`').skip(1).step_by(2);
        let (_, here) = shown
            .split_once(&format!("\n{table}"))
            .unwrap_or(("", &shown));
        for key in known {
            let is_shown = here.lines().any(|line| {
                line.starts_with(&format!("{key} = "))
                    || line.starts_with(&format!("[{key}]"))
                    || line.starts_with(&format!("[[{key}]]"))
                    || line.starts_with(&format!("[{key}."))
                    // In place of another one.
                    || line.contains(&format!("`{key} = "))
            });
            assert!(is_shown, "{key} of {table} is not in the README");
        }
    }
}

/// Each command about accounts does what it is shown for, one after the other.
#[test]
fn commands_about_accounts_are_understood() {
    let place = Place::new();
    fs::create_dir(place.path("users.d")).unwrap();
    fs::write(place.path("wharf.toml"), "users = \"users.d/*.toml\"\n").unwrap();
    let lines = README.lines().map(str::trim);
    let commands = lines.filter(|line| line.starts_with("wharf-std user "));
    let mut actions = Vec::new();
    for command in commands {
        let command = command
            .replace("wharf.toml", place.path("wharf.toml").to_str().unwrap())
            .replace("/srv/ftp/anna", place.path("home").to_str().unwrap());
        let words: Vec<_> = command.split_whitespace().skip(1).collect();
        let stop = stop(start_with(&words, &b"secret\n"[..]));
        assert_eq!(stop.code, 0, "{command}: {}", stop.text);
        actions.push(words[1].to_owned());
    }
    actions.sort_unstable();
    assert_eq!(actions, ["add", "list", "passwd", "remove"]);
}

/// Each value that the README calls none can be written so.
#[test]
fn none_can_be_written_where_it_is_meant() {
    let place = Place::new();
    let home = place.path("pub");
    let (mut table, mut count) = (String::new(), 0);
    for line in block() {
        let line = line.trim_start_matches("# ");
        if line.starts_with('[') {
            line.split_whitespace()
                .next()
                .unwrap()
                .clone_into(&mut table);
        }
        let Some((key, text)) = line.split_once(" = ") else {
            continue;
        };
        let says_none = text
            .split_once('#')
            .is_some_and(|(_, text)| text.contains("none: "));
        // "none" of `links` is a value of its own.
        if !says_none || key == "links" {
            continue;
        }
        let rest = match table.as_str() {
            "[bucket.scans]" => "provider = \"aws\"\nbucket = \"b\"\nregion = \"r\"\n".to_owned(),
            "[[user]]" => format!("name = \"a\"\npassword = \"{SECRET}\"\nhome = {home:?}\n"),
            _ => String::new(),
        };
        let toml = format!("{table}\n{key} = \"none\"\n{rest}");
        let launch = place.start(toml.as_bytes(), &[home.to_str().unwrap()]);
        assert!(launch.is_ok(), "{toml}: {:?}", launch.err());
        count += 1;
    }
    assert!(count > 8, "{count}");
}
