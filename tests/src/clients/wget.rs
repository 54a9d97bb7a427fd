//! wget.

use std::fs;

use super::secure::{VERSIONS, authority, protected, secure, ways};
use super::{Desk, assert_same_trees, both, grow, names, noise, tree, url};
use crate::{Program, cases};

cases! { "clients";
    wget_downloads_in_every_mode("wget"),
    wget_resumes_a_download("wget"),
    wget_matches_patterns("wget"),
    wget_fetches_a_tree("wget"),
    wget_lists("wget"),
    wget_uses_timestamps("wget"),
    wget_fetches_over_tls("wget"),
}

fn wget(desk: &Desk, arguments: &[&str]) -> String {
    let ours = ["--no-config", "--tries=1", "--timeout=20", "--no-proxy"];
    desk.run("wget", &[&ours, arguments].concat())
}

fn wget_downloads_in_every_mode(program: &Program) {
    let server = both(program);
    let desk = Desk::new();
    for (seed, name) in (1..).zip(names()) {
        server.put(&name, &noise(seed, 50_000));
    }
    server.put("empty.bin", b"");
    for &address in server.addresses() {
        for mode in [&[][..], &["--no-passive-ftp"]] {
            for (seed, name) in (1..).zip(names()) {
                wget(
                    &desk,
                    &[mode, &["-O", "back", &url(address, &name)]].concat(),
                );
                assert!(desk.content("back") == noise(seed, 50_000), "{name}");
            }
            wget(
                &desk,
                &[mode, &["-O", "back", &url(address, "empty.bin")]].concat(),
            );
            assert_eq!(desk.content("back"), b"");
        }
    }
}

fn wget_resumes_a_download(program: &Program) {
    let server = both(program);
    let content = noise(1, 500_000);
    server.put("f.bin", &content);
    for &address in server.addresses() {
        for mode in ["--passive-ftp", "--no-passive-ftp"] {
            let desk = Desk::new();
            desk.put("f.bin", &content[..123_456]);
            wget(&desk, &[mode, "-c", &url(address, "f.bin")]);
            assert!(desk.content("f.bin") == content);
            wget(&desk, &[mode, "-c", &url(address, "f.bin")]);
            assert!(desk.content("f.bin") == content);
        }
    }
}

fn wget_matches_patterns(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    for name in ["a1.txt", "a2.txt", "b.txt", "a3.bin"] {
        server.put(name, name.as_bytes());
    }
    wget(&desk, &[&(url(server.address(), "") + "a*.txt")]);
    let mut found: Vec<_> = tree(&desk.path()).into_keys().collect();
    found.sort();
    assert_eq!(found, ["a1.txt", "a2.txt"].map(std::path::PathBuf::from));
    assert_eq!(desk.content("a2.txt"), b"a2.txt");
}

fn wget_fetches_a_tree(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    fs::create_dir(server.home().join("tree")).expect("a directory");
    grow(&server.home().join("tree"));
    let options = "-q -r -l 0 -nH --cut-dirs=1 --restrict-file-names=nocontrol";
    let mut arguments: Vec<&str> = options.split(' ').collect();
    let root = url(server.address(), "tree/");
    arguments.push(&root);
    wget(&desk, &arguments);
    // wget shortens the names that are as long as can be, so they are left out.
    let [expected, found] = [server.home().join("tree"), desk.path()].map(|root| {
        let mut tree = tree(&root);
        tree.retain(|path, _| path.as_os_str().len() < 230);
        tree
    });
    assert_same_trees(&expected, &found);
}

fn wget_lists(program: &Program) {
    let server = both(program);
    for name in names() {
        server.put(&name, b"hello");
    }
    for &address in server.addresses() {
        let desk = Desk::new();
        wget(
            &desk,
            &["--no-remove-listing", "-O", "index.html", &url(address, "")],
        );
        let list = String::from_utf8(desk.content(".listing")).expect("text");
        let page = String::from_utf8(desk.content("index.html")).expect("text");
        for name in names() {
            assert!(
                list.contains(&format!(" {name}\r\n")),
                "{name} is not in {list}"
            );
        }
        assert!(page.contains("plain.txt</a>  (5 bytes)"), "{page}");
    }
}

fn wget_uses_timestamps(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    server.put("f.bin", b"hello");
    wget(&desk, &["-N", &url(server.address(), "f.bin")]);
    let before = server.whole_log().matches("RETR").count();
    wget(&desk, &["-N", &url(server.address(), "f.bin")]);
    assert_eq!(
        server.whole_log().matches("RETR").count(),
        before,
        "it was fetched again"
    );
    assert_eq!(desk.content("f.bin"), b"hello");
}

/// wget resumes in TLS 1.3 only if a ticket has come within 50 ms, before it says anything.
fn wget_fetches_over_tls(program: &Program) {
    let server = secure(program, "if-offered");
    let desk = Desk::new();
    let content = noise(1, 3_000_000);
    server.put("f.bin", &content);
    server.put("empty.bin", b"");
    for way in ways(&server) {
        let priority = format!("--ciphers=NORMAL:-VERS-ALL:+VERS-TLS{}", way.version);
        let authority = format!("--ca-certificate={}", authority(&server));
        let begin = if way.implicit {
            &["--ftps-implicit"][..]
        } else {
            &[]
        };
        for mode in ["--passive-ftp", "--no-passive-ftp"] {
            let talk = |arguments: &[&str]| {
                wget(
                    &desk,
                    &[begin, &[mode, &priority, &authority], arguments].concat(),
                );
            };
            let url = |name| url(way.address, name).replacen("ftp", "ftps", 1);
            desk.put("f.bin", &content[..1_234_567]);
            talk(&["-c", &url("f.bin")]);
            assert!(desk.content("f.bin") == content);
            talk(&["-O", "back", &url("empty.bin")]);
            assert_eq!(desk.content("back"), b"");
        }
    }
    assert_eq!(protected(&server, "1.2", false), 0);
    for version in VERSIONS {
        assert!(protected(&server, version, true) > 0, "{version}");
    }
}
