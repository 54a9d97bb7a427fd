//! Lines: how long they are, and what is in them. P1 to P14, P18 and P19.

use std::io::{ErrorKind, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use super::{Setup, Stand, Target, checks};
use crate::Client;

checks! {
    p01_holds_little_of_a_line_without_end both,
    p02_answers_an_over_long_line_once both,
    p03_never_runs_the_tail_of_an_over_long_line both,
    p04_gives_no_flood_for_empty_lines both,
    p05_goes_on_after_a_nul,
    p06_goes_on_after_bytes_that_are_no_text,
    p07_removes_telnet_sequences both,
    p08_takes_a_doubled_iac_for_one_byte,
    p09_knows_a_telnet_sequence_that_is_cut both,
    p10_is_silent_to_telnet_negotiation both,
    p11_takes_arguments_as_they_are,
    p12_knows_verbs_in_any_case,
    p13_takes_a_line_that_ends_in_lf_alone_or_late both,
    p14_counts_the_time_of_the_whole_line both,
    p18_closes_on_ten_unknown_commands both,
    p19_caps_names_and_passwords both,
}

const MEBI: usize = 1 << 20;

/// Sends a part again and again, and says how many KiB of memory that took at most. It may end
/// early: the server has closed the connection.
fn pour(target: &Target, client: &mut Client, part: &[u8], times: usize) -> u64 {
    let patience = Some(Duration::from_secs(10));
    client
        .stream()
        .set_write_timeout(patience)
        .expect("a timeout");
    let before = target.memory();
    let mut most = before;
    for time in 0..times {
        match client.wire().write_all(part) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("it reads no more"),
            Err(_) => break,
        }
        if time % (times / 8).max(1) == 0 {
            most = most.max(target.memory());
        }
    }
    most.max(target.memory()).saturating_sub(before)
}

/// Sends the end of what was poured: whether the connection lives and answers, or is closed.
fn lives(client: &mut Client, end: &[u8], codes: &[u16]) -> bool {
    if client.wire().write_all(end).is_err() {
        return false;
    }
    match client.try_reply() {
        Ok((code, text)) => {
            assert!(codes.contains(&code), "{text}");
            true
        }
        Err(error) => {
            is_closed(&error);
            false
        }
    }
}

fn p01_holds_little_of_a_line_without_end(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.connect();
    let grown = pour(&target, &mut client, &vec![b'A'; MEBI], 64);
    // What it may hold is some KiB; a server that holds the line has grown by 65,536.
    assert!(grown < 8_192, "{grown} KiB held");
    lives(&mut client, b"\r\n", &[500, 501, 421]);
    target.still_serves();
}

/// Sends an over-long line, which has one answer, or the connection is closed. Some allow lines of
/// this length: then it is one line all the same.
fn is_one_line(client: &mut Client, line: &[u8]) {
    client.raw(line);
    match client.try_reply() {
        Ok((421, _)) => return,
        Ok((code, text)) => assert!([200, 500, 501].contains(&code), "{text}"),
        Err(error) => {
            is_closed(&error);
            return;
        }
    }
    // One reply more, and this is not the answer.
    let _ = client.wire().write_all(b"PWD\r\n");
    match client.try_reply() {
        Ok((code, text)) => assert_eq!(code, 257, "PWD is answered by {text}"),
        Err(error) => is_closed(&error),
    }
}

/// There is no reply since the connection is closed, not since the server is silent.
fn is_closed(error: &std::io::Error) {
    assert!(error.kind() != ErrorKind::WouldBlock, "no reply in time");
}

fn p02_answers_an_over_long_line_once(stand: &Stand<'_>) {
    let target = stand.serve();
    for length in [4_100, 5_000] {
        let line = [b"NOOP ", &vec![b'A'; length][..], b"\r\n"].concat();
        is_one_line(&mut target.login(), &line);
    }
}

fn p03_never_runs_the_tail_of_an_over_long_line(stand: &Stand<'_>) {
    let target = stand.serve();
    target.put("a.txt", b"hello");
    // Wherever a buffer may end, the tail is a command there.
    for length in [512, 1_024, 4_096, 4_097, 8_192, 65_536] {
        let mut client = target.login();
        let mut line = b"NOOP ".to_vec();
        line.resize(length, b'A');
        line.extend_from_slice(&b"DELE a.txt ".repeat(20));
        line.extend_from_slice(b"\r\n");
        is_one_line(&mut client, &line);
        assert!(target.has("a.txt"), "the tail was run");
    }
    let mut client = target.login();
    client.raw(&[b"NOOP ", &vec![b'A'; 4_100][..], b"\nDELE a.txt\r\n"].concat());
    // Some close on it.
    let _ = client.try_reply();
    target.still_serves();
    assert!(target.has("a.txt"), "the tail behind an LF was run");
}

fn p04_gives_no_flood_for_empty_lines(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.connect();
    let before = target.cpu();
    let _ = client.wire().write_all(&b"\r\n".repeat(10_000));
    let _ = client.wire().write_all(b"FEAT\r\n");
    let mut replies = 0;
    while let Ok((code, _)) = client.try_reply() {
        if code == 211 {
            break;
        }
        replies += 1;
        assert!(replies <= 100, "more than 100 replies");
    }
    let spent = target.cpu().saturating_sub(before);
    assert!(spent < 100, "{spent} ticks of 10 ms");
}

fn p05_goes_on_after_a_nul(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    client.raw(b"NO\0OP\r\n");
    client.expect_one_of("NO\\0OP", &[500, 501]);
    client.command("NOOP", 200);
}

