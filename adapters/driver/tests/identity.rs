//! Certificates and keys in files, and what is said of those that are not sound.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::fs;
use std::path::PathBuf;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::crypto::aws_lc_rs;
use tempfile::TempDir;
use wharf_driver::tls::{Identity, IdentityError};

/// A directory with `key.pem`, and certificates of that key.
struct Place {
    directory: TempDir,
    key: KeyPair,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let key = KeyPair::generate().unwrap();
        fs::write(directory.path().join("key.pem"), key.serialize_pem()).unwrap();
        Self { directory, key }
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let file = self.directory.path().join(name);
        fs::write(&file, content).unwrap();
        file
    }

    /// A certificate for these years.
    fn certificate(&self, from: i32, to: i32) -> String {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 7, 31);
        params.self_signed(&self.key).unwrap().pem()
    }

    /// What is wrong with such a certificate, and such a key.
    fn wrong(&self, certificate: &str, key: &str) -> String {
        let certificate = self.file("certificate.pem", certificate);
        let key = self.file("key.pem", key);
        let read = Identity::read(&certificate, &key, &aws_lc_rs::default_provider());
        let IdentityError { file, what } = read.err().unwrap();
        format!("{}: {what}", file.file_name().unwrap().to_str().unwrap())
    }
}

#[test]
fn a_certificate_and_its_key_may_stand_in_one_file_or_in_two() {
    let place = Place::new();
    let (certificate, key) = (place.certificate(2000, 2200), place.key.serialize_pem());
    let one = place.file("one.pem", &format!("{key}{certificate}"));
    let two = place.file("two.pem", &certificate);
    let key = place.file("key.pem", &key);
    let provider = aws_lc_rs::default_provider();
    Identity::read(&one, &one, &provider).unwrap();
    Identity::read(&two, &key, &provider).unwrap();
}

#[test]
fn what_is_wrong_is_said_with_the_name_of_the_file() {
    let place = Place::new();
    let (certificate, key) = (place.certificate(2000, 2200), place.key.serialize_pem());
    let other = KeyPair::generate().unwrap().serialize_pem();
    let cut = &certificate[..certificate.len() / 2];
    let folder = place.directory.path().display();
    for (certificate, key, said) in [
        (
            "",
            &*key,
            "certificate.pem: there is no certificate in it".to_owned(),
        ),
        (
            &key,
            &key,
            "certificate.pem: there is no certificate in it".to_owned(),
        ),
        (
            cut,
            &key,
            "certificate.pem: it ends in the middle, expected PEM".to_owned(),
        ),
        (
            &certificate,
            "",
            "key.pem: there is no private key in it".to_owned(),
        ),
        (
            &certificate,
            &other,
            format!("key.pem: it is not the key of {folder}/certificate.pem"),
        ),
        (
            &place.certificate(2000, 2001),
            &key,
            "certificate.pem: the certificate has expired on 2001-07-31".to_owned(),
        ),
        (
            &place.certificate(2150, 2200),
            &key,
            "certificate.pem: the certificate is not valid before 2150-01-01".to_owned(),
        ),
    ] {
        assert_eq!(place.wrong(certificate, key), said);
    }
}
