//! [`Everybody`] and [`Nobody`]: accounts for servers that need none.

use std::sync::Arc;

use wharf_core::{Denied, Rights};

use crate::account::{Account, Accounts, Credentials, Executors};
use crate::operation::Begun;
use crate::storage::Storage;

/// Lets everybody in to one storage, whatever the name and the password.
#[derive(Clone, Debug)]
pub struct Everybody(Account);

impl Everybody {
    /// Returns accounts that all see this storage, with these rights.
    #[must_use]
    pub fn new(storage: impl Storage + 'static, rights: Rights) -> Self {
        Self(Account::new(Arc::new(storage), rights))
    }
}

impl Accounts for Everybody {
    fn login(&self, _: &Credentials<'_>, _: &Executors) -> Begun<Account, Denied> {
        Begun::Done(Ok(self.0.clone()))
    }
}

/// Lets nobody in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Accounts for Nobody {
    fn login(&self, _: &Credentials<'_>, _: &Executors) -> Begun<Account, Denied> {
        Begun::Done(Err(Denied::Credentials))
    }
}
