//! [`Parts`]: the parts of an upload on their way to the store.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll};

use wharf_core::Failure;
use wharf_storage::{Executor, OnCancel, Operation, Wanted, run};

use super::target::Target;
use crate::budget::Reserved;
use crate::multipart::Multipart;
use crate::queue::in_turn;
use crate::wire::Part;

/// The parts of an upload on their way to the store: some at once, each on a thread of its own.
pub(super) struct Parts {
    pub(super) target: Arc<Target>,
    executor: Arc<dyn Executor>,
    upload: Upload,
    /// Parts that wait for a lane, with their numbers.
    waiting: VecDeque<(u32, Reserved)>,
    /// What is yet to be copied from the base, as far as a lane is free.
    copies: VecDeque<(u32, Range<u64>)>,
    flying: Vec<Box<dyn Operation<Part>>>,
    done: Vec<Part>,
    failed: Option<Failure>,
}

/// How far the store knows of the upload.
enum Upload {
    None,
    Beginning(Box<dyn Operation<Multipart>>),
    Begun(Arc<Multipart>),
}

impl Parts {
    pub(super) fn new(target: Target, executor: Arc<dyn Executor>) -> Self {
        Self {
            target: Arc::new(target),
            executor,
            upload: Upload::None,
            waiting: VecDeque::new(),
            copies: VecDeque::new(),
            flying: Vec::new(),
            done: Vec::new(),
            failed: None,
        }
    }

    /// Goes on with an upload that the store knows, of which it has these parts.
    pub(super) fn go_on(&mut self, multipart: Multipart, parts: Vec<Part>) {
        self.upload = Upload::Begun(Arc::new(multipart));
        self.done = parts;
    }

    /// Returns whether no part was begun yet.
    pub(super) fn is_unused(&self) -> bool {
        matches!(self.upload, Upload::None) && self.waiting.is_empty() && self.copies.is_empty()
    }

