//! Who gets a place, and who gives way.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

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
