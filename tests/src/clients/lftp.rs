//! lftp.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use super::secure::{VERSIONS, authority, protected, secure, ways};
use super::{
    Desk, assert_same, both, break_off, grow, hollow, names, noise,
    replaces_nothing_when_it_is_killed, sparse, tail, tree,
};
use super::{SPARSE, TAIL, url};
use crate::{Config, Program, Server, cases};

cases! { "clients";
    lftp_mirrors_there_and_back_in_every_mode("lftp"),
    lftp_mirrors_in_parallel("lftp"),
    lftp_mirrors_only_what_changed("lftp"),
    lftp_handles_odd_names("lftp"),
    lftp_lists("lftp"),
    lftp_resumes_a_download("lftp"),
    lftp_fetches_in_pieces("lftp"),
    lftp_fetches_beyond_4_gib("lftp"),
    lftp_resumes_an_upload("lftp"),
    lftp_mixes_no_halves_of_two_files("lftp"),
    lftp_that_is_killed_replaces_nothing("lftp"),
    lftp_puts_again("lftp"),
    lftp_renames_removes_and_changes_modes("lftp"),
    lftp_copies_between_two_servers("lftp"),
    lftp_converts_lines("lftp"),
    lftp_mirrors_there_and_back_over_tls("lftp"),
    lftp_resumes_over_tls("lftp"),
    lftp_is_told_to_protect_data("lftp"),
}

const SETTINGS: &str = "set cmd:fail-exit yes; set net:max-retries 2; set net:timeout 20; \
                        set net:reconnect-interval-base 1; ";

/// The words that begin each script.
fn opening(address: SocketAddr) -> String {
    format!("{SETTINGS}open -u user,12345 ftp://{address}; ")
}

fn lftp(desk: &Desk, address: SocketAddr, script: &str) -> String {
    desk.run("lftp", &["-c", &(opening(address) + script)])
}

fn lftp_mirrors_there_and_back_in_every_mode(program: &Program) {
    let server = both(program);
    let desk = Desk::new();
    fs::create_dir(desk.path().join("tree")).expect("a directory");
    grow(&desk.path().join("tree"));
    let mut number = 0;
    for &address in server.addresses() {
        for mode in [
            "set ftp:passive-mode yes; ",
            "set ftp:passive-mode no; ",
            "set ftp:use-mlsd yes; ",
            "set ftp:prefer-epsv yes; set ftp:sync-mode no; ",
        ] {
            number += 1;
            let script = format!("{mode} mirror -R tree t{number}; mirror t{number} back{number}");
            lftp(&desk, address, &script);
            assert_same(
                &desk.path().join("tree"),
                &server.home().join(format!("t{number}")),
            );
            assert_same(
                &desk.path().join("tree"),
                &desk.path().join(format!("back{number}")),
            );
        }
    }
    // It would go on in passive mode.
    let log = server.whole_log();
    assert!(!log.contains("EPRT refused"), "{log}");
}

fn lftp_mirrors_in_parallel(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    for folder in 0..5 {
        let path = server.home().join(format!("many/{folder}"));
        fs::create_dir_all(&path).expect("a directory");
        for file in 0..50 {
            let content = noise(folder * 50 + file, 1_000 * file as usize);
            fs::write(path.join(format!("f{file}.bin")), content).expect("a file");
        }
    }
    lftp(
        &desk,
        server.address(),
        "mirror -P2 many one; mirror -P4 --use-pget-n=2 many two",
    );
    lftp(&desk, server.address(), "mirror -R -P3 one three");
    assert_same(&server.home().join("many"), &desk.path().join("one"));
    assert_same(&server.home().join("many"), &desk.path().join("two"));
    assert_same(&server.home().join("many"), &server.home().join("three"));
}

