//! LIST, NLST, MLSD: options, patterns, prefixes, and lines to the byte.

use wharf_core::listing::{Clock, FactSet, Form, ListOptions, Listing, Step};
use wharf_core::{Capabilities, Entry, Kind, Metadata, Rights, Style, Timestamp, VPath};

use crate::common::peer::CLOCK;
use crate::common::{Peer, Scene, logged_in, passive};

/// A listing command, from its request to the data connection.
fn listing(scene: &Scene, command: &str, requests: &str, lines: &str) -> Peer {
    scene.logged_in(&format!(
        "C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227
         C: {command}
         {requests}
         E: opened
         A: accept 127.0.0.1
         E: ok
         S: 150 Opening data connection.
         A: list
         {lines}
         E: moved 100 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226 Transfer complete."
    ))
}

/// A listing of that directory, whose entries are still to come.
fn begun(command: &str, path: &str) -> Peer {
    logged_in(&format!(
        "C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227
         C: {command}
         A: stat {path}
         E: dir
         A: open {path} entries
         E: opened
         A: accept 127.0.0.1
         E: ok
         S: 150
         A: list"
    ))
}

fn list(command: &str, requests: &str, lines: &str) {
    listing(&Scene::new(), command, requests, lines);
}

#[test]
fn list_prints_the_lines_of_ls() {
    list(
        "LIST",
        "A: open / entries",
        "D: file a 226752
         D: dir d
         D: link l -> d/x
         D: link broken
         D: other socket
         D: file .hidden 5
         D: end
         L: -rw-r--r--   1 ftp      ftp             226752 May  2 09:01 a
         L: drwxr-xr-x   1 ftp      ftp                  0 May  2 09:01 d
         L: lrwxrwxrwx   1 ftp      ftp                  0 May  2 09:01 l -> d/x
         L: lrwxrwxrwx   1 ftp      ftp                  0 May  2 09:01 broken
         L: srw-r--r--   1 ftp      ftp                  0 May  2 09:01 socket",
    );
}

#[test]
fn list_prints_the_lines_of_dir() {
    let scene = Scene::new().config(|config| config.style = Style::MsDos);
    listing(
        &scene,
        "LIST",
        "A: open / entries",
        "D: file name 226752
         D: dir d
         D: end
         L: 05-02-18  09:01AM         226752 name
         L: 05-02-18  09:01AM       <DIR>    d",
    );
}

#[test]
fn forbidden_names_are_not_listed() {
    let scene = Scene::new().forbidden(["*.php", ".ssh"]);
    for (command, requests) in [
        ("LIST -a", "A: open / entries"),
        ("NLST -a", "A: open / entries"),
        ("MLSD", "A: open / entries"),
        ("NLST *", "A: stat /*\nE: NotFound\nA: open / entries"),
    ] {
        let entries = "D: dir .ssh\nD: dir .SSH\nD: file x.PHP 1\nD: file .php 1\nD: end";
        listing(&scene, command, requests, entries);
    }
}

#[test]
fn nothing_to_list_is_no_error() {
    for command in ["LIST", "NLST", "MLSD"] {
        list(command, "A: open / entries", "D: end");
    }
}

#[test]
fn nlst_prints_names_that_can_be_given_back() {
    list(
        "NLST",
        "A: open / entries",
        "D: file a b 1
         D: dir d
         D: end
         L: a b
         L: d",
    );
    for (argument, prefix) in [("d", "d/"), ("d/", "d/"), ("/d", "/d/"), ("./d", "./d/")] {
        list(
            &format!("NLST {argument}"),
            "A: stat /d
             E: dir
             A: open /d entries",
            &format!(
                "D: file a 1
                 D: end
                 L: {prefix}a"
            ),
        );
    }
    list(
        "NLST /",
        "A: stat /
         E: dir
         A: open / entries",
        "D: file a 1
         D: end
         L: /a",
    );
    list(
        "NLST d/f",
        "A: stat /d/f
         E: file 5
         A: open /d/f itself",
        "D: file f 5
         D: end
         L: d/f",
    );
}

