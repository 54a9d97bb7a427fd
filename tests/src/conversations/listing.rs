//! LIST, NLST, MLSD, MLST and STAT on a real directory.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::server::Config;
use crate::{Program, Server, cases};

cases! { "listing";
    lists_in_the_unix_form,
    lists_in_the_msdos_form,
    names_what_can_be_fetched,
    matches_patterns,
    takes_options_and_paths_with_spaces,
    sorts_by_time_and_size,
    lists_a_tree,
    hides_dot_files_unless_asked,
    gives_facts,
    lists_over_the_control_connection,
    lists_names_without_forging_lines,
    lists_many_files,
    shows_links_within_the_tree_only,
    sorts_by_name_but_never_facts,
    tells_of_links_as_what_they_lead_to_unless_told_otherwise,
    lists_with_options_over_the_control_connection,
}

fn furnish(server: &Server) {
    server.put("a.txt", b"hello");
    server.put("b c.txt", b"hello world");
    server.put(".hidden", b"x");
    fs::create_dir_all(server.home().join("sub/deep")).expect("directories");
    server.put("sub/x.bin", b"xx");
    server.put("sub/deep/y.bin", b"y");
}

/// The last words of the lines, sorted.
fn names(lines: &[String]) -> Vec<&str> {
    let mut names: Vec<&str> = lines.iter().map(String::as_str).collect();
    names.sort_unstable();
    names
}

fn lists_in_the_unix_form(program: &Program) {
    let server = program.serve();
    furnish(&server);
    let lines = server.login().lines("LIST");
    assert_eq!(lines.len(), 3, "{lines:?}");
    let line = lines
        .iter()
        .find(|line| line.ends_with(" a.txt"))
        .expect("a line");
    assert!(line.starts_with("-rw-r--r--   1 "), "{line}");
    assert_eq!(line.split_whitespace().nth(4), Some("5"));
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with('d') && line.ends_with(" sub"))
    );
    assert!(lines.iter().any(|line| line.ends_with(" b c.txt")));
}

fn lists_in_the_msdos_form(program: &Program) {
    let server = program.start(Config::default().top("listing = \"msdos\""));
    furnish(&server);
    let mut client = server.login();
    assert_eq!(client.command("SYST", 215), "215 Windows_NT\r\n");
    client.command("MFMT 20180502090105 a.txt", 213);
    let lines = client.lines("LIST a.txt");
    assert_eq!(lines, ["05-02-18  09:01AM              5 a.txt"]);
    let lines = client.lines("LIST");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("<DIR>") && line.ends_with(" sub")),
        "{lines:?}"
    );
}

fn names_what_can_be_fetched(program: &Program) {
    let server = program.serve();
    furnish(&server);
    let mut client = server.login();
    assert_eq!(names(&client.lines("NLST")), ["a.txt", "b c.txt", "sub"]);
    assert_eq!(names(&client.lines("NLST sub")), ["sub/deep", "sub/x.bin"]);
    assert_eq!(
        names(&client.lines("NLST /sub/")),
        ["/sub/deep", "/sub/x.bin"]
    );
    assert_eq!(client.lines("NLST sub/x.bin"), ["sub/x.bin"]);
    assert_eq!(client.fetch("sub/x.bin"), b"xx");
    client.command("CWD sub", 250);
    assert_eq!(
        names(&client.lines("NLST ..")),
        ["../a.txt", "../b c.txt", "../sub"]
    );
}

fn matches_patterns(program: &Program) {
    let server = program.serve();
    furnish(&server);
    server.put("[x].txt", b"literal");
    let mut client = server.login();
    assert_eq!(
        names(&client.lines("NLST *.txt")),
        ["[x].txt", "a.txt", "b c.txt"]
    );
    assert_eq!(client.lines("NLST sub/?.bin"), ["sub/x.bin"]);
    assert_eq!(client.lines("NLST [a-b].txt"), ["a.txt"]);
    assert_eq!(client.lines("NLST [x].txt"), ["[x].txt"]);
    assert_eq!(client.lines("NLST *.none"), Vec::<String>::new());
    assert_eq!(client.lines("LIST a*").len(), 1);
    client.data();
    client.command("LIST */x*", 550);
}