fn p06_goes_on_after_bytes_that_are_no_text(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    for line in [
        &b"\xff\xfe\xe9 X\r\n"[..],
        b"\xe9\xe8 X\r\n",
        b"\x80\xc0\xdf\r\n",
    ] {
        client.raw(line);
        client.expect_one_of("bytes above 127", &[500, 501, 502]);
    }
    client.command("NOOP", 200);
}

fn p07_removes_telnet_sequences(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    client.raw(b"\xff\xf4\xff\xf2ABOR\r\n");
    client.expect_one_of("IAC IP IAC DM ABOR", &[225, 226]);
    client.command("NOOP", 200);
}

fn p08_takes_a_doubled_iac_for_one_byte(stand: &Stand<'_>) {
    let target = stand.serve();
    target.put(b"a\xff.bin", b"hello");
    let mut client = target.login();
    let data = client.data();
    client.raw(b"RETR a\xff\xff.bin\r\n");
    client.expect(150);
    assert_eq!(crate::server::rest(data), b"hello");
    client.expect(226);
}

fn p09_knows_a_telnet_sequence_that_is_cut(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    let pieces: [&[u8]; 6] = [
        b"\xff",
        b"\xf4NO",
        b"OP\xff",
        b"\xfd",
        b"\x00\xff",
        b"\xf2\r\n",
    ];
    for piece in pieces {
        client.raw(piece);
        thread::sleep(Duration::from_millis(30));
    }
    client.expect(200);
    client.command("PWD", 257);
}

fn p10_is_silent_to_telnet_negotiation(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    let part = b"\xff\xfd\x00".repeat(8_192);
    let grown = pour(&target, &mut client, &part, 2 * MEBI / part.len());
    assert!(grown < 2_048, "{grown} KiB held");
    if lives(&mut client, b"NOOP\r\n", &[200]) {
        client.command("PWD", 257);
    }
    target.still_serves();
}

fn p11_takes_arguments_as_they_are(stand: &Stand<'_>) {
    let target = stand.serve();
    target.put("s", b"1");
    target.put("s ", b"22");
    target.put(" s", b"333");
    target.put("s\t", b"4444");
    let mut client = target.login();
    for (line, size) in [
        ("SIZE s", "1"),
        ("SIZE s ", "2"),
        ("SIZE  s", "3"),
        ("SIZE s\t", "4"),
    ] {
        let text = client.command(line, 213);
        assert!(text.starts_with(&format!("213 {size}")), "{line:?}: {text}");
    }
    let spaces = " ".repeat(300);
    for verb in ["NOOP", "PWD", "SYST", "FEAT", "CDUP", "PASV", "TYPE I"] {
        for tail in [" ", &spaces, "\t"] {
            let (code, _) = {
                client.send(&format!("{verb}{tail}"));
                client.reply()
            };
            assert!(
                (200..400).contains(&code) || code / 10 == 50,
                "{verb}: {code}"
            );
        }
    }
    client.command("NOOP", 200);
}

fn p12_knows_verbs_in_any_case(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    for line in ["noop", "NoOp", "type i", "Type I", "opts utf8 on"] {
        client.command(line, 200);
    }
}

fn p13_takes_a_line_that_ends_in_lf_alone_or_late(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    client.raw(b"NOOP\n");
    client.expect(200);
    client.raw(b"NOOP\r");
    thread::sleep(Duration::from_secs(2));
    client.raw(b"\n");
    client.expect(200);
    client.command("PWD", 257);
}

fn p14_counts_the_time_of_the_whole_line(stand: &Stand<'_>) {
    let target = stand.start(Setup {
        idle: Some(3),
        ..Setup::default()
    });
    let mut client = target.login();
    for byte in b"NOOP\r\n" {
        client.raw(&[*byte]);
        thread::sleep(Duration::from_millis(100));
    }
    client.expect(200);
    let begun = Instant::now();
    while client.wire().write_all(b"N").is_ok() && client.is_silent(Duration::from_millis(300)) {
        assert!(
            begun.elapsed() < Duration::from_secs(12),
            "a byte now and then holds the session"
        );
    }
}

fn p18_closes_on_ten_unknown_commands(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.connect();
    for _ in 0..12 {
        if client.wire().write_all(b"XYZZY plugh\r\n").is_err() {
            return;
        }
        match client.try_reply() {
            Ok((421, _)) | Err(_) => return,
            Ok(_) => {}
        }
    }
    panic!("goes on after 12 unknown commands");
}

fn p19_caps_names_and_passwords(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.connect();
    client.one_of(
        &format!("USER {}", "u".repeat(5_000)),
        &[331, 421, 500, 501, 530],
    );
    let mut client = target.connect();
    client.command("USER user", 331);
    let (memory, begun) = (target.memory(), Instant::now());
    let _ = client
        .wire()
        .write_all(&[b"PASS ", &vec![b'p'; MEBI][..], b"\r\n"].concat());
    match client.try_reply() {
        Ok((code, text)) => assert!([421, 500, 501, 530].contains(&code), "{text}"),
        Err(error) => is_closed(&error),
    }
    let grown = target.memory().saturating_sub(memory);
    assert!(grown < 900, "{grown} KiB held");
    // The delay of a refusal is a second or some, the hash of a MiB would be more.
    assert!(begun.elapsed() < Duration::from_secs(8), "too slow");
    target.still_serves();
}
