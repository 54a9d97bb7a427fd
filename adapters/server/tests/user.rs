//! `user add`, `passwd`, `remove` and `list`, as they are called.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::PathBuf;
use std::thread;

use common::{Place, SECRET, executors, start, start_with, stop};
use proptest::prelude::*;
use wharf_server::{Launch, Stop};
use wharf_storage::Credentials;

/// The only line that the commands need.
const USERS: &str = "users = \"users.d/*.toml\"\n";

struct Accounts(Place);

impl Accounts {
    /// A place with this configuration file and an empty directory of accounts.
    fn new(toml: &str) -> Self {
        let place = Place::new();
        fs::create_dir(place.path("users.d")).unwrap();
        fs::set_permissions(place.path("users.d"), Permissions::from_mode(0o700)).unwrap();
        let accounts = Self(place);
        accounts.write("wharf.toml", toml);
        accounts
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Calls `user` with these arguments and the configuration file; paths are told from the directory of it.
    fn user(&self, arguments: &[&str], password: impl AsRef<[u8]>) -> Stop {
        let config = self.path("wharf.toml");
        let mut all = vec!["user"];
        all.extend(arguments);
        all.extend(["--config", config.to_str().unwrap()]);
        let stop = stop(start_with(&all, password.as_ref()));
        let directory = format!("{}/", self.path("").display()).replace("//", "/");
        Stop {
            text: stop.text.replace(&directory, ""),
            ..stop
        }
    }

    fn done(&self, arguments: &[&str], password: impl AsRef<[u8]>) -> String {
        let stop = self.user(arguments, password);
        assert_eq!(stop.code, 0, "{arguments:?}: {}", stop.text);
        stop.text
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let before = self.all();
        let stop = self.user(arguments, "secret\n");
        assert_eq!(stop.code, 2, "{arguments:?}: {}", stop.text);
        assert_eq!(self.all(), before, "{arguments:?}");
        stop.text
    }

    fn add(&self, name: &str, password: &str) -> String {
        let home = self.path("home");
        self.done(&["add", name, "--home", home.to_str().unwrap()], password)
    }

    /// All that stands in the directory of accounts.
    fn all(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = fs::read_dir(self.path("users.d")).unwrap();
        let mut all: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(path).unwrap_or_default()))
            .collect();
        all.sort();
        all
    }

    fn launch(&self) -> Launch {
        let config = self.path("wharf.toml");
        let launch = start(&["--config", config.to_str().unwrap()]);
        launch.unwrap_or_else(|stop| panic!("{}", stop.text))
    }

    fn logs_in(&self, name: &str, password: &[u8]) -> bool {
        let credentials = Credentials {
            username: name.into(),
            password,
            peer: ([127, 0, 0, 1], 1).into(),
            protected: false,
        };
        let accounts = self.launch().settings.accounts;
        accounts.login(&credentials, &executors()).wait().is_ok()
    }
}

fn user(name: &str) -> String {
    format!("[[user]]\nname = \"{name}\"\npassword = \"{SECRET}\"\nhome = \"home\"\n")
}

