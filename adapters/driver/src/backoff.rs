//! [`BackOff`]: addresses from which too many logins were refused wait, however often they connect.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Mutex;
use std::time::Duration;

use wharf_core::Instant;

use crate::lock::lock;
use crate::network::Network;

/// When an address has to wait, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// Refused logins that an address is allowed; with the next one it begins to wait.
    pub failures: u32,
    /// How long it waits then; with each further one twice as long. Zero: nobody waits.
    pub first: Duration,
    /// It never waits longer than this.
    pub most: Duration,
    /// After so long one refused login is forgotten.
    pub forgets: Duration,
}

impl Default for BackOff {
    /// Ten refused logins, then half a minute, up to a quarter of an hour. One is forgotten every
    /// five minutes, so that in the long run twelve passwords can be tried in an hour.
    fn default() -> Self {
        Self {
            failures: 10,
            first: Duration::from_secs(30),
            most: Duration::from_secs(15 * 60),
            forgets: Duration::from_secs(5 * 60),
        }
    }
}

/// Addresses that are remembered. Whoever has more of them than this could try from a new one each
/// time anyway.
const MOST: usize = 4_096;

/// Where logins to so many accounts were refused, somebody guesses: all who share the address wait,
/// whatever account they have. Below that one of them has forgotten its password.
const GUESSED: usize = 5;

/// The refused logins of every address. A login that succeeds takes nothing back: who guesses may
/// well have an account.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    records: Mutex<HashMap<Network, Record>>,
    /// Names are kept as numbers that nobody can choose.
    names: RandomState,
}

/// The refused logins of one address.
#[derive(Clone, Debug)]
struct Record {
    /// How many are not forgotten.
    count: u32,
    /// From when on the next one is forgotten in its time.
    since: Instant,
    /// Until when the address waits.
    until: Instant,
    /// The accounts that were tried, known or not; no more than it takes to be a guesser.
    accounts: Vec<u64>,
}

impl Record {
    /// Forgets what is old enough.
    fn forget(&mut self, now: Instant, after: Duration) {
        let passed = now.since(self.since).as_micros();
        let forgotten = passed.checked_div(after.as_micros()).unwrap_or(0);
        let forgotten = u32::try_from(forgotten).unwrap_or(u32::MAX).min(self.count);
        self.count -= forgotten;
        self.since = self.since + after.saturating_mul(forgotten);
        if self.count == 0 {
            self.accounts.clear();
        }
    }

    /// Whether all who share the address wait.
    fn is_guesser(&self) -> bool {
        self.accounts.len() >= GUESSED
    }
}

impl Failures {
    /// Counts a refused login to an account; says how long the address has to wait, if it has to.
    pub(crate) fn count(
        &self,
        address: Network,
        account: &[u8],
        now: Instant,
        rules: &BackOff,
    ) -> Option<Duration> {
        if rules.first.is_zero() {
            return None;
        }
        let mut records = lock(&self.records);
        if records.len() >= MOST && !records.contains_key(&address) {
            make_room(&mut records, now, rules.forgets)?;
        }
        let record = records.entry(address).or_insert(Record {
            count: 0,
            since: now,
            until: now,
            accounts: Vec::new(),
        });
        record.forget(now, rules.forgets);
        if record.count == 0 {
            record.since = now;
        }
        record.count = record.count.saturating_add(1);
        let account = self.names.hash_one(account);
        if !record.accounts.contains(&account) && !record.is_guesser() {
            record.accounts.push(account);
        }
        let doublings = record.count.checked_sub(rules.failures.saturating_add(1))?;
        let wait = rules.first.saturating_mul(1 << doublings.min(31));
        let wait = wait.min(rules.most);
        record.until = record.until.max(now + wait);
        Some(wait)
    }

    /// Whether an address has to wait, whoever connects from it.
    pub(crate) fn is_waiting(&self, address: Network, now: Instant) -> bool {
        self.waits(address, now, Record::is_guesser)
    }

    /// Whether a login to that account has to wait at an address.
    pub(crate) fn account_waits(&self, address: Network, account: &[u8], now: Instant) -> bool {
        let account = self.names.hash_one(account);
        self.waits(address, now, |record| {
            record.is_guesser() || record.accounts.contains(&account)
        })
    }

