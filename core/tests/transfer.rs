//! RETR, STOR, APPE, STOU, LIST, NLST, MLSD: from the command to the final reply.

use std::time::Duration;

use wharf_core::{Capabilities, Failure, Note, Reason, Rights};

use crate::common::peer::FAILURES;
use crate::common::{Scene, logged_in, passive, storing};

#[test]
fn retr_sends_a_file() {
    passive(
        "C: RETR f
         A: open /f read@0
         E: opened 3000
         A: accept 127.0.0.1
         E: ok
         S: 150 Opening data connection (3000 bytes).
         A: send 3000
         E: moved 3000 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226 Transfer complete.
         C: RETR f
         S: 425 Use PASV, EPSV, PORT or EPRT first.",
    );
}

#[test]
fn retr_of_unknown_length_sends_up_to_the_end() {
    passive(
        "C: RETR f
         A: open /f read@0
         E: opened
         A: accept 127.0.0.1
         E: ok
         S: 150 Opening data connection.
         A: send
         E: moved 17 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226",
    );
}

#[test]
fn retr_behind_rest_sends_what_is_left() {
    passive(
        "C: REST 100
         S: 350
         C: RETR f
         A: open /f read@100
         E: opened 100
         A: accept 127.0.0.1
         E: ok
         S: 150 Opening data connection (0 bytes).
         A: send 0
         E: moved 0 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226",
    );
}

#[test]
fn an_offset_behind_the_end_is_554_and_leaves_the_data_connection_alone() {
    passive(
        "C: REST 101
         S: 350
         C: RETR f
         A: open /f read@101
         E: opened 100
         A: finish abandon Refused
         E: ok
         S: 554 The restart offset lies behind the end of the file.
         C: REST 101
         S: 350
         C: RETR f
         A: open /f read@101
         E: PastEnd
         S: 554
         C: RETR f
         A: open /f read@0",
    );
}

#[test]
fn text_is_translated_in_type_a_and_its_length_is_not_told() {
    logged_in(
        "C: TYPE A
         S: 200
         C: PORT 127,0,0,1,200,10
         S: 200
         C: RETR f
         A: open /f read@0
         E: opened 3000
         A: dial 127.0.0.1:51210
         E: ok
         S: 150 Opening data connection.
         A: send 3000 text
         E: moved 3000 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226
         C: PORT 127,0,0,1,200,10
         S: 200
         C: STOR f
         A: open /f write@0 replace or-nothing
         E: opened
         A: dial 127.0.0.1:51210
         E: ok
         S: 150
         A: receive text
         E: moved 10 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226
         C: PORT 127,0,0,1,200,10
         S: 200
         C: NLST
         A: open / entries
         E: opened
         A: dial 127.0.0.1:51210
         E: ok
         S: 150
         A: list",
    );
}

#[test]
fn a_rest_before_an_upload_that_is_refused_is_used_up() {
    let scene = Scene::new().capabilities(Capabilities::NONE);
    scene.logged_in(
        "C: REST 3
         S: 350
         C: APPE f
         S: 550 Uploads cannot be restarted here.
         C: APPE f
         S: 502
         C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227
         C: RETR f
         A: open /f read@0",
    );
}

#[test]
fn a_failed_open_never_touches_the_data_connection() {
    let commands = [
        ("RETR f", "open /f read@0"),
        ("STOR f", "open /f write@0 replace"),
        ("APPE f", "open /f append replace"),
        ("STOU f", "open /f unique"),
        ("LIST", "open / entries"),
        ("MLSD d", "open /d entries"),
    ];
    for failure in FAILURES {
        for (command, open) in commands {
            // RFC 959 section 5.4: only an upload is told of names and room.
            let code = match (command, failure.code()) {
                ("STOR f" | "APPE f" | "STOU f", code) => code,
                ("RETR f", code) if failure == Failure::PastEnd => code,
                // RFC 3659 section 7.2.1.
                ("MLSD d", _) if failure == Failure::NotADirectory => 501,
                (_, 552 | 452) => 451,
                (_, 553 | 554) => 550,
                (_, code) => code,
            };
            let reply = if code == failure.code() || code == 501 {
                format!("{code} {failure}")
            } else {
                code.to_string()
            };
            passive(&format!(
                "C: {command}
                 A: {open}
                 E: {failure:?}
                 S: {reply}
                 C: RETR g
                 A: open /g read@0
                 E: opened 5
                 A: accept 127.0.0.1",
            ));
        }
    }
}

