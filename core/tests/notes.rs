//! What the notes tell of changes, refusals and ends, and that none of them is lost unseen.

use std::time::Duration;

use bstr::ByteSlice;
use wharf_core::command::Verb;
use wharf_core::{Denied, Edit, Ending, Note, Notes, Protection, Rights, TlsPolicy, VPath};

use crate::common::embedder::converse;
use crate::common::{Peer, Scene, logged_in};

/// What a logged-in client's trace has noted, without the login.
fn notes_of(scene: &Scene, trace: &str) -> Vec<Note> {
    scene.logged_in(trace).noted().split_off(1)
}

fn path(name: &str) -> VPath {
    VPath::resolve(&VPath::root(), name.as_bytes()).unwrap_or_default()
}

fn refused(verb: Verb, about: Option<&str>, code: u16, why: &'static str) -> Note {
    Note::Refused {
        verb,
        about: about.map(Into::into),
        code,
        why,
    }
}

#[test]
fn each_change_is_noted_with_its_whole_path_and_what_the_client_was_told() {
    let notes = notes_of(
        &Scene::new(),
        "C: CWD d
         A: stat /d
         E: dir
         S: 250
         C: DELE f
         A: delete /d/f
         E: ok
         S: 250
         C: MKD e
         A: mkdir /d/e
         E: IsADirectory
         S: 550
         C: RNFR f
         A: stat /d/f
         E: file 5
         S: 350
         C: RNTO /g
         A: rename /d/f -> /g replace
         E: NoSpace
         S: 452
         C: SITE UMASK 027
         S: 200",
    );
    let change = |verb, edit, name: &str, other: Option<&str>, code, refused| Note::Changed {
        verb,
        edit,
        path: path(name),
        other: other.map(path),
        code,
        refused,
    };
    let make = Edit::MakeDirectory { umask: None };
    let rename = Edit::Rename { replace: true };
    assert_eq!(
        notes,
        [
            change(Verb::Dele, Edit::Delete, "/d/f", None, 250, None),
            change(
                Verb::Mkd,
                make,
                "/d/e",
                None,
                550,
                Some("Directory already exists")
            ),
            change(
                Verb::Rnto,
                rename,
                "/g",
                Some("/d/f"),
                452,
                Some("No space left.")
            ),
            Note::MaskSet { umask: 0o027 },
        ]
    );
}

#[test]
fn what_an_account_may_not_do_is_noted_with_the_path_that_it_meant() {
    let scene = Scene::new().rights(Rights::LIST);
    let notes = notes_of(
        &scene,
        "C: CWD d
         A: stat /d
         E: dir
         S: 250
         C: DELE ../x
         S: 550
         C: STOR f
         S: 550
         C: MFMT 20200101000000 f
         S: 550
         C: PORT 192,0,2,1,200,0
         S: 501
         C: SIZE f
         A: stat /d/f
         E: NotFound
         S: 550
         C: SIZE f
         A: stat /d/f
         E: Denied
         S: 550",
    );
    let denied = |verb, about| refused(verb, Some(about), 550, "Permission denied.");
    let elsewhere = "Data connections go to your own address, port 1024 or higher.";
    assert_eq!(
        notes,
        [
            denied(Verb::Dele, "/x"),
            denied(Verb::Stor, "/d/f"),
            denied(Verb::Mfmt, "/d/f"),
            refused(Verb::Port, None, 501, elsewhere),
            // That a file is not there is no refusal.
            denied(Verb::Size, "/d/f"),
        ]
    );
}

#[test]
fn what_tls_would_be_needed_for_is_noted() {
    let scene = Scene::new().config(|config| {
        config.tls = TlsPolicy {
            control: Protection::Required,
            ..TlsPolicy::default()
        };
    });
    let mut peer = scene.play("S: 220\nC: USER eve\nS: 530\nC: PWD\nS: 530");
    let first = "Protect the connection with AUTH TLS first.";
    let login = "Please log in with USER and PASS.";
    assert_eq!(
        peer.noted(),
        [
            refused(Verb::User, Some("eve"), 530, first),
            refused(Verb::Pwd, None, 530, login),
        ]
    );
}

