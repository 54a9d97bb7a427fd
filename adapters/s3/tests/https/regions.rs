//! Answers that lead elsewhere.

use wharf_s3::wire::{Attributes, Checksum, Guarded, Request};

use crate::fake::{Fake, Reply, ok, status};
use crate::{https, options, send, text};

/// How stores say that a region is wrong.
fn named(region: &str) -> String {
    format!(
        "<Error><Code>AuthorizationHeaderMalformed</Code><Message>expecting '{region}'</Message>\
         <Region>{region}</Region></Error>"
    )
}

/// Returns the regions that requests were signed for.
fn signed_for(store: &Fake) -> Vec<String> {
    let seen = store.seen();
    seen.iter()
        .map(|request| {
            let scope = request.signature("Credential");
            scope.split('/').nth(2).unwrap().to_owned()
        })
        .collect()
}

#[test]
fn a_region_that_the_store_names_is_taken_from_then_on() {
    let by_body: fn(u16) -> Reply = |code| status(code, &named("there-2"));
    let by_head: fn(u16) -> Reply = |code| {
        Reply::Answer(
            code,
            vec!["x-amz-bucket-region: there-2".into()],
            Vec::new(),
        )
    };
    for (reply, code) in [
        (by_body, 400),
        (by_head, 301),
        (by_head, 400),
        (by_head, 307),
    ] {
        let store = Fake::new(move |number, _| if number == 0 { reply(code) } else { ok("body") });
        let https = https(&options(&store)).unwrap();
        let nothing = Attributes::default();
        let put = Request::put("k", b"abc", &nothing, Checksum::Md5, Guarded::No);
        assert_eq!(send(&https, &put).unwrap().status, 200);
        send(&https, &Request::get("k", 0, None)).unwrap();
        assert_eq!(signed_for(&store), ["here-1", "there-2", "there-2"]);
        let seen = store.seen();
        assert_eq!(seen[1].body, b"abc");
        assert_eq!(seen[0].target, seen[1].target);
    }
}

#[test]
fn a_region_is_corrected_once() {
    let store = Fake::new(|number, _| status(400, &named(&format!("there-{number}"))));
    let https = https(&options(&store)).unwrap();
    for _ in 0..2 {
        let answer = send(&https, &Request::get("k", 0, None)).unwrap();
        assert_eq!(answer.status, 400);
        assert!(
            text(answer).contains("expecting"),
            "the answer can still be read"
        );
    }
    assert_eq!(signed_for(&store), ["here-1", "there-0", "there-0"]);
}

#[test]
fn a_region_that_is_only_mentioned_changes_nothing() {
    for code in [200, 403, 404, 503] {
        let store = Fake::new(move |_, _| {
            let line = "x-amz-bucket-region: there-2".into();
            Reply::Answer(
                code,
                vec![line],
                b"<Error><Code>AccessDenied</Code></Error>".into(),
            )
        });
        let https = https(&options(&store)).unwrap();
        for _ in 0..2 {
            assert_eq!(
                send(&https, &Request::get("k", 0, None)).unwrap().status,
                code
            );
        }
        assert_eq!(signed_for(&store), ["here-1", "here-1"]);
    }
}

#[test]
fn a_region_that_is_none_is_not_taken() {
    for region in ["", "a.evil.example", "a/b", "a b", "here-1"] {
        let store = Fake::new(move |_, _| status(400, &named(region)));
        let https = https(&options(&store)).unwrap();
        assert_eq!(
            send(&https, &Request::get("k", 0, None)).unwrap().status,
            400
        );
        assert_eq!(signed_for(&store), ["here-1"], "{region:?}");
    }
}

#[test]
fn no_redirect_is_followed() {
    for code in [301, 302, 303, 307, 308] {
        let stranger = Fake::new(|_, _| ok("stranger"));
        let (elsewhere, host) = (stranger.url(), stranger.address());
        let store = Fake::new(move |_, _| {
            let lines = vec![
                format!("Location: {elsewhere}/bucket/k"),
                "x-amz-bucket-region: there-2".into(),
            ];
            let body =
                format!("<Error><Code>PermanentRedirect</Code><Endpoint>{host}</Endpoint></Error>");
            Reply::Answer(code, lines, body.into())
        });
        let https = https(&options(&store)).unwrap();
        let nothing = Attributes::default();
        for request in [
            Request::get("k", 0, None),
            Request::put("k", b"secret", &nothing, Checksum::None, Guarded::No),
        ] {
            let answer = send(&https, &request).unwrap();
            assert_eq!(answer.status, code);
        }
        assert!(stranger.seen().is_empty(), "{code}");
    }
}
