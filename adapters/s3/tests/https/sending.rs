//! What is sent, byte by byte.

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use std::{iter, thread};

use wharf_s3::https::{Credentials, HttpsOptions, Key};
use wharf_s3::wire::{Attributes, Checksum, Copied, Guarded, Part, Request, Start};
use wharf_s3::{Condition, Lost, Style, Transport as _};

use crate::fake::{Fake, Reply, ok, reads};
use crate::{Order, https, key, options, send, text};

#[test]
fn an_answer_has_its_status_its_fields_and_its_body() {
    let store = Fake::new(|_, _| Reply::Answer(404, vec!["ETag: \"x\"".into()], b"gone".into()));
    let https = https(&options(&store)).unwrap();
    let answer = send(&https, &Request::get("k", 0, None)).unwrap();
    assert_eq!(
        (answer.status, answer.headers.get("etag")),
        (404, Some("\"x\""))
    );
    assert_eq!(text(answer), "gone");
}

#[test]
fn a_key_and_a_query_are_on_the_wire_as_they_were_encoded() {
    let store = Fake::new(|_, _| ok(""));
    let https = https(&options(&store)).unwrap();
    let keys = [
        "a/../b",
        "../other/x",
        "x//y",
        "/lead",
        "dot/./z",
        ".",
        "..",
        "\u{fc}+ %&?#'.txt",
        "nl\nx",
        "c\u{1}c",
        "tail/",
        "~t*(!)",
        "back\\slash",
        "%2e%2e/q",
        "c:/x",
        "a b ",
        "k?uploads",
        "k#f",
        "A\u{30a}",
    ];
    for key in keys {
        send(&https, &Request::head(key)).unwrap();
        send(
            &https,
            &Request::list(key, true, Start::V2(Some("t+/=")), 7),
        )
        .unwrap();
    }
    let seen = store.seen();
    for (key, pair) in iter::zip(keys, seen.chunks(2)) {
        for (request, seen) in [
            (Request::head(key), &pair[0]),
            (
                Request::list(key, true, Start::V2(Some("t+/=")), 7),
                &pair[1],
            ),
        ] {
            let (host, target) =
                request.target(&store.address().to_string(), "bucket", Style::Path);
            assert_eq!(seen.target, target, "{key:?}");
            assert_eq!(seen.header("host"), Some(host.as_str()));
        }
    }
}

#[test]
fn only_the_host_and_what_is_about_the_store_or_the_content_is_signed() {
    let store = Fake::new(|_, _| ok(""));
    let mut key = key();
    key.token = Some("a-token".into());
    let https = https(&HttpsOptions {
        requester_pays: true,
        credentials: Credentials::Static(key),
        ..options(&store)
    })
    .unwrap();
    let mut attributes = Attributes {
        class: Some("COLD".into()),
        ..Attributes::default()
    };
    attributes.fields.push("content-type", "text/plain");
    attributes.fields.push("cache-control", "no-store");
    attributes.fields.push("x-amz-meta-mine", "1  2 ");
    let absent = Guarded::Absent(Condition::Header("if-none-match", "*"));
    let other = Guarded::Absent(Condition::Header("x-cos-forbid-overwrite", "true"));
    send(
        &https,
        &Request::put("k", b"abc", &attributes, Checksum::Md5, absent),
    )
    .unwrap();
    send(
        &https,
        &Request::put("k", b"abc", &Attributes::default(), Checksum::None, other),
    )
    .unwrap();
    send(&https, &Request::get("k", 7, Some("\"e\""))).unwrap();
    let seen = store.seen();
    let always = "x-amz-content-sha256;x-amz-date;";
    let ours = "x-amz-request-payer;x-amz-security-token";
    assert_eq!(
        seen[0].signature("SignedHeaders"),
        format!(
            "content-md5;content-type;host;{always}x-amz-meta-mine;x-amz-request-payer;x-amz-security-token;\
             x-amz-storage-class"
        )
    );
    for request in &seen[1..] {
        assert_eq!(
            request.signature("SignedHeaders"),
            format!("host;{always}{ours}")
        );
    }
    for (request, name, value) in [
        (&seen[0], "if-none-match", "*"),
        (&seen[0], "cache-control", "no-store"),
        (&seen[0], "content-length", "3"),
        (&seen[0], "x-amz-request-payer", "requester"),
        (&seen[0], "x-amz-security-token", "a-token"),
        (
            &seen[0],
            "user-agent",
            concat!("wharf/", env!("CARGO_PKG_VERSION")),
        ),
        (&seen[1], "x-cos-forbid-overwrite", "true"),
        (&seen[2], "range", "bytes=7-"),
        (&seen[2], "if-match", "\"e\""),
    ] {
        assert_eq!(request.header(name), Some(value));
    }
    assert!(seen[0].signature("Credential").starts_with("AKIATEST/"));
    assert!(
        seen[0]
            .signature("Credential")
            .ends_with("/here-1/s3/aws4_request")
    );
    for name in ["accept-encoding", "transfer-encoding", "expect", "cookie"] {
        assert_eq!(seen[0].header(name), None);
    }
}

