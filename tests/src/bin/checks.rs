//! Makes the checks of safety of our servers and of others, and prints a table of what came of them.
//!
//!     checks [BINARY...] [--only P53]... [--peer vsftpd]...
//!
//! It needs root, and what `.ci/clients` installs. It fails if a check of a BINARY does.

#![allow(clippy::print_stderr)]

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Mutex;
use std::{env, thread};

use wharf_tests::Program;
use wharf_tests::checks::peers::PEERS;
use wharf_tests::checks::{Check, Host, NotApplicable, Ours, all};

/// What came of a check.
fn outcome(check: &Check, host: &dyn Host) -> String {
    let Err(why) = panic::catch_unwind(AssertUnwindSafe(|| check.prove(host))) else {
        return "safe".into();
    };
    if let Some(NotApplicable(what)) = why.downcast_ref() {
        return format!("n/a: {what}");
    }
    let text = why.downcast_ref::<String>().cloned();
    let text = text.or_else(|| why.downcast_ref::<&str>().map(ToString::to_string));
    let text = text.unwrap_or_default();
    // What an assertion says of itself is of no interest.
    let (_, text) = text.split_once("` failed: ").unwrap_or(("", &text));
    let line = text.lines().next().unwrap_or_default().replace('|', " ");
    let short: String = line.chars().take(90).collect();
    format!("FAILS: {}", short.trim())
}

fn main() -> ExitCode {
    let (mut binaries, mut only, mut peers) = (Vec::new(), Vec::new(), Vec::new());
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--only" => only.extend(arguments.next()),
            "--peer" => peers.extend(arguments.next()),
            _ => binaries.push(&*argument.leak()),
        }
    }
    // Each failure is in the table.
    panic::set_hook(Box::new(|_| {}));
    let ours = binaries.len();
    let mut hosts: Vec<(String, Box<dyn Host>)> = Vec::new();
    for binary in binaries {
        let name = binary.rsplit('/').next().unwrap_or(binary);
        hosts.push((name.into(), Box::new(Ours(Program(binary)))));
    }
    for peer in PEERS {
        if peers.is_empty() || peers.iter().any(|name| name == peer.name) {
            hosts.push((peer.name.into(), Box::new(peer)));
        }
    }
    let checks: Vec<Check> = all()
        .into_iter()
        .filter(|check| only.is_empty() || only.contains(&check.number()))
        .collect();
    // One thread for each server, and a column.
    let columns = Mutex::new(vec![Vec::new(); hosts.len()]);
    thread::scope(|scope| {
        for (column, (name, host)) in hosts.iter().enumerate() {
            let (columns, checks) = (&columns, &checks);
            scope.spawn(move || {
                for check in checks {
                    let outcome = outcome(check, host.as_ref());
                    eprintln!("{} {} {name}: {outcome}", check.number(), check.title());
                    if let Ok(mut columns) = columns.lock() {
                        columns[column].push(outcome);
                    }
                }
            });
        }
    });
    let columns = columns.into_inner().unwrap_or_default();
    let names: Vec<&str> = hosts.iter().map(|(name, _)| name.as_str()).collect();
    println!("| # | A safe server | {} |", names.join(" | "));
    println!("|---|---|{}", "---|".repeat(names.len()));
    for (row, check) in checks.iter().enumerate() {
        let cells: Vec<&str> = columns.iter().map(|column| column[row].as_str()).collect();
        println!(
            "| {} | {} | {} |",
            check.number(),
            check.title(),
            cells.join(" | ")
        );
    }
    let mut outcomes = columns[..ours].iter().flatten();
    ExitCode::from(u8::from(
        outcomes.any(|outcome| outcome.starts_with("FAILS")),
    ))
}
