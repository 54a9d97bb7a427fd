//! Moving bytes between what was opened and a data connection.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use rustix::event::PollFlags;
use tempfile::TempDir;
use wharf_core::listing::{Clock, Form, ListOptions};
use wharf_core::{
    End, Failure, Flow, Listing, Mode, Plan, Reason, Scope, Timestamp, TransferMode, VPath,
    Verdict, Wire,
};
use wharf_local::{Local, LocalOptions};
use wharf_storage::{Begun, Blocking, Executor, Handle, Pool, Sink, Source, Storage};

use super::{Pump, Step};
use crate::loopback::{LATE, narrow_pair, pair, reset, wait};
use crate::stream::Stream;

const MIB: usize = 1 << 20;
const BINARY: Wire = Wire {
    text: false,
    mode: TransferMode::Stream,
    tls: false,
};
const TEXT: Wire = Wire {
    text: true,
    ..BINARY
};

/// A directory, and a storage on it.
struct Place {
    directory: TempDir,
    storage: Blocking<Local>,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let local = Local::open(directory.path(), b"a", LocalOptions::default()).unwrap();
        let storage = Blocking::new(local);
        Self { directory, storage }
    }

    fn real(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn open(&self, mode: Mode, path: &VPath) -> Handle {
        self.storage.open(mode, path, &own()).wait().unwrap().handle
    }

    /// The path of the one file.
    fn path() -> VPath {
        VPath::root().join(b"f").unwrap()
    }

    /// Opens the file `f`, which gets these bytes, behind some of them.
    fn source(&self, bytes: &[u8], offset: u64) -> Handle {
        fs::write(self.real("f"), bytes).unwrap();
        self.open(Mode::Read { offset }, &Self::path())
    }

    fn sink(&self) -> Handle {
        let mode = Mode::Write {
            at: 0,
            replace: true,
            umask: None,
            resumable: true,
            expected: None,
        };
        self.open(mode, &Self::path())
    }
}

/// Calls are made here, where they are short.
fn own() -> Arc<dyn Executor> {
    let pool = Pool::new("test", NonZero::new(1).unwrap(), LATE);
    pool.executor(true)
}

fn clock() -> Clock {
    Clock {
        now: Timestamp::from_seconds(0),
        offset: 0,
    }
}

/// A source or a sink without a file descriptor. It reads in pieces of a strange length.
#[derive(Clone, Default)]
struct Memory {
    bytes: Arc<Mutex<Vec<u8>>>,
    read: usize,
    piece: Vec<u8>,
    /// What happens where it would grow longer, or at its end.
    limit: Option<(usize, Failure)>,
}

impl Memory {
    fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: Arc::new(Mutex::new(bytes.to_vec())),
            ..Self::default()
        }
    }
}

impl Source for Memory {
    fn poll_fill(&mut self, _: &mut Context<'_>) -> Poll<Result<&[u8], Failure>> {
        let bytes = self.bytes.lock().unwrap();
        let left = &bytes[self.read..];
        if let Some((_, failure)) = self.limit.filter(|_| left.is_empty()) {
            return Poll::Ready(Err(failure));
        }
        self.piece = left[..left.len().min(70_001)].to_vec();
        drop(bytes);
        Poll::Ready(Ok(&self.piece))
    }

    fn consume(&mut self, count: usize) {
        self.read += count;
    }
}

impl Sink for Memory {
    fn poll_write(&mut self, _: &mut Context<'_>, new: &[u8]) -> Poll<Result<usize, Failure>> {
        let mut bytes = self.bytes.lock().unwrap();
        Poll::Ready(match self.limit {
            Some((most, failure)) if bytes.len() + new.len() > most => Err(failure),
            _ => {
                bytes.extend_from_slice(new);
                Ok(new.len())
            }
        })
    }

    fn commit(self: Box<Self>) -> Begun<()> {
        Begun::Done(Ok(()))
    }

    fn abandon(self: Box<Self>, _: Reason) -> Begun<()> {
        Begun::Done(Ok(()))
    }
}

fn send(handle: Handle, length: Option<u64>, wire: Wire) -> Pump {
    let flow = Flow::Send { length };
    Pump::new(handle, Plan::new(flow, wire), clock()).unwrap()
}

