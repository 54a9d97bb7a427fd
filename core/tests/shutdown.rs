//! The server stops: 421 when idle, a grace for transfers.

use crate::common::{logged_in, play, storing};

const STOPS: &str = "Server is shutting down.";
const DISMISSED: &str = "The operator has ended this session.";

#[test]
fn an_idle_session_ends_at_once() {
    for (event, word) in [
        ("shutdown 0s", STOPS),
        ("shutdown 10s", STOPS),
        ("dismiss", DISMISSED),
    ] {
        let trace = format!(
            "E: {event}
             S: 421 {word}
             A: disconnect"
        );
        play(&format!("S: 220\n{trace}"));
        logged_in(&trace);
    }
}

#[test]
fn a_transfer_may_end_within_the_grace() {
    storing(
        "E: shutdown 10s
         C: NOOP
         T: +9s
         E: moved 5 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226 Transfer complete.
         S: 421 Server is shutting down.
         A: disconnect",
    );
}

#[test]
fn a_transfer_is_aborted_after_the_grace() {
    storing(
        "E: shutdown 10s
         T: +10s
         A: cancel
         E: moved 5 cancelled
         A: close-data
         E: ok
         A: finish abandon Shutdown
         E: ok
         S: 426 Server is shutting down.
         S: 421 Server is shutting down.
         A: disconnect",
    );
}

#[test]
fn without_grace_a_transfer_is_aborted_at_once() {
    for (event, word) in [("shutdown 0s", STOPS), ("dismiss", DISMISSED)] {
        storing(&format!(
            "E: {event}
             A: cancel
             E: moved 5 cancelled
             A: close-data
             E: ok
             A: finish abandon Shutdown
             E: ok
             S: 426 {word}
             S: 421 {word}
             A: disconnect"
        ));
    }
}

#[test]
fn a_second_call_sets_another_grace() {
    storing(
        "E: shutdown 100s
         T: +5s
         E: shutdown 10s
         T: +9s
         T: +1s
         A: cancel
         E: moved 5 cancelled
         A: close-data
         E: ok
         A: finish abandon Shutdown
         E: ok
         S: 426
         S: 421
         A: disconnect",
    );
}

#[test]
fn a_transfer_that_does_not_come_back_does_not_stop_the_shutdown() {
    storing(
        "E: shutdown 10s
         T: +10s
         A: cancel
         T: +30s
         S: 421 Timeout.
         A: disconnect",
    );
}

#[test]
fn a_request_that_runs_is_answered_first() {
    logged_in(
        "C: DELE f
         A: delete /f
         E: shutdown 0s
         E: ok
         S: 250
         S: 421
         A: disconnect",
    );
    play(
        "S: 220
         C: USER u
         S: 331
         C: PASS x
         A: login u
         E: denied
         E: shutdown 0s
         T: +1s
         S: 530
         S: 421
         A: disconnect",
    );
}

#[test]
fn a_second_shutdown_and_one_after_the_end_change_nothing() {
    storing(
        "E: shutdown 10s
         E: shutdown 10s
         E: moved 5 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226
         S: 421
         A: disconnect
         E: shutdown 0s
         E: eof
         E: lost
         T: +1000s",
    );
}

#[test]
fn a_lost_client_gets_no_421() {
    storing(
        "E: shutdown 10s
         E: lost
         A: cancel
         E: moved 5 cancelled
         A: close-data
         E: ok
         A: finish abandon ControlLost
         E: ok
         A: disconnect",
    );
}

#[test]
fn the_end_of_input_ends_a_session() {
    play(
        "S: 220
         E: eof
         A: disconnect",
    );
    logged_in(
        "C~: NOOP\\r\\nNOO
         S: 200
         E: eof
         A: disconnect",
    );
    logged_in(
        "C~: SIZE f\\r\\nNOOP\\r\\n
         A: stat /f
         E: eof
         E: file 5
         S: 213
         S: 200
         A: disconnect",
    );
    play(
        "S: 220
         C: USER u
         S: 331
         C: PASS x
         A: login u
         E: denied
         E: eof
         T: +1s
         S: 530
         A: disconnect",
    );
}

#[test]
fn a_lost_connection_ends_a_session_when_its_request_has_come_back() {
    play(
        "S: 220
         E: lost
         A: disconnect",
    );
    logged_in(
        "C~: SIZE f\\r\\nDELE f\\r\\n
         A: stat /f
         E: lost
         A: cancel
         E: file 5
         A: disconnect",
    );
    logged_in(
        "C: SIZE f
         A: stat /f
         E: lost
         A: cancel
         T: +60s
         A: disconnect",
    );
    logged_in(
        "C: SIZE f
         A: stat /f
         T: +60s
         A: cancel
         E: lost
         E: Cancelled
         A: disconnect",
    );
    play(
        "S: 220
         C: USER u
         S: 331
         C: PASS x
         A: login u
         E: denied
         E: lost
         A: disconnect",
    );
}

#[test]
fn nothing_behind_quit_is_run() {
    logged_in(
        "C~: QUIT\\r\\nDELE f\\r\\n
         S: 221
         A: disconnect
         W: no",
    );
}
