//! Many sessions with a server, for ten minutes or as many as are asked for.
//!
//!     cargo run --release -p wharf-tests --bin soak -- BINARY [MINUTES]

#![allow(clippy::print_stderr)]

use std::process::ExitCode;
use std::time::Duration;

use wharf_tests::{Program, soak};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (binary, minutes) = match &arguments[..] {
        [binary] => (binary.clone(), Some(10)),
        [binary, minutes] => (binary.clone(), minutes.parse().ok()),
        _ => (String::new(), None),
    };
    let Some(minutes) = minutes else {
        eprintln!("usage: soak BINARY [MINUTES]");
        return ExitCode::from(2);
    };
    // A binary has a name as long as there are tests.
    let soaked = soak(&Program(binary.leak()), Duration::from_secs(60 * minutes));
    print!("{soaked}");
    match soaked.mistake() {
        None => ExitCode::SUCCESS,
        Some(mistake) => {
            eprintln!("soak: {mistake}");
            ExitCode::FAILURE
        }
    }
}
