//! What the tests of [`Local`] share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, missing_docs)]

pub mod mount;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rustix::io::Errno;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use tempfile::TempDir;
use wharf_core::{Changed, Failure, Metadata, Mode, Reason, Scope, VPath};
use wharf_local::{Local, LocalOptions};
use wharf_storage::{
    BlockingDirectory, BlockingHandle, BlockingOpening, BlockingSink, BlockingSource,
    BlockingStorage,
};

pub const REASONS: [Reason; 9] = [
    Reason::NoData,
    Reason::Truncated,
    Reason::Reset,
    Reason::Aborted,
    Reason::HungUp,
    Reason::ControlLost,
    Reason::Stalled,
    Reason::Slow,
    Reason::Shutdown,
];

/// What SIZE tells of [`part`].
pub const TOLD: u64 = 4_096;

/// The bytes of a file that a client sends.
pub fn text(length: usize) -> String {
    (0..length)
        .map(|at| char::from(b'a' + (at / 7 % 26) as u8))
        .collect()
}

/// What it sends when it begins behind so many bytes.
pub fn text_from(at: u64, length: usize) -> String {
    text(length)[at as usize..].to_owned()
}

/// What arrives of an upload that breaks off.
pub fn part() -> String {
    text(5_000)
}

/// A directory, and a storage on it for the account `alice`.
pub struct Place {
    pub directory: TempDir,
    pub local: Local,
}

pub fn path(path: impl AsRef<[u8]>) -> VPath {
    VPath::resolve(&VPath::root(), path.as_ref()).unwrap()
}

pub fn write_at(at: u64) -> Mode {
    Mode::Write {
        at,
        replace: true,
        umask: None,
        resumable: true,
        expected: None,
    }
}

pub const APPEND: Mode = append_to(None);

pub const UNIQUE: Mode = Mode::Unique {
    umask: None,
    resumable: true,
};

/// APPE, in a session that was told the length of a partial, or was not.
pub const fn append_to(told: Option<u64>) -> Mode {
    Mode::Append {
        told,
        replace: true,
        umask: None,
        resumable: true,
        expected: None,
    }
}

/// What comes of a change that did just what was asked.
pub const DONE: Result<Changed, Failure> = Ok(Changed::AS_ASKED);

pub const READ: Mode = Mode::Read { offset: 0 };

/// Whether these are the tests that run as on a kernel without openat2.
pub fn without_openat2() -> bool {
    env!("CARGO_CRATE_NAME") == "without_openat2"
}

/// The options that a test begins with.
pub fn options() -> LocalOptions {
    thread_local!(static DONE: Cell<bool> = const { Cell::new(false) });
    if without_openat2() && !DONE.replace(true) {
        forbid_openat2(Errno::NOSYS);
    }
    LocalOptions::default()
}

/// Makes openat2 fail in this thread and in those that it starts.
pub fn forbid_openat2(error: Errno) {
    // The same number on every machine: the call is younger than the unified table.
    forbid(&[437], error);
}

/// Makes calls of the system fail in this thread and in those that it starts.
pub fn forbid(calls: &[i64], error: Errno) {
    let rules = calls.iter().map(|&call| (call, Vec::new())).collect();
    let error = SeccompAction::Errno(error.raw_os_error().cast_unsigned());
    let machine = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, error, machine).unwrap();
    apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}

/// The number of a call on x86-64, or on the machines of the unified table.
pub fn call(x86_64: i64, unified: i64) -> i64 {
    if cfg!(target_arch = "x86_64") {
        x86_64
    } else {
        unified
    }
}

impl Place {
    pub fn new() -> Self {
        Self::with(options())
    }

    pub fn with(options: LocalOptions) -> Self {
        let directory = TempDir::new().unwrap();
        let local = Local::open(directory.path(), b"alice", options).unwrap();
        Self { directory, local }
    }

    /// The storage of another account on the same directory.
    pub fn account(&self, name: &str) -> Local {
        Local::open(self.directory.path(), name.as_bytes(), options()).unwrap()
    }

    /// The path in the real file system.
    pub fn real(&self, path: &str) -> PathBuf {
        self.directory.path().join(path.trim_start_matches('/'))
    }

    /// Puts a file there, not through the storage.
    pub fn put(&self, path: &str, text: &str) {
        fs::write(self.real(path), text).unwrap();
    }

