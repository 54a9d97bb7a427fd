//! Changing what is stored, and staying in the tree.

use std::fs;

use crate::server::Config;
use crate::{Program, cases};

cases! { "files";
    walks_through_directories,
    makes_and_removes_directories,
    renames,
    deletes,
    sets_times_and_modes,
    makes_links,
    stays_in_its_tree,
    opens_files_only,
    keeps_long_and_odd_names,
    goes_thirty_directories_deep,
    tells_the_free_space,
    quotes_paths,
    knows_the_home_by_a_tilde,
    lets_no_client_set_what_programs_obey,
    has_no_site_when_told_so,
    refuses_allo_that_cannot_fit,
    renames_a_link_that_leads_nowhere,
    keeps_forbidden_names_out_of_reach,
}

fn walks_through_directories(program: &Program) {
    let server = program.serve();
    fs::create_dir_all(server.home().join("a/b")).expect("directories");
    server.put("f", b"");
    let mut client = server.login();
    client.command("CWD a/b", 250);
    assert!(client.command("PWD", 257).starts_with("257 \"/a/b\""));
    client.command("CDUP", 250);
    assert!(client.command("XPWD", 257).starts_with("257 \"/a\""));
    client.command("XCWD ../../..", 250);
    assert!(client.command("PWD", 257).starts_with("257 \"/\""));
    client.command("CWD missing", 550);
    client.command("CWD f", 550);
    client.command("XCUP", 250);
}

fn makes_and_removes_directories(program: &Program) {
    let server = program.serve();
    let mut client = server.login();
    assert!(client.command("MKD d", 257).starts_with("257 \"/d\" "));
    assert_eq!(
        client.command("XMKD d", 550),
        "550 Directory already exists\r\n"
    );
    client.store("d/f", b"x");
    client.command("RMD d", 550);
    client.command("RMD d/f", 550);
    client.command("DELE d", 550);
    client.command("DELE d/f", 250);
    client.command("XRMD d", 250);
    client.command("RMD /", 550);
    client.command("MKD missing/d", 550);
}

fn renames(program: &Program) {
    let server = program.serve();
    fs::create_dir(server.home().join("d")).expect("a directory");
    server.put("a", b"one");
    server.put("b", b"two");
    let mut client = server.login();
    client.command("RNTO x", 503);
    client.command("RNFR missing", 550);
    client.command("RNFR a", 350);
    client.command("RNFR b", 350);
    client.command("NOOP", 200);
    client.command("RNTO c", 250);
    client.command("RNTO e", 503);
    assert_eq!(
        (server.has("a"), server.has("b"), server.content("c")),
        (true, false, b"two".to_vec())
    );
    client.command("RNFR c", 350);
    client.command("RNTO a", 250);
    assert_eq!(server.content("a"), b"two");
    client.command("RNFR d", 350);
    client.command("RNTO d/e", 553);
    client.command("RNFR a", 350);
    client.command("RNTO missing/x", 550);
}

fn deletes(program: &Program) {
    let server = program.serve();
    server.put("a", b"");
    let mut client = server.login();
    client.command("DELE a", 250);
    client.command("DELE a", 550);
    assert!(!server.has("a"));
}

fn sets_times_and_modes(program: &Program) {
    use std::os::unix::fs::PermissionsExt as _;
    let server = program.serve();
    server.put("a", b"hello");
    let mode = |name: &str| {
        fs::metadata(server.home().join(name))
            .expect("a file")
            .permissions()
            .mode()
            & 0o7777
    };
    let mut client = server.login();
    client.command("MFMT 20200229235959 a", 213);
    assert_eq!(client.command("MDTM a", 213), "213 20200229235959\r\n");
    client.command("MFF Modify=20010101000000;UNIX.mode=0600; a", 213);
    assert_eq!(client.command("MDTM a", 213), "213 20010101000000\r\n");
    assert_eq!(mode("a"), 0o600);
    client.command("SITE CHMOD 644 a", 200);
    client.command("SITE UTIME 200202020202 a", 200);
    assert_eq!(client.command("MDTM a", 213), "213 20020202020200\r\n");
    client.command("SITE UMASK 077", 200);
    client.store("b", b"x");
    client.command("MKD d", 257);
    assert_eq!((mode("b"), mode("d")), (0o600, 0o700));
    client.command("MFMT 20200230000000 a", 501);
    client.command("MFMT 20200101000000 missing", 550);
    client.command("SITE NONSENSE", 504);
}

