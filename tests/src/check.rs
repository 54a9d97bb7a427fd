//! What `--check` and the start say of a machine on which not all is well.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::Command;

use tempfile::TempDir;

use crate::server::{Config, HASH, eventually};
use crate::{Program, cases, certificates};

cases! { "check";
    starts_nothing_and_is_content,
    names_everybody_who_could_not_log_in("root"),
    tells_of_homes_that_lie_in_others,
    tells_that_an_address_is_taken,
    tells_that_a_renewed_key_could_not_be_read("root"),
    tells_the_way_to_a_port_below_1024("root", "setpriv"),
    tells_that_only_root_becomes_another_user("root", "setpriv"),
    tells_that_a_kernel_has_no_statx("strace"),
    asks_for_a_password_without_showing_it("script"),
    tells_what_others_may_read_or_change,
    tells_that_its_files_lie_in_a_home,
    is_content_with_files_in_a_home_that_only_root_reads("root"),
    asks_for_a_password_twice("script"),
}

/// Who may do nothing that not everybody may.
const NOBODY: [&str; 4] = [
    "setpriv",
    "--reuid=nobody",
    "--regid=nogroup",
    "--clear-groups",
];

/// A directory that everybody may walk through, with these homes, which are nobody's.
fn place(homes: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("a directory");
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), open).expect("to open it");
    for home in homes {
        let home = folder.path().join(home);
        fs::create_dir(&home).expect("a home");
        // Who is not root serves what is theirs.
        let _ = chown(home, Some(65_534), Some(65_534));
    }
    folder
}

fn user(name: &str, home: &str) -> String {
    format!(
        "[[user]]\nname = \"{name}\"\npassword = \"{HASH}\"\nhome = \"{home}\"\n\
         rights = [\"list\", \"read\", \"write\"]\n"
    )
}

/// How it ends, and what it says.
fn run(
    program: &Program,
    folder: &TempDir,
    wrapper: &[&str],
    options: &[&str],
    text: &str,
) -> (Option<i32>, String) {
    let file = folder.path().join("wharf.toml");
    fs::write(&file, text).expect("a file");
    if wrapper.is_empty() {
        let own = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&file, own).expect("a mode");
    }
    let mut words = wrapper.to_vec();
    words.push(program.0);
    words.extend(options);
    let output = Command::new(words[0])
        .args(&words[1..])
        .arg("-c")
        .arg(&file)
        .output()
        .expect("the program runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.code(), said)
}

const LISTEN: &str = "listen = [\"127.0.0.1:0\"]\n";

fn starts_nothing_and_is_content(program: &Program) {
    let folder = place(&["a"]);
    let text = format!("{LISTEN}{}", user("a", "a"));
    let (code, said) = run(program, &folder, &[], &["--check"], &text);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with("the configuration is good\n"), "{said}");
    assert!(!said.contains("warning: "), "{said}");
}

fn tells_what_others_may_read_or_change(program: &Program) {
    let folder = place(&["a"]);
    certificates::furnish(folder.path());
    let mode = |name: &str, mode: u32| {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(folder.path().join(name), mode).expect("a mode");
    };
    mode("privkey.pem", 0o644);
    mode("fullchain.pem", 0o666);
    let tls = "[tls]\ncertificate = \"fullchain.pem\"\nkey = \"privkey.pem\"\n";
    let open = format!(
        "listen = [\"0.0.0.0:0\"]\n{tls}{}[anonymous]\nhome = \"a\"\nrights = [\"list\", \"write\"]\n",
        user("a", "a"),
    );
    let (code, said) = run(program, &folder, &[], &["--check"], &open);
    assert_eq!(code, Some(0), "{said}");
    for (may, file) in [("read", "privkey.pem"), ("change", "fullchain.pem")] {
        let what = format!(
            "may {may} {}: `chmod o-",
            folder.path().join(file).display()
        );
        assert!(said.contains(&what), "{said}");
    }
    for what in [
        "passwords may be sent in clear to 0.0.0.0:0",
        "whoever can connect to 0.0.0.0:0 may change ",
    ] {
        assert!(said.contains(what), "{said}");
    }
    mode("wharf.toml", 0o644);
    let (_, said) = run(program, &folder, &["env"], &["--check"], &open);
    assert!(
        said.contains("may read ") && said.contains("wharf.toml: `chmod o-r`"),
        "{said}"
    );
    mode("privkey.pem", 0o600);
    mode("fullchain.pem", 0o644);
    let safe = open
        .replace("[tls]", "[tls]\ncontrol = \"required\"")
        .replace(", \"write\"", "");
    let (code, said) = run(program, &folder, &[], &["--check"], &safe);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("warning: "), "{said}");
}

