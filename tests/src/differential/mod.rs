//! What other servers answer to the same commands, and where we differ from all of them.
//!
//! `differential/recorded.tsv` has the probes and what vsftpd, ProFTPD and pyftpdlib said. To each
//! we answer as one of them, and with codes that the RFCs allow for the command, or the probe stands
//! in `differential/differences.tsv` with the reason.

mod player;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) use self::player::address;
pub use self::player::{Heard, Peer, play, prepare};
use crate::{Program, cases};

cases! { "differential";
    answers_as_another_server_does_or_says_why,
}

/// The probes, and what the servers said.
const RECORDED: &str = include_str!("../../differential/recorded.tsv");
/// The probes to which we answer differently: what, and why.
const DIFFERENCES: &str = include_str!("../../differential/differences.tsv");
/// The codes that each command may be answered with.
const ALLOWED: &str = include_str!("../../../core/tests/corpora/replies.tsv");

/// The rows of a table, without its head and comments.
fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines.skip(1).map(|line| line.split('\t').collect())
}

/// The probes: the name of each, and its script.
pub fn probes() -> impl Iterator<Item = (&'static str, &'static str)> {
    rows(RECORDED).map(|row| (row[0], row[1]))
}

/// The codes for each verb.
fn allowed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    rows(ALLOWED)
        .map(|row| {
            let codes = row[4..7].iter().flat_map(|codes| codes.split(' '));
            (row[0], codes.collect())
        })
        .collect()
}

/// What is wrong with what was heard, if anything is.
fn objection(heard: &Heard, servers: &[&str]) -> Option<String> {
    let words = heard.words.join(" ");
    let allowed = allowed();
    let is_allowed = |(verb, code): &(String, String)| match allowed.get(verb.as_str()) {
        Some(codes) => codes.contains(code.as_str()),
        // Not to know a command is always allowed.
        None => code.starts_with('2') || matches!(code.as_str(), "500" | "502" | "530"),
    };
    if let Some((verb, code)) = heard.replies.iter().find(|reply| !is_allowed(reply)) {
        return Some(format!("{words}: {code} is no reply to {verb}"));
    }
    (!servers.contains(&words.as_str())).then(|| format!("{words}: the others say {servers:?}"))
}

fn answers_as_another_server_does_or_says_why(program: &Program) {
    let server = program.serve();
    let peer = Peer {
        address: server.address(),
        user: "user".into(),
        password: "12345".into(),
        start: "/".into(),
        patience: Duration::from_millis(500),
    };
    let mut differences: BTreeMap<_, _> = rows(DIFFERENCES)
        .map(|row| match row[..] {
            [probe, ours, reason] if !reason.is_empty() => (probe, ours),
            _ => panic!("no reason is given: {row:?}"),
        })
        .collect();
    let mut wrong = Vec::new();
    for row in rows(RECORDED) {
        let (probe, script, servers) = (row[0], row[1], &row[2..]);
        prepare(server.home()).expect("a directory");
        let heard = play(&peer, script).unwrap_or_else(|error| panic!("{probe}: {error}"));
        let words = heard.words.join(" ");
        match (objection(&heard, servers), differences.remove(probe)) {
            (None, None) => {}
            (Some(_), Some(ours)) if ours == words => {}
            (Some(objection), None) => wrong.push(format!("{probe}: {objection}")),
            (Some(objection), Some(ours)) => {
                wrong.push(format!("{probe}: not {ours}, but {objection}"));
            }
            (None, Some(_)) => wrong.push(format!("{probe}: is listed, and is no difference")),
        }
    }
    wrong.extend(
        differences
            .keys()
            .map(|probe| format!("{probe}: is no probe")),
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
