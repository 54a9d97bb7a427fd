//! [`Sessions`]: the TLS sessions of one control connection, which its data connections resume.

use std::fmt;
use std::sync::{Arc, Mutex};

use rustls::server::{ProducesTickets, StoresServerSessions};

use crate::lock::lock;

/// What one control connection may leave behind: all that it is told of, and more than that.
const MOST: usize = 64;

/// The sessions that the handshakes of one control connection have left. Nobody else can resume
/// them, so that a data connection which does belongs to that control connection.
///
/// To take one does not use it up: many clients offer one ticket for every data connection. There
/// is no early data, for which alone that would be a danger.
#[derive(Clone, Default)]
pub(super) struct Sessions(Arc<Mutex<Vec<Entry>>>);

/// A name, and the secrets that it stands for.
type Entry = (Vec<u8>, Vec<u8>);

impl Sessions {
    fn find(&self, key: &[u8]) -> Option<Vec<u8>> {
        let sessions = lock(&self.0);
        let found = sessions.iter().find(|(known, _)| known == key);
        found.map(|(_, value)| value.clone())
    }
}

impl fmt::Debug for Sessions {
    /// They are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions(..)")
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let mut sessions = lock(&self.0);
        let has_room = sessions.len() < MOST;
        if has_room {
            sessions.push((key, value));
        }
        has_room
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.find(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.find(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// The same for data connections, which add nothing: what is resumed was always begun by the
/// control connection.
#[derive(Debug)]
pub(super) struct Resumable(pub(super) Sessions);

impl StoresServerSessions for Resumable {
    fn put(&self, _: Vec<u8>, _: Vec<u8>) -> bool {
        false
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.find(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.find(key)
    }

    fn can_cache(&self) -> bool {
        false
    }
}

/// No tickets that hold the session themselves, whatever the configuration has: who shows one
/// proves nothing of which control connection it is from.
#[derive(Debug)]
pub(super) struct NoTickets;

impl ProducesTickets for NoTickets {
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
