//! Holes stay holes.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

use common::*;

const MIB: u64 = 1 << 20;
const SIZE: u64 = 64 * MIB;
/// Where the bytes are: at the start, within, and just before a hole that ends the file.
const DATA: [u64; 3] = [0, 24 * MIB, 40 * MIB];

/// Puts a file there that is nearly all holes; false where the file system knows none.
fn put_holes(place: &Place) -> bool {
    let file = File::create(place.real("/f")).unwrap();
    file.set_len(SIZE).unwrap();
    for at in DATA {
        file.write_all_at(b"data", at).unwrap();
    }
    let holes = blocks(place) < MIB;
    if !holes {
        println!("skipped: this file system has no holes");
    }
    holes
}

/// What the file takes on the disk.
fn blocks(place: &Place) -> u64 {
    place.real("/f").metadata().unwrap().blocks() * 512
}

fn assert_holes(place: &Place, new: &[u64]) {
    let metadata = place.real("/f").metadata().unwrap();
    assert_eq!(metadata.len(), SIZE);
    assert!(blocks(place) < MIB, "{} bytes on the disk", blocks(place));
    let file = File::open(place.real("/f")).unwrap();
    let mut bytes = [0; 4];
    for at in DATA {
        file.read_exact_at(&mut bytes, at).unwrap();
        assert_eq!(&bytes, b"data", "at {at}");
    }
    for &at in new {
        file.read_exact_at(&mut bytes, at).unwrap();
        assert_eq!(&bytes, b"more", "at {at}");
    }
    file.read_exact_at(&mut bytes, 30 * MIB).unwrap();
    assert_eq!(bytes, [0; 4]);
}

#[test]
fn of_the_bytes_before_and_behind_a_restart() {
    let place = Place::new();
    // Within the hole before data, and within the one at the end.
    for at in [8 * MIB, 32 * MIB, 48 * MIB] {
        if !put_holes(&place) {
            return;
        }
        place.store(write_at(at), "/f", "more").unwrap();
        assert_holes(&place, &[at]);
    }
}
