//! Directories: what keys have in common.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::Duration;

use common::{NEW, gateway, gateway_of, gateway_with, store, write_at};
use wharf_core::{Edit, Facts, Failure, Kind, Scope, Timestamp};
use wharf_fake_s3::{Dialect, FakeS3, Fault, Rule};
use wharf_s3::{Budget, Provider, StoreOptions};
use wharf_storage::Wanted;

fn small_pages(page: usize) -> FakeS3 {
    FakeS3::new(Dialect {
        page,
        ..Dialect::default()
    })
}

#[test]
fn s18_an_empty_bucket_is_an_empty_directory() {
    let fake = store();
    let gateway = gateway(&fake);
    assert_eq!(gateway.stat("/").unwrap().kind, Kind::Directory);
    assert_eq!(gateway.list("/").unwrap(), [""; 0]);
    assert_eq!(gateway.list("/d"), Err(Failure::NotFound));
    assert_eq!(gateway.list_as(Scope::Itself, "/").unwrap(), ["./"]);
}

#[test]
fn s17_each_name_is_listed_once_wherever_a_page_ends() {
    for provider in [Provider::Other, Provider::Cos] {
        for page in 1..12 {
            let fake = small_pages(page);
            let gateway = gateway_with(&fake, |options| options.provider = provider);
            for key in [
                "a",
                "a-1",
                "a.txt",
                "a/x",
                "b/1",
                "b/2",
                "b/3/4",
                "c d+%\u{fc}",
                "z",
            ] {
                fake.put(key, "x");
            }
            let names = ["a", "a-1", "a.txt", "b/", "c d+%\u{fc}", "z"];
            assert_eq!(gateway.list("/").unwrap(), names, "{page}");
            assert_eq!(gateway.list("/b").unwrap(), ["1", "2", "3/"]);
            assert_eq!(gateway.list("/b/").unwrap(), ["1", "2", "3/"]);
        }
    }
}

#[test]
fn s17_a_listing_asks_page_by_page_and_for_nothing_else() {
    let fake = store();
    let gateway = gateway(&fake);
    for number in 0..3500 {
        fake.put(&format!("d/{number:05}"), "x");
    }
    let _ = fake.take_seen();
    assert_eq!(gateway.list("/d").unwrap().len(), 3500);
    let seen: Vec<_> = fake
        .take_seen()
        .iter()
        .map(|seen| seen.operation())
        .collect();
    assert_eq!(seen, ["list"; 4]);
}

#[test]
fn s17_a_listing_that_is_too_long_says_so() {
    let fake = small_pages(10);
    let gateway = gateway_with(&fake, |options| options.max_list = Some(25));
    for number in 0..25 {
        fake.put(&format!("d/{number:05}"), "x");
    }
    assert_eq!(gateway.list("/d").unwrap().len(), 25);
    fake.put("d/x", "x");
    assert_eq!(gateway.list("/d"), Err(Failure::TooLarge));
}

#[test]
fn s22_what_no_path_leads_to_is_neither_listed_nor_reached() {
    let fake = store();
    let gateway = gateway(&fake);
    for key in [
        "d//x",
        "/lead",
        "d/./x",
        "d/../x",
        "d/a\nb",
        "d/c\rd",
        "d/.wharf/x",
        "d/ok",
    ] {
        fake.put(key, key);
    }
    assert_eq!(gateway.list("/").unwrap(), ["d/"]);
    assert_eq!(gateway.list("/d").unwrap(), ["ok"]);
    assert_eq!(gateway.read("/lead", 0), Err(Failure::NotFound));
    assert_eq!(gateway.read("/d/x", 0), Err(Failure::NotFound));
    assert_eq!(gateway.read("/x", 0), Err(Failure::NotFound));
    assert_eq!(gateway.read("/d/.wharf/x", 0), Err(Failure::BadName));
    assert_eq!(gateway.store(NEW, "/.wharf", b"x"), Err(Failure::BadName));
    assert_eq!(gateway.list("/d/.wharf"), Err(Failure::BadName));
}

