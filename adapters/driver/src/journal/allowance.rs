//! [`Allowance`]: how much one session may log.

use std::time::Duration;

use wharf_core::Instant;

/// Bytes a second that one session may log for long.
const RATE: u64 = 2 << 20;
/// The same where the log is not read as fast as it is filled.
const PRESSED_RATE: u64 = 16 << 10;
/// For so long a session may log ahead of its rate.
const AHEAD: Duration = Duration::from_secs(4);
/// The same where the log is not read as fast.
const PRESSED_AHEAD: Duration = Duration::from_secs(1);

/// What one session has logged, as the time that it takes at its rate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance {
    until: Instant,
}

impl Allowance {
    /// Whether the session may log more.
    pub(super) fn is_left(self, now: Instant, pressed: bool) -> bool {
        let ahead = if pressed { PRESSED_AHEAD } else { AHEAD };
        self.until.since(now) <= ahead
    }

    /// The session has logged so many bytes.
    pub(super) fn spend(&mut self, now: Instant, pressed: bool, bytes: usize) {
        let rate = if pressed { PRESSED_RATE } else { RATE };
        let micros = bytes as u64 * 1_000_000 / rate;
        self.until = self.until.max(now) + Duration::from_micros(micros);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a kilobyte that one session gets through in ten seconds.
    fn lines(pressed: bool) -> usize {
        let mut allowance = Allowance::default();
        let mut lines = 0;
        for now in (0..10_000).map(|millis| Instant::from_micros(millis * 1_000)) {
            while allowance.is_left(now, pressed) {
                allowance.spend(now, pressed, 1_024);
                lines += 1;
            }
        }
        lines
    }

    #[test]
    fn a_session_logs_at_its_rate_after_what_it_may_log_ahead() {
        let (free, pressed) = (lines(false), lines(true));
        assert!((28_600..28_800).contains(&free), "{free}");
        assert!((176..180).contains(&pressed), "{pressed}");
    }
}
