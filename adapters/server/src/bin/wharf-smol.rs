//! The server on smol.

use std::process::ExitCode;

fn main() -> ExitCode {
    wharf_server::run("wharf-smol", wharf_smol::serve)
}
