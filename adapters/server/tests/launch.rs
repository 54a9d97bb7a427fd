//! What a command line and a configuration file become.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use common::{Place, SECRET, executors, start, start_with, stop};
use tracing::level_filters::LevelFilter;
use wharf_core::{
    Denied, DoubtfulEnds, Edit, Limits, Notes, Protection, Rights, Style, TlsPolicy, VPath,
};
use wharf_driver::{BackOff, PublicAddress};
use wharf_server::accounts::is_anonymous;
use wharf_server::log::Format;
use wharf_server::password::HashedPassword;
use wharf_server::process::Confinement;
use wharf_server::{At, Launch, Listen};
use wharf_storage::{Account, Begun, Credentials};

const EVERYTHING: &str = r#"
listen = ["0.0.0.0:2121", "[::]:2121"]
greeting = "Hello."
listing = "msdos"
dot-files = true
utc-offset = "-03:30"
durability = "disk"
[passive]
ports = "60000-65535"
address = "203.0.113.7"
[active]
port = 20
[limits]
sessions = 100
sessions-per-address = 10
sessions-per-account = 2
failed-logins = 20
back-off = "1s"
back-off-most = "2m"
back-off-forgets = "3m"
commands-per-second = 50
minimum-rate = 1000
line = "11s"
handshake = "12s"
login-tries = 5
login-delay = "500ms"
login = "10s"
idle = "1h30m"
stall = "2m"
connect = "7s"
grace = "0s"
vanished = "20s"
storage-threads = 7
[storage]
links = "beneath"
umask = "027"
keep-partials = "48h"
[anonymous]
home = "pub"
[[user]]
name = "user0"
password = "SECRET"
home = "home"
rights = ["list", "read", "write", "overwrite", "delete", "rename", "mkdir", "symlink"]
sessions = 3
[[user]]
name = "user1"
password = "SECRET"
home = "home"
"#;

fn everything(place: &Place, arguments: &[&str]) -> Launch {
    let toml = EVERYTHING.replace("SECRET", SECRET);
    place
        .start(toml.as_bytes(), arguments)
        .unwrap_or_else(|stop| panic!("{}", stop.text))
}

fn addresses(list: &[&str]) -> Vec<SocketAddr> {
    list.iter().map(|each| each.parse().unwrap()).collect()
}

fn listen(list: &[&str]) -> Vec<Listen> {
    let tls = TlsPolicy::default();
    let addresses = addresses(list).into_iter();
    let plain = |address| Listen {
        address,
        for_both: false,
        tls,
        accept: DoubtfulEnds::NONE,
        proxy_from: None,
    };
    addresses.map(plain).collect()
}

/// The homes, who sees them, and what they may do.
fn served(launch: &Launch) -> Vec<(PathBuf, Option<&str>, Rights)> {
    let served = launch.report.served.iter();
    served
        .map(|each| {
            (
                each.at.to_string().into(),
                each.user.as_deref(),
                each.rights,
            )
        })
        .collect()
}

/// Logs in without a wait.
fn anonymous_rights(launch: &Launch, name: &str) -> Option<Result<Rights, Denied>> {
    let credentials = Credentials {
        username: name.into(),
        password: b"guest@",
        peer: addresses(&["127.0.0.1:1"])[0],
        protected: false,
    };
    let accounts = &launch.settings.accounts;
    let serves_anonymous = served(launch).iter().any(|each| each.1.is_none());
    // A home may take time to open, a hash does.
    let answer = match accounts.login(&credentials, &executors()) {
        Begun::Done(answer) => answer,
        begun if is_anonymous(name.as_bytes()) && serves_anonymous => begun.wait(),
        Begun::Pending(_) => return None,
    };
    Some(answer.map(|account| account.grant.rights))
}

/// What anonymous clients see.
fn anonymous(launch: &Launch) -> Account {
    let credentials = Credentials {
        username: "ftp".into(),
        password: b"",
        peer: addresses(&["127.0.0.1:1"])[0],
        protected: false,
    };
    let account = launch.settings.accounts.login(&credentials, &executors());
    account.wait().unwrap_or_else(|denied| panic!("{denied:?}"))
}

/// Whether a change need not wait until the disk has it.
fn changes_at_once(launch: &Launch) -> bool {
    let path = VPath::resolve(&VPath::root(), b"none").unwrap();
    let storage = anonymous(launch).storage;
    let begun = storage.change(Edit::Delete, &path, &path, &executors().storage);
    matches!(begun, Begun::Done(_))
}

