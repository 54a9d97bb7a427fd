//! The end of an upload: [`Committing`] and [`Abandoning`].

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use wharf_core::{Failure, Reason};
use wharf_storage::{OnCancel, Operation, Wanted};

use super::target::Target;
use super::{Lead, Upload};
use crate::multipart::Multipart;
use crate::record::Record;

/// Makes the object visible under its name.
pub(super) struct Committing {
    stage: Stage,
    is_cancelled: bool,
    /// Grows with each part that the store has.
    progress: u64,
}

enum Stage {
    /// What the base has behind the end of the upload is taken over.
    Filling(Upload),
    /// The last parts are sent.
    Sending(Upload),
    /// The object is made.
    Making(Box<dyn Operation<()>>, Upload),
    /// It is not made, for that reason: what there is of it is left as after any failure.
    Leaving(Abandoning, Failure),
    Over,
}

impl Committing {
    pub(super) fn new(upload: Upload) -> Self {
        Self {
            stage: Stage::Filling(upload),
            is_cancelled: false,
            progress: 0,
        }
    }
}

impl Operation<()> for Committing {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            match mem::replace(&mut self.stage, Stage::Over) {
                Stage::Filling(mut upload) => {
                    if self.is_cancelled {
                        self.leave(upload, Failure::Cancelled);
                        continue;
                    }
                    match upload.poll_fill(cx) {
                        Poll::Pending => {
                            self.stage = Stage::Filling(upload);
                            return Poll::Pending;
                        }
                        Poll::Ready(Err(failure)) => self.leave(upload, failure),
                        Poll::Ready(Ok(Filled::Nothing)) => return Poll::Ready(Ok(())),
                        Poll::Ready(Ok(Filled::OnePiece)) => {
                            let making = upload.put();
                            self.stage = Stage::Making(making, upload);
                        }
                        Poll::Ready(Ok(Filled::Parts)) => self.stage = Stage::Sending(upload),
                    }
                }
                Stage::Sending(mut upload) => {
                    let sent = upload.parts.poll(cx);
                    self.progress = upload.parts.count() as u64;
                    match sent {
                        Poll::Pending => {
                            self.stage = Stage::Sending(upload);
                            return Poll::Pending;
                        }
                        Poll::Ready(Ok(())) => match upload.complete() {
                            Ok(making) => self.stage = Stage::Making(making, upload),
                            Err(failure) => self.leave(upload, failure),
                        },
                        Poll::Ready(Err(failure)) => self.leave(upload, failure),
                    }
                }
                Stage::Making(mut making, upload) => match making.poll(cx) {
                    Poll::Pending => {
                        self.stage = Stage::Making(making, upload);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                    // It may stand there: nothing of it must go.
                    Poll::Ready(Err(Failure::Unknown)) => {
                        return Poll::Ready(Err(Failure::Unknown));
                    }
                    Poll::Ready(Err(failure)) => self.leave(upload, failure),
                },
                Stage::Leaving(mut leaving, failure) => {
                    if leaving.poll(cx).is_pending() {
                        self.stage = Stage::Leaving(leaving, failure);
                        return Poll::Pending;
                    }
                    return Poll::Ready(Err(failure));
                }
                Stage::Over => return Poll::Pending,
            }
        }
    }

    fn cancel(&mut self) {
        self.is_cancelled = true;
        match &mut self.stage {
            Stage::Filling(upload) | Stage::Sending(upload) => upload.parts.cancel(),
            Stage::Making(making, _) => making.cancel(),
            Stage::Leaving(leaving, _) => leaving.cancel(),
            Stage::Over => {}
        }
    }

    fn progress(&self) -> u64 {
        self.progress
    }
}

impl Committing {
    fn leave(&mut self, upload: Upload, failure: Failure) {
        let leaving = Abandoning::new(upload, Reason::Storage(failure));
        self.stage = Stage::Leaving(leaving, failure);
    }
}

/// What an upload is made of once all of it is there.
enum Filled {
    /// Nothing was sent that changes anything.
    Nothing,
    /// What was collected is the whole object.
    OnePiece,
    /// Parts.
    Parts,
}

impl Upload {
    /// Takes over what the base has behind the end of the upload, and says what the object is made of.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Filled, Failure>> {
        let base = self.parts.target.base.clone();
        if self.at == self.start && base.is_some() {
            return Poll::Ready(Ok(Filled::Nothing));
        }
        let size = self.parts.target.part_size;
        if let Some(base) = base.filter(|base| self.at < base.size) {
            // The part in which the upload ends goes on with bytes of the base, up to its border.
            let end = base.size.min(self.at.next_multiple_of(size));
            if self.at < end {
                let length = end - self.at;
                if matches!(self.lead, Lead::None) {
                    self.lead = Lead::Needed(self.at..end);
                }
                ready!(self.poll_part(cx))?;
                self.at += length;
            }
            if self.at < base.size {
                self.hand_over();
                self.copy(self.at..base.size);
                return Poll::Ready(Ok(Filled::Parts));
            }
        }
        if self.parts.is_unused() && self.at <= size {
            return Poll::Ready(Ok(Filled::OnePiece));
        }
        if self
            .part
            .as_ref()
            .is_some_and(|part| !part.bytes.is_empty())
        {
            self.hand_over();
        }
        Poll::Ready(Ok(Filled::Parts))
    }

    /// Begins to put what was collected as the whole object.
    fn put(&mut self) -> Box<dyn Operation<()>> {
        let target = Arc::clone(&self.parts.target);
        let part = self.part.take();
        self.parts.run_in_turn(OnCancel::Wait, move |wanted| {
            let bytes = part.as_ref().map_or(&[][..], |part| &part.bytes);
            target.put(bytes, wanted)
        })
    }

    /// Begins to make the object of its parts.
    fn complete(&mut self) -> Result<Box<dyn Operation<()>>, Failure> {
        let multipart = Arc::clone(self.parts.multipart().ok_or(Failure::Io)?);
        let (target, parts) = (Arc::clone(&self.parts.target), self.parts.done());
        Ok(self.parts.run(OnCancel::Wait, move |wanted| {
            target.complete(&multipart, &parts, wanted)
        }))
    }
}

