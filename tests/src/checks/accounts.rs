//! Who is there, and how often a password may be guessed. P79, P80.

use std::time::{Duration, Instant};

use super::{Setup, Stand, Target, checks};
use crate::Client;

checks! {
    p79_takes_as_long_for_unknown_names,
    p80_slows_down_who_guesses_passwords,
}

/// Tries of each kind.
const TRIES: usize = 200;

/// A wrong password for that name: what is said, and how long it took in microseconds.
fn guess(target: &Target, name: &str) -> (String, String, f64) {
    let mut client = target.connect();
    let asked = client.command(&format!("USER {name}"), 331);
    let begun = Instant::now();
    let refused = client.command("PASS wrong", 530);
    (asked, refused, begun.elapsed().as_secs_f64() * 1e6)
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// How far two samples are from being of one kind, by the rank test of Mann and Whitney, in
/// standard deviations.
fn distance(one: &[f64], other: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = one.iter().map(|time| (*time, true)).collect();
    all.extend(other.iter().map(|time| (*time, false)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Times of nanoseconds are hardly ever the same: ties need no care.
    let ranks = (1..).zip(&all).filter(|(_, (_, is_one))| *is_one);
    let sum: f64 = ranks.map(|(rank, _)| f64::from(rank)).sum();
    let (m, n) = (one.len() as f64, other.len() as f64);
    let u = sum - m * (m + 1.0) / 2.0;
    (u - m * n / 2.0).abs() / (m * n * (m + n + 1.0) / 12.0).sqrt()
}

/// The kinds take turns, so that what the machine does besides meets both. Where they do not
/// differ, 4.5 standard deviations are reached once in 150,000 runs; and a difference that nobody
/// sees through a network, a hundredth of the time or 50 microseconds, is none. A hash that is left
/// out takes more than half of the time away.
fn p79_takes_as_long_for_unknown_names(stand: &Stand<'_>) {
    let target = stand.start(Setup {
        bare_logins: true,
        ..Setup::default()
    });
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let mut said = None;
    for number in 0..2 * TRIES {
        // First the one, then the other, then the other way round.
        let is_known = matches!(number % 4, 0 | 3);
        let name = if is_known { "user" } else { "nobody-here" };
        let (asked, refused, time) = guess(&target, name);
        let now = (asked.replace(name, "NAME"), refused.replace(name, "NAME"));
        let first = said.get_or_insert_with(|| now.clone());
        assert_eq!(*first, now, "another text");
        if is_known { &mut known } else { &mut unknown }.push(time);
    }
    let (one, other) = (median(&known), median(&unknown));
    let gap = (one - other).abs();
    let is_seen = distance(&known, &unknown) > 4.5 && gap > 50.0 && gap > one.max(other) / 100.0;
    assert!(!is_seen, "{one:.0} us if known, {other:.0} us if not");
}

fn p80_slows_down_who_guesses_passwords(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.connect();
    let (begun, mut tries) = (Instant::now(), 0);
    while tries < 14 {
        client.send("USER user");
        let Ok((331, _)) = client.try_reply() else {
            break;
        };
        client.send("PASS wrong");
        tries += 1;
        match client.try_reply() {
            Ok((530, _)) => {}
            Ok((421, _)) | Err(_) => break,
            Ok((_, text)) => panic!("{text}"),
        }
    }
    assert!(tries < 14, "14 tries in one session");
    let each = begun.elapsed() / tries;
    assert!(each > Duration::from_millis(300), "{each:?} for a try");
    is_slow_or_refused(&target);
}

/// A hundred sessions at once from one address: some are refused, or all of them wait.
fn is_slow_or_refused(target: &Target) {
    let begun = Instant::now();
    let mut clients: Vec<Client> = (0..100).map(|_| Client::silent(target.address)).collect();
    let mut refused = 0;
    for client in &mut clients {
        let begins = matches!(client.try_reply(), Ok((220, _)));
        if begins {
            client.send("USER user");
            client.send("PASS wrong");
        } else {
            refused += 1;
        }
    }
    for client in &mut clients {
        // Till it has an answer to the password.
        while let Ok((331, _)) = client.try_reply() {}
    }
    let time = begun.elapsed();
    assert!(
        refused > 0 || time > Duration::from_secs(1),
        "100 tries at once in {time:?}"
    );
}
