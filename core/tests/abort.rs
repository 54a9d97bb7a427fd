//! ABOR, in every stage and at any place among other commands.

use bstr::ByteSlice;

use crate::common::{Peer, Scene, logged_in, passive};

#[test]
fn abor_without_a_transfer_lets_go_of_the_data_port() {
    passive(
        "C: ABOR
         A: close-data
         E: ok
         S: 225 No transfer to abort.
         C: LIST
         S: 425
         C: ABOR
         S: 225
         C: PORT 127,0,0,1,200,10
         S: 200
         C: ABOR
         S: 225
         C: LIST
         S: 425",
    );
}

#[test]
fn a_verb_with_a_second_cr_is_no_verb() {
    passive(
        "C: STOR f
         A: open /f write@0 replace
         C~: ABOR\\r\\r\\n
         E: Denied
         S: 550
         S: 500
         C: ABOR
         A: close-data
         E: ok
         S: 225 No transfer to abort.",
    );
}

#[test]
fn abor_while_opening() {
    passive(
        "C: STOR f
         A: open /f write@0 replace
         C: ABOR
         A: cancel
         E: Cancelled
         S: 426 Transfer aborted.
         S: 226 Abort successful.",
    );
    passive(
        "C: STOR f
         A: open /f write@0 replace
         C: ABOR
         A: cancel
         E: opened
         A: close-data
         E: ok
         A: finish abandon Aborted
         E: ok
         S: 426
         S: 226",
    );
}

#[test]
fn abor_before_the_request_is_polled() {
    let mut peer = Scene::new().logged_in(
        "C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227",
    );
    peer.send(b"RETR f\r\nABOR\r\n");
    assert_eq!(peer.poll().as_deref(), Some("open /f read@0"));
    assert_eq!(peer.poll().as_deref(), Some("cancel"));
    assert_eq!(peer.poll(), None);
}

#[test]
fn abor_while_looking_at_what_to_list() {
    for outcome in ["dir", "NotFound"] {
        passive(&format!(
            "C: LIST d
             A: stat /d
             C: ABOR
             A: cancel
             E: {outcome}
             S: 426
             S: 226"
        ));
    }
}

#[test]
fn abor_while_connecting() {
    for outcome in ["Cancelled", "ok"] {
        passive(&format!(
            "C: RETR f
             A: open /f read@0
             E: opened 10
             A: accept 127.0.0.1
             C: ABOR
             A: cancel
             E: {outcome}
             A: close-data
             E: ok
             A: finish abandon Aborted
             E: ok
             S: 426 Transfer aborted.
             S: 226 Abort successful."
        ));
    }
}

const MOVING: &str = "
    C: RETR f
    A: open /f read@0
    E: opened 10
    A: accept 127.0.0.1
    E: ok
    S: 150
    A: send 10";

#[test]
fn abor_while_data_moves() {
    for end in ["cancelled", "reset", "truncated"] {
        passive(&format!(
            "{MOVING}
             C: ABOR
             A: cancel
             E: moved 4 {end}
             A: close-data
             E: ok
             A: finish abandon Aborted
             E: ok
             S: 426 Transfer aborted.
             S: 226 Abort successful.
             C: ABOR
             S: 225"
        ));
    }
}

#[test]
fn a_transfer_that_won_the_race_stands() {
    passive(&format!(
        "{MOVING}
         C: ABOR
         A: cancel
         E: moved 10 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226 Transfer complete.
         S: 226 Abort successful."
    ));
}

#[test]
fn abor_behind_the_data_changes_nothing() {
    passive(&format!(
        "{MOVING}
         E: moved 10 clean
         A: close-data
         C: ABOR
         E: ok
         A: finish commit
         E: ok
         S: 226 Transfer complete.
         S: 226 Abort successful."
    ));
    passive(&format!(
        "{MOVING}
         E: moved 10 clean
         A: close-data
         E: ok
         A: finish commit
         C: ABOR
         E: Io
         S: 451
         S: 226"
    ));
}

#[test]
fn a_storage_error_tells_more_than_the_abort() {
    passive(&format!(
        "{MOVING}
         C: ABOR
         A: cancel
         E: moved 4 Io
         A: close-data
         E: ok
         A: finish abandon Storage(Io)
         E: ok
         S: 451
         S: 226"
    ));
}

/// The replies come in the order of the commands.
#[test]
fn pipelined_retr_pwd_abor_is_426_257_226() {
    passive(
        "C~: RETR f\\r\\nPWD\\r\\nABOR\\r\\n
         A: open /f read@0
         A: cancel
         E: Cancelled
         S: 426
         S: 257
         S: 226",
    );
}

