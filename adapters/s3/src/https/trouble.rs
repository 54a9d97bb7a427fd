//! What failures of connections mean, in words for operators.

use std::error::Error as _;
use std::io;

use rustls::CertificateError;
use rustls::pki_types::ServerName;
use ureq::{Error, Timeout};

/// Returns in words why a call to a host failed.
pub(super) fn told(error: &Error) -> String {
    match error {
        Error::Io(error) => told_io(error),
        Error::Rustls(error) => told_tls(error),
        Error::Timeout(Timeout::Connect) => "there was no connection in time".into(),
        Error::Timeout(Timeout::PerWrite) => "nothing could be sent for too long".into(),
        Error::Timeout(Timeout::PerRead) => "nothing came for too long".into(),
        Error::Timeout(_) => "there was no answer in time".into(),
        Error::HostNotFound => "no address is known for its name".into(),
        other => other.to_string(),
    }
}

/// Returns the failure of a body to be read, with a kind that says what happened.
pub(super) fn of_body(error: io::Error) -> io::Error {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(inner @ Error::Timeout(_)) => io::Error::new(io::ErrorKind::TimedOut, told(inner)),
        Some(inner) => io::Error::other(told(inner)),
        None => error,
    }
}

fn told_io(error: &io::Error) -> String {
    let inner = error.get_ref();
    if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return told_tls(error);
    }
    if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<Error>()) {
        return told(error);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the connection was closed".into(),
        _ => error.to_string(),
    }
}

fn told_tls(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(error) = error else {
        return format!("no TLS with it: {error}");
    };
    match error {
        CertificateError::UnknownIssuer => {
            "its certificate is from nobody who is trusted: if it is the right \
            store, name the certificate of its issuer by ca"
                .into()
        }
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let name = match expected {
                ServerName::DnsName(name) => name.as_ref().to_owned(),
                other => format!("{other:?}"),
            };
            format!(
                "its certificate is not for \"{name}\" but for {}",
                presented.join(", ")
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: does the clock of this machine go right?".into()
        }
        other => format!("its certificate is not accepted: {other}"),
    }
}

/// Returns in words why there are no keys: the messages of the signing library, and what [`told`] of the
/// connection, but no values that could not be understood.
pub(super) fn told_of_keys(error: &reqsign_core::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source.and_then(|inner| inner.downcast_ref::<reqsign_core::Error>()) {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    one_line(&text)
}

/// Makes what others have written fit to be told.
pub(super) fn one_line(text: &str) -> String {
    const ENOUGH: usize = 300;
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(ENOUGH)
        .collect();
    if text.chars().nth(ENOUGH).is_some() {
        line.push_str("...");
    }
    line
}
