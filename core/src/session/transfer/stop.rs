//! ABOR, and what else stops a transfer.

use crate::action::{Reason, Verdict};
use crate::session::Session;
use crate::session::state::{After, Job, Look, Stage, Work};
use crate::timer::Timer;

impl Session {
    /// Stops the transfer that runs, if there is one and it can still be stopped.
    pub(in crate::session) fn abort_transfer(&mut self, reason: Reason) {
        let transfer = match &mut self.work {
            Work::Settling(_) => {
                self.aborted |= reason == Reason::Aborted;
                return self.settle(match reason {
                    Reason::ControlLost | Reason::HungUp => Verdict::Abandon(reason),
                    _ => Verdict::Commit,
                });
            }
            Work::Waiting(Job::Transfer(transfer) | Job::Look(Look::List(transfer, _))) => transfer,
            _ => return,
        };
        self.aborted |= reason == Reason::Aborted;
        if matches!(transfer.stage, Stage::Closing(_) | Stage::Finishing(_)) {
            return;
        }
        match reason {
            // It weighs more than what came before: see `verdict`.
            Reason::ControlLost | Reason::HungUp => transfer.stop = Some(reason),
            _ => _ = transfer.stop.get_or_insert(reason),
        }
        // To ask again gives no more time.
        if !self.desk.is_cancelled() {
            self.desk.cancel();
            self.timers
                .set(Timer::Ticket, self.now, self.config.limits.cancel);
        }
    }

    /// The client has closed the control connection without QUIT: a transfer that runs is stopped,
    /// unless it is an upload whose end may yet show that it is whole.
    pub(in crate::session) fn hang_up(&mut self) {
        let accepted = self.accepted().hang_up;
        match &mut self.work {
            Work::Settling(transfer) => {
                transfer.hung_up = true;
                if accepted {
                    transfer.accepted.get_or_insert(Reason::HungUp);
                    return self.settle(Verdict::Commit);
                }
            }
            Work::Waiting(Job::Transfer(transfer)) if transfer.is_upload() => {
                let ends = matches!(transfer.stage, Stage::Closing(_) | Stage::Finishing(_));
                transfer.hung_up |= !ends;
                if accepted || transfer.size.is_some() {
                    return;
                }
            }
            _ => {}
        }
        self.abort_transfer(Reason::HungUp);
    }

    /// Whether an upload goes on though its client has closed the control connection.
    pub(in crate::session) fn goes_on_without_client(&self) -> bool {
        match &self.work {
            Work::Waiting(Job::Transfer(transfer)) => transfer.hung_up && transfer.stop.is_none(),
            _ => false,
        }
    }

    /// Whether a 150 was sent and its final reply was not.
    pub(in crate::session) fn is_moving(&self) -> bool {
        match &self.work {
            Work::Waiting(Job::Transfer(transfer)) => transfer.announced,
            Work::Settling(_) => true,
            _ => false,
        }
    }

    /// ABOR in its turn: what it was meant for is over by now.
    pub(in crate::session) fn abor(&mut self) {
        if core::mem::take(&mut self.aborted) {
            self.done(226, "Abort successful.");
        } else {
            let data = core::mem::take(&mut self.settings.data);
            self.forget(data, After::Abor);
        }
    }
}
