//! Every body runs on the seeds, on what the fuzzer found before, and on pieces of both.

#![allow(
    clippy::expect_used,
    reason = "a test that cannot read its corpus has failed"
)]

use std::fs;
use std::path::Path;

/// Runs a body on every file of its corpus, whole and cut short.
fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut count = 0;
    for file in fs::read_dir(&folder).expect("a corpus") {
        let bytes = fs::read(file.expect("a file").path()).expect("a file");
        let step = (bytes.len() / 40).max(1);
        for length in (0..=bytes.len()).rev().step_by(step) {
            body(&bytes[..length]);
        }
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}

macro_rules! targets {
    ($($target:ident)+) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target), wharf_fuzz::$target);
            }
        )+
    };
}

targets! { line command session model path hostport ascii listing glob proxy config store }
