//! The requests of this crate against SeaweedFS, which verifies signatures.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on shall fail"
)]

mod network;

use std::collections::BTreeSet;
use std::thread;

use wharf_core::{Failure, Timestamp};
use wharf_s3::https::{Credentials, Https, HttpsOptions, Key, Role};
use wharf_s3::wire::{
    Attributes, Checksum, Copied, Guarded, Head, Headers, Page, Part, Parts, Problem, Request,
    Start,
};
use wharf_s3::{Condition, Lost, Provider};
use wharf_stores::{KEY_ID, ROLE, SECRET, Seaweed, seaweed};

use network::{crypto, send};

/// A bucket of a test.
struct Bucket {
    name: String,
    https: Https,
}

fn options(store: &Seaweed, bucket: &str) -> HttpsOptions {
    let key = Key {
        id: KEY_ID.into(),
        secret: SECRET.into(),
        token: None,
    };
    HttpsOptions {
        endpoint: Some(store.endpoint()),
        ..HttpsOptions::new(Provider::Seaweedfs, bucket, Credentials::Static(key))
    }
}

fn bucket() -> Option<Bucket> {
    let store = seaweed()?;
    let name = store.new_bucket();
    let https = Https::new(&options(store, &name), crypto()).unwrap();
    Some(Bucket { name, https })
}

/// What came of a request: its fields and its body, or the problem.
fn outcome(https: &Https, request: &Request<'_>) -> Result<(Headers, Vec<u8>), Problem> {
    let mut answer = send(https, request).unwrap();
    let mut body = Vec::new();
    answer.body.read_to_end(&mut body).unwrap();
    match Problem::of(answer.status, &answer.headers, &body) {
        Some(problem) => Err(problem),
        None => Ok((answer.headers, body)),
    }
}

impl Bucket {
    fn ask(&self, request: &Request<'_>) -> Result<(Headers, Vec<u8>), Problem> {
        outcome(&self.https, request)
    }

    /// Returns the ETag that an object has then.
    fn put(&self, key: &str, body: &[u8]) -> String {
        let nothing = Attributes::default();
        let request = Request::put(key, body, &nothing, Checksum::Md5, Guarded::No);
        let (headers, _) = self.ask(&request).unwrap();
        headers.get("etag").unwrap().to_owned()
    }

    fn content(&self, key: &str) -> Result<Vec<u8>, Problem> {
        self.ask(&Request::get(key, 0, None)).map(|(_, body)| body)
    }

    fn head(&self, key: &str) -> Result<Head, Problem> {
        self.ask(&Request::head(key))
            .map(|(headers, _)| Head::of(headers))
    }

    fn copied<'a>(&'a self, key: &'a str, etag: Option<&'a str>) -> Copied<'a> {
        let bucket = &self.name;
        Copied { bucket, key, etag }
    }

    /// Begins an upload, and sends these parts.
    fn upload(&self, key: &str, parts: &[&[u8]]) -> (String, Vec<Part>) {
        let begun = self.ask(&Request::create(key, &Attributes::default(), Checksum::Md5));
        let id = Request::created(&begun.unwrap().1).unwrap();
        let sent = (1..).zip(parts).map(|(number, body)| {
            let request = Request::part(key, &id, number, body, Checksum::Md5);
            let (headers, _) = self.ask(&request).unwrap();
            Part {
                number,
                size: body.len() as u64,
                etag: headers.get("etag").unwrap().to_owned(),
            }
        });
        let sent = sent.collect();
        (id, sent)
    }

    /// Returns all keys and prefixes, by pages of that length.
    fn list(&self, prefix: &str, up_to_slash: bool, by_v2: bool, most: u16) -> Vec<String> {
        let (mut found, mut next) = (Vec::new(), None::<String>);
        loop {
            let from = next.as_deref();
            let start = if by_v2 {
                Start::V2(from)
            } else {
                Start::V1(from)
            };
            let (_, xml) = self
                .ask(&Request::list(prefix, up_to_slash, start, most))
                .unwrap();
            let page = Page::parse(&xml, start).unwrap();
            assert!(page.objects.len() + page.prefixes.len() <= most.into());
            found.extend(page.objects.into_iter().map(|object| object.key));
            found.extend(page.prefixes);
            assert!(
                page.next.is_none() || page.next != next,
                "{next:?} leads to itself"
            );
            next = page.next;
            if next.is_none() {
                return found;
            }
        }
    }
}