#[test]
fn nlst_with_l_and_list_with_1_change_places() {
    list(
        "NLST -l",
        "A: open / entries",
        "D: file a 1
         D: end
         L: -rw-r--r--   1 ftp      ftp                  1 May  2 09:01 a",
    );
    list(
        "LIST -1",
        "A: open / entries",
        "D: file a 1
         D: end
         L: a",
    );
    list(
        "LIST -1l",
        "A: open / entries",
        "D: file a 1
         D: end
         L: -rw-r--r--   1 ftp      ftp                  1 May  2 09:01 a",
    );
}

#[test]
fn hidden_names_are_shown_on_demand() {
    for option in ["-a", "-la", "-A", "-l -a"] {
        list(
            &format!("LIST {option}"),
            "A: open / entries",
            "D: file .hidden 1
             D: end
             L: -rw-r--r--   1 ftp      ftp                  1 May  2 09:01 .hidden",
        );
    }
    let scene = Scene::new().config(|config| config.dot_files = true);
    listing(
        &scene,
        "NLST",
        "A: open / entries",
        "D: file .hidden 1
         D: end
         L: .hidden",
    );
    list(
        "NLST .hidden",
        "A: stat /.hidden
         E: file 1
         A: open /.hidden itself",
        "D: file .hidden 1
         D: end
         L: .hidden",
    );
}

#[test]
fn d_shows_the_directory_itself() {
    list(
        "LIST -d d",
        "A: stat /d
         E: dir
         A: open /d itself",
        "D: dir d
         D: end
         L: drwxr-xr-x   1 ftp      ftp                  0 May  2 09:01 d",
    );
}

/// The root has no name of its own; what no client could give back is left out.
#[test]
fn the_root_itself_is_listed_as_a_dot() {
    for (command, line) in [
        (
            "LIST -d /",
            "drwxr-xr-x   1 ftp      ftp                  0 May  2 09:01 .",
        ),
        ("NLST -d /", "/."),
    ] {
        list(
            command,
            "A: stat /
             E: dir
             A: open / itself",
            &format!(
                "D: dir /
                 D: dir .
                 D: end
                 L: {line}"
            ),
        );
    }
}

#[test]
fn f_marks_what_a_name_is() {
    list(
        "NLST -F",
        "A: open / entries",
        "D: file a 1
         D: dir d
         D: link l -> d
         D: end
         L: a
         L: d/
         L: l@",
    );
}

#[test]
fn what_is_asked_for_in_an_order_comes_in_that_order() {
    let entries = "D: file b 1\nD: file a 3\nD: file c 2\nD: end";
    for (option, order) in [
        ("-r", ["c", "b", "a"]),
        ("-S", ["a", "c", "b"]),
        ("-Sr", ["b", "c", "a"]),
        // All are of one time, so the names decide.
        ("-t", ["a", "b", "c"]),
        ("-tr", ["c", "b", "a"]),
    ] {
        let [first, second, third] = order;
        list(
            &format!("NLST {option}"),
            "A: open / entries",
            &format!("{entries}\nL: {first}\nL: {second}\nL: {third}"),
        );
    }
}

#[test]
fn r_goes_through_the_tree_with_a_header_for_each_directory() {
    list(
        "LIST -1R",
        "A: open / entries",
        "D: dir b
         D: file f 1
         D: dir a
         D: end
         L: .:
         L: b
         L: f
         L: a
         L: (enter /b)
         D: dir deep
         D: end
         L:
         L: ./b:
         L: deep
         L: (enter /b/deep)
         D: end
         L:
         L: ./b/deep:
         L: (enter /a)
         D: file g 1
         D: end
         L:
         L: ./a:
         L: g",
    );
    list(
        "NLST -R d",
        "A: stat /d
         E: dir
         A: open /d entries",
        "D: dir e
         D: end
         L: d:
         L: e
         L: (enter /d/e)
         D: file f 1
         D: end
         L:
         L: d/e:
         L: f",
    );
}

#[test]
fn each_directory_of_a_tree_is_in_order() {
    list(
        "NLST -rR",
        "A: open / entries",
        "D: dir d
         D: end
         L: .:
         L: d
         L: (enter /d)
         D: file a 1
         D: file b 1
         D: end
         L:
         L: ./d:
         L: b
         L: a",
    );
}

