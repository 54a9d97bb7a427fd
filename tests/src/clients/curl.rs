//! curl.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use super::secure::{VERSIONS, authority, protected, secure, ways};
use super::{
    Desk, SPARSE, TAIL, both, break_off, hollow, names, noise, replaces_nothing_when_it_is_killed,
    sparse, tail, url,
};
use crate::{Config, Program, Server, cases};

cases! { "clients";
    curl_uploads_and_downloads_in_every_mode("curl"),
    curl_lists("curl"),
    curl_asks_for_the_head("curl"),
    curl_resumes_a_download("curl"),
    curl_fetches_ranges("curl"),
    curl_resumes_an_upload("curl"),
    curl_mixes_no_halves_of_two_files("curl"),
    curl_that_is_killed_replaces_nothing("curl"),
    curl_fetches_beyond_4_gib("curl"),
    curl_stores_beyond_4_gib("curl"),
    curl_makes_folders_on_the_way("curl"),
    curl_appends("curl"),
    curl_quotes_commands("curl"),
    curl_stores_what_it_is_piped("curl"),
    curl_fetches_many_in_parallel("curl"),
    curl_converts_lines("curl"),
    curl_is_told_why_not("curl"),
    curl_uploads_and_downloads_over_tls("curl"),
    curl_makes_many_transfers_in_one_login_over_tls("curl"),
    curl_resumes_over_tls("curl"),
    curl_goes_back_to_clear_text("curl"),
    curl_is_refused_without_tls_and_refuses_a_stranger("curl"),
}

fn curl(desk: &Desk, arguments: &[&str]) -> String {
    desk.run("curl", &[&["-sS", "-g", "-m", "60"], arguments].concat())
}

fn curl_uploads_and_downloads_in_every_mode(program: &Program) {
    let server = both(program);
    let desk = Desk::new();
    let modes: [&[&str]; 4] = [
        &[],
        &["-P", "-"],
        &["--disable-epsv"],
        &["-P", "-", "--disable-eprt"],
    ];
    for &address in server.addresses() {
        for (seed, mode) in (1..).zip(modes) {
            for name in names() {
                let content = noise(seed, 50_000);
                desk.put(&name, &content);
                let url = url(address, &name);
                let local = format!("./{name}");
                curl(&desk, &[mode, &["-T", &local, &url]].concat());
                assert!(server.content(&name) == content, "{name}");
                curl(&desk, &[mode, &["-o", "back", &url]].concat());
                assert!(desk.content("back") == content, "{name}");
            }
        }
    }
    desk.put("empty", b"");
    curl(&desk, &["-T", "empty", &url(server.address(), "empty")]);
    assert_eq!(server.content("empty"), b"");
    curl(&desk, &["-o", "back", &url(server.address(), "empty")]);
    assert_eq!(desk.content("back"), b"");
}

fn curl_lists(program: &Program) {
    let server = both(program);
    let desk = Desk::new();
    fs::create_dir(server.home().join("빈 폴더")).expect("a directory");
    for name in names() {
        server.put(&name, b"hello");
    }
    for &address in server.addresses() {
        for mode in [&[][..], &["-P", "-"]] {
            let list = curl(&desk, &[mode, &[&url(address, "")]].concat());
            for name in names() {
                assert!(
                    list.contains(&format!(" {name}\r\n")) || list.contains(&format!(" {name}\n")),
                    "{name} is not in {list}"
                );
            }
            let list = curl(&desk, &[mode, &["-l", &url(address, "")]].concat());
            let mut found: Vec<&str> = list.lines().collect();
            found.sort_unstable();
            let mut expected = names();
            expected.push("빈 폴더".into());
            expected.sort();
            assert_eq!(found, expected);
            let list = curl(&desk, &[mode, &[&url(address, "빈 폴더/")]].concat());
            assert_eq!(list, "");
        }
    }
}

fn curl_asks_for_the_head(program: &Program) {
    let server = program.serve();
    server.put("f.bin", &noise(1, 12_345));
    let head = curl(&Desk::new(), &["-I", &url(server.address(), "f.bin")]);
    for line in [
        "Content-Length: 12345",
        "Accept-ranges: bytes",
        "Last-Modified: ",
    ] {
        assert!(head.contains(line), "{head}");
    }
}

