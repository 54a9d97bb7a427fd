//! [`FileAccounts`]: the accounts of a configuration file.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wharf_core::Denied;
use wharf_storage::{
    Account, Accounts, Begun, Credentials, Executors, Group, Introduction, OnCancel, run,
};
use zeroize::Zeroizing;

use crate::admission::Admission;
use crate::certificate::{Fingerprint, NamedBy};
use crate::decoy::Decoys;
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
    decoys: Decoys,
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
        Self {
            decoys: Decoys::new(&users),
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
                let user = self.compared(name);
                user.map(|user| &user.admission)
            }
        }
    }

    /// What anonymous clients see, if that is a name of theirs and they are let in.
    fn nobody(&self, name: &[u8]) -> Option<&Arc<Admission>> {
        self.anonymous.as_ref().filter(|_| is_anonymous(name))
    }

    /// The user of that name, or whom an unknown name is taken for. Both are looked for in any case, for the same
    /// time.
    fn compared(&self, name: &[u8]) -> Option<&Arc<User>> {
        let decoy = self.decoys.pick(name);
        self.user(name).or_else(|| self.users.get(decoy?))
    }
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
        let Some(compared) = self.compared(name) else {
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
