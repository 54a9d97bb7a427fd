//! Every wait ends: what is asked of whom when time has passed.

use std::time::Duration;

use wharf_core::Instant;

use crate::common::{Scene, logged_in, passive, play, storing};

#[test]
fn a_client_that_does_not_log_in_is_sent_away() {
    play(
        "S: 220
         T: +59s
         C: USER u
         S: 331
         T: +1s
         S: 421 Timeout.
         A: disconnect",
    );
}

#[test]
fn a_client_is_not_sent_away_for_the_time_that_its_login_takes() {
    play(
        "S: 220
         C: USER u
         S: 331
         T: +30s
         C: PASS x
         A: login u
         T: +30s
         T: +10s
         E: ok
         S: 230
         T: +299s
         C: NOOP
         S: 200",
    );
}

#[test]
fn a_login_that_is_refused_after_its_time_was_the_last() {
    play(
        "S: 220
         C: USER u
         S: 331
         T: +30s
         C: PASS x
         A: login u
         C: USER v
         T: +40s
         E: denied
         T: +1s
         S: 530
         S: 421 Timeout.
         A: disconnect",
    );
}

#[test]
fn the_time_of_a_login_is_not_set_anew_by_what_the_client_says() {
    play(
        "S: 220
         T: +30s
         C: USER u
         S: 331
         C: NOOP
         S: 200
         T: +29s
         C: USER u
         S: 331
         C: PASS x
         A: login u
         E: denied
         T: +1s
         S: 530
         S: 421 Timeout.
         A: disconnect",
    );
}

#[test]
fn lines_that_wait_win_no_time_for_a_login() {
    let scene = Scene::new().limits(|limits| limits.unread = Duration::from_secs(1_000));
    let mut peer = scene.play("S: 220");
    peer.reads = false;
    for second in 0..59 {
        peer.send(&b"FEAT\r\n".repeat(1_000));
        peer.wait(Duration::from_secs(1));
        // A byte a second, and more lines than there is room for the replies of.
        peer.session.transmitted(peer.now, 1);
        assert_eq!(peer.poll(), None, "after {second} seconds");
    }
    peer.wait(Duration::from_secs(1));
    assert!(!peer.session.wants_input());
    peer.reads = true;
    peer.exchange();
    assert!(peer.replies.ends_with(b"421 Timeout.\r\n"));
    assert_eq!(peer.poll().as_deref(), Some("disconnect"));
}

#[test]
fn a_client_that_logs_out_has_to_log_in_again_in_time() {
    logged_in(
        "C: REIN
         S: 220
         C: NOOP
         S: 200
         T: +60s
         S: 421
         A: disconnect",
    );
}

#[test]
fn an_idle_client_is_sent_away() {
    logged_in(
        "T: +299s
         C: NOOP
         S: 200
         T: +299s
         T: +1s
         S: 421 Timeout.
         A: disconnect",
    );
}

#[test]
fn idle_time_does_not_run_while_a_command_does() {
    storing(
        "T: +200s
         E: progress 1
         T: +200s
         E: progress 2
         T: +200s
         E: moved 2 clean
         T: +100ms
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226
         T: +299s
         T: +1s
         S: 421
         A: disconnect",
    );
}

#[test]
fn a_line_that_begins_must_end() {
    logged_in(
        "C~: NO
         T: +59s
         C~: O
         T: +1s
         S: 421 Timeout.
         A: disconnect",
    );
    logged_in(
        "C~: NO
         T: +59s
         C~: OP\\r\\n
         S: 200
         T: +10s",
    );
    logged_in(
        "C~: NOOP\\r\\nNO
         S: 200
         T: +60s
         S: 421
         A: disconnect",
    );
}

#[test]
fn a_line_has_its_time_once_also_while_a_command_runs() {
    let scene = || Scene::new().limits(|limits| limits.line_time = Duration::from_secs(10));
    scene().logged_in(
        "C: SIZE f
         A: stat /f
         C~: NO
         T: +10s
         T: +9s
         E: file 5
         S: 213
         S: 421 Timeout.
         A: disconnect",
    );
    // It came in the end.
    scene().logged_in(
        "C: SIZE f
         A: stat /f
         C~: NO
         T: +11s
         C~: OP\\r\\nN
         T: +9s
         E: file 5
         S: 213
         S: 200
         T: +1s
         S: 421 Timeout.
         A: disconnect",
    );
}

