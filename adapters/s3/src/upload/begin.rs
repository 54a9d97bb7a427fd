//! [`begin`]: what an upload goes on with, and whether it may.

use std::mem;
use std::sync::Arc;

use wharf_core::{Failure, VPath};
use wharf_storage::Wanted;

use super::target::{Base, Target};
use crate::multipart::Multipart;
use crate::record::Records;
use crate::store::MOST_PARTS;
use crate::tree::Tree;
use crate::wire::{Attributes, Head, Part};

/// Where an upload begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// At that byte.
    At(u64),
    /// Behind what is there; the session was told that an upload that broke off has that length.
    Behind(Option<u64>),
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) place: Place,
    pub(crate) replace: bool,
    pub(crate) resumable: bool,
    pub(crate) expected: Option<u64>,
}

/// An upload that may begin.
pub(crate) struct Begin {
    pub(super) target: Target,
    /// Where it begins in the object.
    pub(super) at: u64,
    /// The upload in parts that it goes on with, and the parts that it keeps of that.
    pub(super) gone_on: Option<(Multipart, Vec<Part>)>,
    /// The length that the object may have.
    pub(super) limit: u64,
}

/// Looks at what stands under a name, and returns how an upload of it begins.
pub(crate) fn begin(
    tree: &Arc<Tree>,
    path: &VPath,
    asked: Asked,
    wanted: &Wanted,
) -> Result<Begin, Failure> {
    if path.is_root() {
        return Err(Failure::IsADirectory);
    }
    let key = tree.key(path)?;
    if tree.is_prefix(&tree.directory(path)?, wanted)? {
        return Err(Failure::IsADirectory);
    }
    let head = match asked.place {
        // Whatever stands there, it is replaced.
        Place::At(0) if asked.replace => None,
        _ => tree.head(&key, wanted)?,
    };
    if head.is_some() && !asked.replace {
        return Err(Failure::Exists);
    }
    let earlier = tree.records(&key, wanted)?;
    let beginning = Beginning {
        tree,
        key,
        asked,
        earlier,
    };
    match (asked.place, head) {
        (Place::At(0), _) => Ok(beginning.anew()),
        (Place::At(at), Some(head)) => beginning.behind(&head, at),
        (Place::Behind(_), Some(head)) => beginning.behind(&head, head.size),
        (Place::At(at), None) => beginning.go_on(Some(at), wanted),
        (Place::Behind(told), None) => beginning.go_on(told, wanted),
    }
}

struct Beginning<'a> {
    tree: &'a Arc<Tree>,
    key: String,
    asked: Asked,
    earlier: Records,
}

impl Beginning<'_> {
    /// Begins a new object, of which nothing is there.
    fn anew(self) -> Begin {
        let options = &self.tree.store.options;
        let part_size = options.part_size_for(self.asked.expected);
        let attributes = options.attributes.clone();
        self.with(attributes, None, part_size, 0, None)
    }

    /// Goes on with a finished object at a byte of it, or behind it.
    fn behind(self, head: &Head, at: u64) -> Result<Begin, Failure> {
        let etag = head.etag.clone().ok_or(Failure::Unsupported)?;
        // The last upload over this version broke off: what comes may be the rest of that one.
        if self.earlier.have_broken_off_over(&etag) {
            return Err(Failure::BrokenOff);
        }
        if at > head.size {
            return Err(Failure::PastEnd);
        }
        let options = &self.tree.store.options;
        let expected = self
            .asked
            .expected
            .map(|expected| expected.saturating_add(at));
        let part_size = options.part_size_for(expected.max(Some(head.size)));
        // What is changed was changed now.
        let attributes = Attributes {
            modified: None,
            ..options.attributes.of(head)
        };
        let base = Base {
            etag,
            size: head.size,
        };
        Ok(self.with(attributes, Some(base), part_size, at, None))
    }

    /// Goes on with an upload that broke off, at the byte that is asked for.
    fn go_on(mut self, at: Option<u64>, wanted: &Wanted) -> Result<Begin, Failure> {
        let partial = self.tree.partial(mem::take(&mut self.earlier), wanted)?;
        let is_append = matches!(self.asked.place, Place::Behind(_));
        let (partial, at) = match (partial, at) {
            (Some(partial), Some(at)) => (partial, at),
            // Nothing was told of, and nothing is there.
            (None, None) => return Ok(self.anew()),
            // What was told of is there no more, or what is there was not told of.
            (None, Some(_)) | (Some(_), None) if is_append => return Err(Failure::BrokenOff),
            (None, Some(_)) | (Some(_), None) => return Err(Failure::PastEnd),
        };
        if is_append && at != partial.resumable() {
            return Err(Failure::BrokenOff);
        }
        if at > partial.resumable() {
            return Err(Failure::PastEnd);
        }
        let (record, id) = (partial.record.clone(), partial.upload.clone());
        // Within a part nothing can be changed any more.
        let kept = partial.parts_up_to(at).ok_or(Failure::BrokenOff)?;
        let part_size = record.part_size;
        let attributes = self.tree.store.options.attributes.clone();
        let gone_on = Some((Multipart::taken_over(id, record), kept));
        Ok(self.with(attributes, None, part_size, at, gone_on))
    }

    fn with(
        self,
        attributes: Attributes,
        base: Option<Base>,
        part_size: u64,
        at: u64,
        gone_on: Option<(Multipart, Vec<Part>)>,
    ) -> Begin {
        let limit = part_size.saturating_mul(MOST_PARTS);
        let chosen = self.tree.store.options.max_file_size;
        let target = Target {
            tree: Arc::clone(self.tree),
            key: self.key,
            replace: self.asked.replace,
            resumable: self.asked.resumable,
            attributes,
            base,
            earlier: self.earlier,
            part_size,
        };
        Begin {
            target,
            at,
            gone_on,
            limit: chosen.map_or(limit, |chosen| chosen.min(limit)),
        }
    }
}
