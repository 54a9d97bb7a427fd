//! The functional tests of pyftpdlib, with a shim that changes host and port only, and its
//! benchmark.

use std::path::Path;

use super::Desk;
use crate::{Config, Program, cases};

cases! { "clients";
    pyftpdlib_functional_tests("python3", "pyftpdlib/tests", "python/pytest", "python/psutil"),
    ftpbench_runs_over_tls("python3", "pyftpdlib/scripts/ftpbench"),
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

/// It ends uploads without close_notify, for which there is a setting.
fn ftpbench_runs_over_tls(program: &Program) {
    let server = program.start(
        Config::default()
            .tls("data = \"required\"")
            .top("accept-truncated = true"),
    );
    let script = super::packages().join("pyftpdlib/scripts/ftpbench");
    let (ip, port) = (server.address().ip(), server.address().port());
    let words = format!("-u user -p 12345 -H {ip} -P {port} -b all -n 20 -s 1M --ssl");
    let desk = Desk::new();
    let mut command = desk.command("python3");
    command.arg(script).args(words.split(' '));
    let said = desk.succeed(command);
    for line in ["STOR (client -> server)", "20 concurrent clients (QUIT)"] {
        assert!(said.contains(line), "{said}");
    }
}
