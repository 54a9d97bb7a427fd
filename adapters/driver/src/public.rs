//! [`PublicName`]: the address that PASV announces, where it is that of a host name.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::bell::Bell;
use crate::lock::lock;
use crate::log;

/// What a client is told about where it shall connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Announced {
    /// EPSV: a port, at the address that it has connected to.
    Port,
    /// PASV: an address too.
    Public,
}

/// What is known of the public address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// That it is this one; or none, so that the local one is announced.
    Is(Option<IpAddr>),
    /// It is being looked up for the first time.
    Soon,
}

/// A host name whose address is announced to clients.
///
/// It is looked up by one thread for all, and at most once in a while, whether that comes to
/// something or not. Meanwhile the last answer stands, so that nobody waits but for the first one.
#[derive(Clone)]
pub(crate) struct PublicName {
    name: Arc<str>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answer: Option<IpAddr>,
    /// When it was last asked for.
    asked: Option<Instant>,
    /// A thread looks it up.
    running: bool,
    /// There was an answer once, or a failure.
    settled: bool,
    /// Those that wait for the first one.
    bells: Vec<Arc<Bell>>,
}

/// How long an answer, or a failure, is trusted.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// For so long the first answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

impl PublicName {
    /// Nothing is known of it yet.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            state: Arc::default(),
        }
    }

    /// What is known; what is old is asked for again.
    pub(crate) fn address(&self) -> Known {
        self.address_by(look_up)
    }

    /// Has the bell rung when what was looked up is known. For so long it is worth waiting.
    pub(crate) fn wait(&self, bell: &Arc<Bell>) -> Duration {
        let mut state = lock(&self.state);
        if state.running {
            state.bells.push(Arc::clone(bell));
        } else {
            bell.ring();
        }
        let since = state.asked.map_or(PATIENCE, |asked| asked.elapsed());
        PATIENCE.saturating_sub(since)
    }

    fn address_by(&self, look_up: fn(&str) -> io::Result<Option<IpAddr>>) -> Known {
        let mut state = lock(&self.state);
        let since = |asked: Option<Instant>| asked.map(|at| at.elapsed());
        if !state.running && since(state.asked).is_none_or(|since| since >= ASK_AGAIN) {
            state.asked = Some(Instant::now());
            state.running = true;
            let asker = self.clone();
            let started = thread::Builder::new()
                .name("ftp look-up".into())
                .spawn(move || asker.settle(look_up(&asker.name)));
            if let Err(error) = started {
                drop(state);
                self.settle(Err(error));
                state = lock(&self.state);
            }
        }
        let waits = since(state.asked).is_some_and(|since| since < PATIENCE);
        if !state.settled && state.running && waits {
            Known::Soon
        } else {
            Known::Is(state.answer)
        }
    }

    fn settle(&self, outcome: io::Result<Option<IpAddr>>) {
        let mut state = lock(&self.state);
        (state.running, state.settled) = (false, true);
        state.bells.drain(..).for_each(|bell| bell.ring());
        let error = match outcome {
            Ok(Some(address)) => {
                state.answer = Some(address);
                return;
            }
            Ok(None) => "it has no address".into(),
            Err(error) => error.to_string(),
        };
        let announced = state.answer;
        drop(state);
        match announced {
            Some(address) => log::warn!(
                name = &*self.name, error, %address,
                "the public address cannot be looked up: clients are told the last one"
            ),
            None => log::warn!(
                name = &*self.name,
                error,
                "the public address cannot be looked up: clients are told the local one"
            ),
        }
    }
}

/// Looks a name up, which may take long: an IPv4 address if it has one.
pub(crate) fn look_up(name: &str) -> io::Result<Option<IpAddr>> {
    let found = (name, 0).to_socket_addrs()?;
    let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    // PASV can announce IPv4 only, and EPSV announces no address at all.
    addresses.sort_by_key(IpAddr::is_ipv6);
    Ok(addresses.first().copied())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));

    /// What becomes known, in time.
    fn settled(name: &PublicName, look_up: fn(&str) -> io::Result<Option<IpAddr>>) -> Known {
        let begun = Instant::now();
        loop {
            match name.address_by(look_up) {
                Known::Soon => assert!(begun.elapsed() < PATIENCE, "never known"),
                known => return known,
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Makes what is known old.
    fn age(name: &PublicName) {
        let mut state = lock(&name.state);
        state.asked = state.asked.map(|at| at.checked_sub(ASK_AGAIN).unwrap());
    }

    #[test]
    fn many_ask_and_one_looks_up() {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        let look_up: fn(&str) -> _ = |_| {
            ASKED.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(50));
            Ok(Some(ADDRESS))
        };
        let name = PublicName::new("ftp.example");
        for _ in 0..100 {
            assert_eq!(name.address_by(look_up), Known::Soon);
        }
        assert_eq!(settled(&name, look_up), Known::Is(Some(ADDRESS)));
        assert_eq!(ASKED.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn an_old_answer_stands_while_it_is_asked_for_again() {
        let name = PublicName::new("ftp.example");
        settled(&name, |_| Ok(Some(ADDRESS)));
        age(&name);
        let slow: fn(&str) -> _ = |_| {
            thread::sleep(Duration::from_millis(200));
            Err(io::ErrorKind::TimedOut.into())
        };
        assert_eq!(name.address_by(slow), Known::Is(Some(ADDRESS)));
        assert!(lock(&name.state).running);
        while lock(&name.state).running {
            assert_eq!(name.address_by(slow), Known::Is(Some(ADDRESS)));
        }
        assert_eq!(name.address_by(slow), Known::Is(Some(ADDRESS)));
    }

    #[test]
    fn a_failure_is_remembered() {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        let look_up: fn(&str) -> _ = |_| {
            ASKED.fetch_add(1, Ordering::Relaxed);
            Err(io::ErrorKind::TimedOut.into())
        };
        let name = PublicName::new("ftp.example");
        assert_eq!(settled(&name, look_up), Known::Is(None));
        for _ in 0..100 {
            assert_eq!(name.address_by(look_up), Known::Is(None));
        }
        assert_eq!(ASKED.load(Ordering::Relaxed), 1);
        // Behind the next look-up nobody waits either.
        age(&name);
        assert_eq!(name.address_by(|_| Ok(Some(ADDRESS))), Known::Is(None));
        assert_eq!(settled(&name, look_up), Known::Is(None));
        while lock(&name.state).running {}
        assert_eq!(name.address_by(look_up), Known::Is(Some(ADDRESS)));
    }
}