fn lftp_mirrors_only_what_changed(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    fs::create_dir(desk.path().join("tree")).expect("a directory");
    grow(&desk.path().join("tree"));
    lftp(
        &desk,
        server.address(),
        "mirror -R tree tree; mirror tree back",
    );
    let transfers = || {
        let log = server.whole_log();
        log.matches("STOR ").count() + log.matches("RETR ").count()
    };
    let before = transfers();
    lftp(
        &desk,
        server.address(),
        "mirror -R tree tree; mirror tree back",
    );
    assert_eq!(transfers(), before, "what had not changed was sent again");
    desk.put("tree/plain.txt", b"changed");
    desk.remove("tree/empty.bin");
    lftp(
        &desk,
        server.address(),
        "mirror -R -e tree tree; mirror -e tree back",
    );
    assert_same(&desk.path().join("tree"), &server.home().join("tree"));
    assert_same(&desk.path().join("tree"), &desk.path().join("back"));
}

fn lftp_handles_odd_names(program: &Program) {
    let server = both(program);
    let desk = Desk::new();
    for &address in server.addresses() {
        for (seed, name) in (1..).zip(names()) {
            desk.put(&name, &noise(seed, 20_000));
            let script = format!("put -- \"{name}\"; get -- \"{name}\" -o back; rm -- \"{name}\"");
            lftp(&desk, address, &script);
            assert!(desk.content("back") == noise(seed, 20_000), "{name}");
            assert!(!server.has(&name), "{name}");
            desk.remove("back");
        }
    }
}

fn lftp_lists(program: &Program) {
    let server = both(program);
    let desk = Desk::new();
    fs::create_dir(server.home().join("빈 폴더")).expect("a directory");
    for name in names() {
        server.put(&name, b"hello");
    }
    for &address in server.addresses() {
        for command in [
            "ls",
            "nlist",
            "cls -1",
            "find .",
            "set ftp:passive-mode no; ls",
        ] {
            let list = lftp(&desk, address, command);
            for name in names().iter().map(String::as_str).chain(["빈 폴더"]) {
                assert!(list.contains(name), "{command}: {name} is not in {list}");
            }
        }
        assert_eq!(lftp(&desk, address, "ls \"빈 폴더\""), "");
    }
}

fn lftp_resumes_a_download(program: &Program) {
    let server = both(program);
    let content = noise(1, 700_000);
    server.put("f.bin", &content);
    for &address in server.addresses() {
        for mode in ["yes", "no"] {
            let desk = Desk::new();
            for command in ["get -c f.bin", "reget f.bin"] {
                desk.put("f.bin", &content[..123_456]);
                lftp(
                    &desk,
                    address,
                    &format!("set ftp:passive-mode {mode}; {command}"),
                );
                assert!(desk.content("f.bin") == content);
            }
        }
    }
}

fn lftp_fetches_in_pieces(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    let content = noise(1, 20_000_000);
    server.put("f.bin", &content);
    lftp(&desk, server.address(), "pget -n 5 f.bin");
    assert!(desk.content("f.bin") == content);
    server.still_serves();
}

fn lftp_fetches_beyond_4_gib(program: &Program) {
    let server = program.serve();
    let end = sparse(&server.home().join("big.bin"));
    let desk = Desk::new();
    let from = SPARSE - TAIL as u64 + 7;
    hollow(&desk.path().join("big.bin"), from);
    lftp(&desk, server.address(), "get -c big.bin");
    assert!(tail(&desk.path().join("big.bin"), from) == end[7..]);
    assert_eq!(
        tail(&desk.path().join("big.bin"), SPARSE - 10),
        end[TAIL - 10..]
    );
}

/// An lftp that is slow, so that it can be killed on the way.
fn slow_upload(desk: &Desk, address: SocketAddr) -> Command {
    let mut command = desk.command("lftp");
    let script = opening(address) + "set net:limit-rate 0:2000000; put f.bin";
    command.args(["-c", &script]);
    command
}