fn receive(handle: Handle, wire: Wire) -> Pump {
    let flow = Flow::Receive;
    Pump::new(handle, Plan::new(flow, wire), clock()).unwrap()
}

/// Takes steps until the transfer has ended, or until the socket is not ready.
fn run(pump: &mut Pump, socket: &TcpStream) -> Step {
    let mut data = Stream::from(socket.try_clone().unwrap());
    loop {
        match pump.step(&mut data, &mut Context::from_waker(Waker::noop())) {
            Step::Moved => {}
            step => return step,
        }
    }
}

/// Takes steps until the transfer has ended.
fn finish(pump: &mut Pump, socket: &TcpStream) -> End {
    let interest = match pump.sends() {
        true => PollFlags::OUT,
        false => PollFlags::IN,
    };
    loop {
        match run(pump, socket) {
            Step::Ended(end) => return end,
            _ => assert!(wait(socket, interest, LATE), "nothing has happened"),
        }
    }
}

/// Sends all, and gives what has arrived.
fn sent(pump: &mut Pump, (server, mut client): (TcpStream, TcpStream)) -> Vec<u8> {
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).unwrap();
        bytes
    });
    assert_eq!(finish(pump, &server), End::Clean);
    drop(server);
    reader.join().unwrap()
}

/// Receives these bytes, which are sent in pieces of that length.
fn received(pump: &mut Pump, bytes: &[u8], piece: usize) -> End {
    let (server, mut client) = pair();
    thread::scope(|scope| {
        scope.spawn(move || {
            for piece in bytes.chunks(piece) {
                client.write_all(piece).unwrap();
            }
        });
        finish(pump, &server)
    })
}

/// Bytes of which no two places look the same.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// More than 1 MiB of lines, with line ends of every kind around the edges of every buffer.
fn lines() -> Vec<u8> {
    let mut text: Vec<u8> = noise(MIB + 4096)
        .into_iter()
        .map(|byte| match byte % 40 {
            0 => b'\n',
            1 => b'\r',
            letter => b'a' + letter % 26,
        })
        .collect();
    let ends: [&[u8]; 5] = [b"\r\n", b"\n", b"\r", b"\n\n", b"\r\r\n"];
    for (turn, edge) in (1..=16).map(|edge| edge * 65_536).enumerate() {
        let end = ends[turn % ends.len()];
        let start = edge - 1;
        text[start..start + end.len()].copy_from_slice(end);
    }
    text
}

/// What TYPE A makes of a file.
fn to_wire(file: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for (at, &byte) in file.iter().enumerate() {
        if byte == b'\n' && (at == 0 || file[at - 1] != b'\r') {
            wire.push(b'\r');
        }
        wire.push(byte);
    }
    wire
}

/// What TYPE A makes of what a client sends.
fn to_file(wire: &[u8]) -> Vec<u8> {
    let is_end = |at: usize| wire[at] == b'\r' && wire.get(at + 1) == Some(&b'\n');
    let kept = (0..wire.len()).filter(|&at| !is_end(at));
    kept.map(|at| wire[at]).collect()
}

#[test]
fn a_file_is_sent_whole_or_in_part() {
    let place = Place::new();
    let bytes = noise(3 * MIB + 17);
    let all = bytes.len();
    for (offset, length) in [
        (0, None),
        (0, Some(all)),
        (100_003, None),
        (100_003, Some(all - 100_003)),
        (0, Some(5)),
        (7, Some(2 * MIB)),
        (0, Some(0)),
        (all, Some(0)),
        (all, None),
    ] {
        let source = place.source(&bytes, offset as u64);
        let mut pump = send(source, length.map(|length| length as u64), BINARY);
        assert!(pump.sends());
        assert!(pump.is_quick());
        let expected = &bytes[offset..length.map_or(all, |length| offset + length)];
        assert!(sent(&mut pump, pair()) == expected, "{offset} {length:?}");
        assert_eq!(pump.moved(), expected.len() as u64);
        assert_eq!(pump.finish(Verdict::Commit).wait(), Ok(()));
    }
}

