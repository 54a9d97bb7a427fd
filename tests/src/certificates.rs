//! Certificates for the tests, from an authority that lives as long as the process.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Who signs every certificate here. [`Tls`](crate::Tls) trusts nobody else.
pub struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// The authority of this process.
pub static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::named("the tests"));
/// Another one, whom nobody trusts.
pub static STRANGER: LazyLock<Authority> = LazyLock::new(|| Authority::named("a stranger"));

/// A certificate and its key.
pub struct Pair {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// Signs a certificate for these names of a host, the first of which is also its common name.
    #[must_use]
    pub fn signs(&self, names: &[&str]) -> Pair {
        let texts: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(texts).expect("names");
        params
            .distinguished_name
            .push(DnType::CommonName, names[0].to_owned());
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Pair { certificate, key }
    }

    /// Its own certificate.
    #[must_use]
    pub fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    /// Writes its own certificate into a file.
    pub fn write(&self, file: &Path) {
        fs::write(file, self.certificate.pem()).expect("a file");
    }
}

impl Pair {
    /// The certificate, as it is shown to the other side.
    #[must_use]
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.der().clone()]
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key")
    }

    /// Writes both into files of a folder; nobody else may read the key.
    pub fn write(&self, folder: &Path, certificate: &str, key: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::write(folder.join(certificate), self.certificate.pem()).expect("a file");
        fs::write(folder.join(key), self.key.serialize_pem()).expect("a file");
        fs::set_permissions(folder.join(key), fs::Permissions::from_mode(0o600)).expect("a mode");
    }
}

/// What the `[tls]` table of a server may name: `fullchain.pem` with `privkey.pem` for this
/// machine, `other.pem` with `other-key.pem` for `other.example`, and `ca.pem`.
pub fn furnish(folder: &Path) {
    let here = AUTHORITY.signs(&["localhost", "127.0.0.1", "::1"]);
    here.write(folder, "fullchain.pem", "privkey.pem");
    let other = AUTHORITY.signs(&["other.example"]);
    other.write(folder, "other.pem", "other-key.pem");
    AUTHORITY.write(&folder.join("ca.pem"));
}