const READ: Rights = Rights::LIST.union(Rights::READ);
const UPLOAD: Rights = READ.union(Rights::WRITE).union(Rights::MKDIR);

#[test]
fn nothing_at_all_serves_the_current_directory() {
    let launch = start(&[]).unwrap_or_else(|stop| panic!("{}", stop.text));
    assert_eq!(launch.listen, listen(&["127.0.0.1:2121", "[::1]:2121"]));
    assert!(launch.listen_default);
    let here = std::env::current_dir().unwrap();
    assert_eq!(served(&launch), [(here, None, READ)]);
    assert_eq!(launch.homes.len(), 1);
    assert!(changes_at_once(&launch));
    assert_eq!(launch.settings.passive_ports, None);
    assert_eq!(launch.settings.sessions, 512);
    assert_eq!(launch.settings.sessions_per_address, 64);
    assert_eq!(launch.settings.grace, Duration::from_secs(30));
    assert_eq!(launch.settings.protocol.greeting, "Wharf ready.");
    assert_eq!(launch.settings.protocol.limits, Limits::default());
    for name in ["anonymous", "ftp", "FTP", "Anonymous"] {
        assert_eq!(anonymous_rights(&launch, name), Some(Ok(READ)), "{name}");
    }
    assert_eq!(
        anonymous_rights(&launch, "root"),
        Some(Err(Denied::Credentials))
    );
}

#[test]
fn everything_in_the_file_counts() {
    let place = Place::new();
    let launch = everything(&place, &[]);
    assert_eq!(launch.listen, listen(&["0.0.0.0:2121", "[::]:2121"]));
    assert!(!launch.listen_default);
    assert_eq!(
        served(&launch),
        [
            (place.path("pub"), None, READ),
            (place.path("home"), Some("user0"), Rights::ALL),
            (place.path("home"), Some("user1"), READ),
        ]
    );
    let swept: Vec<_> = launch.homes.keys().cloned().collect();
    assert_eq!(swept, [place.path("home"), place.path("pub")]);
    assert!(!changes_at_once(&launch));
    let settings = &launch.settings;
    assert_eq!(settings.passive_ports, Some(60_000..=65_535));
    assert_eq!(settings.active_port, 20);
    let literal = PublicAddress::Literal([203, 0, 113, 7].into());
    assert_eq!(settings.public_address, Some(literal));
    assert_eq!(
        (settings.sessions, settings.sessions_per_address),
        (100, 10)
    );
    let back_off = BackOff {
        failures: 20,
        first: Duration::from_secs(1),
        most: Duration::from_secs(120),
        forgets: Duration::from_secs(180),
    };
    assert_eq!(settings.back_off, back_off);
    assert_eq!(settings.utc_offset, -12_600);
    assert_eq!(settings.storage_threads.get(), 7);
    assert_eq!(settings.grace, Duration::ZERO);
    assert_eq!(settings.vanished, Duration::from_secs(20));
    let protocol = &settings.protocol;
    assert_eq!(protocol.greeting, "Hello.");
    assert_eq!(protocol.style, Style::MsDos);
    assert!(protocol.dot_files);
    let expected = Limits {
        login_tries: 5,
        login_delay: Duration::from_millis(500),
        commands_per_second: 50,
        min_rate: 1000,
        line_time: Duration::from_secs(11),
        handshake: Duration::from_secs(12),
        login: Duration::from_secs(10),
        idle: Duration::from_secs(5_400),
        stall: Duration::from_secs(120),
        connect: Duration::from_secs(7),
        ..Limits::default()
    };
    assert_eq!(protocol.limits, expected);
    assert_eq!(anonymous_rights(&launch, "ftp"), Some(Ok(READ)));
    assert_eq!(
        anonymous_rights(&launch, "user0"),
        None,
        "a hash takes time"
    );
}

#[test]
fn the_command_line_wins_over_the_file() {
    let place = Place::new();
    let home = place.path("home");
    let launch = everything(
        &place,
        &[
            "-w",
            "-l=127.0.0.1:0",
            "--listen=[::1]:0",
            "--passive-ports=1-9",
            "--public-address=ftp.example.net",
            home.to_str().unwrap(),
        ],
    );
    assert_eq!(launch.listen, listen(&["127.0.0.1:0", "[::1]:0"]));
    assert_eq!(served(&launch)[0], (home, None, UPLOAD));
    assert_eq!(launch.settings.passive_ports, Some(1..=9));
    let host = PublicAddress::Host("ftp.example.net".into());
    assert_eq!(launch.settings.public_address, Some(host));
}

