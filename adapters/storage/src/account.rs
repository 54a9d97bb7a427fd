//! [`Accounts`]: who may log in, and what they then see.

use std::net::SocketAddr;
use std::sync::Arc;

use bstr::BStr;
use wharf_core::{Denied, Grant};

use crate::seats::Seats;
use crate::storage::Storage;

/// What a client says of itself.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The argument of USER.
    pub username: &'a BStr,
    /// The argument of PASS. It is wiped once the login is answered; do not keep a copy.
    pub password: &'a [u8],
    /// The address of the client.
    pub peer: SocketAddr,
}

/// An account that has logged in.
#[derive(Clone)]
pub struct Account {
    /// What it may do.
    pub grant: Grant,
    /// What it sees.
    pub storage: Arc<dyn Storage>,
    /// How many sessions it may have at once; `None`: any number.
    pub seats: Option<Seats>,
}

/// Checks logins.
pub trait Accounts: Send + Sync {
    /// Checks a name and a password. It may take long (a password hash is meant to), takes as
    /// long for a name that does not exist, and is called off the session's own thread.
    ///
    /// # Errors
    /// [`Denied`].
    fn login(&self, credentials: &Credentials<'_>) -> Result<Account, Denied>;

    /// The same for logins that need no work, such as anonymous ones; `None` if this one does.
    fn login_now(&self, credentials: &Credentials<'_>) -> Option<Result<Account, Denied>> {
        let _ = credentials;
        None
    }
}
