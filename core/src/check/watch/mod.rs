//! [`Checked`]: the session, everything that was said to it, and what follows from that.

mod calls;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bstr::{BStr, ByteSlice};

use crate::action::Action;
use crate::check::codes::codes;
use crate::check::lines::{Line, Lines};
use crate::check::replies::{Replies, Reply};
use crate::check::request::{Causes, Out, Work};
use crate::check::standing::{Standing, Turning, transfers};
use crate::command::Verb;
use crate::config::{Config, Notes};
use crate::machine::Machine;
use crate::outcome::TlsFailure;
use crate::path::VPath;
use crate::session::{Endpoints, Session};
use crate::shared::Shared;
use crate::time::Instant;

/// Answered lines that are remembered for their notes: those of STAT in a transfer have none.
const MOST_NOTED: usize = 4_096;

/// A [`Session`], or another [`Machine`], under watch: see the [module](super).
///
/// Every call may panic; the message begins with the number of the invariant.
#[derive(Clone, Debug)]
pub struct Checked<M: Machine = Session> {
    session: M,
    config: Shared<Config>,
    /// The latest time that was told.
    now: Instant,
    lines: Lines,
    /// Lines that were taken and have no final reply. The first one is in hand.
    queue: VecDeque<Line>,
    /// How many of them came in this very call.
    fresh: usize,
    /// Lines that were answered and not noted, with the code.
    answered: VecDeque<(Vec<u8>, u16)>,
    replies: Replies,
    /// Bytes of the waiting output that were looked at.
    seen: usize,
    standing: Standing,
    work: Work,
    out: Option<Out>,
    /// When the line in hand came.
    begun: Instant,
    /// When it, or its last answer, came.
    since: Instant,
    /// When a byte of the transfer moved last, and how many had.
    moved: (Instant, u64),
    /// How far what finishes has come.
    reached: u64,
    /// When the minute in which the rate is measured began, and how many had moved by then.
    minute: (Instant, u64),
    /// When nobody was logged in first.
    stranger_since: Instant,
    /// When the line that has begun did so.
    line_since: Instant,
    /// An ABOR was taken while the line in hand was.
    aborted: bool,
    ended: bool,
    /// The client left without a QUIT.
    left: bool,
    stopping: bool,
    /// Replies need not reach the client any more.
    gone: bool,
    /// It became neither a TLS connection nor a clear one.
    broken: bool,
    /// The last reply was written.
    farewell: bool,
    over: bool,
}

impl Checked {
    /// As [`Session::new`].
    #[must_use]
    pub fn new(config: &Shared<Config>, ends: Endpoints, now: Instant) -> Self {
        Self::watch(Session::new(config, ends, now), config, now)
    }
}

impl<M: Machine> Checked<M> {
    /// Watches a machine that was just made, at that time and with that configuration.
    #[must_use]
    pub fn watch(session: M, config: &Shared<Config>, now: Instant) -> Self {
        let mut checked = Self {
            session,
            config: Shared::clone(config),
            now,
            lines: Lines::default(),
            queue: VecDeque::from([Line::connection()]),
            fresh: 0,
            answered: VecDeque::new(),
            replies: Replies::default(),
            seen: 0,
            standing: Standing::new(config),
            work: Work::default(),
            out: None,
            begun: now,
            since: now,
            moved: (now, 0),
            reached: 0,
            minute: (now, 0),
            stranger_since: now,
            line_since: now,
            aborted: false,
            ended: false,
            left: false,
            stopping: false,
            gone: false,
            broken: false,
            farewell: false,
            over: false,
        };
        checked.look();
        checked
    }

    /// What is watched.
    #[must_use]
    pub fn inner(&self) -> &M {
        &self.session
    }

    /// Whether [`Action::Disconnect`] came.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Looks at what the last call changed.
    fn look(&mut self) {
        self.look_at_replies();
        self.fresh = 0;
        let limits = &self.config.limits;
        let heap = self.session.heap_size();
        let most = limits.look_ahead + 2 * limits.line + 2 * limits.output + 12 * VPath::MAX;
        assert!(heap <= most, "I48: {heap} bytes, {most} are allowed");
        let waiting = self.session.transmit().len();
        assert!(
            waiting <= limits.output + super::replies::MOST,
            "I35: {waiting} bytes of replies wait"
        );
        let in_login = || self.queue.iter().any(|line| line.verb == Some(Verb::Pass));
        assert!(
            self.session.password().is_empty() || in_login(),
            "I22: the password is still there"
        );
        if self.over {
            assert_eq!(
                self.session.deadline(),
                None,
                "I17: a deadline after the end"
            );
            assert!(
                waiting == 0 && !self.session.wants_input(),
                "I17: not at an end"
            );
        }
        let bars =
            |line: &Line| matches!(line.verb, Some(Verb::Auth | Verb::Ccc)) && !line.too_long;
        let barred = self.queue.iter().any(bars) || self.standing.tls.turning.is_some();
        assert!(
            !barred || self.gone || !self.session.wants_input(),
            "I25: no barrier"
        );
    }

