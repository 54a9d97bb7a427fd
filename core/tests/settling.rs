//! The moment for which the end of a long upload is doubted.

use crate::common::storing;

/// An upload that took a second and whose data has ended properly.
const SETTLING: &str = "
    T: +1s
    E: progress 10
    E: moved 10 clean";

#[test]
fn a_long_upload_waits_a_moment_for_word_that_its_client_was_killed() {
    storing(&format!(
        "{SETTLING}
         T: +24ms
         T: +1ms
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226"
    ));
    for (end, reason) in [("eof", "HungUp"), ("lost", "ControlLost")] {
        storing(&format!(
            "{SETTLING}
             T: +10ms
             E: {end}
             A: close-data
             E: ok
             A: finish abandon {reason}
             E: ok
             {}
             A: disconnect",
            if end == "eof" { "S: 426" } else { "" }
        ));
    }
}

#[test]
fn an_upload_of_a_blink_waits_two_milliseconds() {
    storing(
        "T: +20ms
         E: moved 10 clean
         T: +1ms
         T: +1ms
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226",
    );
}

#[test]
fn an_upload_whose_client_goes_on_does_not_wait() {
    let finish = "A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226";
    storing(&format!("{SETTLING}\nC: NOOP\n{finish}\nS: 200"));
    storing(&format!("{SETTLING}\nC: ABOR\n{finish}\nS: 226"));
    storing(&format!(
        "{SETTLING}\nC: QUIT\n{finish}\nS: 221\nA: disconnect"
    ));
    storing(&format!("{SETTLING}\nC: STAT\nS: 211\nT: +25ms\n{finish}"));
    storing(&format!(
        "{SETTLING}\nE: shutdown 10s\nT: +25ms\n{finish}\nS: 421\nA: disconnect"
    ));
}

#[test]
fn a_short_upload_and_a_download_do_not_wait() {
    storing(
        "T: +19ms
         E: moved 10 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226
         C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227
         C: RETR f
         A: open /f read@0
         E: opened 10
         A: accept 127.0.0.1
         E: ok
         S: 150
         A: send 10
         T: +1s
         E: moved 10 clean
         A: close-data
         E: ok
         A: finish commit
         E: ok
         S: 226",
    );
}