#[test]
fn an_account_comes_gets_another_password_and_goes() {
    let accounts = Accounts::new(USERS);
    let said = accounts.add("anna", "one\n");
    assert_eq!(
        said,
        "added anna, who may list, read in home: users.d/anna.toml\n\
         a running server knows that once it is restarted\n"
    );
    let mode = fs::metadata(accounts.path("users.d/anna.toml"))
        .unwrap()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(accounts.logs_in("anna", b"one") && !accounts.logs_in("anna", b"two"));
    let before = accounts.read("users.d/anna.toml");
    let said = accounts.done(&["passwd", "anna"], "two");
    assert!(
        said.starts_with("changed the password of anna: users.d/anna.toml\n"),
        "{said}"
    );
    assert!(accounts.logs_in("anna", b"two") && !accounts.logs_in("anna", b"one"));
    accounts.done(&["passwd", "anna"], b"caf\xe9 \xff");
    assert!(accounts.logs_in("anna", b"caf\xe9 \xff"));
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with("password"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(lines(&before), lines(&accounts.read("users.d/anna.toml")));
    let said = accounts.done(&["remove", "anna"], "");
    assert!(
        said.starts_with("removed anna, and the file is gone: users.d/anna.toml\n"),
        "{said}"
    );
    assert!(accounts.all().is_empty());
    assert!(accounts.path("home").is_dir());
}

#[test]
fn rights_are_those_that_were_asked_for() {
    let accounts = Accounts::new(USERS);
    let home = accounts.path("a \"home\" \\ of one's own");
    fs::create_dir(&home).unwrap();
    let home = home.to_str().unwrap();
    let arguments = [
        "add",
        "a",
        "--home",
        home,
        "--rights",
        "read,mkdir,list,write",
    ];
    accounts.done(&arguments, "x");
    let launch = accounts.launch();
    let served = &launch.report.served[0];
    assert_eq!(served.rights.to_string(), "list, read, write, mkdir");
    assert_eq!(served.at, wharf_server::At::Home(home.into()));
    for (rights, wrong) in [("reed", "'reed'"), ("list,,read", "''"), ("", "''")] {
        let said = accounts.refused(&["add", "b", "--home", home, "--rights", rights]);
        assert!(
            said.contains(wrong) && said.contains("expected list, read, write"),
            "{said}"
        );
    }
}

#[test]
fn a_name_that_cannot_be_a_file_or_is_taken_is_refused() {
    let accounts =
        Accounts::new(&(USERS.to_owned() + "[anonymous]\nhome = \"pub\"\n" + &user("main")));
    accounts.write("users.d/others.toml", &(user("anna") + &user("bert")));
    let home = accounts.path("home");
    let add = |name: &str| accounts.refused(&["add", name, "--home", home.to_str().unwrap()]);
    let long = "x".repeat(65);
    for name in ["", ".a", "a/b", "a b", "ä", "a\n", "..", &long] {
        let said = add(name);
        assert!(
            said.contains("expected 1 to 64 letters, digits and `._-@`"),
            "{name:?}: {said}"
        );
    }
    assert!(add("-a").contains("error: "));
    for (name, place) in [
        ("main", "wharf.toml:5:8"),
        ("anna", "users.d/others.toml:2:8"),
        ("bert", "users.d/others.toml:6:8"),
    ] {
        let expected =
            format!("error: {place}: there is a user {name} already, expected another name\n");
        assert_eq!(add(name), expected);
    }
    // A file of that name holds somebody else.
    let said = add("others");
    assert_eq!(
        said,
        "error: users.d/others.toml: there is such a file already, expected another name\n"
    );
    // What would be wrong with the whole is told of the file that would be.
    let said = add("ftp");
    assert!(
        said.contains("users.d/ftp.toml:2:8: this name means anonymous clients"),
        "{said}"
    );
    for name in ["a", "A.b-c_d@e.org", "0", "@", "_"] {
        accounts.add(name, "x");
    }
}

#[test]
fn a_home_that_is_not_there_is_refused_with_the_cure() {
    let accounts = Accounts::new(USERS);
    let nowhere = accounts.path("nowhere");
    let said = accounts.refused(&["add", "a", "--home", nowhere.to_str().unwrap()]);
    assert_eq!(
        said,
        "error: nowhere: No such file or directory (os error 2), expected a directory: `mkdir -p \
         nowhere` makes it\n"
    );
    let said = accounts.refused(&[
        "add",
        "a",
        "--home",
        accounts.path("own.pem").to_str().unwrap(),
    ]);
    assert!(said.contains("expected a directory"), "{said}");
    let said = accounts.refused(&["add", "a"]);
    assert_eq!(
        said,
        "error: wharf.toml: it names no `homes`, expected --home DIR, or this line in it, before any table: \
         homes = \"/srv/ftp/%u\"\n"
    );
}

#[test]
fn a_home_is_where_all_homes_are() {
    let accounts = Accounts::new(&format!("homes = \"all/%u\"\n{USERS}"));
    let said = accounts.refused(&["add", "anna"]);
    assert!(said.contains("all/anna: No such file"), "{said}");
    fs::create_dir_all(accounts.path("all/anna")).unwrap();
    let said = accounts.done(&["add", "anna"], "one");
    assert!(
        said.starts_with("added anna, who may list, read in all/anna: "),
        "{said}"
    );
    accounts.add("bob", "two");
    let launch = accounts.launch();
    let served: Vec<_> = launch
        .report
        .served
        .iter()
        .map(|served| served.at.clone())
        .collect();
    let home = |path: &str| wharf_server::At::Home(accounts.path(path));
    assert_eq!(served, [home("all/anna"), home("home")]);
    let table = accounts.done(&["list"], "");
    assert!(
        table.contains("all/anna") && !table.contains("%u"),
        "{table}"
    );
}

#[test]
fn without_a_directory_of_accounts_the_line_to_add_is_told() {
    let accounts = Accounts::new("[anonymous]\nhome = \"pub\"\n");
    let home = accounts.path("home");
    let said = accounts.refused(&["add", "a", "--home", home.to_str().unwrap()]);
    assert_eq!(
        said,
        "error: wharf.toml: it names no directory of accounts, expected this line in it, before any \
         table: users = \"users.d/*.toml\"; `mkdir -m 700 users.d` makes the directory\n"
    );
    let said = accounts.refused(&["passwd", "a"]);
    assert_eq!(said, "error: wharf.toml: there is no user a in it\n");
    for arguments in [&["user", "list"][..], &["user", "remove", "a"]] {
        let said = stop(start(arguments)).text;
        assert!(said.contains("--config <FILE>"), "{said}");
    }
}

#[test]
fn an_account_of_the_configuration_file_is_named_and_left_alone() {
    let accounts = Accounts::new(&(USERS.to_owned() + &user("main")));
    for action in ["passwd", "remove"] {
        let said = accounts.refused(&[action, "main"]);
        let expected =
            "error: wharf.toml:3:8: this account stands in the configuration file itself";
        assert!(said.starts_with(expected), "{said}");
        let said = accounts.refused(&[action, "nobody"]);
        let expected = "error: wharf.toml: there is no user nobody in it, nor in users.d\n";
        assert_eq!(said.replace("./", ""), expected);
    }
}

#[test]
fn one_of_several_is_taken_out_and_the_others_stay_as_they_are() {
    let accounts = Accounts::new(USERS);
    let middle = "\n# Bert, who is leaving.\n".to_owned() + &user("bert");
    let (first, last) = (
        user("anna") + "# Of Anna.\n",
        "\n# Carl.\n".to_owned() + &user("carl"),
    );
    accounts.write("users.d/all.toml", &format!("{first}{middle}{last}"));
    let said = accounts.done(&["remove", "bert"], "");
    assert!(
        said.contains("the other accounts in the file stay"),
        "{said}"
    );
    let left = accounts.read("users.d/all.toml");
    assert!(left.contains("# Carl.") && !left.contains("bert"), "{left}");
    assert!(accounts.logs_in("anna", b"secret") && accounts.logs_in("carl", b"secret"));
    // In brackets of one line, too.
    let inline =
        |name: &str| format!("{{ name = \"{name}\", password = \"{SECRET}\", home = \"home\" }}");
    let text = format!("user = [{}, {}]\n", inline("dora"), inline("eve"));
    accounts.write("users.d/inline.toml", &text);
    accounts.done(&["remove", "dora"], "");
    assert_eq!(accounts.launch().report.served.len(), 3);
}

#[test]
fn what_is_wrong_already_is_told_and_nothing_is_changed() {
    let accounts = Accounts::new(&(USERS.to_owned() + "[limits]\nidle = 5\n"));
    accounts.write("users.d/a.toml", &user("anna"));
    let home = accounts.path("home");
    for arguments in [
        &["add", "b", "--home", home.to_str().unwrap()][..],
        &["passwd", "anna"],
        &["remove", "anna"],
        &["list"],
    ] {
        let said = accounts.refused(arguments);
        assert!(
            said.starts_with("error: wharf.toml:3:8: invalid type: integer `5`"),
            "{said}"
        );
    }
    // Wrong in what it means, not in how it is written.
    accounts.write(
        "wharf.toml",
        &(USERS.to_owned() + "listen = [\"127.0.0.1:1\", \"127.0.0.1:1\"]\n"),
    );
    let said = accounts.refused(&["remove", "anna"]);
    assert!(said.contains("two listeners have the address"), "{said}");
}

#[test]
fn a_change_keeps_the_mode_of_a_file_but_for_others() {
    let accounts = Accounts::new(USERS);
    accounts.write("users.d/a.toml", &user("anna"));
    for (before, after) in [(0o640, 0o640), (0o664, 0o660), (0o400, 0o600)] {
        let file = accounts.path("users.d/a.toml");
        fs::set_permissions(&file, Permissions::from_mode(before)).unwrap();
        accounts.done(&["passwd", "anna"], "x");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, after);
    }
    // What a process has left that was killed does no harm, and nothing is left.
    accounts.write("users.d/.a.toml.new", "left");
    accounts.done(&["passwd", "anna"], "y");
    assert_eq!(accounts.all().len(), 1);
    // A link would become a file.
    fs::rename(accounts.path("users.d/a.toml"), accounts.path("a.toml")).unwrap();
    symlink(accounts.path("a.toml"), accounts.path("users.d/a.toml")).unwrap();
    let said = accounts.refused(&["passwd", "anna"]);
    assert!(said.contains("this file is a link"), "{said}");
}