    fn look_at_replies(&mut self) {
        let waiting = self.session.transmit();
        // Replies that vanish were not taken for too long, or nobody is there to take them.
        if waiting.len() < self.seen {
            (self.gone, self.left) = (true, true);
        }
        assert!(
            !self.broken || waiting.is_empty(),
            "I25: words amid a handshake"
        );
        let fresh = waiting.get(self.seen..).unwrap_or_default();
        self.seen = waiting.len();
        // Most calls say nothing.
        if fresh.is_empty() {
            return;
        }
        if !self.gone {
            self.replies.push(fresh);
        }
        while let Some(reply) = self.replies.pop() {
            self.on_reply(&reply);
        }
        let reports = self
            .queue
            .front()
            .is_some_and(|line| line.verb == Some(Verb::Stat));
        let whole = !self.replies.is_amid_reply() || reports || self.gone;
        assert!(whole, "I08: half a reply");
    }

    fn on_reply(&mut self, reply: &Reply) {
        let code = reply.code;
        assert!(!self.farewell, "I18: {code} after the last reply");
        if code == 421 {
            self.farewell = true;
            self.check_timeout(reply);
            return;
        }
        assert!(!self.queue.is_empty(), "I19: {code} for nothing");
        let announced = self.work.announced;
        if code == 150 {
            let transfers = self.queue.front().is_some_and(|line| transfers(line.verb));
            assert!(transfers && !announced, "I11: a 150 too many");
            self.work.announced = true;
            return;
        }
        if announced && code == 211 {
            // Answered as it came, or in its turn.
            let fresh = self.queue.len().saturating_sub(self.fresh);
            let status = self
                .queue
                .iter()
                .skip(fresh)
                .position(Line::asks_for_status);
            let status = status.and_then(|at| self.queue.remove(fresh + at));
            assert!(status.is_some(), "I12: 211 for nothing");
            self.fresh -= 1;
            return;
        }
        if let Some(line) = self.queue.pop_front() {
            self.on_final(&line, reply);
            self.on_answered(line, code);
        }
    }

    fn on_final(&mut self, line: &Line, reply: &Reply) {
        let code = reply.code;
        self.check_code(line, code);
        if line.verb != Some(Verb::Stat) {
            reply.check_size();
        }
        // A session that gives up on a ticket says so at once.
        let given_up = self.replies.begins_with(b"421 ");
        assert!(
            self.out.is_none() || given_up,
            "I38: {code} while a request is out"
        );
        let work = core::mem::take(&mut self.work);
        work.check_final(line, code, &self.standing);
        let knew = self.standing.rights.is_some();
        let most_tries = self.config.limits.login_tries;
        self.standing.on_reply(line, reply, &work.got, most_tries);
        if knew && self.standing.rights.is_none() {
            self.stranger_since = self.begun;
        }
        self.farewell |= line.verb == Some(Verb::Quit) && code == 221;
        self.aborted = self.queue.iter().any(|line| line.verb == Some(Verb::Abor));
        (self.begun, self.since) = (self.now, self.now);
    }

    /// Keeps the line for its note.
    fn on_answered(&mut self, line: Line, code: u16) {
        if self.config.notes == Notes::Commands {
            self.answered.push_back((line.bytes, code));
            if self.answered.len() > MOST_NOTED {
                self.answered.pop_front();
            }
        }
    }

    /// I07: what a note says was taken so, and notes do not change places.
    fn check_note(&mut self, noted: &BStr, code: u16) {
        let upper = noted.to_ascii_uppercase();
        let secret = [&b"PASS"[..], b"ACCT"]
            .into_iter()
            .find(|word| upper.trim_ascii_start().starts_with(word));
        assert!(
            secret.is_none_or(|word| noted == [word, b" ****"].concat()),
            "I22: a password in a note"
        );
        // A line that ends the session was not looked at as answered.
        if code == 421 || self.gone {
            return;
        }
        let is_it = |(line, answer): (Vec<u8>, u16)| {
            let same = match secret {
                Some(word) => line.to_ascii_uppercase().find(word).is_some(),
                None => line == noted,
            };
            same && answer == code
        };
        let known = core::iter::from_fn(|| self.answered.pop_front()).any(is_it);
        assert!(
            known,
            "I07: {noted:?} was not taken, or not answered by {code}"
        );
    }

