//! Python's ftplib, and aioftp. What they do is in the scripts beside this file.

use super::{Desk, both, grow};
use crate::{Program, cases};

cases! { "clients";
    ftplib_does_all_it_can("python3"),
    aioftp_does_all_it_can("python3", "python/aioftp"),
}

/// Runs a script on a tree, once for each address of the server.
fn run(program: &Program, script: &str) {
    let server = both(program);
    for &address in server.addresses() {
        let desk = Desk::new();
        grow(&desk.path());
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        desk.run("python3", &["-c", script, &ip, &port]);
    }
    server.still_serves();
}

fn ftplib_does_all_it_can(program: &Program) {
    run(program, include_str!("ftplib_client.py"));
}

fn aioftp_does_all_it_can(program: &Program) {
    run(program, include_str!("aioftp_client.py"));
}
