//! A backend whose calls block, as a storage that does not.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::mem;
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use wharf_core::listing::Directory;
use wharf_core::{
    Capabilities, Changed, Edit, Entry, Failure, Kind, Metadata, Mode, Opened, Reason, Scope, VPath,
};
use wharf_storage::{
    Blocking, BlockingDirectory, BlockingHandle, BlockingOpening, BlockingSink, BlockingSource,
    BlockingStorage, Executor, Group, Handle, Job, Pool, Sink, Source, Storage,
};

/// One file and one directory, which are read in pieces of that length.
#[derive(Clone, Default)]
struct Backend {
    file: Arc<Mutex<Vec<u8>>>,
    /// What has become of the last upload.
    ended: Arc<Mutex<Option<Result<(), Reason>>>>,
    piece: usize,
    /// Behind so many bytes, or entries, it fails.
    fails: Option<usize>,
    entries: usize,
    is_short: bool,
}

impl BlockingStorage for Backend {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    fn is_short(&self) -> bool {
        self.is_short
    }

    fn stat(&self, path: &VPath) -> Result<Metadata, Failure> {
        match path.is_root() {
            true => Err(Failure::NotFound),
            false => Ok(Metadata::default()),
        }
    }

    fn change(&self, _: Edit, _: &VPath, _: &VPath) -> Result<Changed, Failure> {
        Ok(Changed::default())
    }

    fn open(&self, mode: Mode, _: &VPath) -> Result<BlockingOpening, Failure> {
        let handle = match mode {
            Mode::Read { .. } => BlockingHandle::Source(Box::new(File(self.clone(), 0))),
            Mode::List(_) => BlockingHandle::Directory(Box::new(Listed {
                backend: self.clone(),
                at: 0,
                name: Vec::new(),
            })),
            _ => BlockingHandle::Sink(Box::new(Upload(self.clone(), Vec::new()))),
        };
        Ok(BlockingOpening {
            opened: Opened::default(),
            handle,
        })
    }
}

struct File(Backend, usize);

impl BlockingSource for File {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let Self(backend, at) = self;
        let file = backend.file.lock().unwrap();
        let end = backend.fails.unwrap_or(file.len()).min(file.len());
        if *at == end && backend.fails.is_some() {
            return Err(Failure::Io);
        }
        let count = (end - *at).min(buffer.len()).min(backend.piece);
        buffer[..count].copy_from_slice(&file[*at..*at + count]);
        *at += count;
        Ok(count)
    }
}

struct Upload(Backend, Vec<u8>);

impl BlockingSink for Upload {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self
            .0
            .fails
            .is_some_and(|most| self.1.len() + bytes.len() > most)
        {
            return Err(Failure::NoSpace);
        }
        self.1.extend_from_slice(bytes);
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), Failure> {
        *self.0.file.lock().unwrap() = self.1;
        *self.0.ended.lock().unwrap() = Some(Ok(()));
        Ok(())
    }

    fn abandon(self: Box<Self>, reason: Reason) {
        *self.0.ended.lock().unwrap() = Some(Err(reason));
    }
}

struct Listed {
    backend: Backend,
    at: usize,
    name: Vec<u8>,
}

impl BlockingDirectory for Listed {
    fn advance(&mut self) -> Result<bool, Failure> {
        if self.backend.fails == Some(self.at) {
            self.backend.fails = None;
            self.at = self.backend.entries;
            return Err(Failure::Io);
        }
        if self.at == self.backend.entries {
            return Ok(false);
        }
        self.name = format!("{:0width$}", self.at, width = self.backend.piece).into();
        self.at += 1;
        Ok(true)
    }

    fn entry(&self) -> Entry<'_> {
        Entry::new(
            &self.name[..],
            Metadata {
                size: self.at as u64,
                ..Metadata::default()
            },
        )
        .with_target(Some(self.name[..].into()))
        .with_leads_to(Some(Metadata {
            kind: Kind::Other,
            ..Metadata::default()
        }))
    }

    fn enter(&mut self, _: &VPath) -> Result<(), Failure> {
        self.at = 0;
        Ok(())
    }
}

fn executor(may_wait: bool) -> Arc<dyn Executor> {
    let pool = Pool::new("test", NonZero::new(3).unwrap(), Duration::from_secs(60));
    pool.executor(may_wait)
}

fn open(backend: &Backend, mode: Mode, may_wait: bool) -> Handle {
    let storage = Blocking::new(backend.clone());
    let opening = storage.open(mode, &VPath::root(), &executor(may_wait));
    opening.wait().unwrap().handle
}

