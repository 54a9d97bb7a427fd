//! Uploads: what stands under a name, whatever happens on the way.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use common::{
    APPEND, Gateway, NEW, PART, append_to, block_on, gateway, gateway_of, gateway_with, store,
    text, write, write_at, write_now,
};
use wharf_core::{Failure, Kind, Mode, Reason};
use wharf_fake_s3::{Dialect, FakeS3, Fault, Rule};
use wharf_s3::{Budget, Provider, StoreOptions};

const REASONS: [Reason; 9] = [
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

/// Lengths before, at and behind the borders of parts.
const LENGTHS: [usize; 8] = [
    0,
    1,
    PART - 1,
    PART,
    PART + 1,
    3 * PART,
    5 * PART + 7,
    12 * PART,
];

/// No upload and nothing written down is left of any.
fn assert_clean(fake: &FakeS3) {
    assert_eq!(fake.uploads(), [""; 0]);
    let keys = fake.keys();
    let left: Vec<_> = keys.iter().filter(|key| key.contains(".wharf")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn s02_what_was_stored_is_what_any_gateway_reads() {
    let fake = store();
    let (first, second) = (gateway(&fake), gateway(&fake));
    for length in LENGTHS {
        let bytes = text(length);
        first.store(write_at(0), "/d/f", &bytes).unwrap();
        assert_eq!(second.read("/d/f", 0).unwrap(), bytes, "{length}");
        assert_eq!(second.stat("/d/f").unwrap().size, length as u64);
        assert_clean(&fake);
    }
}

#[test]
fn small_files_are_put_in_one_piece() {
    let fake = store();
    gateway(&fake)
        .store(write_at(0), "/f", &text(PART))
        .unwrap();
    let seen = fake.take_seen();
    let writes: Vec<_> = seen
        .iter()
        .filter(|seen| seen.method != "GET" && seen.method != "HEAD")
        .map(wharf_fake_s3::Seen::operation)
        .collect();
    assert_eq!(writes, ["put"]);
}

#[test]
fn s01_an_upload_that_breaks_off_leaves_what_stood_there() {
    for reason in REASONS {
        for length in LENGTHS {
            let fake = store();
            let gateway = gateway(&fake);
            gateway
                .break_off(write_at(0), "/new", &text(length), reason)
                .unwrap();
            assert_eq!(fake.object("new"), None, "{reason:?} {length}");

            gateway.store(write_at(0), "/old", b"old").unwrap();
            let before = fake.whole_object("old").unwrap();
            gateway
                .break_off(write_at(0), "/old", &text(length), reason)
                .unwrap();
            let after = fake.whole_object("old").unwrap();
            assert_eq!((before.bytes, before.etag), (after.bytes, after.etag));
            assert!(!fake.uploads().contains(&"old".to_owned()));
        }
    }
}

#[test]
fn s01_an_upload_over_its_limit_leaves_what_stood_there() {
    let fake = store();
    let gateway = gateway_with(&fake, |options| options.max_file_size = Some(2500));
    fake.put("f", "old");
    assert_eq!(
        gateway.store(write_at(0), "/f", &text(2501)),
        Err(Failure::Quota)
    );
    assert_eq!(fake.object("f").unwrap(), b"old");
    assert_eq!(fake.uploads(), [""; 0]);
    gateway.store(write_at(0), "/f", &text(2500)).unwrap();
    assert_eq!(fake.object("f").unwrap(), text(2500));
}

#[test]
fn s03_success_with_an_error_in_it_is_no_success() {
    for operation in ["complete", "copy"] {
        // It passes, so it is asked again.
        let fake = store();
        let gateway = gateway(&fake);
        fake.fail(Rule::on(operation, Fault::LateError("InternalError")).times(2));
        gateway.store(write_at(0), "/f", &text(3 * PART)).unwrap();
        gateway.rename("/f", "/g", true).unwrap();
        assert_eq!(fake.object("g").unwrap(), text(3 * PART));
        // It stays.
        fake.fail(Rule::on(operation, Fault::LateError("InternalError")));
        let failed = match operation {
            "copy" => gateway.rename("/g", "/h", true),
            _ => gateway.store(write_at(0), "/h", &text(3 * PART)),
        };
        assert_eq!(failed, Err(Failure::Busy), "{operation}");
        assert_eq!(fake.object("h"), None);
        assert!(fake.object("g").is_some());
    }
}

#[test]
fn s04_a_lost_answer_is_resolved_by_looking() {
    for completes_twice in [true, false] {
        for operation in ["complete", "put", "part", "create", "delete"] {
            for fault in [Fault::LoseAnswer, Fault::LoseRequest] {
                let dialect = Dialect {
                    completes_twice,
                    ..Dialect::default()
                };
                let fake = FakeS3::new(dialect);
                let gateway = gateway(&fake);
                fake.fail(Rule::on(operation, fault.clone()).times(1));
                for length in [10, 4 * PART + 1] {
                    let name = format!("/{length}");
                    gateway.store(NEW, &name, &text(length)).unwrap();
                    assert_eq!(fake.object(&name[1..]).unwrap(), text(length));
                }
            }
        }
    }
}

#[test]
fn s04_nobody_claims_what_nobody_knows() {
    let fake = store();
    let gateway = gateway(&fake);
    fake.fail(Rule::on("complete", Fault::LoseRequest));
    assert_eq!(
        gateway.store(write_at(0), "/f", &text(4 * PART)),
        Err(Failure::Unknown)
    );
    fake.heal();
    assert_eq!(fake.object("f"), None);
}

/// Seed 151 of the simulator: an object that was put, and whose store could not be reached from then on, was
/// told to be refused.
#[test]
fn s04_what_may_stand_is_unknown_also_where_the_last_try_was_not_sent() {
    for operation in ["put", "complete"] {
        for fault in [Fault::LoseAnswer, Fault::LoseRequest] {
            let fake = store();
            let gateway = gateway(&fake);
            fake.fail(Rule::on(operation, fault).times(1));
            let down = Rule::when(Fault::Unreachable, {
                let mut is_tried = false;
                move |seen| {
                    is_tried |= seen.operation() == operation;
                    is_tried
                }
            });
            fake.fail(down);
            let length = if operation == "put" { 10 } else { 4 * PART };
            assert_eq!(
                gateway.store(write_at(0), "/f", &text(length)),
                Err(Failure::Unknown)
            );
        }
    }
}

/// Seed 1235 of the simulator: an upload was told to be refused that had stood there until it was replaced.
#[test]
fn s04_what_was_replaced_before_anybody_looked_is_unknown() {
    for (mode, length) in [(NEW, 10), (NEW, 4 * PART), (write_at(0), 4 * PART)] {
        let dialect = Dialect {
            completes_twice: false,
            ..Dialect::default()
        };
        let fake = FakeS3::new(dialect);
        let gateway = gateway(&fake);
        let operation = if length == 10 { "put" } else { "complete" };
        fake.fail(Rule::on(operation, Fault::LoseAnswer).times(1));
        let replaced = Fault::Meanwhile(Arc::new(|fake: &FakeS3| fake.put("f", "another")));
        fake.fail(Rule::on(operation, replaced).times(1));
        assert_eq!(
            gateway.store(mode, "/f", &text(length)),
            Err(Failure::Unknown)
        );
        assert_eq!(fake.object("f").unwrap(), b"another");
    }
}

#[test]
fn s05_what_passes_is_waited_for_and_what_stays_is_told_as_busy() {
    let all = {
        let fake = store();
        gateway(&fake)
            .store(write_at(0), "/f", &text(3 * PART))
            .unwrap();
        fake.take_seen().len()
    };
    assert!(all > 5);
    for at in 0..all {
        for (times, works) in [(1, true), (5, true), (usize::MAX, false)] {
            let fake = store();
            let fault = Fault::Error(503, "SlowDown");
            let number = std::sync::atomic::AtomicUsize::new(0);
            // The request of that number, however often it is sent.
            let mut failing = None;
            let rule = Rule::when(fault, move |seen| {
                let id = (seen.key.clone(), seen.method, seen.query.clone());
                if failing.as_ref() == Some(&id) {
                    return true;
                }
                let is_it = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == at;
                if is_it && failing.is_none() {
                    failing = Some(id);
                }
                is_it
            });
            fake.fail(rule.times(times));
            let stored = gateway(&fake).store(write_at(0), "/f", &text(3 * PART));
            let seen = fake.take_seen().len();
            if works {
                assert_eq!(stored, Ok(()), "request {at}, {times} times");
                assert_eq!(fake.object("f").unwrap(), text(3 * PART));
            } else if let Err(failure) = stored {
                assert!(
                    matches!(failure, Failure::Busy | Failure::Unknown),
                    "{failure:?}"
                );
                assert_eq!(fake.object("f"), None);
            }
            assert!(seen < 60, "{seen} requests");
        }
    }
}

#[test]
fn s06_a_killed_upload_is_continued_by_another_gateway() {
    for whole in 0..6 {
        let fake = store();
        let bytes = text(8 * PART + 9);
        let sent = &bytes[..whole * PART + 500];
        gateway(&fake).be_killed(write_at(0), "/d/f", sent).unwrap();
        assert_eq!(fake.object("d/f"), None, "it is not visible");
        let other = gateway(&fake);
        let told = other.stat("/d/f");
        if whole < 2 {
            assert_eq!(told, Err(Failure::NotFound), "{whole}");
            continue;
        }
        let told = told.unwrap();
        assert_eq!(told.kind, Kind::Partial);
        assert_eq!(
            told.size,
            ((whole - 1) * PART) as u64,
            "all whole parts but the last"
        );
        let rest = &bytes[(whole - 1) * PART..];
        match whole % 2 {
            0 => other.store(write_at(told.size), "/d/f", rest).unwrap(),
            _ => other
                .store(append_to(Some(told.size)), "/d/f", rest)
                .unwrap(),
        }
        assert_eq!(fake.object("d/f").unwrap(), bytes);
        assert_clean(&fake);
    }
}

#[test]
fn a_partial_is_continued_only_from_where_it_can_be() {
    let fake = store();
    let gateway = gateway(&fake);
    let bytes = text(9 * PART);
    let break_off = || gateway.break_off(write_at(0), "/f", &bytes[..5 * PART + 1], Reason::Reset);
    break_off().unwrap();
    assert_eq!(gateway.stat("/f").unwrap().size, 4 * PART as u64);
    let open = |mode| gateway.sink(mode, "/f").map(drop);
    assert_eq!(open(write_at(4 * PART as u64 + 1)), Err(Failure::PastEnd));
    assert_eq!(open(write_at(1)), Err(Failure::BrokenOff), "within a part");
    assert_eq!(open(APPEND), Err(Failure::BrokenOff), "nothing was told");
    assert_eq!(open(append_to(Some(PART as u64))), Err(Failure::BrokenOff));
    // From an earlier part on it is rewritten.
    gateway
        .store(write_at(2 * PART as u64), "/f", &bytes[2 * PART..])
        .unwrap();
    assert_eq!(fake.object("f").unwrap(), bytes);
    assert_eq!(
        gateway
            .sink(append_to(Some(4 * PART as u64)), "/gone")
            .map(drop),
        Err(Failure::BrokenOff)
    );
    assert_clean(&fake);
}

#[test]
fn a_partial_goes_with_what_replaces_it() {
    let fake = store();
    let gateway = gateway(&fake);
    let break_off = |name: &str| {
        gateway
            .break_off(write_at(0), name, &text(5 * PART), Reason::Reset)
            .unwrap();
        assert_eq!(gateway.stat(name).unwrap().kind, Kind::Partial);
    };
    break_off("/f");
    assert_eq!(gateway.list("/").unwrap(), [""; 0], "only SIZE tells of it");
    assert_eq!(gateway.read("/f", 0), Err(Failure::NotFound));
    gateway.delete("/f").unwrap();
    assert_eq!(gateway.stat("/f"), Err(Failure::NotFound));
    assert_clean(&fake);
    for length in [10, 4 * PART] {
        break_off("/f");
        gateway.store(write_at(0), "/f", &text(length)).unwrap();
        assert_clean(&fake);
        gateway.delete("/f").unwrap();
    }
    break_off("/f");
    gateway.store(write_at(0), "/g", b"g").unwrap();
    gateway.rename("/g", "/f", true).unwrap();
    assert_clean(&fake);
}

#[test]
fn an_upload_over_an_object_that_breaks_off_leaves_a_mark() {
    for length in [10, 4 * PART + 1] {
        let fake = store();
        let gateway = gateway(&fake);
        gateway.store(write_at(0), "/f", b"old").unwrap();
        gateway
            .break_off(write_at(0), "/f", &text(length), Reason::Reset)
            .unwrap();
        assert_eq!(gateway.stat("/f").unwrap().size, 3);
        let open = |mode| gateway.sink(mode, "/f").map(drop);
        assert_eq!(open(APPEND), Err(Failure::BrokenOff));
        assert_eq!(open(write_at(2)), Err(Failure::BrokenOff));
        gateway.store(write_at(0), "/f", b"new").unwrap();
        gateway.store(APPEND, "/f", b"er").unwrap();
        assert_eq!(fake.object("f").unwrap(), b"newer");
        assert_clean(&fake);
    }
}

#[test]
fn finished_objects_are_appended_to_and_changed_in_place() {
    let bases = [0, 1, PART - 1, PART, PART + 1, 3 * PART, 4 * PART + 5];
    let added = [0, 1, PART, 2 * PART + 3];
    for base in bases {
        for more in added {
            let fake = store();
            let gateway = gateway(&fake);
            let bytes = text(base + more);
            fake.put("f", &bytes[..base]);
            gateway.store(APPEND, "/f", &bytes[base..]).unwrap();
            assert_eq!(fake.object("f").unwrap(), bytes, "{base} + {more}");
            assert_clean(&fake);
        }
        for at in (0..=base).step_by(333) {
            for more in added {
                let fake = store();
                let gateway = gateway(&fake);
                let (old, new) = (text(base), vec![b'!'; more]);
                fake.put("f", &*old);
                gateway.store(write_at(at as u64), "/f", &new).unwrap();
                let expected = if at == 0 {
                    new
                } else {
                    let rest = old.get(at + more..).unwrap_or(&[]);
                    [&old[..at], &new, rest].concat()
                };
                assert_eq!(fake.object("f").unwrap(), expected, "{base}: {at} + {more}");
                assert_clean(&fake);
            }
        }
    }
}

#[test]
fn what_is_appended_in_vain_leaves_the_object() {
    for base in [500, 4 * PART + 1] {
        let fake = store();
        let gateway = gateway(&fake);
        fake.put("f", text(base));
        for more in [10, 3 * PART] {
            gateway
                .break_off(APPEND, "/f", &text(more), Reason::Reset)
                .unwrap();
            assert_eq!(fake.object("f").unwrap(), text(base));
            assert_eq!(fake.uploads(), [""; 0]);
        }
        gateway.store(APPEND, "/f", b"!").unwrap();
    }
}

#[test]
fn s09_a_base_that_was_replaced_meanwhile_stays() {
    for conditions in [true, false] {
        let dialect = Dialect {
            conditions_on_put: conditions,
            conditions_on_complete: conditions,
            ..Dialect::default()
        };
        let provider = match conditions {
            true => Provider::Other,
            false => Provider::Garage,
        };
        for (base, more) in [(500, 10), (4 * PART, 3 * PART), (4 * PART + 1, 1)] {
            let fake = FakeS3::new(dialect);
            let gateway = gateway_with(&fake, |options| options.provider = provider);
            fake.put("f", text(base));
            let mut sink = gateway.sink(APPEND, "/f").unwrap();
            fake.put("f", "new");
            let written = write(&mut *sink, &text(more));
            let ended = written.and_then(|()| sink.commit().wait());
            assert_eq!(ended, Err(Failure::BrokenOff), "{conditions} {base} {more}");
            assert_eq!(fake.object("f").unwrap(), b"new");
        }
    }
}

#[test]
fn s08_two_who_continue_one_upload_never_mix() {
    let fake = store();
    gateway(&fake)
        .be_killed(write_at(0), "/f", &text(4 * PART))
        .unwrap();
    let (first, second) = (gateway(&fake), gateway(&fake));
    let at = 2 * PART as u64;
    let mut sinks = [
        first.sink(write_at(at), "/f").unwrap(),
        second.sink(write_at(at), "/f").unwrap(),
    ];
    let rests = [vec![b'1'; 5 * PART], vec![b'2'; 5 * PART]];
    for (sink, rest) in sinks.iter_mut().zip(&rests) {
        write(&mut **sink, rest).unwrap();
        let _ = block_on(|cx| sink.poll_flush(cx));
    }
    let [one, two] = sinks;
    let (one, two) = (one.commit().wait(), two.commit().wait());
    let whole = fake.object("f");
    let expected = |rest: &[u8]| [&text(2 * PART), rest].concat();
    match (one, two) {
        (Ok(()), Err(_)) => assert_eq!(whole.unwrap(), expected(&rests[0])),
        (Err(_), Ok(())) => assert_eq!(whole.unwrap(), expected(&rests[1])),
        // Each has sent a part again that the other one had sent.
        (Err(_), Err(_)) => assert_eq!(whole, None),
        (Ok(()), Ok(())) => panic!("both are told that theirs is there"),
    }
}

#[test]
fn s13_memory_is_that_of_the_budget_and_each_has_its_turn() {
    const UPLOADS: usize = 200;
    let fake = store();
    let budget = Budget::new(10 * PART);
    let mut options = StoreOptions::new("bucket", Provider::Other);
    options.part_size = PART as u64;
    let gateway = gateway_of(&fake, options, "", budget.clone());
    std::thread::scope(|scope| {
        for number in 0..UPLOADS {
            let gateway = &gateway;
            scope.spawn(move || {
                let bytes = text(3 * PART + number);
                gateway
                    .store(write_at(0), &format!("/{number}"), &bytes)
                    .unwrap();
            });
        }
    });
    for number in 0..UPLOADS {
        assert_eq!(
            fake.object(&number.to_string()).unwrap(),
            text(3 * PART + number)
        );
    }
    assert_eq!(budget.reserved(), 0);
}

#[test]
fn s13_who_waits_for_memory_holds_none() {
    let fake = store();
    let budget = Budget::new(PART);
    let mut options = StoreOptions::new("bucket", Provider::Other);
    options.part_size = PART as u64;
    let gateway = gateway_of(&fake, options, "", budget.clone());
    let mut first = gateway.sink(write_at(0), "/1").unwrap();
    let mut second = gateway.sink(write_at(0), "/2").unwrap();
    assert_eq!(write_now(&mut *first, b"1"), Ok(1));
    assert_eq!(write_now(&mut *second, b"2"), Ok(0));
    assert_eq!(budget.reserved(), PART);
    first.commit().wait().unwrap();
    assert_eq!(write_now(&mut *second, b"2"), Ok(1));
    second.abandon(Reason::Reset).wait().unwrap();
    assert_eq!(budget.reserved(), 0);
}

#[test]
fn s13_parts_that_wait_to_be_sent_are_queued_and_leave_threads_for_others() {
    let fake = store();
    let mut options = StoreOptions::new("bucket", Provider::Other);
    options.part_size = PART as u64;
    let gateway = gateway_of(&fake, options, "", Budget::with_senders(100 * PART, 1));
    fake.put("there", "x");
    fake.fail(Rule::on("part", Fault::Hang).times(1));
    let mut first = gateway.sink(write_at(0), "/1").unwrap();
    write(&mut *first, &text(2 * PART)).unwrap();
    let mut waits = 0;
    let is_sent = |seen: &wharf_fake_s3::Seen| seen.operation() == "part";
    while !fake.take_seen().iter().any(is_sent) {
        let _ = first.poll_flush(&mut Context::from_waker(Waker::noop()));
        std::thread::sleep(Duration::from_millis(1));
        waits += 1;
        assert!(waits < 5000);
    }
    let mut second = gateway.sink(write_at(0), "/2").unwrap();
    write(&mut *second, &text(2 * PART)).unwrap();
    while !second.is_queued() {
        let _ = second.poll_flush(&mut Context::from_waker(Waker::noop()));
        std::thread::sleep(Duration::from_millis(1));
        waits += 1;
        assert!(waits < 5000);
    }
    assert!(!first.is_queued(), "its part is being sent");
    assert!(gateway.stat("/there").is_ok());
    first.abandon(Reason::Aborted).wait().unwrap();
    write(&mut *second, &text(3 * PART)[2 * PART..]).unwrap();
    second.commit().wait().unwrap();
    assert_eq!(fake.object("2").unwrap(), text(3 * PART));
}

#[test]
fn s14_all_parts_have_one_length() {
    let dialect = Dialect {
        equal_parts: true,
        ..Dialect::default()
    };
    for base in [0, 500, 3 * PART, 4 * PART + 1] {
        for more in [1, 5 * PART, 5 * PART + 1] {
            let fake = FakeS3::new(dialect);
            let gateway = gateway_with(&fake, |options| options.provider = Provider::R2);
            let bytes = text(base + more);
            fake.put("f", &bytes[..base]);
            gateway.store(APPEND, "/f", &bytes[base..]).unwrap();
            assert_eq!(fake.object("f").unwrap(), bytes);
            gateway.store(write_at(0), "/f", &bytes).unwrap();
            gateway.store(write_at(1), "/f", b"x").unwrap();
        }
    }
}

#[test]
fn s14_a_huge_file_has_parts_that_suffice() {
    let fake = store();
    let gateway = gateway_with(&fake, |options| options.part_size = 1);
    // 10,000 parts of one byte are too few, and no part is changed on the way.
    let told = Mode::Write {
        at: 0,
        replace: true,
        umask: None,
        resumable: true,
        expected: Some(30_000),
    };
    gateway.store(told, "/f", &text(30_000)).unwrap();
    assert_eq!(fake.object("f").unwrap(), text(30_000));
    let gateway = gateway_with(&fake, |options| options.part_size = 1);
    assert_eq!(
        gateway.store(write_at(0), "/g", &text(10_001)),
        Err(Failure::Quota)
    );
    assert_eq!(fake.object("g"), None);
}

/// Has so many write one name at once; says who succeeded.
fn race(gateways: &[Gateway], length: usize) -> usize {
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let racers: Vec<_> = gateways
            .iter()
            .map(|gateway| scope.spawn(move || gateway.store(NEW, "/f", &text(length))))
            .collect();
        racers
            .into_iter()
            .map(|racer| racer.join().unwrap())
            .collect()
    });
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Ok(()) | Err(Failure::Exists)))
    );
    outcomes.iter().filter(|outcome| outcome.is_ok()).count()
}

