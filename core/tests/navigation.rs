//! CWD, CDUP, PWD, SIZE, MDTM, MLST, STAT with a path.

use wharf_core::{Capabilities, Failure, Style, VPath};

use crate::common::peer::FAILURES;
use crate::common::{Scene, logged_in};

#[test]
fn cwd_goes_where_a_directory_is() {
    logged_in(
        "C: CWD a/./b//../c
         A: stat /a/c
         E: dir
         S: 250 \"/a/c\" is the current directory.
         C: PWD
         S: 257 \"/a/c\" is the current directory.
         C: XCWD ../d
         A: stat /a/d
         E: NotFound
         S: 550 No such file or directory.
         C: CWD f
         A: stat /a/c/f
         E: file 5
         S: 550 Not a directory.
         C: XPWD
         S: 257 \"/a/c\" is the current directory.
         C: CDUP
         A: stat /a
         E: dir
         S: 250 \"/a\" is the current directory.
         C: XCUP
         A: stat /
         E: dir
         S: 250 \"/\" is the current directory.
         C: CDUP
         A: stat /
         E: dir
         S: 250
         C: CWD
         A: stat /
         E: dir
         S: 250 \"/\" is the current directory.",
    );
}

#[test]
fn quotes_in_a_path_are_doubled() {
    logged_in(
        "C: CWD a\"b
         A: stat /a\"b
         E: dir
         S: 250 \"/a\"\"b\" is the current directory.
         C: PWD
         S: 257 \"/a\"\"b\" is the current directory.",
    );
}

#[test]
fn paths_are_bytes_from_the_command_to_the_storage() {
    let peer = logged_in(
        "C~: CWD  lead\\xff\\xff\\xe9 trail \\r\\n
         A: stat / lead\u{fffd}\u{fffd} trail ",
    );
    // Telnet sends the byte 255 twice.
    assert_eq!(
        peer.session.path().as_bytes(),
        &b"/ lead\xff\xe9 trail "[..]
    );
}

#[test]
fn no_path_holds_a_byte_that_ends_a_line_or_a_string() {
    for path in ["a\\x00b", "a\\rb", "\\r"] {
        logged_in(&format!(
            "C~: CWD {path}\\r\\n
             S: 501 A path cannot hold NUL, CR or LF.
             C~: RNFR {path}\\r\\n
             S: 501"
        ));
    }
}

#[test]
fn no_command_takes_a_path_that_is_none() {
    for command in [
        "DELE",
        "RMD",
        "MKD",
        "MFMT 20240101000000",
        "SITE CHMOD 644",
        "SITE SYMLINK a",
        "AVBL",
        "SIZE",
        "MLST",
        "STAT",
    ] {
        logged_in(&format!("C~: {command} a\\x00b\\r\\n\nS: 501"));
    }
    for command in ["RETR", "STOR", "APPE", "STOU", "LIST", "NLST", "MLSD"] {
        logged_in(&format!(
            "C: PORT 127,0,0,1,200,10
             S: 200
             C~: {command} a\\x00b\\r\\n
             S: 501"
        ));
    }
    logged_in(
        "C~: SITE SYMLINK a\\x00b c\\r\\n
         S: 501
         C: RNFR f
         A: stat /f
         E: file 5
         S: 350
         C~: RNTO a\\x00b\\r\\n
         S: 501
         C: RNTO g
         S: 503",
    );
}

#[test]
fn a_path_that_is_too_long_is_refused_and_never_cut() {
    let name = "n".repeat(4_000);
    logged_in(&format!(
        "C: CWD {name}
         A: stat /{name}
         E: dir
         S: 250
         C: CWD {name}
         S: 550 The path is too long.
         C: MKD {name}
         S: 553 The path is too long.
         C: SIZE {name}
         S: 550
         C: PWD
         S: 257 \"/{name}\" is the current directory."
    ));
}

