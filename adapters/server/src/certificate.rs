//! What a client's certificate says of its owner: [`Fingerprint`] and [`NamedBy`].

use std::fmt;

use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::value::{Word, choices};

/// The SHA-256 fingerprint of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// That of a certificate in DER.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Fingerprint {
    /// As clients and OpenSSL show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl Word for Fingerprint {
    const EXPECTED: &'static str = "a SHA-256 fingerprint, such as `openssl x509 -fingerprint \
                                    -sha256` prints";

    fn read(word: &str) -> Option<Self> {
        let digits: String = word.chars().filter(|&c| c != ':').collect();
        let mut bytes = [0; 32];
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

/// Where in a certificate the name of its user stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamedBy {
    /// Nowhere: only fingerprints count.
    #[default]
    Nothing,
    /// In the common name of its subject.
    CommonName,
    /// In an e-mail address among its alternative names.
    Email,
}

impl NamedBy {
    /// Whether a certificate in DER names that user there.
    pub(crate) fn names(self, certificate: &[u8], user: &str) -> bool {
        if self == Self::Nothing {
            return false;
        }
        let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
            return false;
        };
        match self {
            Self::Nothing => false,
            Self::CommonName => {
                let mut names = certificate.subject().iter_common_name();
                // Of two names nobody knows which was checked.
                matches!((names.next(), names.next()), (Some(name), None)
                    if name.as_str().is_ok_and(|name| name == user))
            }
            Self::Email => {
                let names = certificate.subject_alternative_name().ok().flatten();
                names.is_some_and(|names| {
                    let mut names = names.value.general_names.iter();
                    names.any(|name| matches!(name, GeneralName::RFC822Name(name) if *name == user))
                })
            }
        }
    }
}

choices!(NamedBy: "nothing" => Nothing, "common-name" => CommonName; "email" => Email);
