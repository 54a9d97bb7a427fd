//! How an upload ends whose client says no QUIT, and what a server may be told to accept.

use wharf_core::{DoubtfulEnds, Note, Reason};

use crate::common::{STORING, Scene, passive, storing};

const COMMIT: &str = "A: close-data
     E: ok
     A: finish commit
     E: ok";

fn abandon(reason: &str) -> String {
    format!("A: close-data\nE: ok\nA: finish abandon {reason}\nE: ok")
}

fn accepting(truncated: bool, hang_up: bool) -> Scene {
    Scene::new().config(|config| config.accept = DoubtfulEnds { truncated, hang_up })
}

/// An upload of which ALLO has said that it has ten bytes.
fn announced(trace: &str) {
    let storing = STORING.replace("replace", "replace of 10");
    passive(&format!(
        "C: ALLO 10
         A: available /
         E: 1000000
         S: 200
         {storing}
         T: +1s
         {trace}"
    ));
}

#[test]
fn what_has_ended_before_the_control_connection_did_is_over() {
    // A camera that closes both: 30 ms lie between them, and the upload took seconds.
    storing(&format!(
        "T: +10s
         E: moved 10 clean
         T: +29ms
         {COMMIT}
         S: 226
         E: eof
         A: disconnect"
    ));
}

#[test]
fn what_ends_together_with_it_is_in_doubt() {
    let hung_up = abandon("HungUp");
    Scene::new().storing(&format!(
        "E: eof
         A: cancel
         E: moved 10 clean
         {hung_up}
         S: 426 The control connection was closed before the end.
         A: disconnect"
    ));
}

#[test]
fn an_announced_length_that_has_arrived_is_whole_however_it_ends() {
    for end in ["clean", "truncated"] {
        announced(&format!(
            "E: eof
             E: moved 10 {end}
             {COMMIT}
             S: 226
             A: disconnect"
        ));
        // It need not be doubted either.
        announced(&format!("E: moved 10 {end}\n{COMMIT}\nS: 226"));
    }
    // All of it is there, though the connection is gone.
    announced(&format!(
        "E: lost
         A: cancel
         E: moved 10 clean
         {COMMIT}
         A: disconnect"
    ));
    // Fewer bytes, or more: ALLO may say too little, so more proves nothing.
    for bytes in [9, 11] {
        let hung_up = abandon("HungUp");
        announced(&format!(
            "E: eof
             E: moved {bytes} clean
             {hung_up}
             S: 426
             A: disconnect"
        ));
    }
    let reset = abandon("Reset");
    announced(&format!("E: moved 10 reset\n{reset}\nS: 426"));
}

#[test]
fn an_upload_of_known_length_whose_client_is_gone_still_stalls() {
    let stalled = abandon("Stalled");
    announced(&format!(
        "E: eof
         E: progress 5
         T: +299s
         E: progress 6
         T: +300s
         A: cancel
         E: moved 6 cancelled
         {stalled}
         S: 426
         A: disconnect"
    ));
}

#[test]
fn a_hang_up_may_be_accepted_and_a_reset_never_is() {
    let scene = accepting(false, true);
    // The control connection ends first, as that of ffmpeg does.
    scene.storing(&format!(
        "E: eof
         E: progress 5
         E: moved 10 clean
         {COMMIT}
         S: 226
         A: disconnect"
    ));
    // That it is then gone says nothing new.
    scene.storing(&format!(
        "E: eof
         E: lost
         E: moved 10 clean
         {COMMIT}
         A: disconnect"
    ));
    // The data ends first.
    scene.storing(&format!(
        "T: +1s
         E: moved 10 clean
         E: eof
         {COMMIT}
         S: 226
         A: disconnect"
    ));
    let lost = abandon("ControlLost");
    scene.storing(&format!(
        "E: lost
         A: cancel
         E: moved 10 clean
         {lost}
         A: disconnect"
    ));
    scene.storing(&format!(
        "T: +1s
         E: moved 10 clean
         E: lost
         {lost}
         A: disconnect"
    ));
    let reset = abandon("Reset");
    scene.storing(&format!(
        "E: eof
         E: moved 10 reset
         {reset}
         S: 426
         A: disconnect"
    ));
    // A download that nobody takes stops.
    scene.passive(&format!(
        "C: RETR f
         A: open /f read@0
         E: opened 10
         A: accept 127.0.0.1
         E: ok
         S: 150
         A: send 10
         E: eof
         A: cancel
         E: moved 5 cancelled
         {}
         S: 426
         A: disconnect",
        abandon("HungUp")
    ));
}

#[test]
fn an_end_without_close_notify_may_be_accepted() {
    let truncated = abandon("Truncated");
    Scene::new().storing(&format!("E: moved 10 truncated\n{truncated}\nS: 426"));
    accepting(true, false).storing(&format!("E: moved 10 truncated\n{COMMIT}\nS: 226"));
    let hung_up = abandon("HungUp");
    accepting(true, false).storing(&format!(
        "E: eof
         A: cancel
         E: moved 10 truncated
         {hung_up}
         S: 426
         A: disconnect"
    ));
    accepting(true, true).storing(&format!(
        "E: eof
         E: moved 10 truncated
         {COMMIT}
         S: 226
         A: disconnect"
    ));
    let truncated = abandon("Truncated");
    accepting(false, true).storing(&format!(
        "E: eof
         E: moved 10 truncated
         {truncated}
         S: 426
         A: disconnect"
    ));
}

#[test]
fn what_one_account_accepts_another_does_not() {
    let mut scene = Scene::new();
    scene.grant.accept = DoubtfulEnds {
        truncated: true,
        hang_up: true,
    };
    scene.storing(&format!("E: moved 10 truncated\n{COMMIT}\nS: 226"));
    scene.storing(&format!(
        "E: eof
         E: moved 10 clean
         {COMMIT}
         S: 226
         A: disconnect"
    ));
}

#[test]
fn the_note_says_what_was_accepted() {
    let accepted = |trace: &str| {
        let notes = accepting(true, true).storing(trace).noted();
        let mut accepted = notes.into_iter().filter_map(|note| match note {
            Note::Transferred { accepted, .. } => Some(accepted),
            _ => None,
        });
        accepted.next().flatten()
    };
    let end = format!("{COMMIT}\nS: 226");
    assert_eq!(accepted(&format!("E: moved 10 clean\n{end}")), None);
    let truncated = accepted(&format!("E: moved 10 truncated\n{end}"));
    assert_eq!(truncated, Some(Reason::Truncated));
    let hung_up = format!("E: eof\nE: moved 10 clean\n{end}\nA: disconnect");
    assert_eq!(accepted(&hung_up), Some(Reason::HungUp));
    let settling = format!("T: +1s\nE: moved 10 clean\nE: eof\n{end}\nA: disconnect");
    assert_eq!(accepted(&settling), Some(Reason::HungUp));
}
