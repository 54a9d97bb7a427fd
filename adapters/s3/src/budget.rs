//! [`Budget`]: what uploads take, of all sessions together.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::queue::{Queue, Share, Turn};

/// So many parts are sent at once where nothing is said.
const SENDERS: usize = 16;

/// What uploads take, of all sessions together: memory for the parts that are collected and sent, and threads
/// that send them. Copies share it.
///
/// A part is reserved as a whole, in the order in which it was asked for. Who waits holds nothing that
/// another one waits for, so each of any number of uploads has its turn.
#[derive(Clone)]
pub struct Budget(Arc<Inner>);

struct Inner {
    memory: Arc<Queue>,
    senders: Arc<Queue>,
    /// Buffers that are not used, to be used again: fresh ones would come to lie all over the heap.
    idle: Mutex<Vec<Vec<u8>>>,
}

impl Budget {
    /// Returns a budget of so many bytes, with 16 parts that are sent at once.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self::with_senders(bytes, SENDERS)
    }

    /// Returns a budget of so many bytes, and so many parts that are sent at once; at least one. The threads
    /// for storages must be more, so that some are left for all else.
    #[must_use]
    pub fn with_senders(bytes: usize, senders: usize) -> Self {
        Self(Arc::new(Inner {
            memory: Queue::new(bytes),
            senders: Queue::new(senders.max(1)),
            idle: Mutex::default(),
        }))
    }

    /// Returns how many bytes it has.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.memory.total()
    }

    /// Returns how many bytes are reserved now.
    #[must_use]
    pub fn reserved(&self) -> usize {
        self.0.memory.total() - self.0.memory.free()
    }

    /// Gives the memory that is not reserved back to the system.
    pub fn shrink(&self) {
        let idle = mem::take(&mut *self.idle());
        drop(idle);
    }

    /// Asks for memory for a part.
    pub(crate) fn ask(&self, bytes: usize) -> Turn {
        self.0.memory.ask(bytes)
    }

    /// Asks to send a part.
    pub(crate) fn ask_to_send(&self) -> Turn {
        self.0.senders.ask(1)
    }

    /// Returns an empty part in the memory that was given.
    pub(crate) fn part(&self, share: Share) -> Reserved {
        let mut idle = self.idle();
        let fitting = idle
            .iter()
            .rposition(|idle| idle.capacity() == share.size());
        let bytes = match fitting {
            Some(at) => idle.swap_remove(at),
            None => {
                // What is idle stays within what is free.
                let mut kept: usize = idle.iter().map(Vec::capacity).sum();
                while kept > self.0.memory.free() {
                    kept -= idle.pop().map_or(kept, |idle| idle.capacity());
                }
                Vec::with_capacity(share.size())
            }
        };
        drop(idle);
        Reserved {
            budget: self.clone(),
            bytes,
            share,
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("memory", &self.0.memory)
            .field("senders", &self.0.senders)
            .finish_non_exhaustive()
    }
}

/// A part in memory that is reserved. Dropping it gives that back.
pub(crate) struct Reserved {
    budget: Budget,
    /// No more than were reserved.
    pub(crate) bytes: Vec<u8>,
    /// Given back last: its buffer is idle by then.
    share: Share,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut buffer = mem::take(&mut self.bytes);
        buffer.clear();
        if buffer.capacity() == self.share.size() {
            self.budget.idle().push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn buffers_are_used_again_and_never_more_than_the_budget() {
        let budget = Budget::new(10);
        let mut cx = Context::from_waker(Waker::noop());
        let mut part = |bytes| match budget.ask(bytes).poll(&mut cx) {
            Poll::Ready(share) => budget.part(share),
            Poll::Pending => panic!("there is enough"),
        };
        let (mut one, other) = (part(5), part(5));
        one.bytes.extend_from_slice(b"12345");
        let was_at = one.bytes.as_ptr();
        drop((one, other));
        assert_eq!(budget.reserved(), 0);
        let idle = || budget.idle().iter().map(Vec::capacity).sum::<usize>();
        assert_eq!(idle(), 10);
        let (one, other) = (part(5), part(5));
        assert!(
            [&one, &other]
                .iter()
                .any(|part| part.bytes.as_ptr() == was_at)
        );
        assert!(one.bytes.is_empty() && idle() == 0);
        drop((one, other));
        // A buffer of another length takes the place of those.
        drop(part(8));
        assert!(idle() <= 10);
        budget.shrink();
        assert_eq!(idle(), 0);
    }
}
