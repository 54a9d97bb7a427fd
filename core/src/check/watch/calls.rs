//! What is said to a session under watch, and what it asks for.

use core::time::Duration;

use bstr::{BStr, ByteSlice};

use super::Checked;
use crate::action::Action;
use crate::command::Verb;
use crate::config::Config;
use crate::machine::Machine;
use crate::note::Note;
use crate::path::VPath;
use crate::session::{Endpoints, Underway};
use crate::shared::Shared;
use crate::ticket::{Event, Foreign, Outcome};
use crate::time::Instant;

impl<M: Machine> Machine for Checked<M> {
    fn new(config: &Shared<Config>, ends: Endpoints, now: Instant) -> Self {
        Self::watch(M::new(config, ends, now), config, now)
    }

    fn wants_input(&self) -> bool {
        self.session.wants_input()
    }

    fn transmit(&self) -> &[u8] {
        self.session.transmit()
    }

    fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }

    fn peek_note(&self) -> Option<&Note> {
        self.session.peek_note()
    }

    fn path(&self) -> &VPath {
        self.session.path()
    }

    fn rename_from(&self) -> &VPath {
        self.session.rename_from()
    }

    fn link_target(&self) -> &VPath {
        self.session.link_target()
    }

    fn username(&self) -> &BStr {
        self.session.username()
    }

    fn password(&self) -> &[u8] {
        self.session.password()
    }

    fn is_logged_in(&self) -> bool {
        self.session.is_logged_in()
    }

    fn protects_control(&self) -> bool {
        self.session.protects_control()
    }

    fn protects_data(&self) -> bool {
        self.session.protects_data()
    }

    fn announces_address(&self) -> bool {
        self.session.announces_address()
    }

    fn endpoints(&self) -> Endpoints {
        self.session.endpoints()
    }

    fn underway(&self) -> Option<Underway> {
        self.session.underway()
    }

    fn heap_size(&self) -> usize {
        self.session.heap_size()
    }

    fn receive(&mut self, now: Instant, bytes: &[u8]) -> usize {
        self.advance(now);
        let wanted = self.session.wants_input();
        let taken = self.session.receive(now, bytes);
        assert!(taken <= bytes.len(), "I17: more is taken than there is");
        assert!(wanted || taken == 0, "I17: taken and not wanted");
        let refused = wanted && taken == 0 && !bytes.is_empty();
        assert!(!refused, "I11: wanted and not taken");
        let after_end = self.ended || self.gone || self.farewell || self.over;
        assert!(taken == 0 || !after_end, "I17: taken after the end");
        for &byte in &bytes[..taken] {
            if !self.lines.is_amid_line() {
                self.line_since = self.now;
            }
            if let Some(line) = self.lines.take(byte, self.config.limits.line) {
                if self.queue.is_empty() {
                    (self.begun, self.since) = (self.now, self.now);
                }
                self.aborted |= line.verb == Some(Verb::Abor);
                self.queue.push_back(line);
                self.fresh += 1;
            }
        }
        // Amid a line there is nothing to see.
        if self.fresh > 0 || self.session.transmit().len() != self.seen {
            self.look();
        }
        taken
    }

    fn receive_eof(&mut self, now: Instant) {
        self.advance(now);
        self.ended = true;
        self.left |= !self.queue.iter().any(|line| line.verb == Some(Verb::Quit));
        self.session.receive_eof(now);
        self.look();
    }

    fn lost(&mut self, now: Instant) {
        self.advance(now);
        (self.gone, self.left) = (true, true);
        self.session.lost(now);
        self.look();
    }

    fn shutdown(&mut self, now: Instant, grace: Duration) {
        self.advance(now);
        self.stopping = true;
        self.session.shutdown(now, grace);
        self.look();
    }

    fn dismiss(&mut self, now: Instant) {
        self.advance(now);
        self.stopping = true;
        self.session.dismiss(now);
        self.look();
    }

    fn transmitted(&mut self, now: Instant, count: usize) {
        self.advance(now);
        self.session.transmitted(now, count);
        self.seen -= count.min(self.seen);
        self.look();
    }

    fn tick(&mut self, now: Instant) {
        self.advance(now);
        let causes = self.causes();
        self.work.remember(causes);
        self.session.tick(now);
        if self.is_minute_over() {
            self.minute = (self.now, self.moved.1);
        }
        let deadline = self.session.deadline();
        assert!(
            deadline.is_none_or(|at| at > self.now),
            "I45: {deadline:?} is over at {:?}",
            self.now
        );
        self.look();
    }

    fn poll(&mut self) -> Option<Action> {
        let action = self.session.poll();
        if let Some(action) = &action {
            self.on_action(action);
        }
        self.look();
        action
    }

    fn handle(&mut self, now: Instant, event: Event) -> Result<(), Foreign> {
        self.advance(now);
        let out = self.out.filter(|out| out.id == event.id());
        let Some(out) = out else {
            let state = |session: &M| {
                let waiting = session.transmit().len();
                (
                    waiting,
                    session.deadline(),
                    session.wants_input(),
                    session.path().clone(),
                )
            };
            let before = state(&self.session);
            let answer = self.session.handle(now, event);
            assert_eq!(answer, Err(Foreign), "I38: an answer to nothing is taken");
            assert_eq!(before, state(&self.session), "I38: it changed something");
            return answer;
        };
        self.out = None;
        let before = self.work.clone();
        let ready = self.standing.ready;
        let causes = self.causes();
        self.work.remember(causes);
        match event.outcome {
            Outcome::StartTls(outcome) | Outcome::StopTls(outcome) => self.on_turned(outcome),
            _ => self
                .work
                .on_outcome(out, &event.outcome, &mut self.standing),
        }
        let answer = self.session.handle(now, event);
        if answer.is_err() {
            // It was given up, or was an answer of another kind.
            (self.work, self.standing.ready) = (before, ready);
            let ended = self.farewell || self.over || self.gone;
            assert!(ended, "I38: an answer that was asked for is refused");
        } else {
            self.since = self.now;
        }
        self.look();
        answer
    }

    fn progress(&mut self, now: Instant, total: u64) {
        self.advance(now);
        if self.out.as_ref().is_some_and(|out| out.moves) && total > self.moved.1 {
            self.moved = (self.now, total);
        }
        if self.out.as_ref().is_some_and(|out| out.finishes()) && total > self.reached {
            (self.since, self.reached) = (self.now, total);
        }
        self.session.progress(now, total);
        self.look();
    }

    fn queued(&mut self, now: Instant) {
        self.advance(now);
        if self.out.as_ref().is_some_and(|out| out.moves) {
            self.moved.0 = self.now;
        }
        self.session.queued(now);
        self.look();
    }

    fn report(&mut self, now: Instant, lines: &[u8]) -> usize {
        self.advance(now);
        let taken = self.session.report(now, lines);
        let reports = self
            .queue
            .front()
            .is_some_and(|line| line.verb == Some(Verb::Stat));
        assert!(taken == 0 || reports, "I19: a report that nobody asked for");
        if taken > 0 {
            self.since = self.now;
        }
        self.look();
        taken
    }

    fn note(&mut self) -> Option<Note> {
        let note = self.session.note();
        assert!(note.is_none() || !self.over, "I17: noted after the end");
        // Commands that waited for it may have run.
        self.look();
        if let Some(Note::Command { line, code }) = &note {
            self.check_note(line.as_bstr(), *code);
        }
        note
    }
}
