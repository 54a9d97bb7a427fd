//! [`Decoys`]: whose password an unknown name is compared with.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher as _};

use crate::accounts::User;

/// Which user an unknown name is taken for.
///
/// Users differ in what their hashes cost and in what they demand, so the names are spread over these kinds as users
/// are. Were they all compared with the dearest kind, each name that is answered sooner would be a known one. It is
/// always the same kind for the same name, also after a restart and, for nearly all names, when users come and go:
/// otherwise the names for which nothing changes were the known ones. What picks it is as secret as the hash of a
/// password.
#[derive(Default)]
pub(crate) struct Decoys {
    secret: String,
    kinds: Vec<Kind>,
}

/// Users for whom a login looks and costs the same.
struct Kind {
    name: String,
    users: u32,
    /// The place of one of them.
    first: usize,
}

impl Decoys {
    /// Spreads names over these users.
    pub(crate) fn new(users: &[User]) -> Self {
        let mut kinds = BTreeMap::new();
        for (place, user) in users.iter().enumerate() {
            let demand = if user.admission.demands_tls {
                "TLS"
            } else {
                ""
            };
            let name = format!("{demand}{}", user.password.price());
            kinds.entry(name).or_insert((0, place)).0 += 1;
        }
        let kinds = kinds
            .into_iter()
            .map(|(name, (users, first))| Kind { name, users, first });
        // The order of users does not count, so that one who comes first changes no more than one who comes last.
        let secret = users.iter().map(|user| user.password.to_string()).min();
        Self {
            secret: secret.unwrap_or_default(),
            kinds: kinds.collect(),
        }
    }

    /// Returns the place of the user that such a name is taken for, if there is any.
    pub(crate) fn pick(&self, name: &[u8]) -> Option<usize> {
        let score = |kind: &Kind| weigh(self.draw(name, &kind.name), kind.users);
        let best = self
            .kinds
            .iter()
            .max_by(|one, other| score(one).total_cmp(&score(other)))?;
        Some(best.first)
    }

    fn draw(&self, name: &[u8], kind: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        for part in [self.secret.as_bytes(), kind.as_bytes(), name] {
            hasher.write(part);
            hasher.write_u8(0xff);
        }
        hasher.finish()
    }
}

/// Returns the score of a kind that drew this number. The best one wins with the chance that its share of users is,
/// and if it grows, it only wins more (weighted rendezvous hashing).
fn weigh(drawn: u64, users: u32) -> f64 {
    // Of 52 bits, so that it lies between 0 and 1 and is neither.
    let between = ((drawn >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
    -f64::from(users) / between.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoys(users: &[(&str, u32)]) -> Decoys {
        let kinds = users.iter().enumerate().map(|(first, (name, users))| Kind {
            name: (*name).to_owned(),
            users: *users,
            first,
        });
        Decoys {
            secret: "secret".to_owned(),
            kinds: kinds.collect(),
        }
    }

    fn picked(decoys: &Decoys) -> Vec<Option<usize>> {
        let names = (0..10_000).map(|number| format!("name{number}"));
        names.map(|name| decoys.pick(name.as_bytes())).collect()
    }

    #[test]
    fn names_are_spread_over_kinds_as_users_are() {
        for counts in [
            &[("a", 1)][..],
            &[("a", 1), ("b", 1)],
            &[("a", 9), ("b", 90), ("c", 1)],
        ] {
            let picked = picked(&decoys(counts));
            let all: u32 = counts.iter().map(|(_, users)| users).sum();
            for (place, (_, users)) in counts.iter().enumerate() {
                let names = picked.iter().filter(|one| **one == Some(place)).count();
                let share = 10_000 * *users as usize / all as usize;
                assert!(
                    names.abs_diff(share) <= 20 + share / 5,
                    "{counts:?}: {names}"
                );
            }
        }
        assert_eq!(decoys(&[]).pick(b"name"), None);
    }

    #[test]
    fn a_user_more_takes_few_names_and_only_for_its_own_kind() {
        for (before, after) in [
            (&[("a", 9), ("b", 90)][..], &[("a", 10), ("b", 90)][..]),
            (&[("a", 50), ("b", 50)], &[("a", 50), ("b", 51)]),
            (&[("a", 50), ("b", 49)], &[("a", 50), ("b", 49), ("c", 1)]),
        ] {
            let grown = (0..after.len()).find(|&at| before.get(at) != after.get(at));
            let (before, after) = (picked(&decoys(before)), picked(&decoys(after)));
            let moved: Vec<_> = before.iter().zip(&after).filter(|(a, b)| a != b).collect();
            assert!(moved.iter().all(|(_, to)| **to == grown), "{grown:?}");
            assert!(moved.len() < 250, "{}", moved.len());
        }
    }
}
