//! [`Tls`]: FTPS (RFC 4217) with rustls.
//!
//! This is the only room that knows rustls. A [`Tls`] is made of any [`ServerConfig`], for which
//! [`Identity`] reads certificates and keys; sessions then use it for the control connection and
//! its data connections. Which cryptography there is, is the choice of who makes the
//! configuration.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use rustls::ServerConfig;
//! use rustls::crypto::CryptoProvider;
//! use wharf_driver::tls::{Identities, Identity, Tls, TlsOptions};
//!
//! # fn tls(provider: Arc<CryptoProvider>) -> Result<Tls, Box<dyn std::error::Error>> {
//! let identity = Identity::read("fullchain.pem".as_ref(), "privkey.pem".as_ref(), &provider)?;
//! let config = ServerConfig::builder_with_provider(provider)
//!     .with_safe_default_protocol_versions()?
//!     .with_no_client_auth()
//!     .with_cert_resolver(Arc::new(Identities::new(identity, [])));
//! let tls = Tls::new(config, TlsOptions::default());
//! # Ok(tls)
//! # }
//! ```

mod channel;
#[cfg(test)]
mod channel_tests;
mod identity;
mod store;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use rustls::pki_types::CertificateDer;
use rustls::server::NoServerSessionStorage;
use rustls::{ServerConfig, ServerConnection};

use crate::lock::lock;

pub(crate) use channel::Channel;
pub use identity::{Identities, Identity, IdentityError};
pub use rustls;
use store::{Nothing, Store};

/// What a control connection negotiates (the registry of RFC 7301 has it), if anything.
const CONTROL: &[&[u8]] = &[b"ftp"];
/// What data connections negotiate: some clients say the same as on the control connection.
const DATA: &[&[u8]] = &[b"ftp-data", b"ftp"];

/// TLS 1.3 tickets on the control connection, for clients that use each once: more cannot be sent
/// after the handshake. Some clients end a connection that begins with more than sixteen.
const TICKETS: usize = 12;

/// Whether data connections resume the TLS session of their control connection. That saves work,
/// and proves that they belong to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reuse {
    /// They never do.
    Off,
    /// They do if the client offers it.
    #[default]
    IfOffered,
    /// They must: others are refused with 522.
    Required,
}

/// What TLS shall be like for FTP, beyond its [`ServerConfig`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Whether data connections resume the session of their control connection.
    pub reuse: Reuse,
}

/// TLS for the connections of a server. What it is made of can be replaced while it runs.
pub struct Tls {
    config: Mutex<Arc<ServerConfig>>,
    options: TlsOptions,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// TLS with this configuration, whose session storage, tickets and application protocols are
    /// set here.
    #[must_use]
    pub fn new(config: ServerConfig, options: TlsOptions) -> Self {
        Self {
            config: Mutex::new(Arc::new(config)),
            options,
        }
    }

    /// Has later sessions use this configuration; those that there are keep theirs.
    pub fn replace(&self, config: ServerConfig) {
        *lock(&self.config) = Arc::new(config);
    }

    /// Begins TLS on a control connection, from which these bytes were already read.
    pub(crate) fn begin(&self, left: &[u8]) -> io::Result<(Channel, Keys)> {
        let base = Arc::clone(&lock(&self.config));
        let mut control = ServerConfig::clone(&base);
        control.alpn_protocols = CONTROL.iter().map(|name| name.to_vec()).collect();
        control.max_early_data_size = 0;
        control.max_tls13_tickets = 0;
        let mut data = control.clone();
        data.alpn_protocols = DATA.iter().map(|name| name.to_vec()).collect();
        let store = (self.options.reuse != Reuse::Off)
            .then(|| Store::control(base.crypto_provider().secure_random));
        offer(&mut control, store.as_ref(), TICKETS);
        let keys = Keys {
            config: data,
            store,
            offered: None,
            options: self.options,
            client: None,
        };
        let channel = Channel::new(Arc::new(control), left).map_err(io::Error::other)?;
        Ok((channel, keys))
    }
}

/// Has a connection resume sessions of that store, and give so many tickets.
fn offer(config: &mut ServerConfig, store: Option<&Store>, tickets: usize) {
    match store {
        Some(store) => {
            config.send_tls13_tickets = tickets;
            config.ticketer = Arc::new(store.clone());
            config.session_storage = Arc::new(store.clone());
        }
        None => {
            config.send_tls13_tickets = 0;
            config.ticketer = Arc::new(Nothing);
            config.session_storage = Arc::new(NoServerSessionStorage {});
        }
    }
}

/// What the data connections of one control connection need for their handshakes.
pub(crate) struct Keys {
    config: ServerConfig,
    /// The sessions of the control connection, if they can be resumed.
    store: Option<Store>,
    /// What the data connection that was begun last makes of them.
    offered: Option<Store>,
    options: TlsOptions,
    /// The certificate that the client has shown on the control connection.
    client: Option<CertificateDer<'static>>,
}

impl Keys {
    /// The same for the client of that control connection, which has shaken hands.
    pub(crate) fn of(mut self, control: &Channel) -> Self {
        self.client = certificate(control.tls()).map(|client| client.clone().into_owned());
        self
    }

    /// The certificate of the client.
    pub(crate) fn client(&self) -> Option<&[u8]> {
        self.client.as_ref().map(AsRef::as_ref)
    }

    /// Begins TLS on a data connection. Under TLS 1.3 it is given no ticket: a client that did not
    /// read that would end its upload with a reset, and some do not know what to make of it.
    pub(crate) fn channel(&mut self) -> io::Result<Channel> {
        let mut config = self.config.clone();
        self.offered = self.store.as_ref().map(Store::data);
        offer(&mut config, self.offered.as_ref(), 0);
        Channel::new(Arc::new(config), &[]).map_err(io::Error::other)
    }

    /// Whether a data connection, which has shaken hands, is resumed as far as it must be.
    pub(crate) fn is_resumed(&self, data: &Channel) -> bool {
        self.options.reuse != Reuse::Required || data.is_resumed()
    }

    /// Whether a data connection, which has shaken hands, could have resumed and did not.
    pub(crate) fn is_anew(&self, data: &Channel) -> bool {
        self.options.reuse == Reuse::IfOffered && !data.is_resumed()
    }

    /// Lets the next ones resume what the data connection that was begun last has left, if it has
    /// shown by resuming a session itself that it belongs to this login.
    pub(crate) fn approve(&self, data: &Channel) {
        if let Some(offered) = self.offered.as_ref().filter(|_| data.is_resumed()) {
            offered.approve();
        }
    }

    /// Whether a data connection, which has shaken hands, is of the same client.
    pub(crate) fn is_same_client(&self, data: &Channel) -> bool {
        certificate(data.tls()) == self.client.as_ref()
    }
}

fn certificate(tls: &ServerConnection) -> Option<&CertificateDer<'static>> {
    tls.peer_certificates()?.first()
}