    /// The bytes of a finished file, not through the storage.
    pub fn get(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.real(path)).ok()
    }

    pub fn sink(&self, mode: Mode, path: &str) -> Result<Box<dyn BlockingSink>, Failure> {
        sink(&self.local, mode, path)
    }

    pub fn size(&self, path: &str) -> Result<u64, Failure> {
        size(&self.local, path)
    }

    /// Uploads and commits.
    pub fn store(&self, mode: Mode, path: &str, text: &str) -> Result<(), Failure> {
        store(&self.local, mode, path, text)
    }

    /// Uploads and abandons, like a connection that breaks.
    pub fn fail(&self, mode: Mode, path: &str, text: &str) -> Result<(), Failure> {
        let mut sink = self.sink(mode, path)?;
        sink.write(text.as_bytes()).unwrap();
        sink.abandon(Reason::Reset);
        Ok(())
    }

    pub fn read(&self, path: &str) -> Result<String, Failure> {
        read(&self.local, path)
    }

    pub fn list(&self, path: &str) -> BTreeMap<String, u64> {
        list(&self.local, path)
    }

    /// Every name below the directory, also those that clients do not see.
    pub fn everything(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut waiting = vec![self.directory.path().to_owned()];
        while let Some(here) = waiting.pop() {
            for entry in fs::read_dir(here).unwrap() {
                let entry = entry.unwrap();
                let path = entry.path();
                let name = path.strip_prefix(self.directory.path()).unwrap();
                found.push(name.to_string_lossy().into_owned());
                if entry.file_type().unwrap().is_dir() {
                    waiting.push(path);
                }
            }
        }
        found.sort();
        found
    }
}

pub fn sink(local: &Local, mode: Mode, name: &str) -> Result<Box<dyn BlockingSink>, Failure> {
    match local.open(mode, &path(name))?.handle {
        BlockingHandle::Sink(sink) => Ok(sink),
        _ => panic!("not a sink"),
    }
}

pub fn store(local: &Local, mode: Mode, name: &str, text: &str) -> Result<(), Failure> {
    let mut sink = sink(local, mode, name)?;
    sink.write(text.as_bytes())?;
    sink.commit()
}

pub fn size(local: &Local, name: &str) -> Result<u64, Failure> {
    local.stat(&path(name)).map(|metadata| metadata.size)
}

pub fn source(opening: BlockingOpening) -> Box<dyn BlockingSource> {
    match opening.handle {
        BlockingHandle::Source(source) => source,
        _ => panic!("not a source"),
    }
}

pub fn drain(source: &mut dyn BlockingSource) -> Result<String, Failure> {
    let mut text = Vec::new();
    let mut buffer = [0; 7];
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(String::from_utf8(text).unwrap()),
            read => text.extend_from_slice(&buffer[..read]),
        }
    }
}

pub fn read(local: &Local, name: &str) -> Result<String, Failure> {
    drain(&mut *source(local.open(READ, &path(name))?))
}

pub fn directory(
    local: &Local,
    scope: Scope,
    name: &str,
) -> Result<Box<dyn BlockingDirectory>, Failure> {
    match local.open(Mode::List(scope), &path(name))?.handle {
        BlockingHandle::Directory(directory) => Ok(directory),
        _ => panic!("not a directory"),
    }
}

pub fn entries(directory: &mut dyn BlockingDirectory) -> Vec<(Vec<u8>, Metadata, Option<Vec<u8>>)> {
    let mut entries = Vec::new();
    while directory.advance().unwrap() {
        let entry = directory.entry();
        let target = entry.target.map(|target| target.to_vec());
        entries.push((entry.name.to_vec(), entry.metadata, target));
    }
    assert_eq!(directory.advance(), Ok(false));
    entries
}

/// Names and lengths of what a directory lists.
pub fn list(local: &Local, name: &str) -> BTreeMap<String, u64> {
    let mut directory = directory(local, Scope::Entries, name).unwrap();
    let entries = entries(&mut *directory);
    let count = entries.len();
    let map: BTreeMap<_, _> = entries
        .into_iter()
        .map(|(name, metadata, _)| (String::from_utf8(name).unwrap(), metadata.size))
        .collect();
    assert_eq!(map.len(), count, "no name is listed twice");
    map
}
