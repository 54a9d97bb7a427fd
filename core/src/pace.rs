//! [`Pace`]: how fast commands may follow each other.

use core::time::Duration;

use crate::time::Instant;

/// A client that was silent may send so much of its rate at once.
const BURST: Duration = Duration::from_secs(1);

/// A token bucket: it holds the commands of a second, and is filled again at the same rate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// When the bucket will be full.
    full: Instant,
}

impl Pace {
    /// Takes a token.
    ///
    /// # Errors
    /// How long until there is one.
    pub(crate) fn take(&mut self, now: Instant, per_second: u32) -> Result<(), Duration> {
        let Some(gap) = Duration::from_secs(1).checked_div(per_second) else {
            return Ok(());
        };
        let full = self.full.max(now) + gap;
        let wait = full.since(now + BURST);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.full = full;
        Ok(())
    }
}
