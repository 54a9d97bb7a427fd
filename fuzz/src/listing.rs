//! Lines of listings.

use bstr::ByteSlice;
use wharf_core::listing::{Clock, FactSet, Form, ListOptions, Listing};
use wharf_core::{Capabilities, Entry, Kind, Metadata, Rights, Timestamp};

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
