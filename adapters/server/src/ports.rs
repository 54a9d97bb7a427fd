//! [`PortPool`]: which passive ports are free.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::lock::lock;

/// The ports that passive data connections are expected on.
///
/// Each port of a given range is leased to one session at a time. Without a range, any port that
/// the system hands out to programs will do. The pool picks it all the same: the system would
/// search for one without connections in TIME_WAIT, which takes milliseconds after some thousand
/// transfers.
pub struct PortPool {
    ports: Ports,
    /// Sessions that found no free port and wait for one.
    waiting: AtomicUsize,
    random: RandomState,
    /// Tells one number from the next.
    drawn: AtomicU64,
}

enum Ports {
    /// The ports of the range that are free.
    Leased(Mutex<Vec<u16>>),
    /// Any of these that can be had.
    Any(RangeInclusive<u16>),
}

/// How many ports are tried where any will do, before the system shall find one.
const TRIES: usize = 32;

impl PortPool {
    /// A pool of these ports, all free.
    #[must_use]
    pub fn new(range: Option<RangeInclusive<u16>>) -> Self {
        let ports = match range {
            Some(range) => Ports::Leased(Mutex::new(range.collect())),
            None => Ports::Any(ephemeral()),
        };
        Self {
            ports,
            waiting: AtomicUsize::new(0),
            random: RandomState::new(),
            drawn: AtomicU64::new(0),
        }
    }

    /// Takes a port at random, so that the next one cannot be guessed (RFC 2577 section 8); `None`
    /// if none is free.
    pub(crate) fn take(&self) -> Option<u16> {
        match &self.ports {
            Ports::Leased(free) => {
                let mut free = lock(free);
                let at = self.draw(free.len())?;
                Some(free.swap_remove(at))
            }
            Ports::Any(range) => {
                let at = self.draw(range.len())?;
                range.clone().nth(at)
            }
        }
    }

    /// Gives a port back.
    pub(crate) fn give_back(&self, port: u16) {
        if let Ports::Leased(free) = &self.ports {
            lock(free).push(port);
        }
    }

    /// Ports to try before the answer is that none is free, or port 0 where the system may find
    /// one.
    pub(crate) fn tries(&self) -> impl Iterator<Item = u16> {
        let (count, last) = match &self.ports {
            Ports::Leased(free) => (lock(free).len(), None),
            Ports::Any(_) => (TRIES, Some(0)),
        };
        (0..count).map_while(|_| self.take()).chain(last)
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

    /// A number below the bound, if there is one. A hash with a secret key is hard enough to
    /// guess.
    fn draw(&self, bound: usize) -> Option<usize> {
        let bound = u64::try_from(bound).ok()?;
        let number = self
            .random
            .hash_one(self.drawn.fetch_add(1, Ordering::Relaxed));
        usize::try_from(number.checked_rem(bound)?).ok()
    }
}

/// The ports that the system hands out to programs.
fn ephemeral() -> RangeInclusive<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(first), Some(last)) if first <= last => first..=last,
        // Those that are set aside for it.
        _ => 49_152..=65_535,
    }
}
