//! [`Places`]: who is connected, and who gives way where there are too many.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wharf_core::{Instant, TOO_MANY_CONNECTIONS};

use crate::lock::lock;
use crate::log;
use crate::network::Network;

/// The places that there are for sessions.
///
/// A tenth of them is kept for those who are logged in, so that who only connects cannot have them
/// all. Once the others are taken, a client still gets in if another network would have more sessions
/// that are not logged in than its own, even without the oldest of them: that one gives way. So a
/// flood from few networks keeps nobody else from logging in.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    most_of_network: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_network: HashMap<Network, usize>,
    /// Sessions that are not logged in, those that never give way among them.
    strangers: usize,
    /// The others of them, the oldest of each network first.
    by_age: HashMap<Network, BTreeMap<u64, Stranger>>,
    /// The last number.
    last: u64,
    /// When the log was last told that somebody has to give way.
    warned: Option<Instant>,
}

/// A session that is not logged in.
#[derive(Debug)]
struct Stranger {
    since: Instant,
    control: Option<Arc<TcpStream>>,
    /// It can be told something in clear.
    in_clear: bool,
}

/// One of the places.
#[derive(Debug)]
pub(crate) struct Place {
    /// `None` where its network does not count.
    network: Option<Network>,
    number: u64,
    /// It is not logged in, and was not before.
    is_stranger: AtomicBool,
}

impl Place {
    fn is_stranger(&self) -> bool {
        self.is_stranger.load(Ordering::Relaxed)
    }
}

/// A session that is alone of its network has so long to log in before it gives way.
const GRACE: Duration = Duration::from_secs(2);
/// How often the log tells that somebody has to give way.
const WARN_AGAIN: Duration = Duration::from_secs(60);

impl Places {
    /// So many in all, and of one network.
    pub(crate) fn new(most: usize, most_of_network: usize) -> Self {
        Self {
            most,
            most_of_network,
            taken: Mutex::default(),
        }
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        lock(&self.taken).total
    }

    /// A place for a client that has just connected, if there is one. `None` for a network that does
    /// not count.
    pub(crate) fn take(&self, network: Option<Network>, now: Instant) -> Option<Place> {
        self.take_of(&mut lock(&self.taken), network, now)
    }

    /// A place for somebody whom nobody knows yet, if there is any. It gives way to nobody, since it is soon
    /// [claimed](Places::claim).
    pub(crate) fn take_unknown(&self) -> Option<Place> {
        let mut taken = lock(&self.taken);
        if taken.total >= self.most {
            return None;
        }
        taken.total += 1;
        Some(Place {
            network: None,
            number: taken.number(),
            is_stranger: AtomicBool::new(false),
        })
    }

    /// Changes the place of somebody who is known now for one of that network: whether there is one.
    pub(crate) fn claim(&self, place: &mut Place, network: Option<Network>, now: Instant) -> bool {
        let mut taken = lock(&self.taken);
        taken.total -= 1;
        match self.take_of(&mut taken, network, now) {
            Some(claimed) => {
                *place = claimed;
                true
            }
            // It keeps what it has until it is gone.
            None => {
                taken.total += 1;
                false
            }
        }
    }

    fn take_of(&self, taken: &mut Taken, network: Option<Network>, now: Instant) -> Option<Place> {
        let of_network = |network: &Network| taken.by_network.get(network).copied().unwrap_or(0);
        let here = network.as_ref().map_or(0, of_network);
        if taken.total >= self.most || network.is_some() && here >= self.most_of_network {
            return None;
        }
        let kept = kept(self.most);
        let is_crowd = taken.strangers >= kept && taken.total >= self.most - kept;
        if is_crowd && !taken.make_room(network, now) {
            return None;
        }
        taken.total += 1;
        taken.strangers += 1;
        let number = taken.number();
        if let Some(network) = network {
            *taken.by_network.entry(network).or_default() += 1;
            let stranger = Stranger {
                since: now,
                control: None,
                in_clear: true,
            };
            let of_network = taken.by_age.entry(network).or_default();
            of_network.insert(number, stranger);
        }
        Some(Place {
            network,
            number,
            is_stranger: AtomicBool::new(true),
        })
    }

