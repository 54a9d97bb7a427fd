//! The timers of a session, in one table.

use core::time::Duration;

use crate::time::Instant;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The client must have logged in.
    Login,
    /// The client must have sent a command.
    Idle,
    /// The line that began must have ended.
    Line,
    /// The ticket that is out must have come back, or a byte must have moved.
    Ticket,
    /// Enough bytes must have moved since the last time.
    Rate,
    /// The next command may run.
    Pace,
    /// A refused login is answered.
    Penalty,
    /// The client must have taken replies.
    Unread,
    /// An upload that has ended is believed.
    Settle,
    /// The transfer must have ended before the shutdown.
    Grace,
    /// Buffers are given back.
    Buffers,
}

const ALL: [Timer; 11] = [
    Timer::Login,
    Timer::Idle,
    Timer::Line,
    Timer::Ticket,
    Timer::Rate,
    Timer::Pace,
    Timer::Penalty,
    Timer::Unread,
    Timer::Settle,
    Timer::Grace,
    Timer::Buffers,
];

#[derive(Clone, Debug, Default)]
pub(crate) struct Timers([Option<Instant>; ALL.len()]);

impl Timers {
    /// Sets a timer; a duration of zero is no limit, and the end of the clock is never reached.
    pub(crate) fn set(&mut self, timer: Timer, now: Instant, after: Duration) {
        self.0[timer as usize] = Some(now + after).filter(|at| *at > now);
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize].is_some()
    }

    pub(crate) fn clear_all(&mut self) {
        self.0 = [None; ALL.len()];
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    /// A timer whose time has come. It is disarmed, so that its handler cannot spin.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<Timer> {
        let timer = ALL
            .into_iter()
            .find(|&timer| self.0[timer as usize].is_some_and(|at| at <= now))?;
        self.clear(timer);
        Some(timer)
    }
}
