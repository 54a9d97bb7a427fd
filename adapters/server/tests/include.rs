//! Accounts in files beside the configuration file.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, Instant};

use common::{Place, SECRET, executors};
use proptest::prelude::*;
use wharf_server::{At, Launch};
use wharf_storage::Credentials;

const USERS: &str = "users = \"users.d/*.toml\"\n";

/// A place with the directory of accounts.
fn place() -> Place {
    let place = Place::new();
    fs::create_dir(place.path("users.d")).unwrap();
    fs::set_permissions(place.path("users.d"), Permissions::from_mode(0o700)).unwrap();
    place
}

fn user(name: &str) -> String {
    format!("[[user]]\nname = \"{name}\"\npassword = \"{SECRET}\"\nhome = \"home\"\n")
}

fn write(place: &Place, file: &str, text: &str) {
    let path = place.path("users.d").join(file);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
}

fn start(place: &Place, toml: &str) -> Launch {
    let launch = place.start(toml.as_bytes(), &[]);
    launch.unwrap_or_else(|stop| panic!("{}", stop.text))
}

fn names(launch: &Launch) -> Vec<&str> {
    let served = launch.report.served.iter();
    served.filter_map(|served| served.user.as_deref()).collect()
}

#[test]
fn files_are_taken_in_the_order_of_their_names() {
    let place = place();
    write(&place, "b.toml", &user("bert"));
    write(&place, "a.toml", &(user("anna") + &user("adam")));
    write(&place, "c.toml", "# Nobody yet.\n");
    for other in [".d.toml", "d.toml~", "#d.toml#", "d.toml.tmp", "d.conf"] {
        write(&place, other, "this is no TOML");
    }
    let launch = start(&place, &(USERS.to_owned() + &user("zoe")));
    assert_eq!(names(&launch), ["zoe", "anna", "adam", "bert"]);
    assert!(launch.warnings.is_empty(), "{:?}", launch.warnings);
    for name in ["zoe", "adam"] {
        let credentials = Credentials {
            username: name.into(),
            password: b"secret",
            peer: ([127, 0, 0, 1], 1).into(),
            protected: false,
        };
        let login = launch.settings.accounts.login(&credentials, &executors());
        assert!(login.wait().is_ok(), "{name}");
    }
}

#[test]
fn paths_in_them_start_where_those_of_the_configuration_file_do() {
    let place = place();
    write(&place, "a.toml", &user("anna"));
    let launch = start(&place, USERS);
    assert_eq!(launch.report.served[0].at, At::Home(place.path("home")));
}

#[test]
fn the_name_of_a_user_stands_in_its_home_and_its_prefix() {
    let place = place();
    let toml = format!(
        "homes = \"%u\"\n[bucket.b]\nprovider = \"other\"\nbucket = \"scans\"\nendpoint = \"http://127.0.0.1:1\"\n\
         key-id = \"k\"\nsecret = \"s\"\n[[user]]\nname = \"pub\"\npassword = \"{SECRET}\"\n[[user]]\nname = \"anna\"\n\
         password = \"{SECRET}\"\nbucket = \"b\"\nprefix = \"of/%u/\"\n"
    );
    let launch = start(&place, &toml);
    let served: Vec<_> = launch
        .report
        .served
        .iter()
        .map(|served| served.at.clone())
        .collect();
    let bucket = At::Bucket("s3://scans/of/anna/".into());
    assert_eq!(served, [At::Home(place.path("pub")), bucket]);
}

#[test]
fn a_server_starts_without_an_account_and_says_so() {
    let place = place();
    let launch = start(&place, USERS);
    assert!(launch.report.served.is_empty());
    let said = launch.warnings.join("\n");
    assert!(said.contains("nobody can log in"), "{said}");
}

