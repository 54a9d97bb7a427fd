//! [`Target`]: where an upload goes, and the requests that bring it there.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use md5::{Digest as _, Md5};
use wharf_core::Failure;
use wharf_storage::Wanted;

use crate::client::Refused;
use crate::record::{Record, Records};
use crate::tree::Tree;
use crate::wire::{Attributes, Checksum, Copied, Guarded, Head, Part, Request, hex};

/// The version of an object that an upload goes on with.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) etag: String,
    pub(crate) size: u64,
}

/// Where an upload goes, and what it may do there.
pub(crate) struct Target {
    pub(crate) tree: Arc<Tree>,
    pub(crate) key: String,
    /// Whether what stands there may be replaced.
    pub(crate) replace: bool,
    /// Whether it may be continued if it breaks off.
    pub(crate) resumable: bool,
    pub(crate) attributes: Attributes,
    /// What it goes on with.
    pub(crate) base: Option<Base>,
    /// What was written down of earlier uploads, of which nothing is worth keeping once this one is begun.
    pub(crate) earlier: Records,
    pub(crate) part_size: u64,
}

/// That an upload is running is written down so often.
const TOUCH: Duration = Duration::from_secs(60);

/// An upload in parts that the store knows of, with what is written down of it.
pub(crate) struct Multipart {
    pub(crate) id: String,
    pub(crate) record: Record,
    /// When that was written down.
    written_down: Mutex<Option<Instant>>,
}

impl Multipart {
    /// Returns an upload that was just written down.
    fn new(id: String, record: Record) -> Self {
        Self {
            id,
            record,
            written_down: Mutex::new(Some(Instant::now())),
        }
    }

    /// Returns an upload that somebody else has begun, of which that record tells.
    pub(crate) fn taken_over(id: String, record: Record) -> Self {
        Self {
            id,
            record: Record {
                is_running: true,
                ..record
            },
            written_down: Mutex::new(None),
        }
    }

    /// Returns whether it is time to write down that it is running, and then takes it as done.
    fn is_due(&self) -> bool {
        let mut last = self
            .written_down
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= TOUCH);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

impl Target {
    fn checksum(&self) -> Checksum {
        self.tree.store.options.checksum
    }

    fn ask(&self, request: &Request<'_>, wanted: &Wanted) -> Result<Vec<u8>, Refused> {
        let answer = self.tree.store.client.ask(request, wanted)?;
        Ok(answer.body)
    }

    /// Begins an upload in parts, and writes that down.
    pub(crate) fn create(&self, wanted: &Wanted) -> Result<Multipart, Failure> {
        let base = match &self.base {
            Some(base) => Some(base.etag.clone()),
            None => {
                let head = self.tree.head(&self.key, wanted)?;
                head.map(|head| head.etag.unwrap_or_default())
            }
        };
        self.tree.forget_all(&self.earlier, wanted)?;
        let created = self.ask(
            &Request::create(&self.key, &self.attributes, self.checksum()),
            wanted,
        )?;
        let id = Request::created(&created).map_err(Refused::from)?;
        let record = Record {
            key: self.key.clone(),
            upload: Some(id.clone()),
            part_size: self.part_size,
            base,
            is_resumable: self.resumable && self.tree.keeps_partials,
            is_running: true,
        };
        if let Err(refused) = self.tree.write_down(&record, wanted) {
            // Nobody would ever find it.
            let _ = self.tree.give_up(&self.key, &id, &Wanted::default());
            return Err(refused.failure());
        }
        Ok(Multipart::new(id, record))
    }

    /// Sends a part.
    pub(crate) fn send(
        &self,
        multipart: &Multipart,
        number: u32,
        bytes: &[u8],
        wanted: &Wanted,
    ) -> Result<Part, Failure> {
        if multipart.is_due() {
            self.tree.write_down(&multipart.record, wanted)?;
        }
        let part = Request::part(&self.key, &multipart.id, number, bytes, self.checksum());
        let answer = self.tree.store.client.ask(&part, wanted)?;
        let etag = answer.headers.get("etag").ok_or(Failure::Io)?;
        Ok(Part {
            number,
            size: bytes.len() as u64,
            etag: etag.to_owned(),
        })
    }

    /// Copies bytes of the base as a part.
    pub(crate) fn copy(
        &self,
        id: &str,
        number: u32,
        range: &std::ops::Range<u64>,
        wanted: &Wanted,
    ) -> Result<Part, Failure> {
        let base = self.base.as_ref().ok_or(Failure::Io)?;
        let from = Copied {
            bucket: &self.tree.store.options.bucket,
            key: &self.key,
            etag: Some(&base.etag),
        };
        let copied = self.ask(
            &Request::copy_part(&self.key, id, number, from, range),
            wanted,
        );
        let copied = copied.map_err(|refused| changed_or(&refused))?;
        Ok(Part {
            number,
            size: range.end - range.start,
            etag: Request::made(&copied).map_err(Refused::from)?,
        })
    }