#[test]
fn a_refused_login_is_noted_with_its_reason() {
    for (word, why, code) in [
        ("denied", Denied::Credentials, "530"),
        ("unprotected", Denied::Unprotected, "530"),
        ("too-many", Denied::TooMany, "421"),
        ("waits", Denied::Waits, "421"),
        ("unavailable", Denied::Unavailable, "421"),
    ] {
        let scene = Scene::new().limits(|limits| limits.login_delay = Duration::ZERO);
        let end = if code == "421" { "A: disconnect" } else { "" };
        let mut peer = scene.play(&format!(
            "S: 220
             C: USER u
             S: 331
             C: PASS p
             A: login u
             E: {word}
             S: {code}
             {end}"
        ));
        let notes = peer.noted();
        let expected = Note::LoginRefused {
            username: "u".into(),
            why,
            tries: u32::from(why == Denied::Credentials),
        };
        assert_eq!(notes[0], expected);
        let ends = Note::Ended {
            why: Ending::LoginRefused,
        };
        assert_eq!(notes.get(1), (code == "421").then_some(&ends), "{word}");
    }
}

/// How the session of a peer has ended, by its last note.
fn ending(mut peer: Peer) -> Ending {
    while peer.poll().is_some() {}
    match peer.noted().last() {
        Some(Note::Ended { why }) => *why,
        other => panic!("{other:?} is no end"),
    }
}

#[test]
fn the_last_note_says_why_the_session_is_over() {
    let after = |trace: &str| ending(logged_in(trace));
    assert_eq!(after("C: QUIT\nS: 221\nA: disconnect"), Ending::Quit);
    assert_eq!(after("E: eof\nA: disconnect"), Ending::Closed);
    assert_eq!(after("E: lost\nA: disconnect"), Ending::Lost);
    assert_eq!(after("T: +300s\nS: 421\nA: disconnect"), Ending::Idle);
    assert_eq!(
        after("E: shutdown 5s\nS: 421\nA: disconnect"),
        Ending::Shutdown
    );
    assert_eq!(
        after("E: dismiss\nS: 421\nA: disconnect"),
        Ending::Dismissed
    );
    let stranger = |trace: &str| ending(Scene::new().play(trace));
    assert_eq!(
        stranger("S: 220\nT: +60s\nS: 421\nA: disconnect"),
        Ending::NoLogin
    );
    assert_eq!(
        stranger("S: 220\nC: GET / HTTP/1.1\nS: 421\nA: disconnect"),
        Ending::Foreign
    );
    let mut peer = Scene::new().play("S: 220");
    for _ in 0..10 {
        peer.send(b"XYZZY\r\n");
    }
    assert_eq!(ending(peer), Ending::BadCommands);
    let mut peer = logged_in("");
    peer.send(b"NOO");
    peer.wait(Duration::from_secs(60));
    assert_eq!(ending(peer), Ending::SlowLine);
    let mut peer = logged_in("");
    peer.reads = false;
    peer.send(b"NOOP\r\n");
    peer.wait(Duration::from_secs(60));
    assert_eq!(ending(peer), Ending::Unread);
}

#[test]
fn who_logs_out_is_noted() {
    for line in ["USER v", "REIN"] {
        let mut peer = logged_in("");
        peer.send(format!("{line}\r\n").as_bytes());
        assert_eq!(peer.noted()[1..], [Note::LoggedOut], "{line}");
    }
}