#[test]
fn a_path_that_goes_a_long_way_round_is_too_long() {
    let way = "./".repeat(VPath::MAX);
    let scene = Scene::new().limits(|limits| limits.line = 20_000);
    scene.logged_in(&format!(
        "C: CWD {way}d
         S: 550 The path is too long."
    ));
}

#[test]
fn every_failure_of_a_storage_has_its_code() {
    for failure in FAILURES {
        let code = failure.code();
        // RFC 959 section 5.4: who only looks is never told of names and room.
        let looked = match code {
            552 | 452 => 451,
            553 | 554 => 550,
            code => code,
        };
        let deleted = match failure {
            Failure::Unsupported => 502,
            _ => looked,
        };
        let made = match failure {
            Failure::Unsupported => 502,
            Failure::PastEnd | Failure::BrokenOff => 451,
            _ => code,
        };
        logged_in(&format!(
            "C: CWD d
             A: stat /d
             E: {failure:?}
             S: {looked}
             C: DELE f
             A: delete /f
             E: {failure:?}
             S: {deleted}
             C: MKD d
             A: mkdir /d
             E: {failure:?}
             S: {made}",
        ));
    }
}

#[test]
fn size_is_that_of_a_file() {
    logged_in(
        "C: SIZE f
         A: stat /f
         E: file 18446744073709551615
         S: 213 18446744073709551615
         C: SIZE d
         A: stat /d
         E: dir
         S: 550 Is a directory.
         C: SIZE s
         A: stat /s
         E: other
         S: 550 Not a regular file.
         C: SIZE g
         A: stat /g
         E: NotFound
         S: 550 No such file or directory.
         C: SIZE
         S: 501",
    );
}

#[test]
fn size_in_type_a_is_that_of_the_translation() {
    logged_in(
        "C: TYPE A
         S: 200
         C: SIZE f
         A: stat /f
         E: file 100
         A: text-size /f up to 16777216
         E: 104
         S: 213 104
         C: SIZE f
         A: stat /f
         E: file 16777216
         A: text-size /f up to 16777216
         E: TooLarge
         S: 550 Too large to count in TYPE A; use TYPE I.
         C: SIZE f
         A: stat /f
         E: file 16777217
         S: 550 Too large to count in TYPE A; use TYPE I.
         C: SIZE f
         A: stat /f
         E: file 100
         A: text-size /f up to 16777216
         E: decline
         S: 550 Not available in TYPE A; use TYPE I.
         C: SIZE f
         A: stat /f
         E: file 100
         A: text-size /f up to 16777216
         E: Io
         S: 451
         C: SIZE d
         A: stat /d
         E: dir
         S: 550 Is a directory.",
    );
}

#[test]
fn mdtm_tells_the_time_with_its_fraction() {
    logged_in(
        "C: MDTM f
         A: stat /f
         E: file 5
         S: 213 20180502090100.500
         C: MDTM g
         A: stat /g
         E: whole
         S: 213 20180502090100
         C: MDTM f
         A: stat /f
         E: timeless
         S: 550 The time of last change is not known.
         C: MDTM d
         A: stat /d
         E: dir
         S: 550 Not a regular file.
         C: MDTM 20240229235960 f
         A: stat /20240229235960 f
         E: NotFound
         S: 550
         C: MDTM
         S: 501",
    );
}

#[test]
fn mlst_shows_the_facts_of_one_path() {
    logged_in(
        "C: MLST f
         A: stat /f
         E: file 5
         S: 250-Facts follow.
         S:  type=file;size=5;modify=20180502090100;perm=adfrw; /f
         S: 250 End.
         C: MLST
         A: stat /
         E: dir
         S: 250-Facts follow.
         S:  type=dir;modify=20180502090100;perm=cdeflmp; /
         S: 250 End.
         C: OPTS MLST Size;nonsense;TYPE;
         S: 200 MLST OPTS type;size;
         C: MLST f
         A: stat /f
         E: file 7
         S: 250-Facts follow.
         S:  type=file;size=7; /f
         S: 250 End.
         C: OPTS MLST
         S: 200
         C: MLST f
         A: stat /f
         E: file 7
         S: 250-Facts follow.
         S:   /f
         S: 250 End.
         C: MLST g
         A: stat /g
         E: NotFound
         S: 550",
    );
}

