//! What breaks beneath a server: clients, networks, disks, clocks and calls of the system.
//!
//! The numbers in the comments are those of the table in `tests/README.md`. Whatever breaks,
//! afterwards a server must be as it was before: every case ends with [`Watch::ends_well`].

mod calls;
mod disk;
mod flood;
mod hosts;
mod network;
mod peers;
mod script;
pub(crate) mod strace;
mod system;
mod transfers;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use crate::conversations::transfer::pattern;
use crate::server::within;
use crate::{Case, Server};

pub(crate) fn cases() -> Vec<Case> {
    [
        // The longest come first, so that others run beside them.
        calls::CASES,
        disk::CASES,
        peers::CASES,
        transfers::CASES,
        network::CASES,
        flood::CASES,
        system::CASES,
    ]
    .concat()
}

/// How long a server may take to let go of what a fault has left.
const SOON: Duration = Duration::from_secs(5);
/// A server that holds the same for so long is at rest: idle helper threads are gone by then.
const REST: Duration = Duration::from_millis(700);

/// What a server holds when nobody is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    threads: usize,
}

impl Held {
    fn by(server: &Server) -> Self {
        let count = |what| fs::read_dir(format!("/proc/{}/{what}", server.pid()));
        Self {
            descriptors: count("fd").expect("the server lives").count(),
            threads: count("task")
                .expect("the server lives")
                .filter(|task| !is_pooled(task))
                .count(),
        }
    }
}

/// Whether a thread is one of those that wait for disks and passwords: they stay a while for the next
/// request, and are bounded.
fn is_pooled(task: &io::Result<fs::DirEntry>) -> bool {
    let path = task.as_ref().map(|task| task.path().join("comm"));
    let name = path.ok().and_then(|path| fs::read_to_string(path).ok());
    name.is_some_and(|name| ["ftp storage\n", "ftp logins\n"].contains(&&*name))
}

/// Compares what a server holds before and after a fault.
struct Watch<'a> {
    server: &'a Server,
    before: Held,
}

impl<'a> Watch<'a> {
    /// Before the fault, when no client is there.
    fn begin(server: &'a Server) -> Self {
        // Some threads and descriptors are made for the first client and stay.
        stores_and_fetches(server);
        let mut before = Held::by(server);
        let mut since = Instant::now();
        while since.elapsed() < REST {
            thread::sleep(Duration::from_millis(20));
            let now = Held::by(server);
            if now != before {
                (before, since) = (now, Instant::now());
            }
        }
        Self { server, before }
    }

    /// What was held then.
    fn descriptors(&self) -> usize {
        self.before.descriptors
    }

    /// Waits until nothing is left of the clients, and of what they did.
    fn is_at_rest(&self) {
        let (server, before) = (self.server, self.before);
        let until = Instant::now() + SOON;
        loop {
            let now = Held::by(server);
            // Fewer would be as wrong: a thread that has died, a listener that is closed.
            if now == before {
                break;
            }
            assert!(Instant::now() < until, "{now:?} instead of {before:?}");
            thread::sleep(Duration::from_millis(10));
        }
        within(SOON, "no temporary file is left", || {
            temporaries(&server.inner_home()) == 0
        });
    }

    /// After the fault, when all its clients are gone: the server still serves, and holds what it
    /// held before.
    fn ends_well(self) {
        stores_and_fetches(self.server);
        self.is_at_rest();
        let log = self.server.log();
        assert!(!log.contains("panicked"), "a panic in the log");
    }
}

/// A new client stores and fetches 1 MiB.
fn stores_and_fetches(server: &Server) {
    let content = pattern(1 << 20);
    let mut client = server.login();
    client.store("watched.bin", &content);
    assert!(client.fetch("watched.bin") == content, "other bytes");
    client.command("DELE watched.bin", 250);
    client.command("QUIT", 221);
    client.expect_end();
}

/// How many uploads that are neither visible nor kept lie in a tree.
fn temporaries(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| {
            let is_one = entry.file_name().as_encoded_bytes().starts_with(b".wharf-");
            usize::from(is_one) + temporaries(&entry.path())
        })
        .sum()
}

/// The file that an upload is written to: the first of a server has the serial number 0.
pub(crate) fn temporary(server: &Server, serial: usize) -> String {
    let name = format!(".wharf-{}-{serial}", server.pid());
    server.home().join(name).display().to_string()
}

/// KiB of memory that a server has in use.
fn memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .expect("a size in KiB")
}
