//! USER, PASS, REIN, HOST: who the client is, and what is refused to nobody.

use wharf_core::{Denied, Note, Notes, Rights};

use crate::common::{Scene, all_rights, logged_in, play};

#[test]
fn a_login_leads_from_the_greeting_to_230() {
    play(
        "S: 220 Wharf ready.
         C: USER anonymous
         S: 331 Password, please.
         C: PASS x
         A: login anonymous
         E: ok
         S: 230 Logged in.
         C: PASS x
         S: 503 You are logged in already.
         C: QUIT
         S: 221 Goodbye.
         A: disconnect",
    );
}

#[test]
fn pass_needs_user_first() {
    play(
        "S: 220
         C: PASS x
         S: 503 Log in with USER first.",
    );
}

#[test]
fn a_password_may_be_empty_and_may_hold_any_byte() {
    let mut peer = play(
        "S: 220
         C: USER u
         S: 331
         C~: PASS  a b\\xfe\\r\\n
         A: login u",
    );
    assert_eq!(peer.session.password(), b" a b\xfe");
    peer.answer("denied");
    let mut peer = play(
        "S: 220
         C: USER u
         S: 331
         C: PASS
         A: login u",
    );
    assert_eq!(peer.session.password(), b"");
    peer.answer("denied");
}

#[test]
fn the_password_is_gone_once_answered() {
    for outcome in ["ok", "denied", "too-many", "unavailable"] {
        let mut peer = play(
            "S: 220
             C: USER u
             S: 331
             C: PASS secret
             A: login u",
        );
        assert_eq!(peer.session.password(), b"secret");
        let shown = format!("{:?}", peer.session);
        assert!(
            shown.contains("cwd: \"/\"") && !shown.contains("secret"),
            "{shown}"
        );
        peer.answer(outcome);
        assert_eq!(peer.session.password(), b"", "after {outcome}");
    }
}

#[test]
fn a_refused_login_is_answered_after_a_delay_that_doubles() {
    let scene = Scene::new().limits(|limits| limits.login_tries = 4);
    scene.play(
        "S: 220
         C: USER u
         S: 331
         C: PASS x
         A: login u
         E: denied
         T: +999ms
         T: +1ms
         S: 530 Login incorrect.
         C: PASS x
         S: 503
         C: USER u
         S: 331
         C: PASS x
         A: login u
         E: denied
         T: +1999ms
         T: +1ms
         S: 530
         C: USER u
         S: 331
         C: PASS x
         A: login u
         E: denied
         T: +3999ms
         T: +1ms
         S: 530
         C: USER u
         S: 331
         C: PASS x
         A: login u
         E: denied
         T: +7999ms
         T: +1ms
         S: 421 Too many failed logins.
         A: disconnect",
    );
}

#[test]
fn without_a_delay_a_refused_login_is_answered_at_once() {
    let scene = Scene::new().limits(|limits| limits.login_delay = std::time::Duration::ZERO);
    scene.play(
        "S: 220
         C: USER u
         S: 331
         C: PASS x
         A: login u
         E: denied
         S: 530",
    );
}

#[test]
fn commands_behind_a_refused_login_wait_for_its_delay() {
    play(
        "S: 220
         C~: USER u\\r\\nPASS x\\r\\nNOOP\\r\\nPWD\\r\\n
         S: 331
         A: login u
         E: denied
         T: +1s
         S: 530 Login incorrect.
         S: 200
         S: 530 Please log in with USER and PASS.",
    );
}

#[test]
fn a_login_that_may_not_be_now_ends_with_421() {
    play(
        "S: 220
         C: USER u
         S: 331
         C: PASS x
         A: login u
         E: too-many
         S: 421 Too many connections, try again later.
         A: disconnect",
    );
    play(
        "S: 220
         C: USER u
         S: 331
         C: PASS x
         A: login u
         E: unavailable
         S: 421 Logins are not possible now.
         A: disconnect",
    );
}

/// RFC 2577 section 6.
#[test]
fn every_name_is_asked_for_a_password_in_the_same_words() {
    for name in ["root", "anonymous", "no such user", "\\xfe"] {
        play(&format!(
            "S: 220
             C: USER {name}
             S: 331 Password, please."
        ));
    }
}

const NEEDS_LOGIN: [&str; 39] = [
    "ABOR",
    "ACCT a",
    "ALLO 5",
    "APPE f",
    "AVBL",
    "CDUP",
    "CWD d",
    "DELE f",
    "EPRT |1|127.0.0.1|51201|",
    "EPSV",
    "LIST",
    "MDTM f",
    "MFF Modify=20200101000000; f",
    "MFMT 20200101000000 f",
    "MKD d",
    "MLSD",
    "MLST f",
    "MODE S",
    "NLST",
    "PASV",
    "PORT 127,0,0,1,200,1",
    "PRET RETR f",
    "PWD",
    "REIN",
    "REST 5",
    "RETR f",
    "RMD d",
    "RNFR f",
    "RNTO f",
    "SITE CHMOD 644 f",
    "SIZE f",
    "STAT f",
    "STOR f",
    "STOU",
    "STAT",
    "STRU F",
    "TYPE I",
    "XCUP",
    "XPWD",
];