#[test]
fn a_pattern_chooses_among_the_names_of_its_directory() {
    list(
        "LIST *.tx?",
        "A: stat /*.tx?
         E: NotFound
         A: open / entries",
        "D: file a.txt 1
         D: file b.md 1
         D: file .c.txt 1
         D: end
         L: -rw-r--r--   1 ftp      ftp                  1 May  2 09:01 a.txt",
    );
    list(
        "NLST d/[a-c]*",
        "A: stat /d/[a-c]*
         E: NotFound
         A: open /d entries",
        "D: file beta 1
         D: file delta 1
         D: end
         L: d/beta",
    );
    list(
        "NLST d/*//",
        "A: stat /d/*
         E: NotFound
         A: open /d entries",
        "D: file beta 1
         D: end
         L: d/beta",
    );
    list(
        "NLST .*",
        "A: stat /.*
         E: NotFound
         A: open / entries",
        "D: file .hidden 1
         D: file shown 1
         D: end
         L: .hidden",
    );
}

#[test]
fn a_name_that_looks_like_a_pattern_comes_before_the_pattern() {
    list(
        "NLST a*",
        "A: stat /a*
         E: file 5
         A: open /a* itself",
        "D: file a* 5
         D: end
         L: a*",
    );
}

#[test]
fn a_missing_name_is_550_before_150() {
    for (command, requests) in [
        ("LIST nothing", "A: stat /nothing\nE: NotFound"),
        ("NLST nothing", "A: stat /nothing\nE: NotFound"),
        ("MLSD nothing", "A: open /nothing entries\nE: NotFound"),
        ("LIST d/nothing", "A: stat /d/nothing\nE: NotFound"),
    ] {
        logged_in(&format!(
            "C: PASV
             A: listen
             E: 127.0.0.1:51210
             S: 227
             C: {command}
             {requests}
             S: 550 No such file or directory."
        ));
    }
}

#[test]
fn options_end_where_a_path_begins() {
    for (argument, path) in [
        ("-la d", "/d"),
        ("-l -a d", "/d"),
        ("-- -la", "/-la"),
        ("./-la", "/-la"),
        ("-not.options", "/-not.options"),
        ("-a  two  blanks ", "/ two  blanks "),
        ("-xyz d", "/d"),
    ] {
        logged_in(&format!(
            "C: PASV
             A: listen
             E: 127.0.0.1:51210
             S: 227
             C: LIST {argument}
             A: stat {path}"
        ));
    }
}

#[test]
fn mlsd_prints_facts() {
    list(
        "MLSD d",
        "A: open /d entries",
        "D: file a b 5
         D: dir .d
         D: link l -> t
         D: other s
         D: end
         L: type=file;size=5;modify=20180502090100;perm=adfrw; a b
         L: type=dir;modify=20180502090100;perm=cdeflmp; .d
         L: type=OS.unix=slink:t;modify=20180502090100;perm=adfrw; l
         L: type=OS.unix=special;modify=20180502090100;perm=; s",
    );
}

#[test]
fn mlsd_prints_the_facts_that_were_chosen() {
    logged_in(
        "C: OPTS MLST size;UNIX.mode;
         S: 200
         C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227
         C: MLSD
         A: open / entries
         E: opened
         A: accept 127.0.0.1
         E: ok
         S: 150
         A: list
         D: file a 5
         D: dir d
         D: end
         L: size=5; a
         L:  d",
    );
}

fn line(form: Form, entry: &Entry<'_>, clock: Clock) -> String {
    let mut listing = Listing::new(form, ListOptions::default());
    let mut out = vec![0; Listing::MAX_LINE];
    let pushed = listing.push(entry, clock, &mut out);
    String::from_utf8_lossy(&out[..pushed.written]).into_owned()
}

#[test]
fn old_and_future_files_show_their_year() {
    let at = |seconds: i64| {
        let entry = Entry::new(
            "f",
            Metadata {
                modified: Some(Timestamp::from_seconds(seconds)),
                ..Metadata::default()
            },
        );
        let line = line(Form::Unix, &entry, CLOCK);
        line[line.len() - 16..].trim_end().to_owned()
    };
    let now = CLOCK.now.seconds;
    let half_a_year = 182 * 86_400;
    assert_eq!(at(now), "May  2 09:01 f");
    assert_eq!(at(now - half_a_year + 1), "Nov  1 09:01 f");
    assert_eq!(at(now - half_a_year), "Nov  1  2017 f");
    assert_eq!(at(now + 86_400), "May  3 09:01 f");
    assert_eq!(at(now + 86_401), "May  3  2018 f");
    assert_eq!(at(0), "Jan  1  1970 f");
    assert_eq!(at(-62_167_219_200), "Jan  1  0000 f");
}