fn lftp_resumes_an_upload(program: &Program) {
    // To mirror, it looks at the listing instead of SIZE.
    for (command, partials) in [
        ("put -c f.bin", "resume"),
        ("reput f.bin", "resume"),
        ("mirror -R -c . .", "listed"),
    ] {
        let storage = format!("[storage]\npartials = \"{partials}\"");
        let server = program.start(Config::default().table(&storage));
        let desk = Desk::new();
        let content = noise(1, 20_000_000);
        desk.put_old("f.bin", &content);
        break_off(&server, |address| slow_upload(&desk, address), 1_000_000);
        assert!(!server.has("f.bin"), "an upload that broke is visible");
        lftp(&desk, server.address(), command);
        assert!(server.whole_log().contains("REST"), "nothing was resumed");
        assert!(server.content("f.bin") == content, "{command}");
    }
}

/// It sends the whole file when it is told that it cannot go on behind the old one.
fn lftp_mixes_no_halves_of_two_files(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    let content = noise(1, 20_000_000);
    let old = noise(2, 7_000_000);
    desk.put("f.bin", &content);
    server.put("f.bin", &old);
    break_off(&server, |address| slow_upload(&desk, address), 8_000_000);
    assert!(server.content("f.bin") == old, "the old file is gone");
    assert!(server.login().fetch("f.bin") == old);
    lftp(&desk, server.address(), "put -c f.bin");
    assert!(server.content("f.bin") == content);
}

fn lftp_that_is_killed_replaces_nothing(program: &Program) {
    replaces_nothing_when_it_is_killed(program, slow_upload);
}

fn lftp_puts_again(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    let content = noise(1, 300_000);
    desk.put("f.bin", &content);
    server.put("f.bin", &content[..100_000]);
    lftp(&desk, server.address(), "reput f.bin");
    assert!(server.content("f.bin") == content);
    lftp(&desk, server.address(), "put -c f.bin");
    assert!(server.content("f.bin") == content);
}

fn lftp_renames_removes_and_changes_modes(program: &Program) {
    use std::os::unix::fs::PermissionsExt as _;
    let server = program.serve();
    let desk = Desk::new();
    for name in ["a1.txt", "a2.txt", "b.txt"] {
        server.put(name, name.as_bytes());
    }
    let script = "mkdir -p 'd/한글 폴더/e'; mv b.txt 'd/한글 폴더/c.txt'; mmv a*.txt d; \
                  chmod 640 d/a1.txt; cd d; mrm a2.*; cat a1.txt; du; cd ..; mkdir gone; rmdir gone";
    let said = lftp(&desk, server.address(), script);
    assert!(said.contains("a1.txt"), "{said}");
    let mode = fs::metadata(server.home().join("d/a1.txt"))
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(server.content("d/한글 폴더/c.txt"), b"b.txt");
    assert!(!server.has("d/a2.txt") && !server.has("gone"));
    lftp(&desk, server.address(), "rm -r d");
    assert!(tree(server.home()).is_empty());
}

fn lftp_copies_between_two_servers(program: &Program) {
    let (one, two) = (program.serve(), program.serve());
    let desk = Desk::new();
    fs::create_dir(one.home().join("tree")).expect("a directory");
    grow(&one.home().join("tree"));
    // lftp waits for ever when it is to copy an empty file in this way.
    fs::remove_file(one.home().join("tree/empty.bin")).expect("to remove a file");
    hollow(&one.home().join("tree/long.bin"), 400_000_000);
    let target = format!("ftp://user:12345@{}/tree", two.address());
    // In this mode lftp asks how far the transfer is.
    let script = format!("set ftp:use-stat yes; set ftp:stat-interval 1; mirror tree {target}");
    lftp(&desk, one.address(), &script);
    assert_same(&one.home().join("tree"), &two.home().join("tree"));
    assert!(
        one.whole_log().contains("\"PORT "),
        "the data went through lftp"
    );
}

