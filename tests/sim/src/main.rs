//! The simulator's command line.

#![allow(clippy::print_stderr)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use wharf_sim::{Case, Fault, Outcome, run, run_adapter, run_bucket};

/// Runs sessions of Wharf in a world full of faults. The same seed gives the same run.
#[derive(Parser)]
struct Options {
    /// The first seed, or the only one if a failure is looked at.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many seeds are run.
    #[arg(long, default_value_t = 100_000)]
    seeds: u64,
    /// Run the adapter on smol, not only the core.
    #[arg(long)]
    adapter: bool,
    /// The same with a bucket of an object store as everybody's home.
    #[arg(long, conflicts_with = "adapter")]
    bucket: bool,
    /// Stop after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Run that seed only, and print its conversation.
    #[arg(long)]
    seed: Option<u64>,
    /// With --seed: so many clients.
    #[arg(long, requires = "seed")]
    clients: Option<u64>,
    /// With --seed: so many commands for each.
    #[arg(long, requires = "seed")]
    commands: Option<u64>,
    /// With --seed: without TLS.
    #[arg(long, requires = "seed")]
    clear: bool,
    /// With --seed: no faults of that kind.
    #[arg(long, requires = "seed")]
    without: Vec<String>,
}

/// What runs a case.
type Level = fn(&Case, Option<&mut String>) -> Outcome;

impl Options {
    fn level(&self) -> Level {
        match (self.adapter, self.bucket) {
            (_, true) => run_bucket,
            (true, _) => run_adapter,
            _ => run,
        }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    // A failure is told in one line, and by its trace.
    std::panic::set_hook(Box::new(|_| {}));
    match options.seed {
        Some(seed) => one(seed, &options),
        None => many(&options),
    }
}

/// Runs one seed and prints what happened.
fn one(seed: u64, options: &Options) -> ExitCode {
    let mut case = Case::draw(seed);
    case.clients = options.clients.unwrap_or(case.clients);
    case.commands = options.commands.unwrap_or(case.commands);
    case.clear = options.clear;
    for name in &options.without {
        match Fault::ALL.iter().find(|(_, known)| known == name) {
            Some((fault, _)) => case = case.without(*fault),
            None => {
                eprintln!("wharf-sim: there is no fault {name}");
                return ExitCode::from(2);
            }
        }
    }
    let mut trace = String::new();
    let outcome = attempt(&case, options.level(), Some(&mut trace));
    print!("{trace}");
    match outcome {
        Ok(outcome) => {
            println!(
                "{case}: {} events, hash {:016x}",
                outcome.events, outcome.hash
            );
            ExitCode::SUCCESS
        }
        Err(message) => {
            println!("{case} fails: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs seed after seed; the first that fails is made as small as can be.
fn many(options: &Options) -> ExitCode {
    let begun = Instant::now();
    let limit = options.seconds.map(Duration::from_secs);
    let (mut sum, mut count, mut told) = (Outcome::default(), 0, begun);
    for seed in options.from..options.from.saturating_add(options.seeds) {
        if limit.is_some_and(|limit| begun.elapsed() >= limit) {
            break;
        }
        let case = Case::draw(seed);
        match attempt(&case, options.level(), None) {
            Ok(outcome) => {
                sum.sessions += outcome.sessions;
                sum.protected += outcome.protected;
                sum.events += outcome.events;
                let again = (seed % 64 == 0).then(|| attempt(&case, options.level(), None));
                if again.is_some_and(|again| again.map(|again| again.hash) != Ok(outcome.hash)) {
                    println!("{case}: two runs are not the same");
                    return ExitCode::FAILURE;
                }
            }
            Err(message) => {
                println!("Before it, {} sessions of {count} seeds", sum.sessions);
                return fail(case, options.level(), &message);
            }
        }
        count += 1;
        if told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            eprintln!("{count} seeds, {} sessions", sum.sessions);
        }
    }
    let Outcome {
        sessions,
        protected,
        events,
        ..
    } = sum;
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{count} seeds, {sessions} sessions, {protected} TLS handshakes of theirs, {events} events in \
         {seconds:.1} s: {:.0} sessions and {:.0} events a second, none failed",
        sessions as f64 / seconds,
        events as f64 / seconds,
    );
    ExitCode::SUCCESS
}

fn attempt(case: &Case, run: Level, trace: Option<&mut String>) -> Result<Outcome, String> {
    catch_unwind(AssertUnwindSafe(|| run(case, trace))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        text.unwrap_or_default()
    })
}

/// Makes a failing case smaller as long as it fails, and tells how to run it again.
fn fail(case: Case, level: Level, message: &str) -> ExitCode {
    println!("{case} fails: {message}");
    let (mut case, mut message) = (case, message.to_owned());
    while let Some((smaller, why)) = case.simpler().into_iter().find_map(|simpler| {
        attempt(&simpler, level, None)
            .err()
            .map(|why| (simpler, why))
    }) {
        (case, message) = (smaller, why);
    }
    println!("{case}\n  {message}");
    ExitCode::FAILURE
}
