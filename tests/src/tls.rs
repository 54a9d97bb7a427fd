//! [`Tls`]: how a client speaks TLS, and what it trusts.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use crate::certificates::{AUTHORITY, Pair};

/// The settings of a client, and the sessions that it can resume: connections of the same `Tls`
/// share them, as those of one client do.
#[derive(Clone)]
pub struct Tls {
    name: ServerName<'static>,
    versions: Vec<&'static SupportedProtocolVersion>,
    config: Arc<ClientConfig>,
}

impl Default for Tls {
    /// Both versions, no ALPN, resumption, and the name `localhost`.
    fn default() -> Self {
        let name = ServerName::try_from("localhost").expect("a name");
        Self::with(name, vec![&TLS12, &TLS13], None)
    }
}

impl Tls {
    fn with(
        name: ServerName<'static>,
        versions: Vec<&'static SupportedProtocolVersion>,
        identity: Option<&Pair>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(AUTHORITY.der()).expect("a certificate");
        let builder = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_protocol_versions(&versions)
            .expect("versions")
            .with_root_certificates(roots);
        let config = match identity {
            Some(pair) => builder
                .with_client_auth_cert(pair.chain(), pair.key())
                .expect("a certificate"),
            None => builder.with_no_client_auth(),
        };
        Self {
            name,
            versions,
            config: config.into(),
        }
    }

    /// TLS 1.2 only.
    #[must_use]
    pub fn v12() -> Self {
        Self::with(Self::default().name, vec![&TLS12], None)
    }

    /// TLS 1.3 only.
    #[must_use]
    pub fn v13() -> Self {
        Self::with(Self::default().name, vec![&TLS13], None)
    }

    /// Shows this certificate when it is asked for one. To be said before ALPN and resumption.
    #[must_use]
    pub fn identity(self, pair: &Pair) -> Self {
        Self::with(self.name, self.versions, Some(pair))
    }

    /// Expects, and asks for, a host of this name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = ServerName::try_from(name.to_owned()).expect("a name");
        self
    }

    /// Offers these protocols.
    #[must_use]
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        let protocols = protocols.iter().map(|name| name.as_bytes().to_vec());
        Arc::make_mut(&mut self.config).alpn_protocols = protocols.collect();
        self
    }

    /// Keeps no sessions: every handshake is a full one.
    #[must_use]
    pub fn forgetful(mut self) -> Self {
        Arc::make_mut(&mut self.config).resumption = Resumption::disabled();
        self
    }

    /// With the same settings, and none of the sessions.
    #[must_use]
    pub fn afresh(mut self) -> Self {
        Arc::make_mut(&mut self.config).resumption = Resumption::in_memory_sessions(16);
        self
    }

    /// The same for another client in Rust.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// A connection whose ClientHello is ready to be sent.
    pub(crate) fn begin(&self) -> ClientConnection {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone()).expect("a connection")
    }

    /// The bytes of a ClientHello.
    #[must_use]
    pub fn hello(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.begin().write_tls(&mut bytes).expect("memory");
        bytes
    }
}