fn lftp_converts_lines(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    desk.put("f.txt", b"one\ntwo\n\nfour");
    lftp(
        &desk,
        server.address(),
        "put -a f.txt; get -a f.txt -o back.txt",
    );
    assert_eq!(server.content("f.txt"), b"one\ntwo\n\nfour");
    assert_eq!(desk.content("back.txt"), b"one\ntwo\n\nfour");
}

/// The same with TLS, in that version.
pub(super) fn secure_opening(server: &Server, version: &str, url: &str) -> String {
    let authority = authority(server);
    format!(
        "{SETTINGS}set ftp:ssl-force yes; set ssl:ca-file {authority}; \
         set ssl:priority NORMAL:-VERS-ALL:+VERS-TLS{version}; open {url}; "
    )
}

fn lftp_mirrors_there_and_back_over_tls(program: &Program) {
    let server = secure(program, "required");
    let desk = Desk::new();
    let tree = desk.path().join("tree");
    fs::create_dir_all(tree.join("폴더/empty folder")).expect("a directory");
    fs::write(tree.join("empty.bin"), b"").expect("a file");
    for number in 0..20 {
        let content = noise(number, 5_000 * number as usize);
        fs::write(tree.join(format!("폴더/f{number}.bin")), content).expect("a file");
    }
    for (number, way) in ways(&server).iter().enumerate() {
        let (there, back) = (format!("there{number}"), format!("back{number}"));
        let script = secure_opening(&server, way.version, &way.url(""))
            + &format!(
                "mirror -R tree {there}; mirror -P2 {there} {back}; set ftp:passive-mode no; \
                 put tree/empty.bin -o {there}/active.bin; get {there}/폴더/f19.bin -o {back}/active.bin"
            );
        desk.run("lftp", &["-c", &script]);
        assert_eq!(server.content(&format!("{there}/active.bin")), b"");
        assert!(desk.content(&format!("{back}/active.bin")) == noise(19, 95_000));
        fs::remove_file(server.home().join(&there).join("active.bin")).expect("to remove");
        desk.remove(&format!("{back}/active.bin"));
        assert_same(&tree, &server.home().join(there));
        assert_same(&tree, &desk.path().join(back));
    }
    for version in VERSIONS {
        assert!(protected(&server, version, true) > 2 * 2 * 20, "{version}");
    }
}

/// `PROT C` is refused, and so is what would follow it.
fn lftp_is_told_to_protect_data(program: &Program) {
    let server = secure(program, "if-offered");
    server.put("f.bin", b"hello");
    let desk = Desk::new();
    let opening = secure_opening(&server, "1.3", &url(server.address(), ""));
    let mut command = desk.command("lftp");
    let script = format!("set ftp:ssl-protect-data no; {opening} get f.bin");
    command.args(["-c", &script]);
    let (status, said) = desk.finish(command);
    assert!(!status.success() && said.contains("PROT P"), "{said}");
}

fn lftp_resumes_over_tls(program: &Program) {
    for version in VERSIONS {
        let server = secure(program, "required");
        let desk = Desk::new();
        let content = noise(1, 40_000_000);
        desk.put("f.bin", &content);
        let slow = |address| {
            let mut command = desk.command("lftp");
            let opening = secure_opening(&server, version, &url(address, ""));
            command.args(["-c", &(opening + "set net:limit-rate 0:2000000; put f.bin")]);
            command
        };
        break_off(&server, slow, 1_000_000);
        assert!(!server.has("f.bin"), "an upload that broke is visible");
        let opening = secure_opening(&server, version, &url(server.address(), ""));
        desk.run("lftp", &["-c", &(opening.clone() + "put -c f.bin")]);
        assert!(server.whole_log().contains("REST"), "nothing was resumed");
        assert!(server.content("f.bin") == content);
        desk.put("f.bin", &content[..12_345_678]);
        desk.run("lftp", &["-c", &(opening + "get -c f.bin")]);
        assert!(desk.content("f.bin") == content);
        assert_eq!(protected(&server, version, true), 3);
    }
}
