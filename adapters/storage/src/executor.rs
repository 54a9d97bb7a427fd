//! [`Executor`]: where calls that may block run.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use wharf_core::{Denied, Failure};

use crate::operation::Operation;

/// Calls that may hang together, such as those to one disk or one server: an executor keeps threads
/// free for the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Group(pub u64);

/// Something that a thread runs. One that is dropped instead was refused.
pub type Job = Box<dyn FnOnce() + Send>;

/// Where calls that may block run, for the session that makes them.
pub trait Executor: Send + Sync {
    /// Returns whether the session's own thread may wait for a local disk: a thread that serves one
    /// session may, one that serves many may not.
    fn may_wait(&self) -> bool;

    /// Runs a job on another thread, when there is one; drops it where there is none for too long.
    fn spawn(&self, group: Group, job: Job);
}

/// Whether what a job does is still wanted. It looks between the pieces of its work, and may tell how far it
/// has come.
#[derive(Clone, Debug)]
pub struct Wanted(Arc<Course>);

/// What the two ends of an operation tell each other while its job runs.
#[derive(Debug)]
struct Course {
    is_wanted: AtomicBool,
    progress: AtomicU64,
}

impl Default for Wanted {
    /// Wanted for ever: for what is no part of an operation.
    fn default() -> Self {
        Self(Arc::new(Course {
            is_wanted: AtomicBool::new(true),
            progress: AtomicU64::new(0),
        }))
    }
}

impl Wanted {
    /// Returns whether nobody has cancelled it.
    #[must_use]
    pub fn is_so(&self) -> bool {
        self.0.is_wanted.load(Ordering::Relaxed)
    }

    /// Tells how far the job has come: what [`Operation::progress`] returns from now on.
    pub fn advance_to(&self, progress: u64) {
        self.0.progress.store(progress, Ordering::Relaxed);
    }

    fn withdraw(&self) {
        self.0.is_wanted.store(false, Ordering::Relaxed);
    }

    /// Goes on if nobody has cancelled it.
    ///
    /// # Errors
    /// [`NotDone::CANCELLED`].
    pub fn check<E: NotDone>(&self) -> Result<(), E> {
        self.is_so().then_some(()).ok_or(E::CANCELLED)
    }
}

/// What becomes of an operation whose job is cancelled while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCancel {
    /// It waits for the job, which may change something.
    Wait,
    /// It has failed, and the job is left to itself.
    Leave,
}

/// How an operation fails whose job was not done.
pub trait NotDone: Copy + Send + 'static {
    /// No thread took it.
    const REFUSED: Self;
    /// It was cancelled.
    const CANCELLED: Self;
}

impl NotDone for Failure {
    const REFUSED: Self = Self::Busy;
    const CANCELLED: Self = Self::Cancelled;
}

impl NotDone for Denied {
    const REFUSED: Self = Self::Unavailable;
    const CANCELLED: Self = Self::Unavailable;
}

/// Has a job done by an executor. It is also called if it was cancelled before, so that what it holds comes
/// back: it should see whether it is [still wanted](Wanted::check).
pub fn run<T, E>(
    executor: &dyn Executor,
    group: Group,
    on_cancel: OnCancel,
    job: impl FnOnce(&Wanted) -> Result<T, E> + Send + 'static,
) -> Box<dyn Operation<T, E>>
where
    T: Send + 'static,
    E: NotDone,
{
    let slot = Arc::new(Slot(Mutex::new(State::Waiting(None))));
    let wanted = Wanted::default();
    let mut answer = Answer {
        slot: Arc::clone(&slot),
        is_given: false,
    };
    let its_wanted = wanted.clone();
    executor.spawn(
        group,
        Box::new(move || {
            answer.give(job(&its_wanted));
        }),
    );
    Box::new(Running {
        slot,
        wanted,
        on_cancel,
    })
}

/// Where a job leaves its answer.
struct Slot<T, E>(Mutex<State<T, E>>);

enum State<T, E> {
    Waiting(Option<Waker>),
    Answered(Result<T, E>),
    /// The answer was taken, or nobody waits for it.
    Over,
}

impl<T, E> Slot<T, E> {
    fn state(&self) -> MutexGuard<'_, State<T, E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves an answer, unless nobody waits for one; it is then dropped by whoever calls.
    fn answer(&self, outcome: Result<T, E>) {
        let mut state = self.state();
        if let State::Waiting(waker) = &mut *state {
            let waker = waker.take();
            *state = State::Answered(outcome);
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
        } else {
            drop(state);
        }
    }
}

/// The job's end of it: whatever happens to the job, it is answered.
struct Answer<T, E: NotDone> {
    slot: Arc<Slot<T, E>>,
    is_given: bool,
}

impl<T, E: NotDone> Answer<T, E> {
    fn give(&mut self, outcome: Result<T, E>) {
        self.is_given = true;
        self.slot.answer(outcome);
    }
}

impl<T, E: NotDone> Drop for Answer<T, E> {
    fn drop(&mut self) {
        if !self.is_given {
            self.slot.answer(Err(E::REFUSED));
        }
    }
}

/// The other end.
struct Running<T, E> {
    slot: Arc<Slot<T, E>>,
    wanted: Wanted,
    on_cancel: OnCancel,
}

impl<T: Send, E: NotDone> Operation<T, E> for Running<T, E> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        let mut state = self.slot.state();
        match std::mem::replace(&mut *state, State::Over) {
            State::Answered(outcome) => Poll::Ready(outcome),
            State::Waiting(_) => {
                *state = State::Waiting(Some(cx.waker().clone()));
                Poll::Pending
            }
            State::Over => Poll::Pending,
        }
    }

    fn progress(&self) -> u64 {
        self.wanted.0.progress.load(Ordering::Relaxed)
    }

    fn cancel(&mut self) {
        self.wanted.withdraw();
        if self.on_cancel == OnCancel::Leave {
            self.slot.answer(Err(E::CANCELLED));
        }
    }
}

impl<T, E> Drop for Running<T, E> {
    fn drop(&mut self) {
        self.wanted.withdraw();
        // What was opened may take time to close: not under the lock.
        let unwanted = std::mem::replace(&mut *self.slot.state(), State::Over);
        drop(unwanted);
    }
}