#[test]
fn before_a_login_nothing_is_asked_of_a_storage() {
    for command in NEEDS_LOGIN {
        for prelude in ["S: 220", "S: 220\nC: USER u\nS: 331"] {
            play(&format!(
                "{prelude}
                 C: {command}
                 S: 530 Please log in with USER and PASS."
            ));
        }
    }
}

#[test]
fn before_a_login_a_client_may_look_around() {
    play(
        "S: 220
         C: NOOP
         S: 200
         C: SYST
         S: 215
         C: FEAT
         S: 211
         C: HELP
         S: 214
         C: OPTS UTF8 ON
         S: 200
         C: OPTS MLST size;
         S: 200
         C: CLNT lftp/4.9.2
         S: 200
         C: CSID Name=x;
         S: 200 Name=Wharf; CaseSensitive=1; DirSep=/;
         C: LANG
         S: 200
         C: AUTH TLS
         S: 502
         C: PBSZ 0
         S: 502
         C: PROT P
         S: 502
         C: QUIT
         S: 221
         A: disconnect",
    );
}

#[test]
fn too_many_lines_that_are_no_commands_end_a_session_before_the_login() {
    let junk = "C: XYZZY\nS: 500 Command not understood.\n".repeat(9);
    play(&format!(
        "S: 220\n{junk}C: XYZZY\nS: 421 Too many bad commands.\nA: disconnect"
    ));
    let junk = "C: XYZZY\nS: 500\n".repeat(30);
    logged_in(&junk);
}

#[test]
fn verbs_of_other_protocols_end_the_session() {
    for line in [
        "GET / HTTP/1.1",
        "post / HTTP/1.1",
        "HEAD /",
        "PUT /f",
        "OPTIONS *",
        "DELETE /f",
        "CONNECT x:80",
        "PATCH /",
        "TRACE /",
        "HELO x",
        "EHLO x",
        "MAIL FROM:<x>",
        "RCPT TO:<x>",
    ] {
        let trace = format!(
            "C~: {line}\\r\\nUSER u\\r\\nPASS p\\r\\n
             S: 421 This is an FTP server.
             A: disconnect"
        );
        play(&format!("S: 220\n{trace}"));
        logged_in(&trace);
    }
}

#[test]
fn host_comes_before_user() {
    play(
        "S: 220
         C: HOST ftp.example.org
         S: 220 Host accepted.
         C: USER u
         S: 331
         C: HOST ftp.example.org
         S: 503 HOST comes before USER.",
    );
    logged_in(
        "C: HOST ftp.example.org
         S: 503",
    );
}

#[test]
fn acct_is_never_needed() {
    logged_in(
        "C: ACCT x
         S: 202
         C: ACCT
         S: 501 Usage: ACCT <SP> account",
    );
}

/// I26: nothing of the login before carries over.
#[test]
fn user_and_rein_forget_everything_that_was_set() {
    for (verb, code) in [
        ("REIN", "220 Ready for a new user."),
        ("USER u", "331 Password, please."),
    ] {
        let user = if verb == "REIN" {
            "C: USER u\nS: 331"
        } else {
            ""
        };
        logged_in(&format!(
            "C: CWD sub
             A: stat /sub
             E: dir
             S: 250
             C: PASV
             A: listen
             E: 127.0.0.1:51210
             S: 227
             C: REST 5
             S: 350
             C: RNFR f
             A: stat /sub/f
             E: file 1
             S: 350
             C: OPTS MLST size;
             S: 200
             C: SITE UMASK 077
             S: 200
             C: {verb}
             A: close-data
             E: ok
             S: {code}
             C: PWD
             S: 530
             {user}
             C: PASS p
             A: login u
             E: ok
             S: 230
             C: PWD
             S: 257 \"/\" is the current directory.
             C: RNTO g
             S: 503 RNFR comes first.
             C: RETR f
             S: 425
             C: SITE UMASK
             S: 200 The mask is the server's.
             C: STAT
             S: 211-Status:
             S:  Connected from 127.0.0.1
             S:  Logged in as u
             S:  TYPE: ASCII, STRUcture: File, MODE: Stream
             S:  No transfer runs
             S: 211 End.
             C: MLST f
             A: stat /f
             E: dir
             S: 250-Facts follow.
             S:  type=dir;modify=20180502090100;perm=cdeflmp; /f
             S: 250 End.
             C: EPSV
             A: listen
             E: 127.0.0.1:51211
             S: 229
             C: TYPE I
             S: 200
             C: RETR f
             A: open /f read@0
             E: NotFound
             S: 550"
        ));
    }
}

#[test]
fn epsv_all_ends_with_the_login() {
    logged_in(
        "C: EPSV ALL
         S: 200
         C: REIN
         S: 220
         C: USER u
         S: 331
         C: PASS p
         A: login u
         E: ok
         S: 230
         C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227",
    );
}