/// Whatever a client sends in one piece, also what needs no ticket and is taken at once.
#[test]
fn no_flood_pushes_anything_out() {
    for flood in ["DELE f\r\n", "SITE UMASK 077\r\n", "USER u\r\nPASS p\r\n"] {
        let scene = Scene::new().rights(Rights::LIST | Rights::WRITE);
        let mut peer = scene.play("S: 220\nC: USER u\nS: 331");
        let lines = [
            b"PASS p\r\n",
            &flood.as_bytes().repeat(200)[..],
            b"QUIT\r\n",
        ]
        .concat();
        let actions = converse(&mut peer, &lines, || usize::MAX);
        assert_eq!(actions.last().map(String::as_str), Some("disconnect"));
        let notes = peer.noted();
        assert!(matches!(notes[0], Note::LoggedIn { .. }), "{flood}");
        assert!(notes.len() >= 202, "{flood}: {}", notes.len());
        let quit = Note::Ended { why: Ending::Quit };
        assert_eq!(notes.last(), Some(&quit));
    }
}

#[test]
fn commands_wait_for_notes_to_be_taken_and_so_does_the_end() {
    let mut peer = logged_in("");
    peer.noted();
    peer.replies.clear();
    peer.takes_notes = false;
    peer.send(&[&b"SITE UMASK 077\r\n".repeat(100)[..], b"QUIT\r\n"].concat());
    let answered = |peer: &Peer| peer.replies.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(answered(&peer), 16);
    assert!(peer.session.heap_size() < 16_384);
    let mask = Note::MaskSet { umask: 0o077 };
    assert_eq!(peer.session.peek_note(), Some(&mask));
    assert_eq!(peer.session.note(), Some(mask));
    peer.exchange();
    assert_eq!(answered(&peer), 17, "there is room for one");
    for _ in 0..99 {
        assert_eq!(peer.poll(), None, "{:?}", peer.session.peek_note());
        assert!(peer.session.note().is_some());
        peer.exchange();
    }
    assert_eq!(answered(&peer), 101);
    assert_eq!(peer.poll(), None, "how it ended is not taken");
    assert!(matches!(peer.session.note(), Some(Note::Ended { .. })));
    assert_eq!(peer.poll().as_deref(), Some("disconnect"));
    assert_eq!(peer.session.note(), None);
}

#[test]
fn a_password_is_in_no_note() {
    let scene = Scene::new().config(|config| config.notes = Notes::Commands);
    let mut peer = scene.play(
        "S: 220
         C: PASS geheim
         S: 503
         C:  PASS geheim
         S: 500
         C~: PASS\\x09geheim\\r\\n
         S: 500
         C: PASSgeheim
         S: 500
         C: passgeheim x
         S: 500
         C: ACCT geheim
         S: 530
         C: ACCT
         S: 530
         C: USER u
         S: 331
         C: PASS geheim
         A: login u
         E: too-many
         S: 421
         A: disconnect",
    );
    let said = format!("{:?}", peer.noted());
    assert_eq!(said.matches("PASS ****").count(), 6, "{said}");
    assert!(!said.as_bytes().contains_str("geheim"), "{said}");
}

#[test]
fn greeting_and_welcome_may_have_several_lines() {
    let scene = Scene::new().config(|config| {
        config.greeting = "Wharf of the archive.\n220 is a number.\nReady.\n".into();
        config.welcome = "Files older than a week are removed.\n".into();
    });
    scene.play(
        "S: 220-Wharf of the archive.
         S: 220-220 is a number.
         S: 220 Ready.
         C: USER u
         S: 331
         C: PASS p
         A: login u
         E: ok
         S: 230-Files older than a week are removed.
         S: 230 Logged in.
         C: REIN
         S: 220 Ready for a new user.",
    );
}

#[test]
fn a_text_of_any_length_leaves_room_for_its_reply() {
    for text in [
        "\n".repeat(10_000),
        "line\n".repeat(5_000),
        "é".repeat(5_000),
    ] {
        let scene = Scene::new().config(|config| {
            config.greeting = text.clone().into();
            config.welcome = text.clone().into();
        });
        let peer = Peer::new(&scene);
        assert!(peer.replies.len() < 3_000, "{}", peer.replies.len());
        assert!(peer.replies.ends_with(b"\r\n"));
        assert!(std::str::from_utf8(&peer.replies).is_ok());
        let last = peer.replies.lines().next_back();
        assert!(last.is_some_and(|line| line.starts_with(b"220 ")));
    }
}
