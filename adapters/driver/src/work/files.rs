//! Requests to the accounts and the storage.

use std::sync::Arc;
use std::task::{Context, Poll};

use wharf_core::listing::{Lines, Piece};
use wharf_core::ticket::{Change, Finish, Identify, Login, Open, Report, Request, Stat};
use wharf_core::{
    Answer, Denied, Edit, Event, Failure, Grant, Identified, Instant, Listing, Machine, Mode,
    Optional, Scope, Ticket, Verdict,
};
use wharf_storage::{
    Account, Begun, Credentials, Executor, Handle, Introduction, Opening, Operation, Storage,
};

use super::{LET_GO, On, Opened, Task, Work};
use crate::pump;
use crate::tls::Keys;

/// A report is written in pieces of this size.
const REPORT: usize = Listing::MAX_LINE + 4096;

impl Work {
    pub(super) fn identify(
        &mut self,
        ticket: Ticket<Identify>,
        session: &impl Machine,
    ) -> Option<Event> {
        let protected = session.protects_control();
        // It proves something only on the connection that it was shown on: not behind CCC or REIN.
        let keys = self.keys.as_ref().filter(|_| protected);
        let introduction = Introduction {
            username: session.username(),
            peer: self.ends.peer,
            protected,
            certificate: keys.and_then(Keys::client),
        };
        let accounts = &self.service.settings().accounts;
        let begun = accounts.identify(&introduction, &self.held.executors());
        let name = session.username().to_owned();
        self.answer(ticket, begun, move |work, ticket, outcome| {
            Some(
                ticket.done(match outcome.transpose() {
                    None => Ok(Identified::Password),
                    Some(outcome) => work
                        .settle_in(&name, outcome, protected)
                        .map(Identified::Account),
                }),
            )
        })
    }

    pub(super) fn login(&mut self, ticket: Ticket<Login>, session: &impl Machine) -> Option<Event> {
        // Who was logged in before is no more.
        self.seat = None;
        if self.service.has_to_wait(self.ends.peer, session.username()) {
            // It need not cost a hash to tell that.
            return Some(ticket.done(Err(Denied::Waits)));
        }
        let protected = session.protects_control();
        let credentials = Credentials {
            username: session.username(),
            password: session.password(),
            peer: self.ends.peer,
            protected,
        };
        let accounts = &self.service.settings().accounts;
        let begun = accounts.login(&credentials, &self.held.executors());
        let name = session.username().to_owned();
        self.answer(ticket, begun, move |work, ticket, outcome| {
            Some(ticket.done(work.settle_in(&name, outcome, protected)))
        })
    }

    /// What becomes of a login: its account, if all is well, is that of the session.
    fn settle_in(
        &mut self,
        username: &[u8],
        outcome: Result<Account, Denied>,
        protected: bool,
    ) -> Result<Grant, Denied> {
        let (account, seat) = self.service.judge(self.ends.peer, username, outcome)?;
        if account.demands_tls && !protected {
            return Err(Denied::Unprotected);
        }
        self.storage = Some(account.storage);
        self.seat = seat;
        self.told_anew = false;
        Ok(account.grant)
    }

    pub(super) fn stat(&mut self, ticket: Ticket<Stat>, session: &impl Machine) -> Option<Event> {
        let ask = |storage: &dyn Storage, executor: &_| storage.stat(session.path(), executor);
        self.ask(ticket, ask, |_, metadata| metadata)
    }

    pub(super) fn change(
        &mut self,
        ticket: Ticket<Change>,
        session: &impl Machine,
        edit: Edit,
    ) -> Option<Event> {
        let (path, other) = (session.path(), session.rename_from());
        let ask = |storage: &dyn Storage, executor: &_| storage.change(edit, path, other, executor);
        self.ask(ticket, ask, |_, changed| changed)
    }

    pub(super) fn open(
        &mut self,
        ticket: Ticket<Open>,
        session: &impl Machine,
        mode: Mode,
    ) -> Option<Event> {
        let ask =
            |storage: &dyn Storage, executor: &_| storage.open(mode, session.path(), executor);
        self.ask(ticket, ask, |work, Opening { opened, handle }| {
            work.opened = Opened::Handle(handle);
            opened
        })
    }

    pub(super) fn optional(
        &mut self,
        ticket: Ticket<Optional>,
        session: &impl Machine,
        request: Optional,
    ) -> Option<Event> {
        let path = session.path();
        let ask = |storage: &dyn Storage, executor: &_| match request {
            Optional::TextSize { limit } => storage.text_size(path, limit, executor),
            Optional::Available => storage.available(path, executor),
            // What this adapter does not know it declines.
            _ => Begun::Done(Err(Failure::Unsupported)),
        };
        self.ask(ticket, ask, |_, bytes| Answer::Bytes(bytes))
    }