fn tells_that_its_files_lie_in_a_home(program: &Program) {
    let folder = place(&["a", "a/tls"]);
    certificates::furnish(folder.path());
    for name in ["fullchain.pem", "privkey.pem"] {
        let copy = folder.path().join("a/tls").join(name);
        fs::copy(folder.path().join(name), copy).expect("a copy");
    }
    let tls = |key: &str| format!("[tls]\ncertificate = \"fullchain.pem\"\nkey = \"{key}\"\n");
    let said = |text: &str| {
        let (code, said) = run(program, &folder, &[], &["--check"], text);
        assert_eq!(code, Some(0), "{said}");
        said
    };
    let warned = |file: &str| format!("{}/{file} lies in the home ", folder.path().display());
    // Whose hashes all may read who see the home.
    let there = said(&format!("{LISTEN}{}", user("a", ".")));
    assert!(there.contains(&warned("wharf.toml")), "{there}");
    let shown = user("a", "a").replace(", \"write\"", "");
    let key = said(&format!("{LISTEN}{}{shown}", tls("a/tls/privkey.pem")));
    assert!(key.contains(&warned("a/tls/privkey.pem")), "{key}");
    // Through a link to the home as well.
    std::os::unix::fs::symlink("a/tls/privkey.pem", folder.path().join("link")).expect("a link");
    let link = said(&format!("{LISTEN}{}{shown}", tls("link")));
    assert!(link.contains(&warned("link")), "{link}");
    // Everybody is shown the certificate anyway.
    for text in [
        format!("{LISTEN}{}{shown}", tls("privkey.pem")),
        format!(
            "{LISTEN}[tls]\ncertificate = \"a/tls/fullchain.pem\"\nkey = \"privkey.pem\"\n{shown}"
        ),
        format!("{LISTEN}[anonymous]\nhome = \".\"\n"),
    ] {
        let safe = said(&text);
        assert!(!safe.contains(" lies in the home "), "{safe}");
    }
}

fn is_content_with_files_in_a_home_that_only_root_reads(program: &Program) {
    let folder = place(&[]);
    let shown = user("a", ".").replace(", \"write\"", "");
    let text = format!("{LISTEN}[process]\nuser = \"nobody\"\n{shown}");
    let (code, said) = run(program, &folder, &[], &["--check"], &text);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("warning: "), "{said}");
}

fn names_everybody_who_could_not_log_in(program: &Program) {
    let folder = place(&["a", "b"]);
    chown(folder.path().join("b"), Some(0), None).expect("to take it back");
    let closed = fs::Permissions::from_mode(0o700);
    fs::set_permissions(folder.path().join("b"), closed).expect("to close it");
    let users = [user("a", "a"), user("b", "b"), user("c", "c")].concat();
    let text = format!("{LISTEN}[process]\nuser = \"nobody\"\n{users}");
    let (code, said) = run(program, &folder, &[], &["--check"], &text);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("running as nobody"), "{said}");
    let place = folder.path().display();
    let expected = format!("error: cannot enter {place}/b: Permission denied");
    assert!(said.contains(&expected), "{said}");
    assert!(said.contains("(the home of b)"), "{said}");
    let expected = format!("error: {place}/c: No such file or directory");
    assert!(said.contains(&expected), "{said}");
    assert!(
        said.ends_with("would start, but not serve everybody\n"),
        "{said}"
    );
    let alone = format!("{LISTEN}[process]\nuser = \"nobody\"\n{}", user("b", "b"));
    let (code, said) = run(program, &folder, &[], &["--check"], &alone);
    // Whoever may opens it again, and the server is there.
    assert_eq!(code, Some(1), "{said}");
    let gone = format!("{LISTEN}{}", user("c", "c"));
    let (code, said) = run(program, &folder, &[], &["--check"], &gone);
    assert_eq!(code, Some(2), "{said}");
}

fn tells_of_homes_that_lie_in_others(program: &Program) {
    let folder = place(&["a", "a/b", "a/c", "d"]);
    std::os::unix::fs::symlink("a/c", folder.path().join("link")).expect("a link");
    let users = [
        ("a", "a"),
        ("b", "a/b"),
        ("c", "link"),
        ("d", "d"),
        ("e", "d"),
    ];
    let users = users.map(|(name, home)| user(name, home)).concat();
    let (code, said) = run(
        program,
        &folder,
        &[],
        &["--check"],
        &(LISTEN.to_owned() + &users),
    );
    // `a` may not have changed anything yet, and yet no link is followed in it.
    assert_eq!(code, Some(0), "{said}");
    let place = folder.path().display();
    let expected =
        format!("warning: the home {place}/a/b lies in the home {place}/a (and 1 more lie so)");
    assert!(said.contains(&expected), "{said}");
    assert_eq!(said.matches("warning").count(), 1, "{said}");
}

fn tells_that_an_address_is_taken(program: &Program) {
    let folder = place(&["a"]);
    let other = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = other.local_addr().expect("an address");
    let text = format!("listen = [\"{address}\"]\n{}", user("a", "a"));
    let (code, said) = run(program, &folder, &[], &["--check"], &text);
    assert_eq!(code, Some(0), "it may be this very server: {said}");
    assert!(
        said.contains(&format!("something listens on {address}")),
        "{said}"
    );
    let (code, said) = run(program, &folder, &[], &[], &text);
    assert_eq!(code, Some(1), "{said}");
    let expected = format!("cannot listen on {address}: ");
    assert!(said.contains(&expected), "{said}");
    assert!(said.contains("another server listens there"), "{said}");
}