#[test]
fn s21_every_key_begins_with_the_prefix() {
    let fake = store();
    fake.put("other/secret", "x");
    fake.put("u", "x");
    let options = StoreOptions::new("bucket", Provider::Other);
    let gateway = gateway_of(&fake, options, "u", Budget::new(1 << 20));
    let long = "x".repeat(1022);
    for name in [
        "/../other/secret",
        "/..",
        "/a",
        "/\u{fc} %2e%2e/+&",
        "/\u{1}",
        &format!("/{long}"),
    ] {
        let _ = gateway.stat(name);
        let _ = gateway.read(name, 0);
        let _ = gateway.list(name);
        let _ = gateway.store(write_at(0), name, b"x");
        let _ = gateway.rename(name, "/b", true);
        let _ = gateway.rename("/b", name, true);
        let _ = gateway.delete(name);
        let _ = gateway.make(name);
        let _ = gateway.remove(name);
    }
    for seen in fake.take_seen() {
        let asked = seen.query.iter().find(|(name, _)| *name == "prefix");
        let key = match asked {
            Some((_, prefix)) => prefix,
            None => &seen.key,
        };
        assert!(key.starts_with("u/"), "{seen:?}");
        if let Some(source) = seen.headers.get("x-amz-copy-source") {
            assert!(source.starts_with("/bucket/u/"), "{seen:?}");
        }
    }
    let _ = fake.take_seen();
    assert_eq!(
        gateway.store(NEW, &format!("/{long}y"), b"x"),
        Err(Failure::BadName)
    );
    assert_eq!(fake.take_seen(), [], "what cannot be is not asked for");
}

#[test]
fn s19_a_directory_stays_when_its_last_object_goes() {
    let fake = store();
    let gateway = gateway(&fake);
    fake.put("d/e/f", "x");
    fake.put("d/e/g", "x");
    gateway.delete("/d/e/f").unwrap();
    assert!(fake.object("d/e/").is_none(), "something is left in it");
    gateway.delete("/d/e/g").unwrap();
    assert_eq!(gateway.stat("/d/e").unwrap().kind, Kind::Directory);
    assert_eq!(gateway.list("/d/e").unwrap(), [""; 0]);
    gateway.remove("/d/e").unwrap();
    assert_eq!(gateway.stat("/d/e"), Err(Failure::NotFound));
    assert_eq!(gateway.list("/d").unwrap(), [""; 0]);

    fake.put("h/f", "x");
    gateway.rename("/h/f", "/f", true).unwrap();
    assert_eq!(gateway.list("/").unwrap(), ["d/", "f", "h/"]);
    let gone = gateway_with(&fake, |options| options.keep_directories = false);
    fake.put("i/f", "x");
    gone.delete("/i/f").unwrap();
    assert_eq!(gone.stat("/i"), Err(Failure::NotFound));
}

#[test]
fn s20_what_is_not_empty_is_not_removed() {
    let fake = store();
    let gateway = gateway(&fake);
    gateway.make("/d").unwrap();
    gateway.make("/d/e").unwrap();
    let _ = fake.take_seen();
    assert_eq!(gateway.remove("/d"), Err(Failure::NotEmpty));
    assert_eq!(gateway.remove("/none"), Err(Failure::NotFound));
    assert_eq!(gateway.remove("/"), Err(Failure::IsHome));
    fake.put("f", "x");
    assert_eq!(gateway.remove("/f"), Err(Failure::NotADirectory));
    let deletes = fake.take_seen();
    assert!(deletes.iter().all(|seen| seen.method != "DELETE"));
    gateway.remove("/d/e").unwrap();
    gateway.remove("/d").unwrap();
    assert_eq!(fake.keys(), ["f"]);
}

#[test]
fn s20_nor_where_the_store_tells_of_few_names_at_once() {
    let fake = small_pages(1);
    let gateway = gateway(&fake);
    gateway.make("/d").unwrap();
    fake.put("d/f", "x");
    assert_eq!(gateway.remove("/d"), Err(Failure::NotEmpty));
    gateway.rename("/d", "/e", true).unwrap();
    assert_eq!(fake.keys(), ["e/", "e/f"]);
}

#[test]
fn directories_are_made_once_and_are_no_files() {
    let fake = store();
    let gateway = gateway(&fake);
    gateway.make("/d").unwrap();
    assert_eq!(fake.object("d/").unwrap(), b"");
    assert_eq!(gateway.make("/d"), Err(Failure::Exists));
    fake.put("f", "x");
    fake.put("e/x", "x");
    assert_eq!(gateway.make("/f"), Err(Failure::Exists));
    assert_eq!(gateway.make("/e"), Err(Failure::Exists));
    assert_eq!(
        gateway.store(write_at(0), "/e", b"x"),
        Err(Failure::IsADirectory)
    );
    assert_eq!(gateway.delete("/e"), Err(Failure::IsADirectory));
    assert_eq!(gateway.delete("/none"), Err(Failure::NotFound));
    assert_eq!(gateway.list("/f"), Err(Failure::NotADirectory));
    assert_eq!(gateway.list_as(Scope::Itself, "/f").unwrap(), ["f"]);
    assert_eq!(gateway.list_as(Scope::Itself, "/e").unwrap(), ["e/"]);
}