#[test]
fn a_login_starts_in_the_directory_of_the_account() {
    let mut scene = Scene::new();
    let start = wharf_core::VPath::resolve(&wharf_core::VPath::root(), b"home/u");
    scene.grant.start = start.unwrap();
    scene.logged_in(
        "C: PWD
         S: 257 \"/home/u\" is the current directory.",
    );
}

/// C11: what an account may not do is refused before the storage hears of it.
#[test]
fn each_right_is_asked_before_the_storage() {
    let cases: [(Rights, &[&str]); 7] = [
        (
            Rights::LIST,
            &[
                "LIST", "LIST d", "NLST", "NLST *", "MLSD", "MLSD d", "STAT f",
            ],
        ),
        (Rights::READ, &["RETR f"]),
        (
            Rights::WRITE,
            &[
                "STOR f",
                "APPE f",
                "STOU",
                "STOU f",
                "SITE SYMLINK a b",
                "AVBL",
            ],
        ),
        (
            Rights::OVERWRITE,
            &[
                "MFMT 20200101000000 f",
                "MFF Modify=20200101000000; f",
                "SITE CHMOD 644 f",
                "SITE UTIME 202001010000 f",
            ],
        ),
        (Rights::DELETE, &["DELE f", "RMD d"]),
        (Rights::RENAME, &["RNFR f"]),
        (Rights::MKDIR, &["MKD d", "XMKD d"]),
    ];
    assert_eq!(cases.len(), all_rights().count());
    for (right, commands) in cases {
        for command in commands {
            let trace = format!(
                "C: PASV
                 A: listen
                 E: 127.0.0.1:51210
                 S: 227
                 C: {command}
                 S: 550 Permission denied."
            );
            Scene::new().without(right).logged_in(&trace);
        }
    }
}

#[test]
fn whether_a_name_exists_is_told_only_to_whom_may_know() {
    for (command, code) in [("SIZE f", 213), ("MDTM f", 213), ("MLST f", 250)] {
        for right in [Rights::LIST, Rights::READ] {
            Scene::new().rights(right).logged_in(&format!(
                "C: {command}
                 A: stat /f
                 E: file 5
                 S: {code}"
            ));
        }
        Scene::new().rights(Rights::DELETE).logged_in(&format!(
            "C: {command}
             S: 550 Permission denied."
        ));
    }
    // Whoever uploads may ask how much has arrived, and learns nothing else.
    for outcome in ["file 5", "dir", "NotFound"] {
        Scene::new().rights(Rights::WRITE).logged_in(&format!(
            "C: SIZE f
             A: stat /f
             E: {outcome}
             S: 550 Permission denied.
             C: MDTM f
             S: 550 Permission denied."
        ));
    }
}

#[test]
fn notes_tell_of_logins_as_far_as_they_are_wanted() {
    let trace = "S: 220
         C: USER u
         S: 331
         C: PASS secret
         A: login u
         E: denied
         T: +1s
         S: 530
         C: USER v
         S: 331
         C: PASS secret
         A: login v
         E: ok
         S: 230";
    let notes = |level| {
        let scene = Scene::new().config(|config| config.notes = level);
        scene.play(trace).noted()
    };
    let refused = Note::LoginRefused {
        username: "u".into(),
        why: Denied::Credentials,
        tries: 1,
    };
    let logged_in = Note::LoggedIn {
        username: "v".into(),
    };
    let command = |line: &str, code| Note::Command {
        line: line.into(),
        code,
    };
    assert_eq!(notes(Notes::None), []);
    assert_eq!(notes(Notes::Audit), [refused.clone(), logged_in.clone()]);
    assert_eq!(
        notes(Notes::Commands),
        [
            command("USER u", 331),
            refused,
            command("PASS ****", 530),
            command("USER v", 331),
            logged_in,
            command("PASS ****", 230),
        ]
    );
}

/// Where there is no TLS, nobody is asked for the password of an account that demands it.
#[test]
fn who_a_name_is_can_be_asked_without_tls() {
    let scene = Scene::new().config(|config| config.identify = true);
    scene.play(
        "S: 220
         C: USER u
         A: identify u
         E: unprotected
         S: 530 TLS is needed, which is not offered here.
         C: PASS p
         S: 503
         C: USER v
         A: identify v
         E: password
         S: 331
         C: PASS p
         A: login v
         E: ok
         S: 230",
    );
}

#[test]
fn who_is_told_that_a_login_is_over_is_logged_in_no_more() {
    for (line, code) in [("USER v", "331"), ("REIN", "220"), ("QUIT", "221")] {
        let mut peer = logged_in("");
        assert!(peer.session.is_logged_in());
        let line = format!("{line}\r\n");
        let taken = peer.session.receive(peer.now, line.as_bytes());
        assert_eq!(taken, line.len());
        // Before the reply is written.
        assert!(peer.session.transmit().starts_with(code.as_bytes()));
        assert!(!peer.session.is_logged_in(), "{line}");
    }
}
