//! Many sessions at once.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::*;
use wharf_core::{Edit, Failure, VPath};
use wharf_storage::BlockingStorage;

/// Whatever crosses what, a finished file is always of one upload.
#[test]
fn uploads_to_one_name_never_mix() {
    let place = Place::new();
    let stop = AtomicBool::new(false);
    let (place, stop) = (&place, &stop);
    thread::scope(|scope| {
        for (number, letter) in ["a", "b", "c", "d"].into_iter().enumerate() {
            scope.spawn(move || {
                // Two accounts with two sessions each.
                let local = place.account(["alice", "bob"][number % 2]);
                while !stop.load(Ordering::Relaxed) {
                    for commit in [false, true] {
                        let mode = if commit { APPEND } else { write_at(0) };
                        let Ok(mut sink) = sink(&local, mode, "/f") else {
                            continue;
                        };
                        sink.write(letter.repeat(8).as_bytes()).unwrap();
                        thread::yield_now();
                        sink.write(letter.repeat(8).as_bytes()).unwrap();
                        if commit {
                            let outcome = sink.commit();
                            assert!(matches!(outcome, Ok(()) | Err(Failure::Busy)));
                        }
                    }
                }
            });
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = place
                    .local
                    .change(Edit::Delete, &path("/f"), &VPath::root());
                place.local.sweep();
                place.list("/");
                thread::sleep(Duration::from_millis(1));
            }
        });
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(1) {
            let Some(text) = place.get("/f") else {
                continue;
            };
            for part in text.as_bytes().chunks(8) {
                assert!(part.iter().all(|byte| *byte == part[0]), "{text}");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    // Now that nobody appends any more, each upload is there as a whole.
    for part in place.get("/f").unwrap_or_default().as_bytes().chunks(16) {
        assert!(part.len() == 16 && part.iter().all(|byte| *byte == part[0]));
    }
    place.local.sweep();
    let leftovers = place.everything().into_iter();
    let temporaries = leftovers.filter(|name| name.starts_with(".wharf-")).count();
    assert_eq!(temporaries, 0);
}