#[test]
fn two_aborts_get_two_answers() {
    passive(&format!(
        "{MOVING}
         C~: ABOR\\r\\nABOR\\r\\n
         A: cancel
         E: moved 4 cancelled
         A: close-data
         E: ok
         A: finish abandon Aborted
         E: ok
         S: 426
         S: 226
         S: 225"
    ));
}

#[test]
fn transfers_queued_before_an_abort_are_never_opened() {
    logged_in(
        "C~: PASV\\r\\nRETR a\\r\\nLIST\\r\\nSTOR b\\r\\nABOR\\r\\nRETR c\\r\\n
         A: listen
         E: 127.0.0.1:51210
         S: 227
         S: 426 Transfer aborted.
         S: 426
         S: 426
         S: 226 Abort successful.
         A: open /c read@0",
    );
}

#[test]
fn asking_again_gives_a_stuck_transfer_no_more_time() {
    passive(&format!(
        "{MOVING}
         C: ABOR
         A: cancel
         T: +29s
         C: ABOR
         T: +1s
         S: 421 Timeout.
         A: disconnect"
    ));
}

/// The back-pressure of replies must not keep an ABOR from being seen.
#[test]
fn abor_is_seen_though_the_client_reads_nothing() {
    let mut peer = passive(MOVING);
    peer.reads = false;
    peer.send(&b"NOOP\r\nSTAT\r\n".repeat(100));
    peer.send(b"ABOR\r\n");
    assert_eq!(peer.poll().as_deref(), Some("cancel"));
    peer.answer("moved 4 cancelled");
    assert_eq!(peer.poll().as_deref(), Some("close-data"));
    peer.answer("ok");
    assert_eq!(peer.poll().as_deref(), Some("finish abandon Aborted"));
    peer.answer("ok");
    assert!(peer.session.transmit().len() <= 16_384 + 512);
    peer.reads = true;
    peer.exchange();
    // Everything is answered once: 100 NOOP, 100 STAT, the RETR, the ABOR.
    let ends = peer.replies.split(|&byte| byte == b'\n');
    let count = |code: &[u8]| ends.clone().filter(|line| line.starts_with(code)).count();
    assert_eq!(count(b"200 "), 100);
    assert_eq!(count(b"211 "), 100);
    assert_eq!(count(b"426 "), 1);
    assert_eq!(count(b"226 "), 1);
}

#[test]
fn look_ahead_is_bounded_and_what_is_not_taken_is_not_lost() {
    let mut peer = passive(MOVING);
    peer.send(&b"NOOP\r\n".repeat(10_000));
    assert!(!peer.session.wants_input());
    assert!(
        peer.session.heap_size() <= 8_192 * 2 + 16_384 + 4_096,
        "{}",
        peer.session.heap_size()
    );
    peer.poll();
    peer.answer("moved 10 clean");
    peer.poll();
    peer.answer("ok");
    peer.poll();
    peer.answer("ok");
    peer.exchange();
    assert!(peer.unsent.is_empty());
    let replies = peer.replies.split(|&byte| byte == b'\n');
    assert_eq!(
        replies.filter(|line| line.starts_with(b"200 ")).count(),
        10_000
    );
}

/// A line of the longest kind, with its CRLF and room for nothing else.
const LONGEST: usize = 4_096 + 2;

fn with_the_least_limits(trace: &str) -> Peer {
    let scene = Scene::new().limits(|limits| (limits.look_ahead, limits.output) = (0, 0));
    scene.logged_in(&format!(
        "C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227
         {MOVING}
         {trace}"
    ))
}

#[test]
fn there_is_always_room_for_a_line() {
    let line = format!("CWD {}\r\n", "d".repeat(4_092)).into_bytes();
    assert_eq!(line.len(), LONGEST);
    let mut peer = with_the_least_limits("");
    peer.send(&line);
    // A line that waits takes as much room as it took on the wire.
    peer.send(&line[10..]);
    assert_eq!(peer.unsent, &line[10..]);
    let mut peer = with_the_least_limits(
        "C~: SIZE f\\r\\nSIZE g\\r\\n
         E: moved 10 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226
         A: stat /f",
    );
    let rest = [&[b'd'; LONGEST - "SIZE g\r\n".len()][..], b"\n"].concat();
    peer.send(&rest);
    assert_eq!(peer.unsent, b"\n");
}

/// A STAT that is answered at once leaves room for the reply of the transfer.
#[test]
fn there_is_always_room_for_one_status_and_a_reply() {
    let mut peer = with_the_least_limits(
        "C: STAT
         S: 211",
    );
    peer.reads = false;
    peer.send(b"STAT\r\nSTAT\r\n");
    let replies = peer.session.transmit().lines();
    assert_eq!(replies.filter(|line| line.starts_with(b"211-")).count(), 1);
}
