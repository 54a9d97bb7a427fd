//! [`Named`]: a store that somebody else has started.

use std::env;
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{KEY_ID, SECRET};

/// The store that `WHARF_STORE` names, by its provider and its URL: `ceph http://127.0.0.1:7480`. It takes
/// [`KEY_ID`].
#[derive(Clone, Debug)]
pub struct Named {
    /// The word for its provider in a configuration.
    pub provider: String,
    /// Where it speaks S3.
    pub endpoint: String,
}

impl Named {
    /// Returns it, if the variable is set.
    ///
    /// # Panics
    /// If it is not set to two words.
    #[must_use]
    pub fn by_environment() -> Option<Self> {
        let words = env::var("WHARF_STORE").ok()?;
        let (provider, endpoint) = words.split_once(' ').expect("a provider and a URL");
        Some(Self {
            provider: provider.to_owned(),
            endpoint: endpoint.to_owned(),
        })
    }

    /// Makes a new bucket, with curl, and returns its name.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn new_bucket(&self) -> String {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("bucket-{}-{number}", process::id());
        let made = Command::new("curl")
            .args(["-sS", "--fail-with-body", "-X", "PUT"])
            .args(["--aws-sigv4", "aws:amz:us-east-1:s3"])
            .args(["--user", &format!("{KEY_ID}:{SECRET}")])
            .arg(format!("{}/{name}", self.endpoint))
            .output()
            .expect("curl");
        let said = String::from_utf8_lossy(&made.stdout);
        assert!(made.status.success(), "{name}: {said}");
        name
    }
}