#[test]
fn a_line_that_is_not_taken_can_end_later() {
    let scene = Scene::new().limits(|limits| limits.line_time = Duration::from_secs(10));
    let mut peer = scene.logged_in(
        "C: SIZE f
         A: stat /f",
    );
    // The last of them is cut where the room ends.
    peer.send(&b"NOOP\r\n".repeat(2_000));
    assert!(!peer.session.wants_input());
    peer.wait(Duration::from_secs(30));
    peer.answer("file 5");
    peer.exchange();
    let rest = std::mem::take(&mut peer.unsent);
    peer.send(&rest);
    let replies = peer.replies.split(|&byte| byte == b'\n').count() - 1;
    assert_eq!(replies, 1 + 2_000);
    assert_eq!(peer.poll(), None);
}

#[test]
fn a_line_that_never_ends_does_not_hold_a_session() {
    let mut peer = logged_in("");
    for _ in 0..290 {
        peer.send(&[b'A'; 8_192]);
        peer.wait(Duration::from_secs(1));
    }
    assert!(peer.session.heap_size() < 20_000);
    assert!(peer.session.wants_input());
    peer.wait(Duration::from_secs(10));
    peer.exchange();
    assert!(
        peer.replies
            .ends_with(b"500 Line too long.\r\n421 Timeout.\r\n")
    );
    assert!(!peer.session.wants_input());
}

#[test]
fn a_late_answer_is_cancelled_and_a_later_one_ends_the_session() {
    logged_in(
        "C: SIZE f
         A: stat /f
         T: +59s
         T: +1s
         A: cancel
         T: +29s
         E: Cancelled
         S: 451 Given up after waiting too long.
         C: SIZE f
         A: stat /f
         T: +60s
         A: cancel
         T: +30s
         S: 421 Timeout.
         A: disconnect",
    );
}

#[test]
fn a_report_that_stops_in_the_middle_ends_with_its_own_code() {
    logged_in(
        "C: STAT d
         A: stat /d
         E: dir
         A: report /d entries
         D: dir e
         S: 212-Status follows.
         S:  drwxr-xr-x   1 ftp      ftp                  0 May  2 09:01 e
         T: +60s
         A: cancel
         T: +30s
         S: 212 End, incomplete.
         S: 421 Timeout.
         A: disconnect",
    );
}

#[test]
fn what_comes_after_the_end_is_foreign_and_changes_nothing() {
    let mut peer = logged_in(
        "C: SIZE f
         A: stat /f
         T: +60s
         A: cancel
         T: +30s
         S: 421 Timeout.
         A: disconnect",
    );
    let Some(wharf_core::Action::Stat(ticket)) = peer.request.take() else {
        panic!("the ticket is still out");
    };
    let late = ticket.done(Ok(wharf_core::Metadata::default()));
    assert_eq!(
        peer.session.handle(peer.now, late),
        Err(wharf_core::Foreign)
    );
    peer.send(b"NOOP\r\n");
    assert_eq!(peer.unsent, b"NOOP\r\n", "nothing is taken any more");
    assert_eq!(peer.session.deadline(), None);
    assert!(peer.session.poll().is_none());
    assert!(peer.session.transmit().is_empty());
}

#[test]
fn a_login_that_is_never_answered_ends_and_the_password_is_wiped() {
    let mut peer = play(
        "S: 220
         C: USER u
         S: 331
         C: PASS secret
         A: login u
         T: +60s
         A: cancel
         T: +30s
         S: 421 Timeout.
         A: disconnect",
    );
    assert_eq!(peer.session.password(), b"");
    peer.request = None;
}

#[test]
fn an_open_that_takes_too_long_is_451() {
    passive(
        "C: RETR f
         A: open /f read@0
         T: +60s
         A: cancel
         E: Cancelled
         S: 451 Given up after waiting too long.",
    );
    passive(
        "C: RETR f
         A: open /f read@0
         T: +60s
         A: cancel
         E: opened 5
         A: close-data
         E: ok
         A: finish abandon Storage(Cancelled)
         E: ok
         S: 451",
    );
}

