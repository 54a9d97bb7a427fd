//! ncftp, with ncftpget, ncftpput and ncftpls. They know IPv4 only.

use std::fs;

use super::{Desk, assert_same, grow, names, noise};
use crate::{Program, Server, cases};

cases! { "clients";
    ncftp_moves_a_tree_there_and_back("ncftpput", "ncftpget"),
    ncftp_moves_odd_names("ncftpput", "ncftpget"),
    ncftp_resumes("ncftpput", "ncftpget"),
    ncftp_appends("ncftpput"),
    ncftp_lists("ncftpls"),
    ncftp_obeys_a_script("ncftp"),
}

/// Passive and active.
const MODES: [&str; 2] = ["-F", "-E"];

fn ncftp(desk: &Desk, server: &Server, program: &str, options: &[&str], rest: &[&str]) -> String {
    let port = server.address().port().to_string();
    let account = [
        "-u", "user", "-p", "12345", "-P", &port, "-t", "20", "-r", "1", "-V",
    ];
    // ncftpls has no progress meter to silence.
    let account = if program == "ncftpls" {
        &account[..10]
    } else {
        &account[..]
    };
    desk.run(program, &[account, options, &["127.0.0.1"], rest].concat())
}

fn ncftp_moves_a_tree_there_and_back(program: &Program) {
    let server = program.serve();
    for mode in MODES {
        let desk = Desk::new();
        fs::create_dir(desk.path().join("tree")).expect("a directory");
        fs::create_dir(desk.path().join("back")).expect("a directory");
        grow(&desk.path().join("tree"));
        // ncftp ends its walk, silently, at a name that is as long as can be.
        for name in names().iter().filter(|name| name.len() == 255) {
            desk.remove(&format!("tree/{name}"));
        }
        let target = format!("/up{mode}");
        fs::create_dir(server.home().join(&target[1..])).expect("a directory");
        ncftp(
            &desk,
            &server,
            "ncftpput",
            &[mode, "-R"],
            &[&target, "tree"],
        );
        assert_same(
            &desk.path().join("tree"),
            &server.home().join(&target[1..]).join("tree"),
        );
        ncftp(
            &desk,
            &server,
            "ncftpget",
            &[mode, "-R"],
            &["back", &format!("{target}/tree")],
        );
        assert_same(&desk.path().join("tree"), &desk.path().join("back/tree"));
    }
}

fn ncftp_moves_odd_names(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    for mode in MODES {
        for (seed, name) in (1..).zip(names()) {
            desk.put(&name, &noise(seed, 20_000));
            ncftp(
                &desk,
                &server,
                "ncftpput",
                &[mode, "-C"],
                &[&format!("./{name}"), &name],
            );
            assert!(server.content(&name) == noise(seed, 20_000), "{name}");
            ncftp(
                &desk,
                &server,
                "ncftpget",
                &[mode, "-C"],
                &[&name, "back.bin"],
            );
            assert!(desk.content("back.bin") == noise(seed, 20_000), "{name}");
            desk.remove("back.bin");
        }
    }
}

fn ncftp_resumes(program: &Program) {
    let server = program.serve();
    let content = noise(1, 500_000);
    for mode in MODES {
        let desk = Desk::new();
        desk.put("f.bin", &content);
        server.put("f.bin", &content[..123_456]);
        // Without -s ncftp uses sendfile, and sends from the beginning what is to be resumed.
        ncftp(
            &desk,
            &server,
            "ncftpput",
            &[mode, "-z", "-s"],
            &["/", "f.bin"],
        );
        assert!(server.content("f.bin") == content);
        desk.put("f.bin", &content[..77_777]);
        ncftp(&desk, &server, "ncftpget", &[mode, "-z"], &[".", "/f.bin"]);
        assert!(desk.content("f.bin") == content);
    }
}

fn ncftp_appends(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    desk.put("f.bin", b"hello");
    for count in 1..=3 {
        ncftp(&desk, &server, "ncftpput", &["-A"], &["/", "f.bin"]);
        assert_eq!(server.content("f.bin"), b"hello".repeat(count));
    }
}

fn ncftp_lists(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    fs::create_dir(server.home().join("빈 폴더")).expect("a directory");
    for name in names() {
        server.put(&name, b"hello");
    }
    let port = server.address().port();
    for mode in MODES {
        for form in ["-1", "-l"] {
            let url = format!("ftp://user:12345@127.0.0.1:{port}/");
            let list = desk.run("ncftpls", &["-t", "20", "-r", "1", mode, form, &url]);
            for name in names().iter().map(String::as_str).chain(["빈 폴더"]) {
                assert!(list.contains(name), "{form}: {name} is not in {list}");
            }
        }
    }
}

fn ncftp_obeys_a_script(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    desk.put("f.bin", &noise(1, 30_000));
    let port = server.address().port();
    let script = format!(
        "open -u user -p 12345 -P {port} 127.0.0.1\nmkdir one\ncd one\nput f.bin\n\
         rename f.bin g.bin\nls -l\nget -z g.bin back.bin\nchmod 600 g.bin\n\
         cd ..\nmkdir two\nrmdir two\nquit\n"
    );
    let said = desk.feed("ncftp", &[], &script);
    assert!(server.content("one/g.bin") == noise(1, 30_000), "{said}");
    assert!(desk.content("back.bin") == noise(1, 30_000), "{said}");
    assert!(!server.has("two"), "{said}");
}
