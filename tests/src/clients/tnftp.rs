//! tnftp, the client of the BSDs and of macOS, fed with a script.

use super::{Desk, both, names, noise, opening};
use crate::{Program, cases};

cases! { "clients";
    tnftp_uploads_and_downloads_in_every_mode("tnftp"),
    tnftp_resumes_and_appends("tnftp"),
    tnftp_lists_and_manages("tnftp"),
    tnftp_moves_many("tnftp"),
    tnftp_fetches_and_stores_urls("tnftp"),
}

/// Passive, and active.
const MODES: [&str; 2] = ["-p", "-A"];

fn tnftp_uploads_and_downloads_in_every_mode(program: &Program) {
    let server = both(program);
    let desk = Desk::new();
    for &address in server.addresses() {
        for (seed, mode) in (1..).zip(MODES) {
            for name in names() {
                desk.put(&name, &noise(seed, 20_000));
                let script = opening(address)
                    + &format!("put \"./{name}\" \"{name}\"\nget \"{name}\" back.bin\nbye\n");
                let said = desk.feed("tnftp", &["-inv", mode], &script);
                assert!(server.has(&name), "{said}");
                assert!(server.content(&name) == noise(seed, 20_000), "{said}");
                assert!(desk.content("back.bin") == noise(seed, 20_000), "{said}");
                desk.remove("back.bin");
            }
            desk.put("empty.bin", b"");
            let script = opening(address) + "put empty.bin\nget empty.bin back.bin\nbye\n";
            let said = desk.feed("tnftp", &["-inv", mode], &script);
            assert_eq!(server.content("empty.bin"), b"", "{said}");
            assert_eq!(desk.content("back.bin"), b"", "{said}");
        }
    }
}

fn tnftp_resumes_and_appends(program: &Program) {
    let server = both(program);
    let content = noise(1, 500_000);
    for &address in server.addresses() {
        for mode in MODES {
            let desk = Desk::new();
            server.put("f.bin", &content);
            desk.put("f.bin", &content[..123_456]);
            let script = opening(address) + "reget f.bin\nbye\n";
            let said = desk.feed("tnftp", &["-inv", mode], &script);
            assert!(desk.content("f.bin") == content, "{said}");
            server.put("f.bin", &content[..100_000]);
            desk.put("f.bin", &content);
            let script = opening(address) + "restart 100000\nput f.bin\nbye\n";
            let said = desk.feed("tnftp", &["-inv", mode], &script);
            assert!(server.content("f.bin") == content, "{said}");
            desk.put("more.bin", b"more");
            let script = opening(address) + "append more.bin f.bin\nbye\n";
            let said = desk.feed("tnftp", &["-inv", mode], &script);
            assert!(
                server.content("f.bin") == [&content, &b"more"[..]].concat(),
                "{said}"
            );
        }
    }
}

fn tnftp_lists_and_manages(program: &Program) {
    let server = both(program);
    for name in names() {
        server.put(&name, b"hello");
    }
    for &address in server.addresses() {
        for mode in MODES {
            let script = opening(address)
                + "features\nsyst\nstatus\nrstatus\nls\nnlist\nmlsd .\nmlst plain.txt\n\
                   mkdir d\ncd d\npwd\ncdup\nrename plain.txt d/moved.txt\nsize d/moved.txt\n\
                   modtime d/moved.txt\nchmod 600 d/moved.txt\nrename d/moved.txt plain.txt\n\
                   rmdir d\nremotehelp\nsite help\nquote noop\nbye\n";
            let said = Desk::new().feed("tnftp", &["-inv", mode], &script);
            for name in names() {
                assert!(said.matches(&name).count() >= 3, "{name}: {said}");
            }
            assert!(!said.lines().any(|line| line.starts_with('5')), "{said}");
            assert!(said.contains("d/moved.txt\t5"), "{said}");
            assert!(server.has("plain.txt") && !server.has("d"), "{said}");
        }
    }
}

fn tnftp_moves_many(program: &Program) {
    let server = both(program);
    for &address in server.addresses() {
        let (desk, other) = (Desk::new(), Desk::new());
        for number in 1..=20 {
            desk.put(&format!("f{number}.bin"), &noise(number, 3_000));
        }
        desk.feed(
            "tnftp",
            &["-inv"],
            &(opening(address) + "mput f*.bin\nbye\n"),
        );
        other.feed(
            "tnftp",
            &["-inv"],
            &(opening(address) + "mget f*.bin\nbye\n"),
        );
        super::assert_same(&desk.path(), &other.path());
        let said = desk.feed(
            "tnftp",
            &["-inv"],
            &(opening(address) + "mdelete f*.bin\nbye\n"),
        );
        assert!(!server.has("f1.bin") && !server.has("f20.bin"), "{said}");
    }
}

fn tnftp_fetches_and_stores_urls(program: &Program) {
    let server = both(program);
    let desk = Desk::new();
    for &address in server.addresses() {
        for (seed, name) in (1..).zip(names()) {
            server.put(&name, &noise(seed, 20_000));
            desk.run("tnftp", &["-o", "back.bin", &super::url(address, &name)]);
            assert!(desk.content("back.bin") == noise(seed, 20_000), "{name}");
        }
        // In the URL of an upload tnftp unescapes nothing, so the name is a plain one.
        let url = super::url(address, "up.bin");
        desk.run("tnftp", &["-u", &url, "back.bin"]);
        assert!(server.content("up.bin") == desk.content("back.bin"));
    }
}