const ABSENT: Guarded<'static> = Guarded::Absent(Condition::Header("if-none-match", "*"));

/// Below it no part may be but the last.
const PART: usize = 5 << 20;

#[test]
fn an_object_is_put_seen_fetched_and_removed() {
    let Some(bucket) = bucket() else { return };
    let modified = Timestamp {
        seconds: 1_700_000_000,
        nanos: 500_000_000,
    };
    let mut attributes = Attributes {
        modified: Some(modified),
        ..Attributes::default()
    };
    attributes.fields.push("content-type", "text/x-wharf");
    for checksum in [Checksum::Md5, Checksum::Sha256, Checksum::None] {
        let request = Request::put("k", b"hello", &attributes, checksum, Guarded::No);
        let (headers, _) = bucket.ask(&request).unwrap();
        let head = bucket.head("k").unwrap();
        assert_eq!(head.etag.as_deref(), headers.get("etag"));
        assert_eq!((head.size, head.modified), (5, Some(modified)));
        assert_eq!(head.headers.get("content-type"), Some("text/x-wharf"));
        assert_eq!(bucket.content("k").unwrap(), b"hello");
    }
    for _ in 0..2 {
        bucket.ask(&Request::delete("k")).unwrap();
    }
    assert_eq!(bucket.head("k").unwrap_err().failure(), Failure::NotFound);
    let problem = bucket.content("k").unwrap_err();
    assert_eq!((problem.status, problem.code.as_str()), (404, "NoSuchKey"));
}

#[test]
fn some_bytes_of_an_object_are_fetched() {
    let Some(bucket) = bucket() else { return };
    let etag = bucket.put("k", b"hello");
    for etag in [None, Some(etag.as_str())] {
        let (headers, body) = bucket.ask(&Request::get("k", 2, etag)).unwrap();
        let (head, range) = Head::of_rest(headers).unwrap();
        assert_eq!(
            (head.size, range.first, range.last, range.whole),
            (5, 2, 4, 5)
        );
        assert_eq!(body, b"llo");
    }
    let (_, body) = bucket.ask(&Request::get_range("k", 1..3, &etag)).unwrap();
    assert_eq!(body, b"el");
    for from in [5, 6] {
        assert_eq!(
            bucket
                .ask(&Request::get("k", from, None))
                .unwrap_err()
                .status,
            416
        );
    }
    for request in [
        Request::get("k", 0, Some("\"other\"")),
        Request::get_range("k", 1..3, "\"other\""),
    ] {
        assert_eq!(bucket.ask(&request).unwrap_err().status, 412);
    }
}

