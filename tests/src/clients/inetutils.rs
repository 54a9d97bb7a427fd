//! inetutils-ftp, the client of GNU, fed with a script.

use super::{Desk, both, names, noise, opening};
use crate::{Program, cases};

cases! { "clients";
    inetutils_uploads_and_downloads_in_every_mode("inetutils-ftp"),
    inetutils_resumes_and_appends("inetutils-ftp"),
    inetutils_lists_and_manages("inetutils-ftp"),
    inetutils_moves_many("inetutils-ftp"),
}

/// Active, and passive.
const MODES: [&str; 2] = ["-inv", "-inpv"];

fn inetutils_uploads_and_downloads_in_every_mode(program: &Program) {
    let server = both(program);
    let desk = Desk::new();
    for &address in server.addresses() {
        for (seed, mode) in (1..).zip(MODES) {
            for name in names() {
                desk.put(&name, &noise(seed, 20_000));
                let script = opening(address)
                    + &format!("put \"./{name}\" \"{name}\"\nget \"{name}\" back.bin\nbye\n");
                let said = desk.feed("inetutils-ftp", &[mode], &script);
                assert!(server.has(&name), "{said}");
                assert!(server.content(&name) == noise(seed, 20_000), "{said}");
                assert!(desk.content("back.bin") == noise(seed, 20_000), "{said}");
                desk.remove("back.bin");
            }
        }
    }
}

fn inetutils_resumes_and_appends(program: &Program) {
    let server = both(program);
    let content = noise(1, 500_000);
    for &address in server.addresses() {
        for mode in MODES {
            let desk = Desk::new();
            server.put("f.bin", &content);
            desk.put("f.bin", &content[..123_456]);
            desk.put("more.bin", b"more");
            let script = opening(address) + "reget f.bin\nappend more.bin f.bin\nbye\n";
            let said = desk.feed("inetutils-ftp", &[mode], &script);
            assert!(desk.content("f.bin") == content, "{said}");
            assert!(
                server.content("f.bin") == [&content, &b"more"[..]].concat(),
                "{said}"
            );
        }
    }
}

fn inetutils_lists_and_manages(program: &Program) {
    let server = both(program);
    for name in names() {
        server.put(&name, b"hello");
    }
    for &address in server.addresses() {
        for mode in MODES {
            let script = opening(address)
                + "system\nstatus\nrstatus\nls\nnlist\nmkdir d\ncd d\npwd\ncdup\n\
                   rename plain.txt d/moved.txt\nsize d/moved.txt\nmodtime d/moved.txt\n\
                   chmod 600 d/moved.txt\nrename d/moved.txt plain.txt\nrmdir d\nrhelp\n\
                   quote noop\nbye\n";
            let said = Desk::new().feed("inetutils-ftp", &[mode], &script);
            for name in names() {
                assert!(said.matches(&name).count() >= 2, "{name}: {said}");
            }
            assert!(!said.lines().any(|line| line.starts_with('5')), "{said}");
            assert!(server.has("plain.txt") && !server.has("d"), "{said}");
        }
    }
}

fn inetutils_moves_many(program: &Program) {
    let server = both(program);
    for &address in server.addresses() {
        let (desk, other) = (Desk::new(), Desk::new());
        for number in 1..=20 {
            desk.put(&format!("f{number}.bin"), &noise(number, 3_000));
        }
        let feed = |desk: &Desk, command: &str| {
            desk.feed(
                "inetutils-ftp",
                &["-inpv"],
                &format!("{}{command}\nbye\n", opening(address)),
            )
        };
        feed(&desk, "mput f*.bin");
        feed(&other, "mget f*.bin");
        super::assert_same(&desk.path(), &other.path());
        let said = feed(&desk, "mdelete f*.bin");
        assert!(!server.has("f1.bin") && !server.has("f20.bin"), "{said}");
    }
}