#[test]
fn s23_a_large_object_is_renamed_in_parts_and_keeps_what_it_has() {
    for (length, in_parts) in [(100, false), (101, true), (1001, true)] {
        let fake = store();
        let gateway = gateway_with(&fake, |options| {
            options.copy_at_once = 100;
            options.attributes.class = Some("STANDARD_IA".into());
            options.attributes.fields.push("content-type", "image/png");
            options.attributes.fields.push("x-amz-meta-by", "me");
        });
        let bytes = common::text(length);
        gateway.store(NEW, "/f", &bytes).unwrap();
        let _ = fake.take_seen();
        gateway.rename("/f", "/d/g", false).unwrap();
        let seen = fake.take_seen();
        assert_eq!(
            seen.iter().any(|seen| seen.operation() == "copy-part"),
            in_parts
        );
        let copy = fake.whole_object("d/g").unwrap();
        assert_eq!(*copy.bytes, bytes);
        assert_eq!(copy.headers.get("content-type"), Some("image/png"));
        assert_eq!(copy.headers.get("x-amz-meta-by"), Some("me"));
        assert_eq!(copy.headers.get("x-amz-storage-class"), Some("STANDARD_IA"));
        assert_eq!(fake.object("f"), None);
    }
}

#[test]
fn s23_what_is_not_copied_is_not_removed() {
    let fake = store();
    let gateway = gateway_with(&fake, |options| options.copy_at_once = 100);
    for operation in ["copy", "copy-part", "complete", "create"] {
        for length in [10, 200] {
            fake.put("f", common::text(length));
            fake.fail(Rule::on(operation, Fault::Error(403, "AccessDenied")));
            let renamed = gateway.rename("/f", "/g", true);
            fake.heal();
            let is_done = renamed.is_ok();
            assert_eq!(fake.object("f").is_none(), is_done, "{operation} {length}");
            assert_eq!(fake.object("g").is_some(), is_done);
            assert_eq!(fake.uploads(), [""; 0]);
            fake.remove("g");
        }
    }
}

#[test]
fn s23_a_copy_whose_answer_was_lost_is_looked_for() {
    for completes_twice in [true, false] {
        let fake = FakeS3::new(Dialect {
            completes_twice,
            ..Dialect::default()
        });
        let gateway = gateway_with(&fake, |options| options.copy_at_once = 100);
        fake.put("f", common::text(200));
        fake.fail(Rule::on("complete", Fault::LoseAnswer).times(1));
        gateway.rename("/f", "/g", true).unwrap();
        assert_eq!(fake.object("f"), None);
        assert_eq!(fake.object("g").unwrap(), common::text(200));
        assert_eq!(fake.uploads(), [""; 0]);
        assert_eq!(fake.keys(), ["g"]);
    }
}

/// Its parts cost money until somebody finds them.
#[test]
fn s07_a_copy_that_breaks_off_is_swept() {
    let fake = store();
    let gateway = gateway_with(&fake, |options| options.copy_at_once = 100);
    fake.put("f", common::text(200));
    let mut is_tried = false;
    let down = Rule::when(Fault::Unreachable, move |seen| {
        is_tried |= seen.operation() == "copy-part";
        is_tried
    });
    fake.fail(down);
    assert!(gateway.rename("/f", "/g", true).is_err());
    fake.heal();
    assert_eq!(fake.uploads(), ["g"]);
    fake.pass(Duration::from_secs(25 * 60 * 60));
    assert_eq!(gateway.bucket.sweep(&Wanted::default()), Ok(1));
    assert_eq!(fake.uploads(), [""; 0]);
    assert_eq!(fake.keys(), ["f"]);
}

