//! Our own servers, as they are checked.

use std::fmt::Write as _;

use super::target::{Host, Setup, Target};
use crate::{Config, Program};

/// A binary of ours.
pub struct Ours(pub Program);

/// The password `12345`, hashed so that it takes milliseconds: as ours are, with less memory.
const HASH: &str = "$argon2id$v=19$m=1024,t=1,p=1$TVJwK2VVZlVpcEsySi9YYg$601xC4FCo+W1BRfY1ObEXoDtuKcQEo4npHu1aLxlOqY";

impl Host for Ours {
    fn start(&self, setup: &Setup) -> Target {
        let server = self.0.start(config(setup));
        Target {
            address: server.address(),
            home: match setup.disk {
                Some(_) => server.inner_home(),
                None => server.home().to_owned(),
            },
            pid: server.pid(),
            log: Some(server.log_file().to_owned()),
            owner: None,
            is_mild: false,
            tls: None,
            server: Box::new(server),
        }
    }
}

fn config(setup: &Setup) -> Config {
    let mut limits = String::from("[limits]\n");
    for (key, seconds) in [
        ("login", setup.login),
        ("idle", setup.idle),
        ("connect", setup.connect),
        ("stall", setup.stall),
    ] {
        if let Some(seconds) = seconds {
            let _ = writeln!(limits, "{key} = \"{seconds}s\"");
        }
    }
    if let Some(count) = setup.per_address {
        let _ = writeln!(limits, "sessions = 1000\nsessions-per-address = {count}");
    }
    if setup.trickle {
        limits.push_str("minimum-rate = 1000\n");
    }
    let mut config = Config::default();
    if setup.bare_logins {
        limits.push_str("login-delay = \"0s\"\nback-off = \"0s\"\n");
        config = config.password(HASH);
    }
    if setup.keeps_files {
        config = config.rights("\"list\", \"read\", \"write\"");
    }
    if let Some(guard) = setup.tls {
        let policy = |is: bool| if is { "required" } else { "offered" };
        let reuse = if guard.reuse {
            "required"
        } else {
            "if-offered"
        };
        config = config.tls(&format!(
            "control = \"{0}\"\ndata = \"{0}\"\nsession-reuse = \"{reuse}\"\nccc = {1}",
            policy(guard.required),
            guard.ccc
        ));
    }
    if let Some(size) = setup.disk {
        let mount = format!(
            "mkdir HOME/disk && mount -t tmpfs -o size={size}m none HOME/disk && exec \"$@\""
        );
        config = config.through(&["unshare", "--mount", "sh", "-c", &mount, "sh"]);
    }
    config.table(&limits)
}
