//! [`Tracer`]: strace on a running server, which has calls of the system fail.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::Server;
use crate::server::eventually;

/// A server under strace; it is let go when this is dropped.
pub(crate) struct Tracer {
    child: Child,
    log: PathBuf,
    options: String,
    _folder: TempDir,
}

impl Tracer {
    /// Traces the threads of a server, those to come included.
    pub(crate) fn attach(server: &Server, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let log = folder.path().join("trace");
        let errors = folder.path().join("errors");
        let child = Command::new("strace")
            .args(["-f", "-p", &server.pid().to_string(), "-o"])
            .arg(&log)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&errors).expect("a file"))
            .spawn()
            .expect("strace starts");
        let tracer = Self {
            child,
            log,
            options: options.join(" "),
            _folder: folder,
        };
        // It says so when it has all threads.
        let said = || fs::read_to_string(&errors).unwrap_or_default();
        eventually("strace is attached", || said().contains("attached"));
        tracer
    }

    /// Lets the server go, and returns the calls that were traced.
    pub(crate) fn detach(mut self) -> String {
        self.end();
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Lets the server go; how many calls were made to fail.
    pub(crate) fn injected(self) -> usize {
        self.detach().matches("(INJECTED)").count()
    }

    fn end(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // Asked to end, it detaches first.
        let _ = kill_process(pid.expect("a pid"), Signal::TERM);
        let _ = self.child.wait();
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- under strace {}", self.options);
        }
        if let Ok(None) = self.child.try_wait() {
            self.end();
        }
    }
}