fn makes_links(program: &Program) {
    let server = program.serve();
    fs::create_dir(server.home().join("d")).expect("a directory");
    server.put("a", b"hello");
    let mut client = server.login();
    client.command("SITE SYMLINK a d/link", 200);
    assert_eq!(client.fetch("d/link"), b"hello");
    assert_eq!(server.content("d/link"), b"hello");
    client.command("DELE d/link", 250);
    assert!(server.has("a"));
}

fn stays_in_its_tree(program: &Program) {
    let server = program.serve();
    let mut client = server.login();
    let _data = client.data();
    for path in [
        "../../etc/passwd",
        "/etc/passwd",
        "..\\..\\etc\\passwd",
        "%2e%2e/etc/passwd",
        "../wharf.toml",
    ] {
        let text = client.command(&format!("RETR {path}"), 550);
        assert_eq!(text, "550 No such file or directory.\r\n");
    }
    client.raw(b"RETR a\0b\r\n");
    client.expect(501);
    client.command("CWD /../..", 250);
    assert!(client.command("PWD", 257).starts_with("257 \"/\""));
}

fn opens_files_only(program: &Program) {
    let server = program.serve();
    let fifo = server.home().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        0o644.into(),
        0,
    )
    .expect("a pipe");
    std::os::unix::net::UnixListener::bind(server.home().join("socket")).expect("a socket");
    let mut client = server.login();
    let _data = client.data();
    for name in ["fifo", "socket"] {
        client.command(&format!("RETR {name}"), 550);
        client.command(&format!("APPE {name}"), 550);
        client.command(&format!("SIZE {name}"), 550);
    }
    assert!(fs::symlink_metadata(fifo).is_ok());
}

fn keeps_long_and_odd_names(program: &Program) {
    let server = program.serve();
    let mut client = server.login();
    let long = "n".repeat(255);
    for name in [
        &long[..],
        " a",
        "a ",
        "-rf",
        "*",
        "\"",
        "a\"b",
        "~root",
        "\u{d55c}\u{ae00} \u{c774}\u{b984}",
        "C:",
        "a;b",
        "name=1; x",
    ] {
        client.store(name, name.as_bytes());
        assert_eq!(server.content(name), name.as_bytes());
        assert_eq!(client.fetch(name), name.as_bytes());
        client.command(&format!("DELE {name}"), 250);
    }
    let _data = client.data();
    client.command(&format!("STOR {long}n"), 553);
    client.command("STOR a\x1bb", 553);
    client.command("MKD a\tb", 553);
}

fn goes_thirty_directories_deep(program: &Program) {
    let server = program.serve();
    let mut client = server.login();
    for number in 0..30 {
        client.command(&format!("MKD directory-{number}"), 257);
        client.command(&format!("CWD directory-{number}"), 250);
    }
    client.store("f", b"deep");
    client.command("CWD /", 250);
    let path: Vec<String> = (0..30)
        .map(|number| format!("directory-{number}"))
        .collect();
    assert_eq!(client.fetch(&format!("{}/f", path.join("/"))), b"deep");
}

fn tells_the_free_space(program: &Program) {
    let server = program.serve();
    let text = server.login().command("AVBL", 213);
    assert!(text[4..].trim_end().parse::<u64>().expect("a number") > 0);
}

fn quotes_paths(program: &Program) {
    let server = program.start(Config::default());
    let mut client = server.login();
    assert!(
        client
            .command("MKD a\"b", 257)
            .starts_with("257 \"/a\"\"b\" ")
    );
    client.command("CWD a\"b", 250);
    assert!(client.command("PWD", 257).starts_with("257 \"/a\"\"b\" "));
}

fn knows_the_home_by_a_tilde(program: &Program) {
    let server = program.serve();
    fs::create_dir_all(server.home().join("a/b")).expect("directories");
    let mut client = server.login();
    client.command("CWD a", 250);
    assert!(client.command("CWD ~/a/b", 250).contains("\"/a/b\""));
    assert!(client.command("CWD ", 250).contains("\"/a/b\""));
    assert!(client.command("CWD ~", 250).contains("\"/\""));
    fs::create_dir(server.home().join("~")).expect("a directory");
    assert!(client.command("CWD ~", 250).contains("\"/~\""));
}

