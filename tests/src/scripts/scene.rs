//! What a script asks for before it is played.

use std::fmt::Write as _;
use std::time::Duration;

use wharf_script::{Line, Script, number};

use crate::faults::strace::Tracer;
use crate::faults::temporary;
use crate::{Config, Server};

/// The password `p`, hashed as cheaply as can be.
const HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw$cvtUOL2hXij0uofdYKIbixlCjI+/UB4XU4+LQZIQYuY";

/// What no kernel takes at once: a download of so many bytes is still going on when nobody reads.
pub(super) const LARGE: usize = 16_000_000;

/// What a second of the script takes. Where one lets minutes pass, a hundredth.
pub(super) fn second(script: &Script) -> Duration {
    let waits = script.lines.iter().any(|line| line.is_event("time"));
    Duration::from_millis(if waits { 10 } else { 1_000 })
}

/// The server that it is about: what `cfg` says, and how long a shutdown waits.
pub(super) fn config(script: &Script) -> Config {
    let mut rights = vec![
        "list",
        "read",
        "write",
        "overwrite",
        "delete",
        "rename",
        "mkdir",
    ];
    let mut limits = "[limits]\n".to_owned();
    let mut tls = String::new();
    let time = |value: &str| format!("\"{}ms\"", (second(script) * number(value)).as_millis());
    for (key, value) in script.settings() {
        let (limit, value) = match (key, value) {
            ("write" | "delete" | "overwrite", "1") => continue,
            ("tls" | "data_tls", _) => {
                let key = if key == "tls" { "control" } else { "data" };
                let value = value.replace("explicit", "offered");
                let _ = writeln!(tls, "{key} = {value:?}");
                continue;
            }
            ("write", "0") => {
                rights.retain(|right| !["write", "overwrite"].contains(right));
                continue;
            }
            ("delete" | "overwrite", "0") => {
                rights.retain(|right| *right != key);
                continue;
            }
            ("idle_timeout", _) => ("idle", time(value)),
            ("data_stall_timeout", _) => ("stall", time(value)),
            ("data_connect_timeout", _) => ("connect", time(value)),
            ("max_login_failures", _) => ("login-tries", value.to_owned()),
            _ => panic!("no such setting: {key}"),
        };
        let _ = writeln!(limits, "{limit} = {value}");
    }
    let mut events = script.lines.iter().filter_map(Line::event);
    if let Some((_, grace)) = events.find(|(event, _)| *event == "shutdown") {
        let grace = grace.trim_start_matches("grace=");
        let _ = writeln!(limits, "grace = {}", time(grace));
    }
    let config = Config::default().table(&limits).table(&format!(
        "[[user]]\nname = \"u\"\npassword = \"{HASH}\"\nhome = \"HOME\"\nrights = {rights:?}"
    ));
    if tls.is_empty() {
        config
    } else {
        config.tls(&tls)
    }
}

/// Has a call fail, where what the script says of a command cannot be arranged in a directory.
pub(super) fn break_for(server: &Server, verb: &str, ahead: &[Line]) -> Option<Tracer> {
    let command = ahead.iter().take_while(|line| line.mark != "C");
    let happens = |event: &str| {
        let mut events = command.clone().filter(|line| line.mark == "E");
        events.any(|line| line.text == event)
    };
    let inject = |options: &[&str]| Some(Tracer::attach(server, options));
    match verb {
        "LIST" if happens("fs-entry-gone") => inject(&["-e", "inject=statx:error=ENOENT:when=2"]),
        "RETR" if happens("fs-err ENOENT") => {
            let file = server.home().join("f").display().to_string();
            inject(&["-P", &file, "-e", "inject=read:error=ENOENT:when=2"])
        }
        "STOR" if happens("fs-err ENOSPC") => {
            let inject_write = "inject=write:error=ENOSPC:when=1";
            inject(&["-P", &temporary(server, 0), "-e", inject_write])
        }
        "STOR" if happens("fs-err EIO") => {
            inject(&["-e", "inject=renameat,renameat2:error=EIO:when=1"])
        }
        _ => None,
    }
}
