//! Downloads: one version of an object, whatever happens on the way.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;

use common::{PART, gateway, read_all, store, text};
use wharf_core::{Failure, Mode};
use wharf_fake_s3::{Fault, Rule};

#[test]
fn s12_a_download_begins_where_it_is_asked_to() {
    let fake = store();
    let gateway = gateway(&fake);
    fake.put("f", text(300_000));
    fake.put("empty", "");
    for offset in [0, 1, 299_999, 300_000] {
        let read = gateway.read("/f", offset).unwrap();
        assert_eq!(read, text(300_000)[usize::try_from(offset).unwrap()..]);
    }
    assert_eq!(gateway.read("/f", 300_001), Err(Failure::PastEnd));
    assert_eq!(gateway.read("/empty", 0).unwrap(), b"");
    assert_eq!(gateway.read("/empty", 1), Err(Failure::PastEnd));
}

#[test]
fn a_download_is_one_request() {
    let fake = store();
    let gateway = gateway(&fake);
    fake.put("f", text(300_000));
    gateway.read("/f", 1000).unwrap();
    let seen: Vec<_> = fake
        .take_seen()
        .iter()
        .map(|seen| seen.operation())
        .collect();
    assert_eq!(seen, ["get"]);
}

#[test]
fn what_is_no_file_is_not_read() {
    let fake = store();
    let gateway = gateway(&fake);
    fake.put("d/f", "x");
    assert_eq!(gateway.read("/d", 0), Err(Failure::IsADirectory));
    assert_eq!(gateway.read("/", 0), Err(Failure::IsADirectory));
    assert_eq!(gateway.read("/f", 0), Err(Failure::NotFound));
}

#[test]
fn s11_a_download_whose_connection_breaks_goes_on() {
    for cut in [0, 1, 50_000, 299_999] {
        let fake = store();
        let gateway = gateway(&fake);
        fake.put("f", text(300_000));
        fake.fail(Rule::on("get", Fault::Cut(cut)).times(4));
        assert_eq!(gateway.read("/f", 0).unwrap(), text(300_000), "{cut}");
        let gets = fake.take_seen();
        for later in gets
            .iter()
            .filter(|seen| seen.headers.get("range").is_some())
        {
            assert!(later.headers.get("if-match").is_some(), "{later:?}");
        }
    }
}

#[test]
fn a_download_that_does_not_get_on_ends() {
    let fake = store();
    let gateway = gateway(&fake);
    fake.put("f", text(300_000));
    fake.fail(Rule::on("get", Fault::Cut(0)));
    let opening = gateway.open(Mode::Read { offset: 0 }, "/f").unwrap();
    assert_eq!(read_all(opening.handle), Err(Failure::Io));
    assert!(fake.take_seen().len() < 20);
}

#[test]
fn s10_a_download_never_mixes_two_versions() {
    for etag_is_ignored in [false, true] {
        let fake = store();
        let gateway = gateway(&fake);
        fake.put("f", text(300_000));
        fake.fail(Rule::on("get", Fault::Cut(100_000)).times(1));
        let replace = Fault::Meanwhile(Arc::new(move |fake| {
            fake.put("f", vec![b'!'; 400_000]);
            if etag_is_ignored {
                fake.ignore_conditions_on_get();
            }
        }));
        fake.fail(Rule::on("get", replace).times(1));
        let opening = gateway.open(Mode::Read { offset: 0 }, "/f").unwrap();
        assert_eq!(read_all(opening.handle), Err(Failure::Io));
    }
}

#[test]
fn s10_an_object_that_goes_while_it_is_read_is_no_end() {
    let fake = store();
    let gateway = gateway(&fake);
    fake.put("f", text(10 * PART));
    fake.fail(Rule::on("get", Fault::Cut(PART)).times(1));
    let opening = gateway.open(Mode::Read { offset: 0 }, "/f").unwrap();
    fake.remove("f");
    assert_eq!(read_all(opening.handle), Err(Failure::Io));
}