#[test]
fn the_zone_moves_list_and_never_the_facts() {
    let entry = Entry::new(
        "f",
        Metadata {
            modified: Some(CLOCK.now),
            ..Metadata::default()
        },
    );
    let east = Clock {
        offset: 5 * 3_600 + 1_800,
        ..CLOCK
    };
    assert!(line(Form::Unix, &entry, east).ends_with(" May  2 14:31 f\r\n"));
    assert!(line(Form::MsDos, &entry, east).starts_with("05-02-18  02:31PM "));
    let facts = Form::Facts {
        facts: wharf_core::listing::FactSet::DEFAULT,
        rights: wharf_core::Rights::ALL,
        capabilities: wharf_core::Capabilities::ALL,
    };
    assert!(line(facts, &entry, east).contains("modify=20180502090100;"));
}

#[test]
fn midnight_and_noon_are_twelve() {
    for (hour, shown) in [
        (0, "12:00AM"),
        (11, "11:00AM"),
        (12, "12:00PM"),
        (23, "11:00PM"),
    ] {
        let entry = Entry::new(
            "f",
            Metadata {
                modified: Some(Timestamp::from_seconds(hour * 3_600)),
                ..Metadata::default()
            },
        );
        let line = line(Form::MsDos, &entry, CLOCK);
        assert!(line.starts_with(&format!("01-01-70  {shown} ")), "{line}");
    }
}

#[test]
fn modes_are_shown_to_the_last_bit() {
    for (kind, mode, shown) in [
        (Kind::File, 0o7777, "-rwsrwsrwt "),
        (Kind::File, 0o7000, "---S--S--T "),
        (Kind::Directory, 0o0750, "drwxr-x--- "),
        (Kind::Link, 0o0000, "l--------- "),
    ] {
        let entry = Entry::new(
            "f",
            Metadata {
                kind,
                mode: Some(mode),
                links: Some(12),
                owner: Some(1_000),
                group: Some(u32::MAX),
                ..Metadata::default()
            },
        );
        let line = line(Form::Unix, &entry, CLOCK);
        assert!(
            line.starts_with(&format!("{shown} 12 1000     4294967295")),
            "{line}"
        );
    }
}

#[test]
fn more_names_than_are_sorted_come_in_the_order_of_the_storage() {
    let (options, _) = ListOptions::parse(b"-r");
    let mut listing = Listing::new(Form::Names, options);
    let mut out = vec![0; Listing::MAX_LINE];
    let mut text = Vec::new();
    let count = 10_050;
    for number in 0..count {
        let name = format!("{number:05}");
        let entry = Entry::new(name.as_str(), Metadata::default());
        loop {
            let pushed = listing.push(&entry, CLOCK, &mut out);
            text.extend_from_slice(&out[..pushed.written]);
            if pushed.taken {
                break;
            }
        }
    }
    let (written, step) = listing.end_of_directory(CLOCK, &mut out);
    text.extend_from_slice(&out[..written]);
    assert_eq!(step, Step::Done);
    let wanted: String = (0..count)
        .map(|number| format!("{number:05}\r\n"))
        .collect();
    assert!(text == wanted.as_bytes());
}

#[test]
fn a_tree_is_entered_to_a_bounded_depth_and_count() {
    let (options, _) = ListOptions::parse(b"-R");
    let mut listing = Listing::new(Form::Names, options);
    let mut out = vec![0; Listing::MAX_LINE];
    let entry = Entry::new(
        "again",
        Metadata {
            kind: Kind::Directory,
            ..Metadata::default()
        },
    );
    let mut entered = 0;
    loop {
        // Every directory holds twenty more, for ever.
        for _ in 0..20 {
            while !listing.push(&entry, CLOCK, &mut out).taken {}
        }
        match listing.end_of_directory(CLOCK, &mut out) {
            (_, Step::Enter(path)) => assert!(path.components().count() < 16),
            (_, Step::More) => continue,
            (_, Step::Done) => break,
        }
        entered += 1;
        assert!(entered <= 10_000);
    }
    assert_eq!(entered, 10_000);
}

