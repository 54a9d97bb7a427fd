//! The conversations that every Wharf server holds: over real sockets, with real clients, and
//! with signals and limits. Each adapter runs all of them against its own binary:
//!
//! ```no_run
//! # const BINARY: &str = "wharf-std";
//! wharf_tests::run(BINARY);
//! ```
//!
//! A [case](Case) that needs a program which is not installed says so and is skipped; with
//! `WHARF_REQUIRE_CLIENTS=1` in the environment, as in CI, it fails instead.

#![allow(clippy::print_stderr)]

pub mod certificates;
mod check;
pub mod checks;
mod client;
mod clients;
mod confinement;
mod conversations;
mod ctl;
pub mod differential;
mod faults;
mod homes;
mod limits;
mod logs;
mod process;
mod scripts;
mod server;
mod soak;
mod tls;
mod unwelcome;
mod wire;

use std::num::NonZero;
use std::thread;

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};

pub use client::Client;
pub use clients::yardstick::{grow_file, grow_yardstick};
pub use server::{Config, Server};
pub use soak::{Soaked, soak};
pub use tls::Tls;
pub use wire::Wire;

/// One thing that is promised, and how it is proved.
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    /// Programs that must be installed, paths that must be among the
    /// [packages](clients::packages), or `root`, who alone may break networks and disks.
    needs: &'static [&'static str],
    prove: fn(&Program),
}

/// The binary that is tested.
#[derive(Clone, Copy)]
pub struct Program(pub &'static str);

/// Makes cases of functions of the module, which is their prefix.
macro_rules! cases {
    ($module:literal; $($name:ident $(($($needs:literal),+))?),+ $(,)?) => {
        pub(crate) const CASES: &[$crate::Case] = &[$($crate::Case {
            name: concat!($module, "::", stringify!($name)),
            needs: &[$($($needs),+)?],
            prove: $name,
        }),+];
    };
}
pub(crate) use cases;

/// Runs every case against that binary, as the test harness does: with its options, its output
/// and its exit code.
pub fn run(binary: &'static str) -> ! {
    let groups = [
        conversations::cases(),
        differential::CASES.to_vec(),
        clients::cases(),
        process::CASES.to_vec(),
        ctl::CASES.to_vec(),
        confinement::CASES.to_vec(),
        homes::CASES.to_vec(),
        check::CASES.to_vec(),
        limits::CASES.to_vec(),
        logs::CASES.to_vec(),
        scripts::CASES.to_vec(),
        faults::cases(),
        checks::cases(),
        soak::CASES.to_vec(),
    ];
    run_cases(binary, groups.into_iter().flatten())
}

/// As [`run`], with the conversations and scripts only: those that prove an adapter.
pub fn run_conversations(binary: &'static str) -> ! {
    let groups = [conversations::cases(), scripts::CASES.to_vec()];
    run_cases(binary, groups.into_iter().flatten())
}

fn run_cases(binary: &'static str, cases: impl Iterator<Item = Case>) -> ! {
    let mut arguments = Arguments::from_args();
    // Most of them wait most of the time.
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    arguments.test_threads.get_or_insert(2 * processors);
    let required = std::env::var_os("WHARF_REQUIRE_CLIENTS").is_some();
    let trials = cases.map(|case| trial(case, binary, required)).collect();
    let conclusion: Conclusion = libtest_mimic::run(&arguments, trials);
    conclusion.exit()
}

fn trial(case: Case, binary: &'static str, required: bool) -> Trial {
    let missing = case
        .needs
        .iter()
        .find(|program| !is_installed(program))
        .copied();
    let trial = Trial::test(case.name, move || match missing {
        Some(program) => Err(Failed::from(format!("{program} is not installed"))),
        None => {
            (case.prove)(&Program(binary));
            Ok(())
        }
    });
    match missing.filter(|_| !required) {
        Some(program) => trial
            .with_kind(format!("skipped: no {program}"))
            .with_ignored_flag(true),
        None => trial,
    }
}

fn is_installed(program: &str) -> bool {
    if program == "root" {
        return rustix::process::geteuid().is_root();
    }
    if program.contains('/') {
        return clients::packages().join(program).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
