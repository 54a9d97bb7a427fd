//! [`Budget`]: how much memory the parts of uploads take, of all sessions together.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// How much memory the parts of uploads take, of all sessions together. Copies share it.
///
/// A part is reserved as a whole, in the order in which it was asked for. Who waits holds nothing that
/// another one waits for, so each of any number of uploads has its turn.
#[derive(Clone)]
pub struct Budget(Arc<Inner>);

struct Inner {
    bytes: usize,
    state: Mutex<State>,
}

struct State {
    free: usize,
    /// Buffers that are not used, to be used again: fresh ones would come to lie all over the heap.
    idle: Vec<Vec<u8>>,
    /// Those who wait, the first one first.
    waiting: VecDeque<Waiting>,
    next: u64,
}

struct Waiting {
    number: u64,
    waker: Waker,
}

impl Budget {
    /// Returns a budget of so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Inner {
            bytes,
            state: Mutex::new(State {
                free: bytes,
                idle: Vec::new(),
                waiting: VecDeque::new(),
                next: 0,
            }),
        }))
    }

    /// Returns how many bytes it has.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.bytes
    }

    /// Returns how many bytes are reserved now.
    #[must_use]
    pub fn reserved(&self) -> usize {
        self.0.bytes - self.0.state().free
    }

    /// Gives the memory that is not reserved back to the system.
    pub fn shrink(&self) {
        let idle = std::mem::take(&mut self.0.state().idle);
        drop(idle);
    }

    /// Asks for so many bytes; for all that there are, if it is more than that.
    pub(crate) fn ask(&self, bytes: usize) -> Turn {
        Turn {
            budget: self.clone(),
            bytes: bytes.min(self.0.bytes),
            number: None,
        }
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("bytes", &self.0.bytes)
            .field("reserved", &self.reserved())
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever is next.
    fn wake_next(state: MutexGuard<'_, State>) {
        let waker = state.waiting.front().map(|first| first.waker.clone());
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The turn of somebody who asks for memory. Dropping it leaves the queue.
pub(crate) struct Turn {
    budget: Budget,
    bytes: usize,
    /// The place in the queue.
    number: Option<u64>,
}

impl Turn {
    /// Returns the memory when its turn has come and there is enough.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Reserved> {
        let mut state = self.budget.0.state();
        let is_next = match (self.number, state.waiting.front()) {
            (Some(number), Some(first)) => first.number == number,
            (None, first) => first.is_none(),
            (Some(_), None) => true,
        };
        if is_next && state.free >= self.bytes {
            state.free -= self.bytes;
            let buffer = state.buffer(self.bytes);
            if self.number.take().is_some() {
                state.waiting.pop_front();
            }
            Inner::wake_next(state);
            return Poll::Ready(Reserved {
                budget: self.budget.clone(),
                size: self.bytes,
                bytes: buffer,
            });
        }
        let waker = cx.waker().clone();
        let found = self.number.and_then(|number| {
            let waiting = &mut state.waiting;
            waiting.iter_mut().find(|one| one.number == number)
        });
        match found {
            Some(one) => one.waker = waker,
            None => {
                let number = state.next;
                state.next += 1;
                state.waiting.push_back(Waiting { number, waker });
                self.number = Some(number);
            }
        }
        Poll::Pending
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let mut state = self.budget.0.state();
            state.waiting.retain(|one| one.number != number);
            Inner::wake_next(state);
        }
    }
}

impl State {
    /// Returns an empty buffer for so many bytes that were just reserved; what is idle stays within what is free.
    fn buffer(&mut self, bytes: usize) -> Vec<u8> {
        let fitting = self.idle.iter().rposition(|idle| idle.capacity() == bytes);
        if let Some(at) = fitting {
            return self.idle.swap_remove(at);
        }
        let mut kept: usize = self.idle.iter().map(Vec::capacity).sum();
        while kept > self.free {
            kept -= self.idle.pop().map_or(kept, |idle| idle.capacity());
        }
        Vec::with_capacity(bytes)
    }
}

/// Memory that is reserved, with the bytes that were put into it. Dropping it gives it back.
pub(crate) struct Reserved {
    budget: Budget,
    size: usize,
    /// No more than were reserved.
    pub(crate) bytes: Vec<u8>,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.bytes);
        buffer.clear();
        let mut state = self.budget.0.state();
        state.free += self.size;
        if buffer.capacity() == self.size {
            state.idle.push(buffer);
        }
        Inner::wake_next(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_in_the_order_of_asking() {
        let budget = Budget::new(10);
        let mut cx = Context::from_waker(Waker::noop());
        let mut is_given = |turn: &mut Turn| match turn.poll(&mut cx) {
            Poll::Ready(reserved) => Some(reserved),
            Poll::Pending => None,
        };
        let first = is_given(&mut budget.ask(6)).expect("all is free");
        let (mut large, mut small) = (budget.ask(8), budget.ask(1));
        assert!(is_given(&mut large).is_none());
        // It would fit, but somebody else was there before.
        assert!(is_given(&mut small).is_none());
        drop(first);
        assert!(is_given(&mut small).is_none());
        let large = is_given(&mut large).expect("its turn has come");
        let small = is_given(&mut small).expect("and there is a rest");
        assert_eq!(budget.reserved(), 9);
        let (mut gone, mut next) = (budget.ask(5), budget.ask(1));
        assert!(is_given(&mut gone).is_none() && is_given(&mut next).is_none());
        drop(gone);
        assert!(is_given(&mut next).is_some());
        drop((large, small));
        assert_eq!(budget.reserved(), 0);
        let idle = |budget: &Budget| {
            budget
                .0
                .state()
                .idle
                .iter()
                .map(Vec::capacity)
                .sum::<usize>()
        };
        assert!(idle(&budget) <= 10, "what is idle is within it too");
        budget.shrink();
        assert_eq!(idle(&budget), 0);
        // More than there is at all is all that there is.
        assert!(is_given(&mut budget.ask(11)).is_some());
    }
}