/// Not from the root.
#[test]
fn depth_is_counted_from_the_directory_that_is_listed() {
    let mut peer = begun("LIST -R a/b/c/d", "/a/b/c/d");
    let mut out = vec![0; Listing::MAX_LINE];
    let mut deepest = 4;
    loop {
        let _ = peer.listing().push(&directory("d"), CLOCK, &mut out);
        match peer.listing().end_of_directory(CLOCK, &mut out) {
            (_, Step::Enter(path)) => deepest = path.components().count(),
            _ => break,
        }
    }
    assert_eq!(deepest, 4 + 15);
}

fn directory(name: &str) -> Entry<'_> {
    Entry::new(
        name,
        Metadata {
            kind: Kind::Directory,
            ..Metadata::default()
        },
    )
}

#[test]
fn a_tree_of_long_names_is_entered_within_bounded_memory() {
    let (options, _) = ListOptions::parse(b"-R");
    let mut listing = Listing::new(Form::Names, options);
    let mut out = vec![0; Listing::MAX_LINE];
    let name = "n".repeat(2_000);
    for _ in 0..200 {
        while !listing.push(&directory(&name), CLOCK, &mut out).taken {}
    }
    let mut entered = 0;
    while let (_, Step::Enter(_)) = listing.end_of_directory(CLOCK, &mut out) {
        entered += 1;
    }
    assert_eq!(entered, 256 * 1_024 / 2_000);
}

#[test]
fn a_tree_is_not_entered_where_the_storage_shows_dots() {
    let (options, _) = ListOptions::parse(b"-aR");
    let mut listing = Listing::new(Form::Names, options);
    let mut out = vec![0; Listing::MAX_LINE];
    for name in [".", "..", "d"] {
        assert!(listing.push(&directory(name), CLOCK, &mut out).taken);
    }
    let (_, step) = listing.end_of_directory(CLOCK, &mut out);
    assert!(matches!(step, Step::Enter(path) if path.as_bytes() == "/d"));
    assert_eq!(
        listing.end_of_directory(CLOCK, &mut out).1,
        Step::Done,
        "nothing else is entered"
    );
}

#[test]
fn a_header_without_room_waits_for_an_empty_buffer() {
    let (options, _) = ListOptions::parse(b"-R");
    let mut listing = Listing::new(Form::Names, options);
    let mut out = vec![0; Listing::MAX_LINE];
    let pushed = listing.push(&directory("d"), CLOCK, &mut out[..100]);
    assert_eq!((pushed.written, pushed.taken), (0, false));
    assert_eq!(
        listing.end_of_directory(CLOCK, &mut out[..100]),
        (0, Step::More)
    );
    let pushed = listing.push(&directory("d"), CLOCK, &mut out);
    assert_eq!(&out[..pushed.written], b".:\r\nd\r\n");
}

#[test]
fn names_that_are_kept_back_wait_for_room_with_their_header() {
    let (options, _) = ListOptions::parse(b"-rR");
    let mut listing = Listing::new(Form::Names, options);
    let mut out = vec![0; Listing::MAX_LINE];
    assert!(listing.push(&directory("d"), CLOCK, &mut out).taken);
    assert_eq!(
        listing.end_of_directory(CLOCK, &mut out[..100]),
        (0, Step::More)
    );
    let (written, _) = listing.end_of_directory(CLOCK, &mut out);
    assert_eq!(&out[..written], b".:\r\nd\r\n");
}

/// However long the names are, and from however deep in the tree.
#[test]
fn a_line_is_written_whole_or_not_at_all() {
    let argument = "./".repeat(120);
    let (name, target) = ("n".repeat(300), "t".repeat(700));
    let entry = Entry::new(
        name.as_str(),
        Metadata {
            kind: Kind::Link,
            ..Metadata::default()
        },
    )
    .with_target(Some(target.as_str().into()));
    for command in ["LIST", "NLST", "LIST -R", "NLST -R", "LIST -r"] {
        let mut peer = begun(&format!("{command} {argument}"), "/");
        let mut out = vec![0; Listing::MAX_LINE];
        let listing = peer.listing();
        let _ = listing.push(&directory(&"d".repeat(4_094)), CLOCK, &mut out);
        let _ = listing.end_of_directory(CLOCK, &mut out);
        let mut all = |room: usize| {
            let mut listing = listing.clone();
            let pushed = listing.push(&entry, CLOCK, &mut out[..room]);
            let (behind, _) = listing.end_of_directory(CLOCK, &mut out[pushed.written..room]);
            (out[..pushed.written + behind].to_vec(), pushed.taken)
        };
        let (whole, taken) = all(Listing::MAX_LINE);
        assert!(taken && whole.ends_with(b"\r\n"), "{command}");
        for room in 0..6_000 {
            let (text, _) = all(room);
            assert!(whole.starts_with(&text), "{command} in {room} bytes");
            assert!(
                text.is_empty() || text.ends_with(b"\r\n"),
                "{command} in {room} bytes"
            );
        }
    }
}

