//! Names that are odd. P70, P71, P74.

use std::fs;
use std::os::unix::ffi::OsStringExt as _;

use std::io::Write as _;

use super::{Stand, Target, checks};
use crate::Client;
use crate::server::rest;

checks! {
    p70_keeps_odd_names_or_refuses_them,
    p71_doubles_quotes_in_paths,
    p74_logs_no_control_bytes,
}

/// As it goes over the control connection: 0xff is doubled.
fn told(name: &[u8]) -> Vec<u8> {
    let mut told = Vec::new();
    for &byte in name {
        told.push(byte);
        if byte == 0xff {
            told.push(byte);
        }
    }
    told
}

/// Stores under a name: the last reply.
fn store(client: &mut Client, name: &[u8]) -> u16 {
    let mut data = client.data();
    client.raw(&[b"STOR ", &told(name)[..], b"\r\n"].concat());
    let (code, _) = client.reply();
    if code != 150 {
        return code;
    }
    data.write_all(b"x").expect("to send");
    drop(data);
    client.reply().0
}

fn stored(target: &Target) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(&target.home).expect("a directory");
    entries
        .map(|entry| entry.expect("an entry").file_name().into_vec())
        .collect()
}

/// Lists what is there: a line for each name, and each name in its line.
fn lists(client: &mut Client, target: &Target) {
    let names: Vec<Vec<u8>> = stored(target)
        .into_iter()
        .filter(|name| !name.starts_with(b"."))
        .collect();
    for verb in ["LIST", "NLST", "MLSD"] {
        let data = client.data();
        client.send(verb);
        if client.reply().0 != 150 {
            continue;
        }
        let listed = rest(data);
        client.expect(226);
        let lines: Vec<&[u8]> = listed
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| !line.ends_with(b" .\r\n") && !line.ends_with(b" ..\r\n"))
            .filter(|line| !line.starts_with(b"total "))
            .collect();
        assert_eq!(lines.len(), names.len(), "{verb}: lines for names");
        for name in &names {
            if name.iter().any(|byte| byte.is_ascii_control()) {
                continue;
            }
            let line = [&name[..], b"\r\n"].concat();
            let is_listed = lines.iter().any(|listed| listed.ends_with(&line));
            assert!(
                is_listed,
                "{verb} loses {:?}",
                name.escape_ascii().to_string()
            );
        }
    }
}

fn p70_keeps_odd_names_or_refuses_them(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    let long = [b'n'; 256];
    let names: [&[u8]; 17] = [
        b"a\rb",
        b"a\x1bb",
        b"a\tb",
        b"a\x07b",
        b"a\x7fb",
        b"a\0b",
        b"\x80\x9f\xa0\xff",
        b"\xfe\xed",
        &long[..255],
        &long,
        b" leading",
        b"trailing.",
        b"CON",
        b"-la",
        b"~",
        b"*",
        "\u{d55c}\u{ae00}".as_bytes(),
    ];
    for name in names {
        let before = stored(&target).len();
        let code = store(&mut client, name);
        let shown = name.escape_ascii().to_string();
        if code == 226 {
            assert!(!name.contains(&0), "{shown} is stored under another name");
            assert!(target.has(name), "{shown:.40} is stored under another name");
        } else {
            assert!(code >= 500, "{shown:.40}: {code}");
            assert_eq!(
                stored(&target).len(),
                before,
                "{shown:.40} is refused and there"
            );
        }
        client.command("NOOP", 200);
    }
    lists(&mut client, &target);
    // What others have put there.
    for name in [&b"n\nl"[..], b"c\rr", b"e\x1b[2Jsc", b"\xc3\x28"] {
        target.put(name, b"x");
    }
    lists(&mut client, &target);
}

fn p71_doubles_quotes_in_paths(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    let text = client.command("MKD a\"b", 257);
    assert!(text.starts_with("257 \"/a\"\"b\""), "MKD: {text}");
    client.command("CWD a\"b", 250);
    let text = client.command("PWD", 257);
    assert!(text.starts_with("257 \"/a\"\"b\""), "PWD: {text}");
}

fn p74_logs_no_control_bytes(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.connect();
    client.raw(b"USER evil\x1b[2J\x07\rFAKE entry\r\n");
    client.reply();
    client.raw(b"PASS x\r\n");
    client.reply();
    target.put(b"n\nFAKE entry\x1b[2J", b"x");
    let mut client = target.login();
    client.raw(b"DELE some\x1b[2J\rFAKE entry\r\n");
    client.reply();
    store(&mut client, b"odd\x1b[2J\rFAKE entry");
    client.command("QUIT", 221);
    let Some(log) = target.log_with("QUIT") else {
        super::lacks("no log of its own");
    };
    assert!(log.contains("evil"), "the log does not tell of it");
    let is_bare = |byte: u8| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t');
    assert!(!log.bytes().any(is_bare), "control bytes in the log");
    assert!(
        !log.lines()
            .any(|line| line.trim_start().starts_with("FAKE")),
        "a forged line"
    );
}
