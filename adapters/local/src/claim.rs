//! [`Claim`]: the name under which an upload will stand, which no other one takes for free.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use crate::metadata::Identity;
use crate::mutex::lock;

/// A name in a directory, by its identity.
type Name = (Identity, Vec<u8>);

/// How many uploads to each name are under way in this process.
static CLAIMED: Mutex<BTreeMap<Name, usize>> = Mutex::new(BTreeMap::new());

/// The name of an upload that is under way, until this is dropped.
pub(crate) struct Claim(Name);

impl Claim {
    /// A name that others may claim too: of several uploads to one name the later commit wins.
    pub(crate) fn shared(directory: Identity, name: &[u8]) -> Self {
        let name = (directory, name.to_owned());
        *claimed().entry(name.clone()).or_insert(0) += 1;
        Self(name)
    }

    /// A name that nobody else has claimed.
    pub(crate) fn first(directory: Identity, name: &[u8]) -> Option<Self> {
        let name = (directory, name.to_owned());
        let mut claimed = claimed();
        if claimed.contains_key(&name) {
            return None;
        }
        claimed.insert(name.clone(), 1);
        Some(Self(name))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = claimed();
        if let Some(count) = claimed.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                claimed.remove(&self.0);
            }
        }
    }
}

fn claimed() -> MutexGuard<'static, BTreeMap<Name, usize>> {
    lock(&CLAIMED)
}
