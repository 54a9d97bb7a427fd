//! [`Places`]: who is connected, and who gives way where there are too many.

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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]
mod tests {
    use std::io::Read as _;
    use std::net::{SocketAddr, TcpListener};

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn network(last: u8) -> Option<Network> {
        Some(SocketAddr::from(([192, 0, 2, last], 1)).into())
    }

    /// Twenty places, of which two are kept.
    fn places() -> Places {
        Places::new(20, 15)
    }

    /// So many clients of a network.
    fn fill(places: &Places, last: u8, count: usize) -> Vec<Place> {
        let take = |_| places.take(network(last), at(0)).unwrap();
        (0..count).map(take).collect()
    }

    #[test]
    fn a_flood_from_one_network_keeps_no_other_out() {
        let places = Places::new(20, 20);
        let mut flood = fill(&places, 1, 18);
        for turn in 0..100 {
            assert!(places.take(network(1), at(turn)).is_none(), "{turn}");
            assert!(!places.gave_way(&flood[0]));
            let other = places.take(network(2), at(turn)).unwrap();
            places.welcome(&other);
            places.leave(&other);
            // Who gave way is gone, and comes again.
            assert!(places.gave_way(&flood[0]) && !places.gave_way(&flood[1]));
            places.leave(&flood.remove(0));
            flood.push(places.take(network(1), at(turn)).unwrap());
        }
        assert_eq!(places.taken(), 18);
    }

    #[test]
    fn those_who_are_logged_in_may_have_all_places() {
        let places = places();
        let mut all = Vec::new();
        for number in 0..20 {
            let place = places.take(network(number), at(0)).unwrap();
            places.welcome(&place);
            all.push(place);
        }
        assert!(places.take(network(99), at(9)).is_none());
        places.leave(&all[0]);
        assert!(places.take(network(99), at(9)).is_some());
    }

    #[test]
    fn who_is_logged_in_never_gives_way() {
        let places = places();
        let mut users = fill(&places, 1, 15);
        for user in &mut users {
            places.welcome(user);
        }
        let strangers = fill(&places, 2, 3);
        let _third = places.take(network(3), at(0)).unwrap();
        assert!(places.take(network(2), at(0)).is_none());
        places.leave(&strangers[0]);
        assert_eq!(places.taken(), 18);
        drop(users);
    }

    #[test]
    fn who_is_alone_has_some_time_to_log_in() {
        let places = places();
        for last in 0..18 {
            places.take(network(last), at(10)).unwrap();
        }
        assert!(places.take(network(99), at(11)).is_none());
        assert!(places.take(network(99), at(12)).is_some());
    }

    #[test]
    fn a_network_that_does_not_count_is_bounded_by_the_whole_alone() {
        let places = places();
        let all: Vec<_> = (0..18).map(|_| places.take(None, at(0)).unwrap()).collect();
        assert!(places.take(network(1), at(99)).is_none(), "none gives way");
        for place in &all {
            places.leave(place);
        }
        assert_eq!(places.taken(), 0);
        assert_eq!(lock(&places.taken).strangers, 0);
    }

    #[test]
    fn who_is_yet_to_be_known_has_a_place_of_no_network() {
        let places = Places::new(20, 2);
        let mut waiting: Vec<Place> = (0..20).map(|_| places.take_unknown().unwrap()).collect();
        assert!(places.take_unknown().is_none() && places.take(network(9), at(0)).is_none());
        // Two may come from one network, and the third keeps its old place until it is gone.
        let claim = |place| places.claim(place, network(1), at(0));
        let claimed = waiting[..3].iter_mut().map(claim);
        assert_eq!(claimed.collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(places.taken(), 20);
        waiting.iter().for_each(|place| places.leave(place));
        let taken = lock(&places.taken);
        assert_eq!((taken.total, taken.strangers), (0, 0));
        assert!(taken.by_network.is_empty() && taken.by_age.is_empty());
    }

    #[test]
    fn a_flood_through_a_balancer_keeps_no_other_out() {
        let places = Places::new(20, 20);
        let mut flood: Vec<Place> = Vec::new();
        let come = |last| {
            let mut place = places.take_unknown().unwrap();
            let is_claimed = places.claim(&mut place, network(last), at(0));
            (place, is_claimed)
        };
        for _ in 0..30 {
            let (place, is_claimed) = come(1);
            match is_claimed {
                true => flood.push(place),
                false => places.leave(&place),
            }
        }
        assert_eq!((flood.len(), places.taken()), (18, 18));
        let (other, is_claimed) = come(2);
        assert!(is_claimed && places.gave_way(&flood[0]) && !places.gave_way(&other));
    }

    #[test]
    fn what_is_counted_returns_to_nothing() {
        let places = Places::new(20, 20);
        let mut all = fill(&places, 1, 18);
        all.push(places.take(network(2), at(0)).unwrap());
        for (turn, place) in all.iter_mut().enumerate() {
            if turn % 2 == 0 {
                places.welcome(place);
            }
        }
        all.iter().for_each(|place| places.leave(place));
        let taken = lock(&places.taken);
        assert_eq!((taken.total, taken.strangers), (0, 0));
        assert!(taken.by_network.is_empty() && taken.by_age.is_empty());
    }

    #[test]
    fn who_gives_way_is_gone_and_is_told_so_unless_that_would_be_clear_text() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        for is_protected in [false, true] {
            let places = Places::new(20, 20);
            let strangers = fill(&places, 1, 18);
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let control = Arc::new(listener.accept().unwrap().0);
            places.hold(&strangers[0], &control);
            if is_protected {
                places.protect(&strangers[0]);
            }
            places.take(network(2), at(0)).unwrap();
            // The server's end is still held.
            client.set_read_timeout(Some(GRACE)).unwrap();
            let mut told = Vec::new();
            client.read_to_end(&mut told).unwrap();
            let expected = if is_protected {
                &[]
            } else {
                TOO_MANY_CONNECTIONS
            };
            assert_eq!(told, expected);
            drop(control);
        }
    }

    #[test]
    fn a_network_has_room_made_while_it_would_have_no_more_than_the_other() {
        for (own, others) in (0..6).flat_map(|own| (2..8).map(move |others| (own, others))) {
            let places = Places::new(20, 20);
            let mut strangers = fill(&places, 1, own);
            strangers.extend(fill(&places, 2, others));
            // Those who are logged in have the rest.
            while places.taken() < 18 {
                let place = places.take(network(3), at(0)).unwrap();
                places.welcome(&place);
            }
            let has_room = places.take(network(1), at(0)).is_some();
            assert_eq!(has_room, own < others - 1, "{own} {others}");
        }
    }

    #[test]
    fn the_log_is_told_once_a_minute_that_somebody_gives_way() {
        let places = Places::new(20, 20);
        let mut flood = fill(&places, 1, 18);
        let warned = [10, 11, 69, 70, 71].map(|now| {
            let other = places.take(network(2), at(now)).unwrap();
            places.welcome(&other);
            places.leave(&other);
            places.leave(&flood.remove(0));
            flood.push(places.take(network(1), at(now)).unwrap());
            lock(&places.taken).warned
        });
        assert_eq!(warned, [10, 10, 10, 70, 70].map(|then| Some(at(then))));
    }

    #[test]
    fn few_places_are_for_everybody() {
        assert_eq!([1, 4, 5, 19, 20, 512].map(kept), [0, 0, 1, 1, 2, 51]);
    }
}
