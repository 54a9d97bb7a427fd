//! Nothing secret is ever told.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes as Of, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use wharf_s3::https::{Credentials, HttpsOptions, Key, Role, Secret};
use wharf_s3::wire::{Attributes, Checksum, Guarded, Request};

use crate::fake::{Fake, Reply, ok, status};
use crate::keys::{given, imds, with_imds};
use crate::{https, options, send};

thread_local! {
    /// What was said on the thread of the test, on which all of a request runs.
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

fn note(line: &dyn fmt::Display) {
    SAID.with_borrow_mut(|said| writeln!(said, "{line}").unwrap());
}

/// Keeps what is logged by us.
struct Ours;

impl Visit for Ours {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        note(&format!("ours: {}={value:?}", field.name()));
    }
}

impl Subscriber for Ours {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Of<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut Ours);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Keeps what is logged by libraries.
struct Theirs;

impl log::Log for Theirs {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        note(&format!("theirs: {} {}", record.target(), record.args()));
    }
    fn flush(&self) {}
}

/// Sends some requests, and notes all that is told of them and of who sends them.
fn play(options: &HttpsOptions) {
    let https = match https(options) {
        Ok(https) => https,
        Err(mistake) => return note(&format!("{mistake} {mistake:?}")),
    };
    note(&format!("{options:?} {https:?}"));
    let nothing = Attributes::default();
    for request in [
        Request::head("k"),
        Request::get("k", 0, None),
        Request::put("k", b"abc", &nothing, Checksum::Md5, Guarded::No),
    ] {
        match send(&https, &request) {
            Ok(mut answer) => {
                note(&format!("{answer:?}"));
                let read = std::io::copy(&mut answer.body, &mut std::io::sink());
                note(&format!("{read:?}"));
            }
            Err(lost) => note(&format!("{lost} {lost:?}")),
        }
    }
}

#[test]
fn neither_logs_nor_errors_have_secrets() {
    log::set_logger(&Theirs).unwrap();
    // Below that level HTTP libraries write every byte of a head.
    log::set_max_level(log::LevelFilter::Debug);
    let region = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>there-2</Region></Error>";
    let stores = [
        Fake::new(|_, _| ok("body")),
        Fake::new(move |_, _| status(400, region)),
        Fake::new(|_, _| status(400, "<Error><Code>ExpiredToken</Code></Error>")),
        Fake::new(|_, _| Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1".into())),
        Fake::new(|_, _| Reply::End),
    ];
    let office = Fake::new(|_, _| status(403, "no"));
    let broken = Fake::new(|_, _| ok(&given(7, 3600).replace("Expiration", "Expires")));
    tracing::subscriber::with_default(Arc::new(Ours), || {
        for store in &stores {
            let token = Some("hidden-token".into());
            let own = HttpsOptions {
                credentials: Credentials::Static(Key {
                    id: "AKIAOPEN".into(),
                    secret: "hidden-secret".into(),
                    token,
                }),
                ..options(store)
            };
            play(&own);
            play(&with_imds(store, &imds(|_| 3600)));
            play(&HttpsOptions {
                role: Some(Role {
                    arn: "arn:open".into(),
                    endpoint: Some(office.url()),
                    ..Role::default()
                }),
                ..own.clone()
            });
            play(&HttpsOptions {
                proxy: Some("http://hidden-user:hidden-password@127.0.0.1:1".into()),
                ..own.clone()
            });
            play(&HttpsOptions {
                proxy: Some("ftp://hidden-user:hidden-password@127.0.0.1:1".into()),
                ..own.clone()
            });
            play(&HttpsOptions {
                endpoint: Some("http://hidden-user:hidden-password@store".into()),
                ..own.clone()
            });
            play(&HttpsOptions {
                credentials: Credentials::Environment,
                environment: Some(
                    [
                        ("AWS_ACCESS_KEY_ID", "AKIAOPEN"),
                        ("AWS_SECRET_ACCESS_KEY", "hidden-of-environment"),
                    ]
                    .map(|(name, value)| (name.to_owned(), Secret::from(value)))
                    .into(),
                ),
                ..own.clone()
            });
            play(&HttpsOptions {
                credentials: Credentials::Container,
                environment: Some(
                    [
                        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", broken.url().as_str()),
                        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hidden-of-container"),
                    ]
                    .map(|(name, value)| (name.to_owned(), Secret::from(value)))
                    .into(),
                ),
                ..own
            });
        }
    });
    let said = SAID.take();
    // All ears were open.
    for word in [
        "ours: message",
        "theirs: ureq",
        "theirs: reqsign",
        "there-2",
        "AKIAOPEN",
        "no",
    ] {
        assert!(said.contains(word), "{word}");
    }
    let signatures = stores.iter().flat_map(Fake::seen);
    let signatures = signatures.map(|request| request.signature("Signature").to_owned());
    let hidden = ["hidden", "secret-of-", "token-of-"].map(str::to_owned);
    for word in hidden.into_iter().chain(signatures) {
        let line = said.lines().find(|line| line.contains(&word));
        assert_eq!(line, None, "{word}");
    }
}
