//! FEAT, OPTS, HELP, STAT, CSID, CLNT, LANG, and verbs that are not there.

use bstr::ByteSlice;
use wharf_core::Capabilities;

use crate::common::{Scene, logged_in, play};

#[test]
fn feat_lists_what_there_is() {
    logged_in(
        "C: FEAT
         S: 211-Features:
         S:  AVBL
         S:  CLNT
         S:  CSID
         S:  EPRT
         S:  EPSV
         S:  HOST
         S:  LANG EN*
         S:  MDTM
         S:  MFF Modify;UNIX.mode;
         S:  MFMT
         S:  PRET
         S:  REST STREAM
         S:  SIZE
         S:  TVFS
         S:  UTF8
         S:  MLST type*;size*;modify*;perm*;unique*;UNIX.mode*;UNIX.uid;UNIX.gid;
         S: 211 End
         C: FEAT x
         S: 501",
    );
}

#[test]
fn feat_leaves_out_what_is_not_offered() {
    let scene = Scene::new()
        .capabilities(Capabilities::NONE)
        .config(|config| (config.active, config.passive) = (false, false));
    scene.logged_in(
        "C: OPTS MLST UNIX.gid;size;
         S: 200 MLST OPTS size;UNIX.gid;
         C: FEAT
         S: 211-Features:
         S:  CLNT
         S:  CSID
         S:  HOST
         S:  LANG EN*
         S:  MDTM
         S:  PRET
         S:  REST STREAM
         S:  SIZE
         S:  TVFS
         S:  UTF8
         S:  MLST type;size*;modify;perm;unique;UNIX.mode;UNIX.uid;UNIX.gid*;
         S: 211 End",
    );
}

#[test]
fn feat_offers_mff_where_all_its_facts_can_be_set() {
    for (set_time, set_mode) in [(true, false), (false, true)] {
        let scene = Scene::new().capabilities(Capabilities {
            set_time,
            set_mode,
            ..Capabilities::NONE
        });
        let mut peer = scene.logged_in("");
        peer.send(b"FEAT\r\n");
        assert!(
            !peer.replies.contains_str("MFF"),
            "{:?}",
            peer.replies.as_bstr()
        );
    }
}

#[test]
fn options_are_taken_in_every_spelling_that_clients_use() {
    for spelling in [
        "UTF8 ON",
        "utf8 on",
        "UTF-8 ON",
        "UTF8",
        "utf-8",
        "UTF8 NLST",
    ] {
        play(&format!("S: 220\nC: OPTS {spelling}\nS: 200 UTF-8 is on."));
    }
    play(
        "S: 220
         C: OPTS UTF8 OFF
         S: 200 Names are bytes, and stay what they are.
         C: OPTS MLST size;SIZE;type
         S: 200 MLST OPTS type;size;",
    );
    for nonsense in ["", "XYZ", "UTF8 MAYBE", "REST"] {
        play(&format!("S: 220\nC: OPTS {nonsense}\nS: 501"));
    }
}

#[test]
fn help_knows_each_verb() {
    logged_in(
        "C: HELP
         S: 214-These commands are known:
         S:  ABOR ACCT ALLO APPE AVBL CDUP CLNT CSID CWD DELE
         S:  EPRT EPSV FEAT HELP HOST LANG LIST MDTM MFF MFMT
         S:  MKD MLSD MLST MODE NLST NOOP OPTS PASS PASV PORT
         S:  PRET PWD QUIT REIN REST RETR RMD RNFR RNTO SITE
         S:  SIZE STAT STOR STOU STRU SYST TYPE USER
         S: 214 HELP verb shows its syntax.
         C: HELP rnfr
         S: 214 RNFR <SP> path
         C: HELP SITE
         S: 214-These SITE commands are known:
         S:  CHMOD mode path
         S:  HELP
         S:  SYMLINK target path
         S:  UMASK [mask]
         S:  UTIME YYYYMMDDhhmm[ss] path
         S: 214 End.
         C: HELP AUTH
         S: 504 No such command.
         C: HELP LPSV
         S: 504
         C: HELP GET
         S: 504
         C: HELP XYZZY
         S: 504",
    );
}

#[test]
fn every_verb_has_its_own_line_of_syntax() {
    let mut peer = logged_in("");
    peer.send(b"HELP\r\n");
    let text = String::from_utf8_lossy(&peer.replies).into_owned();
    let verbs = text.lines().filter(|line| line.starts_with(' '));
    for verb in verbs
        .flat_map(str::split_ascii_whitespace)
        .filter(|verb| *verb != "SITE")
    {
        peer.replies.clear();
        peer.send(format!("HELP {verb}\r\n").as_bytes());
        let reply = String::from_utf8_lossy(&peer.replies).into_owned();
        let alone = format!("214 {verb}\r\n");
        let with_arguments = format!("214 {verb} ");
        assert!(
            reply == alone || reply.starts_with(&with_arguments),
            "{reply}"
        );
    }
}

#[test]
fn verbs_are_known_in_any_case_and_arguments_keep_theirs() {
    logged_in(
        "C: noop
         S: 200
         C: NoOp
         S: 200
         C: cwd SuB
         A: stat /SuB
         E: dir
         S: 250",
    );
}

#[test]
fn verbs_that_are_not_there() {
    logged_in(
        "C: XYZZY
         S: 500 Command not understood.
         C: NOO
         S: 500
         C: NOOPX
         S: 500
         C:
         S: 500
         C:  NOOP
         S: 500
         C: SMNT /
         S: 502 Command not implemented.
         C: LPSV
         S: 502
         C: ADAT x
         S: 502
         C: HASH f
         S: 502
         C: RANG 0 0
         S: 502",
    );
}

#[test]
fn small_talk() {
    logged_in(
        "C: NOOP
         S: 200 NOOP ok.
         C: NOOP with an argument
         S: 200
         C: CLNT lftp
         S: 200
         C: CLNT
         S: 501
         C: LANG
         S: 200 Replies are in English.
         C: LANG en-GB
         S: 200
         C: LANG FR
         S: 504 Replies are in English only.
         C: CSID Name=x;
         S: 200
         C: CSID
         S: 501
         C: SYST x
         S: 501
         C: PWD x
         S: 501
         C: CDUP x
         S: 501
         C: REIN x
         S: 501",
    );
}

#[test]
fn a_verb_alone_may_have_a_blank_behind_it() {
    logged_in(
        "C~: PWD \\r\\nNOOP  \\r\\nSYST \\r\\n
         S: 257
         S: 200
         S: 215",
    );
}

#[test]
fn stat_tells_who_is_there() {
    Scene::new().address("::ffff:192.0.2.1").logged_in(
        "C: STAT
         S: 211-Status:
         S:  Connected from 192.0.2.1
         S:  Logged in as u
         S:  TYPE: Image, STRUcture: File, MODE: Stream
         S:  No transfer runs
         S: 211 End.",
    );
}

#[test]
fn a_long_user_name_does_not_make_a_long_reply() {
    let name = "n".repeat(4_000);
    let mut peer = play(&format!(
        "S: 220
         C: USER {name}
         S: 331
         C: PASS p
         A: login {name}
         E: ok
         S: 230"
    ));
    peer.send(b"STAT\r\n");
    assert!(peer.replies.len() < 512, "{}", peer.replies.len());
}
