//! The functional tests of pyftpdlib, with a shim that changes host and port only.

use std::path::Path;

use super::Desk;
use crate::{Config, Program, cases};

cases! { "clients";
    pyftpdlib_functional_tests("python3", "pyftpdlib/tests", "python/pytest", "python/psutil"),
}

fn pyftpdlib_functional_tests(program: &Program) {
    let every = "\"list\", \"read\", \"write\", \"overwrite\", \"delete\", \"rename\", \"mkdir\"";
    let server = program.start(
        Config::default()
            .listen(&["127.0.0.1:0", "[::1]:0"])
            .anonymous(every),
    );
    let desk = Desk::new();
    let mut command = desk.command("python3");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("pyftpdlib/run"))
        .args(server.addresses().iter().map(ToString::to_string))
        .env("WHARF_CLIENTS", super::packages())
        .current_dir(server.home());
    desk.succeed(command);
    server.still_serves();
}
