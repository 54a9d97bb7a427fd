//! The scripts of the core, played over sockets: same codes, same order, same stored bytes.
//!
//! | Driver | Plays them against | What it cannot play |
//! |---|---|---|
//! | `core/tests/sessions.rs` | the core alone, with a clock of its own | its list `SKIPPED` |
//! | `tests/sim`, `tests/scripts.rs` | the session of smol in simulated time | its list `NOT_PLAYED` |
//! | `tests/model`, `tests/scripts.rs` | the core and the model side by side | all but the 23 in which nothing fails |
//! | `play.rs`, here | both binaries, over real sockets and files | its list `NOT_PLAYED` |
//!
//! `core/tests/corpora/README.md` says what the lines of a script mean. What a client does is done
//! where it stands (`play.rs`). What an adapter reports, such as the size of a file, has to be so
//! when it looks, and is arranged before the command is sent (`scene.rs`).

mod play;
mod scene;
mod served;

use std::collections::BTreeSet;

use wharf_script::Script;

use crate::{Program, cases};

/// A case for each script.
macro_rules! scripts {
    ($($name:ident $(($($needs:literal),+))?),+ $(,)?) => {
        cases! { "scripts";
            are_all_played_or_said_not_to_be,
            $($name $(($($needs),+))?),+
        }
        $(fn $name(program: &Program) {
            play::play(program, &file(stringify!($name)));
        })+
    };
}

scripts! {
    // The longest come first, so that others run beside them.
    login_brute, idle_not_in_transfer, idle_close, data_stall,
    abor_after_eof, abor_download, abor_idle, abor_telnet, abor_upload, dele_denied, epsv_all,
    lf_only, list_vanish("strace", "root"), login_bad, login_ok, login_order, noop_in_transfer,
    nothing_after_quit, overwrite_denied, pasv_never_connected, pasv_retr, pasv_retr_late_data,
    pasv_twice, pasv_wrong_peer, pipelined, pipelined_login, port_bounce, port_low, port_refused,
    port_retr, prelogin_allowed, prelogin_wall, prot_order, quit_in_transfer, rein, rest_cleared_by_relogin,
    rest_noop_keeps, rest_once, rest_past_end, rest_stor_offset, retr_dir, retr_peer_gone,
    retr_short, retr_vanish("strace", "root"), rnfr_dropped, rnfr_noop, shutdown, shutdown_hard,
    split_bytes, split_cr_lf, stat_in_transfer, stor_commit_fails("strace", "root"),
    stor_ctrl_lost, stor_denied, stor_empty, stor_enospc("strace", "root"), stor_ok, stor_rst,
    tls_data_required, tls_required, tls_wall,
}

/// The cases of `tests/awkward` have storages that do, without the waiting.
const NO_DISK_HANGS: &str = "no disk hangs when it is told to";

/// Scripts for which the binaries lack something.
const NOT_PLAYED: &[(&str, &str)] = &[
    ("hang-commit", NO_DISK_HANGS),
    ("hang-list-abor", NO_DISK_HANGS),
    ("hang-open-abor", NO_DISK_HANGS),
    ("hang-size", NO_DISK_HANGS),
    ("hang-upload-abor", NO_DISK_HANGS),
    ("hang-upload-ctrl-lost", NO_DISK_HANGS),
    ("hang-upload-shutdown", NO_DISK_HANGS),
    ("hang-upload-stall", NO_DISK_HANGS),
    ("s3-bucket-wall", "needs an object store"),
    ("s3-complete-unknown", "needs an object store"),
    ("s3-upload", "needs an object store"),
    ("s3-upload-abort", "needs an object store"),
];

/// The script that a case is named after.
fn file(case: &str) -> String {
    case.replace('_', "-")
}

fn are_all_played_or_said_not_to_be(_: &Program) {
    let scripts = Script::all().expect("the scripts");
    let there: BTreeSet<String> = scripts.into_iter().map(|script| script.name).collect();
    let played = CASES.iter().skip(1).map(|case| file(&case.name[9..]));
    let not_played = NOT_PLAYED.iter().map(|(name, _)| (*name).to_owned());
    let mut known = BTreeSet::new();
    for name in played.chain(not_played) {
        assert!(there.contains(&name), "{name} is no script");
        assert!(known.insert(name.clone()), "{name} is listed twice");
    }
    let unknown: Vec<_> = there.difference(&known).collect();
    assert!(unknown.is_empty(), "in neither list: {unknown:?}");
}
