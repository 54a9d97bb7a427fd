//! [`Signal`]: wakes a session that waits for its storage.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use crate::bell::Bell;
use crate::lock::lock;

/// Tells a session that its storage has something for it. The session's task waits for
/// [`Signal::poll`], or its thread for [`Signal::bell`].
#[derive(Debug, Default)]
pub struct Signal {
    is_given: AtomicBool,
    listener: Mutex<Listener>,
}

#[derive(Debug, Default)]
enum Listener {
    #[default]
    Nobody,
    Task(Waker),
    Thread(Arc<Bell>),
}

impl Signal {
    /// Is ready once it was given; until then the task is woken when it is.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        *lock(&self.listener) = Listener::Task(cx.waker().clone());
        match self.is_given() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Returns a bell that rings when it is given, which costs no descriptor before the first call. It
    /// must be looked at [`Signal::is_given`] between this call and the wait. `None` if there is no
    /// descriptor left.
    pub fn bell(&self) -> Option<Arc<Bell>> {
        let mut listener = lock(&self.listener);
        if let Listener::Thread(bell) = &*listener {
            return Some(Arc::clone(bell));
        }
        let bell = Arc::new(Bell::new().ok()?);
        *listener = Listener::Thread(Arc::clone(&bell));
        Some(bell)
    }

    /// Returns whether it was given, and was not taken since.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.is_given.load(Ordering::Acquire)
    }

    /// Takes it: returns whether it was given.
    pub(crate) fn take(&self) -> bool {
        if !self.is_given() {
            return false;
        }
        // If it is given meanwhile, the bell rings once too often.
        if let Listener::Thread(bell) = &*lock(&self.listener) {
            bell.silence();
        }
        self.is_given.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_given.store(true, Ordering::Release);
        match &*lock(&self.listener) {
            Listener::Nobody => {}
            Listener::Task(waker) => waker.wake_by_ref(),
            Listener::Thread(bell) => bell.ring(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_given_at_any_time_is_seen_once() {
        let signal = Arc::new(Signal::default());
        assert!(!signal.take());
        signal.wake_by_ref();
        assert!(signal.take() && !signal.take());
        let bell = signal.bell();
        signal.wake_by_ref();
        assert!(signal.is_given() && bell.is_some());
        assert!(signal.take() && !signal.is_given());
    }

    #[test]
    fn a_task_that_waits_is_woken() {
        struct Flag(AtomicBool);
        impl Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&flag));
        let mut cx = Context::from_waker(&waker);
        let signal = Arc::new(Signal::default());
        assert!(signal.poll(&mut cx).is_pending());
        signal.wake_by_ref();
        assert!(flag.0.load(Ordering::Relaxed));
        assert!(signal.poll(&mut cx).is_ready());
    }
}
