//! What every command ends in: a request to the embedder, or a reply to the client.

use core::time::Duration;

use super::Session;
use super::state::{Job, Work};
use crate::action::Action;
use crate::config::Notes;
use crate::failure::Failure;
use crate::note::{Ending, Note};
use crate::ticket::{Request, Ticket};
use crate::timer::Timer;

/// A command that this storage does not have.
pub(super) const UNABLE: &str = "This storage cannot do that.";

impl Session {
    /// Asks the embedder for something; the command waits for it.
    pub(super) fn ask<K: Request>(
        &mut self,
        job: Job,
        limit: Duration,
        action: impl FnOnce(Ticket<K>) -> Action,
    ) {
        self.desk.issue(action);
        self.timers.clear(Timer::Idle);
        self.timers.clear(Timer::Buffers);
        self.timers.set(Timer::Ticket, self.now, limit);
        self.work = Work::Waiting(job);
    }

    /// The final reply of the command in hand, of one line.
    pub(super) fn done(&mut self, code: u16, text: &str) {
        self.output.line(code, text);
        self.finished(code);
    }

    /// The final reply of the command in hand is written.
    pub(super) fn finished(&mut self, code: u16) {
        if let Some(line) = self.noted.take() {
            self.note_that(Notes::Commands, |_| Note::Command { line, code });
        }
        // AUTH, CCC and REIN are always the last line that was taken.
        self.barrier &= self.input.has_line();
        self.work = Work::Idle;
        self.rest();
    }

    /// Nothing is to be done: the times that count while no command runs begin.
    pub(super) fn rest(&mut self) {
        let limits = &self.config.limits;
        self.timers.set(Timer::Idle, self.now, limits.idle);
        self.timers
            .set(Timer::Buffers, self.now, limits.keep_buffers);
    }

    /// The final reply by which a command is refused, which is worth a note.
    pub(super) fn forbid(&mut self, code: u16, text: &'static str) {
        self.forbidden = Some((code, text));
        self.done(code, text);
    }

    /// The final reply and the end of the session.
    pub(super) fn farewell(&mut self, code: u16, text: &str, why: Ending) {
        self.done(code, text);
        self.close(why);
    }

    /// Nothing more is taken; what is written is still sent.
    pub(super) fn close(&mut self, why: Ending) {
        let why = self.ending.unwrap_or(why);
        self.note_that(Notes::Audit, |_| Note::Ended { why });
        self.forget_input();
        if self.lost {
            self.output.clear();
        }
        self.work = Work::Closing;
        let unread = self.config.limits.unread;
        self.timers.clear_all();
        self.timers.set(Timer::Unread, self.now, unread);
    }

    /// The final reply for something that the storage refused. What is not there, or is something
    /// else, is an answer and no refusal.
    pub(super) fn refuse(&mut self, failure: Failure) {
        if failure == Failure::Denied || failure.code() != 550 {
            self.forbid(failure.code(), failure.text());
        } else {
            self.done(failure.code(), failure.text());
        }
    }

    /// The final reply for a command that this storage does not have.
    pub(super) fn refuse_verb(&mut self) {
        self.forbid(502, UNABLE);
    }
}
