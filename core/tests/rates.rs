//! How fast commands may come, and how slow a transfer may be.

use std::time::Duration;

use wharf_core::Limits;

use crate::common::Scene;

/// Four commands in a second, of which three are the login.
fn four_a_second() -> Scene {
    Scene::new().limits(|limits| limits.commands_per_second = 4)
}

fn at_least(min_rate: u64) -> Scene {
    Scene::new().limits(|limits| limits.min_rate = min_rate)
}

#[test]
fn by_default_nothing_is_too_fast_or_too_slow() {
    let limits = Limits::default();
    assert_eq!((limits.commands_per_second, limits.min_rate), (0, 0));
}

#[test]
fn commands_that_come_too_fast_wait_for_their_turn() {
    four_a_second().logged_in(
        "C: NOOP
         S: 200
         C~: NOOP\\r\\nPWD\\r\\n
         T: +249ms
         T: +1ms
         S: 200
         T: +250ms
         S: 257
         T: +100s
         C~: NOOP\\r\\nNOOP\\r\\nNOOP\\r\\nNOOP\\r\\nNOOP\\r\\n
         S: 200
         S: 200
         S: 200
         S: 200
         T: +250ms
         S: 200",
    );
}

#[test]
fn an_upload_that_waits_for_its_turn_is_neither_stalled_nor_slow() {
    let scene = Scene::new().limits(|limits| {
        limits.min_rate = 10;
        limits.stall = Duration::from_secs(100);
    });
    scene.storing(
        "E: progress 5
         T: +59s
         E: queued
         T: +59s
         E: queued
         T: +59s
         E: queued
         T: +59s
         E: progress 700
         T: +1s
         T: +60s
         A: cancel
         E: moved 700 cancelled
         A: close-data
         E: ok
         A: finish abandon Slow
         E: ok
         S: 426",
    );
}

#[test]
fn whoever_stops_waiting_for_its_turn_has_all_of_its_limits() {
    let scene = Scene::new().limits(|limits| limits.stall = Duration::from_secs(100));
    scene.storing(
        "T: +99s
         E: queued
         T: +99s
         E: queued
         T: +99s
         T: +1s
         A: cancel
         E: queued
         T: +29s
         E: moved 0 cancelled
         A: close-data
         E: ok
         A: finish abandon Stalled
         E: ok
         S: 426",
    );
}

#[test]
fn a_session_that_keeps_a_client_waiting_takes_no_more_than_it_may_hold() {
    let mut peer = four_a_second().logged_in("");
    let mut commands = 0;
    for _ in 0..20 {
        peer.send(&b"NOOP\r\n".repeat(10_000));
        peer.wait(Duration::from_millis(250));
        peer.exchange();
        commands += 1;
        assert!(peer.session.heap_size() < 20_000);
    }
    let replies = peer.replies.split(|&byte| byte == b'\n').count() - 1;
    assert_eq!(replies, commands + 1);
}

#[test]
fn an_abort_takes_effect_at_once_however_many_commands_wait() {
    // The login and the transfer have used up this second.
    let scene = Scene::new().limits(|limits| limits.commands_per_second = 5);
    scene.storing(
        "C~: STAT\\r\\nPWD\\r\\nABOR\\r\\n
         A: cancel
         E: moved 0 cancelled
         A: close-data
         E: ok
         A: finish abandon Aborted
         E: ok
         S: 426
         T: +200ms
         S: 211
         T: +200ms
         S: 257
         T: +200ms
         S: 226",
    );
}

#[test]
fn commands_that_wait_are_neither_silence_nor_a_slow_line() {
    let mut peer = four_a_second()
        .limits(|limits| {
            limits.line_time = Duration::from_millis(300);
            limits.idle = Duration::from_millis(400);
        })
        .logged_in("");
    peer.send(b"NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNO");
    for _ in 0..2 {
        peer.wait(Duration::from_millis(250));
        peer.exchange();
    }
    assert_eq!(peer.replies, b"200 NOOP ok.\r\n".repeat(3));
    peer.wait(Duration::from_millis(250));
    peer.exchange();
    // The line behind them has had its time meanwhile.
    let mut expected = b"200 NOOP ok.\r\n".repeat(4);
    expected.extend_from_slice(b"421 Timeout.\r\n");
    assert_eq!(peer.replies, expected);
}

#[test]
fn a_server_that_stops_waits_for_no_turn() {
    four_a_second().logged_in(
        "C~: NOOP\\r\\nNOOP\\r\\nNOOP\\r\\n
         S: 200
         E: shutdown 10s
         S: 421
         A: disconnect",
    );
}

#[test]
fn a_transfer_that_is_too_slow_is_426() {
    at_least(10).storing(
        "T: +30s
         E: progress 599
         T: +29s
         T: +1s
         A: cancel
         E: moved 599 cancelled
         A: close-data
         E: ok
         A: finish abandon Slow
         E: ok
         S: 426 The data moved too slowly.
         T: +59s
         T: +1s",
    );
}

#[test]
fn the_rate_is_that_of_each_minute() {
    at_least(10).storing(
        "T: +59s
         E: progress 5000
         T: +1s
         E: progress 5600
         T: +60s
         E: progress 6199
         T: +60s
         A: cancel
         E: moved 6199 clean
         T: +100ms
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226",
    );
}

#[test]
fn without_a_least_rate_no_minute_is_measured() {
    let peer = Scene::new().storing("");
    let stalled = peer.now + Limits::default().stall;
    assert_eq!(peer.session.deadline(), Some(stalled));
}

#[test]
fn a_minute_is_that_of_one_transfer() {
    at_least(10).storing(
        "T: +50s
         E: moved 1 clean
         T: +100ms
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226
         C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227
         C: STOR f
         A: open /f write@0 replace
         T: +20s
         E: opened
         A: accept 127.0.0.1
         E: ok
         S: 150
         A: receive
         T: +59s
         T: +1s
         A: cancel
         E: moved 0 cancelled
         A: close-data
         E: ok
         A: finish abandon Slow
         E: ok
         S: 426",
    );
}

#[test]
fn what_comes_after_the_data_is_not_slow() {
    at_least(10).storing(
        "T: +59s
         E: moved 1 clean
         T: +100ms
         A: close-data
         T: +10s
         E: ok
         A: finish commit
         T: +70s
         E: ok
         S: 226",
    );
}