const READ: Mode = Mode::Read { offset: 0 };
const LIST: Mode = Mode::List(Scope::Entries);
const WRITE: Mode = Mode::Write {
    at: 0,
    replace: true,
    umask: None,
    resumable: true,
    expected: None,
};

/// Asks again and again, as a session does that is woken.
fn wait<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let begun = Instant::now();
    loop {
        match poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => return done,
            Poll::Pending => thread::yield_now(),
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it never comes");
    }
}

/// Reads all, consuming so much at once.
fn read(source: &mut dyn Source, take: usize) -> (Vec<u8>, Option<Failure>) {
    let mut bytes = Vec::new();
    loop {
        let step = wait(|cx| match source.poll_fill(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(piece) => Poll::Ready(piece.map(<[u8]>::to_vec)),
        });
        match step {
            Err(failure) => return (bytes, Some(failure)),
            Ok(piece) if piece.is_empty() => return (bytes, None),
            Ok(piece) => {
                let count = take.min(piece.len());
                bytes.extend_from_slice(&piece[..count]);
                source.consume(count);
            }
        }
    }
}

fn write(sink: &mut dyn Sink, bytes: &[u8], give: usize) -> Result<(), Failure> {
    let mut left = bytes;
    while !left.is_empty() {
        let given = &left[..give.min(left.len())];
        let taken = wait(|cx| sink.poll_write(cx, given))?;
        assert!((1..=given.len()).contains(&taken), "{taken}");
        left = &left[taken..];
    }
    Ok(())
}

fn names(directory: &mut dyn Directory) -> (Vec<Vec<u8>>, Option<Failure>) {
    let mut names = Vec::new();
    loop {
        match wait(|cx| directory.poll_advance(cx)) {
            Err(failure) => return (names, Some(failure)),
            Ok(false) => return (names, None),
            Ok(true) => {
                let entry = directory.entry();
                assert_eq!(entry.target, Some(entry.name));
                assert_eq!(entry.leads_to.unwrap().kind, Kind::Other);
                assert_eq!(entry.metadata.size as usize, names.len() + 1);
                names.push(entry.name.to_vec());
            }
        }
    }
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 3 % 251) as u8).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a backend gives at once, and a session takes.
    #[test]
    fn a_source_gives_every_byte(
        length in 0..600_000_usize,
        piece in prop_oneof![Just(1_000), 50_000..400_000_usize],
        take in 1_000..400_000_usize,
        fails in proptest::option::of(0..600_000_usize),
        (may_wait, is_short) in any::<(bool, bool)>(),
    ) {
        let bytes = noise(length);
        let fails = fails.filter(|at| *at <= length);
        let file = Arc::new(Mutex::new(bytes.clone()));
        let backend = Backend { file, piece, fails, is_short, ..Backend::default() };
        let Handle::Source(mut source) = open(&backend, READ, may_wait) else { panic!() };
        let (read, failure) = read(&mut *source, take);
        prop_assert_eq!(failure, fails.map(|_| Failure::Io));
        prop_assert!(read == bytes[..fails.unwrap_or(length)]);
    }

    /// A failure is told before the commit or by it, and then nothing is committed.
    #[test]
    fn a_sink_takes_every_byte_or_fails(
        length in 0..1_000_000_usize,
        give in 1_000..600_000_usize,
        fails in proptest::option::of(0..1_000_000_usize),
        (may_wait, is_short, flushes) in any::<(bool, bool, bool)>(),
    ) {
        let bytes = noise(length);
        let fails = fails.filter(|at| *at < length);
        let backend = Backend { fails, is_short, ..Backend::default() };
        let Handle::Sink(mut sink) = open(&backend, WRITE, may_wait) else { panic!() };
        let mut outcome = write(&mut *sink, &bytes, give);
        if flushes && outcome.is_ok() {
            outcome = wait(|cx| sink.poll_flush(cx));
            prop_assert_eq!(outcome.is_err(), fails.is_some());
        }
        let ended = match outcome {
            Ok(()) => sink.commit().wait(),
            Err(failure) => {
                sink.abandon(Reason::Storage(failure)).wait().unwrap();
                Err(failure)
            }
        };
        let expected = fails.map_or(Ok(()), |_| Err(Failure::NoSpace));
        prop_assert_eq!(ended, expected);
        prop_assert_eq!(*backend.ended.lock().unwrap(), Some(expected.map_err(Reason::Storage)));
        let stored = fails.map_or(&bytes[..], |_| &[]);
        prop_assert!(*backend.file.lock().unwrap() == stored);
    }

    /// And the same again behind another directory that is entered at the end.
    #[test]
    fn a_directory_gives_every_entry(
        entries in 0..3_000_usize,
        width in 1..400_usize,
        fails in proptest::option::of(0..3_000_usize),
        (may_wait, is_short) in any::<(bool, bool)>(),
    ) {
        let fails = fails.filter(|at| *at < entries);
        let backend = Backend { entries, fails, piece: width, is_short, ..Backend::default() };
        let Handle::Directory(mut directory) = open(&backend, LIST, may_wait) else { panic!() };
        let all: Vec<_> = (0..entries).map(|at| format!("{at:0width$}").into_bytes()).collect();
        let (found, failure) = names(&mut *directory);
        prop_assert_eq!(failure, fails.map(|_| Failure::Io));
        prop_assert_eq!(&found[..], &all[..fails.unwrap_or(entries)]);
        prop_assert_eq!(wait(|cx| directory.poll_advance(cx)), Ok(false));
        directory.enter(&VPath::root());
        prop_assert_eq!(names(&mut *directory), (all, None));
    }
}

