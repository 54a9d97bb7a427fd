//! [`Worker`]: a process that plays a script until it is killed.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use wharf_local::{Durability, Local, LocalOptions};

use crate::script::Script;

const HOME: &str = "WHARF_TEST_DIRECTORY";
const LOG: &str = "WHARF_TEST_LOG";
const SEED: &str = "WHARF_TEST_SEED";
const DURABILITY: &str = "WHARF_TEST_DURABILITY";

/// It ends by itself, should nobody end it.
const LIFE: Duration = Duration::from_secs(300);

pub struct Worker {
    child: Child,
    log: PathBuf,
    _folder: TempDir,
}

impl Worker {
    /// Starts one in a directory, and waits for its first step.
    pub fn start(home: &Path, durability: Durability, seed: u64) -> Self {
        fs::create_dir(home.join("sub")).unwrap();
        // What the script begins with is on the disk.
        File::open(home).unwrap().sync_all().unwrap();
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("log");
        File::create(&log).unwrap();
        let child = Command::new(env::current_exe().unwrap())
            .args(["--ignored", "--exact", "worker"])
            .env(HOME, home)
            .env(LOG, &log)
            .env(SEED, seed.to_string())
            .env(DURABILITY, format!("{durability:?}"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut worker = Self {
            child,
            log,
            _folder: folder,
        };
        while worker.acknowledged() == 0 {
            assert!(worker.child.try_wait().unwrap().is_none(), "it has failed");
            thread::sleep(Duration::from_millis(1));
        }
        worker
    }

    /// How many steps it has acknowledged.
    pub fn acknowledged(&self) -> usize {
        fs::metadata(&self.log).unwrap().len() as usize
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Kills it.
    pub fn kill(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "it has failed");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the process does.
pub fn work() {
    let Some(home) = env::var_os(HOME) else {
        return;
    };
    let text = |name| env::var(name).unwrap();
    let options = LocalOptions {
        durability: match text(DURABILITY).as_str() {
            "Disk" => Durability::Disk,
            _ => Durability::Os,
        },
        ..LocalOptions::default()
    };
    let local = Local::open(Path::new(&home), b"alice", options).unwrap();
    let mut log = File::options().append(true).open(text(LOG)).unwrap();
    let mut script = Script::new(text(SEED).parse().unwrap());
    let begun = Instant::now();
    while begun.elapsed() < LIFE {
        let step = script.advance();
        let outcome = step.perform(&local);
        assert_eq!(outcome, Ok(()), "{step:?}");
        log.write_all(b"!").unwrap();
    }
}