    fn waits(&self, address: Network, now: Instant, whom: impl FnOnce(&Record) -> bool) -> bool {
        let records = lock(&self.records);
        let record = records.get(&address);
        record.is_some_and(|record| now < record.until && whom(record))
    }
}

/// Forgets the address of which least is known, but none that waits: who has many addresses would
/// free it. `None` if all of them wait. To have come so far takes tens of thousands of refused
/// logins within one wait, and whoever comes new is then not counted.
fn make_room(
    records: &mut HashMap<Network, Record>,
    now: Instant,
    forgets: Duration,
) -> Option<Record> {
    let idle = records
        .iter_mut()
        .filter(|(_, record)| record.until <= now)
        .map(|(address, record)| {
            record.forget(now, forgets);
            (record.count, record.since, *address)
        });
    let (.., least) = idle.min_by_key(|(count, since, _)| (*count, *since))?;
    records.remove(&least)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;

    const RULES: BackOff = BackOff {
        failures: 3,
        first: Duration::from_secs(10),
        most: Duration::from_secs(60),
        forgets: Duration::from_secs(100),
    };

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn address(text: &str) -> Network {
        SocketAddr::new(text.parse().unwrap(), 0).into()
    }

    /// One of many.
    fn nth(number: u32) -> Network {
        SocketAddr::from((Ipv4Addr::from_bits(number), 0)).into()
    }

    /// Whether a login to the account of these failures has to wait.
    fn waiting(failures: &Failures, address: Network, now: Instant) -> bool {
        failures.account_waits(address, b"a", now)
    }

    /// Counts a failure from one address at each of these times.
    fn waits(failures: &Failures, times: &[u64]) -> Vec<Option<u64>> {
        let here = address("192.0.2.1");
        let count = |&time: &u64| failures.count(here, b"a", at(time), &RULES);
        let waits = times.iter().map(count);
        waits.map(|wait| wait.map(|wait| wait.as_secs())).collect()
    }

    #[test]
    fn the_wait_begins_after_some_failures_and_doubles_up_to_a_limit() {
        let failures = Failures::default();
        let expected = [None, None, None, Some(10), Some(20), Some(40), Some(60)];
        assert_eq!(waits(&failures, &[0; 7]), expected);
        let here = address("192.0.2.1");
        assert!(waiting(&failures, here, at(59)));
        assert!(!waiting(&failures, here, at(60)));
        assert!(!waiting(&failures, address("192.0.2.2"), at(0)));
    }

    #[test]
    fn failures_are_forgotten_one_by_one() {
        let failures = Failures::default();
        assert_eq!(
            waits(&failures, &[0, 1, 2, 99]),
            [None, None, None, Some(10)]
        );
        // At 100 the first one.
        assert_eq!(waits(&failures, &[198, 199]), [Some(10), Some(20)]);
        // Four more of five by 500.
        assert_eq!(waits(&failures, &[500, 501, 502]), [None, None, Some(10)]);
        assert_eq!(waits(&failures, &[5_000]), [None]);
    }

    #[test]
    fn who_guesses_whenever_it_may_has_some_dozen_guesses_an_hour() {
        let (failures, rules) = (Failures::default(), BackOff::default());
        let here = address("192.0.2.1");
        let guesses = (0..24 * 3_600).filter(|&second| {
            let may = !waiting(&failures, here, at(second));
            if may {
                failures.count(here, b"a", at(second), &rules);
            }
            may
        });
        let guesses = guesses.count();
        assert!((100..10 + 24 * 12 + 10).contains(&guesses), "{guesses}");
    }

    #[test]
    fn who_mistypes_now_and_then_never_waits() {
        let (failures, rules) = (Failures::default(), BackOff::default());
        for time in (0..1_000).map(|number| number * 600) {
            for _ in 0..2 {
                let here = address("192.0.2.1");
                assert_eq!(failures.count(here, b"a", at(time), &rules), None, "{time}");
            }
        }
    }

    #[test]
    fn addresses_that_one_customer_has_count_as_one() {
        let failures = Failures::default();
        for here in ["2001:db8::1", "2001:db8::2", "2001:db8::3:0:0:1"] {
            assert_eq!(failures.count(address(here), b"a", at(0), &RULES), None);
        }
        assert!(
            failures
                .count(address("2001:db8::9"), b"a", at(0), &RULES)
                .is_some()
        );
        assert!(waiting(&failures, address("2001:db8::ffff:0:0:1"), at(0)));
        assert!(!waiting(&failures, address("2001:db8:0:1::1"), at(0)));
        for here in ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"] {
            failures.count(address(here), b"a", at(0), &RULES);
        }
        assert!(waiting(&failures, address("::ffff:192.0.2.1"), at(0)));
    }

    #[test]
    fn a_full_table_forgets_the_one_of_which_it_knows_least() {
        let failures = Failures::default();
        for number in 0..4_096 {
            let times = if number == 7 { 1 } else { 2 };
            for _ in 0..times {
                failures.count(nth(number), b"a", at(1), &RULES);
            }
        }
        // The next one has failed but once too.
        failures.count(nth(4_096), b"a", at(2), &RULES);
        failures.count(nth(4_097), b"a", at(2), &RULES);
        let records = lock(&failures.records);
        assert_eq!(records.len(), MOST);
        assert!(!records.contains_key(&nth(7)) && !records.contains_key(&nth(4_096)));
    }

    #[test]
    fn a_full_table_frees_nobody_who_waits() {
        let failures = Failures::default();
        let first = nth(0);
        for _ in 0..4 {
            failures.count(first, b"a", at(0), &RULES);
        }
        for number in 1..10_000 {
            failures.count(nth(number), b"a", at(1), &RULES);
        }
        assert!(waiting(&failures, first, at(2)));
        assert_eq!(lock(&failures.records).len(), MOST);
        // The others that it knows come to wait too: then there is room for no more.
        let known: Vec<_> = lock(&failures.records).keys().copied().collect();
        for address in &known {
            for _ in 0..4 {
                failures.count(*address, b"a", at(2), &RULES);
            }
        }
        for _ in 0..10 {
            assert_eq!(failures.count(nth(10_000), b"a", at(3), &RULES), None);
        }
        assert!(known.iter().all(|one| waiting(&failures, *one, at(3))));
        // Till one of them may try again.
        for _ in 0..4 {
            failures.count(nth(10_000), b"a", at(100), &RULES);
        }
        assert!(waiting(&failures, nth(10_000), at(100)));
        assert_eq!(lock(&failures.records).len(), MOST);
    }

    #[test]
    fn where_the_first_wait_is_zero_nobody_waits() {
        let failures = Failures::default();
        let rules = BackOff {
            first: Duration::ZERO,
            ..RULES
        };
        for _ in 0..100 {
            assert_eq!(
                failures.count(address("192.0.2.1"), b"a", at(0), &rules),
                None
            );
        }
        assert!(!waiting(&failures, address("192.0.2.1"), at(0)));
    }

    #[test]
    fn a_right_password_for_another_account_passes_until_five_have_failed() {
        let failures = Failures::default();
        let here = address("192.0.2.1");
        let names = [b"a", b"b", b"c", b"d"];
        for name in names.iter().cycle().take(12) {
            failures.count(here, *name, at(0), &RULES);
        }
        assert!(!failures.is_waiting(here, at(1)), "others may come");
        for name in names {
            assert!(failures.account_waits(here, name, at(1)));
        }
        assert!(!failures.account_waits(here, b"e", at(1)));
        failures.count(here, b"f", at(1), &RULES);
        assert!(failures.is_waiting(here, at(2)), "all wait");
        assert!(failures.account_waits(here, b"e", at(2)));
        assert!(!failures.account_waits(address("192.0.2.2"), b"a", at(2)));
        // Once all is forgotten it begins anew.
        failures.count(here, b"a", at(5_000), &RULES);
        for _ in 0..4 {
            failures.count(here, b"a", at(5_001), &RULES);
        }
        assert!(failures.account_waits(here, b"a", at(5_002)));
        assert!(!failures.is_waiting(here, at(5_002)));
    }
}