#[test]
fn a_name_that_no_path_can_hold_is_not_shown() {
    let name = "n".repeat(VPath::MAX + 1);
    let entry = directory(&name);
    assert_eq!(line(Form::Names, &entry, CLOCK), "");
}

#[test]
fn a_target_that_no_path_can_hold_is_not_shown() {
    let target = "t".repeat(4 * VPath::MAX);
    let mut entry = directory("l");
    entry.metadata.kind = Kind::Link;
    let bare = line(Form::Unix, &entry, CLOCK);
    entry.target = Some(target.as_str().into());
    assert_eq!(line(Form::Unix, &entry, CLOCK), bare);
}

#[test]
fn owner_and_group_are_facts_where_they_are_asked_for() {
    let mut entry = directory("d");
    (entry.metadata.owner, entry.metadata.group) = (Some(7), Some(8));
    let form = Form::Facts {
        facts: FactSet::parse(b"UNIX.uid;UNIX.gid;"),
        rights: Rights::ALL,
        capabilities: Capabilities::ALL,
    };
    assert_eq!(line(form, &entry, CLOCK), "UNIX.uid=7;UNIX.gid=8; d\r\n");
}

/// A storage that yields names as they come.
fn unsorted(limits: impl FnOnce(&mut wharf_core::Limits)) -> Scene {
    Scene::new().capabilities(Capabilities::ALL).limits(limits)
}

/// A listing of the root.
pub(crate) fn listed(scene: &Scene, command: &str, lines: &str) {
    listing(scene, command, "A: open / entries", lines);
}

#[test]
fn list_and_nlst_are_sorted_by_name_and_mlsd_never_is() {
    let sorted = "D: file b 1
         D: file a 2
         D: file c 3
         D: end";
    let names = format!("{sorted}\nL: a\nL: b\nL: c");
    listed(&unsorted(|_| {}), "NLST", &names);
    listed(&unsorted(|_| {}), "LIST -1", &names);
    listed(
        &unsorted(|_| {}),
        "MLSD",
        "D: file b 1
         L: type=file;size=1;modify=20180502090100;perm=adfrw; b
         D: file a 2
         L: type=file;size=2;modify=20180502090100;perm=adfrw; a
         D: end",
    );
}

#[test]
fn what_is_kept_to_be_sorted_is_bounded_in_bytes() {
    // Room for one entry: the second shows that there is none, and the others come as they are.
    listed(
        &unsorted(|limits| limits.sorted = 600),
        "NLST",
        "D: file b 1
         D: file a 2
         L: b
         L: a
         D: file c 3
         L: c
         D: end",
    );
}

#[test]
fn a_link_is_told_in_facts_as_what_it_leads_to_unless_it_shall_not() {
    let told = |scene: &Scene, facts: &str| {
        let lines = format!("D: link l -> f leads to file 7\nL: {facts}\nD: end");
        listed(scene, "MLSD", &lines);
    };
    told(
        &Scene::new(),
        "type=file;size=7;modify=20180502090100;perm=adfrw; l",
    );
    told(
        &Scene::new().config(|config| config.link_targets = false),
        "type=OS.unix=slink:f;modify=20180502090100;perm=adfrw; l",
    );
    listed(
        &Scene::new(),
        "LIST",
        "D: link l -> f leads to file 7
         L: lrwxrwxrwx   1 ftp      ftp                  0 May  2 09:01 l -> f
         D: end",
    );
}

#[test]
fn mlsd_of_a_file_is_an_argument_that_it_cannot_take() {
    passive(
        "C: MLSD f
         A: open /f entries
         E: NotADirectory
         S: 501 Not a directory.
         C: NLST f
         A: stat /f
         E: file 5
         A: open /f itself
         E: NotADirectory
         S: 550",
    );
}