#[test]
fn a_client_that_does_not_connect_gets_425() {
    passive(
        "C: RETR f
         A: open /f read@0
         E: opened 5
         A: accept 127.0.0.1
         T: +30s
         A: cancel
         E: Cancelled
         A: close-data
         E: ok
         A: finish abandon NoData
         E: ok
         S: 425 No data connection.",
    );
}

#[test]
fn stat_does_not_overtake_a_transfer_that_never_began() {
    passive(
        "C: RETR f
         A: open /f read@0
         E: opened 5
         A: accept 127.0.0.1
         E: Refused
         A: close-data
         C: STAT
         E: ok
         A: finish abandon NoData
         E: ok
         S: 425
         S: 211",
    );
}

#[test]
fn a_transfer_that_stalls_is_426() {
    passive(
        "C: RETR f
         A: open /f read@0
         E: opened 5
         A: accept 127.0.0.1
         E: ok
         S: 150
         A: send 5
         T: +299s
         E: progress 1
         T: +299s
         E: progress 1
         T: +1s
         A: cancel
         E: progress 2
         T: +1s
         E: moved 2 cancelled
         A: close-data
         E: ok
         A: finish abandon Stalled
         E: ok
         S: 426 No data moved for too long.",
    );
}

#[test]
fn a_commit_has_a_longer_time() {
    storing(
        "E: moved 5 clean
         A: close-data
         T: +59s
         E: ok
         A: finish commit
         T: +599s
         T: +1s
         A: cancel
         E: Unknown
         S: 451 The outcome is not known.",
    );
}

#[test]
fn a_commit_that_goes_on_has_its_time_again() {
    storing(
        "E: moved 5 clean
         A: close-data
         E: ok
         A: finish commit
         T: +599s
         E: progress 1
         T: +599s
         E: progress 1
         T: +1s
         A: cancel
         E: progress 2
         T: +29s
         E: ok
         S: 226 Transfer complete.",
    );
}

#[test]
fn a_client_that_reads_no_reply_is_ended() {
    let mut peer = logged_in("");
    peer.reads = false;
    peer.send(b"NOOP\r\n");
    peer.wait(Duration::from_secs(59));
    assert_eq!(peer.poll(), None);
    peer.wait(Duration::from_secs(1));
    assert_eq!(peer.poll().as_deref(), Some("disconnect"));
    assert!(peer.session.transmit().is_empty());
}

#[test]
fn a_client_that_reads_slowly_is_not_ended() {
    let mut peer = logged_in("");
    peer.reads = false;
    peer.send(&b"FEAT\r\n".repeat(30));
    for _ in 0..5 {
        for _ in 0..2 {
            peer.wait(Duration::from_secs(29));
            peer.session.transmitted(peer.now, 512);
        }
        peer.wait(Duration::from_secs(2));
    }
    assert_eq!(peer.poll(), None);
    assert!(!peer.session.transmit().is_empty());
}

#[test]
fn a_client_that_reads_a_byte_now_and_then_is_ended() {
    let mut peer = logged_in("");
    peer.reads = false;
    peer.send(&b"FEAT\r\n".repeat(30));
    for second in 0..59 {
        peer.wait(Duration::from_secs(1));
        peer.session.transmitted(peer.now, 17);
        assert_eq!(peer.poll(), None, "after {second} seconds");
    }
    peer.wait(Duration::from_secs(1));
    assert_eq!(peer.poll().as_deref(), Some("disconnect"));
}

#[test]
fn a_report_whose_client_reads_a_byte_now_and_then_is_ended() {
    let mut peer = logged_in(
        "C: STAT d
         A: stat /d
         E: dir
         A: report /d entries",
    );
    peer.reads = false;
    peer.push("dir e");
    for second in 0..59 {
        peer.push("dir e");
        peer.wait(Duration::from_secs(1));
        peer.session.transmitted(peer.now, 1);
        assert_eq!(peer.poll(), None, "after {second} seconds");
    }
    peer.wait(Duration::from_secs(1));
    assert_eq!(peer.poll().as_deref(), Some("cancel"));
}

