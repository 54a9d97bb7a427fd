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

    /// Makes a new bucket, with rclone, and returns its name.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn new_bucket(&self) -> String {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("bucket-{}-{number}", process::id());
        let endpoint = &self.endpoint;
        let remote = format!(
            ":s3,provider=Other,access_key_id={KEY_ID},secret_access_key={SECRET},endpoint=\"{endpoint}\":{name}"
        );
        let made = Command::new("rclone")
            .args(["--config", "/dev/null", "mkdir", &remote])
            // It must not go by what is set for other stores.
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .output()
            .expect("rclone");
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{name}: {said}");
        name
    }
}
