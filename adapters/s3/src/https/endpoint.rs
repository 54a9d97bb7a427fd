//! The URL of a store, and hosts.

use std::net::IpAddr;

use http::Uri;
use http::uri::Authority;

use super::Mistake;

/// Understands the URL of a store: its scheme, and its host with the port.
pub(super) fn endpoint(url: &str, clear_text: bool) -> Result<(&'static str, String), Mistake> {
    let wrong = |why: &str| Mistake::Endpoint(format!("\"{url}\" {why}"));
    let uri: Uri = url.parse().map_err(|_| wrong("is no URL"))?;
    let scheme = match uri.scheme_str() {
        Some("https") => "https",
        Some("http") => "http",
        _ => return Err(wrong("does not begin with https://")),
    };
    let authority = uri.authority().map(Authority::as_str).unwrap_or_default();
    if authority.contains('@') {
        // It may be a password.
        return Err(Mistake::Endpoint(
            "there must be no name and no password in it".into(),
        ));
    }
    if host(authority).is_empty() {
        return Err(wrong("has no host"));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(wrong("has something behind the host"));
    }
    if scheme == "http" && !clear_text && !is_this_machine(host(authority)) {
        return Err(wrong(
            "is not under TLS; outside of the machine that must be allowed by clear-text",
        ));
    }
    Ok((scheme, authority.to_owned()))
}

/// Returns the host of an authority without user, without port.
pub(super) fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Returns the address that a host is, if it is none that has to be looked up.
pub(super) fn address(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || address(host).is_some_and(|address| address.is_loopback())
}