#[test]
fn in_clear_text_the_body_is_signed_too_or_its_checksum() {
    let store = Fake::new(|_, _| ok(""));
    let https = https(&options(&store)).unwrap();
    let nothing = Attributes::default();
    for checksum in [Checksum::None, Checksum::Md5, Checksum::Sha256] {
        let put = Request::put("k", b"abc", &nothing, checksum, Guarded::No);
        send(&https, &put).unwrap();
    }
    send(&https, &Request::head("k")).unwrap();
    let digests = [
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "UNSIGNED-PAYLOAD",
        "UNSIGNED-PAYLOAD",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ];
    let sums = ["", "content-md5;", "x-amz-checksum-sha256;", ""];
    for ((request, digest), sum) in store.seen().iter().zip(digests).zip(sums) {
        assert_eq!(request.header("x-amz-content-sha256"), Some(digest));
        assert!(request.signature("SignedHeaders").contains(sum));
    }
}

#[test]
fn bodies_of_every_length_arrive() {
    let store = Fake::new(|_, _| ok("<R/>"));
    let https = https(&options(&store)).unwrap();
    let nothing = Attributes::default();
    for length in [0, 1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 3_000_000] {
        let body: Vec<u8> = (0..length).map(|at| (at * 7 % 251) as u8).collect();
        send(
            &https,
            &Request::put("k", &body, &nothing, Checksum::None, Guarded::No),
        )
        .unwrap();
        let seen = store.seen().pop().unwrap();
        assert!(seen.body == body, "{length}");
        assert_eq!(
            seen.header("content-length"),
            Some(length.to_string().as_str())
        );
    }
    // Requests that make something without a body say that it is empty.
    let from = Copied {
        bucket: "bucket",
        key: "k",
        etag: None,
    };
    let parts = [Part {
        number: 1,
        size: 1,
        etag: "\"e\"".into(),
    }];
    for request in [
        Request::create("k", &nothing, Checksum::None),
        Request::copy("k", from, &nothing, false, Guarded::No),
        Request::complete("k", "id", &parts, Guarded::No),
    ] {
        send(&https, &request).unwrap();
        let seen = store.seen().pop().unwrap();
        assert_eq!(seen.body, &request.body[..]);
        let length = request.body.len().to_string();
        assert_eq!(seen.header("content-length"), Some(length.as_str()));
    }
    for request in [
        Request::delete("k"),
        Request::head("k"),
        Request::get("k", 0, None),
    ] {
        send(&https, &request).unwrap();
        assert_eq!(store.seen().pop().unwrap().header("content-length"), None);
    }
}

#[test]
fn connections_are_kept_for_the_next_request() {
    let store = Fake::new(|_, _| ok("body"));
    let https = https(&options(&store)).unwrap();
    for _ in 0..5 {
        text(send(&https, &Request::get("k", 0, None)).unwrap());
    }
    assert!(store.seen().iter().all(|request| request.connection == 0));
}

#[test]
fn a_request_is_signed_when_it_is_sent() {
    let store = Fake::new(|_, _| ok(""));
    let https = https(&options(&store)).unwrap();
    send(&https, &Request::head("k")).unwrap();
    thread::sleep(Duration::from_millis(1100));
    send(&https, &Request::head("k")).unwrap();
    let seen = store.seen();
    assert_ne!(seen[0].header("x-amz-date"), seen[1].header("x-amz-date"));
    assert_ne!(
        seen[0].signature("Signature"),
        seen[1].signature("Signature")
    );
}

#[test]
fn what_is_not_wanted_is_not_sent() {
    let store = Fake::new(|_, _| ok(""));
    let https = https(&options(&store)).unwrap();
    let mut order = Order::new();
    order.cancel();
    let lost = https.send(&Request::head("k"), &order.wanted).unwrap_err();
    assert_eq!(lost, Lost::Cancelled);
    assert!(store.seen().is_empty());
}

/// Cancels a moment after the store has begun with the request, and returns how it ended and how long after
/// that.
fn cancelled(
    options: &HttpsOptions,
    request: &Request<'_>,
    has_begun: impl FnOnce() + Send,
) -> (Lost, Duration) {
    let https = https(options).unwrap();
    let mut order = Order::new();
    let wanted = order.wanted.clone();
    thread::scope(|scope| {
        let at = scope.spawn(move || {
            has_begun();
            thread::sleep(Duration::from_millis(300));
            order.cancel();
            Instant::now()
        });
        let lost = https.send(request, &wanted).unwrap_err();
        let end = Instant::now();
        (lost, end - at.join().unwrap())
    })
}

