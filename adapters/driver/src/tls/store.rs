//! [`Login`]: the TLS sessions of one control connection, which its data connections resume.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use rustls::crypto::SecureRandom;
use rustls::server::{ProducesTickets, StoresServerSessions};

use crate::lock::lock;

/// What the control connection and its data connections may each leave behind. The oldest goes.
const MOST: usize = 16;
/// For how long a client may offer a ticket, in seconds: as long as it likes, since its control
/// connection is gone before.
const LIFETIME: u32 = 7 * 24 * 60 * 60;

/// A name, and the secrets that it stands for.
type Entry = (Vec<u8>, Vec<u8>);

/// The sessions that one control connection has begun. Nobody else can resume them, so that a data
/// connection which does belongs to that control connection.
///
/// A ticket is a name and no more: what it stands for is here. To use one does not use it up, since
/// many clients offer the same one for every data connection. There is no early data, for which
/// alone that would be a danger.
#[derive(Clone, Default)]
pub(super) struct Login(Arc<Mutex<Sessions>>);

#[derive(Default)]
struct Sessions {
    control: VecDeque<Entry>,
    data: VecDeque<Entry>,
}

impl Login {
    fn find(&self, name: &[u8]) -> Option<Vec<u8>> {
        let sessions = lock(&self.0);
        let mut all = sessions.control.iter().chain(&sessions.data);
        all.find(|(known, _)| known == name)
            .map(|(_, secrets)| secrets.clone())
    }

    fn keep(&self, entries: impl IntoIterator<Item = Entry>, of_data: bool) {
        let mut sessions = lock(&self.0);
        let sessions = &mut *sessions;
        let kept = if of_data {
            &mut sessions.data
        } else {
            &mut sessions.control
        };
        kept.extend(entries);
        let surplus = kept.len().saturating_sub(MOST);
        kept.drain(..surplus);
    }
}

/// What one connection makes of the sessions of its login.
#[derive(Clone)]
pub(super) struct Store {
    login: Login,
    /// What this connection has left, if it is a data connection: till it is known that it belongs
    /// to the login, nobody can resume that.
    staged: Option<Arc<Mutex<Vec<Entry>>>>,
    random: &'static dyn SecureRandom,
}

impl Store {
    /// For a control connection.
    pub(super) fn control(random: &'static dyn SecureRandom) -> Self {
        Self {
            login: Login::default(),
            staged: None,
            random,
        }
    }

    /// For a data connection of the same login.
    pub(super) fn data(&self) -> Self {
        Self {
            staged: Some(Arc::default()),
            ..self.clone()
        }
    }

    /// The data connection has resumed a session of its login, to which it therefore belongs.
    pub(super) fn approve(&self) {
        if let Some(staged) = &self.staged {
            self.login.keep(std::mem::take(&mut *lock(staged)), true);
        }
    }
}

impl fmt::Debug for Store {
    /// They are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store(..)")
    }
}

/// TLS 1.3, and TLS 1.2 with clients that know tickets (RFC 5077).
impl ProducesTickets for Store {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME
    }

    fn encrypt(&self, secrets: &[u8]) -> Option<Vec<u8>> {
        let mut name = vec![0; 32];
        self.random.fill(&mut name).ok()?;
        let entry = (name.clone(), secrets.to_vec());
        match &self.staged {
            Some(staged) => lock(staged).push(entry),
            None => self.login.keep([entry], false),
        }
        Some(name)
    }

    fn decrypt(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.login.find(name)
    }
}

/// TLS 1.2 with clients that know session ids alone.
impl StoresServerSessions for Store {
    fn put(&self, name: Vec<u8>, secrets: Vec<u8>) -> bool {
        let is_control = self.staged.is_none();
        if is_control {
            self.login.keep([(name, secrets)], false);
        }
        is_control
    }

    fn get(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.login.find(name)
    }

    fn take(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.login.find(name)
    }

    fn can_cache(&self) -> bool {
        self.staged.is_none()
    }
}

/// There is nothing to resume.
#[derive(Debug)]
pub(super) struct Nothing;

impl ProducesTickets for Nothing {
    fn enabled(&self) -> bool {
        false
    }

    fn lifetime(&self) -> u32 {
        0
    }

    fn encrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn decrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}