/// Only root gives files away.
#[test]
fn a_file_belongs_to_whom_the_others_belong_to() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let accounts = Accounts::new(USERS);
    let owner = |file: &str| {
        let metadata = fs::metadata(accounts.path(file)).unwrap();
        (metadata.uid(), metadata.gid())
    };
    chown(accounts.path("wharf.toml"), Some(1234), Some(1235)).unwrap();
    accounts.add("anna", "x");
    assert_eq!(owner("users.d/anna.toml"), (1234, 1235));
    chown(accounts.path("users.d/anna.toml"), Some(2234), Some(2235)).unwrap();
    accounts.add("bert", "x");
    assert_eq!(owner("users.d/bert.toml"), (2234, 2235));
    accounts.done(&["passwd", "anna"], "y");
    assert_eq!(owner("users.d/anna.toml"), (2234, 2235));
}

#[test]
fn a_password_that_is_none_changes_nothing() {
    let accounts = Accounts::new(USERS);
    let home = accounts.path("home");
    let stop = accounts.user(&["add", "a", "--home", home.to_str().unwrap()], "\n");
    assert_eq!(
        stop.text,
        "error: expected a password of 1 to 1024 bytes on the standard input\n"
    );
    assert!(accounts.all().is_empty());
}

#[test]
fn those_who_change_accounts_at_once_all_get_their_turn() {
    let accounts = Accounts::new(USERS);
    accounts.write(
        "users.d/all.toml",
        &(0..8).map(|n| user(&format!("old{n}"))).collect::<String>(),
    );
    thread::scope(|scope| {
        for number in 0..8 {
            let accounts = &accounts;
            scope.spawn(move || accounts.done(&["remove", &format!("old{number}")], ""));
        }
    });
    assert!(accounts.all().is_empty(), "{:?}", accounts.all());
}

