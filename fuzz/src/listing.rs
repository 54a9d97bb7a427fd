//! Lines of listings.

use bstr::ByteSlice;
use wharf_core::listing::{Clock, FactSet, Form, ListOptions, Listing, Step};
use wharf_core::{Capabilities, Entry, Kind, Metadata, Rights, Timestamp};

use crate::two;

const KINDS: [Kind; 4] = [Kind::File, Kind::Directory, Kind::Link, Kind::Other];

/// How many directories of a tree are entered: a tree may go on for ever.
const ENTERED: usize = 20;

/// How many names a directory has at most: two of each kind.
const NAMES: usize = 8;

/// One line for each entry, whatever its name, its numbers and the options are. The first line is
/// the options, then come the numbers and the names, with a slash between two of them.
pub fn listing(bytes: &[u8]) {
    let (options, bytes) = two(bytes);
    let Some((head, names)) = bytes.split_at_checked(24) else {
        return;
    };
    let (options, _) = ListOptions::parse(options);
    let names: Vec<&[u8]> = names.split_str("/").take(NAMES).collect();
    let entries: Vec<Entry<'_>> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            Entry::new(name.as_bstr(), metadata(head, at))
                .with_target(names.last().map(|target| target.as_bstr()))
        })
        .collect();
    let facts = Form::Facts {
        facts: FactSet::parse(b"type;size;modify;perm;unique;UNIX.mode;UNIX.uid;UNIX.gid;"),
        rights: Rights::ALL,
        capabilities: Capabilities::ALL,
    };
    let mut buffer = [0xee; Listing::MAX_LINE];
    for form in [Form::Unix, Form::MsDos, Form::Names, facts] {
        let text = write(Listing::new(form, options), &entries, &mut buffer);
        check_lines(&text);
        let most = if options.recursive { ENTERED + 1 } else { 1 };
        // Each directory has a header, and an empty line before it.
        assert!(text.lines().count() <= most * (entries.len() + 2));
    }
}

fn metadata(head: &[u8], at: usize) -> Metadata {
    let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap_or_default());
    Metadata {
        kind: KINDS[(usize::from(head[0]) + at) % 4],
        size: number(0),
        modified: Some(Timestamp {
            seconds: number(8).cast_signed(),
            nanos: 0,
        }),
        mode: Some(u16::from_le_bytes([head[16], head[17]]) & 0o7777),
        links: Some(u32::from(head[18])),
        owner: (head[19] > 0).then_some(u32::from(head[19])),
        group: Some(u32::from(head[20])),
        enterable: None,
        unique: Some((number(0), number(16))),
    }
}

/// What a listing makes of a few entries of every kind.
pub(crate) fn list(listing: Listing) -> Vec<u8> {
    let names = ["a", ".b", "d", "x y.c", "*"];
    let entries: Vec<Entry<'_>> = names
        .iter()
        .enumerate()
        .map(|(at, name)| Entry::new(*name, metadata(&[1; 24], at)))
        .collect();
    write(listing, &entries, &mut [0xee; Listing::MAX_LINE])
}

/// The lines, if each directory has the same entries.
fn write(mut listing: Listing, entries: &[Entry<'_>], buffer: &mut [u8]) -> Vec<u8> {
    let clock = Clock {
        now: Timestamp::from_seconds(1_000_000_000),
        offset: 0,
    };
    let (mut text, mut filled, mut entered) = (Vec::new(), 0, 0);
    let mut empty = |buffer: &[u8]| {
        assert!(!buffer.is_empty(), "an empty buffer has no room");
        text.extend_from_slice(buffer);
        0
    };
    loop {
        for entry in entries {
            loop {
                let pushed = listing.push(entry, clock, &mut buffer[filled..]);
                filled += pushed.written;
                if pushed.taken {
                    break;
                }
                filled = empty(&buffer[..filled]);
            }
        }
        loop {
            let (written, step) = listing.end_of_directory(clock, &mut buffer[filled..]);
            filled += written;
            match step {
                Step::More => filled = empty(&buffer[..filled]),
                Step::Enter(_) if entered < ENTERED => break,
                Step::Enter(_) | Step::Done => {
                    text.extend_from_slice(&buffer[..filled]);
                    return text;
                }
            }
        }
        entered += 1;
    }
}

/// Every line has its end, and nothing that could end it before.
pub(crate) fn check_lines(text: &[u8]) {
    assert!(
        text.is_empty() || text.ends_with(b"\r\n"),
        "{:?}",
        text.as_bstr()
    );
    for line in text.split_str("\r\n") {
        assert!(
            line.find_byteset(b"\0\r\n").is_none(),
            "{:?}",
            line.as_bstr()
        );
    }
}
