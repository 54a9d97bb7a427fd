//! [`Script`]: its lines, and what they ask for before they are played.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::FOLDER;
use crate::faults::strace::Tracer;
use crate::faults::temporary;
use crate::{Config, Server};

/// The password `p`, hashed as cheaply as can be.
const HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw$cvtUOL2hXij0uofdYKIbixlCjI+/UB4XU4+LQZIQYuY";

/// What no kernel takes at once: a download of so many bytes is still going on when nobody reads.
pub(super) const LARGE: usize = 16_000_000;

/// A line: its mark, and the rest.
pub(super) type Line = (String, String);

/// A script.
pub(super) struct Script {
    pub(super) lines: Vec<Line>,
}

impl Script {
    pub(super) fn read(name: &str) -> Self {
        let path = Path::new(FOLDER).join(format!("{name}.ftp"));
        let mut text = fs::read_to_string(path).expect("a script");
        // REST is for TYPE I, and a session begins in TYPE A.
        if text.contains("C: REST") {
            text = text.replacen("S: 230\n", "S: 230\nC: TYPE I\nS: 200\n", 1);
        }
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let lines = lines.map(|line| {
            let (mark, text) = line.split_once(':').expect("a mark");
            let text = text.strip_prefix(' ').unwrap_or(text);
            (mark.to_owned(), text.to_owned())
        });
        Self {
            lines: lines.collect(),
        }
    }

    /// What a second of the script takes. Where one lets minutes pass, a hundredth.
    pub(super) fn second(&self) -> Duration {
        let waits = self.lines.iter().any(|line| is_event(line, "time"));
        Duration::from_millis(if waits { 10 } else { 1_000 })
    }

    /// The server that it is about: what `cfg` says, and how long a shutdown waits.
    pub(super) fn config(&self) -> Config {
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
        let time = |value: &str| {
            let seconds: u32 = value.parse().expect("seconds");
            format!("\"{}ms\"", (self.second() * seconds).as_millis())
        };
        let settings = self.lines.iter().filter(|(mark, _)| mark == "cfg");
        for setting in settings.flat_map(|(_, text)| text.split(' ')) {
            let (key, value) = setting.split_once('=').expect("a setting");
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
                _ => panic!("no such setting: {setting}"),
            };
            let _ = writeln!(limits, "{limit} = {value}");
        }
        for (_, event) in self.lines.iter().filter(|line| is_event(line, "shutdown")) {
            let grace = event.trim_start_matches("shutdown grace=");
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
}

fn is_event((mark, text): &Line, event: &str) -> bool {
    mark == "E" && text.split(' ').next() == Some(event)
}

/// What a script says of a download, from its command on.
pub(super) struct Told {
    /// The size of the file.
    pub(super) size: Option<usize>,
    /// The file ends after so many bytes while it is sent.
    pub(super) cut: Option<usize>,
    /// Something happens while it is sent.
    pub(super) is_held: bool,
}

impl Told {
    /// `ahead` are the lines after the command, `from` is where the download begins.
    pub(super) fn by(ahead: &[Line], from: usize) -> Self {
        let until_reply = ahead
            .iter()
            .take_while(|(mark, _)| !mark.starts_with("S") || mark == "S-");
        let lines: Vec<&Line> = until_reply.collect();
        let number = |prefix: &str, line: &Line| -> Option<usize> {
            let number = line.1.strip_prefix(prefix)?;
            Some(number.parse().expect("a number"))
        };
        let size = lines.iter().find_map(|line| number("fs-ok size=", line));
        let sending = lines
            .split(|(mark, _)| mark == "S-")
            .nth(1)
            .unwrap_or_default();
        let moved: usize = sending
            .iter()
            .filter_map(|line| number("fs-data ", line))
            .sum();
        let ends = sending.iter().any(|line| is_event(line, "fs-eof"));
        let cut = (ends && Some(from + moved) < size).then_some(from + moved);
        let is_plain = |line: &&Line| {
            line.0.starts_with('A') || is_event(line, "fs-data") || is_event(line, "fs-eof")
        };
        Self {
            size,
            cut,
            is_held: cut.is_some() || !sending.iter().all(is_plain),
        }
    }
}

/// Has a call fail, where what the script says of a command cannot be arranged in a directory.
pub(super) fn break_for(server: &Server, verb: &str, ahead: &[Line]) -> Option<Tracer> {
    let command = ahead.iter().take_while(|(mark, _)| mark != "C");
    let happens = |event: &str| {
        command
            .clone()
            .any(|(mark, text)| mark == "E" && text == event)
    };
    let inject = |options: &[&str]| Some(Tracer::attach(server, options));
    match verb {
        "LIST" if happens("fs-entry-gone") => inject(&["-e", "inject=statx:error=ENOENT:when=1"]),
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

/// So many letters from that one on. No ends of lines: TYPE A shall not change them.
pub(super) fn letters(first: u8, count: usize) -> Vec<u8> {
    // A prime number of them, so that what is out of place is seen.
    let row: Vec<u8> = (first..first + 23).collect();
    let mut letters = row.repeat(count / row.len() + 1);
    letters.truncate(count);
    letters
}