fn takes_options_and_paths_with_spaces(program: &Program) {
    let server = program.serve();
    furnish(&server);
    fs::create_dir(server.home().join("sp ace")).expect("a directory");
    server.put("sp ace/in", b"x");
    let mut client = server.login();
    assert_eq!(client.lines("LIST -al sp ace").len(), 1);
    assert!(client.lines("LIST b c.txt")[0].ends_with(" b c.txt"));
    assert_eq!(client.lines("NLST -a").len(), 5);
    assert!(client.lines("NLST -la").iter().all(|line| line.len() > 40));
    assert_eq!(client.lines("LIST -d sub").len(), 1);
    assert!(
        client
            .lines("LIST -F")
            .iter()
            .any(|line| line.ends_with(" sub/"))
    );
    assert_eq!(names(&client.lines("LIST -1"))[0], "a.txt");
}

fn sorts_by_time_and_size(program: &Program) {
    let server = program.serve();
    let mut client = server.login();
    for (name, size, year) in [("a", 3, 2001), ("b", 1, 2003), ("c", 2, 2002)] {
        server.put(name, &vec![0; size]);
        client.command(&format!("MFMT {year}0101000000 {name}"), 213);
    }
    assert_eq!(client.lines("NLST -t"), ["b", "c", "a"]);
    assert_eq!(client.lines("NLST -tr"), ["a", "c", "b"]);
    assert_eq!(client.lines("NLST -S"), ["a", "c", "b"]);
    assert_eq!(client.lines("NLST -r"), ["c", "b", "a"]);
}

fn lists_a_tree(program: &Program) {
    let server = program.serve();
    furnish(&server);
    std::os::unix::fs::symlink("..", server.home().join("sub/loop")).expect("a link");
    let mut client = server.login();
    let lines = client.lines("NLST -R");
    for line in ["a.txt", "sub", "./sub:", "x.bin", "./sub/deep:", "y.bin"] {
        assert!(
            lines.iter().any(|other| other == line),
            "{line} in {lines:?}"
        );
    }
    assert!(!lines.iter().any(|line| line.contains("loop:")));
}

fn hides_dot_files_unless_asked(program: &Program) {
    let server = program.serve();
    furnish(&server);
    let mut client = server.login();
    assert!(!client.lines("NLST").contains(&".hidden".into()));
    assert!(client.lines("NLST -a").contains(&".hidden".into()));
    assert!(
        client
            .lines("MLSD")
            .iter()
            .any(|line| line.ends_with(" .hidden"))
    );
    let server = program.start(Config::default().top("dot-files = true"));
    furnish(&server);
    assert!(server.login().lines("NLST").contains(&".hidden".into()));
}

fn gives_facts(program: &Program) {
    let server = program.serve();
    furnish(&server);
    let mut client = server.login();
    client.command("MFMT 20010203040506 a.txt", 213);
    assert_eq!(client.command("MDTM a.txt", 213), "213 20010203040506\r\n");
    client.command("SITE CHMOD 640 a.txt", 200);
    let lines = client.lines("MLSD");
    let line = lines
        .iter()
        .find(|line| line.ends_with("; a.txt"))
        .expect("a line");
    for fact in [
        "type=file;",
        "size=5;",
        "modify=20010203040506;",
        "perm=adfrw;",
        "UNIX.mode=0640;",
        "unique=",
    ] {
        assert!(line.contains(fact), "{fact} in {line}");
    }
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("type=dir;") && line.ends_with("; sub"))
    );
    assert_eq!(
        client.command("OPTS MLST size;type;", 200),
        "200 MLST OPTS type;size;\r\n"
    );
    let text = client.command("MLST a.txt", 250);
    assert!(text.contains("\r\n type=file;size=5; /a.txt\r\n"), "{text}");
    client.command("MLST missing", 550);
}

fn lists_over_the_control_connection(program: &Program) {
    let server = program.serve();
    for number in 0..2_000 {
        server.put(&format!("file-{number:05}"), b"");
    }
    let mut client = server.login();
    let text = client.command("STAT /", 212);
    assert_eq!(
        text.lines().filter(|line| line.contains(" file-")).count(),
        2_000
    );
    let text = client.command("STAT file-00007", 213);
    assert_eq!(text.lines().count(), 3, "{text}");
    client.command("STAT missing", 550);
    client.command("NOOP", 200);
}