#[test]
fn write_adds_to_the_rights_of_anonymous_clients_only() {
    let place = Place::new();
    let toml = "[anonymous]\nhome = \"pub\"\nrights = [\"read\", \"delete\"]\n\
                [[user]]\nname = \"a\"\npassword = \"SECRET\"\nhome = \"home\"\n";
    let launch = place.start(toml.replace("SECRET", SECRET).as_bytes(), &["-w"]);
    let launch = launch.unwrap_or_else(|stop| panic!("{}", stop.text));
    let expected = Rights::READ | Rights::WRITE | Rights::MKDIR | Rights::DELETE;
    assert_eq!(served(&launch)[0].2, expected);
    assert_eq!(served(&launch)[1].2, READ);
}

#[test]
fn a_file_without_anonymous_lets_in_nobody_without_a_password() {
    let toml = format!("[[user]]\nname = \"ftp\"\npassword = \"{SECRET}\"\nhome = \"home\"\n");
    let place = Place::new();
    let launch = place.start(toml.as_bytes(), &[]);
    let launch = launch.unwrap_or_else(|stop| panic!("{}", stop.text));
    assert_eq!(anonymous_rights(&launch, "anonymous"), None);
    assert_eq!(anonymous_rights(&launch, "ftp"), None, "a user like others");
}

#[test]
fn the_log_is_as_long_as_was_asked_for() {
    let cases: &[(&[&str], LevelFilter, Notes)] = &[
        (&[], LevelFilter::INFO, Notes::Audit),
        (&["-v"], LevelFilter::DEBUG, Notes::Commands),
        (&["-vv"], LevelFilter::TRACE, Notes::Commands),
        (&["-q"], LevelFilter::WARN, Notes::Audit),
        (&["-qq"], LevelFilter::ERROR, Notes::Audit),
    ];
    for (arguments, level, notes) in cases {
        let launch = start(arguments).unwrap_or_else(|stop| panic!("{}", stop.text));
        assert_eq!(launch.log.level, *level, "{arguments:?}");
        assert_eq!(launch.settings.protocol.notes, *notes, "{arguments:?}");
        assert_eq!(launch.log.format, Format::Text);
    }
    let launch = start(&["--log-format", "json"]).unwrap_or_else(|stop| panic!("{}", stop.text));
    assert_eq!(launch.log.format, Format::Json);
}

#[test]
fn check_reports_and_starts_nothing() {
    let toml = EVERYTHING.replace("SECRET", SECRET);
    let place = Place::new();
    let stop = place.stop(
        toml.as_bytes(),
        &["--check", "-l", "127.0.0.1:2121", "-l", "[::1]:0"],
    );
    let expected = "\
listening on 127.0.0.1:2121
listening on [::1]:0
serving pub to anonymous clients, who may list, read
serving home to user0, who may list, read, write, overwrite, delete, rename, mkdir, symlink
serving home to user1, who may list, read
passive ports 60000-65535
active data comes from port 20
announced to clients as 203.0.113.7
homes may appear, be replaced or be mounted below PLACE
only this machine can connect; to serve the network, add --listen 0.0.0.0:2121 --listen [::]:2121
the configuration is good
";
    let above = place.path("").display().to_string();
    let expected = expected.replace("PLACE", above.trim_end_matches('/'));
    assert_eq!((stop.text, stop.code), (expected, 0));
}

#[test]
fn users_have_as_many_seats_as_their_section_or_the_limits_say() {
    let place = Place::new();
    let launch = everything(&place, &[]);
    let seats = |name: &str| {
        let credentials = Credentials {
            username: name.into(),
            password: b"secret",
            peer: addresses(&["127.0.0.1:1"])[0],
            protected: false,
        };
        let login = || {
            let accounts = &launch.settings.accounts;
            let account = accounts.login(&credentials, &executors()).wait().ok()?;
            Some(account.seats.map(|seats| seats.take()))
        };
        // They count together, however often the account logs in.
        let mut taken = Vec::new();
        loop {
            match login().unwrap() {
                Some(Some(seat)) => taken.push(seat),
                Some(None) => return Some(taken.len()),
                None => return None,
            }
        }
    };
    assert_eq!(seats("user0"), Some(3));
    assert_eq!(seats("user1"), Some(2));
    assert_eq!(seats("anonymous"), None);
}