#[test]
fn s15_of_those_who_must_not_overwrite_one_wins() {
    for length in [10, 3 * PART] {
        for _ in 0..30 {
            let fake = store();
            let gateways: Vec<_> = (0..4).map(|_| gateway(&fake)).collect();
            assert_eq!(race(&gateways, length), 1);
        }
    }
}

#[test]
fn s15_where_the_store_does_not_look_the_gateway_does() {
    for length in [10, 3 * PART] {
        let dialect = Dialect {
            conditions_on_put: false,
            conditions_on_complete: false,
            ..Dialect::default()
        };
        let fake = FakeS3::new(dialect);
        let gateway = gateway_with(&fake, |options| options.provider = Provider::Garage);
        let mut sink = gateway.sink(NEW, "/f").unwrap();
        write(&mut *sink, &text(length)).unwrap();
        fake.put("f", "other");
        assert_eq!(sink.commit().wait(), Err(Failure::Exists));
        assert_eq!(fake.object("f").unwrap(), b"other");
        assert_eq!(gateway.sink(NEW, "/f").map(drop), Err(Failure::Exists));
    }
}

#[test]
fn who_was_refused_to_replace_an_object_may_still_append_to_it() {
    let fake = store();
    let gateway = gateway(&fake);
    let mut sink = gateway.sink(NEW, "/f").unwrap();
    write(&mut *sink, b"mine").unwrap();
    fake.put("f", "other");
    assert_eq!(sink.commit().wait(), Err(Failure::Exists));
    gateway.store(APPEND, "/f", b"!").unwrap();
    assert_eq!(fake.object("f").unwrap(), b"other!");
    assert_clean(&fake);
}

