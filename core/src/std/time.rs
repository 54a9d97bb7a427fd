//! Moments of the calendar.

use core::fmt;
use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::time::Timestamp;

/// The system has no time so early or so late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange(pub Timestamp);

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Timestamp { seconds, .. } = self.0;
        write!(f, "the system has no time {seconds} seconds from 1970")
    }
}

impl core::error::Error for OutOfRange {}

impl From<SystemTime> for Timestamp {
    /// Returns the same moment, also before 1970.
    fn from(moment: SystemTime) -> Self {
        let whole = |since: Duration| i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        match moment.duration_since(UNIX_EPOCH) {
            Ok(since) => Self {
                seconds: whole(since),
                nanos: since.subsec_nanos(),
            },
            Err(before) => {
                let before = before.duration();
                // The fraction counts forward from the second before.
                let borrowed = i64::from(before.subsec_nanos() > 0);
                Self {
                    seconds: -whole(before) - borrowed,
                    nanos: (1_000_000_000 - before.subsec_nanos()) % 1_000_000_000,
                }
            }
        }
    }
}

impl TryFrom<Timestamp> for SystemTime {
    type Error = OutOfRange;

    /// Returns the same moment, or [`OutOfRange`] if the system cannot tell so early or late a one.
    fn try_from(moment: Timestamp) -> Result<Self, OutOfRange> {
        let seconds = Duration::from_secs(moment.seconds.unsigned_abs());
        let whole = match moment.seconds < 0 {
            true => UNIX_EPOCH.checked_sub(seconds),
            false => UNIX_EPOCH.checked_add(seconds),
        };
        let nanos = Duration::from_nanos(moment.nanos.into());
        whole
            .and_then(|whole| whole.checked_add(nanos))
            .ok_or(OutOfRange(moment))
    }
}
