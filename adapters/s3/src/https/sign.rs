//! Signatures: what of a request is signed, and with what.

use futures_lite::future::block_on;
use http::HeaderValue;
use http::request::Parts;
use reqsign_aws_v4::{Credential, RequestSigner};
use reqsign_core::{Context, SignRequest as _};

use super::trouble::told_of_keys;
use crate::Lost;
use crate::wire::{Request, hex_sha256};

/// What stands in for the digest of a body that is protected otherwise.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// How a request is signed.
pub(super) struct Signature<'a> {
    /// The region that the store wants.
    pub(super) region: &'a str,
    /// The keys.
    pub(super) credential: &'a Credential,
    /// Whether TLS protects what is sent.
    pub(super) is_protected: bool,
    /// Whether we pay for it.
    pub(super) pays: bool,
}

impl Signature<'_> {
    /// Returns the head of a request to that URL, signed now.
    ///
    /// Signed are the host and what is about the store or the content, and nothing else: proxies and stores
    /// change other fields on the way.
    pub(super) fn sign(&self, request: &Request<'_>, url: &str) -> Result<Parts, Lost> {
        let refused = |why: String| Lost::Unreachable(format!("it cannot be sent: {why}"));
        let head = http::Request::builder()
            .method(request.method.name())
            .uri(url);
        let (mut parts, ()) = head
            .body(())
            .map_err(|error| refused(error.to_string()))?
            .into_parts();
        let add = |parts: &mut Parts, name: &str, value: &str| {
            let name: http::HeaderName = name
                .parse()
                .map_err(|_| refused(format!("the field \"{name}\"")))?;
            let value = HeaderValue::from_str(value);
            let value = value.map_err(|_| refused(format!("what is in the field \"{name}\"")))?;
            parts.headers.append(name, value);
            Ok(())
        };
        // A checksum is signed as its field is, and with it the body.
        let is_summed = request.headers.iter().any(|(name, _)| is_checksum(name));
        let digest = match self.is_protected || is_summed {
            true => UNSIGNED.to_owned(),
            false => hex_sha256(&request.body),
        };
        add(&mut parts, "x-amz-content-sha256", &digest)?;
        if self.pays {
            add(&mut parts, "x-amz-request-payer", "requester")?;
        }
        for (name, value) in request.headers.iter().filter(|(name, _)| is_signed(name)) {
            add(&mut parts, name, value)?;
        }
        // The field for the token has its usual name, whatever the bucket is called.
        let signer = RequestSigner::new("s3", self.region).with_standard_session_token();
        block_on(signer.sign_request(&Context::new(), &mut parts, Some(self.credential), None))
            .map_err(|error| Lost::Unsigned(told_of_keys(&error)))?;
        for (name, value) in request.headers.iter().filter(|(name, _)| !is_signed(name)) {
            add(&mut parts, name, value)?;
        }
        Ok(parts)
    }
}

fn is_signed(name: &str) -> bool {
    name.starts_with("x-amz-") || matches!(name, "content-md5" | "content-type")
}

fn is_checksum(name: &str) -> bool {
    matches!(name, "content-md5" | "x-amz-checksum-sha256")
}