fn curl_resumes_a_download(program: &Program) {
    let server = both(program);
    let content = noise(1, 500_000);
    server.put("f.bin", &content);
    for &address in server.addresses() {
        for mode in [&[][..], &["-P", "-"]] {
            let desk = Desk::new();
            desk.put("f.bin", &content[..123_456]);
            curl(
                &desk,
                &[mode, &["-C", "-", "-O", &url(address, "f.bin")]].concat(),
            );
            assert!(desk.content("f.bin") == content);
            // There is nothing left to fetch.
            curl(
                &desk,
                &[mode, &["-C", "-", "-O", &url(address, "f.bin")]].concat(),
            );
            assert!(desk.content("f.bin") == content);
        }
    }
}

fn curl_fetches_ranges(program: &Program) {
    let server = program.serve();
    let content = noise(1, 3_000_000);
    server.put("f.bin", &content);
    let desk = Desk::new();
    let url = url(server.address(), "f.bin");
    for (range, expected) in [
        ("5-9", &content[5..10]),
        ("100-99999", &content[100..100_000]),
        ("2900000-", &content[2_900_000..]),
        ("-100", &content[2_999_900..]),
    ] {
        curl(&desk, &["-r", range, "-o", "part", &url]);
        assert!(desk.content("part") == expected, "{range}");
    }
    server.still_serves();
}

/// A curl that is slow, so that it can be killed on the way.
fn slow_upload(desk: &Desk, address: SocketAddr) -> Command {
    let mut command = desk.command("curl");
    command
        .args(["-sS", "--limit-rate", "2M", "-T", "f.bin"])
        .arg(url(address, "f.bin"));
    command
}

fn curl_resumes_an_upload(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    let content = noise(1, 20_000_000);
    desk.put("f.bin", &content);
    break_off(&server, |address| slow_upload(&desk, address), 1_000_000);
    assert!(!server.has("f.bin"), "an upload that broke is visible");
    curl(
        &desk,
        &[
            "-v",
            "-C",
            "-",
            "-T",
            "f.bin",
            &url(server.address(), "f.bin"),
        ],
    );
    assert!(server.whole_log().contains("APPE"), "nothing was resumed");
    assert!(server.content("f.bin") == content);
}

/// It asks SIZE, which is that of the old file, and would append the rest of the new one.
fn curl_mixes_no_halves_of_two_files(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    let content = noise(1, 20_000_000);
    let old = noise(2, 7_000_000);
    desk.put("f.bin", &content);
    server.put("f.bin", &old);
    break_off(&server, |address| slow_upload(&desk, address), 8_000_000);
    assert!(server.content("f.bin") == old, "the old file is gone");
    assert!(server.login().fetch("f.bin") == old);
    let url = url(server.address(), "f.bin");
    let again = desk
        .command("curl")
        .args(["-sS", "-C", "-", "-T", "f.bin", &url])
        .output();
    assert!(!again.expect("curl runs").status.success());
    assert!(server.content("f.bin") == old, "halves of two files");
    curl(&desk, &["-T", "f.bin", &url]);
    assert!(server.content("f.bin") == content);
}

fn curl_that_is_killed_replaces_nothing(program: &Program) {
    replaces_nothing_when_it_is_killed(program, slow_upload);
}

fn curl_fetches_beyond_4_gib(program: &Program) {
    let server = program.serve();
    let end = sparse(&server.home().join("big.bin"));
    let desk = Desk::new();
    let url = url(server.address(), "big.bin");
    let from = SPARSE - TAIL as u64;
    let range = format!("{from}-{}", from + 999);
    curl(&desk, &["-r", &range, "-o", "part", &url]);
    assert!(desk.content("part") == end[..1_000]);
    for mode in [&[][..], &["-P", "-"]] {
        hollow(&desk.path().join("big.bin"), from + 5);
        curl(&desk, &[mode, &["-C", "-", "-O", &url]].concat());
        let path = desk.path().join("big.bin");
        assert_eq!(path.metadata().expect("a file").len(), SPARSE);
        assert!(tail(&path, from + 5) == end[5..]);
    }
    let head = curl(&desk, &["-I", &url]);
    assert!(
        head.contains(&format!("Content-Length: {SPARSE}")),
        "{head}"
    );
    let written = curl(&desk, &["-o", "/dev/null", "-w", "%{size_download}", &url]);
    assert_eq!(written, SPARSE.to_string());
}

fn curl_stores_beyond_4_gib(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    let end = sparse(&desk.path().join("big.bin"));
    let from = SPARSE - TAIL as u64 + 5;
    hollow(&server.home().join("big.bin"), from);
    let url = url(server.address(), "big.bin");
    curl(&desk, &["-C", "-", "-T", "big.bin", &url]);
    let path = server.home().join("big.bin");
    assert_eq!(path.metadata().expect("a file").len(), SPARSE);
    assert!(tail(&path, from) == end[5..]);
}

