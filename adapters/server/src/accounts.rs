//! [`FileAccounts`]: the accounts of a configuration file.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wharf_core::Denied;
use wharf_storage::{
    Account, Accounts, Begun, Credentials, Executors, Group, Introduction, OnCancel, run,
};
use zeroize::Zeroizing;

use crate::admission::Admission;
use crate::certificate::{Fingerprint, NamedBy};
use crate::password::HashedPassword;

/// Names that mean nobody in particular.
const ANONYMOUS: [&[u8]; 2] = [b"anonymous", b"ftp"];

/// Whether a name means nobody in particular: `anonymous` or `ftp`, in upper or lower case.
#[must_use]
pub fn is_anonymous(name: &[u8]) -> bool {
    ANONYMOUS.iter().any(|each| name.eq_ignore_ascii_case(each))
}

/// Somebody who logs in with a password.
pub struct User {
    /// The argument of USER.
    pub name: String,
    /// The password.
    pub password: HashedPassword,
    /// What they then see.
    pub admission: Arc<Admission>,
    /// SHA-256 fingerprints of certificates that stand for the password.
    pub certificates: Vec<Fingerprint>,
}

/// Anonymous clients, who are let in at once with any password, and users with passwords.
///
/// An unknown name costs as much time as a known one.
pub struct FileAccounts {
    anonymous: Option<Arc<Admission>>,
    users: Vec<Arc<User>>,
    named_by: NamedBy,
    by_name: HashMap<Vec<u8>, usize>,
    /// Picks whom an unknown name is taken for.
    secret: Vec<u8>,
    hashed: Arc<AtomicU64>,
}

impl FileAccounts {
    /// The accounts that there are. Of two users with one name the latter counts.
    #[must_use]
    pub fn new(anonymous: Option<Admission>, users: Vec<User>) -> Self {
        let by_name = users
            .iter()
            .enumerate()
            .map(|(index, user)| (user.name.clone().into_bytes(), index))
            .collect();
        let secret = users.first().map(|user| user.password.text());
        Self {
            secret: secret.unwrap_or_default().into_bytes(),
            anonymous: anonymous.map(Arc::new),
            users: users.into_iter().map(Arc::new).collect(),
            named_by: NamedBy::default(),
            by_name,
            hashed: Arc::default(),
        }
    }

    /// Has certificates that name a user stand for the password.
    #[must_use]
    pub fn named_by(mut self, named_by: NamedBy) -> Self {
        self.named_by = named_by;
        self
    }

    /// How many passwords were hashed so far.
    #[must_use]
    pub fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }

    fn user(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.by_name.get(name).map(|&index| &self.users[index])
    }

    /// The account that says whether that name may be told in clear. An unknown name is treated as
    /// some known one is.
    fn model(&self, name: &[u8]) -> Option<&Arc<Admission>> {
        match self.nobody(name) {
            Some(admission) => Some(admission),
            _ => {
                let user = self.user(name).or_else(|| self.decoy(name));
                user.map(|user| &user.admission)
            }
        }
    }

    /// What anonymous clients see, if that is a name of theirs and they are let in.
    fn nobody(&self, name: &[u8]) -> Option<&Arc<Admission>> {
        self.anonymous.as_ref().filter(|_| is_anonymous(name))
    }

    /// Some user whose password an unknown name is compared with. Users differ in what their hashes
    /// cost and in what they demand, so it is always the same one for the same name, also after a
    /// restart: otherwise the names for which nothing changes were the known ones. What picks it is
    /// as secret as the hash of a password.
    fn decoy(&self, name: &[u8]) -> Option<&Arc<User>> {
        let mut hasher = DefaultHasher::new();
        hasher.write(&self.secret);
        hasher.write(name);
        self.users.get(place(hasher.finish(), self.users.len()))
    }
}

/// Picks one of so many places by a number. If one is added, few numbers get another place (Lamping
/// and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm").
fn place(mut number: u64, count: usize) -> usize {
    let (mut place, mut next) = (0, 0);
    while next < count {
        place = next;
        number = number
            .wrapping_mul(2_862_933_555_777_941_757)
            .wrapping_add(1);
        let divisor = (number >> 33) + 1;
        let jump = ((place as u128 + 1) << 31) / u128::from(divisor);
        next = usize::try_from(jump).unwrap_or(usize::MAX);
    }
    place
}

impl Accounts for FileAccounts {
    fn identify(
        &self,
        introduction: &Introduction<'_>,
        executors: &Executors,
    ) -> Begun<Option<Account>, Denied> {
        let name: &[u8] = introduction.username;
        if !introduction.protected && self.model(name).is_some_and(|model| model.demands_tls) {
            return Begun::Done(Err(Denied::Unprotected));
        }
        let (Some(certificate), Some(user)) = (introduction.certificate, self.user(name)) else {
            return Begun::Done(Ok(None));
        };
        let proved = user.certificates.contains(&Fingerprint::of(certificate))
            || self.named_by.names(certificate, &user.name);
        if !proved {
            return Begun::Done(Ok(None));
        }
        user.admission
            .enter(&*executors.storage)
            .then(|account| Begun::Done(account.map(Some)))
    }

    fn login(
        &self,
        credentials: &Credentials<'_>,
        executors: &Executors,
    ) -> Begun<Account, Denied> {
        let name: &[u8] = credentials.username;
        if !credentials.protected && self.model(name).is_some_and(|model| model.demands_tls) {
            return Begun::Done(Err(Denied::Unprotected));
        }
        if let Some(admission) = self.nobody(name) {
            return admission.enter(&*executors.storage);
        }
        let known = self.user(name).cloned();
        let Some(compared) = known.as_ref().or_else(|| self.decoy(name)) else {
            // Where nobody has a password there is nothing to hide.
            return Begun::Done(Err(Denied::Credentials));
        };
        let (compared, hashed) = (Arc::clone(compared), Arc::clone(&self.hashed));
        let password = Zeroizing::new(credentials.password.to_vec());
        let checked = run(
            &*executors.logins,
            Group::default(),
            OnCancel::Leave,
            move |wanted| {
                wanted.check()?;
                hashed.fetch_add(1, Ordering::Relaxed);
                compared.password.verify(&password).map_err(|error| {
                    tracing::error!(%error, "no password can be checked");
                    Denied::Unavailable
                })
            },
        );
        let storage = Arc::clone(&executors.storage);
        Begun::Pending(checked).then(move |right| match (right, known) {
            (Ok(true), Some(user)) => user.admission.enter(&*storage),
            (Ok(_), _) => Begun::Done(Err(Denied::Credentials)),
            (Err(denied), _) => Begun::Done(Err(denied)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_user_changes_what_few_unknown_names_are_compared_with() {
        let mixed = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for count in [1, 2, 7, 100] {
            let mut picked = vec![0_usize; count];
            let mut moved = 0;
            for number in (0..10_000).map(mixed) {
                let (before, after) = (place(number, count), place(number, count + 1));
                picked[before] += 1;
                moved += usize::from(before != after);
                assert!(before == after || after == count);
            }
            let (even, share) = (10_000 / count, 10_000 / (count + 1));
            assert!(
                picked.iter().all(|times| times.abs_diff(even) <= even / 2),
                "{picked:?}"
            );
            assert!(moved.abs_diff(share) <= share / 2, "{count}: {moved}");
        }
    }
}
