//! [`Queue`]: something of which there is only so much, given out in the order of asking.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use wharf_core::Failure;
use wharf_storage::Operation;

/// Something of which there is only so much. Who waits holds none of it.
pub(crate) struct Queue {
    total: usize,
    state: Mutex<State>,
}

struct State {
    free: usize,
    /// Those who wait, the first one first.
    waiting: VecDeque<Waiting>,
    next: u64,
}

struct Waiting {
    number: u64,
    waker: Waker,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("total", &self.total)
            .field("free", &self.free())
            .finish_non_exhaustive()
    }
}

impl Queue {
    /// Returns a queue for so much.
    pub(crate) fn new(total: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            state: Mutex::new(State {
                free: total,
                waiting: VecDeque::new(),
                next: 0,
            }),
        })
    }

    pub(crate) fn total(&self) -> usize {
        self.total
    }

    pub(crate) fn free(&self) -> usize {
        self.state().free
    }

    /// Asks for so much; for all that there is, if it is more than that.
    pub(crate) fn ask(self: &Arc<Self>, size: usize) -> Turn {
        Turn {
            queue: Arc::clone(self),
            size: size.min(self.total),
            number: None,
        }
    }

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

/// The turn of somebody who asks. Dropping it leaves the queue.
pub(crate) struct Turn {
    queue: Arc<Queue>,
    size: usize,
    /// The place in the queue.
    number: Option<u64>,
}

impl Turn {
    /// Returns the share when its turn has come and there is enough.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Share> {
        let mut state = self.queue.state();
        let is_next = match (self.number, state.waiting.front()) {
            (Some(number), Some(first)) => first.number == number,
            (None, first) => first.is_none(),
            (Some(_), None) => true,
        };
        if is_next && state.free >= self.size {
            state.free -= self.size;
            if self.number.take().is_some() {
                state.waiting.pop_front();
            }
            Queue::wake_next(state);
            return Poll::Ready(Share {
                queue: Arc::clone(&self.queue),
                size: self.size,
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
            let mut state = self.queue.state();
            state.waiting.retain(|one| one.number != number);
            Queue::wake_next(state);
        }
    }
}

/// What somebody was given. Dropping it gives it back.
pub(crate) struct Share {
    queue: Arc<Queue>,
    size: usize,
}

impl Share {
    pub(crate) fn size(&self) -> usize {
        self.size
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.free += self.size;
        Queue::wake_next(state);
    }
}

/// Has something begun when its turn has come. Its [progress](Operation::progress) is 0 until then.
pub(crate) fn in_turn<T: Send + 'static>(
    turn: Turn,
    start: impl FnOnce(Share) -> Box<dyn Operation<T>> + Send + 'static,
) -> Box<dyn Operation<T>> {
    Box::new(InTurn::Queued(turn, Some(start)))
}

enum InTurn<T, S> {
    Queued(Turn, Option<S>),
    Begun(Box<dyn Operation<T>>),
    Cancelled,
}

impl<T, S> Operation<T> for InTurn<T, S>
where
    T: Send + 'static,
    S: FnOnce(Share) -> Box<dyn Operation<T>> + Send,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Failure>> {
        loop {
            match self {
                Self::Queued(turn, start) => {
                    let share = ready!(turn.poll(cx));
                    *self = match start.take() {
                        Some(start) => Self::Begun(start(share)),
                        None => Self::Cancelled,
                    };
                }
                Self::Begun(begun) => return begun.poll(cx),
                Self::Cancelled => return Poll::Ready(Err(Failure::Cancelled)),
            }
        }
    }

    fn cancel(&mut self) {
        match self {
            Self::Begun(begun) => begun.cancel(),
            Self::Queued(..) | Self::Cancelled => *self = Self::Cancelled,
        }
    }

    fn progress(&self) -> u64 {
        match self {
            Self::Begun(begun) => begun.progress().saturating_add(1),
            Self::Queued(..) | Self::Cancelled => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_given_in_the_order_of_asking() {
        let queue = Queue::new(10);
        let mut cx = Context::from_waker(Waker::noop());
        let mut is_given = |turn: &mut Turn| match turn.poll(&mut cx) {
            Poll::Ready(share) => Some(share),
            Poll::Pending => None,
        };
        let first = is_given(&mut queue.ask(6)).expect("all is free");
        let (mut large, mut small) = (queue.ask(8), queue.ask(1));
        assert!(is_given(&mut large).is_none());
        // It would fit, but somebody else was there before.
        assert!(is_given(&mut small).is_none());
        drop(first);
        assert!(is_given(&mut small).is_none());
        let large = is_given(&mut large).expect("its turn has come");
        let small = is_given(&mut small).expect("and there is a rest");
        assert_eq!(queue.free(), 1);
        let (mut gone, mut next) = (queue.ask(5), queue.ask(1));
        assert!(is_given(&mut gone).is_none() && is_given(&mut next).is_none());
        drop(gone);
        assert!(is_given(&mut next).is_some());
        drop((large, small));
        assert_eq!(queue.free(), 10);
        // More than there is at all is all that there is.
        assert!(is_given(&mut queue.ask(11)).is_some());
    }

    #[test]
    fn what_is_queued_has_made_no_progress_and_can_be_given_up() {
        struct Done;
        impl Operation<()> for Done {
            fn poll(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
                Poll::Ready(Ok(()))
            }
            fn cancel(&mut self) {}
        }
        let queue = Queue::new(1);
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(share) = queue.ask(1).poll(&mut cx) else {
            panic!("all is free");
        };
        let [mut one, mut other] = [0, 1].map(|_| in_turn(queue.ask(1), |_| Box::new(Done)));
        assert!(one.poll(&mut cx).is_pending() && other.poll(&mut cx).is_pending());
        assert_eq!(one.progress(), 0);
        one.cancel();
        assert_eq!(one.poll(&mut cx), Poll::Ready(Err(Failure::Cancelled)));
        drop(share);
        assert_eq!(other.poll(&mut cx), Poll::Ready(Ok(())));
        assert!(other.progress() > 0);
    }
}