#[test]
fn names_for_stou_are_new() {
    let fake = store();
    let gateway = gateway(&fake);
    let mode = Mode::Unique {
        umask: None,
        resumable: true,
    };
    fake.put("f/x", "a directory");
    let mut names = Vec::new();
    for _ in 0..3 {
        let opening = gateway.open(mode, "/f").unwrap();
        names.push(opening.opened.name.unwrap().to_string());
        let wharf_storage::Handle::Sink(mut sink) = opening.handle else {
            panic!("an upload is none");
        };
        write(&mut *sink, b"x").unwrap();
        sink.commit().wait().unwrap();
    }
    assert_eq!(names, ["/f.1", "/f.2", "/f.3"]);
}

#[test]
fn s31_a_bit_that_was_changed_on_the_way_is_sent_again() {
    for operation in ["put", "part"] {
        let fake = store();
        fake.fail(Rule::on(operation, Fault::Flip).skip(1).times(1));
        let gateway = gateway(&fake);
        for name in ["/a", "/b", "/c"] {
            let length = if operation == "put" { 10 } else { 4 * PART };
            gateway.store(write_at(0), name, &text(length)).unwrap();
            assert_eq!(fake.object(&name[1..]).unwrap(), text(length));
        }
    }
}

#[test]
fn s34_whoever_gives_up_does_not_wait_for_a_store_that_hangs() {
    let fake = store();
    let gateway = gateway(&fake);
    fake.fail(Rule::on("part", Fault::Hang));
    let mut sink = gateway.sink(write_at(0), "/f").unwrap();
    let taken = write_now(&mut *sink, &text(100 * PART)).unwrap();
    assert!(taken < 100 * PART, "it does not take what it cannot send");
    let begun = std::time::Instant::now();
    sink.abandon(Reason::Aborted).wait().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    // The threads end too, and with them the memory comes back.
    let mut waits = 0;
    while gateway.budget.reserved() > 0 {
        std::thread::sleep(Duration::from_millis(1));
        waits += 1;
        assert!(waits < 5000);
    }
    assert_eq!(fake.uploads(), [""; 0]);
}

