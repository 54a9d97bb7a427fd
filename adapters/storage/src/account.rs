//! [`Accounts`]: who may log in, and what they then see.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bstr::BStr;
use wharf_core::{Denied, Grant, Rights};

use crate::executor::Executor;
use crate::operation::Begun;
use crate::seats::Seats;
use crate::storage::Storage;

/// What is known of a client that has told its name.
#[derive(Clone, Copy, Debug)]
pub struct Introduction<'a> {
    /// The argument of USER.
    pub username: &'a BStr,
    /// The address of the client.
    pub peer: SocketAddr,
    /// The control connection is protected by TLS.
    pub protected: bool,
    /// The certificate that the client has shown, in DER. Somebody whom the server believes
    /// vouches for it.
    pub certificate: Option<&'a [u8]>,
}

/// What a client says of itself.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The argument of USER.
    pub username: &'a BStr,
    /// The argument of PASS. It is wiped once the login is answered; so must be any copy.
    pub password: &'a [u8],
    /// The address of the client.
    pub peer: SocketAddr,
    /// The control connection is protected by TLS.
    pub protected: bool,
}

impl fmt::Debug for Credentials<'_> {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("peer", &self.peer)
            .field("protected", &self.protected)
            .finish_non_exhaustive()
    }
}

/// An account that has logged in.
#[derive(Clone)]
#[non_exhaustive]
pub struct Account {
    /// What it may do.
    pub grant: Grant,
    /// What it sees.
    pub storage: Arc<dyn Storage>,
    /// Nobody logs in to it in clear text.
    pub demands_tls: bool,
    /// How many sessions it may have at once; `None`: any number.
    pub seats: Option<Seats>,
}

impl Account {
    /// Returns an account that sees this storage with these rights, may log in in clear text, and as often as
    /// it likes.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, rights: Rights) -> Self {
        Self {
            grant: Grant::new(rights, storage.capabilities()),
            storage,
            demands_tls: false,
            seats: None,
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("grant", &self.grant)
            .field("demands_tls", &self.demands_tls)
            .field("seats", &self.seats)
            .finish_non_exhaustive()
    }
}

/// Where the calls of one session run that may block.
#[derive(Clone)]
pub struct Executors {
    /// Those to the storage, and whatever else looks at files.
    pub storage: Arc<dyn Executor>,
    /// Passwords, which are hashed by few threads so that a flood of logins takes neither all memory nor
    /// all processors.
    pub logins: Arc<dyn Executor>,
}

impl fmt::Debug for Executors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executors").finish_non_exhaustive()
    }
}

/// Checks logins.
pub trait Accounts: Send + Sync {
    /// Tells, where TLS is offered, what to do with a name before a password is asked for: nothing
    /// but to ask for it, or to let a client in whose certificate proves who it is. It must not
    /// tell whether there is such a name, also not by the time that it takes, but to a client with a
    /// certificate. Fails with [`Denied::Unprotected`] if the name is to be told under TLS only.
    fn identify(
        &self,
        introduction: &Introduction<'_>,
        executors: &Executors,
    ) -> Begun<Option<Account>, Denied> {
        let _ = (introduction, executors);
        Begun::Done(Ok(None))
    }

    /// Checks a name and a password. It may take long (a password hash is meant to), and takes as
    /// long for a name that does not exist.
    fn login(&self, credentials: &Credentials<'_>, executors: &Executors)
    -> Begun<Account, Denied>;
}
