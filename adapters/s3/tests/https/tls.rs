//! Whom a store must be certified by, and for which name.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use wharf_s3::Lost;
use wharf_s3::https::{HttpsOptions, Mistake};
use wharf_s3::wire::{Attributes, Checksum, Guarded, Request};

use crate::fake::{Fake, ok};
use crate::{crypto, https, options, send, text};

struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            certificate: params.self_signed(&key).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    fn file(&self, folder: &Path) -> PathBuf {
        let file = folder.join("ca.pem");
        fs::write(&file, self.certificate.pem()).unwrap();
        file
    }

    /// A store with a certificate for that name, which is good until that year.
    fn store(&self, name: &str, until: i32) -> Fake {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let config = ServerConfig::builder_with_provider(crypto())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            );
        Fake::protected(config.unwrap(), |_, _| ok("body"))
    }
}

/// Returns why a store cannot be reached, which may not have seen the request.
fn refused(store: &Fake, ca: Option<PathBuf>) -> String {
    let https = https(&HttpsOptions {
        ca,
        ..options(store)
    })
    .unwrap();
    let nothing = Attributes::default();
    let request = Request::put("k", b"x", &nothing, Checksum::None, Guarded::No);
    let Lost::Unreachable(why) = send(&https, &request).unwrap_err() else {
        panic!("it may have been sent");
    };
    assert!(store.seen().is_empty());
    why
}

#[test]
fn a_store_that_the_named_authority_certifies_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    let store = authority.store("127.0.0.1", 2100);
    let https = https(&HttpsOptions {
        ca: Some(authority.file(folder.path())),
        ..options(&store)
    })
    .unwrap();
    // The file is not needed any more.
    folder.close().unwrap();
    let nothing = Attributes::default();
    let put = Request::put("k", b"x", &nothing, Checksum::Md5, Guarded::No);
    for request in [Request::get("k", 0, None), put] {
        assert_eq!(text(send(&https, &request).unwrap()), "body");
    }
    let seen = store.seen();
    assert_eq!(seen[0].connection, seen[1].connection, "it is kept");
    for request in &seen {
        assert_eq!(
            request.header("x-amz-content-sha256"),
            Some("UNSIGNED-PAYLOAD")
        );
    }
}

#[test]
fn a_store_that_others_certify_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Authority::new("others").store("127.0.0.1", 2100);
    let why = refused(&store, Some(Authority::new("ours").file(folder.path())));
    assert!(
        why.contains("nobody who is trusted") && why.contains("ca"),
        "{why}"
    );
}

#[test]
fn an_authority_that_the_system_does_not_know_has_to_be_named() {
    let store = Authority::new("ours").store("127.0.0.1", 2100);
    match https(&options(&store)) {
        Ok(_) => {
            let why = refused(&store, None);
            assert!(why.contains("nobody who is trusted"), "{why}");
        }
        Err(mistake) => assert!(matches!(mistake, Mistake::Ca(_)), "{mistake}"),
    }
}

#[test]
fn a_store_with_the_certificate_of_another_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    let store = authority.store("other.example", 2100);
    let why = refused(&store, Some(authority.file(folder.path())));
    assert!(
        why.contains("not for") && why.contains("other.example"),
        "{why}"
    );
}

#[test]
fn a_certificate_that_has_expired_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    let store = authority.store("127.0.0.1", 2021);
    let why = refused(&store, Some(authority.file(folder.path())));
    assert!(why.contains("expired"), "{why}");
}

#[test]
fn a_store_without_tls_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Fake::new(|_, _| ok(""));
    let https = https(&HttpsOptions {
        endpoint: Some(format!("https://{}", store.address())),
        ca: Some(Authority::new("ours").file(folder.path())),
        ..options(&store)
    })
    .unwrap();
    let lost = send(&https, &Request::head("k")).unwrap_err();
    assert!(matches!(lost, Lost::Unreachable(_)), "{lost:?}");
}

#[test]
fn a_file_without_certificates_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let store = Fake::new(|_, _| ok(""));
    let whole = Authority::new("ours").certificate.pem();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for content in [
        None,
        Some(""),
        Some("text"),
        Some(&whole[..200]),
        Some(broken),
    ] {
        let file = folder.path().join("ca.pem");
        let _ = fs::remove_file(&file);
        if let Some(content) = content {
            fs::write(&file, content).unwrap();
        }
        let mistake = https(&HttpsOptions {
            ca: Some(file),
            ..options(&store)
        })
        .unwrap_err();
        let said = mistake.to_string();
        assert!(
            matches!(mistake, Mistake::Ca(_)) && said.contains("ca.pem"),
            "{content:?}: {said}"
        );
    }
}
