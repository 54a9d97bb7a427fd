//! [`Checksum`]: what a body carries so that the store sees if it was changed on its way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::Headers;

/// What a body carries so that the store sees if it was changed on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// `Content-MD5`, which every store knows.
    #[default]
    Md5,
    /// `x-amz-checksum-sha256`, where MD5 is not allowed.
    Sha256,
    /// Nothing: the connection alone protects it.
    None,
}

impl Checksum {
    /// All of them, with the words by which a configuration names them.
    pub const ALL: [(&'static str, Self); 3] = [
        ("md5", Self::Md5),
        ("sha256", Self::Sha256),
        ("none", Self::None),
    ];

    /// Adds the field that tells of a body.
    pub(super) fn tell(self, body: &[u8], headers: &mut Headers) {
        match self {
            Self::Md5 => headers.push("content-md5", STANDARD.encode(Md5::digest(body))),
            Self::Sha256 => headers.push(
                "x-amz-checksum-sha256",
                STANDARD.encode(Sha256::digest(body)),
            ),
            Self::None => {}
        }
    }
}

/// Returns the SHA-256 of some bytes in hexadecimal digits.
pub(crate) fn hex_sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
