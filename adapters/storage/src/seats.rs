//! [`Seats`]: how many sessions of one account there may be at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The sessions that an account may have at once. Copies count together.
///
/// ```
/// use wharf_storage::{Seats};
///
/// let seats = Seats::new(1);
/// let first = seats.take();
/// assert!(first.is_some() && seats.take().is_none());
/// drop(first);
/// assert!(seats.take().is_some());
/// ```
#[derive(Clone, Debug)]
pub struct Seats(Arc<AtomicUsize>);

impl Seats {
    /// So many sessions.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(count)))
    }

    /// A seat for a session, if one is free.
    #[must_use]
    pub fn take(&self) -> Option<Seat> {
        let taken = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |free| {
                free.checked_sub(1)
            });
        taken.is_ok().then(|| Seat(Arc::clone(&self.0)))
    }
}

/// The seat of one session. Dropping it frees it.
#[derive(Debug)]
pub struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