#[test]
fn a_source_without_a_descriptor_is_sent_too() {
    let bytes = noise(MIB + 17);
    for length in [None, Some(bytes.len() as u64), Some(300_000), Some(0)] {
        let source = Handle::Source(Box::new(Memory::new(&bytes)));
        let mut pump = send(source, length, BINARY);
        assert!(!pump.is_quick());
        let expected = length.map_or(bytes.len(), |length| length as usize);
        assert!(sent(&mut pump, pair()) == bytes[..expected]);
        assert_eq!(pump.moved(), expected as u64);
    }
}

#[test]
fn text_is_translated_on_its_way_to_the_client() {
    let place = Place::new();
    let text = lines();
    let wire = to_wire(&text);
    assert!(wire.len() > text.len());
    let sources = [
        place.source(&text, 0),
        Handle::Source(Box::new(Memory::new(&text))),
    ];
    for source in sources {
        let mut pump = send(source, Some(text.len() as u64), TEXT);
        assert!(sent(&mut pump, pair()) == wire);
        assert_eq!(pump.moved(), text.len() as u64);
    }
}

#[test]
fn text_is_translated_on_its_way_from_the_client() {
    let place = Place::new();
    let mut wire = lines();
    // At the very end, a CR that nothing follows.
    wire.push(b'\r');
    let file = to_file(&wire);
    assert!(file.len() < wire.len());
    for piece in [wire.len(), 65_537, 4_093] {
        let mut pump = receive(place.sink(), TEXT);
        assert_eq!(received(&mut pump, &wire, piece), End::Clean);
        assert_eq!(pump.moved(), file.len() as u64);
        assert_eq!(pump.finish(Verdict::Commit).wait(), Ok(()));
        assert!(fs::read(place.real("f")).unwrap() == file, "{piece}");
    }
}

#[test]
fn an_upload_arrives_byte_by_byte() {
    let place = Place::new();
    let bytes = noise(5 * MIB + 12_345);
    // Below, at and above what goes through a buffer before it goes through a pipe.
    for length in [0, 1, 32 << 10, MIB - 1, MIB, MIB + 1, bytes.len()] {
        let mut pump = receive(place.sink(), BINARY);
        assert!(!pump.sends());
        assert_eq!(received(&mut pump, &bytes[..length], 100_003), End::Clean);
        assert_eq!(pump.moved(), length as u64);
        assert_eq!(pump.finish(Verdict::Commit).wait(), Ok(()));
        let file = fs::read(place.real("f")).unwrap();
        assert!(file == bytes[..length], "{length}");
    }
    // Through a buffer all the way.
    let memory = Memory::default();
    let mut pump = receive(Handle::Sink(Box::new(memory.clone())), BINARY);
    assert_eq!(received(&mut pump, &bytes, bytes.len()), End::Clean);
    assert!(*memory.bytes.lock().unwrap() == bytes);
}

#[test]
fn an_upload_that_is_abandoned_leaves_the_file_alone() {
    let place = Place::new();
    fs::write(place.real("f"), "old").unwrap();
    let mut pump = receive(place.sink(), BINARY);
    assert_eq!(received(&mut pump, &noise(2 * MIB), MIB), End::Clean);
    let verdict = Verdict::Abandon(Reason::Refused);
    assert_eq!(pump.finish(verdict).wait(), Ok(()));
    assert_eq!(fs::read(place.real("f")).unwrap(), b"old");
}

#[test]
fn a_client_that_resets_ends_a_download() {
    let place = Place::new();
    let bytes = noise(8 * MIB);
    let memory = || Handle::Source(Box::new(Memory::new(&bytes)));
    for (source, wire) in [
        (place.source(&bytes, 0), BINARY),
        (place.source(&bytes, 0), TEXT),
        (memory(), BINARY),
    ] {
        let mut pump = send(source, None, wire);
        let (server, mut client) = narrow_pair();
        assert_eq!(run(&mut pump, &server), Step::Blocked);
        client.read_exact(&mut [0; 100]).unwrap();
        reset(client);
        assert_eq!(finish(&mut pump, &server), End::Reset);
        assert!(pump.moved() < bytes.len() as u64);
    }
}