#[test]
fn without_a_data_connection_there_is_425_and_no_150() {
    for why in ["Refused", "Unreachable", "NoResources", "Cancelled"] {
        passive(&format!(
            "C: STOR f
             A: open /f write@0 replace
             E: opened
             A: accept 127.0.0.1
             E: {why}
             A: close-data
             E: ok
             A: finish abandon NoData
             E: ok
             S: 425 No data connection."
        ));
    }
}

#[test]
fn how_the_data_ended_decides_what_becomes_of_an_upload() {
    for (end, reason, reply) in [
        (
            "truncated",
            "Truncated",
            "426 The data connection ended without a proper close.",
        ),
        ("reset", "Reset", "426 The data connection broke."),
        ("cancelled", "Aborted", "426 Transfer aborted."),
        ("NoSpace", "Storage(NoSpace)", "452 No space left."),
        ("Quota", "Storage(Quota)", "552 Quota exceeded."),
        ("Io", "Storage(Io)", "451 Local error in processing."),
        (
            "NotFound",
            "Storage(NotFound)",
            "451 No such file or directory.",
        ),
    ] {
        for (command, open) in [
            ("STOR f", "open /f write@0 replace"),
            ("APPE f", "open /f append replace"),
        ] {
            passive(&format!(
                "C: {command}
                 A: {open}
                 E: opened
                 A: accept 127.0.0.1
                 E: ok
                 S: 150
                 A: receive
                 E: moved 10 {end}
                 A: close-data
                 E: ok
                 A: finish abandon {reason}
                 E: ok
                 S: {reply}"
            ));
        }
    }
}

#[test]
fn only_a_confirmed_commit_is_226() {
    for (outcome, reply) in [
        ("ok", "226 Transfer complete."),
        ("Io", "451 Local error in processing."),
        ("Unknown", "451 The outcome is not known."),
        ("NoSpace", "452 No space left."),
        ("Quota", "552 Quota exceeded."),
        ("Exists", "550 File exists."),
        ("Cancelled", "451 Given up after waiting too long."),
    ] {
        passive(&format!(
            "C: STOR f
             A: open /f write@0 replace
             E: opened
             A: accept 127.0.0.1
             E: ok
             S: 150 Opening data connection.
             A: receive
             E: moved 10 clean
             A: close-data
             E: ok
             A: finish commit
             E: {outcome}
             S: {reply}"
        ));
    }
}

#[test]
fn an_abandoned_upload_keeps_its_reply_whatever_the_storage_says() {
    storing(
        "E: moved 10 reset
         A: close-data
         E: ok
         A: finish abandon Reset
         E: Io
         S: 426 The data connection broke.",
    );
}

#[test]
fn a_file_that_became_shorter_is_no_success() {
    passive(
        "C: RETR f
         A: open /f read@0
         E: opened 100
         A: accept 127.0.0.1
         E: ok
         S: 150
         A: send 100
         E: moved 99 clean
         A: close-data
         E: ok
         A: finish abandon Storage(Io)
         E: ok
         S: 451 Local error in processing.",
    );
}

#[test]
fn an_upload_may_be_shorter_than_allo_said_but_not_in_silence() {
    passive(
        "C: ALLO 11
         A: available /
         E: 1000000
         S: 200
         C: STOR f
         A: open /f write@0 replace of 11
         E: opened
         A: accept 127.0.0.1
         E: ok
         S: 150
         A: receive
         E: moved 10 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226 Transfer complete, with fewer bytes than ALLO said.",
    );
    passive(
        "C: ALLO 10
         A: available /
         E: 1000000
         S: 200
         C: STOR f
         A: open /f write@0 replace of 10
         E: opened
         A: accept 127.0.0.1
         E: ok
         S: 150
         A: receive
         E: moved 10 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226 Transfer complete.",
    );
}

#[test]
fn without_the_right_an_upload_may_not_replace() {
    Scene::new().without(Rights::OVERWRITE).passive(
        "C: STOR f
         A: open /f write@0
         E: Exists
         S: 550 File exists.
         C: REST 5
         S: 350
         C: STOR f
         A: open /f write@5
         E: Exists
         S: 550
         C: APPE f
         A: open /f append
         E: Exists
         S: 550
         C: STOU f
         A: open /f unique",
    );
}

