//! What lies between the parts: modes that other programs obey, the log, names. P81 to P86.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Stand, checks, lacks};

checks! {
    p81_keeps_its_home_open both,
    p82_makes_no_file_that_runs_as_another_user both,
    p83_writes_no_password_behind_a_slip_of_the_finger,
    p84_logs_what_was_done_whatever_is_sent_behind_it,
    p85_takes_no_name_that_reads_as_another,
    p86_stores_what_two_send_at_once_under_two_names,
}

fn mode(path: &Path) -> u32 {
    let seen = fs::metadata(path).expect("it is there");
    seen.permissions().mode()
}

fn p81_keeps_its_home_open(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    for place in ["/", ".", "..", "/./"] {
        for line in ["SITE CHMOD 000", "MFF UNIX.mode=0000;"] {
            client.send(&format!("{line} {place}"));
            client.reply();
        }
    }
    let mode = mode(&target.home);
    assert_eq!(mode & 0o700, 0o700, "the home has the mode {mode:o}");
    target.still_serves();
}

fn p82_makes_no_file_that_runs_as_another_user(stand: &Stand<'_>) {
    let target = stand.serve();
    target.put("f", b"#!/bin/sh");
    target.make("d");
    let mut client = target.login();
    for bits in ["4755", "2755", "06777", "1777"] {
        for name in ["f", "d"] {
            for line in [
                format!("SITE CHMOD {bits} {name}"),
                format!("MFF UNIX.mode={bits}; {name}"),
            ] {
                client.send(&line);
                client.reply();
                let mode = mode(&target.path(name));
                assert_eq!(mode & 0o7000, 0, "{line}: {mode:o}");
            }
        }
    }
}

fn p83_writes_no_password_behind_a_slip_of_the_finger(stand: &Stand<'_>) {
    let target = stand.serve();
    if target.log.is_none() {
        lacks("no log of its own");
    }
    let mut client = target.connect();
    client.send("USER user");
    client.reply();
    let slips: [&[u8]; 5] = [
        b" PASS geheim\r\n",
        b"PASS\tgeheim\r\n",
        b"PASSgeheim\r\n",
        b"ACCT geheim\r\n",
        b"pass  geheim\r\n",
    ];
    for slip in slips {
        client.raw(slip);
        client.reply();
    }
    client.command("QUIT", 221);
    let log = target.log_with("QUIT").unwrap_or_default();
    assert!(log.contains("QUIT"), "the log tells of no command");
    let told = log.lines().find(|line| line.contains("geheim"));
    assert!(told.is_none(), "{}", told.unwrap_or_default());
}

fn p84_logs_what_was_done_whatever_is_sent_behind_it(stand: &Stand<'_>) {
    let target = stand.serve();
    target.put("victim", b"hello");
    let mut client = target.connect();
    client.send("USER user");
    client.reply();
    let flood = "RETR nope\r\n".repeat(40);
    let lines =
        format!("PASS 12345\r\nPORT 127,0,0,1,200,10\r\n{flood}DELE victim\r\n{flood}QUIT\r\n");
    client.raw(lines.as_bytes());
    while client.reply().0 != 221 {}
    assert!(!target.has("victim"));
    let Some(log) = target.log_with("victim") else {
        lacks("no log of its own")
    };
    assert!(
        log.contains("victim"),
        "the log does not tell what was deleted"
    );
    assert!(
        log.contains("user"),
        "the log does not tell who has logged in"
    );
}

fn p85_takes_no_name_that_reads_as_another(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    for name in [
        "invoice\u{202e}fdp.exe",
        "a\u{9b}2Jb",
        "\u{2066}x",
        "x\u{85}y",
    ] {
        client.send(&format!("MKD {name}"));
        let (code, text) = client.reply();
        assert!(code >= 400 && !target.has(name), "{name:?}: {text}");
    }
    // Other letters than ours are names like any other.
    client.command("MKD 한글 é", 257);
}

fn p86_stores_what_two_send_at_once_under_two_names(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut clients = [target.login(), target.login()];
    let mut uploads = Vec::new();
    for client in &mut clients {
        let data = client.data();
        client.send("STOU");
        let (code, text) = client.reply();
        if code >= 500 {
            lacks("no STOU");
        }
        assert_eq!(code, 150, "{text}");
        uploads.push(client.protect(data));
    }
    for (number, mut data) in uploads.into_iter().enumerate() {
        data.write_all(format!("upload {number}").as_bytes())
            .expect("to send");
        data.finish().expect("to end");
    }
    for client in &mut clients {
        client.expect_one_of("STOU", &[226, 250]);
    }
    let files = fs::read_dir(&target.home).expect("a home");
    let mut stored: Vec<_> = files
        .filter_map(|file| fs::read_to_string(file.ok()?.path()).ok())
        .collect();
    stored.sort();
    assert_eq!(stored, ["upload 0", "upload 1"]);
}