#[test]
fn the_last_reply_waits_for_its_reader_for_a_while_only() {
    let mut peer = logged_in("");
    peer.reads = false;
    peer.send(b"QUIT\r\n");
    assert_eq!(peer.poll(), None);
    peer.wait(Duration::from_secs(60));
    assert_eq!(peer.poll().as_deref(), Some("disconnect"));
}

#[test]
fn pipelined_commands_that_wait_for_room_are_not_idleness() {
    let scene = Scene::new().limits(|limits| limits.unread = Duration::from_secs(1_000));
    let mut peer = scene.logged_in("");
    peer.reads = false;
    peer.send(&b"FEAT\r\n".repeat(100));
    peer.wait(Duration::from_secs(300));
    assert!(
        !peer
            .session
            .transmit()
            .windows(3)
            .any(|code| code == b"421")
    );
    peer.reads = true;
    peer.exchange();
    let ends = peer
        .replies
        .windows(5)
        .filter(|end| *end == b"End\r\n")
        .count();
    assert_eq!(ends, 100);
}

#[test]
fn a_clock_that_goes_back_is_tolerated() {
    let mut peer = logged_in("");
    let deadline = peer.session.deadline();
    peer.session.tick(Instant::ZERO);
    let _ = peer.session.receive(Instant::ZERO, b"NOOP\r\n");
    assert_eq!(peer.session.deadline(), deadline);
}

#[test]
fn the_end_of_the_clock_is_no_trap() {
    let mut peer = play(
        "S: 220
         C: USER u
         S: 331
         C: PASS x
         A: login u",
    );
    let end = Instant::from_micros(u64::MAX);
    peer.session.tick(end);
    peer.session.tick(end);
    assert_eq!(peer.session.deadline(), None);
}

#[test]
fn limits_of_zero_are_no_limits() {
    let scene = Scene::new().limits(|limits| limits.idle = Duration::ZERO);
    scene.logged_in(
        "T: +86400s
         C: NOOP
         S: 200",
    );
}

#[test]
fn buffers_are_given_back_after_a_second_of_idleness() {
    let mut peer = logged_in(&format!(
        "C: CWD {}
         A: stat /{}
         E: dir
         S: 250
         C: CDUP
         A: stat /
         E: dir
         S: 250",
        "d".repeat(1_000),
        "d".repeat(1_000),
    ));
    peer.send(&b"FEAT\r\n".repeat(1_000));
    peer.replies.clear();
    assert!(peer.session.heap_size() > 1_000);
    peer.wait(Duration::from_secs(1));
    assert!(
        peer.session.heap_size() < 64,
        "{}",
        peer.session.heap_size()
    );
}

#[test]
fn an_outcome_of_another_kind_is_foreign_though_its_number_fits() {
    let mut one = logged_in(
        "C: SIZE f
         A: stat /f",
    );
    let mut other = logged_in(
        "C: DELE f
         A: delete /f",
    );
    let Some(wharf_core::Action::Change(ticket, _)) = other.request.take() else {
        panic!("the ticket is still out");
    };
    let foreign = ticket.done(Ok(wharf_core::Changed::default()));
    assert_eq!(
        one.session.handle(one.now, foreign),
        Err(wharf_core::Foreign)
    );
    let mut later = logged_in(
        "C: SIZE f
         A: stat /f
         E: file 5
         S: 213
         C: SIZE f
         A: stat /f",
    );
    let Some(wharf_core::Action::Stat(ticket)) = later.request.take() else {
        panic!("the ticket is still out");
    };
    let foreign = ticket.done(Err(wharf_core::Failure::NotFound));
    assert_eq!(
        one.session.handle(one.now, foreign),
        Err(wharf_core::Foreign),
        "its number does not fit either"
    );
    let Some(wharf_core::Action::Stat(ticket)) = one.request.take() else {
        panic!("the ticket is still out");
    };
    let own = ticket.done(Err(wharf_core::Failure::NotFound));
    assert_eq!(one.session.handle(one.now, own), Ok(()));
    assert!(one.session.transmit().starts_with(b"550 "));
}
