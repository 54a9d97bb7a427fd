//! The cryptography that the program was built with.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use wharf_driver::tls::Identity;

/// What TLS computes with.
///
/// # Errors
/// There is none.
pub(crate) fn provider() -> Result<Arc<CryptoProvider>, &'static str> {
    #[cfg(feature = "aws-lc-rs")]
    return Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    return Ok(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
    Err(NOTHING)
}

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
const NOTHING: &str = "this program was built without TLS";

/// A certificate that nobody vouches for, and its key, which lives as long as the program does.
///
/// # Errors
/// What to tell the user.
#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
pub(crate) fn identity(provider: &CryptoProvider) -> Result<Identity, String> {
    use rcgen::{CertificateParams, DnType, KeyPair};
    use rustls::pki_types::PrivateKeyDer;
    use rustls::sign::CertifiedKey;

    let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let made = KeyPair::generate().and_then(|key| {
        let mut params = CertificateParams::new(names)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "Wharf, made for a trial");
        Ok((params.self_signed(&key)?, key))
    });
    let (certificate, key) = made.map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    CertifiedKey::from_der(vec![certificate.der().clone()], key, provider)
        .map(Identity::new)
        .map_err(|error| error.to_string())
}

/// The same without anything to make it with.
#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
pub(crate) fn identity(_: &CryptoProvider) -> Result<Identity, String> {
    Err(NOTHING.into())
}