#[test]
fn stat_of_a_directory_lists_it_over_the_control_connection() {
    logged_in(
        "C: STAT d
         A: stat /d
         E: dir
         A: report /d entries
         D: file a 226752
         D: dir 226 fake
         D: file .hidden 1
         D: end
         S: 212-Status follows.
         S:  -rw-r--r--   1 ftp      ftp             226752 May  2 09:01 a
         S:  drwxr-xr-x   1 ftp      ftp                  0 May  2 09:01 226 fake
         E: ok
         S: 212 End.",
    );
}

#[test]
fn stat_of_a_file_shows_that_file() {
    logged_in(
        "C: STAT f
         A: stat /f
         E: file 5
         A: report /f itself
         D: file f 5
         D: end
         S: 213-Status follows.
         S:  -rw-r--r--   1 ftp      ftp                  5 May  2 09:01 f
         E: ok
         S: 213 End.
         C: STAT g
         A: stat /g
         E: NotFound
         S: 550 No such file or directory.",
    );
}

#[test]
fn stat_of_an_empty_directory_is_a_reply_too() {
    logged_in(
        "C: STAT d
         A: stat /d
         E: dir
         A: report /d entries
         D: end
         E: ok
         S: 212-Status follows.
         S: 212 End.",
    );
}

#[test]
fn a_report_that_fails_is_refused_or_said_to_be_incomplete() {
    logged_in(
        "C: STAT d
         A: stat /d
         E: dir
         A: report /d entries
         E: Denied
         S: 550 Permission denied.
         C: STAT d
         A: stat /d
         E: dir
         A: report /d entries
         D: file a 5
         S: 212-Status follows.
         S:  -rw-r--r--   1 ftp      ftp                  5 May  2 09:01 a
         E: Io
         S: 212 End, incomplete.",
    );
}

#[test]
fn a_large_report_goes_through_little_room_in_whole_lines() {
    let mut peer = logged_in(
        "C: STAT d
         A: stat /d
         E: dir
         A: report /d entries",
    );
    peer.reads = false;
    let lines = b" one line of the listing\r\n".repeat(5_000);
    let (mut given, mut rounds) = (0, 0);
    while given < lines.len() {
        // The last line that is offered may be cut anywhere.
        let end = lines.len().min(given + 30_000 - rounds % 26);
        let taken = peer.session.report(peer.now, &lines[given..end]);
        assert_eq!(taken % 26, 0, "whole lines only");
        given += taken;
        assert!(peer.session.transmit().len() <= 16_384);
        if taken == 0 {
            peer.replies.extend_from_slice(peer.session.transmit());
            let count = peer.session.transmit().len();
            peer.session.transmitted(peer.now, count);
        }
        rounds += 1;
        assert!(rounds < 1_000, "no progress");
    }
    peer.reads = true;
    peer.answer("ok");
    peer.exchange();
    let mut wanted = b"212-Status follows.\r\n".to_vec();
    wanted.extend_from_slice(&lines);
    wanted.extend_from_slice(b"212 End.\r\n");
    assert!(peer.replies == wanted, "{} bytes", peer.replies.len());
    assert_eq!(
        peer.session.report(peer.now, b" late\r\n"),
        0,
        "no report is wanted"
    );
}

#[test]
fn avbl_tells_the_free_space_where_the_storage_can() {
    logged_in(
        "C: AVBL
         A: available /
         E: 123456789012
         S: 213 123456789012
         C: AVBL d
         A: available /d
         E: NotFound
         S: 550",
    );
    let scene = Scene::new().capabilities(Capabilities::NONE);
    scene.logged_in(
        "C: AVBL
         S: 502 This storage cannot do that.",
    );
}