#[test]
fn a_client_that_resets_ends_an_upload() {
    let place = Place::new();
    let bytes = noise(2 * MIB);
    for (length, wire) in [(100, BINARY), (bytes.len(), BINARY), (100, TEXT)] {
        let mut pump = receive(place.sink(), wire);
        let (server, mut client) = pair();
        thread::scope(|scope| {
            let writer = scope.spawn(|| client.write_all(&bytes[..length]));
            while !writer.is_finished() || pump.moved() == 0 {
                assert_eq!(run(&mut pump, &server), Step::Blocked);
                wait(&server, PollFlags::IN, Duration::from_millis(1));
            }
            writer.join().unwrap().unwrap();
        });
        reset(client);
        assert_eq!(finish(&mut pump, &server), End::Reset, "{length}");
        assert!(pump.moved() <= length as u64);
    }
}

#[test]
fn a_listing_passes_through_a_small_buffer() {
    let place = Place::new();
    let names: BTreeSet<_> = (0..1_000).map(|number| format!("{number:0200}")).collect();
    for name in &names {
        fs::write(place.real(name), "").unwrap();
    }
    let directory = place.open(Mode::List(Scope::Entries), &VPath::root());
    let listing = Listing::new(Form::Names, ListOptions::default());
    let plan = Plan::new(Flow::List(listing), BINARY);
    let mut pump = Pump::new(directory, plan, clock()).unwrap();
    let text = String::from_utf8(sent(&mut pump, narrow_pair())).unwrap();
    assert_eq!(pump.moved(), text.len() as u64);
    let listed: Vec<_> = text.split_terminator("\r\n").collect();
    assert_eq!(listed.len(), names.len());
    assert!(listed.into_iter().all(|name| names.contains(name)));
}

#[test]
fn a_file_that_becomes_shorter_ends_early() {
    let place = Place::new();
    let bytes = noise(8 * MIB);
    for wire in [BINARY, TEXT] {
        let source = place.source(&bytes, 0);
        let mut pump = send(source, Some(bytes.len() as u64), wire);
        let (server, mut client) = narrow_pair();
        assert_eq!(run(&mut pump, &server), Step::Blocked);
        let file = fs::File::options().write(true).open(place.real("f"));
        file.unwrap().set_len(3).unwrap();
        let reader = thread::spawn(move || {
            let mut bytes = Vec::new();
            client.read_to_end(&mut bytes).map(|_| bytes)
        });
        // The core sees by the number of bytes that some are missing.
        assert_eq!(finish(&mut pump, &server), End::Clean);
        assert!(pump.moved() < bytes.len() as u64);
        drop(server);
        let arrived = reader.join().unwrap().unwrap();
        if wire == BINARY {
            // Which bytes is another matter: those on their way may be zeroed with the file's.
            assert_eq!(arrived.len() as u64, pump.moved());
        }
    }
}

#[test]
fn a_storage_that_fails_ends_the_transfer() {
    let bytes = noise(200_000);
    let (server, client) = pair();
    let failing = Memory {
        limit: Some((0, Failure::Io)),
        ..Memory::new(&bytes)
    };
    let mut pump = send(Handle::Source(Box::new(failing)), None, BINARY);
    let reader = thread::spawn(move || client.take(200_000).read_to_end(&mut Vec::new()));
    assert_eq!(finish(&mut pump, &server), End::Storage(Failure::Io));
    assert_eq!(pump.moved(), 200_000);
    assert_eq!(reader.join().unwrap().unwrap(), 200_000);

    for wire in [BINARY, TEXT] {
        let full = Memory {
            limit: Some((100, Failure::NoSpace)),
            ..Memory::default()
        };
        let mut pump = receive(Handle::Sink(Box::new(full)), wire);
        let end = received(&mut pump, &bytes[..1_000], 1_000);
        assert_eq!(end, End::Storage(Failure::NoSpace));
        assert_eq!(pump.moved(), 0);
    }
}

#[test]
fn a_plan_for_something_else_is_refused() {
    let plan = |flow| Plan::new(flow, BINARY);
    let handle = || Handle::Source(Box::new(Memory::default()));
    let receive = Pump::new(handle(), plan(Flow::Receive), clock());
    assert_eq!(receive.err(), Some(Failure::Io));
    let sink = Handle::Sink(Box::new(Memory::default()));
    let send = Pump::new(sink, plan(Flow::Send { length: None }), clock());
    assert_eq!(send.err(), Some(Failure::Io));
}
