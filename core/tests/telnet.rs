//! From bytes to lines: Telnet, line ends, lines that are too long, barriers.

use wharf_core::VPath;

use crate::common::{Peer, Scene, logged_in, play};

/// Sends the bytes whole and one by one; both must give these replies.
fn replies(bytes: &[u8], wanted: &str) {
    for step in [bytes.len(), 1] {
        let mut peer = logged_in("");
        for cut in bytes.chunks(step) {
            peer.send(cut);
        }
        let codes: Vec<&[u8]> = peer
            .replies
            .split_inclusive(|&byte| byte == b'\n')
            .map(|line| &line[..3])
            .collect();
        assert_eq!(
            codes.join(&b' '),
            wanted.as_bytes(),
            "{step} bytes at a time"
        );
    }
}

#[test]
fn lines_end_in_lf_with_or_without_cr() {
    replies(b"NOOP\r\nNOOP\nPWD\r\n", "200 200 257");
}

#[test]
fn a_cr_within_a_line_is_a_byte() {
    replies(b"NOOP\r\rNOOP\r\n", "500");
    replies(b"NOOP\r\r\n", "500");
    replies(b"ABOR\rX\r\nABOR\r\n", "500 225");
    replies(b"QUIT\rX\r\nNOOP\r\n", "500 200");
}

#[test]
fn telnet_commands_vanish() {
    replies(b"\xff\xf4\xff\xf2ABOR\r\n", "225");
    replies(b"\xff\xfb\x01\xff\xfd\x03\xff\xfe\x0aNOOP\r\n", "200");
    replies(b"NO\xff\xf1OP\r\n", "200");
    replies(b"\xff\xfa\x18\x00xterm\xff\xf0NOOP\r\n", "200");
    replies(b"\xff\xfa\x18\xff\xffNOOP\xff\xf0NOOP\r\n", "200");
}

#[test]
fn the_urgent_byte_may_be_lost() {
    replies(b"\xff\xf4\xf2ABOR\r\n", "225");
    replies(b"\xff\xf4\xffABOR\r\n", "225");
    replies(b"\xff\xf4ABOR\r\n", "225");
    replies(b"\xf4ABOR\r\nNOOP\r\n", "225 200");
    replies(b"\xf2ABOR\r\nNOOP\r\n", "225 200");
    // As one client library sends it: each of the two bytes urgent, in the wrong order.
    replies(b"\xf4\xffABOR\r\n", "225");
    // In the middle of a line they are bytes like others.
    replies(b"NO\xf4OP\r\nNOOP\r\n", "500 200");
}

#[test]
fn a_line_end_ends_a_subnegotiation_that_never_ends() {
    replies(b"\xff\xfa\x18NOOP\r\nNOOP\r\n", "500 200");
}

#[test]
fn two_iac_are_one_byte_of_a_name() {
    let mut peer = logged_in("");
    peer.send(b"SIZE a\xff\xffb\xff");
    peer.send(b"\xff\r\n");
    peer.poll();
    assert_eq!(peer.session.path().as_bytes(), &b"/a\xffb\xff"[..]);
}

#[test]
fn negotiation_holds_no_memory() {
    let mut peer = logged_in("");
    let before = peer.session.heap_size();
    for _ in 0..1_000 {
        peer.send(&b"\xff\xfd\x00".repeat(700));
    }
    assert!(peer.session.heap_size() <= before);
    peer.send(b"NOOP\r\n");
    assert!(peer.replies.starts_with(b"200 "));
}

#[test]
fn a_line_that_is_too_long_is_one_500_and_its_tail_is_never_run() {
    let fitting = [&b"NOOP "[..], &[b'x'; 4_091]].concat();
    replies(&[&fitting[..], b"\r\nNOOP\r\n"].concat(), "200 200");
    replies(&[&fitting[..], b"\nNOOP\n"].concat(), "200 200");
    replies(&[&fitting[..], b"x\r\nNOOP\r\n"].concat(), "500 200");
    replies(&[&fitting[..], b"\r\r\nNOOP\r\n"].concat(), "500 200");
    replies(&[&fitting[..], b"\rx\r\nNOOP\r\n"].concat(), "500 200");
    let tail = b"\rDELE f\rABOR\rQUIT".repeat(1_000);
    replies(&[&fitting[..], &tail, b"\r\nNOOP\r\n"].concat(), "500 200");
    let escaped = [&fitting[..4_090], b"\xff\xff\xff\xff\xff\xff\r\nNOOP\r\n"].concat();
    replies(&escaped[..escaped.len()], "200 200");
}

/// A part of it must not become a command, wherever its writer has put an LF.
#[test]
fn an_over_long_line_ends_as_the_lines_before() {
    let long = [b'x'; 4_200];
    let crlf = [&b"NOOP\r\n"[..], &long, b"\nQUIT\r\nNOOP\r\n"].concat();
    replies(&crlf, "200 500 200");
    let lf = [&b"NOOP\n"[..], &long, b"\nPWD\r\nNOOP\r\n"].concat();
    replies(&lf, "200 500 257 200");
    let cut = [&[b'x'; 4_096][..], b"\r\rx\r\nNOOP\r\n"].concat();
    replies(&cut, "500 200");
}