/// More than a connection holds.
const MUCH: usize = 32 << 20;

#[test]
fn a_request_that_is_not_wanted_any_more_is_given_up_in_its_body() {
    // It goes on all the time, but does not end.
    let (slow, begun) = reads(MUCH, Duration::from_millis(20));
    let body = vec![7; MUCH];
    let nothing = Attributes::default();
    let request = Request::put("k", &body, &nothing, Checksum::None, Guarded::No);
    let (lost, after) = cancelled(&at(slow), &request, move || {
        begun.recv().unwrap();
    });
    assert_eq!(lost, Lost::Cancelled);
    assert!(after < Duration::from_secs(1), "{after:?}");
}

#[test]
fn a_request_that_is_not_wanted_any_more_is_given_up_while_its_answer_is_waited_for() {
    let store = Fake::new(|_, _| Reply::Silence(Duration::from_secs(10)));
    let has_begun = || {
        while store.seen().is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
    };
    let (lost, after) = cancelled(&options(&store), &Request::head("k"), has_begun);
    assert_eq!(lost, Lost::Cancelled);
    assert!(after < Duration::from_secs(1), "{after:?}");
}

#[test]
fn a_store_that_takes_nothing_more_is_given_up() {
    let (deaf, begun) = reads(100_000, Duration::ZERO);
    let https = https(&at(deaf)).unwrap();
    let body = vec![7; MUCH];
    let nothing = Attributes::default();
    let request = Request::put("k", &body, &nothing, Checksum::None, Guarded::No);
    let lost = send(&https, &request).unwrap_err();
    // The system may take a little more now and then.
    let after = begun.recv().unwrap().elapsed();
    assert!(matches!(lost, Lost::Unanswered(_)), "{lost:?}");
    assert!(
        after > Duration::from_millis(1900) && after < Duration::from_secs(10),
        "{after:?}"
    );
}

fn at(address: SocketAddr) -> HttpsOptions {
    HttpsOptions {
        endpoint: Some(format!("http://{address}")),
        ..options(&Fake::new(|_, _| Reply::End))
    }
}

#[test]
fn a_field_that_cannot_be_sent_is_told() {
    let store = Fake::new(|_, _| ok(""));
    let https = https(&options(&store)).unwrap();
    for (name, value) in [
        ("x-amz-meta-a", "a\nx: y"),
        ("content-language", "a\r\nx: y"),
        ("x y", "z"),
    ] {
        let mut request = Request::head("k");
        request.headers.push(name, value);
        let lost = send(&https, &request).unwrap_err();
        assert!(matches!(lost, Lost::Unreachable(_)), "{lost:?}");
    }
    assert!(store.seen().is_empty());
}

#[test]
fn requests_go_through_a_proxy_that_is_told() {
    // It sees where the tunnel shall lead to, and makes none.
    let proxy = Fake::new(|_, _| Reply::Bytes(b"HTTP/1.1 407 No\r\n\r\n".into()));
    let store = Fake::new(|_, _| ok(""));
    let url = format!("http://user:pass%77ord@{}", proxy.address());
    let https = https(&HttpsOptions {
        endpoint: Some("https://store.example".into()),
        proxy: Some(url.as_str().into()),
        ..options(&store)
    });
    // Without certificates of the system nothing under TLS can be trusted.
    let Ok(https) = https else { return };
    let lost = send(&https, &Request::head("k")).unwrap_err();
    let Lost::Unreachable(why) = lost else {
        panic!("{lost:?}");
    };
    assert!(why.contains("407") && !why.contains("password"), "{why}");
    let seen = proxy.only();
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("CONNECT", "store.example:443")
    );
    assert_eq!(
        seen.header("proxy-authorization"),
        Some("Basic dXNlcjpwYXNzd29yZA==")
    );
    assert_eq!(seen.header("authorization"), None);
}

#[test]
fn a_key_of_somebody_else_signs_differently() {
    let store = Fake::new(|_, _| ok(""));
    let mine = https(&options(&store)).unwrap();
    let other = Key {
        secret: "another".into(),
        ..key()
    };
    let other = https(&HttpsOptions {
        credentials: Credentials::Static(other),
        ..options(&store)
    })
    .unwrap();
    // Within one second, or else the time differs.
    loop {
        send(&mine, &Request::head("k")).unwrap();
        send(&other, &Request::head("k")).unwrap();
        let seen = store.seen();
        let [.., first, second] = &seen[..] else {
            panic!("{seen:?}");
        };
        if first.header("x-amz-date") == second.header("x-amz-date") {
            assert_ne!(first.signature("Signature"), second.signature("Signature"));
            return;
        }
    }
}
