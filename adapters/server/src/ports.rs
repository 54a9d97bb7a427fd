//! [`PortPool`]: which passive ports are free.

use std::hash::{BuildHasher, RandomState};
use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::service::lock;

/// The ports that passive data connections are expected on. With a range, each port is leased to
/// one session at a time; without one, the system picks ports and there is nothing to lease.
pub struct PortPool {
    free: Option<Mutex<Vec<u16>>>,
    /// Sessions that found no free port and wait for one.
    waiting: AtomicUsize,
    random: RandomState,
}

impl PortPool {
    /// A pool of these ports, all free.
    #[must_use]
    pub fn new(range: Option<RangeInclusive<u16>>) -> Self {
        let free = range.map(|range| Mutex::new(range.collect()));
        Self {
            free,
            waiting: AtomicUsize::new(0),
            random: RandomState::new(),
        }
    }

    /// Takes a port at random, so that the next one cannot be guessed (RFC 2577 section 8). `None`
    /// if none is free; `Some(0)` if the system shall pick.
    pub(crate) fn take(&self) -> Option<u16> {
        let Some(free) = &self.free else {
            return Some(0);
        };
        let mut free = lock(free);
        let count = u64::try_from(free.len()).unwrap_or(u64::MAX);
        // Hashing the length and the last port with a secret key is random enough to pick by.
        let random =
            self.random
                .hash_one((count, free.last(), free.first(), std::time::Instant::now()));
        let index = usize::try_from(random.checked_rem(count)?).ok()?;
        Some(free.swap_remove(index))
    }

    /// Gives a port back.
    pub(crate) fn give_back(&self, port: u16) {
        if let Some(free) = &self.free {
            lock(free).push(port);
        }
    }

    /// How many ports are free; `None` if the system picks them.
    #[must_use]
    pub fn free(&self) -> Option<usize> {
        self.free.as_ref().map(|free| lock(free).len())
    }

    /// Whether somebody waits for a port, so that one which is not in use should be given back.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Counts one who waits for a port, or no longer does.
    pub(crate) fn wait(&self, begins: bool) {
        if begins {
            self.waiting.fetch_add(1, Ordering::Relaxed);
        } else {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