    /// Returns whether another part may come.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() + self.flying.len() < self.target.tree.store.options.lanes.max(1)
    }

    /// Sends a part when a lane is free.
    pub(super) fn push(&mut self, number: u32, part: Reserved) {
        self.waiting.push_back((number, part));
    }

    /// Copies bytes of the base as a part when a lane is free and no part waits for it.
    pub(super) fn push_copy(&mut self, number: u32, range: Range<u64>) {
        self.copies.push_back((number, range));
    }

    /// Returns whether all that are on their way wait for their turn to be sent.
    pub(super) fn are_queued(&self) -> bool {
        !self.flying.is_empty() && self.flying.iter().all(|flying| flying.progress() == 0)
    }

    /// Returns the upload as the store knows it.
    pub(super) fn multipart(&self) -> Option<&Arc<Multipart>> {
        match &self.upload {
            Upload::Begun(multipart) => Some(multipart),
            _ => None,
        }
    }

    /// Returns all parts that the store has, in order.
    pub(super) fn done(&self) -> Vec<Part> {
        let mut parts = self.done.clone();
        parts.sort_unstable_by_key(|part| part.number);
        parts
    }

    /// Returns how many parts the store has.
    pub(super) fn count(&self) -> usize {
        self.done.len()
    }

    /// Asks those that are on their way to end soon, and begins no others.
    pub(super) fn cancel(&mut self) {
        self.stop(Failure::Cancelled);
    }

    fn stop(&mut self, failure: Failure) {
        self.failed.get_or_insert(failure);
        self.waiting.clear();
        self.copies.clear();
        for flying in &mut self.flying {
            flying.cancel();
        }
        if let Upload::Beginning(beginning) = &mut self.upload {
            beginning.cancel();
        }
    }

    /// Moves them on. It is ready when none is on its way: with the first failure, if one failed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            self.poll_upload(cx);
            self.poll_flying(cx);
            if !self.launch() {
                break;
            }
        }
        let is_beginning = matches!(self.upload, Upload::Beginning(_));
        if !self.flying.is_empty() || is_beginning {
            return Poll::Pending;
        }
        Poll::Ready(self.failed.map_or(Ok(()), Err))
    }

    /// Returns why no other part is taken, if one failed.
    pub(super) fn failed(&self) -> Option<Failure> {
        self.failed
    }

    fn poll_upload(&mut self, cx: &mut Context<'_>) {
        if let Upload::Beginning(beginning) = &mut self.upload
            && let Poll::Ready(begun) = beginning.poll(cx)
        {
            self.upload = match begun {
                Ok(multipart) => Upload::Begun(Arc::new(multipart)),
                Err(failure) => {
                    self.stop(failure);
                    Upload::None
                }
            };
        }
    }

    fn poll_flying(&mut self, cx: &mut Context<'_>) {
        let mut failed = None;
        let done = &mut self.done;
        self.flying.retain_mut(|flying| match flying.poll(cx) {
            Poll::Pending => true,
            Poll::Ready(Ok(part)) => {
                done.push(part);
                false
            }
            Poll::Ready(Err(failure)) => {
                failed.get_or_insert(failure);
                false
            }
        });
        if let Some(failure) = failed {
            self.stop(failure);
        }
    }

    /// Sends what waits, as far as lanes are free; says whether something was begun.
    fn launch(&mut self) -> bool {
        if self.waiting.is_empty() && self.copies.is_empty() {
            return false;
        }
        let multipart = match &self.upload {
            Upload::Begun(multipart) => Arc::clone(multipart),
            Upload::Beginning(_) => return false,
            Upload::None => {
                let target = Arc::clone(&self.target);
                let beginning = self.run(OnCancel::Wait, move |wanted| target.create(wanted));
                self.upload = Upload::Beginning(beginning);
                return true;
            }
        };
        let lanes = self.target.tree.store.options.lanes.max(1);
        let mut launched = false;
        while self.flying.len() < lanes {
            let (target, multipart) = (Arc::clone(&self.target), Arc::clone(&multipart));
            let flying = if let Some((number, part)) = self.waiting.pop_front() {
                self.run_in_turn(OnCancel::Leave, move |wanted| {
                    let sent = target.send(&multipart, number, &part.bytes, wanted);
                    drop(part);
                    sent
                })
            } else if let Some((number, range)) = self.copies.pop_front() {
                self.run_in_turn(OnCancel::Leave, move |wanted| {
                    target.copy(&multipart.id, number, &range, wanted)
                })
            } else {
                break;
            };
            self.flying.push(flying);
            launched = true;
        }
        launched
    }

    /// Has a job done on the threads for this store.
    pub(super) fn run<T: Send + 'static>(
        &self,
        on_cancel: OnCancel,
        job: impl FnOnce(&Wanted) -> Result<T, Failure> + Send + 'static,
    ) -> Box<dyn Operation<T>> {
        let group = self.target.tree.store.group;
        run(&*self.executor, group, on_cancel, move |wanted| {
            wanted.check::<Failure>()?;
            job(wanted)
        })
    }

    /// Has a job done that sends a part: few enough at once, of all sessions, that threads are left for others.
    pub(super) fn run_in_turn<T: Send + 'static>(
        &self,
        on_cancel: OnCancel,
        job: impl FnOnce(&Wanted) -> Result<T, Failure> + Send + 'static,
    ) -> Box<dyn Operation<T>> {
        let store = &self.target.tree.store;
        let (executor, group) = (Arc::clone(&self.executor), store.group);
        in_turn(store.budget.ask_to_send(), move |share| {
            run(&*executor, group, on_cancel, move |wanted| {
                wanted.check::<Failure>()?;
                let done = job(wanted);
                drop(share);
                done
            })
        })
    }

    /// Has a job done that goes on when nobody waits for it any more.
    pub(super) fn run_to_its_end(
        &self,
        job: impl FnOnce() -> Result<(), Failure> + Send + 'static,
    ) -> Box<dyn Operation<()>> {
        let group = self.target.tree.store.group;
        run(&*self.executor, group, OnCancel::Wait, move |_| job())
    }
}