#[test]
fn the_report_names_the_real_addresses_and_escapes_names() {
    let mut report = start(&[])
        .unwrap_or_else(|stop| panic!("{}", stop.text))
        .report;
    report.served[0].at = At::Home("/srv/\u{1b}[2J".into());
    report.served[0].rights = Rights::NONE;
    report.reach = ["/a", "/b\n", "/c", "/d", "/e", "/f", "/g"]
        .map(Into::into)
        .to_vec();
    let addresses = [
        "127.0.0.1:40001",
        "192.0.2.1:40002",
        "192.0.2.1:40003",
        "192.0.2.1:40004",
    ];
    let mut listening = listen(&addresses);
    listening[2].tls.implicit = true;
    listening[3].tls.control = Protection::Required;
    assert_eq!(
        report.text(&listening, Some(&Confinement::Landlock(7))),
        "listening on 127.0.0.1:40001\nlistening on 192.0.2.1:40002\n\
         listening on 192.0.2.1:40003 (implicit TLS)\n\
         listening on 192.0.2.1:40004 (TLS is required for logins, off for data)\n\
         serving /srv/\\x1b[2J to anonymous clients, who may do nothing\n\
         homes may appear, be replaced or be mounted below /a, /b\\n, /c, /d, /e and 2 more\n\
         confined by Landlock (ABI 7)\n"
    );
}

#[test]
fn a_hash_that_was_printed_is_that_of_the_password() {
    for input in [
        "correct horse",
        "correct horse\n",
        "correct horse\r\nnext line\n",
    ] {
        let stop = stop(start_with(&["--hash-password"], input.as_bytes()));
        assert_eq!(stop.code, 0);
        assert!(
            stop.text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{}",
            stop.text
        );
        let hash = HashedPassword::parse(stop.text.trim_end()).unwrap();
        assert!(hash.verify(b"correct horse").unwrap());
    }
}

#[test]
fn help_and_version_are_answers() {
    let help = stop(start(&["--help"]));
    assert_eq!(help.code, 0);
    for option in [
        "Usage: wharf [OPTIONS] [DIR]",
        "-l, --listen <ADDR>",
        "-w, --write",
        "--serve-root",
        "-c, --config <FILE>",
        "--passive-ports <A-B>",
        "--public-address <ADDR>",
        "--check",
        "--hash-password",
        "-v",
        "-q",
        "--log-format",
    ] {
        assert!(help.text.contains(option), "{option}\n{}", help.text);
    }
    assert_eq!(stop(start(&["--version"])).code, 0);
}

#[test]
fn a_certificate_for_a_trial_is_made_and_told() {
    let launch = start(&["--self-signed"]).unwrap_or_else(|stop| panic!("{}", stop.text));
    assert!(launch.settings.tls.is_some());
    let policy = launch.settings.protocol.tls;
    assert_eq!(policy.control, Protection::Offered);
    assert_eq!(policy.data, Protection::Offered);
    let text = launch.report.text(&launch.listen, None);
    let told = text.lines().filter(|line| {
        line.len() == 32 * 3 - 1
            && line
                .split(':')
                .all(|byte| byte.len() == 2 && u8::from_str_radix(byte, 16).is_ok())
    });
    assert_eq!(told.count(), 1, "{text}");
    // Each time it is another one.
    let again = start(&["--self-signed"]).unwrap_or_else(|stop| panic!("{}", stop.text));
    assert_ne!(again.report.text(&again.listen, None), text);
}

#[test]
fn all_listeners_may_begin_with_tls() {
    let place = Place::new();
    let toml = b"listen = []\n[tls]\ncertificate = \"own.pem\"\nimplicit = [\"127.0.0.1:9990\"]\n\
                 [anonymous]\nhome = \"pub\"\n";
    let launch = place
        .start(toml, &[])
        .unwrap_or_else(|stop| panic!("{}", stop.text));
    assert_eq!(launch.listen.len(), 1);
    assert_eq!(launch.listen[0].address, addresses(&["127.0.0.1:9990"])[0]);
    assert!(launch.listen[0].tls.implicit);
}