#[test]
fn an_over_long_line_is_answered_before_it_ends() {
    let mut peer = logged_in("");
    peer.send(&[b'A'; 4_097]);
    assert_eq!(peer.replies, b"500 Line too long.\r\n");
    peer.send(&[b'A'; 100_000]);
    peer.send(b"\r\n");
    assert_eq!(peer.replies, b"500 Line too long.\r\n");
}

/// Were that byte taken twice, its second half would begin a sequence.
#[test]
fn the_byte_at_which_a_line_is_cut_is_taken_once() {
    let line = [&[b'x'; 4_096][..], b"\xff\xff\xfd\r\nNOOP\r\n"].concat();
    replies(&line, "500 200");
}

#[test]
fn an_over_long_line_that_comes_whole_is_not_kept_whole() {
    let scene = Scene::new().limits(|limits| limits.line = 100);
    let mut peer = scene.logged_in(
        "C: SIZE f
         A: stat /f",
    );
    peer.send(&[&[b'A'; 5_000][..], b"\r\n"].concat());
    assert!(peer.session.heap_size() < 2_000);
}

#[test]
fn lines_that_have_run_hold_no_memory() {
    let mut peer = logged_in("");
    peer.send(b"SIZE f\r\nSIZE f\r\n");
    for _ in 0..2_000 {
        peer.send(b"SIZE file\r\n");
        assert!(peer.poll().is_some());
        peer.answer("file 5");
    }
    assert!(peer.session.heap_size() < 4_000);
}

#[test]
fn nul_is_no_line_end_and_no_argument() {
    replies(b"NO\0OP\r\n", "500");
    replies(b"SIZE a\0b\r\n", "501");
}

/// What stands behind AUTH belongs to the TLS layer, however it was cut and whatever waits.
#[test]
fn nothing_behind_auth_is_taken_until_it_is_answered() {
    for verb in ["AUTH TLS", "CCC", "auth x"] {
        let mut peer = logged_in("");
        peer.send(format!("SIZE a\r\nSIZE b\r\n{verb}\r\nNOOP\r\n").as_bytes());
        assert!(!peer.session.wants_input());
        for _ in 0..2 {
            assert_eq!(peer.unsent, b"NOOP\r\n", "{verb} is not answered yet");
            assert!(peer.poll().is_some());
            peer.answer("file 5");
            peer.exchange();
        }
        assert!(peer.unsent.is_empty());
        assert!(peer.replies.ends_with(b"200 NOOP ok.\r\n"));
    }
}

#[test]
fn the_barrier_holds_while_there_is_no_room_for_the_reply() {
    let mut peer = logged_in("");
    peer.reads = false;
    peer.send(&b"FEAT\r\n".repeat(40));
    peer.send(b"AUTH TLS\r\nNOOP\r\n");
    assert_eq!(peer.unsent, b"NOOP\r\n");
    peer.reads = true;
    peer.exchange();
    assert!(
        peer.replies
            .ends_with(b"502 TLS is not available.\r\n200 NOOP ok.\r\n")
    );
}

#[test]
fn a_whole_login_may_come_in_one_segment() {
    play(
        "S: 220
         C~: USER u\\r\\nPASS p\\r\\nPWD\\r\\nQUIT\\r\\n
         S: 331
         A: login u
         E: ok
         S: 230
         S: 257
         S: 221
         A: disconnect",
    );
}

#[test]
fn replies_that_are_read_hold_no_memory_and_make_room() {
    let mut peer = logged_in("");
    peer.reads = false;
    for _ in 0..2_000 {
        peer.send(b"NOOP\r\n");
        // The last byte is never read.
        let count = peer.session.transmit().len() - 1;
        peer.session.transmitted(peer.now, count);
    }
    assert!(peer.session.heap_size() < 4_000);
    peer.send(&b"NOOP\r\n".repeat(2_000));
    let waiting = peer.session.transmit().len();
    peer.session.transmitted(peer.now, 1_000);
    let line = "200 NOOP ok.\r\n".len();
    assert!(peer.session.transmit().len().abs_diff(waiting) < line);
}

#[test]
fn a_client_that_reads_nothing_is_not_heard_for_ever() {
    let mut peer = logged_in("");
    peer.reads = false;
    peer.send(&b"NOOP\r\n".repeat(100_000));
    assert!(peer.unsent.len() > 500_000);
    assert!(!peer.session.wants_input());
    assert!(peer.session.transmit().len() <= 16_384);
    assert!(peer.session.heap_size() < 50_000);
    peer.reads = true;
    peer.exchange();
    let count = |peer: &Peer| peer.replies.split(|&byte| byte == b'\n').count() - 1;
    assert_eq!(count(&peer), 100_000);
}

/// A quote in a path is two in its reply.
#[test]
fn the_longest_replies_keep_to_the_limit() {
    let mut scene = Scene::new();
    scene.grant.start = VPath::resolve(&VPath::root(), &[b'"'; VPath::MAX - 1]).unwrap();
    let mut peer = scene.logged_in("");
    peer.reads = false;
    peer.send(&b"PWD\r\n".repeat(10));
    assert!(peer.session.transmit().len() <= 16_384);
    peer.reads = true;
    peer.exchange();
    assert_eq!(peer.replies.split(|&byte| byte == b'\n').count() - 1, 10);
}