fn curl_makes_folders_on_the_way(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    desk.put("f.bin", b"hello");
    for (method, path) in [
        ("multicwd", "one/두 번째/three/f.bin"),
        ("singlecwd", "four/f.bin"),
        ("multicwd", "one/두 번째/six/f.bin"),
    ] {
        let url = url(server.address(), path);
        let arguments = [
            "--ftp-method",
            method,
            "--ftp-create-dirs",
            "-T",
            "f.bin",
            &url,
        ];
        curl(&desk, &arguments);
        assert_eq!(server.content(path), b"hello");
        for method in ["multicwd", "singlecwd", "nocwd"] {
            curl(&desk, &["--ftp-method", method, "-o", "back", &url]);
            assert_eq!(desk.content("back"), b"hello");
        }
    }
}

fn curl_appends(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    desk.put("f.txt", b"line\n");
    for count in 1..=3 {
        curl(
            &desk,
            &["--append", "-T", "f.txt", &url(server.address(), "f.txt")],
        );
        assert_eq!(server.content("f.txt"), b"line\n".repeat(count));
    }
}

fn curl_quotes_commands(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    server.put("a.txt", b"hello");
    let root = url(server.address(), "");
    curl(
        &desk,
        &[
            "-Q",
            "MKD d",
            "-Q",
            "RNFR a.txt",
            "-Q",
            "RNTO d/b c.txt",
            &root,
        ],
    );
    assert_eq!(server.content("d/b c.txt"), b"hello");
    curl(&desk, &["-Q", "-DELE d/b c.txt", "-Q", "-RMD d", &root]);
    assert!(!server.has("d"));
    curl(
        &desk,
        &[
            "-Q",
            "*DELE nothing",
            "-Q",
            "SITE HELP",
            "-Q",
            "NOOP",
            &root,
        ],
    );
}

fn curl_stores_what_it_is_piped(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    let script = "한글\n".repeat(100_000);
    desk.feed(
        "curl",
        &["-sS", "-T", "-", &url(server.address(), "f.txt")],
        &script,
    );
    assert!(server.content("f.txt") == script.as_bytes());
}

fn curl_fetches_many_in_parallel(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    for number in 1..=40 {
        server.put(&format!("f{number}.bin"), &noise(number, 200_000));
    }
    let url = url(server.address(), "") + "f[1-40].bin";
    desk.run("curl", &["-sS", "-Z", "--parallel-max", "8", "-O", &url]);
    for number in 1..=40 {
        assert!(desk.content(&format!("f{number}.bin")) == noise(number, 200_000));
    }
}

fn curl_converts_lines(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    server.put("f.txt", b"one\ntwo\n\nfour");
    let url = url(server.address(), "f.txt");
    curl(&desk, &["-B", "-o", "f.txt", &url]);
    assert_eq!(desk.content("f.txt"), b"one\ntwo\n\nfour");
    let target = format!("{url}2");
    curl(&desk, &["-B", "-T", "f.txt", &target]);
    assert_eq!(server.content("f.txt2"), b"one\ntwo\n\nfour");
}

fn curl_is_told_why_not(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    let address = server.address();
    let code = |arguments: &[&str]| {
        let mut command = desk.command("curl");
        command.args(["-sS"]).args(arguments);
        desk.finish(command).0.code()
    };
    let missing = url(address, "missing");
    assert_eq!(code(&[&missing]), Some(78), "a file that is not there");
    assert_eq!(code(&[&url(address, "missing/f")]), Some(9), "no folder");
    let wrong = format!("ftp://user:wrong@{address}/");
    assert_eq!(code(&[&wrong]), Some(67), "a wrong password");
    assert_eq!(code(&["-Q", "DELE x", &url(address, "")]), Some(21));
}

/// With TLS on both connections, in that version. Patterns are allowed in URLs.
pub(super) fn curls(desk: &Desk, server: &Server, version: &str, arguments: &[&str]) -> String {
    let version = [&format!("--tlsv{version}"), "--tls-max", version];
    let ours = [
        "-sS",
        "-m",
        "60",
        "--ssl-reqd",
        "--cacert",
        &authority(server),
    ];
    desk.run("curl", &[&ours[..], &version, arguments].concat())
}

