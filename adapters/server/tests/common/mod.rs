//! A directory with homes and a configuration file, and a command line without a process.

#![allow(
    dead_code,
    reason = "each test file is a crate of its own and uses a part"
)]

use std::fs;
use std::io::{self, Read};
use std::num::NonZero;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use wharf_server::{self, Launch, Stop};
use wharf_storage::{Executors, Pool};

/// The hash of `secret`, cheap to check.
pub(crate) const SECRET: &str = "$argon2id$v=19$m=32,t=1,p=1$aILXgtgKjfiK/g6uX5J6hw$pA+rUJYE+K8Tltg7/2YduCKc6IYOPRjpmbySidVGpOw";

pub(crate) struct Place(TempDir);

impl Place {
    /// A directory with the empty homes `pub` and `home`, and `own.pem`, a certificate and its key.
    pub(crate) fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        fs::create_dir(place.path("pub")).unwrap();
        fs::create_dir(place.path("home")).unwrap();
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let pem = own.cert.pem() + &own.signing_key.serialize_pem();
        fs::write(place.path("own.pem"), pem).unwrap();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Starts with this configuration file and these further arguments.
    pub(crate) fn start(&self, toml: &[u8], arguments: &[&str]) -> Result<Launch, Stop> {
        let file = self.path("wharf.toml");
        fs::write(&file, toml).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let mut all = vec!["-c", file.to_str().unwrap()];
        all.extend(arguments);
        start(&all)
    }

    /// What is printed instead of a start, without the name of this directory.
    pub(crate) fn stop(&self, toml: &[u8], arguments: &[&str]) -> Stop {
        let stop = stop(self.start(toml, arguments));
        let directory = format!("{}/", self.0.path().display());
        Stop {
            text: stop.text.replace(&directory, ""),
            ..stop
        }
    }
}

/// Where logins run that take their time.
pub(crate) fn executors() -> Executors {
    let pool = Pool::new("test", NonZero::new(4).unwrap(), Duration::from_secs(60));
    Executors {
        storage: pool.executor(true),
        logins: pool.executor(true),
    }
}

/// Starts with these arguments and nothing on the standard input.
pub(crate) fn start(arguments: &[&str]) -> Result<Launch, Stop> {
    start_with(arguments, io::empty())
}

pub(crate) fn start_with(arguments: &[&str], stdin: impl Read) -> Result<Launch, Stop> {
    let arguments = ["wharf"].iter().chain(arguments).map(Into::into);
    wharf_server::start("wharf", arguments, || wharf_server::password::read(stdin))
}

pub(crate) fn stop(result: Result<Launch, Stop>) -> Stop {
    result.err().unwrap()
}