#[test]
fn accounts_are_listed_with_what_they_see() {
    let toml = format!(
        "{USERS}[bucket.scans]\nprovider = \"aws\"\nbucket = \"b\"\nregion = \"r\"\n{}",
        user("main").replace("\"home\"", "\"/no/where\"")
    );
    let accounts = Accounts::new(&toml);
    let bucket = user("bucket").replace(
        "home = \"home\"",
        "bucket = \"scans\"\nprefix = \"u/\"\nrights = []",
    );
    accounts.write("users.d/b.toml", &bucket);
    accounts.write("users.d/a.toml", &user("anna"));
    let said = accounts.done(&["list"], "");
    let rows: Vec<Vec<&str>> = said
        .lines()
        .map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .collect()
        })
        .collect();
    assert_eq!(
        rows,
        [
            ["NAME", "HOME OR BUCKET", "RIGHTS", "FILE"],
            ["main", "/no/where", "list, read", "wharf.toml"],
            ["anna", "home", "list, read", "users.d/a.toml"],
            ["bucket", "bucket scans below u/", "none", "users.d/b.toml"],
        ]
    );
}

#[test]
fn a_directory_of_that_name_is_served_all_the_same() {
    let place = Place::new();
    for name in ["user", "help", "add"] {
        fs::create_dir(place.path(name)).unwrap();
    }
    let served = |directory: PathBuf| {
        let launch = start(&["--", directory.to_str().unwrap()]);
        launch.unwrap().report.served[0].at.clone()
    };
    let at = served(place.path("user"));
    assert_eq!(at, wharf_server::At::Home(place.path("user")));
    // Nothing but `user` alone means something else.
    for word in ["help", "add", "users"] {
        let said = stop(start(&[&format!("./no-such-{word}")])).text;
        assert!(said.contains("expected a directory"), "{said}");
        let said = stop(start(&[word])).text;
        assert!(said.contains(&format!("{word}: No such file")), "{said}");
    }
    let said = stop(start(&["./user"])).text;
    assert!(said.contains("user: No such file"), "{said}");
    assert!(stop(start(&["user"])).text.contains("Commands:"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever stands around a password stays byte for byte.
    #[test]
    fn a_new_password_is_all_that_changes(
        before in "(#[ -~é]{0,20}\n|\n| \t\n){0,3}",
        behind in "( |\t){0,2}(#[ -~é]{0,20})?",
        end in "(\r?\n|\r?\n\r?\n# end)?",
        quote in prop::sample::select(vec!["\"", "'", "\"\"\"", "'''"]),
        spaces in "[ \t]{0,3}",
    ) {
        let accounts = Accounts::new(USERS);
        let head = format!("{before}[[ user ]]\nhome = 'home'\n{spaces}password{spaces}={spaces}");
        let tail = format!("{behind}\nname = \"anna\" # Anna\n[[user]]\nname = \"b\"\npassword = '{SECRET}'\nhome = \"home\"{end}");
        accounts.write("users.d/all.toml", &format!("{head}{quote}{SECRET}{quote}{tail}"));
        accounts.done(&["passwd", "anna"], "new");
        let text = accounts.read("users.d/all.toml");
        prop_assert!(text.starts_with(&format!("{head}\"$argon2id$")), "{}", text);
        prop_assert!(text.ends_with(&format!("\"{tail}")), "{}", text);
        prop_assert!(accounts.logs_in("anna", b"new"));
    }
}
