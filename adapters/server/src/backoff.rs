//! [`BackOff`]: addresses from which too many logins were refused wait, however often they connect.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::Duration;

use wharf_core::Instant;

use crate::lock::lock;

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

/// The refused logins of every address. A login that succeeds takes nothing back: who guesses may
/// well have an account.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<HashMap<IpAddr, Record>>);

/// The refused logins of one address.
#[derive(Clone, Copy, Debug)]
struct Record {
    /// How many are not forgotten.
    count: u32,
    /// From when on the next one is forgotten in its time.
    since: Instant,
    /// Until when the address waits.
    until: Instant,
}

impl Record {
    /// Forgets what is old enough.
    fn forget(&mut self, now: Instant, after: Duration) {
        let passed = now.since(self.since).as_micros();
        let forgotten = passed.checked_div(after.as_micros()).unwrap_or(0);
        let forgotten = u32::try_from(forgotten).unwrap_or(u32::MAX).min(self.count);
        self.count -= forgotten;
        self.since = self.since + after.saturating_mul(forgotten);
    }
}

impl Failures {
    /// Counts a refused login; says how long the address has to wait, if it has to.
    pub(crate) fn count(&self, address: IpAddr, now: Instant, rules: &BackOff) -> Option<Duration> {
        if rules.first.is_zero() {
            return None;
        }
        let address = network(address);
        let mut records = lock(&self.0);
        if records.len() >= MOST && !records.contains_key(&address) {
            let oldest = records.iter().min_by_key(|(_, record)| record.since);
            let oldest = oldest.map(|(address, _)| *address);
            oldest.and_then(|oldest| records.remove(&oldest));
        }
        let record = records.entry(address).or_insert(Record {
            count: 0,
            since: now,
            until: now,
        });
        record.forget(now, rules.forgets);
        if record.count == 0 {
            record.since = now;
        }
        record.count = record.count.saturating_add(1);
        let doublings = record.count.checked_sub(rules.failures.saturating_add(1))?;
        let wait = rules.first.saturating_mul(1 << doublings.min(31));
        let wait = wait.min(rules.most);
        record.until = record.until.max(now + wait);
        Some(wait)
    }

    /// Whether an address has to wait.
    pub(crate) fn is_waiting(&self, address: IpAddr, now: Instant) -> bool {
        let records = lock(&self.0);
        let record = records.get(&network(address));
        record.is_some_and(|record| now < record.until)
    }
}

/// What counts as one address: of IPv6 what one customer has, a /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (!0 << 64)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]
mod tests {
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

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Counts a failure from one address at each of these times.
    fn waits(failures: &Failures, times: &[u64]) -> Vec<Option<u64>> {
        let here = address("192.0.2.1");
        let count = |&time: &u64| failures.count(here, at(time), &RULES);
        let waits = times.iter().map(count);
        waits.map(|wait| wait.map(|wait| wait.as_secs())).collect()
    }

    #[test]
    fn the_wait_begins_after_some_failures_and_doubles_up_to_a_limit() {
        let failures = Failures::default();
        let expected = [None, None, None, Some(10), Some(20), Some(40), Some(60)];
        assert_eq!(waits(&failures, &[0; 7]), expected);
        let here = address("192.0.2.1");
        assert!(failures.is_waiting(here, at(59)));
        assert!(!failures.is_waiting(here, at(60)));
        assert!(!failures.is_waiting(address("192.0.2.2"), at(0)));
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
            let may = !failures.is_waiting(here, at(second));
            if may {
                failures.count(here, at(second), &rules);
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
                assert_eq!(failures.count(here, at(time), &rules), None, "{time}");
            }
        }
    }

    #[test]
    fn addresses_that_one_customer_has_count_as_one() {
        let failures = Failures::default();
        for here in ["2001:db8::1", "2001:db8::2", "2001:db8::3:0:0:1"] {
            assert_eq!(failures.count(address(here), at(0), &RULES), None);
        }
        assert!(
            failures
                .count(address("2001:db8::9"), at(0), &RULES)
                .is_some()
        );
        assert!(failures.is_waiting(address("2001:db8::ffff:0:0:1"), at(0)));
        assert!(!failures.is_waiting(address("2001:db8:0:1::1"), at(0)));
        for here in ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"] {
            failures.count(address(here), at(0), &RULES);
        }
        assert!(failures.is_waiting(address("::ffff:192.0.2.1"), at(0)));
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_oldest() {
        let failures = Failures::default();
        let nth = |number: u32| IpAddr::from(number.to_be_bytes());
        let first = nth(0);
        for _ in 0..4 {
            failures.count(first, at(0), &RULES);
        }
        for number in 1..4_096 {
            failures.count(nth(number), at(1), &RULES);
        }
        assert!(failures.is_waiting(first, at(2)));
        failures.count(nth(4_096), at(2), &RULES);
        assert!(!failures.is_waiting(first, at(2)));
        assert_eq!(lock(&failures.0).len(), MOST);
    }

    #[test]
    fn where_the_first_wait_is_zero_nobody_waits() {
        let failures = Failures::default();
        let rules = BackOff {
            first: Duration::ZERO,
            ..RULES
        };
        for _ in 0..100 {
            assert_eq!(failures.count(address("192.0.2.1"), at(0), &rules), None);
        }
        assert!(!failures.is_waiting(address("192.0.2.1"), at(0)));
    }
}