#[test]
fn a_copy_keeps_or_replaces_what_is_kept_with_it() {
    let Some(bucket) = bucket() else { return };
    let mut attributes = Attributes::default();
    attributes.fields.push("x-amz-meta-of", "whom");
    let key = "dir/\u{fc}+ %&?#'.txt";
    let put = Request::put(key, b"hello", &attributes, Checksum::Md5, Guarded::No);
    let etag = bucket.ask(&put).unwrap().0.get("etag").unwrap().to_owned();

    let from = bucket.copied(key, Some(&etag));
    let plain = Request::copy("plain", from, &Attributes::default(), false, Guarded::No);
    let (_, xml) = bucket.ask(&plain).unwrap();
    assert_eq!(
        Request::made(&xml).unwrap().trim_matches('"'),
        etag.trim_matches('"')
    );
    let copy = bucket.head("plain").unwrap();
    assert_eq!(copy.headers.get("x-amz-meta-of"), Some("whom"));

    let mut attributes = Attributes::default();
    attributes.fields.push("x-amz-meta-of", "another");
    let onto_itself = Request::copy(key, from, &attributes, true, Guarded::No);
    bucket.ask(&onto_itself).unwrap();
    let copy = bucket.head(key).unwrap();
    assert_eq!(copy.headers.get("x-amz-meta-of"), Some("another"));
    assert_eq!(bucket.content(key).unwrap(), b"hello");

    let from = bucket.copied(key, Some("\"other\""));
    let request = Request::copy("none", from, &Attributes::default(), false, Guarded::No);
    assert_eq!(bucket.ask(&request).unwrap_err().failure(), Failure::Exists);
    let request = Request::copy(
        "plain",
        bucket.copied(key, None),
        &Attributes::default(),
        false,
        ABSENT,
    );
    assert_eq!(bucket.ask(&request).unwrap_err().failure(), Failure::Exists);
    let request = Request::copy(
        "none",
        bucket.copied("none", None),
        &Attributes::default(),
        false,
        Guarded::No,
    );
    assert_eq!(
        bucket.ask(&request).unwrap_err().failure(),
        Failure::NotFound
    );
}

/// Names that SeaweedFS keeps as they are.
const AWKWARD: [&str; 14] = [
    "\u{fc}+ %&?#'.txt",
    "nl\nx",
    "cr\rx",
    "c\u{1}c",
    "~t*(!)",
    "%2e%2e",
    "c:x",
    "a b ",
    " a",
    "A\u{30a}",
    "\u{c5}",
    "<&>\"",
    "...",
    "a=b;c,d@e$f",
];

#[test]
fn awkward_keys_are_exactly_those_that_were_meant() {
    let Some(bucket) = bucket() else { return };
    for name in AWKWARD {
        let key = format!("d/{name}");
        bucket.put(&key, key.as_bytes());
    }
    for name in AWKWARD {
        let key = format!("d/{name}");
        assert_eq!(bucket.content(&key).unwrap(), key.as_bytes(), "{name:?}");
        let to = format!("copies/{name}");
        let copy = Request::copy(
            &to,
            bucket.copied(&key, None),
            &Attributes::default(),
            false,
            Guarded::No,
        );
        bucket.ask(&copy).unwrap();
        assert_eq!(bucket.content(&to).unwrap(), key.as_bytes(), "{name:?}");
    }
    let listed: BTreeSet<_> = bucket.list("d/", true, true, 1000).into_iter().collect();
    assert_eq!(listed, AWKWARD.map(|name| format!("d/{name}")).into());
    for name in AWKWARD {
        bucket.ask(&Request::delete(&format!("d/{name}"))).unwrap();
    }
    // The directory itself stays for a while, and is as good as a marker.
    assert_eq!(bucket.list("d/", true, true, 1000), ["d/"]);
    bucket.ask(&Request::delete("d/")).unwrap();
    assert_eq!(bucket.list("d/", true, true, 1000), Vec::<String>::new());
    for key in ["a/../b", "../x", "a/./b"] {
        let put = Request::put(
            key,
            b"",
            &Attributes::default(),
            Checksum::None,
            Guarded::No,
        );
        assert_eq!(bucket.ask(&put).unwrap_err().status, 400, "{key}");
    }
}