    /// Asks the storage.
    fn ask<K, T, A>(
        &mut self,
        ticket: Ticket<K>,
        ask: impl FnOnce(&dyn Storage, &Arc<dyn Executor>) -> Begun<T>,
        then: impl FnOnce(&mut Self, T) -> A + Send + 'static,
    ) -> Option<Event>
    where
        K: Request<Outcome = Result<A, Failure>> + Send + 'static,
        T: 'static,
    {
        let begun = match &self.storage {
            Some(storage) => ask(&**storage, &self.executor()),
            // The core asks for nothing before a login.
            None => Begun::Done(Err(Failure::Denied)),
        };
        self.answer(ticket, begun, |work, ticket, outcome| {
            Some(ticket.done(outcome.map(|found| then(work, found))))
        })
    }

    pub(super) fn finish(&mut self, ticket: Ticket<Finish>, verdict: Verdict) -> Option<Event> {
        let begun = match std::mem::take(&mut self.opened) {
            Opened::Nothing => Begun::Done(Ok(())),
            Opened::Handle(handle) => pump::finish(handle, verdict),
            Opened::Pump(pump) => pump.finish(verdict),
        };
        match (begun, verdict) {
            (Begun::Pending(operation), Verdict::Abandon(_)) => {
                let begun = self.service.now();
                self.begin(Task::Abandon(ticket, operation));
                self.again = Some(begun + LET_GO);
                None
            }
            (begun, _) => self.answer(ticket, begun, |_, ticket, outcome| {
                Some(ticket.done(outcome))
            }),
        }
    }

    /// Waits until an upload is given up, but not for long.
    pub(super) fn abandon(
        &mut self,
        ticket: Ticket<Finish>,
        mut operation: Box<dyn Operation<()>>,
    ) -> Option<Event> {
        let waker = self.waker();
        match operation.poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => Some(ticket.done(outcome)),
            Poll::Pending if self.late => Some(ticket.done(Ok(()))),
            Poll::Pending => {
                let until = self.again;
                self.wait_until(Task::Abandon(ticket, operation), until)
            }
        }
    }

    /// STAT with a path: opens what is listed.
    pub(super) fn report(
        &mut self,
        ticket: Ticket<Report>,
        session: &impl Machine,
        scope: Scope,
        listing: Listing,
    ) -> Option<Event> {
        let begun = match &self.storage {
            Some(storage) => storage.open(Mode::List(scope), session.path(), &self.executor()),
            None => Begun::Done(Err(Failure::Denied)),
        };
        self.answer(ticket, begun, |work, ticket, opening| {
            let directory = opening.and_then(|opening| match opening.handle {
                Handle::Directory(directory) => Ok(directory),
                Handle::Source(_) | Handle::Sink(_) => Err(Failure::Io),
            });
            match directory {
                Ok(directory) => {
                    let lines = Lines::new(directory, listing, work.service.clock());
                    work.begin(Task::Report(ticket, Box::new(lines), Vec::new(), On::Peer))
                }
                Err(failure) => Some(ticket.done(Err(failure))),
            }
        })
    }

    /// Gives lines to the session until it has no room, or there are none.
    pub(super) fn write_report(
        &mut self,
        session: &mut impl Machine,
        now: Instant,
        ticket: Ticket<Report>,
        mut lines: Box<Lines>,
        mut buffer: Vec<u8>,
    ) -> Option<Event> {
        if !buffer.is_empty() {
            let taken = session.report(now, &buffer);
            buffer.drain(..taken);
            // Without room the next chance comes when the client has taken replies.
            let task = Task::Report(ticket, lines, buffer, On::Peer);
            return if taken > 0 {
                self.begin(task)
            } else {
                self.wait(task)
            };
        }
        let waker = self.waker();
        buffer.resize(REPORT, 0);
        let read = lines.poll_read(&mut Context::from_waker(&waker), &mut buffer);
        let count = match read {
            Poll::Ready(Ok(Piece::Text(count))) => count,
            _ => 0,
        };
        buffer.truncate(count);
        match read {
            Poll::Ready(Ok(Piece::End)) => Some(ticket.done(Ok(()))),
            Poll::Ready(Ok(Piece::Text(_) | Piece::Nothing)) => {
                self.begin(Task::Report(ticket, lines, buffer, On::Peer))
            }
            Poll::Ready(Err(failure)) => Some(ticket.done(Err(failure))),
            Poll::Pending => self.wait(Task::Report(ticket, lines, buffer, On::Storage)),
        }
    }
}
