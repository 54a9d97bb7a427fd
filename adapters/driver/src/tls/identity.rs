//! [`Identity`]: a certificate and its key, and [`Identities`]: which of several is shown.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use webpki::{EndEntityCert, KeyUsage};
use wharf_core::Timestamp;

/// A certificate, those that vouch for it, and its private key.
#[derive(Clone, Debug)]
pub struct Identity(Arc<CertifiedKey>);

impl Identity {
    /// Reads two files in PEM: the certificate with those that vouch for it behind it, and the key
    /// (PKCS#8, PKCS#1 or SEC1). Both may be one file.
    ///
    /// # Errors
    /// [`IdentityError`] tells which file it is, and what is wrong with it: it cannot be read, is
    /// not in that form, does not belong to the other, or is not valid at this time.
    pub fn read(
        certificate: &Path,
        key: &Path,
        provider: &CryptoProvider,
    ) -> Result<Self, IdentityError> {
        Self::read_by(|file| File::open(file), certificate, key, provider)
    }

    /// As [`Identity::read`], with files that are opened in that way.
    ///
    /// # Errors
    /// As [`Identity::read`].
    pub fn read_by(
        open: impl Fn(&Path) -> io::Result<File>,
        certificate: &Path,
        key: &Path,
        provider: &CryptoProvider,
    ) -> Result<Self, IdentityError> {
        let open = |file| open(file).map_err(pem::Error::Io);
        let wrong = |file: &Path, what: String| IdentityError {
            file: file.to_owned(),
            what,
        };
        let chain = open(certificate)
            .and_then(|file| CertificateDer::pem_reader_iter(file).collect::<Result<Vec<_>, _>>())
            .map_err(|error| wrong(certificate, explain(&error)))?;
        let own = chain
            .first()
            .ok_or_else(|| wrong(certificate, "there is no certificate in it".into()))?;
        check_time(own, UnixTime::now()).map_err(|what| wrong(certificate, what))?;
        let secret = open(key).and_then(PrivateKeyDer::from_pem_reader);
        let secret = secret.map_err(|error| match error {
            pem::Error::NoItemsFound => wrong(key, "there is no private key in it".into()),
            error => wrong(key, explain(&error)),
        })?;
        CertifiedKey::from_der(chain, secret, provider)
            .map(|identity| Self(Arc::new(identity)))
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => wrong(
                    key,
                    format!("it is not the key of {}", certificate.display()),
                ),
                rustls::Error::General(what) => wrong(key, what),
                error => wrong(key, error.to_string()),
            })
    }

    /// A certificate and a key that are in memory already.
    #[must_use]
    pub fn new(identity: CertifiedKey) -> Self {
        Self(Arc::new(identity))
    }

    /// The certificate itself, in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        self.0.cert.first().map_or(&[], |own| own.as_ref())
    }

    /// Whether the certificate is for a host of that name.
    fn is_for(&self, name: &ServerName<'_>) -> bool {
        self.0
            .end_entity_cert()
            .and_then(ParsedCertificate::try_from)
            .is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
    }
}

/// What is wrong with a certificate or its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.what)
    }
}

impl std::error::Error for IdentityError {}

/// The certificates of a server. The client's SNI (RFC 6066) picks the first that is for a host of
/// that name; where none is, or the client names none, it is the very first.
#[derive(Debug)]
pub struct Identities {
    first: Identity,
    others: Vec<Identity>,
}

impl Identities {
    /// One certificate at least.
    pub fn new(first: Identity, others: impl IntoIterator<Item = Identity>) -> Self {
        Self {
            first,
            others: others.into_iter().collect(),
        }
    }
}

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello
            .server_name()
            .and_then(|name| ServerName::try_from(name).ok());
        let named = name.and_then(|name| {
            std::iter::once(&self.first)
                .chain(&self.others)
                .find(|identity| identity.is_for(&name))
        });
        Some(Arc::clone(&named.unwrap_or(&self.first).0))
    }
}

/// Whether the certificate is valid at that time; if not, what to say of it.
fn check_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), String> {
    let parsed = EndEntityCert::try_from(certificate)
        .map_err(|error| format!("the certificate cannot be read: {error}"))?;
    // Time is the first thing that is looked at. With nobody to vouch for it the rest fails.
    let checked = parsed.verify_for_usage(&[], &[], &[], now, KeyUsage::server_auth(), None, None);
    match checked {
        Err(webpki::Error::CertExpired { not_after, .. }) => {
            Err(format!("the certificate has expired on {}", Day(not_after)))
        }
        Err(webpki::Error::CertNotValidYet { not_before, .. }) => Err(format!(
            "the certificate is not valid before {}",
            Day(not_before)
        )),
        _ => Ok(()),
    }
}

/// A day, as it is written.
struct Day(UnixTime);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0.as_secs()).unwrap_or(i64::MAX);
        let civil = Timestamp::from_seconds(seconds).civil(0);
        write!(f, "{:04}-{:02}-{:02}", civil.year, civil.month, civil.day)
    }
}

fn explain(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::MissingSectionEnd { .. } => "it ends in the middle, expected PEM".into(),
        pem::Error::Base64Decode(_) => "what stands in it is not Base64, expected PEM".into(),
        _ => "expected PEM".into(),
    }
}