#[test]
fn lists_come_page_by_page() {
    let Some(bucket) = bucket() else { return };
    // The token behind a name with a control character is another one: XML cannot have that character.
    let awkward = AWKWARD.iter().filter(|name| !name.contains('\u{1}'));
    let mut keys: Vec<String> = awkward.map(|name| format!("d/{name}")).collect();
    keys.extend((0..10).map(|number| format!("d/f{number}")));
    keys.extend(["d/sub/a", "d/sub/b", "d/sub\u{fc} /c", "e"].map(str::to_owned));
    for key in &keys {
        bucket.put(key, b"x");
    }
    let all: BTreeSet<_> = keys.iter().cloned().collect();
    let below: BTreeSet<_> = keys
        .iter()
        .filter(|key| key.starts_with("d/"))
        .cloned()
        .collect();
    let mut beside: BTreeSet<String> = below
        .iter()
        .filter(|key| key.matches('/').count() == 1)
        .cloned()
        .collect();
    beside.extend(["d/sub/".to_owned(), "d/sub\u{fc} /".to_owned()]);
    for by_v2 in [true, false] {
        for most in [1, 3, 7, 1000] {
            for (prefix, up_to_slash, expected) in [
                ("", false, &all),
                ("d/", false, &below),
                ("d/", true, &beside),
            ] {
                let found = bucket.list(prefix, up_to_slash, by_v2, most);
                let once: BTreeSet<_> = found.iter().cloned().collect();
                assert_eq!(&once, expected, "{prefix} {up_to_slash} {by_v2} {most}");
                assert_eq!(
                    found.len(),
                    once.len(),
                    "{prefix} {up_to_slash} {by_v2} {most}: {found:?}"
                );
            }
        }
    }
    let top: BTreeSet<_> = bucket.list("", true, true, 10).into_iter().collect();
    assert_eq!(top, ["d/".to_owned(), "e".to_owned()].into());
}

#[test]
fn an_upload_in_parts_is_there_when_it_is_complete() {
    let Some(bucket) = bucket() else { return };
    let key = "big \u{fc}+%.bin";
    let (first, second) = (vec![7; PART], b"end".to_vec());
    let (id, sent) = bucket.upload(key, &[&first, &second]);
    assert_eq!(bucket.head(key).unwrap_err().failure(), Failure::NotFound);
    assert_eq!(bucket.list("", false, true, 1000), Vec::<String>::new());

    let (mut listed, mut behind) = (Vec::new(), None);
    loop {
        let (_, xml) = bucket.ask(&Request::parts(key, &id, behind)).unwrap();
        let page = Parts::parse(&xml).unwrap();
        listed.extend(page.parts);
        behind = page.next;
        if behind.is_none() {
            break;
        }
    }
    let plain = |parts: &[Part]| -> Vec<(u32, u64, String)> {
        let parts = parts.iter();
        parts
            .map(|part| {
                (
                    part.number,
                    part.size,
                    part.etag.trim_matches('"').to_owned(),
                )
            })
            .collect()
    };
    assert_eq!(plain(&listed), plain(&sent));
    let (_, xml) = bucket.ask(&Request::parts(key, &id, Some(1))).unwrap();
    assert_eq!(plain(&Parts::parse(&xml).unwrap().parts), plain(&sent[1..]));

    let (_, xml) = bucket
        .ask(&Request::complete(key, &id, &sent, Guarded::No))
        .unwrap();
    let etag = Request::made(&xml).unwrap();
    let head = bucket.head(key).unwrap();
    assert_eq!(
        head.etag.as_deref().map(|etag| etag.trim_matches('"')),
        Some(etag.trim_matches('"'))
    );
    assert!(etag.trim_matches('"').ends_with("-2"), "{etag}");
    assert_eq!(head.size, PART as u64 + 3);
    assert!(bucket.content(key).unwrap() == [first, second].concat());
    // Again, as if the answer had been lost.
    let again = bucket.ask(&Request::complete(key, &id, &sent, Guarded::No));
    assert_eq!(Request::made(&again.unwrap().1), Ok(etag));
}