#[test]
fn what_the_storage_cannot_is_refused_at_once() {
    Scene::new().capabilities(Capabilities::NONE).passive(
        "C: APPE f
         S: 502 This storage cannot do that.
         C: REST 5
         S: 350
         C: STOR f
         S: 550 Uploads cannot be restarted here.
         C: STOR f
         A: open /f write@0 replace",
    );
}

#[test]
fn a_mask_goes_with_every_new_file() {
    passive(
        "C: SITE UMASK 077
         S: 200
         C: STOR f
         A: open /f write@0 replace umask 077
         E: Io
         S: 451
         C: APPE f
         A: open /f append replace umask 077
         E: Io
         S: 451
         C: STOU
         A: open /upload unique umask 077
         E: Io
         S: 451
         C: MKD d
         A: mkdir /d umask 077
         E: ok
         S: 257",
    );
}

/// RFC 1123 section 4.1.2.9.
#[test]
fn stou_tells_the_name_that_was_chosen() {
    passive(
        "C: STOU
         A: open /upload unique
         E: chosen /upload.1
         A: accept 127.0.0.1
         E: ok
         S: 150 FILE: upload.1
         A: receive
         E: moved 5 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226",
    );
    passive(
        "C: STOU dir/f
         A: open /dir/f unique",
    );
}

#[test]
fn names_that_would_not_survive_a_listing_are_not_made() {
    for command in ["STOR", "APPE", "STOU"] {
        let long = "n".repeat(4_000);
        passive(&format!(
            "C~: {command} a\\x1bb\\r\\n
             S: 553 A name cannot hold control characters.
             C: CWD {long}
             A: stat /{long}
             E: dir
             S: 250
             C: {command} {long}
             S: 553 The path is too long."
        ));
    }
    passive(
        "C~: RETR a\\x1bb\\r\\n
         A: open /a\u{1b}b read@0",
    );
}

#[test]
fn transfers_need_their_arguments() {
    for verb in ["RETR", "STOR", "APPE"] {
        passive(&format!("C: {verb}\nS: 501"));
    }
}

#[test]
fn notes_tell_how_a_transfer_ended() {
    let mut peer = passive(
        "C: REST 10
         S: 350
         C: STOR f
         A: open /f write@10 replace
         E: opened
         A: accept 127.0.0.1
         E: ok
         S: 150
         A: receive
         T: +2s
         E: moved 5 reset
         A: close-data
         E: ok
         A: finish abandon Reset
         E: ok
         S: 426
         C: RETR g
         S: 425
         C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227
         C: RETR g
         A: open /g read@0
         E: NotFound
         S: 550",
    );
    let notes = peer.noted();
    let [
        _,
        Note::Transferred {
            path,
            bytes,
            took,
            code,
            abandoned,
            ..
        },
        Note::Transferred { code: missing, .. },
    ] = &notes[..]
    else {
        panic!("{notes:?}");
    };
    assert_eq!(path.as_bytes(), "/f");
    assert_eq!((*bytes, *took, *code), (5, Duration::from_secs(2), 426));
    assert_eq!(*abandoned, Some(Reason::Reset));
    assert_eq!(*missing, 550);
}

#[test]
fn an_offset_is_refused_if_the_type_became_text() {
    passive(
        "C: TYPE I
         S: 200
         C: REST 5
         S: 350
         C: TYPE A
         S: 200
         C: RETR f
         S: 501 REST works in TYPE I only.
         C: TYPE I
         S: 200
         C: REST 5
         S: 350
         C: TYPE A
         S: 200
         C: STOR f
         S: 501 REST works in TYPE I only.",
    );
}

/// ALLO counts the bytes of a file, not those that cross the wire in TYPE A.
#[test]
fn only_an_upload_in_type_i_is_held_against_allo() {
    passive(
        "C: TYPE A
         S: 200
         C: ALLO 10
         A: available /
         E: 1000000
         S: 200
         C: STOR f
         A: open /f write@0 replace or-nothing
         E: opened
         A: accept 127.0.0.1
         E: ok
         S: 150
         A: receive text
         E: moved 5 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226 Transfer complete.",
    );
}
