//! What happens when time has passed.

use alloc::vec::Vec;

use super::Session;
use super::state::{Job, Overdue, Penalty, Work};
use crate::action::{Reason, Verdict};
use crate::note::Ending;
use crate::path::VPath;
use crate::timer::Timer;

/// A client takes so many bytes of replies in each window, or all that there are.
const LEAST_TAKEN: usize = 1_024;

impl Session {
    pub(super) fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Login => self.overdue.login = true,
            Timer::Idle => self.on_silence(),
            Timer::Line => self.on_slow_line(),
            Timer::Ticket => self.on_late_ticket(),
            Timer::Rate => self.on_rate(),
            // The next line is tried after every tick.
            Timer::Pace => {}
            Timer::Penalty => self.on_penalty(),
            Timer::Unread => self.on_unread(),
            Timer::Settle => self.settle(Verdict::Commit),
            Timer::Grace => self.abort_transfer(Reason::Shutdown),
            Timer::Buffers => self.give_back(),
        }
    }

    /// The client sends nothing. What was pipelined and waits for room is not silence.
    fn on_silence(&mut self) {
        let limits = &self.config.limits;
        match self.work {
            Work::Idle if self.input.has_line() => {
                self.timers.set(Timer::Idle, self.now, limits.unread);
            }
            Work::Idle => self.farewell(421, "Timeout.", Ending::Idle),
            _ => self.timers.set(Timer::Idle, self.now, limits.idle),
        }
    }

    /// The line has not ended in time; but where nothing more is taken, it cannot.
    fn on_slow_line(&mut self) {
        if self.input_room() > 0 {
            self.overdue.line = true;
        } else {
            self.timers
                .set(Timer::Line, self.now, self.config.limits.line_time);
        }
    }

    /// Why the session ends now that no command runs, if its client owes something.
    pub(super) fn overdue(&self) -> Option<Ending> {
        match self.overdue {
            Overdue { login: true, .. } => Some(Ending::NoLogin),
            // Lines that came whole have their turn.
            Overdue { line: true, .. } if !self.input.has_line() => Some(Ending::SlowLine),
            _ => None,
        }
    }

    /// A ticket has not come back: first it is asked for, then the session ends.
    fn on_late_ticket(&mut self) {
        let Work::Waiting(job) = &mut self.work else {
            return;
        };
        if self.desk.is_cancelled() {
            if let Job::Turn(_) = job {
                // Amid a handshake nothing can be said.
                self.desk.abandon();
                self.close(Ending::Tls);
                return;
            }
            // A reply of several lines that has begun ends with its own code.
            if let Job::Report { code, begun: true } = *job {
                self.output.line(code, "End, incomplete.");
            }
            self.desk.abandon();
            self.wipe_password();
            self.farewell(421, "Timeout.", Ending::Unanswered);
            return;
        }
        self.desk.cancel();
        if let Job::Transfer(transfer) = job {
            transfer.expire();
        }
        self.timers
            .set(Timer::Ticket, self.now, self.config.limits.cancel);
    }

    fn on_penalty(&mut self) {
        if let Work::Penalty(penalty) = self.work {
            match penalty {
                Penalty::Retry => self.done(530, "Login incorrect."),
                Penalty::Last => {
                    self.farewell(421, "Too many failed logins.", Ending::LoginRefused);
                }
            }
        }
    }

    /// A client that takes too little of the replies is as good as gone. The last of them have one
    /// window.
    fn on_unread(&mut self) {
        if self.output.is_empty() {
            return;
        }
        if self.taken >= LEAST_TAKEN && !self.work.is_over() {
            // The next window begins.
            return;
        }
        self.output.clear();
        if !self.work.is_over() {
            self.ending = Some(Ending::Unread);
            self.lost(self.now);
        }
    }

    /// Gives memory back that an idle session does not need.
    fn give_back(&mut self) {
        if !matches!(self.work, Work::Idle) {
            return;
        }
        self.input.shrink();
        self.output.shrink();
        self.journal.shrink();
        self.path = VPath::root();
        self.other = VPath::root();
        self.cwd.shrink();
        self.username.shrink_to_fit();
        self.password = Vec::new();
    }
}
