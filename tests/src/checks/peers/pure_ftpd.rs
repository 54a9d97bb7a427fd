//! Pure-FTPd.

use std::process::Command;

use super::super::target::lacks;
use super::{Folder, Setup};

pub(super) fn command(folder: &Folder, port: u16, setup: &Setup) -> Command {
    if setup.login.or(setup.idle).is_some() {
        lacks("its timers are of minutes");
    }
    if setup.bare_logins {
        lacks("its delay is of seconds");
    }
    let mut command = Command::new(Folder::installed("usr/sbin/pure-ftpd"));
    command
        .args([
            "-S",
            &format!("127.0.0.1,{port}"),
            "-4",
            "-A",
            "-E",
            "-H",
            "-0",
        ])
        .args(["-l", "unix", "-u", "1000", "-c", "1000", "-L", "2000000:8"])
        .args(["-f", "none", "-g", &folder.path("pid")])
        .args(["-C", &setup.per_address.unwrap_or(1_000).to_string()]);
    if setup.keeps_files {
        command.arg("-K");
    }
    if let Some(guard) = setup.tls {
        if guard.reuse {
            lacks("a session need not be resumed");
        }
        let files = [folder.path("fullchain.pem"), folder.path("privkey.pem")].join(",");
        let level = if guard.required { "3" } else { "1" };
        command.args(["-Y", level, "-2", &files]);
    }
    command
}
