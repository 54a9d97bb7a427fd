//! [`Target`]: where an upload goes, and the requests that bring it there.

use std::sync::Arc;

use wharf_core::Failure;
use wharf_storage::Wanted;

use crate::client::Refused;
use crate::multipart::Multipart;
use crate::record::{Record, Records};
use crate::stands::etag_of_all;
use crate::tree::Tree;
use crate::wire::{Attributes, Checksum, Copied, Guarded, Part, Request};

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
        let record = Record {
            key: self.key.clone(),
            upload: None,
            part_size: self.part_size,
            base,
            is_resumable: self.resumable && self.tree.keeps_partials,
            is_running: true,
        };
        self.tree.begin_parts(record, &self.attributes, wanted)
    }

    /// Sends a part.
    pub(crate) fn send(
        &self,
        multipart: &Multipart,
        number: u32,
        bytes: &[u8],
        wanted: &Wanted,
    ) -> Result<Part, Failure> {
        self.tree.keep_alive(multipart, wanted)?;
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
                let (etag, size) = (etag_of_all(bytes), bytes.len() as u64);
                self.tree.must_stand(&self.key, &etag, size, &refused)?;
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
        let told = |refused: &Refused| self.refused(refused);
        self.tree
            .complete(multipart, parts, self.guarded(), told, wanted)
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
