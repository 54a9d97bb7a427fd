//! What is made of answers that are late, cut, or do not come.

use std::io::{ErrorKind, Read as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use wharf_s3::Lost;
use wharf_s3::https::HttpsOptions;
use wharf_s3::wire::{Attributes, Checksum, Guarded, Request};

use crate::fake::{Fake, Reply, ok};
use crate::{https, options, send, text};

#[test]
fn a_body_that_is_cut_is_an_error() {
    let cuts: [&[u8]; 3] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n12345678",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\n12345678\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n12345678",
    ];
    for cut in cuts {
        let store = Fake::new(|_, _| Reply::Bytes(cut.into()));
        let https = https(&options(&store)).unwrap();
        let mut answer = send(&https, &Request::get("k", 0, None)).unwrap();
        let mut body = Vec::new();
        let error = answer.body.read_to_end(&mut body).unwrap_err();
        assert_eq!(
            (body.as_slice(), error.kind()),
            (&b"12345678"[..], ErrorKind::UnexpectedEof)
        );
    }
}

#[test]
fn a_body_may_take_its_time_as_long_as_it_moves() {
    let store = Fake::new(|number, _| {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n".to_vec();
        let piece = || vec![7; 100];
        match number {
            0 => Reply::Slowly(
                vec![head, piece(), piece(), piece(), piece()],
                Duration::from_millis(700),
            ),
            _ => Reply::Slowly(vec![[head, piece()].concat()], Duration::from_secs(60)),
        }
    });
    let https = https(&options(&store)).unwrap();
    // It takes longer than two seconds, but no pause does.
    let mut answer = send(&https, &Request::get("k", 0, None)).unwrap();
    let mut body = Vec::new();
    answer.body.read_to_end(&mut body).unwrap();
    assert_eq!(body.len(), 400);
    // And now nothing comes behind the first piece.
    let mut answer = send(&https, &Request::get("k", 0, None)).unwrap();
    let mut body = Vec::new();
    let begun = Instant::now();
    let error = answer.body.read_to_end(&mut body).unwrap_err();
    assert_eq!((body.len(), error.kind()), (100, ErrorKind::TimedOut));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn an_answer_that_does_not_come_is_waited_for_until_its_deadline() {
    let late: [fn() -> Reply; 2] = [
        || Reply::Silence(Duration::from_secs(60)),
        // What moves is not yet a whole head.
        || {
            let head = b"HTTP/1.1 200 OK\r\n".to_vec();
            let field = || b"x-waits: y\r\n".to_vec();
            let pieces = [head].into_iter().chain((0..60).map(|_| field()));
            Reply::Slowly(pieces.collect(), Duration::from_millis(100))
        },
    ];
    for late in late {
        let store = Fake::new(move |_, _| late());
        let https = https(&options(&store)).unwrap();
        let begun = Instant::now();
        let lost = send(&https, &Request::get("k", 0, None)).unwrap_err();
        assert!(matches!(lost, Lost::Unanswered(_)), "{lost:?}");
        let after = begun.elapsed();
        assert!(
            after > Duration::from_millis(1900) && after < Duration::from_secs(5),
            "{after:?}"
        );
        assert_eq!(store.seen().len(), 1, "it is not repeated");
    }
}

#[test]
fn a_store_that_is_not_there_is_unreachable() {
    let unused = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let store = Fake::new(|_, _| ok(""));
    for endpoint in [
        format!("http://{unused}"),
        "http://localhost:1".into(),
        "http://no-such-host.invalid".into(),
    ] {
        let https = https(&HttpsOptions {
            endpoint: Some(endpoint.clone()),
            clear_text: true,
            ..options(&store)
        })
        .unwrap();
        let nothing = Attributes::default();
        let put = Request::put("k", b"x", &nothing, Checksum::None, Guarded::No);
        for request in [put, Request::head("k")] {
            let lost = send(&https, &request).unwrap_err();
            assert!(matches!(lost, Lost::Unreachable(_)), "{endpoint}: {lost:?}");
        }
    }
}

#[test]
fn an_answer_that_is_none_is_no_answer() {
    let others: [&[u8]; 4] = [
        b"",
        b"HTTP/1.1 200",
        b"220 FTP\r\n",
        b"\x15\x03\x01\x00\x02\x02\x0a",
    ];
    for bytes in others {
        let store = Fake::new(|_, _| Reply::Bytes(bytes.into()));
        let https = https(&options(&store)).unwrap();
        let lost = send(&https, &Request::get("k", 0, None)).unwrap_err();
        assert!(matches!(lost, Lost::Unanswered(_)), "{bytes:?}: {lost:?}");
        assert_eq!(store.seen().len(), 1, "it was a new connection");
    }
}

/// A store that ends the connection at the second request, which came by one that was kept.
fn ends_the_second() -> Fake {
    Fake::new(|number, _| if number == 1 { Reply::End } else { ok("body") })
}

#[test]
fn what_only_reads_is_repeated_if_the_connection_was_closed() {
    let store = ends_the_second();
    let https = https(&options(&store)).unwrap();
    for _ in 0..2 {
        let answer = send(&https, &Request::get("k", 0, None)).unwrap();
        assert_eq!(text(answer), "body");
    }
    let connections: Vec<_> = store
        .seen()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(connections, [0, 0, 1]);
}

#[test]
fn what_may_have_been_done_is_not_repeated() {
    let nothing = Attributes::default();
    for request in [
        Request::put("k", b"x", &nothing, Checksum::None, Guarded::No),
        Request::create("k", &nothing, Checksum::None),
        Request::delete("k"),
    ] {
        let store = ends_the_second();
        let https = https(&options(&store)).unwrap();
        text(send(&https, &Request::get("k", 0, None)).unwrap());
        let lost = send(&https, &request).unwrap_err();
        assert!(matches!(lost, Lost::Unanswered(_)), "{lost:?}");
        assert_eq!(store.seen().len(), 2, "{request:?}");
    }
}

#[test]
fn it_is_repeated_once() {
    let store = Fake::new(|number, _| if number == 0 { ok("body") } else { Reply::End });
    let https = https(&options(&store)).unwrap();
    text(send(&https, &Request::get("k", 0, None)).unwrap());
    let lost = send(&https, &Request::get("k", 0, None)).unwrap_err();
    assert!(matches!(lost, Lost::Unanswered(_)), "{lost:?}");
    assert_eq!(store.seen().len(), 3);
}