    /// The control connection of a session, by which it can be made to give way.
    pub(crate) fn hold(&self, place: &Place, control: &Arc<TcpStream>) {
        if let Some(stranger) = lock(&self.taken).stranger(place) {
            stranger.control = Some(Arc::clone(control));
        }
    }

    /// The control connection has become a TLS connection.
    pub(crate) fn protect(&self, place: &Place) {
        if let Some(stranger) = lock(&self.taken).stranger(place) {
            stranger.in_clear = false;
        }
    }

    /// Whether the session had to give way.
    pub(crate) fn gave_way(&self, place: &Place) -> bool {
        place.is_stranger()
            && place.network.is_some()
            && lock(&self.taken).stranger(place).is_none()
    }

    /// The session is logged in: from now on it gives way to nobody.
    pub(crate) fn welcome(&self, place: &Place) {
        if place.is_stranger() && place.is_stranger.swap(false, Ordering::Relaxed) {
            lock(&self.taken).forget(place);
        }
    }

    /// The session is over.
    pub(crate) fn leave(&self, place: &Place) {
        let mut taken = lock(&self.taken);
        taken.total -= 1;
        if place.is_stranger() {
            taken.forget(place);
        }
        if let Some(network) = &place.network
            && let Some(here) = taken.by_network.get_mut(network)
        {
            *here -= 1;
            if *here == 0 {
                taken.by_network.remove(network);
            }
        }
    }
}

impl Taken {
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn stranger(&mut self, place: &Place) -> Option<&mut Stranger> {
        let of_network = self.by_age.get_mut(&place.network?)?;
        of_network.get_mut(&place.number)
    }

    /// A session is no stranger any more.
    fn forget(&mut self, place: &Place) {
        // One that gave way is none since then.
        let gave_way =
            place.network.is_some() && self.remove(place.network, place.number).is_none();
        self.strangers -= usize::from(!gave_way);
    }

    fn remove(&mut self, network: Option<Network>, number: u64) -> Option<Stranger> {
        let network = network?;
        let of_network = self.by_age.get_mut(&network)?;
        let stranger = of_network.remove(&number);
        if of_network.is_empty() {
            self.by_age.remove(&network);
        }
        stranger
    }

    /// Ends the oldest of those sessions whose network has most of them, for one of that network:
    /// whether there is one that has to give way to it.
    fn make_room(&mut self, network: Option<Network>, now: Instant) -> bool {
        let own = network.and_then(|network| self.by_age.get(&network));
        let own = own.map_or(0, BTreeMap::len);
        let oldest = self.by_age.iter().filter_map(|(network, strangers)| {
            let (number, stranger) = strangers.first_key_value()?;
            Some((strangers.len(), stranger.since, *network, *number))
        });
        let most = oldest.max_by_key(|(count, since, ..)| (*count, std::cmp::Reverse(*since)));
        let Some((count, since, network, number)) = most else {
            return false;
        };
        let is_late = own == 0 && now.since(since) >= GRACE;
        // Networks that have as many each do not push each other out.
        if count < own + 2 && !is_late {
            return false;
        }
        if let Some(stranger) = self.remove(Some(network), number) {
            self.strangers -= 1;
            stranger.give_way();
        }
        if self.warned.is_none_or(|at| now.since(at) >= WARN_AGAIN) {
            self.warned = Some(now);
            let address = network.address();
            log::warn!(
                %address, count,
                "nearly all `sessions` are taken: the oldest that are not logged in give way"
            );
        }
        true
    }
}

impl Stranger {
    /// Ends the session, which is told why as far as its socket takes it at once.
    fn give_way(&self) {
        let Some(control) = &self.control else {
            return;
        };
        if self.in_clear {
            let _ = (&**control).write(TOO_MANY_CONNECTIONS);
        }
        let _ = control.shutdown(Shutdown::Both);
    }
}

/// How many of so many places are for those who are logged in.
fn kept(most: usize) -> usize {
    (most / 10).max(usize::from(most > 4))
}
