//! Whether an object stands that was to be made, where the answer of the store was lost.

use md5::{Digest as _, Md5};
use wharf_core::Failure;
use wharf_storage::Wanted;

use crate::client::Refused;
use crate::tree::Tree;
use crate::wire::{Head, Part, hex};

impl Tree {
    /// Looks whether an object stands there that was to be made.
    pub(crate) fn must_stand(
        &self,
        key: &str,
        etag: &str,
        size: u64,
        refused: &Refused,
    ) -> Result<(), Failure> {
        // Also where nobody waits any more: the record of what stands there must be right.
        match self.head(key, &Wanted::default()) {
            Ok(Some(head)) if head.size == size && is_same(&head, etag) => Ok(()),
            Ok(_) if !refused.may_be_done() => Err(Failure::Io),
            // It may have stood there for a moment, before somebody else replaced it.
            _ => Err(Failure::Unknown),
        }
    }
}

/// Returns whether a head is that of an object that has that name for its version; where that is not
/// known, its length must do.
fn is_same(head: &Head, etag: &str) -> bool {
    match head.etag.as_deref() {
        Some(told) if looks_like_md5(told) && !etag.is_empty() => told == etag,
        _ => false,
    }
}

fn looks_like_md5(etag: &str) -> bool {
    let text = etag.trim_matches('"');
    let digits = text.split_once('-').map_or(text, |(digits, _)| digits);
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns what names an object that is made of these parts, in stores whose names are made of MD5.
pub(crate) fn etag_of(parts: &[Part]) -> Option<String> {
    let mut all = Md5::new();
    for part in parts {
        let digits = part.etag.trim_matches('"');
        if digits.len() != 32 {
            return None;
        }
        for at in (0..32).step_by(2) {
            let byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
            all.update([byte]);
        }
    }
    Some(quoted(&format!("{}-{}", hex(&all.finalize()), parts.len())))
}

/// Returns what names an object that is put in one request, in stores whose names are made of MD5.
pub(crate) fn etag_of_all(bytes: &[u8]) -> String {
    quoted(&hex(&Md5::digest(bytes)))
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_parts_has_the_name_that_stores_give_it() {
        let part = |etag: &str| Part {
            etag: format!("\"{etag}\""),
            ..Part::default()
        };
        let parts = [
            part("5d41402abc4b2a76b9719d911017c592"),
            part("7d793037a0760186574b0282f2f435e7"),
        ];
        assert_eq!(
            etag_of(&parts).as_deref(),
            Some("\"065947336a2f2a95ba8899f3675c3be6-2\"")
        );
        assert_eq!(etag_of(&[part("opaque")]), None);
    }
}
