//! [`Begun`] and [`Operation`]: an answer that is there at once, or comes later.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use wharf_core::Failure;

/// Something that was begun and is not done yet.
///
/// Dropping it gives it up, as far as it can still be given up; nobody learns what came of it.
pub trait Operation<T, E = Failure>: Send {
    /// Returns what came of it, once. Until then whoever waits in the context is woken when it is
    /// worth asking again.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, E>>;

    /// Asks it to end soon. It is ready then, with whatever is true: done after all, or failed.
    fn cancel(&mut self);

    /// Returns how far it has come, in whatever unit: a number that grows as long as it goes on. What takes
    /// long to commit an upload is given up by the session's limit if it does not grow. 0 by default.
    fn progress(&self) -> u64 {
        0
    }
}

/// What was asked for: done already, or begun.
#[must_use]
pub enum Begun<T, E = Failure> {
    /// It is done.
    Done(Result<T, E>),
    /// It takes its time.
    Pending(Box<dyn Operation<T, E>>),
}

impl<T, E> From<Result<T, E>> for Begun<T, E> {
    fn from(outcome: Result<T, E>) -> Self {
        Self::Done(outcome)
    }
}

impl<T, E> fmt::Debug for Begun<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done(Ok(_)) => "Done(Ok(..))",
            Self::Done(Err(_)) => "Done(Err(..))",
            Self::Pending(_) => "Pending(..)",
        })
    }
}

impl<T, E> Begun<T, E> {
    /// Waits in this thread until it is done.
    ///
    /// # Errors
    /// Why it is not.
    pub fn wait(self) -> Result<T, E> {
        let mut operation = match self {
            Self::Done(outcome) => return outcome,
            Self::Pending(operation) => operation,
        };
        let waker = Waker::from(Arc::new(Parked(thread::current())));
        let mut cx = Context::from_waker(&waker);
        loop {
            match operation.poll(&mut cx) {
                Poll::Ready(outcome) => return outcome,
                Poll::Pending => thread::park(),
            }
        }
    }
}

/// A thread that waits.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<T: 'static, E: 'static> Begun<T, E> {
    /// Goes on with what came of it, as soon as that is there.
    pub fn then<U, F>(
        self,
        next: impl FnOnce(Result<T, E>) -> Begun<U, F> + Send + 'static,
    ) -> Begun<U, F>
    where
        U: 'static,
        F: 'static,
    {
        match self {
            Self::Done(outcome) => next(outcome),
            Self::Pending(first) => Begun::Pending(Box::new(Then::First(first, next))),
        }
    }
}

/// One operation behind another.
enum Then<T, E, U, F, N> {
    First(Box<dyn Operation<T, E>>, N),
    Second(Box<dyn Operation<U, F>>),
    Over,
}

impl<T, E, U, F, N> Operation<U, F> for Then<T, E, U, F, N>
where
    N: FnOnce(Result<T, E>) -> Begun<U, F> + Send,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<U, F>> {
        loop {
            match self {
                Self::First(first, _) => {
                    let Poll::Ready(outcome) = first.poll(cx) else {
                        return Poll::Pending;
                    };
                    let Self::First(_, next) = mem::replace(self, Self::Over) else {
                        return Poll::Pending;
                    };
                    match next(outcome) {
                        Begun::Done(outcome) => return Poll::Ready(outcome),
                        Begun::Pending(second) => *self = Self::Second(second),
                    }
                }
                Self::Second(second) => return second.poll(cx),
                Self::Over => return Poll::Pending,
            }
        }
    }

    fn cancel(&mut self) {
        match self {
            Self::First(first, _) => first.cancel(),
            Self::Second(second) => second.cancel(),
            Self::Over => {}
        }
    }

    fn progress(&self) -> u64 {
        match self {
            Self::First(first, _) => first.progress(),
            Self::Second(second) => second.progress(),
            Self::Over => 0,
        }
    }
}
