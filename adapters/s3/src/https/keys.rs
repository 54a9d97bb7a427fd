//! [`Keys`]: the keys of this moment, and new ones before they expire.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use futures_lite::future::block_on;
use reqsign_aws_v4::Credential;
use reqsign_core::time::Timestamp;
use reqsign_core::{Context, SigningCredential as _};

use super::source::Source;

/// How long keys must still be good for a request to be signed with them.
const HEADROOM: Duration = Duration::from_secs(15);

/// How long before they expire new ones are fetched.
const AHEAD: Duration = Duration::from_secs(120);

/// How soon it is tried again to fetch new ones, as long as the old ones are good.
const PAUSE: Duration = Duration::from_secs(10);

/// The keys of this moment. However many ask for them, one of them fetches them.
pub(super) struct Keys {
    source: Source,
    context: Context,
    held: Mutex<Held>,
    /// Held by whoever fetches new ones.
    fetching: Mutex<()>,
}

#[derive(Default)]
struct Held {
    credential: Option<Credential>,
    /// How often new ones were fetched, or would have been.
    fetched: u64,
    last: Option<Instant>,
    /// Why that failed the last time.
    failure: Option<String>,
}

impl Held {
    fn usable(&self) -> Option<&Credential> {
        let credential = self.credential.as_ref()?;
        credential
            .is_valid_at(Timestamp::now() + HEADROOM)
            .then_some(credential)
    }

    fn fresh(&self) -> Option<&Credential> {
        let credential = self.usable()?;
        let was_just_tried = self.last.is_some_and(|last| last.elapsed() < PAUSE);
        (was_just_tried || credential.is_valid_at(Timestamp::now() + AHEAD)).then_some(credential)
    }

    fn outcome(&self) -> Result<Credential, String> {
        let usable = self.usable().cloned();
        usable.ok_or_else(|| {
            self.failure
                .clone()
                .unwrap_or_else(|| "they have expired".into())
        })
    }
}

impl Keys {
    pub(super) fn new(source: Source, context: Context) -> Self {
        Self {
            source,
            context,
            held: Mutex::default(),
            fetching: Mutex::default(),
        }
    }

    /// Returns those of this moment.
    ///
    /// # Errors
    /// Why there are none.
    pub(super) fn get(&self) -> Result<Credential, String> {
        let held = lock(&self.held);
        if let Some(credential) = held.fresh() {
            return Ok(credential.clone());
        }
        let (old, fetched) = (held.usable().cloned(), held.fetched);
        drop(held);
        let _fetching = match (self.fetching.try_lock(), old) {
            (Ok(fetching), _) => fetching,
            (Err(TryLockError::WouldBlock), Some(old)) => return Ok(old),
            (Err(_), _) => lock(&self.fetching),
        };
        self.fetch_unless_others_have(fetched)
    }

    /// Returns other ones than those that a store calls expired; `None` if there are none.
    pub(super) fn other_than(&self, used: &Credential) -> Option<Credential> {
        let is_other = |other: &Credential| {
            other.access_key_id != used.access_key_id
                || other.secret_access_key != used.secret_access_key
                || other.session_token != used.session_token
        };
        let held = lock(&self.held);
        if let Some(other) = held.usable().filter(|held| is_other(held)) {
            return Some(other.clone());
        }
        let fetched = held.fetched;
        drop(held);
        let _fetching = lock(&self.fetching);
        let fetched = self.fetch_unless_others_have(fetched);
        fetched.ok().filter(is_other)
    }

    /// Fetches new ones, unless that was done since it was counted so often. The caller holds the lock.
    fn fetch_unless_others_have(&self, fetched: u64) -> Result<Credential, String> {
        let held = lock(&self.held);
        if held.fetched != fetched {
            return held.outcome();
        }
        drop(held);
        let found = block_on(self.source.find(&self.context));
        let mut held = lock(&self.held);
        held.fetched += 1;
        held.last = Some(Instant::now());
        held.failure = match found {
            Ok(credential) => {
                held.credential = Some(credential);
                None
            }
            Err(why) => Some(why),
        };
        if let (Some(why), Some(_)) = (&held.failure, held.usable()) {
            tracing::warn!("the credentials expire soon, and there are no new ones: {why}");
        }
        held.outcome()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
