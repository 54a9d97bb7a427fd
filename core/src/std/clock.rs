//! [`Monotonic`]: a clock that never goes back.

use crate::time::Instant;

/// A clock that never goes back, for the `now` that a session is given. It begins at zero when it is made.
///
/// ```
/// use wharf_core::Monotonic;
///
/// let clock = Monotonic::new();
/// let now = clock.now();
/// assert!(clock.now() >= now);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Monotonic(std::time::Instant);

impl Monotonic {
    /// Returns a clock that begins now.
    #[must_use]
    pub fn new() -> Self {
        Self(std::time::Instant::now())
    }

    /// Returns the time that has passed since it was made.
    #[must_use]
    pub fn now(&self) -> Instant {
        let micros = self.0.elapsed().as_micros();
        Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

impl Default for Monotonic {
    fn default() -> Self {
        Self::new()
    }
}