#[test]
fn all_mistakes_of_all_files_are_told_at_once() {
    let place = place();
    write(&place, "a.toml", "[limits]\nidle = \"5m\"\n");
    write(&place, "b.toml", "name = \"b\"\n");
    write(
        &place,
        "c.toml",
        "[[user]]\nname = \"c\"\nhome = \"home\"\nhoem = 1\n",
    );
    write(&place, "d.toml", "[[user]\n");
    write(&place, "e.toml", &user("zoe"));
    write(&place, "f.toml", &user("ftp"));
    write(
        &place,
        "g.toml",
        &user("gus").replace("\"home\"", "\"nowhere\""),
    );
    fs::create_dir(place.path("users.d/h.toml")).unwrap();
    fs::write(place.path("users.d/i.toml"), b"\n\xff").unwrap();
    let toml = format!(
        "{USERS}[limits]\nidle = 5\n[anonymous]\nhome = \"pub\"\n{}{}",
        user("zoe"),
        user("anna")
    );
    write(&place, "j.toml", &user("anna"));
    let said = place.stop(toml.as_bytes(), &[]).text;
    let said: Vec<_> = said
        .lines()
        .map(|line| line.replace("error: ", ""))
        .collect();
    let taken =
        |place| format!("there is a user of this name already at {place}, expected another one");
    let expected = [
        "wharf.toml:3:8: invalid type: integer `5`, expected a duration".to_owned(),
        "users.d/a.toml:1:2: unknown field `limits`, expected nothing but [[user]] in this file"
            .to_owned(),
        "users.d/b.toml:1:1: unknown field `name`, expected nothing but [[user]] in this file"
            .to_owned(),
        "users.d/c.toml:4:1: unknown field `hoem`".to_owned(),
        "users.d/d.toml:1:".to_owned(),
        "users.d/h.toml: this is no file, expected one".to_owned(),
        "users.d/i.toml:2:1: expected text in UTF-8".to_owned(),
        format!("users.d/e.toml:2:8: {}", taken("wharf.toml:7:8")),
        "users.d/f.toml:2:8: this name means anonymous clients, expected another one".to_owned(),
        format!("users.d/j.toml:2:8: {}", taken("wharf.toml:11:8")),
        "users.d/g.toml:4:8: nowhere: No such file".to_owned(),
    ];
    for what in &expected {
        assert!(
            said.iter().any(|line| line.starts_with(what)),
            "{what} in {said:#?}"
        );
    }
    assert_eq!(said.len(), expected.len(), "{said:#?}");
}

#[test]
fn two_accounts_of_one_name_are_told_with_both_places() {
    let place = place();
    write(&place, "a.toml", &(user("anna") + &user("bert")));
    write(&place, "b.toml", &user("bert"));
    let said = place.stop(USERS.as_bytes(), &[]).text;
    let expected = "error: users.d/b.toml:2:8: there is a user of this name already at \
                    users.d/a.toml:6:8, expected another one\n";
    assert_eq!(said, expected);
}

#[test]
fn mistakes_in_included_files_are_told_also_where_the_main_one_is_not_understood() {
    let place = place();
    write(&place, "a.toml", "[limits]\n");
    let said = place
        .stop(format!("{USERS}greting = 1\n").as_bytes(), &[])
        .text;
    assert!(
        said.contains("wharf.toml:2:1: unknown field `greting`"),
        "{said}"
    );
    assert!(
        said.contains("users.d/a.toml:1:2: unknown field `limits`"),
        "{said}"
    );
}