#[test]
fn of_two_certificates_only_one_can_be_meant() {
    let toml = b"[tls]\ncertificate = \"a.pem\"\n[anonymous]\nhome = \"pub\"\n";
    let stop = Place::new().stop(toml, &["--self-signed"]);
    assert_eq!(
        stop.text,
        "error: wharf.toml:2:15: with --self-signed there is no other certificate\n"
    );
}

#[test]
fn the_address_of_all_serves_both_families_where_nothing_else_does() {
    let place = Place::new();
    let home = place.path("pub");
    let both = |listen: &[&str]| {
        let arguments = [&[home.to_str().unwrap()], listen].concat();
        let launch = place
            .start(b"", &arguments)
            .unwrap_or_else(|stop| panic!("{}", stop.text));
        let text = launch.report.text(&launch.listen, None);
        let both: Vec<_> = launch.listen.iter().map(|listen| listen.for_both).collect();
        assert_eq!(
            text.matches("(IPv4 too)").count(),
            both.iter().filter(|&&both| both).count()
        );
        both
    };
    assert_eq!(both(&["-l", "[::]:2121"]), [true]);
    assert_eq!(both(&["-l", "[::]:0", "-l", "0.0.0.0:0"]), [true, false]);
    assert_eq!(both(&["-l", "[::]:21", "-l", "0.0.0.0:21"]), [false, false]);
    assert_eq!(
        both(&["-l", "127.0.0.1:21", "-l", "[::]:21"]),
        [false, false]
    );
    assert_eq!(
        both(&["-l", "[::]:21", "-l", "0.0.0.0:2121"]),
        [true, false]
    );
    assert_eq!(both(&["-l", "[::1]:21"]), [false]);
    assert_eq!(both(&[]), [false, false]);
}

#[test]
fn an_exempt_network_of_ipv4_may_be_written_as_ipv6() {
    let place = Place::new();
    let toml =
        b"[limits]\nback-off-exempt = [\"::ffff:10.0.0.0/104\", \"::ffff:192.0.2.1\", \"::/0\"]\n\
                 [anonymous]\nhome = \"pub\"\n";
    let launch = place.start(toml, &[]).ok().unwrap();
    let exempt = launch.settings.back_off_exempt.iter();
    let exempt: Vec<_> = exempt.map(ToString::to_string).collect();
    assert_eq!(exempt, ["10.0.0.0/8", "192.0.2.1/32", "::/0"]);
}

#[test]
fn balancers_are_named_for_all_listeners_or_for_one() {
    let place = Place::new();
    let toml = "listen = [\"127.0.0.1:0\"]\nproxy-from = [\"10.0.0.5\", \"2001:db8::/64\"]\n\
                [[listener]]\naddress = \"127.0.0.2:0\"\nproxy-from = []\n\
                [[listener]]\naddress = \"127.0.0.3:0\"\nproxy-from = [\"10.0.0.6\"]\n\
                [anonymous]\nhome = \"pub\"\n";
    let launch = place.start(toml.as_bytes(), &[]).ok().unwrap();
    let text = launch.report.text(&launch.listen, None);
    for said in [
        "listening on 127.0.0.1:0\n",
        "listening on 127.0.0.2:0 (balancers are none)\n",
        "listening on 127.0.0.3:0 (balancers are 10.0.0.6/32)\n",
        "balancers, which say who a client is, are 10.0.0.5/32, 2001:db8::/64\n",
    ] {
        assert!(text.contains(said), "{said} in {text}");
    }
    let warned = |launch: &Launch| launch.warnings.iter().any(|what| what.contains("PROXY"));
    assert!(!warned(&launch));
    for everybody in ["0.0.0.0/0", "::/0"] {
        let toml = toml.replace("10.0.0.6", everybody);
        assert!(warned(&place.start(toml.as_bytes(), &[]).ok().unwrap()));
    }
}

#[test]
fn a_certificate_and_its_key_in_one_file_are_one_file() {
    let place = Place::new();
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(place.path("own.pem"), open).unwrap();
    let toml = b"[tls]\ncertificate = \"own.pem\"\n[anonymous]\nhome = \"pub\"\n";
    let launch = place.start(toml, &[]).ok().unwrap();
    let warnings = launch.warnings.iter();
    let warned = warnings.filter(|warning| warning.contains("own.pem"));
    assert_eq!(warned.count(), 1);
}