    /// I05 and I13.
    fn check_code(&self, line: &Line, code: u16) {
        if line.too_long {
            assert_eq!(code, 500, "I05: for a line that is too long");
            return;
        }
        let fits = if line.is_connection() {
            code == 220
        } else {
            codes(line.verb).contains(&code)
        };
        assert!(fits, "I13: {code} for {:?}", line.bytes.as_bstr());
    }

    /// I46: a client that is told of a timeout was silent for as long as that.
    fn check_timeout(&self, reply: &Reply) {
        let limits = &self.config.limits;
        if !reply.bytes.contains_str("Timeout") || !self.queue.is_empty() {
            return;
        }
        let passed =
            |since: Instant, limit: Duration| !limit.is_zero() && self.now.since(since) >= limit;
        // A report that never ends is answered before the session gives up on it.
        let gives_up = self.out.is_some_and(|out| out.cancelled);
        let founded = gives_up
            || passed(self.since, limits.idle)
            || self.standing.rights.is_none() && passed(self.stranger_since, limits.login)
            || self.lines.is_amid_line() && passed(self.line_since, limits.line_time);
        assert!(founded, "I46: a timeout before its time");
    }

    fn causes(&self) -> Causes {
        let limits = &self.config.limits;
        let waited = self.now.since(self.since);
        let shortest = [
            limits.request,
            limits.connect,
            limits.handshake,
            limits.finish,
        ];
        let shortest = shortest.into_iter().filter(|limit| !limit.is_zero()).min();
        Causes {
            aborted: self.aborted,
            left: self.left,
            lost: self.gone && !self.ended,
            stopping: self.stopping,
            stalled: self.now.since(self.moved.0) >= limits.stall,
            slow: self.is_minute_over()
                && self.moved.1 - self.minute.1 < limits.min_rate.saturating_mul(60),
            late: shortest.is_some_and(|limit| waited >= limit),
        }
    }

    fn is_minute_over(&self) -> bool {
        self.now.since(self.minute.0) >= Duration::from_secs(60)
    }

    fn on_action(&mut self, action: &Action) {
        assert!(!self.over, "I17: {action:?} after the end");
        match action {
            Action::Cancel(id) => {
                let causes = self.causes();
                self.work.remember(causes);
                let known = matches!(&self.out, Some(out) if out.id == *id && !out.cancelled);
                assert!(known, "I38: a cancel for nothing");
                assert!(self.work.has_cause(), "I46: cancelled without a cause");
                if let Some(out) = &mut self.out {
                    out.cancelled = true;
                }
            }
            Action::Disconnect => self.on_disconnect(),
            request => self.on_request(request),
        }
    }

    fn on_request(&mut self, action: &Action) {
        assert!(
            self.out.is_none(),
            "I38: {action:?} while another request is out"
        );
        assert!(!self.farewell, "I18: {action:?} after the last reply");
        let causes = self.causes();
        self.work.remember(causes);
        if let Action::StartTls(_) | Action::StopTls(_) = action {
            self.check_turn(action);
            self.out = Out::of(action);
            return;
        }
        let nobody = Line::connection();
        let line = self.queue.front().unwrap_or(&nobody);
        self.work
            .on_request(action, line, &mut self.standing, &self.session);
        self.out = Out::of(action);
        self.moved = (self.since, 0);
        self.reached = 0;
        self.minute = self.moved;
    }

    /// I25: the control connection becomes another behind the reply that said so, and nothing else
    /// was taken.
    fn check_turn(&self, action: &Action) {
        let wanted = match self.standing.tls.turning {
            Some(Turning::Tls { .. }) => matches!(action, Action::StartTls(_)),
            Some(Turning::Clear) => matches!(action, Action::StopTls(_)),
            None => false,
        };
        assert!(wanted, "I25: {action:?} that no reply told of");
        assert!(
            self.session.transmit().is_empty() && self.queue.is_empty(),
            "I25: {action:?} before the reply is written"
        );
    }

    /// A connection that did not become another can carry no words.
    fn on_turned(&mut self, outcome: Result<(), TlsFailure>) {
        if outcome.is_ok() {
            self.standing.tls.turn();
        } else {
            (self.standing.tls.turning, self.broken) = (None, true);
        }
    }

    /// I14 and I32.
    fn on_disconnect(&mut self) {
        self.over = true;
        let gave_up = self.out.is_some() || self.causes().late;
        assert!(
            self.work.opened.is_none() || gave_up,
            "I32: opened and never finished"
        );
        let unanswered = self.queue.front().filter(|_| !self.farewell && !self.gone);
        assert!(
            unanswered.is_none() || gave_up,
            "I14: no reply for {unanswered:?}"
        );
    }

    /// The time of a call that is about to be made.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }
}