/// In passive mode: in active mode curl 7.88 sends clear bytes behind `PROT P`.
fn curl_uploads_and_downloads_over_tls(program: &Program) {
    let server = secure(program, "required");
    let desk = Desk::new();
    let content = noise(1, 30_000_000);
    desk.put("f.bin", &content);
    desk.put("empty", b"");
    for way in ways(&server) {
        let talk = |arguments: &[&str]| curls(&desk, &server, way.version, arguments);
        for (name, content) in [("f.bin", &content[..]), ("empty", b"")] {
            talk(&["-T", name, &way.url("")]);
            assert!(server.content(name) == content, "{name}");
            talk(&["-o", "back", &way.url(name)]);
            assert!(desk.content("back") == content, "{name}");
        }
        let list = talk(&[&way.url("")]);
        assert!(list.contains(" empty") && list.contains(" f.bin"), "{list}");
        fs::remove_file(server.home().join("f.bin")).expect("to remove a file");
    }
    for version in VERSIONS {
        assert_eq!(protected(&server, version, true), 2 * 5, "{version}");
    }
}

/// This curl forgets a TLS 1.3 ticket that it has used, and takes only the newest one from the
/// control connection: it resumes once in a login, and then begins sessions.
fn curl_makes_many_transfers_in_one_login_over_tls(program: &Program) {
    for (version, reuse) in [("1.2", "required"), ("1.3", "if-offered")] {
        let server = secure(program, reuse);
        let desk = Desk::new();
        let content = |number: u32| noise(number, 20_000 * number as usize);
        for number in 1..=10 {
            desk.put(&format!("f{number}.bin"), &content(number));
        }
        let files = url(server.address(), "") + "f[1-10].bin";
        let root = url(server.address(), "");
        curls(&desk, &server, version, &["-T", "f[1-10].bin", &root]);
        curls(&desk, &server, version, &["-o", "back-#1", &files]);
        for number in 1..=10 {
            assert!(server.content(&format!("f{number}.bin")) == content(number));
            assert!(desk.content(&format!("back-{number}")) == content(number));
        }
        assert_eq!(server.log().matches(" logged in ").count(), 2);
        assert!(protected(&server, version, true) >= 2);
    }
}

fn curl_resumes_over_tls(program: &Program) {
    for version in VERSIONS {
        let server = secure(program, "required");
        let desk = Desk::new();
        let content = noise(1, 40_000_000);
        desk.put("f.bin", &content);
        let slow = |address| {
            let mut command = slow_upload(&desk, address);
            command.args(["--ssl-reqd", "--cacert", &authority(&server)]);
            command
        };
        break_off(&server, slow, 1_000_000);
        assert!(!server.has("f.bin"), "an upload that broke is visible");
        let url = url(server.address(), "f.bin");
        curls(&desk, &server, version, &["-C", "-", "-T", "f.bin", &url]);
        assert!(server.whole_log().contains("APPE"), "nothing was resumed");
        assert!(server.content("f.bin") == content);
        desk.put("f.bin", &content[..12_345_678]);
        curls(&desk, &server, version, &["-C", "-", "-O", &url]);
        assert!(desk.content("f.bin") == content);
    }
}

fn curl_goes_back_to_clear_text(program: &Program) {
    let server = program.start(Config::default().tls("ccc = true"));
    let desk = Desk::new();
    desk.put("f.bin", &noise(1, 100_000));
    for version in VERSIONS {
        for mode in ["active", "passive"] {
            let url = url(server.address(), "f.bin");
            let words = [
                "--ftp-ssl-ccc",
                "--ftp-ssl-ccc-mode",
                mode,
                "-T",
                "f.bin",
                &url,
            ];
            curls(&desk, &server, version, &words);
            assert!(server.content("f.bin") == noise(1, 100_000));
            server.login().command("DELE f.bin", 250);
        }
    }
}

fn curl_is_refused_without_tls_and_refuses_a_stranger(program: &Program) {
    let server = secure(program, "if-offered");
    server.put("f.bin", b"hello");
    let desk = Desk::new();
    let url = url(server.address(), "f.bin");
    let authority = authority(&server);
    let code = |arguments: &[&str]| {
        let mut command = desk.command("curl");
        command.args(["-sS", "-m", "60"]).args(arguments).arg(&url);
        desk.finish(command).0.code()
    };
    assert_eq!(code(&[]), Some(67), "a login in clear");
    assert_eq!(code(&["--ssl-reqd"]), Some(60), "a stranger's certificate");
    assert_eq!(code(&["--ssl-reqd", "--cacert", &authority]), Some(0));
}