    /// Reads bytes of the base.
    pub(crate) fn fetch(
        &self,
        range: std::ops::Range<u64>,
        wanted: &Wanted,
    ) -> Result<Vec<u8>, Failure> {
        let base = self.base.as_ref().ok_or(Failure::Io)?;
        let length = range.end - range.start;
        let bytes = self.ask(&Request::get_range(&self.key, range, &base.etag), wanted);
        let bytes = bytes.map_err(|refused| changed_or(&refused))?;
        (bytes.len() as u64 == length)
            .then_some(bytes)
            .ok_or(Failure::Io)
    }

    /// Puts the whole object in one request.
    pub(crate) fn put(&self, bytes: &[u8], wanted: &Wanted) -> Result<(), Failure> {
        self.must_be_allowed(wanted, true)?;
        let guarded = self.guarded();
        let put = Request::put(&self.key, bytes, &self.attributes, self.checksum(), guarded);
        match self.tree.store.client.ask(&put, wanted) {
            Ok(_) => {}
            Err(refused) if refused.may_be_done() => {
                let expected = quoted(&hex(&Md5::digest(bytes)));
                self.must_stand(&expected, bytes.len() as u64, &refused)?;
            }
            Err(refused) => return Err(self.refused(&refused)),
        }
        // They are over either way, and else go with the next sweep.
        let _ = self.tree.forget_all(&self.earlier, wanted);
        Ok(())
    }

    /// Makes the object of its parts.
    pub(crate) fn complete(
        &self,
        multipart: &Multipart,
        parts: &[Part],
        wanted: &Wanted,
    ) -> Result<(), Failure> {
        self.must_be_allowed(wanted, false)?;
        let size = parts.iter().map(|part| part.size).sum();
        let request = Request::complete(&self.key, &multipart.id, parts, self.guarded());
        let made = self.ask(&request, wanted).and_then(|body| {
            Request::made(&body)?;
            Ok(())
        });
        match made {
            Ok(()) => {}
            // Some stores do not know it any more once it is completed.
            Err(refused) if refused.may_be_done() || refused.code() == "NoSuchUpload" => {
                let expected = etag_of(parts).unwrap_or_default();
                self.must_stand(&expected, size, &refused)?;
            }
            Err(refused) => return Err(self.refused(&refused)),
        }
        // It is over either way, and else goes with the next sweep.
        let _ = self.tree.strike(&multipart.record, wanted);
        Ok(())
    }

    /// Looks whether an object stands there that was to be made, where the answer of the store was lost.
    fn must_stand(&self, etag: &str, size: u64, refused: &Refused) -> Result<(), Failure> {
        // Also where nobody waits any more: the record of what stands there must be right.
        match self.tree.head(&self.key, &Wanted::default()) {
            Ok(Some(head)) if head.size == size && is_same(&head, etag) => Ok(()),
            Ok(_) if !refused.may_be_done() => Err(Failure::Io),
            // It may have stood there for a moment, before somebody else replaced it.
            _ => Err(Failure::Unknown),
        }
    }

    /// What must be so that the object is made, as the store is told.
    fn guarded(&self) -> Guarded<'_> {
        let provider = self.tree.store.options.provider;
        match &self.base {
            Some(base) if provider.keeps_if_match() => Guarded::Is(&base.etag),
            None if !self.replace => Guarded::Absent(provider.condition()),
            _ => Guarded::No,
        }
    }

    /// Looks before, where the store is not known to look itself.
    fn must_be_allowed(&self, wanted: &Wanted, in_one_piece: bool) -> Result<(), Failure> {
        let provider = self.tree.store.options.provider;
        match &self.base {
            Some(base) if !provider.keeps_if_match() => {
                let head = self.tree.head(&self.key, wanted)?;
                let is_same = head.is_some_and(|head| head.etag.as_ref() == Some(&base.etag));
                is_same.then_some(()).ok_or(Failure::BrokenOff)
            }
            None if !self.replace && !provider.condition().is_kept(in_one_piece) => {
                match self.tree.head(&self.key, wanted)? {
                    Some(_) => Err(Failure::Exists),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Returns what a refusal to make the object means to a client.
    fn refused(&self, refused: &Refused) -> Failure {
        match (&self.base, refused.status()) {
            (Some(_), Some(404 | 412)) => Failure::BrokenOff,
            _ => refused.failure(),
        }
    }
}

/// Returns why a base cannot be read: it is not that version any more, or what is told.
fn changed_or(refused: &Refused) -> Failure {
    if refused.is_absent() || refused.status() == Some(412) {
        return Failure::BrokenOff;
    }
    refused.failure()
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
fn etag_of(parts: &[Part]) -> Option<String> {
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