#[test]
fn s35_uploads_under_way_at_a_shutdown_can_be_continued() {
    let fake = store();
    let bytes = text(6 * PART);
    gateway(&fake)
        .break_off(write_at(0), "/f", &bytes[..5 * PART], Reason::Shutdown)
        .unwrap();
    assert_eq!(fake.object("f"), None);
    let next = gateway(&fake);
    let told = next.stat("/f").unwrap().size;
    assert_eq!(told, 4 * PART as u64);
    next.store(write_at(told), "/f", &bytes[4 * PART..])
        .unwrap();
    assert_eq!(fake.object("f").unwrap(), bytes);
}

#[test]
fn somebody_without_a_name_can_continue_nothing_and_leaves_nothing() {
    let fake = store();
    let options = StoreOptions {
        part_size: PART as u64,
        ..StoreOptions::new("bucket", Provider::Other)
    };
    let store = wharf_s3::Store::new(
        Arc::new(fake.clone()),
        options,
        wharf_s3::Patience::default(),
        Budget::new(100 * PART),
    );
    let mut gateway = gateway(&fake);
    gateway.bucket = wharf_s3::Bucket::new(&store, "", b"");
    gateway
        .break_off(write_at(0), "/f", &text(5 * PART), Reason::Reset)
        .unwrap();
    assert_eq!(gateway.stat("/f"), Err(Failure::NotFound));
    assert_clean(&fake);
}

