//! [`Https`] against servers in the test: what it sends, and what it makes of answers.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on shall fail"
)]

mod answers;
mod fake;
mod keys;
mod regions;
mod secrets;
mod sending;
mod tls;

#[path = "../network/mod.rs"]
mod network;

use std::time::Duration;

use wharf_s3::Provider;
use wharf_s3::https::{Credentials, Deadlines, Https, HttpsOptions, Key, Mistake};

use fake::Fake;
use network::{Order, crypto, send, text};

fn key() -> Key {
    Key {
        id: "AKIATEST".into(),
        secret: "the-secret-of-the-key".into(),
        token: None,
    }
}

/// For a store in the test, which does not hang for long.
fn options(store: &Fake) -> HttpsOptions {
    HttpsOptions {
        endpoint: Some(store.url()),
        region: Some("here-1".into()),
        deadlines: Deadlines {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(2),
            idle: Duration::from_secs(2),
        },
        ..HttpsOptions::new(Provider::Other, "bucket", Credentials::Static(key()))
    }
}

fn https(options: &HttpsOptions) -> Result<Https, Mistake> {
    Https::new(options, crypto())
}
