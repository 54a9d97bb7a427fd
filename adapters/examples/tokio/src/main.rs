//! The server on tokio.

use std::process::ExitCode;

fn main() -> ExitCode {
    wharf_server::run("wharf-tokio", wharf_tokio::serve)
}
