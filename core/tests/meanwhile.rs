//! While a transfer runs: STAT, other commands, QUIT, the end of the input, a lost connection.

use crate::common::{logged_in, passive, storing};

#[test]
fn stat_tells_at_once_how_far_a_transfer_is() {
    passive(
        "C: RETR f
         A: open /f read@0
         E: opened 3000
         A: accept 127.0.0.1
         E: ok
         S: 150
         A: send 3000
         C: PWD
         E: progress 1000
         C: STAT
         S: 211-Status:
         S:  Connected from 127.0.0.1
         S:  Logged in as u
         S:  TYPE: Image, STRUcture: File, MODE: Stream
         S:  RETR: 1000 of 3000 bytes
         S: 211 End.
         E: progress 900
         C: STAT
         S: 211-Status:
         S:  Connected from 127.0.0.1
         S:  Logged in as u
         S:  TYPE: Image, STRUcture: File, MODE: Stream
         S:  RETR: 1000 of 3000 bytes
         S: 211 End.
         E: moved 3000 clean
         A: close-data
         C: STAT
         S: 211
         E: ok
         A: finish commit
         E: ok
         S: 226
         S: 257",
    );
}

#[test]
fn stat_before_the_150_or_with_a_path_waits_for_its_turn() {
    passive(
        "C: RETR f
         A: open /f read@0
         C: STAT
         E: opened 3000
         A: accept 127.0.0.1
         E: ok
         S: 150
         A: send 3000
         C: STAT f
         E: moved 3000 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226
         S: 211
         A: stat /f",
    );
}

#[test]
fn other_commands_wait_for_the_transfer() {
    storing(
        "C: NOOP
         C: USER other
         C: PWD
         E: moved 10 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226
         S: 200
         S: 331
         S: 530",
    );
}

#[test]
fn quit_waits_for_the_transfer() {
    storing(
        "C: QUIT
         E: eof
         E: moved 10 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226
         S: 221
         A: disconnect",
    );
}

#[test]
fn the_end_of_input_without_quit_aborts_the_transfer() {
    storing(
        "C: NOOP
         E: eof
         A: cancel
         E: moved 10 clean
         A: close-data
         E: ok
         A: finish abandon HungUp
         E: ok
         S: 426 The control connection was closed before the end.
         S: 200
         A: disconnect",
    );
}

#[test]
fn no_transfer_begins_behind_the_end_of_input_without_quit() {
    logged_in(
        "C~: PASV\\r\\nSTOR f\\r\\nNOOP\\r\\n
         A: listen
         E: eof
         E: 127.0.0.1:51210
         S: 227
         S: 426 The control connection is gone.
         S: 200
         A: disconnect",
    );
    logged_in(
        "C~: PASV\\r\\nSTOR f\\r\\nQUIT\\r\\n
         A: listen
         E: eof
         E: 127.0.0.1:51210
         S: 227
         A: open /f write@0 replace",
    );
}

#[test]
fn a_download_that_was_done_when_the_client_left_is_done() {
    passive(
        "C: RETR f
         A: open /f read@0
         E: opened 10
         A: accept 127.0.0.1
         E: ok
         S: 150
         A: send 10
         E: eof
         A: cancel
         E: moved 10 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226
         A: disconnect",
    );
}

#[test]
fn a_lost_control_connection_stops_an_upload_in_every_stage() {
    let lost = "E: lost\nA: cancel";
    passive(&format!(
        "C: STOR f
         A: open /f write@0 replace
         {lost}
         E: opened
         A: close-data
         E: ok
         A: finish abandon ControlLost
         E: ok
         A: disconnect"
    ));
    passive(&format!(
        "C: STOR f
         A: open /f write@0 replace
         {lost}
         E: NotFound
         A: disconnect"
    ));
    passive(&format!(
        "C: STOR f
         A: open /f write@0 replace
         E: opened
         A: accept 127.0.0.1
         {lost}
         E: ok
         A: close-data
         E: ok
         A: finish abandon ControlLost
         E: ok
         A: disconnect"
    ));
    for end in ["clean", "reset", "cancelled"] {
        passive(&format!(
            "C: STOR f
             A: open /f write@0 replace
             E: opened
             A: accept 127.0.0.1
             E: ok
             S: 150
             A: receive
             {lost}
             E: moved 10 {end}
             A: close-data
             E: ok
             A: finish abandon ControlLost
             E: ok
             A: disconnect"
        ));
    }
}

#[test]
fn an_upload_is_lost_with_the_connection_even_if_it_was_aborted_before() {
    storing(
        "C: ABOR
         A: cancel
         E: lost
         E: moved 10 clean
         A: close-data
         E: ok
         A: finish abandon ControlLost
         E: ok
         A: disconnect",
    );
}

#[test]
fn an_upload_that_was_whole_before_the_loss_is_left_to_complete() {
    let whole = "C: STOR f
         A: open /f write@0 replace
         E: opened
         A: accept 127.0.0.1
         E: ok
         S: 150
         A: receive
         E: moved 10 clean
         A: close-data";
    passive(&format!(
        "{whole}
         E: lost
         E: ok
         A: finish commit
         E: ok
         A: disconnect"
    ));
    passive(&format!(
        "{whole}
         E: ok
         A: finish commit
         E: lost
         E: ok
         A: disconnect"
    ));
}

/// One that was refused is none.
#[test]
fn only_a_quit_that_waits_lets_a_transfer_outlive_the_input() {
    let line = "x".repeat(4_096);
    passive(&format!(
        "C: QUIT {line}
         S: 500
         C: RETR f
         A: open /f read@0
         E: eof
         A: cancel
         E: Cancelled
         S: 426
         A: disconnect"
    ));
}