/// Gives an upload up, or leaves what there is of it to be continued.
pub(super) struct Abandoning {
    reason: Reason,
    stage: Left,
}

enum Left {
    /// Parts are on their way.
    Parts(Box<Upload>),
    /// What is left is cleared up.
    Clearing(Box<dyn Operation<()>>),
    Over,
}

impl Abandoning {
    pub(super) fn new(mut upload: Upload, reason: Reason) -> Self {
        upload.turn = None;
        upload.lead = Lead::None;
        let is_whole = upload
            .part
            .as_ref()
            .is_some_and(|part| part.bytes.len() >= upload.part_size());
        if is_whole && !upload.parts.is_unused() {
            upload.hand_over();
        }
        upload.part = None;
        // Whoever aborts waits for it.
        if !upload.may_be_kept_after(reason) || reason == Reason::Aborted {
            upload.parts.cancel();
        }
        Self {
            reason,
            stage: Left::Parts(Box::new(upload)),
        }
    }
}

impl Operation<()> for Abandoning {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            match &mut self.stage {
                Left::Parts(upload) => {
                    // How they end does not matter any more.
                    let _ = ready!(upload.parts.poll(cx));
                    let clearing = upload.clear_up(self.reason);
                    self.stage = clearing.map_or(Left::Over, Left::Clearing);
                }
                Left::Clearing(clearing) => {
                    let cleared = ready!(clearing.poll(cx));
                    self.stage = Left::Over;
                    return Poll::Ready(cleared);
                }
                Left::Over => return Poll::Ready(Ok(())),
            }
        }
    }

    fn cancel(&mut self) {
        // Clearing up goes on by itself, and what it does not reach goes with the next sweep.
        match &mut self.stage {
            Left::Parts(upload) => upload.parts.cancel(),
            Left::Clearing(_) => self.stage = Left::Over,
            Left::Over => {}
        }
    }
}

impl Upload {
    /// Returns whether what there is of it can be continued, if it broke off for that reason; where the
    /// store does not know of it yet, whether that may come to be.
    fn may_be_kept_after(&self, reason: Reason) -> bool {
        let target = &self.parts.target;
        let is_usable = !matches!(
            reason,
            Reason::Refused
                | Reason::Storage(Failure::Quota | Failure::Exists | Failure::BrokenOff)
        );
        let is_begun_over = self
            .parts
            .multipart()
            .is_some_and(|multipart| multipart.record.base.is_some());
        is_usable && self.is_resumable() && target.base.is_none() && !is_begun_over
    }

    fn is_resumable(&self) -> bool {
        self.parts.target.resumable && self.parts.target.tree.keeps_partials
    }

    /// Begins to clear up, if there is something.
    fn clear_up(&mut self, reason: Reason) -> Option<Box<dyn Operation<()>>> {
        let target = &self.parts.target;
        // Of one part nothing can be continued.
        if self.may_be_kept_after(reason)
            && self.parts.count() > 1
            && let Some(multipart) = self.parts.multipart()
        {
            let (target, multipart) = (Arc::clone(target), Arc::clone(multipart));
            return Some(self.parts.run_to_its_end(move || {
                let left = Record {
                    is_running: false,
                    ..multipart.record.clone()
                };
                Ok(target.tree.write_down(&left, &Wanted::default())?)
            }));
        }
        // Over a finished object only the whole one may come next; but not where it was refused to go there.
        let is_refused = matches!(
            reason,
            Reason::Refused | Reason::Storage(Failure::Exists | Failure::BrokenOff)
        );
        let is_marked =
            self.is_resumable() && target.base.is_none() && self.at > self.start && !is_refused;
        self.give_up(is_marked)
    }

    fn give_up(&self, is_marked: bool) -> Option<Box<dyn Operation<()>>> {
        let multipart = self.parts.multipart().cloned();
        if multipart.is_none() && !is_marked {
            return None;
        }
        let target = Arc::clone(&self.parts.target);
        Some(
            self.parts
                .run_to_its_end(move || give_up(&target, multipart.as_deref(), is_marked)),
        )
    }
}

/// Gives up what the store has of an upload, and marks that it broke off where an object stands.
fn give_up(target: &Target, multipart: Option<&Multipart>, is_marked: bool) -> Result<(), Failure> {
    let wanted = Wanted::default();
    if let Some(multipart) = multipart {
        target.tree.give_up(&target.key, &multipart.id, &wanted)?;
    }
    let base = match multipart {
        _ if !is_marked => None,
        Some(multipart) => multipart.record.base.clone(),
        None => target
            .tree
            .head(&target.key, &wanted)?
            .and_then(|head| head.etag),
    };
    let record = multipart.map(|multipart| &multipart.record);
    if let Some(base) = base {
        let mark = Record {
            key: target.key.clone(),
            upload: None,
            part_size: target.part_size,
            base: Some(base),
            is_resumable: true,
            is_running: false,
        };
        target.tree.write_down(&mark, &wanted)?;
    }
    if let Some(record) = record {
        target.tree.strike(record, &wanted)?;
    }
    Ok(())
}