#[test]
fn renames_take_no_name_that_is_taken() {
    let fake = store();
    let gateway = gateway(&fake);
    fake.put("f", "f");
    fake.put("g", "g");
    fake.put("d/x", "x");
    assert_eq!(gateway.rename("/f", "/g", false), Err(Failure::Exists));
    assert_eq!(gateway.rename("/f", "/d", true), Err(Failure::IsADirectory));
    assert_eq!(gateway.rename("/none", "/g", true), Err(Failure::NotFound));
    assert_eq!(
        gateway.rename("/d", "/f", true),
        Err(Failure::NotADirectory)
    );
    assert_eq!(gateway.rename("/d", "/d/e", true), Err(Failure::BadMove));
    gateway.rename("/f", "/f", true).unwrap();
    gateway.rename("/f", "/g", true).unwrap();
    assert_eq!(fake.object("g").unwrap(), b"f");
}

#[test]
fn s24_a_directory_is_renamed_up_to_a_number_of_objects() {
    let fake = store();
    let gateway = gateway_with(&fake, |options| options.rename_objects = 5);
    for number in 0..5 {
        fake.put(&format!("d/{number}"), number.to_string());
    }
    gateway.rename("/d", "/e", true).unwrap();
    assert_eq!(gateway.list("/e").unwrap(), ["0", "1", "2", "3", "4"]);
    assert_eq!(gateway.list("/").unwrap(), ["e/"]);
    fake.put("e/5", "5");
    let _ = fake.take_seen();
    assert_eq!(gateway.rename("/e", "/f", true), Err(Failure::BadMove));
    let seen = fake.take_seen();
    assert!(
        seen.iter()
            .all(|seen| matches!(seen.operation(), "list" | "head")),
        "{seen:?}"
    );
}

#[test]
fn s24_empty_directories_are_renamed_too() {
    let fake = store();
    let gateway = gateway(&fake);
    for name in ["/d", "/d/e", "/d/f"] {
        gateway.make(name).unwrap();
    }
    fake.put("d/f/x", "x");
    // SeaweedFS does not copy them.
    let copies = |seen: &wharf_fake_s3::Seen| seen.operation() == "copy" && seen.key.ends_with('/');
    fake.fail(Rule::when(Fault::Error(404, "NoSuchKey"), copies));
    gateway.rename("/d", "/g", true).unwrap();
    assert_eq!(fake.keys(), ["g/", "g/e/", "g/f/", "g/f/x"]);
}

#[test]
fn s24_a_renaming_that_breaks_off_loses_nothing() {
    for (operation, many) in [("copy", 4), ("delete", 4), ("head", 6)] {
        for skip in 0..many {
            let fake = store();
            let gateway = gateway(&fake);
            for number in 0..4 {
                fake.put(&format!("d/{number}"), number.to_string());
            }
            fake.fail(Rule::on(operation, Fault::Error(403, "AccessDenied")).skip(skip));
            let _ = gateway.rename("/d", "/e", true);
            for number in 0..4 {
                let [old, new] = ["d", "e"].map(|at| fake.object(&format!("{at}/{number}")));
                assert!(
                    old.or(new) == Some(number.to_string().into_bytes()),
                    "{operation} {skip}"
                );
            }
        }
    }
}

#[test]
fn s25_the_time_that_is_set_is_told_and_goes_with_the_object() {
    let fake = store();
    let gateway = gateway_with(&fake, |options| options.copy_at_once = 100);
    for length in [10, 200] {
        let bytes = common::text(length);
        gateway.store(write_at(0), "/f", &bytes).unwrap();
        let time = Timestamp {
            seconds: 1_000_000_000,
            nanos: 500_000_000,
        };
        let facts = Facts {
            modified: Some(time),
            mode: None,
        };
        gateway.change(Edit::Set(facts), "/f", "/").unwrap();
        assert_eq!(gateway.stat("/f").unwrap().modified, Some(time));
        let object = fake.whole_object("f").unwrap();
        assert_eq!(object.headers.get("x-amz-meta-mtime"), Some("1000000000.5"));
        assert_eq!(*object.bytes, bytes);
        gateway.rename("/f", "/g", true).unwrap();
        assert_eq!(gateway.stat("/g").unwrap().modified, Some(time));
        // What is written anew was changed now.
        gateway.store(common::APPEND, "/g", b"x").unwrap();
        assert_ne!(gateway.stat("/g").unwrap().modified, Some(time));
    }
    let mode = Facts {
        modified: None,
        mode: Some(0o600),
    };
    assert_eq!(
        gateway.change(Edit::Set(mode), "/f", "/"),
        Err(Failure::Unsupported)
    );
}