#[test]
fn syst_names_the_style_of_the_listing() {
    logged_in(
        "C: SYST
         S: 215 UNIX Type: L8",
    );
    let scene = Scene::new().config(|config| config.style = Style::MsDos);
    scene.logged_in(
        "C: SYST
         S: 215 Windows_NT
         C: STAT d
         A: stat /d
         E: dir
         A: report /d entries
         D: file name 226752
         D: end
         S: 212-Status follows.
         S:  05-02-18  09:01AM         226752 name
         E: ok
         S: 212 End.",
    );
}

#[test]
fn a_tilde_means_the_home_unless_something_has_that_name() {
    let mut scene = Scene::new();
    scene.grant.start = VPath::resolve(&VPath::root(), b"home/u").expect("a path");
    scene.logged_in(
        "C: CWD /
         A: stat /
         E: dir
         S: 250
         C: CWD ~
         A: stat /~
         E: NotFound
         A: stat /home/u
         E: dir
         S: 250 \"/home/u\" is the current directory.
         C: CWD ~/d
         A: stat /home/u/~/d
         E: NotFound
         A: stat /home/u/d
         E: dir
         S: 250 \"/home/u/d\" is the current directory.
         C: CWD ~
         A: stat /home/u/d/~
         E: dir
         S: 250 \"/home/u/d/~\" is the current directory.
         C: CWD ~x
         A: stat /home/u/d/~/~x
         E: NotFound
         S: 550
         C: CWD ~
         A: stat /home/u/d/~/~
         E: NotFound
         A: stat /home/u
         E: NotFound
         S: 550 No such file or directory.",
    );
}

#[test]
fn a_directory_that_cannot_be_entered_is_refused() {
    logged_in(
        "C: CWD d
         A: stat /d
         E: sealed
         S: 550 Permission denied.
         C: MLST d
         A: stat /d
         E: sealed
         S: 250",
    );
}

#[test]
fn stat_takes_options_paths_and_patterns_as_list_does() {
    logged_in(
        "C: STAT -la
         A: stat /
         E: dir
         A: report / entries
         D: file .hidden 5
         S: 212-Status follows.
         S:  -rw-r--r--   1 ftp      ftp                  5 May  2 09:01 .hidden
         D: end
         E: ok
         S: 212 End.
         C: STAT *.c
         A: stat /*.c
         E: NotFound
         A: report / entries
         D: file a.c 5
         S: 212-Status follows.
         S:  -rw-r--r--   1 ftp      ftp                  5 May  2 09:01 a.c
         D: file a.h 5
         D: end
         E: ok
         S: 212 End.
         C: STAT -d d
         A: stat /d
         E: dir
         A: report /d itself
         D: dir d
         S: 212-Status follows.
         S:  drwxr-xr-x   1 ftp      ftp                  0 May  2 09:01 d
         D: end
         E: ok
         S: 212 End.
         C: STAT -1 f
         A: stat /f
         E: file 5
         A: report /f itself
         D: file f 5
         S: 213-Status follows.
         S:  f
         D: end
         E: ok
         S: 213 End.
         C: STAT none*
         A: stat /none*
         E: NotFound
         A: report / entries
         D: end
         E: ok
         S: 212",
    );
}

#[test]
fn blanks_around_keywords_mean_nothing() {
    Scene::new()
        .config(|config| config.tls.control = wharf_core::Protection::Offered)
        .play(
            "S: 220
             C: AUTH  NONSENSE \x20
             S: 504
             C: AUTH TLS \x20
             S: 234
             A: start-tls",
        );
    logged_in(
        "C: TYPE  A\x20
         S: 200
         C: MODE  S \x20
         S: 200
         C: STRU \x20F
         S: 200
         C: REST \x205
         S: 501
         C: TYPE I\x20
         S: 200
         C: REST \x205\x20
         S: 350 Restarting at 5.
         C: OPTS \x20UTF8 \x20ON
         S: 200
         C: SITE \x20HELP
         S: 214",
    );
}