#[test]
fn s07_what_nobody_goes_on_with_goes_and_nothing_of_others() {
    let fake = store();
    let day = Duration::from_secs(24 * 60 * 60);
    let hour = Duration::from_secs(60 * 60);
    fake.begin_upload("f");
    fake.put("f.wharf/x", "somebody else's");
    gateway(&fake)
        .be_killed(write_at(0), "/f", &text(5 * PART))
        .unwrap();
    gateway(&fake)
        .break_off(write_at(0), "/d/g", &text(5 * PART), Reason::Reset)
        .unwrap();
    gateway(&fake).store(write_at(0), "/h", b"old").unwrap();
    gateway(&fake)
        .break_off(write_at(0), "/h", &text(PART), Reason::Reset)
        .unwrap();
    let sweeper = gateway(&fake);
    let sweep = || sweeper.bucket.sweep(&wharf_storage::Wanted::default());
    fake.pass(day - hour);
    assert_eq!(sweep(), Ok(0));
    assert_eq!(fake.uploads().len(), 3);
    assert!(sweeper.stat("/f").is_ok() && sweeper.stat("/d/g").is_ok());
    fake.pass(2 * hour);
    assert_eq!(
        sweeper.stat("/f"),
        Err(Failure::NotFound),
        "its time is over"
    );
    assert_eq!(sweep(), Ok(3));
    assert_eq!(fake.uploads(), ["f"]);
    assert_eq!(fake.keys(), ["f.wharf/x", "h"]);
    sweeper.store(APPEND, "/h", b"!").unwrap();
}

#[test]
fn an_upload_that_goes_on_is_not_swept() {
    let fake = store();
    let gateway = gateway(&fake);
    let mut sink = gateway.sink(write_at(0), "/f").unwrap();
    write(&mut *sink, &text(5 * PART)).unwrap();
    block_on(|cx| sink.poll_flush(cx)).unwrap();
    fake.pass(Duration::from_secs(23 * 60 * 60));
    assert_eq!(
        gateway.bucket.sweep(&wharf_storage::Wanted::default()),
        Ok(0)
    );
    sink.commit().wait().unwrap();
    assert_eq!(fake.object("f").unwrap(), text(5 * PART));
}
