//! `--check`: would the server start, and would everybody be served?

use std::fmt::Write as _;

use wharf_driver::PublicAddress;
use wharf_driver::sockets;

use crate::assemble::Launch;
use crate::bind;
use crate::bucket::Part;
use crate::look;

/// How bad what was found is, as the exit code tells it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Good = 0,
    /// It would start, but somebody could not log in.
    NotForAll = 1,
    WouldNotStart = 2,
}

/// What is told of a configuration that was understood, and the exit code. Nothing is started, and
/// what is bound or opened to try it is given back.
pub(crate) fn check(launch: &Launch) -> (String, u8) {
    let mut text = launch.report.text(&launch.listen, None);
    if let Some(user) = launch.process.user() {
        // To write into a string cannot fail.
        let _ = writeln!(text, "running as {user} once it listens");
    }
    let mut verdict = Verdict::Good;
    let mut tell = |found: Verdict, what: &str| {
        let kind = if found == Verdict::Good {
            "warning"
        } else {
            "error"
        };
        let _ = writeln!(text, "{kind}: {what}");
        verdict = verdict.max(found);
    };
    // At the same time, as the server would.
    let mut listeners = Vec::new();
    for listen in &launch.listen {
        match bind::one(listen) {
            Ok(listener) => listeners.push(listener),
            Err(error) if launch.listen_default && sockets::is_not_here(&error) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                let address = listen.address;
                let what = format!(
                    "something listens on {address} already; if it is not this server, it would \
                     not start"
                );
                tell(Verdict::Good, &what);
            }
            Err(error) => tell(
                Verdict::WouldNotStart,
                &bind::explain(listen, &error).to_string(),
            ),
        }
    }
    drop(listeners);
    let process = &launch.process;
    if let Err(error) = process.can_enter() {
        tell(Verdict::WouldNotStart, &error.to_string());
    }
    let served = &launch.report.served;
    match process.keep(&launch.homes) {
        Ok(kept) if !kept.is_empty() => {
            let first = kept[0].display();
            let what = format!(
                "this user cannot walk to {first}{}: the directory from the start would be served, \
                 also if another one takes its place",
                others(kept.len() - 1)
            );
            tell(Verdict::Good, &what);
        }
        Ok(_) => {}
        Err(error) => tell(Verdict::WouldNotStart, &error.to_string()),
    }
    match process.act(|| look::all(served, &launch.homes)) {
        Ok(troubles) => {
            let nobody = process.nobody_is_served(served, &troubles).is_some();
            for trouble in &troubles {
                let found = match trouble.is_missing() {
                    true if nobody => Verdict::WouldNotStart,
                    true => Verdict::NotForAll,
                    false => Verdict::Good,
                };
                tell(found, &trouble.to_string());
            }
        }
        Err(error) => tell(Verdict::WouldNotStart, &error.to_string()),
    }
    match process.act(|| examine(&launch.buckets)) {
        Ok(findings) => {
            for (what, is_fatal) in findings {
                let found = match is_fatal {
                    true => Verdict::NotForAll,
                    false => Verdict::Good,
                };
                tell(found, &what);
            }
        }
        Err(error) => tell(Verdict::WouldNotStart, &error.to_string()),
    }
    for what in &launch.warnings {
        tell(Verdict::Good, what);
    }
    for what in process.unreadable(launch.certified.as_deref()) {
        tell(Verdict::Good, &what);
    }
    if let Some(address @ PublicAddress::Host(name)) = &launch.settings.public_address {
        let found = address.look_up().ok().flatten();
        if !found.is_some_and(|address| address.is_ipv4()) {
            let what = format!(
                "{name} has no IPv4 address for now, so that PASV would announce the local one, or \
                 be refused"
            );
            tell(Verdict::Good, &what);
        }
    }
    let conclusion = match verdict {
        Verdict::Good => "the configuration is good",
        Verdict::NotForAll => "the server would start, but not serve everybody",
        Verdict::WouldNotStart => "the server would not start",
    };
    let _ = writeln!(text, "{conclusion}");
    (text, verdict as u8)
}

/// Goes to the stores; says each thing once that is wrong, and whether it keeps somebody from being served.
fn examine(parts: &[Part]) -> Vec<(String, bool)> {
    let mut told = Vec::new();
    for part in parts {
        for finding in part.examine(part.served.rights) {
            if !told.contains(&finding) {
                told.push(finding);
            }
        }
    }
    told
}

fn others(count: usize) -> String {
    if count == 0 {
        String::new()
    } else {
        format!(" and {count} more homes")
    }
}
