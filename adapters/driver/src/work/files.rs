//! Requests to the accounts and the storage.

use std::sync::Arc;

use wharf_core::ticket::{Change, Finish, Identify, Login, Open, Report, Request, Stat};
use wharf_core::{
    Answer, Denied, Edit, Event, Failure, Grant, Identified, Instant, Listing, Mode, Optional,
    Scope, Session, Ticket, VPath, Verdict,
};
use wharf_storage::{Account, Credentials, Handle, Introduction, Lines, Opening, Piece, Storage};

use super::{Helper, Opened, Task, Work};
use crate::Secret;
use crate::pump;
use crate::tls::Keys;

/// A report is written in pieces of this size.
const REPORT: usize = Listing::MAX_LINE + 4096;

impl<H: Helper> Work<H> {
    pub(super) fn identify(
        &mut self,
        ticket: Ticket<Identify>,
        session: &Session,
    ) -> Option<Event> {
        let (peer, protected) = (self.ends.peer, session.protects_control());
        let accounts = Arc::clone(&self.service.settings().accounts);
        let username = session.username().to_owned();
        let name = username.clone();
        // It proves something only on the connection that it was shown on: not behind CCC or REIN.
        let keys = self.keys.as_ref().filter(|_| protected);
        let certificate = keys.and_then(Keys::client).map(<[u8]>::to_vec);
        // Only who shows a certificate may be let in now, for which a home is opened.
        let here = certificate.is_none();
        let ask = move || {
            accounts.identify(&Introduction {
                username: username.as_ref(),
                peer,
                protected,
                certificate: certificate.as_deref(),
            })
        };
        self.run(here, ask, move |work, outcome| {
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

    pub(super) fn login(&mut self, ticket: Ticket<Login>, session: &Session) -> Option<Event> {
        // Who was logged in before is no more.
        self.seat = None;
        if self.service.has_to_wait(self.ends.peer, session.username()) {
            // It need not cost a hash to tell that.
            return Some(ticket.done(Err(Denied::Waits)));
        }
        let (peer, protected) = (self.ends.peer, session.protects_control());
        let accounts = Arc::clone(&self.service.settings().accounts);
        let credentials = Credentials {
            username: session.username(),
            password: session.password(),
            peer,
            protected,
        };
        if let Some(outcome) = accounts.login_now(&credentials) {
            let name = session.username();
            return Some(ticket.done(self.settle_in(name, outcome, protected)));
        }
        let username = session.username().to_owned();
        let name = username.clone();
        let password = Secret::new(session.password());
        let check = move || {
            let password = password.as_bytes();
            accounts.login(&Credentials {
                username: username.as_ref(),
                password,
                peer,
                protected,
            })
        };
        self.run(false, check, move |work, outcome| {
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

    pub(super) fn stat(&mut self, ticket: Ticket<Stat>, session: &Session) -> Option<Event> {
        self.ask(
            self.may_wait(),
            ticket,
            session,
            |storage, path| storage.stat_now(path),
            |storage, path, _| storage.stat(path),
            |_, metadata| metadata,
        )
    }

    pub(super) fn change(
        &mut self,
        ticket: Ticket<Change>,
        session: &Session,
        edit: Edit,
    ) -> Option<Event> {
        self.ask(
            self.may_wait_for_change(),
            ticket,
            session,
            |_, _| None,
            move |storage, path, other| storage.change(edit, path, other),
            |_, changed| changed,
        )
    }

    pub(super) fn open(
        &mut self,
        ticket: Ticket<Open>,
        session: &Session,
        mode: Mode,
    ) -> Option<Event> {
        self.ask(
            self.may_wait(),
            ticket,
            session,
            move |storage, path| storage.open_now(mode, path),
            move |storage, path, _| storage.open(mode, path),
            |work, Opening { opened, handle }| {
                work.opened = Opened::Handle(handle);
                opened
            },
        )
    }

    pub(super) fn optional(
        &mut self,
        ticket: Ticket<Optional>,
        session: &Session,
        request: Optional,
    ) -> Option<Event> {
        self.ask(
            self.may_wait(),
            ticket,
            session,
            |_, _| None,
            move |storage, path, _| match request {
                Optional::TextSize { limit } => storage.text_size(path, limit),
                Optional::Available => storage.available(path),
                // What this adapter does not know it declines.
                _ => Err(Failure::Unsupported),
            },
            |_, bytes| Answer::Bytes(bytes),
        )
    }

    /// Asks the storage: at once if it can tell without waiting, else here or in another thread.
    fn ask<K, T, A>(
        &mut self,
        here: bool,
        ticket: Ticket<K>,
        session: &Session,
        at_once: impl FnOnce(&dyn Storage, &VPath) -> Option<Result<T, Failure>>,
        job: impl FnOnce(&dyn Storage, &VPath, &VPath) -> Result<T, Failure> + Send + 'static,
        then: impl FnOnce(&mut Self, T) -> A + Send + 'static,
    ) -> Option<Event>
    where
        K: Request<Outcome = Result<A, Failure>> + 'static,
        T: Send + 'static,
    {
        // The core asks for nothing before a login.
        let Some(storage) = self.storage.clone() else {
            return Some(ticket.done(Err(Failure::Denied)));
        };
        let outcome = if here {
            job(&*storage, session.path(), session.rename_from())
        } else if let Some(outcome) = at_once(&*storage, session.path()) {
            outcome
        } else {
            let (path, other) = (session.path().clone(), session.rename_from().clone());
            return self.run(
                false,
                move || job(&*storage, &path, &other),
                |work, outcome| Some(ticket.done(outcome.map(|found| then(work, found)))),
            );
        };
        Some(ticket.done(outcome.map(|found| then(self, found))))
    }

    pub(super) fn finish(&mut self, ticket: Ticket<Finish>, verdict: Verdict) -> Option<Event> {
        let opened = std::mem::take(&mut self.opened);
        // To close what was read takes no time; to keep what was written may.
        let here = self.may_wait_for_change() || !opened.is_upload();
        let finish = move || match opened {
            Opened::Nothing => Ok(()),
            Opened::Handle(handle) => pump::finish(handle, verdict),
            Opened::Pump(pump) => pump.finish(verdict),
        };
        self.run(here, finish, |_, outcome| Some(ticket.done(outcome)))
    }

    /// STAT with a path: opens what is listed.
    pub(super) fn report(
        &mut self,
        ticket: Ticket<Report>,
        session: &Session,
        scope: Scope,
        listing: Listing,
    ) -> Option<Event> {
        let Some(storage) = self.storage.clone() else {
            return Some(ticket.done(Err(Failure::Denied)));
        };
        let path = session.path().clone();
        let offset = self.service.settings().utc_offset;
        let open = move || match storage.open(Mode::List(scope), &path)?.handle {
            Handle::Directory(directory) => Ok(Lines::new(directory, listing, offset)),
            Handle::Source(_) | Handle::Sink(_) => Err(Failure::Io),
        };
        self.run(self.may_wait(), open, |work, outcome| match outcome {
            Ok(lines) => work.begin(Task::Report(ticket, lines, Vec::new())),
            Err(failure) => Some(ticket.done(Err(failure))),
        })
    }

    /// Gives lines to the session until it has no room, or there are none.
    pub(super) fn write_report(
        &mut self,
        session: &mut Session,
        now: Instant,
        ticket: Ticket<Report>,
        mut lines: Lines,
        mut buffer: Vec<u8>,
    ) -> Option<Event> {
        if !buffer.is_empty() {
            let taken = session.report(now, &buffer);
            buffer.drain(..taken);
            // Without room the next chance comes when the client has taken replies.
            let task = Task::Report(ticket, lines, buffer);
            return if taken > 0 {
                self.begin(task)
            } else {
                self.wait(task)
            };
        }
        let read = move || {
            buffer.resize(REPORT, 0);
            let count = lines.read(&mut buffer);
            (lines, buffer, count)
        };
        self.run(
            self.may_wait(),
            read,
            |work, (lines, mut buffer, count)| match count {
                _ if work.cancelled => Some(ticket.done(Err(Failure::Cancelled))),
                Ok(Piece::End) => Some(ticket.done(Ok(()))),
                Ok(piece) => {
                    buffer.truncate(match piece {
                        Piece::Text(count) => count,
                        _ => 0,
                    });
                    work.begin(Task::Report(ticket, lines, buffer))
                }
                Err(failure) => Some(ticket.done(Err(failure))),
            },
        )
    }
}

impl Opened {
    fn is_upload(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Handle(handle) => matches!(handle, Handle::Sink(_)),
            Self::Pump(pump) => !pump.sends(),
        }
    }
}
