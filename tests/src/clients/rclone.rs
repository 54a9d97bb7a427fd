//! rclone.

use std::fs;
use std::net::SocketAddr;

use super::secure::{VERSIONS, Way, authority, protected, secure, ways};
use super::{
    Desk, assert_same, both, break_off, grow, noise, replaces_nothing_when_it_is_killed, tree,
};
use crate::{Program, Server, cases};

cases! { "clients";
    rclone_copies_checks_and_purges("rclone"),
    rclone_syncs_changes("rclone"),
    rclone_lists("rclone"),
    rclone_reads_from_the_middle("rclone"),
    rclone_moves_many_at_once("rclone"),
    rclone_copies_over_tls("rclone"),
    rclone_resumes_when_it_must("rclone"),
    rclone_that_is_killed_replaces_nothing("rclone"),
    rclone_sends_a_file_again_that_broke_off("rclone"),
}

fn remote(desk: &Desk, address: SocketAddr, path: &str) -> String {
    let password = desk.run("rclone", &["obscure", "12345"]);
    let text = address.to_string();
    let (host, port) = text.rsplit_once(':').expect("a port");
    format!(
        ":ftp,host=\"{host}\",port={port},user=user,pass={}:{path}",
        password.trim()
    )
}

const OURS: [&str; 6] = [
    "--retries",
    "1",
    "--low-level-retries",
    "1",
    "--config",
    "/dev/null",
];

fn rclone(desk: &Desk, arguments: &[&str]) -> String {
    desk.run("rclone", &[&OURS, arguments].concat())
}

fn rclone_copies_checks_and_purges(program: &Program) {
    let server = both(program);
    for &address in server.addresses() {
        let desk = Desk::new();
        for name in ["tree", "back"] {
            fs::create_dir(desk.path().join(name)).expect("a directory");
        }
        grow(&desk.path().join("tree"));
        let remote = remote(&desk, address, "tree");
        rclone(&desk, &["copy", "--create-empty-src-dirs", "tree", &remote]);
        assert_same(&desk.path().join("tree"), &server.home().join("tree"));
        rclone(&desk, &["check", "--download", "tree", &remote]);
        rclone(&desk, &["copy", "--create-empty-src-dirs", &remote, "back"]);
        assert_same(&desk.path().join("tree"), &desk.path().join("back"));
        rclone(&desk, &["purge", &remote]);
        assert!(tree(server.home()).is_empty());
    }
}

fn rclone_syncs_changes(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    fs::create_dir(desk.path().join("tree")).expect("a directory");
    grow(&desk.path().join("tree"));
    let remote = remote(&desk, server.address(), "tree");
    rclone(&desk, &["sync", "--create-empty-src-dirs", "tree", &remote]);
    let before = server.whole_log().matches("STOR").count();
    rclone(&desk, &["sync", "tree", &remote]);
    assert_eq!(
        server.whole_log().matches("STOR").count(),
        before,
        "sent again"
    );
    desk.remove("tree/empty.bin");
    desk.put("tree/plain.txt", b"changed");
    rclone(&desk, &["sync", "--create-empty-src-dirs", "tree", &remote]);
    assert_same(&desk.path().join("tree"), &server.home().join("tree"));
    rclone(
        &desk,
        &[
            "moveto",
            &format!("{remote}/plain.txt"),
            &format!("{remote}/새 이름.txt"),
        ],
    );
    assert_eq!(server.content("tree/새 이름.txt"), b"changed");
}