fn tells_that_a_renewed_key_could_not_be_read(program: &Program) {
    let text = "[process]\nuser = \"nobody\"\n";
    let folder = place(&["a"]);
    certificates::furnish(folder.path());
    let key = folder.path().join("privkey.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("to close it");
    let tls = "[tls]\ncertificate = \"fullchain.pem\"\nkey = \"privkey.pem\"\n";
    let checked = format!("{LISTEN}{text}{tls}{}", user("a", "a"));
    let told = format!("nobody cannot read {} when it is renewed", key.display());
    let (code, said) = run(program, &folder, &[], &["--check"], &checked);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&told), "{said}");
    // All who may read it are asked, and nothing is told where nobody need be.
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("to open it");
    let (code, said) = run(program, &folder, &[], &["--check"], &checked);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("when it is renewed"), "{said}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("to close it");
    let lines = format!(
        "certificate = \"{}\"\nkey = \"{}\"",
        folder.path().join("fullchain.pem").display(),
        key.display()
    );
    let config = Config::default().tls(&lines).table(text);
    let server = program.start(config);
    eventually("the start says so", || server.log().contains(&told));
}

fn tells_the_way_to_a_port_below_1024(program: &Program) {
    // In a name space of its own the machine may have no such ports.
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if first.is_ok_and(|first| first.trim() != "1024") {
        return;
    }
    let folder = place(&["a"]);
    let text = format!("listen = [\"127.0.0.7:21\"]\n{}", user("a", "a"));
    for (options, expected) in [(&["--check"][..], 2), (&[], 1)] {
        let (code, said) = run(program, &folder, &NOBODY, options, &text);
        assert_eq!(code, Some(expected), "{said}");
        assert!(said.contains("cannot listen on 127.0.0.7:21: "), "{said}");
        assert!(said.contains("CAP_NET_BIND_SERVICE"), "{said}");
        assert!(said.contains("`user` in [process]"), "{said}");
    }
}

fn tells_that_only_root_becomes_another_user(program: &Program) {
    let folder = place(&["a"]);
    let text = |name: &str| {
        let process = format!("[process]\nuser = \"{name}\"\n");
        format!("{LISTEN}{process}{}", user("a", "a"))
    };
    for (options, expected) in [(&["--check"][..], 2), (&[], 1)] {
        let (code, said) = run(program, &folder, &NOBODY, options, &text("daemon"));
        assert_eq!(code, Some(expected), "{said}");
        assert!(said.contains("cannot become the user daemon"), "{said}");
        assert!(
            said.contains("start it as root, or leave `user` out"),
            "{said}"
        );
    }
    // Who is that user already need not.
    let group = format!("group = \"nogroup\"\n{}", user("a", "a"));
    let text = text("nobody").replace(&user("a", "a"), &group);
    let (code, said) = run(program, &folder, &NOBODY, &["--check"], &text);
    assert_eq!(code, Some(0), "{said}");
}

fn tells_that_a_kernel_has_no_statx(program: &Program) {
    let folder = place(&["a"]);
    let text = format!("{LISTEN}{}", user("a", "a"));
    for (error, options) in [
        ("ENOSYS", &["--check"][..]),
        ("ENOSYS", &[]),
        ("EPERM", &[]),
    ] {
        let inject = format!("inject=statx:error={error}");
        let strace = [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=statx",
            "-e",
            &inject,
        ];
        let (code, said) = run(program, &folder, &strace, options, &text);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("has no statx"), "{said}");
    }
}

/// On a terminal, which `script` is for it, and which shows what is typed
/// afterwards.
/// What a terminal shows while these lines are typed.
fn typed(program: &Program, lines: [&str; 2]) -> (bool, String) {
    let folder = place(&[]);
    let typed = "(for line in $TYPED; do sleep 1; echo \"$line\"; done; sleep 1) \
                 | script -q -e -c '\"$PROGRAM\" --hash-password && stty -a' \"$SEEN\"";
    let output = Command::new("sh")
        .args(["-c", typed])
        .env("PROGRAM", program.0)
        .env("TYPED", lines.join(" "))
        .env("SEEN", folder.path().join("seen"))
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), said)
}

fn asks_for_a_password_without_showing_it(program: &Program) {
    let (done, said) = typed(program, ["geheim", "geheim"]);
    assert!(done, "{said}");
    assert!(said.contains("password: "), "{said}");
    assert!(said.contains("$argon2id$v=19$"), "{said}");
    assert!(!said.contains("geheim"), "{said}");
    assert!(
        said.contains(" echo ") && !said.contains(" -echo "),
        "{said}"
    );
}

fn asks_for_a_password_twice(program: &Program) {
    let (done, said) = typed(program, ["geheim", "gehiem"]);
    assert!(!done, "{said}");
    assert!(said.contains("expected the same password twice"), "{said}");
    assert!(!said.contains("$argon2id$"), "{said}");
}
