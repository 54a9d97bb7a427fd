//! pyftpdlib.

use std::fmt::Write as _;
use std::process::Command;

use super::super::target::lacks;
use super::{Folder, Setup};
use crate::clients::packages;

pub(super) fn command(folder: &Folder, port: u16, setup: &Setup) -> Command {
    let log = folder.write("log", "");
    let rights = if setup.keeps_files {
        "elrmw"
    } else {
        "elradfmwMT"
    };
    let base = if setup.tls.is_some() {
        "TLS_FTPHandler"
    } else {
        "FTPHandler"
    };
    let mut text = format!(
        "import logging\nfrom pyftpdlib.authorizers import DummyAuthorizer\n\
         from pyftpdlib.handlers import {base} as Handler\n\
         from pyftpdlib.servers import FTPServer\n\
         logging.basicConfig(filename={log:?}, level=logging.DEBUG)\n\
         Handler.authorizer = DummyAuthorizer()\n\
         Handler.authorizer.add_user('user', '12345', {home:?}, perm='{rights}')\n",
        home = folder.path("home"),
    );
    // One timer for both.
    let idle = [setup.login, setup.idle].into_iter().flatten().min();
    for (key, value) in [
        ("Handler.timeout", idle),
        ("Handler.passive_dtp.timeout", setup.connect),
        ("Handler.dtp_handler.timeout", setup.stall),
    ] {
        if let Some(value) = value {
            let _ = writeln!(text, "{key} = {value}");
        }
    }
    if setup.bare_logins {
        text.push_str("Handler.auth_failed_timeout = 0\n");
    }
    if let Some(guard) = setup.tls {
        if guard.reuse {
            lacks("a session need not be resumed");
        }
        let required = if guard.required { "True" } else { "False" };
        let _ = write!(
            text,
            "Handler.certfile = {:?}\nHandler.keyfile = {:?}\n\
             Handler.tls_control_required = {required}\nHandler.tls_data_required = {required}\n",
            folder.path("fullchain.pem"),
            folder.path("privkey.pem"),
        );
    }
    let _ = write!(
        text,
        "server = FTPServer(('127.0.0.1', {port}), Handler)\nserver.max_cons = 2000\n\
         server.max_cons_per_ip = {}\nserver.serve_forever()\n",
        setup.per_address.unwrap_or(0),
    );
    let places = [packages().join("pyftpdlib"), packages().join("python")];
    let path = std::env::join_paths(places).expect("a path");
    let mut command = Command::new("python3");
    command
        .args(["-W", "ignore", &folder.write("serve.py", &text)])
        .env("PYTHONPATH", path);
    command
}
