//! Answers in the forms of stores that cannot be reached from here, after their documents.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use wharf_core::Failure;
use wharf_s3::wire::{Headers, Page, Parts, Problem, Start};

fn problem(status: u16, body: &str) -> Problem {
    Problem::of(status, &Headers::default(), body.as_bytes()).expect("it is a problem")
}

#[test]
fn s33_a_list_of_each_store_is_understood() {
    let page = Page::parse(include_bytes!("answers/aws-list.xml"), Start::V2(None)).unwrap();
    let keys: Vec<_> = page
        .objects
        .iter()
        .map(|object| (&*object.key, object.size))
        .collect();
    assert_eq!(keys, [("u/a+b c.txt", 5), ("u/\u{fc}", 10_485_761)]);
    assert_eq!(page.prefixes, ["u/d/"]);
    assert_eq!(
        page.next.unwrap(),
        "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM="
    );

    let page = Page::parse(include_bytes!("answers/cos-list.xml"), Start::V1(None)).unwrap();
    assert_eq!(page.objects[0].key, "u/a");
    assert_eq!(page.objects[0].modified.unwrap().seconds, 1_607_571_450);
    assert_eq!(page.prefixes, ["u/d e/"]);
    assert_eq!(page.next.unwrap(), "u/d e/");

    let page = Page::parse(include_bytes!("answers/gcs-list.xml"), Start::V2(None)).unwrap();
    assert_eq!((&*page.objects[0].key, page.next), ("u/a", None));
}

#[test]
fn s33_the_parts_of_an_upload_are_understood() {
    let page = Parts::parse(include_bytes!("answers/aws-parts.xml")).unwrap();
    let parts: Vec<_> = page
        .parts
        .iter()
        .map(|part| (part.number, part.size))
        .collect();
    assert_eq!(parts, [(1, 8 << 20), (2, 8 << 20)]);
    assert_eq!(page.next, Some(2));
}

#[test]
fn an_error_of_each_store_is_understood() {
    let denied = problem(403, include_str!("answers/cos-denied.xml"));
    assert_eq!(
        (&*denied.code, denied.failure()),
        ("AccessDenied", Failure::Denied)
    );
    let missing = problem(404, include_str!("answers/gcs-missing.xml"));
    assert_eq!(missing.failure(), Failure::NotFound);
    let unequal = problem(400, include_str!("answers/r2-part.xml"));
    assert_eq!(
        (&*unequal.code, unequal.failure()),
        ("InvalidPart", Failure::Io)
    );
    let region = problem(400, include_str!("answers/aws-region.xml"));
    assert_eq!(region.region.as_deref(), Some("eu-central-1"));
    assert!(!region.is_passing());
    // It came with 200.
    let late = problem(200, include_str!("answers/aws-late.xml"));
    assert!(late.is_passing() && late.failure() == Failure::Busy);
}

#[test]
fn what_a_proxy_says_in_html_is_a_problem_without_a_code() {
    let html = problem(502, "<html><body><h1>502 Bad Gateway</h1></body></html>");
    assert_eq!((&*html.code, html.failure()), ("", Failure::Busy));
    let html = problem(404, "not <a> store");
    assert_eq!(html.failure(), Failure::NotFound);
}