#[test]
fn an_upload_that_is_given_up_leaves_nothing() {
    let Some(bucket) = bucket() else { return };
    let (id, sent) = bucket.upload("k", &[b"x"]);
    bucket.ask(&Request::abort("k", &id)).unwrap();
    for request in [
        Request::part("k", &id, 2, b"y", Checksum::Md5),
        Request::parts("k", &id, None),
        Request::complete("k", &id, &sent, Guarded::No),
    ] {
        assert_eq!(
            bucket.ask(&request).unwrap_err().code,
            "NoSuchUpload",
            "{request:?}"
        );
    }
    assert_eq!(bucket.head("k").unwrap_err().status, 404);
}

#[test]
fn bytes_of_an_object_may_become_a_part() {
    let Some(bucket) = bucket() else { return };
    let base: Vec<u8> = (0..PART + 10).map(|at| (at % 251) as u8).collect();
    let etag = bucket.put("base %", &base);
    let (id, _) = bucket.upload("k", &[]);
    let end = PART as u64;
    let from = bucket.copied("base %", Some(&etag));
    let (_, xml) = bucket
        .ask(&Request::copy_part("k", &id, 1, from, &(3..end + 3)))
        .unwrap();
    let first = Part {
        number: 1,
        size: end,
        etag: Request::made(&xml).unwrap(),
    };
    let (headers, _) = bucket
        .ask(&Request::part("k", &id, 2, b"end", Checksum::Md5))
        .unwrap();
    let second = Part {
        number: 2,
        size: 3,
        etag: headers.get("etag").unwrap().to_owned(),
    };
    bucket
        .ask(&Request::complete("k", &id, &[first, second], Guarded::No))
        .unwrap();
    assert!(bucket.content("k").unwrap() == [&base[3..PART + 3], b"end"].concat());

    let (id, _) = bucket.upload("other", &[]);
    let from = bucket.copied("base %", Some("\"other\""));
    let problem = bucket
        .ask(&Request::copy_part("other", &id, 1, from, &(0..5)))
        .unwrap_err();
    assert_eq!(problem.failure(), Failure::Exists);
}

#[test]
fn parts_that_are_too_small_or_others_are_refused() {
    let Some(bucket) = bucket() else { return };
    let (id, sent) = bucket.upload("k", &[b"small", b"end"]);
    let complete = Request::complete("k", &id, &sent, Guarded::No);
    assert_eq!(bucket.ask(&complete).unwrap_err().code, "EntityTooSmall");
    let (id, mut sent) = bucket.upload("k", &[b"end"]);
    sent[0].etag = "\"00000000000000000000000000000000\"".into();
    let complete = Request::complete("k", &id, &sent, Guarded::No);
    assert_eq!(bucket.ask(&complete).unwrap_err().code, "InvalidPart");
    assert_eq!(bucket.head("k").unwrap_err().status, 404);
}

#[test]
fn conditions_are_kept() {
    let Some(bucket) = bucket() else { return };
    let nothing = Attributes::default();
    let put =
        |body, guarded| bucket.ask(&Request::put("k", body, &nothing, Checksum::Md5, guarded));
    let etag = put(b"first", ABSENT)
        .unwrap()
        .0
        .get("etag")
        .unwrap()
        .to_owned();
    assert_eq!(
        put(b"second", ABSENT).unwrap_err().failure(),
        Failure::Exists
    );
    assert_eq!(
        put(b"second", Guarded::Is("\"other\""))
            .unwrap_err()
            .failure(),
        Failure::Exists
    );
    assert_eq!(bucket.content("k").unwrap(), b"first");
    put(b"second", Guarded::Is(&etag)).unwrap();
    assert_eq!(
        put(b"third", Guarded::Is(&etag)).unwrap_err().failure(),
        Failure::Exists
    );

    let (id, sent) = bucket.upload("k", &[b"third"]);
    let complete = Request::complete("k", &id, &sent, ABSENT);
    assert_eq!(
        bucket.ask(&complete).unwrap_err().failure(),
        Failure::Exists
    );
    assert_eq!(bucket.content("k").unwrap(), b"second");
}

