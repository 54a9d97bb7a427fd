//! [`Upload`]: an object that is written.

mod begin;
mod end;
mod parts;
mod target;

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use wharf_core::{Failure, Reason};
use wharf_storage::{Begun, OnCancel, Operation, Sink};

pub(crate) use begin::{Asked, Begin, Place, begin};
use end::{Abandoning, Committing};
use parts::Parts;

use crate::budget::Reserved;
use crate::queue::Turn;

/// An object that is written: collected in parts, which are sent while the next one comes. What fits one
/// part is put when it is complete.
pub(crate) struct Upload {
    parts: Parts,
    /// The part that is collected.
    part: Option<Reserved>,
    /// Its turn for memory for the next part, while it waits.
    turn: Option<Turn>,
    /// The bytes of the base that the first part begins with, until they are there.
    lead: Lead,
    /// The length of the object up to here.
    at: u64,
    /// Where the upload begins in the object.
    start: u64,
    /// The length that the object may have.
    limit: u64,
}

/// The bytes of the base that the first part begins with.
enum Lead {
    None,
    Needed(std::ops::Range<u64>),
    Coming(Box<dyn Operation<Vec<u8>>>),
}

impl Upload {
    pub(crate) fn new(begin: Begin, executor: Arc<dyn wharf_storage::Executor>) -> Self {
        let Begin {
            target,
            at,
            gone_on,
            limit,
        } = begin;
        let part_size = target.part_size;
        let mut parts = Parts::new(target, executor);
        let border = at - at % part_size;
        if let Some((multipart, kept)) = gone_on {
            parts.go_on(multipart, kept);
        }
        let lead = match border == at {
            true => Lead::None,
            false => Lead::Needed(border..at),
        };
        Self {
            parts,
            part: None,
            turn: None,
            lead,
            at,
            start: at,
            limit,
        }
    }

    fn part_size(&self) -> usize {
        usize::try_from(self.parts.target.part_size).unwrap_or(usize::MAX)
    }

    /// Returns the number of the part in which a byte lies.
    fn number(&self, at: u64) -> u32 {
        u32::try_from(at / self.parts.target.part_size + 1).unwrap_or(u32::MAX)
    }

    /// Returns the part that is collected, once there is memory for it and it begins with what it must.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<&mut Reserved, Failure>> {
        let size = self.part_size();
        if self.part.is_none() {
            let budget = &self.parts.target.tree.store.budget;
            let turn = self.turn.get_or_insert_with(|| budget.ask(size));
            let share = ready!(turn.poll(cx));
            self.turn = None;
            self.part = Some(budget.part(share));
        }
        if let Lead::Needed(range) = &self.lead {
            let (target, range) = (Arc::clone(&self.parts.target), range.clone());
            let coming = self
                .parts
                .run(OnCancel::Leave, move |wanted| target.fetch(range, wanted));
            self.lead = Lead::Coming(coming);
        }
        if let Lead::Coming(coming) = &mut self.lead {
            let bytes = ready!(coming.poll(cx));
            self.lead = Lead::None;
            if let (Some(part), Ok(bytes)) = (&mut self.part, &bytes) {
                part.bytes.extend_from_slice(bytes);
            }
            bytes?;
        }
        Poll::Ready(self.part.as_mut().ok_or(Failure::Io))
    }

    /// Hands the part over that was collected, and with the first one what is copied before it.
    fn hand_over(&mut self) {
        let Some(part) = self.part.take() else {
            return;
        };
        if self.parts.is_unused() {
            self.copy(0..self.start - self.start % self.parts.target.part_size);
        }
        // The last byte of it.
        let number = self.number(self.at - 1);
        self.parts.push(number, part);
    }

    /// Has whole parts copied from the base, and the last one up to the end of the range.
    fn copy(&mut self, range: std::ops::Range<u64>) {
        let size = self.parts.target.part_size;
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min(at + size);
            self.parts.push_copy(self.number(at), at..end);
            at = end;
        }
    }
}

impl Sink for Upload {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Failure>> {
        // While it is collected the others go on.
        let _ = self.parts.poll(cx);
        if let Some(failure) = self.parts.failed() {
            return Poll::Ready(Err(failure));
        }
        if self.at >= self.limit && !bytes.is_empty() {
            return Poll::Ready(Err(Failure::Quota));
        }
        let size = self.part_size();
        let is_full = self
            .part
            .as_ref()
            .is_some_and(|part| part.bytes.len() >= size);
        if is_full {
            if !self.parts.has_room() {
                return Poll::Pending;
            }
            self.hand_over();
            let _ = self.parts.poll(cx);
        }
        let most = usize::try_from(self.limit - self.at).unwrap_or(usize::MAX);
        let part = ready!(self.poll_part(cx))?;
        let held = &mut part.bytes;
        let count = bytes.len().min(size - held.len()).min(most);
        held.extend_from_slice(&bytes[..count]);
        let is_full = held.len() >= size;
        self.at += count as u64;
        // What fits one part may be all there is.
        if is_full && !self.parts.is_unused() && self.parts.has_room() {
            self.hand_over();
            let _ = self.parts.poll(cx);
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.parts.poll(cx)
    }

    fn is_queued(&self) -> bool {
        self.turn.is_some() || self.parts.are_queued()
    }

    fn commit(self: Box<Self>) -> Begun<()> {
        Begun::Pending(Box::new(Committing::new(*self)))
    }

    fn abandon(self: Box<Self>, reason: Reason) -> Begun<()> {
        Begun::Pending(Box::new(Abandoning::new(*self, reason)))
    }
}
