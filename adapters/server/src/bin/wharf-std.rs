//! The server on threads.

use std::process::ExitCode;

fn main() -> ExitCode {
    wharf_server::run("wharf-std", wharf_std::serve)
}