#[test]
fn of_many_who_make_an_object_one_does() {
    let Some(bucket) = bucket() else { return };
    let made = thread::scope(|scope| {
        let nothing = Attributes::default();
        let makers: Vec<_> = (0..16)
            .map(|_| {
                let request = Request::put("k", b"x", &nothing, Checksum::Md5, ABSENT);
                let bucket = &bucket;
                scope.spawn(move || bucket.ask(&request).map_err(|problem| problem.failure()))
            })
            .collect();
        let outcomes = makers.into_iter().map(|maker| maker.join().unwrap());
        outcomes
            .filter(|outcome| match outcome {
                Ok(_) => true,
                Err(failure) => {
                    assert_eq!(*failure, Failure::Exists);
                    false
                }
            })
            .count()
    });
    assert_eq!(made, 1);
}

#[test]
fn a_body_that_was_changed_is_refused() {
    let Some(bucket) = bucket() else { return };
    let nothing = Attributes::default();
    for checksum in [Checksum::Md5, Checksum::Sha256] {
        let mut request = Request::put("k", b"hello", &nothing, checksum, Guarded::No);
        request.body = b"jello".into();
        let problem = bucket.ask(&request).unwrap_err();
        assert_eq!(
            (problem.code.as_str(), problem.is_passing()),
            ("BadDigest", true)
        );
        assert_eq!(bucket.head("k").unwrap_err().status, 404);
    }
}

#[test]
fn who_has_another_key_is_refused() {
    let Some(store) = seaweed() else { return };
    let options = options(store, &store.new_bucket());
    for (id, secret, code) in [
        (KEY_ID, "wrong", "SignatureDoesNotMatch"),
        ("AKIAWRONG", SECRET, "InvalidAccessKeyId"),
    ] {
        let key = Key {
            id: id.into(),
            secret: secret.into(),
            token: None,
        };
        let credentials = Credentials::Static(key);
        let https = Https::new(
            &HttpsOptions {
                credentials,
                ..options.clone()
            },
            crypto(),
        )
        .unwrap();
        let problem = outcome(&https, &Request::get("k", 0, None)).unwrap_err();
        assert_eq!((problem.status, problem.code.as_str()), (403, code));
        assert!(problem.is_for_operators());
    }
}

#[test]
fn a_role_is_taken_on() {
    let Some(store) = seaweed() else { return };
    let of_role = |arn: &str| HttpsOptions {
        role: Some(Role {
            arn: arn.into(),
            endpoint: Some(store.endpoint()),
            ..Role::default()
        }),
        ..options(store, &store.new_bucket())
    };
    let https = Https::new(&of_role(ROLE), crypto()).unwrap();
    let nothing = Attributes::default();
    outcome(
        &https,
        &Request::put("k", b"x", &nothing, Checksum::Md5, Guarded::No),
    )
    .unwrap();
    assert_eq!(
        outcome(&https, &Request::get("k", 0, None)).unwrap().1,
        b"x"
    );
    let https = Https::new(&of_role("arn:aws:iam::role/None"), crypto()).unwrap();
    let lost = send(&https, &Request::head("k")).unwrap_err();
    assert!(
        matches!(&lost, Lost::Unsigned(why) if why.contains("refuses the role")),
        "{lost:?}"
    );
}

#[test]
fn a_bucket_that_is_not_there_is_not_made() {
    let Some(store) = seaweed() else { return };
    let https = Https::new(&options(store, "nowhere"), crypto()).unwrap();
    let nothing = Attributes::default();
    for request in [
        Request::put("k", b"x", &nothing, Checksum::Md5, Guarded::No),
        Request::list("", true, Start::V2(None), 1),
    ] {
        assert_eq!(outcome(&https, &request).unwrap_err().code, "NoSuchBucket");
    }
}

#[test]
fn a_bucket_without_rules_says_so() {
    let Some(bucket) = bucket() else { return };
    let problem = bucket.ask(&Request::lifecycle()).unwrap_err();
    assert_eq!(problem.code, "NoSuchLifecycleConfiguration");
}