#[test]
fn files_and_a_directory_that_others_may_read_or_change_are_told() {
    let place = place();
    for name in ["anna", "bert", "carl"] {
        write(&place, &format!("{name}.toml"), &user(name));
    }
    let mode = |name: &str, mode| {
        fs::set_permissions(place.path(name), Permissions::from_mode(mode)).unwrap();
    };
    let warnings = || start(&place, USERS).warnings.join("\n");
    mode("users.d/anna.toml", 0o604);
    let said = warnings();
    assert!(
        said.contains("everybody on this machine may read"),
        "{said}"
    );
    assert!(said.contains("users.d/anna.toml: `chmod o-r`"), "{said}");
    mode("users.d/bert.toml", 0o606);
    mode("users.d/carl.toml", 0o602);
    let said = warnings();
    assert!(
        said.contains("(and 2 more files there are as open)"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    for file in ["anna", "bert", "carl"] {
        mode(&format!("users.d/{file}.toml"), 0o600);
    }
    mode("users.d", 0o703);
    let said = warnings();
    assert!(
        said.contains("may change") && said.contains("users.d: `chmod o-w`"),
        "{said}"
    );
}

#[test]
fn accounts_that_lie_in_a_home_are_told() {
    let place = place();
    fs::create_dir(place.path("home/users.d")).unwrap();
    let toml = "users = \"home/users.d/*.toml\"\n".to_owned()
        + &user("zoe")
        + "rights = [\"list\", \"read\", \"write\"]\n";
    let warnings = || start(&place, &toml).warnings.join("\n");
    let lies = "lies in the home";
    let said = warnings();
    assert!(
        said.contains("users.d lies in the home") && said.contains("may change it"),
        "{said}"
    );
    write(&place, "a.toml", &user("anna"));
    fs::rename(
        place.path("users.d/a.toml"),
        place.path("home/users.d/a.toml"),
    )
    .unwrap();
    let said = warnings();
    assert!(said.contains("a.toml lies in the home"), "{said}");
    assert_eq!(said.matches(lies).count(), 1, "{said}");
    // A link that leads out of another directory.
    write(&place, "a.toml", &user("bert"));
    symlink(
        place.path("home/users.d/a.toml"),
        place.path("users.d/link.toml"),
    )
    .unwrap();
    let toml = toml.replace("home/users.d", "users.d");
    let said = start(&place, &toml).warnings.join("\n");
    assert!(said.contains("link.toml lies in the home"), "{said}");
}

/// Loading them all in a debug build, on a machine that does other things, takes a few seconds at most; were it
/// quadratic it would take minutes.
#[test]
fn ten_thousand_accounts_are_no_trouble() {
    let place = place();
    for number in 0..10_000 {
        let name = format!("user{number:05}");
        let home = format!("homes/{}", number % 500);
        fs::create_dir_all(place.path(&home)).unwrap();
        let text = user(&name).replace("\"home\"", &format!("\"{home}\""));
        write(&place, &format!("{name}.toml"), &text);
    }
    let before = Instant::now();
    let launch = start(&place, USERS);
    let took = before.elapsed();
    assert_eq!(launch.report.served.len(), 10_000);
    let told = launch.report.text(&[], None);
    assert!(told.lines().count() < 30, "{told}");
    assert!(told.contains("serving 9980 more accounts, which"), "{told}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However accounts are spread over files, they are the same ones, or the same mistake is told.
    #[test]
    fn accounts_are_the_same_wherever_they_stand(
        spread in prop::collection::vec((0..12_u8, 0..4_u8), 0..8),
    ) {
        let place = place();
        let mut main = USERS.to_owned();
        let mut files = vec![String::new(); 4];
        for (name, file) in &spread {
            let text = user(&format!("user{name}"));
            match file {
                0 => main += &text,
                _ => files[usize::from(*file)] += &text,
            }
        }
        for (number, text) in files.iter().enumerate().skip(1) {
            write(&place, &format!("{number}.toml"), text);
        }
        let all: String = spread.iter().map(|(name, _)| user(&format!("user{name}"))).collect();
        // Of the directory that is there and empty.
        let alone = place.start(("users = \"pub/*\"\n".to_owned() + &all).as_bytes(), &[]);
        match (place.start(main.as_bytes(), &[]), alone) {
            (Ok(apart), Ok(alone)) => {
                let (mut apart, mut alone) = (names(&apart), names(&alone));
                apart.sort_unstable();
                alone.sort_unstable();
                prop_assert_eq!(apart, alone);
            }
            (Err(apart), Err(alone)) => {
                prop_assert_eq!(apart.text.lines().count(), alone.text.lines().count());
            }
            _ => prop_assert!(false, "only one of them starts"),
        }
    }
}