fn rclone_lists(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    grow(server.home());
    let list = rclone(&desk, &["lsf", "-R", &remote(&desk, server.address(), "")]);
    let mut found: Vec<&str> = list
        .lines()
        .map(|line| line.trim_end_matches('/'))
        .collect();
    found.sort_unstable();
    let expected = tree(server.home());
    let mut expected: Vec<&str> = expected.keys().filter_map(|path| path.to_str()).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

fn rclone_reads_from_the_middle(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    let content: String = ('a'..='z').cycle().take(3_000_000).collect();
    server.put("f.txt", content.as_bytes());
    let remote = remote(&desk, server.address(), "f.txt");
    let said = rclone(
        &desk,
        &["cat", "--offset", "1000001", "--count", "30", &remote],
    );
    assert_eq!(said, content[1_000_001..1_000_031]);
    server.still_serves();
}

fn rclone_moves_many_at_once(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    for name in ["many", "back"] {
        fs::create_dir(desk.path().join(name)).expect("a directory");
    }
    for number in 0..300 {
        desk.put(
            &format!("many/f{number}.bin"),
            &noise(number, 100 * number as usize),
        );
    }
    let remote = remote(&desk, server.address(), "many");
    rclone(&desk, &["copy", "--transfers", "8", "many", &remote]);
    rclone(&desk, &["copy", "--transfers", "8", &remote, "back"]);
    assert_same(&desk.path().join("many"), &server.home().join("many"));
    assert_same(&desk.path().join("many"), &desk.path().join("back"));
}

/// With TLS, in that version.
pub(super) fn secure_remote(desk: &Desk, way: &Way, version: &str, path: &str) -> String {
    let tls = if way.implicit { "tls" } else { "explicit_tls" };
    let old = version == "1.2";
    let remote = remote(desk, way.address, "");
    let remote = remote.strip_suffix(':').expect("an empty path");
    format!("{remote},{tls}=true,disable_tls13={old}:{path}")
}

pub(super) fn rclones(desk: &Desk, server: &Server, arguments: &[&str]) -> String {
    let mut command = desk.command("rclone");
    command.args(OURS).args(arguments);
    command.env("SSL_CERT_FILE", authority(server));
    desk.succeed(command)
}

/// Several logins of rclone share their sessions, so that not all of its data resumes its own.
fn rclone_copies_over_tls(program: &Program) {
    for version in VERSIONS {
        let server = secure(program, "if-offered");
        for way in ways(&server) {
            let desk = Desk::new();
            for name in ["tree", "back"] {
                fs::create_dir(desk.path().join(name)).expect("a directory");
            }
            grow(&desk.path().join("tree"));
            let remote = secure_remote(&desk, &way, version, "tree");
            let talk = |arguments: &[&str]| rclones(&desk, &server, arguments);
            talk(&["copy", "--create-empty-src-dirs", "tree", &remote]);
            assert_same(&desk.path().join("tree"), &server.home().join("tree"));
            talk(&["copy", "--create-empty-src-dirs", &remote, "back"]);
            assert_same(&desk.path().join("tree"), &desk.path().join("back"));
            talk(&["purge", &remote]);
        }
        let resumed = protected(&server, version, true);
        assert!(resumed + protected(&server, version, false) > 4 * 50);
        // Programs in Go resume TLS 1.2 by tickets only.
        assert!(resumed > 0, "TLS {version}");
    }
}

/// Programs in Go end a connection on which more than 16 tickets come at once.
fn rclone_resumes_when_it_must(program: &Program) {
    let server = secure(program, "required");
    for name in ["a", "b", "c"] {
        fs::create_dir(server.home().join(name)).expect("a directory");
        server.put(&format!("{name}/f.bin"), b"hello");
    }
    for way in ways(&server) {
        let desk = Desk::new();
        for version in VERSIONS {
            let remote = secure_remote(&desk, &way, version, "");
            let list = rclones(&desk, &server, &["lsf", "-R", "--checkers", "1", &remote]);
            assert_eq!(list.matches("f.bin").count(), 3, "{list}");
        }
    }
    for version in VERSIONS {
        assert!(protected(&server, version, true) >= 4 * 4, "TLS {version}");
    }
}

/// Uploads slowly.
fn slow_upload(desk: &Desk, address: SocketAddr) -> std::process::Command {
    let remote = remote(desk, address, "f.bin");
    let mut command = desk.command("rclone");
    command
        .args(OURS)
        .args(["--bwlimit", "8M", "copyto", "f.bin", &remote]);
    command
}

fn rclone_that_is_killed_replaces_nothing(program: &Program) {
    replaces_nothing_when_it_is_killed(program, slow_upload);
}

/// It looks at the listing, in which nothing is that broke off.
fn rclone_sends_a_file_again_that_broke_off(program: &Program) {
    for old in [None, Some(noise(2, 100_000))] {
        let server = program.serve();
        let desk = Desk::new();
        let content = noise(1, 20_000_000);
        desk.put("f.bin", &content);
        if let Some(old) = &old {
            server.put("f.bin", old);
        }
        break_off(&server, |address| slow_upload(&desk, address), 1_000_000);
        assert_eq!(server.has("f.bin"), old.is_some());
        rclone(
            &desk,
            &["copyto", "f.bin", &remote(&desk, server.address(), "f.bin")],
        );
        assert!(server.content("f.bin") == content);
    }
}
