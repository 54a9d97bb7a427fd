//! What is found out about a bucket before anybody is served.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{gateway, gateway_with, store};
use wharf_core::Rights;
use wharf_fake_s3::{Dialect, FakeS3, Fault, Rule};
use wharf_s3::{Cause, Provider};

const ALL: Rights = Rights::ALL;

fn causes(fake: &FakeS3, rights: Rights) -> Vec<(Cause, bool)> {
    let findings = gateway(fake).bucket.examine(rights);
    findings
        .iter()
        .map(|found| (found.cause, found.is_fatal))
        .collect()
}

#[test]
fn s28_each_mistake_is_told_by_its_cause() {
    for (fault, cause) in [
        (Fault::Error(403, "InvalidAccessKeyId"), Cause::Key),
        (Fault::Error(403, "SignatureDoesNotMatch"), Cause::Secret),
        (Fault::Error(403, "RequestTimeTooSkewed"), Cause::Clock),
        (Fault::Error(404, "NoSuchBucket"), Cause::Bucket),
        (
            Fault::Error(400, "AuthorizationHeaderMalformed"),
            Cause::Region,
        ),
        (Fault::Error(301, "PermanentRedirect"), Cause::Region),
        (Fault::Error(403, "AccessDenied"), Cause::Rights),
        (Fault::Unreachable, Cause::Endpoint),
    ] {
        let fake = store();
        fake.put("x", "x");
        fake.fail(Rule::every(fault.clone()));
        assert_eq!(causes(&fake, ALL), [(cause, true)], "{fault:?}");
        assert_eq!(fake.keys(), ["x"]);
    }
}

#[test]
fn s28_what_may_not_be_written_is_told_and_nothing_is_left() {
    let fake = store();
    fake.follow_the_clock();
    fake.fail(Rule::on("put", Fault::Error(403, "AccessDenied")));
    assert_eq!(causes(&fake, Rights::LIST | Rights::READ), []);
    assert_eq!(causes(&fake, ALL), [(Cause::Rights, true)]);
    fake.heal();
    let no_rule = (Cause::Bucket, false);
    assert_eq!(causes(&fake, ALL), [no_rule]);
    assert_eq!(fake.keys(), [""; 0]);
    let written = fake.take_seen();
    assert!(
        written
            .iter()
            .all(|seen| seen.method == "GET" || seen.key.starts_with(".wharf/probe-"))
    );
}

#[test]
fn s15_a_store_that_overwrites_is_told_of() {
    let fake = FakeS3::new(Dialect {
        conditions_on_put: false,
        ..Dialect::default()
    });
    let of_store = |rights| {
        let findings = gateway_with(&fake, |options| options.provider = Provider::Other);
        let findings = findings.bucket.examine(rights);
        findings.iter().any(|found| found.cause == Cause::Store)
    };
    assert!(of_store(Rights::LIST | Rights::WRITE));
    assert!(!of_store(ALL), "who may overwrite does not care");
}

#[test]
fn s28_a_clock_that_is_wrong_is_told_before_it_is_refused() {
    let fake = store();
    fake.follow_the_clock();
    assert_eq!(causes(&fake, Rights::LIST), []);
    fake.pass(std::time::Duration::from_secs(400));
    assert_eq!(causes(&fake, Rights::LIST), [(Cause::Clock, false)]);
}
