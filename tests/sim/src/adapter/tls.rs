//! The server's [`Tls`], and how a client speaks it: [`Dialect`].
//!
//! Keys and nonces are drawn from the system, so that no two runs have the same bytes on the wire. Their
//! number is the same: the certificate's key is of Ed25519, whose signatures all have one length, and
//! there is one group to agree on.

use std::sync::{Arc, LazyLock};

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, SerialNumber};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, SupportedProtocolVersion,
};
use wharf_driver::tls::{Reuse, Tls, TlsOptions};

use crate::case::{Case, Sabotage};
use crate::random::Random;

/// What every server of this process shows.
const NAME: &str = "localhost";

/// What the server says of data connections that resume no session.
pub(super) fn draw_reuse(case: &Case) -> Reuse {
    let mut random = Random::new(case.seed).fork("reuse", 0);
    random.pick(&[Reuse::Off, Reuse::IfOffered, Reuse::Required])
}

/// The TLS of a server that says so.
pub(super) fn serve(case: &Case, reuse: Reuse) -> Tls {
    let options = TlsOptions {
        reuse: match case.sabotage {
            Some(Sabotage::TakesStrangers) => Reuse::IfOffered,
            _ => reuse,
        },
    };
    Tls::new(SERVER.clone(), options)
}

/// How one client speaks TLS, and what it remembers.
pub(super) struct Dialect(Arc<ClientConfig>);

impl Dialect {
    pub(super) fn draw(random: &mut Random) -> Self {
        let mut config = CLIENTS[random.below(2) as usize].clone();
        config.resumption = match random.below(4) {
            0 => Resumption::disabled(),
            _ => Resumption::in_memory_sessions(16),
        };
        if random.below(2) == 0 {
            config.alpn_protocols = vec![b"ftp".to_vec()];
        }
        Self(Arc::new(config))
    }

    /// A connection whose ClientHello can be sent.
    pub(super) fn begin(&self) -> ClientConnection {
        let name = sound(ServerName::try_from(NAME));
        sound(ClientConnection::new(Arc::clone(&self.0), name))
    }
}

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    Arc::new(CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    })
});

static IDENTITY: LazyLock<(CertificateDer<'static>, KeyPair)> = LazyLock::new(|| {
    let key = sound(KeyPair::generate_for(&PKCS_ED25519));
    let mut params = sound(CertificateParams::new(vec![NAME.to_owned()]));
    // Not of another length each time.
    params.serial_number = Some(SerialNumber::from(1));
    (sound(params.self_signed(&key)).der().clone(), key)
});

static SERVER: LazyLock<ServerConfig> = LazyLock::new(|| {
    let (certificate, key) = &*IDENTITY;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let builder = ServerConfig::builder_with_provider(Arc::clone(&PROVIDER));
    sound(
        sound(builder.with_safe_default_protocol_versions())
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key),
    )
});

/// One for each version.
static CLIENTS: LazyLock<[ClientConfig; 2]> = LazyLock::new(|| [&TLS12, &TLS13].map(client));

fn client(version: &'static SupportedProtocolVersion) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    sound(roots.add(IDENTITY.0.clone()));
    let builder = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER));
    sound(builder.with_protocol_versions(&[version]))
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// What cannot go wrong.
fn sound<T, E: std::fmt::Display>(outcome: Result<T, E>) -> T {
    match outcome {
        Ok(value) => value,
        Err(error) => panic!("no TLS: {error}"),
    }
}