fn lists_names_without_forging_lines(program: &Program) {
    let server = program.serve();
    for name in [
        &b"a\nb"[..],
        b"c\rd",
        b"e\x1b[2Jf",
        b"\xff\xfe",
        b" leading",
        b"trailing.",
        b"-la",
        b"~",
        b"CON",
        "\u{d55c}\u{ae00}".as_bytes(),
        &[b'n'; 255],
    ] {
        fs::write(server.home().join(std::ffi::OsStr::from_bytes(name)), b"x").expect("a file");
    }
    let mut client = server.login();
    for line in ["LIST", "NLST", "MLSD"] {
        let bytes = client.get(line);
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        // The last line ends too.
        assert_eq!(lines.len(), 12, "{line}");
        assert!(
            lines[..11]
                .iter()
                .all(|line| line.ends_with(b"\r") && !line[..line.len() - 1].contains(&b'\r'))
        );
    }
    for name in [
        "trailing.",
        "-la",
        "~",
        "CON",
        " leading",
        "\u{d55c}\u{ae00}",
    ] {
        assert_eq!(client.fetch(name), b"x", "{name}");
    }
}

fn lists_many_files(program: &Program) {
    let server = program.serve();
    for number in 0..20_000 {
        server.put(&format!("{number}"), b"");
    }
    let mut client = server.login();
    for line in ["NLST", "NLST -t"] {
        let lines = client.lines(line);
        assert_eq!(lines.len(), 20_000);
        assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), 20_000);
    }
}

fn shows_links_within_the_tree_only(program: &Program) {
    let server = program.serve();
    furnish(&server);
    for (target, name) in [
        ("/etc", "out"),
        ("../../../etc/passwd", "up"),
        ("sub/x.bin", "in"),
    ] {
        std::os::unix::fs::symlink(target, server.home().join(name)).expect("a link");
    }
    let mut client = server.login();
    let lines = client.lines("LIST");
    assert!(
        lines.iter().any(|line| line.ends_with(" in -> sub/x.bin")),
        "{lines:?}"
    );
    assert!(!lines.iter().any(|line| line.contains("etc")), "{lines:?}");
    assert_eq!(client.fetch("in"), b"xx");
    let _data = client.data();
    client.command("RETR out/passwd", 550);
    client.command("RETR up", 550);
    client.command("CWD out", 550);
}

fn sorts_by_name_but_never_facts(program: &Program) {
    let server = program.serve();
    for number in (0..300).rev() {
        server.put(&format!("{:03}.txt", number * 7 % 300), b"");
    }
    let mut client = server.login();
    let lines = client.lines("NLST");
    assert_eq!(lines.len(), 300);
    assert!(lines.is_sorted(), "{lines:?}");
    let lines = client.lines("LIST");
    let names: Vec<_> = lines.iter().map(|line| &line[line.len() - 7..]).collect();
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(client.lines("MLSD").len(), 300);
}

fn tells_of_links_as_what_they_lead_to_unless_told_otherwise(program: &Program) {
    for (setting, expected) in [
        ("", "type=file;size=5;"),
        ("listed-links = \"link\"", "type=OS.unix=slink:a.txt;"),
    ] {
        let server = program.start(Config::default().top(setting));
        server.put("a.txt", b"hello");
        std::os::unix::fs::symlink("a.txt", server.home().join("l")).expect("a link");
        std::os::unix::fs::symlink("/etc/passwd", server.home().join("out")).expect("a link");
        let lines = server.login().lines("MLSD");
        let line = |name: &str| {
            let line = lines.iter().find(|line| line.ends_with(name));
            line.expect("a line").clone()
        };
        assert!(line(" l").starts_with(expected), "{lines:?}");
        assert!(line(" out").starts_with("type=OS.unix=slink;"), "{lines:?}");
    }
}

fn lists_with_options_over_the_control_connection(program: &Program) {
    let server = program.serve();
    furnish(&server);
    let mut client = server.login();
    assert!(client.command("STAT -la", 212).contains(" .hidden\r\n"));
    let said = client.command("STAT *.txt", 212);
    assert!(
        said.contains(" a.txt\r\n") && !said.contains(" sub\r\n"),
        "{said}"
    );
    assert!(client.command("STAT -l a.txt", 213).contains(" a.txt\r\n"));
    client.command("STAT none", 550);
}