fn lets_no_client_set_what_programs_obey(program: &Program) {
    use std::os::unix::fs::PermissionsExt as _;
    let server = program.start(Config::default().table("[storage]\numask = \"027\""));
    server.put("f", b"");
    fs::create_dir(server.home().join("d")).expect("a directory");
    fs::set_permissions(server.home().join("d"), fs::Permissions::from_mode(0o2775))
        .expect("a mode");
    let mode = |name: &str| {
        let metadata = fs::metadata(server.home().join(name)).expect("a file");
        metadata.permissions().mode() & 0o7777
    };
    let mut client = server.login();
    assert_eq!(
        client.command("SITE CHMOD 6755 f", 200),
        "200 The mode is 755.\r\n"
    );
    assert_eq!(mode("f"), 0o755);
    client.command("SITE CHMOD 1700 d", 200);
    assert_eq!(mode("d"), 0o2700);
    // Whoever owns a directory can always enter and mend it, and the home is nobody's.
    assert_eq!(
        client.command("SITE CHMOD 050 d", 200),
        "200 The mode is 750.\r\n"
    );
    assert_eq!(
        client.command("MFF UNIX.mode=0000; d", 213),
        "213 UNIX.mode=0700; /d\r\n"
    );
    assert_eq!(mode("d"), 0o2700);
    std::os::unix::fs::symlink(".", server.home().join("home")).expect("a link");
    let before = mode("");
    for line in [
        "SITE CHMOD 000 /",
        "SITE CHMOD 000 .",
        "SITE CHMOD 000 ..",
        "SITE CHMOD 000 d/..",
        "SITE CHMOD 000 home",
        "MFF Modify=20010101000000;UNIX.mode=0000; /",
    ] {
        assert_eq!(
            client.command(line, 550),
            "550 The mode of the home itself is not for clients.\r\n"
        );
    }
    assert_eq!(mode(""), before);
    server.login().store("f", b"");
    // A client takes more away than is configured, and gives nothing back.
    client.command("SITE UMASK 000", 200);
    client.store("new", b"");
    client.command("MKD made", 257);
    assert_eq!((mode("new"), mode("made")), (0o640, 0o750));
    client.command("SITE UMASK 077", 200);
    client.store("private", b"");
    assert_eq!(mode("private"), 0o600);
}

fn has_no_site_when_told_so(program: &Program) {
    let server = program.start(Config::default().top("site = false"));
    server.put("f", b"");
    let mut client = server.login();
    client.command("SITE CHMOD 600 f", 502);
    client.command("SITE HELP", 502);
}

fn refuses_allo_that_cannot_fit(program: &Program) {
    let server = program.serve();
    let mut client = server.login();
    client.command("ALLO 9000000000000000000", 452);
    client.command("ALLO 5", 200);
    client.store("f", b"hello");
}

fn renames_a_link_that_leads_nowhere(program: &Program) {
    let server = program.serve();
    std::os::unix::fs::symlink("nowhere", server.home().join("l")).expect("a link");
    let mut client = server.login();
    client.command("RNFR l", 350);
    client.command("RNTO m", 250);
    assert!(fs::symlink_metadata(server.home().join("m")).is_ok());
    client.command("RETR m", 425);
}

fn keeps_forbidden_names_out_of_reach(program: &Program) {
    let tables = "[anonymous]\nhome = \"HOME\"\n\
                  rights = [\"list\", \"read\", \"write\", \"mkdir\", \"delete\", \"rename\"]\n\
                  forbidden-names = [\".ssh\", \"*.php\"]";
    let server = program.start(Config::default().table(tables));
    std::fs::create_dir(server.home().join(".ssh")).expect("a directory");
    server.put(".ssh/id", b"secret");
    server.put("index.PHP", b"secret");
    server.put("f.bin", b"hello");
    let mut client = server.connect();
    client.login("anonymous", "x");
    assert_eq!(client.lines("NLST -a"), ["f.bin"]);
    for line in [
        "CWD .ssh",
        "SIZE .SSH/id",
        "DELE index.PHP",
        "MKD .Ssh",
        "RNFR .ssh",
    ] {
        client.command(line, 550);
    }
    client.pasv();
    client.command("RETR .ssh/id", 550);
    client.command("STOR shell.php", 550);
    client.command("RNFR f.bin", 350);
    client.command("RNTO f.php", 550);
    let log = server.whole_log();
    assert!(
        log.contains("STOR refused") && log.contains("/shell.php"),
        "{log}"
    );
    // To others they are names like any other.
    let mut client = server.login();
    assert_eq!(client.fetch(".ssh/id"), b"secret");
}
