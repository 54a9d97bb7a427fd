//! What must be so, while a run goes on and at its end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use wharf_core::Limits;

use super::{Seat, World};
use crate::client::Client;

/// A client takes the last replies within this time, or they are dropped.
pub(super) const UNREAD: Duration = Duration::from_secs(60);
/// What a session may be late by.
const SCHEDULING: Duration = Duration::from_secs(1);

/// What a storage that stalls, but does not hang, may have a transfer wait for.
const SLOW: Duration = Duration::from_secs(60);

/// What the limits promise of transfers, in microseconds.
pub(super) struct Promised {
    /// So long one may go on in which nothing moves, and so much longer an upload, which is completed or given
    /// up behind that.
    pub(super) stands_still: (u64, u64),
    /// One that takes longer than this may be given up for being slow.
    pub(super) window: u64,
}

impl Promised {
    pub(super) fn by(limits: &Limits) -> Self {
        /// Over which the rate is an average.
        const MINUTE: Duration = Duration::from_secs(60);
        let until_begun = limits.request + limits.connect + limits.handshake;
        let stall = match limits.min_rate {
            0 => limits.stall,
            // One may begin to stand still at the beginning of a minute.
            _ => limits.stall.min(2 * MINUTE),
        };
        let still = stall.max(until_begun) + limits.cancel + SLOW + SCHEDULING;
        Self {
            stands_still: (micros(still), micros(limits.finish + limits.cancel)),
            window: match limits.min_rate {
                0 => u64::MAX,
                _ => micros(MINUTE),
            },
        }
    }

    /// The same where each upload may wait for memory that so many others have, one after another.
    pub(super) fn among(self, others: u64) -> Self {
        let (still, upload) = self.stands_still;
        Self {
            stands_still: (still, upload + others * (still + upload)),
            ..self
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl World<'_> {
    /// O14 for the ABOR that is sent now, unless the data of an upload may have ended before it comes: then
    /// that is completed, which takes as long as it takes.
    pub(super) fn expect_an_end(&mut self, at: usize, turns: bool) {
        let seat = &mut self.seats[at];
        let is_whole = match &mut seat.data {
            Some(data) if data.uploads() => {
                // Some clients say no more of what they give up.
                data.stalls |= data.has_more() && seat.manners.below(2) == 0;
                !data.stalls || !data.has_more()
            }
            // All of it was said.
            None => seat.client.uploads(),
            Some(_) => false,
        };
        seat.client.prompt = !turns && !is_whole && self.outside.now() >= seat.deaf_until;
    }

    /// Whether something went wrong that the client may feel.
    pub(super) fn is_troubled(&self, at: usize) -> bool {
        let seat = &self.seats[at];
        seat.troubled
            || self.disk.troubled.load(Ordering::Relaxed)
            || seat.guest.elsewhere.has_hung.load(Ordering::Relaxed)
    }

    /// O16: the session must be over within its limits, and so much more, whatever its storage does.
    pub(super) fn must_end(&mut self, at: usize, more: Duration) {
        let seat = &mut self.seats[at];
        let limits = &self.service.settings().protocol.limits;
        let longest = match seat.client.uploads() {
            true => limits.finish,
            false => limits.request,
        };
        let within = longest + limits.cancel + more + SCHEDULING;
        let by = self.outside.now() + micros(within);
        seat.over_by = seat.over_by.min(by);
    }

    /// What must be so when nothing happens any more.
    pub(super) fn judge(&mut self) {
        self.judge_places();
        if let Some(cloud) = &self.cloud {
            cloud.judge();
            let clients = self.seats.iter().map(|seat| &seat.client);
            cloud.judge_versions(clients.flat_map(Client::sent_uploads));
        }
        let store = self.disk.store();
        assert_eq!(store.open, 0, "O4: handles are open");
        for (number, seat) in self.seats.iter().enumerate() {
            assert!(seat.guest.task.is_none(), "I47: session {number} goes on");
            seat.client.judge(number, self.is_troubled(number), &store);
        }
        for port in self.outside.ports() {
            let listens = self.outside.connect(port).is_ok();
            assert!(!listens, "O4: port {port} still listens");
        }
    }

    /// O17: what hangs keeps the place of its session, so that no more hangs than there may be sessions;
    /// when it comes back it changes nothing, and gives the place back.
    fn judge_places(&self) {
        let is_busy = |seat: &&Seat| seat.guest.elsewhere.is_busy();
        let busy = self.seats.iter().filter(is_busy).count();
        assert_eq!(self.service.sessions(), busy, "O17: places are taken");
        for seat in &self.seats {
            seat.guest.elsewhere.come_back();
        }
        assert_eq!(self.service.sessions(), 0, "O17: places are not given back");
    }
}
