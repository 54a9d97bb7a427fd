//! What the fuzzer checks. Each function takes any bytes and panics if a promise is broken; the
//! targets in `fuzz_targets` hand them to libFuzzer, and `tests/replay.rs` runs them on what was
//! found before.

mod session;

use bstr::ByteSlice;
use wharf_core::ascii::{ToFile, ToWire};
use wharf_core::command::Command;
use wharf_core::listing::{Clock, FactSet, Form, ListOptions, Listing, glob_matches};
use wharf_core::{Capabilities, Entry, Kind, Metadata, Rights, Timestamp, VPath, address};

pub use session::session;

/// A line that is a command is the same command when it is printed and read again.
pub fn command(line: &[u8]) {
    if let Ok(command) = Command::parse(line) {
        let printed = command.to_line();
        assert_eq!(
            Command::parse(&printed),
            Ok(command),
            "{:?}",
            printed.as_bstr()
        );
    }
}

/// Paths are normal, addresses are read as they are written, patterns end.
pub fn values(bytes: &[u8]) {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    if let Ok(cwd) = VPath::resolve(&VPath::root(), first) {
        check_path(&cwd);
        if let Ok(path) = VPath::resolve(&cwd, second) {
            check_path(&path);
        }
    }
    if let Ok(address) = address::parse_eprt(bytes) {
        let family = if address.is_ipv4() { 1 } else { 2 };
        let text = format!("|{family}|{}|{}|", address.ip(), address.port());
        assert_eq!(address::parse_eprt(text.as_bytes()), Ok(address));
    }
    if let Some(address) = address::parse_port(bytes) {
        assert!(bytes.split(|byte| *byte == b',').count() == 6, "{address}");
    }
    let _ = glob_matches(first, second);
    assert!(!second.is_empty() && second.starts_with(b".") || glob_matches(b"*", second));
}

fn check_path(path: &VPath) {
    let bytes = path.as_bytes();
    assert!(bytes.starts_with(b"/") && bytes.len() <= VPath::MAX);
    assert!(!bytes.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')));
    for component in path.components() {
        assert!(
            !component.is_empty() && component != "." && component != "..",
            "{path:?}"
        );
    }
    assert_eq!(VPath::resolve(&VPath::root(), bytes).as_ref(), Ok(path));
}

/// However the data is cut, TYPE A gives what a naive translation of the whole gives.
pub fn ascii(bytes: &[u8]) {
    let Some((&cut, data)) = bytes.split_first() else {
        return;
    };
    let piece = usize::from(cut % 16) + 1;
    let room = usize::from(cut / 16) + 2;

    let (mut wire, mut codec) = (Vec::new(), ToWire::default());
    let mut output = vec![0; room];
    for mut input in data.chunks(piece) {
        while !input.is_empty() {
            let progress = codec.push(input, &mut output);
            assert!(progress.read > 0, "nothing is read with room for {room}");
            wire.extend_from_slice(&output[..progress.written]);
            input = &input[progress.read..];
        }
    }
    let whole = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n");
    assert_eq!(wire.as_bstr(), whole.as_bstr());

    let (mut file, mut codec) = (Vec::new(), ToFile::default());
    for mut input in data.chunks(piece) {
        while !input.is_empty() {
            let progress = codec.push(input, &mut output);
            file.extend_from_slice(&output[..progress.written]);
            input = &input[progress.read..];
        }
    }
    let last = codec.finish(&mut output);
    file.extend_from_slice(&output[..last.written]);
    assert_eq!(file.as_bstr(), data.replace(b"\r\n", b"\n").as_bstr());
}

/// One line for each entry, whatever its name and its numbers are.
pub fn listing(bytes: &[u8]) {
    let Some((head, name)) = bytes.split_at_checked(24) else {
        return;
    };
    let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap_or_default());
    let metadata = Metadata {
        kind: [Kind::File, Kind::Directory, Kind::Link, Kind::Other][usize::from(head[0] % 4)],
        size: number(0),
        modified: Some(Timestamp {
            seconds: number(8).cast_signed(),
            nanos: 0,
        }),
        mode: Some(u16::from_le_bytes([head[16], head[17]]) & 0o7777),
        links: Some(u32::from(head[18])),
        owner: Some(u32::from(head[19])),
        group: None,
        unique: Some((number(0), number(16))),
    };
    let (name, target) = name.split_at(name.len() / 2);
    let entry = Entry {
        name: name.as_bstr(),
        metadata,
        target: Some(target.as_bstr()),
    };
    let facts = Form::Facts {
        facts: FactSet::DEFAULT,
        rights: Rights::ALL,
        capabilities: Capabilities::ALL,
    };
    let options = ListOptions {
        all: true,
        ..ListOptions::default()
    };
    for form in [Form::Unix, Form::MsDos, Form::Names, facts] {
        let clock = Clock {
            now: Timestamp::from_seconds(1_000_000_000),
            offset: 0,
        };
        let mut buffer = vec![0xee; Listing::MAX_LINE];
        let pushed = Listing::new(form, options).push(&entry, clock, &mut buffer);
        assert!(pushed.taken);
        let line = &buffer[..pushed.written];
        assert!(
            line.is_empty() || line.ends_with(b"\r\n"),
            "{:?}",
            line.as_bstr()
        );
        let inner = line.strip_suffix(b"\r\n").unwrap_or_default();
        assert!(
            !inner.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')),
            "{:?}",
            line.as_bstr()
        );
    }
}
