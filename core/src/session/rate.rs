//! How slow a transfer may be.

use core::time::Duration;

use super::Session;
use super::state::{Job, Work};
use crate::action::Reason;
use crate::timer::Timer;

/// The rate of a transfer is that of each window of this length.
const WINDOW: Duration = Duration::from_secs(60);

impl Session {
    /// A window begins, if there is a least rate.
    pub(super) fn measure_rate(&mut self) {
        if self.config.limits.min_rate > 0 {
            self.timers.set(Timer::Rate, self.now, WINDOW);
        }
    }

    /// A window is over: a transfer that was too slow in it ends.
    pub(super) fn on_rate(&mut self) {
        let Work::Waiting(Job::Transfer(transfer)) = &mut self.work else {
            return;
        };
        let least = self.config.limits.min_rate;
        if transfer.keeps_up(least.saturating_mul(WINDOW.as_secs())) {
            self.measure_rate();
        } else {
            self.abort_transfer(Reason::Slow);
        }
    }
}
