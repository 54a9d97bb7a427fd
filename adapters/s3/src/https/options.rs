//! [`HttpsOptions`]: what is told about a store, and [`Mistake`]: what is wrong with it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{Credentials, Role, Secret};
use crate::{Provider, Style};

/// How long it is waited for a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For a connection, with its handshake.
    pub connect: Duration,
    /// For the head of an answer, from when the request was sent.
    pub answer: Duration,
    /// For the next bytes of a body, in either direction. A body that goes on moving may take as long as it
    /// takes. The head of an answer is also limited by it.
    pub idle: Duration,
}

impl Default for Deadlines {
    /// Five seconds for a connection, and thirty for all else.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            idle: Duration::from_secs(30),
        }
    }
}

/// What is told about a store and the bucket in it. Begin with [`HttpsOptions::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsOptions {
    /// The bucket.
    pub bucket: String,
    /// Who runs the store.
    pub provider: Provider,
    /// Its URL, without a path: `https://store.example:9000`. It may be left out where the provider and the
    /// region tell it.
    pub endpoint: Option<String>,
    /// The region that requests are signed for; `us-east-1` if it is not said, which stores take that have
    /// none.
    pub region: Option<String>,
    /// How requests name the bucket; as is usual at the provider if it is not said.
    pub style: Option<Style>,
    /// Whether `http:` may leave the machine. To the machine itself it may in any case.
    pub clear_text: bool,
    /// A file of certificates in PEM: only who is certified by one of them is trusted. Without it those are
    /// trusted whom the system trusts.
    pub ca: Option<PathBuf>,
    /// The URL of a proxy, `http://user:password@host:port`, for the store and for token services on the
    /// network. No variable of the environment is looked at.
    pub proxy: Option<Secret>,
    /// Where the keys come from.
    pub credentials: Credentials,
    /// A role to be taken on with them.
    pub role: Option<Role>,
    /// The variables that [`Credentials`] are read from; those of the process if they are not given.
    pub environment: Option<BTreeMap<String, Secret>>,
    /// Whether we pay for requests to a bucket of somebody else.
    pub requester_pays: bool,
    /// How long it is waited.
    pub deadlines: Deadlines,
}

impl HttpsOptions {
    /// Begins with a bucket of a provider and the credentials for it; nothing else is said yet.
    #[must_use]
    pub fn new(provider: Provider, bucket: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            bucket: bucket.into(),
            provider,
            endpoint: None,
            region: None,
            style: None,
            clear_text: false,
            ca: None,
            proxy: None,
            credentials,
            role: None,
            environment: None,
            requester_pays: false,
            deadlines: Deadlines::default(),
        }
    }
}

/// Which of the [`HttpsOptions`] is wrong, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mistake {
    /// [`HttpsOptions::bucket`].
    Bucket(String),
    /// [`HttpsOptions::endpoint`].
    Endpoint(String),
    /// [`HttpsOptions::region`].
    Region(String),
    /// [`HttpsOptions::style`].
    Style(String),
    /// [`HttpsOptions::ca`], or the certificates of the system.
    Ca(String),
    /// [`HttpsOptions::proxy`].
    Proxy(String),
    /// [`HttpsOptions::role`].
    Role(String),
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bucket(why) => write!(f, "the bucket: {why}"),
            Self::Endpoint(why) => write!(f, "the endpoint: {why}"),
            Self::Region(why) => write!(f, "the region: {why}"),
            Self::Style(why) => write!(f, "the style: {why}"),
            Self::Ca(why) => write!(f, "the certificates: {why}"),
            Self::Proxy(why) => write!(f, "the proxy: {why}"),
            Self::Role(why) => write!(f, "the role: {why}"),
        }
    }
}

impl std::error::Error for Mistake {}
