//! What an object store answers.

use wharf_s3::wire::{Head, Headers, Page, Parts, Problem, Request, Start};

use crate::two;

/// Whatever a store answers, it is understood or refused: a list never leads on to nothing, a range lies in
/// its object, and an error has a meaning. The first line stands for what the head says.
pub fn store(bytes: &[u8]) {
    let (head, body) = two(bytes);
    answer(bytes);
    answer(body);
    let head = String::from_utf8_lossy(head);
    let fields = [
        "content-range",
        "content-length",
        "last-modified",
        "etag",
        "x-amz-meta-mtime",
    ];
    for field in fields {
        let headers: Headers = [(field, &*head)].into_iter().collect();
        if let Some((told, range)) = Head::of_rest(headers.clone()) {
            assert!(
                range.first <= range.last && range.last < range.whole,
                "{range:?}"
            );
            assert_eq!(told.size, range.whole);
        }
        let _ = Head::of(headers.clone());
        let status = head.trim().parse().unwrap_or(404);
        if let Some(problem) = Problem::of(status, &headers, body) {
            let _ = (problem.failure(), problem.is_passing());
        } else {
            assert!((200..300).contains(&status));
        }
    }
}

fn answer(xml: &[u8]) {
    for start in [Start::V2(None), Start::V1(None)] {
        if let Ok(page) = Page::parse(xml, start) {
            assert!(page.next.is_none_or(|next| !next.is_empty()));
        }
    }
    let _ = (Parts::parse(xml), Request::made(xml));
    if let Ok(id) = Request::created(xml) {
        assert!(!id.is_empty());
    }
}