/// Jobs that are run when the test says so.
#[derive(Default)]
struct Later(Mutex<Vec<Job>>);

impl Later {
    fn run(&self) {
        for job in mem::take(&mut *self.0.lock().unwrap()) {
            job();
        }
    }
}

impl Executor for Later {
    fn may_wait(&self) -> bool {
        false
    }

    fn spawn(&self, _: Group, job: Job) {
        self.0.lock().unwrap().push(job);
    }
}

/// The lengths of the pieces in which a file is read, by a client that waits for each or for none.
fn pieces(piece: usize, is_awaited: bool) -> Vec<usize> {
    let backend = Backend {
        file: Arc::new(Mutex::new(noise(2 << 20))),
        piece,
        ..Backend::default()
    };
    let later = Arc::new(Later::default());

    let opening = backend.open(READ, &"/f".parse().unwrap()).unwrap();
    let Handle::Source(mut source) = opening.behind(later.clone(), Group::default()).handle else {
        panic!("it is no source");
    };
    let mut cx = Context::from_waker(Waker::noop());
    assert!(source.poll_fill(&mut cx).is_pending());
    let mut lengths = Vec::new();
    loop {
        later.run();
        let Poll::Ready(Ok(bytes)) = source.poll_fill(&mut cx) else {
            panic!("it cannot be read");
        };
        let length = bytes.len();
        if length == 0 {
            return lengths;
        }
        lengths.push(length >> 10);
        if !is_awaited {
            later.run();
        }
        source.consume(length);
        if is_awaited {
            assert!(source.poll_fill(&mut cx).is_pending());
        }
    }
}

#[test]
fn what_is_read_ahead_grows_while_the_client_waits_for_it() {
    assert_eq!(pieces(usize::MAX, true), [128, 256, 512, 512, 512, 128]);
    // The first one is awaited in any case.
    assert_eq!(pieces(usize::MAX, false)[..4], [128, 256, 256, 256]);
}

#[test]
fn an_upload_that_is_given_up_tells_the_backend_why() {
    for may_wait in [true, false] {
        let backend = Backend::default();
        let Handle::Sink(mut sink) = open(&backend, WRITE, may_wait) else {
            panic!("no sink");
        };
        write(&mut *sink, &noise(900_000), 900_000).unwrap();
        sink.abandon(Reason::Aborted).wait().unwrap();
        let ended = *backend.ended.lock().unwrap();
        assert_eq!(ended, Some(Err(Reason::Aborted)));
    }
}

#[test]
fn what_is_short_is_done_at_once_where_it_may_be_waited_for() {
    let path = VPath::root().join(b"f").unwrap();
    for (is_short, may_wait) in [(true, true), (true, false), (false, true), (false, false)] {
        let storage = Blocking::new(Backend {
            is_short,
            ..Backend::default()
        });
        let mut found = storage.stat(&path, &executor(may_wait));
        let is_there = matches!(found, wharf_storage::Begun::Done(Ok(_)));
        assert_eq!(is_there, is_short && may_wait);
        if let wharf_storage::Begun::Pending(operation) = &mut found {
            operation.cancel();
        }
        let missing = storage.stat(&VPath::root(), &executor(may_wait)).wait();
        assert_eq!(missing, Err(Failure::NotFound));
    }
}
