//! TLS on the data connection.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;

use wharf_core::ticket::Secure;
use wharf_core::{Event, Ticket, TlsFailure};

use super::{Ahead, Task, Wait, Work};
use crate::control::{failure, is_passing};
use crate::log;

impl Work {
    /// Shakes hands on the data connection. That may have begun before.
    pub(super) fn secure(&mut self, ticket: Ticket<Secure>) -> Option<Event> {
        match self.protect_data() {
            Ok(()) => self.begin(Task::Shake(ticket)),
            Err(error) => Some(ticket.done(Err(self.failed(&error)))),
        }
    }

    /// Goes on with the handshake.
    pub(super) fn shake(&mut self, ticket: Ticket<Secure>) -> Option<Event> {
        match self.shake_data() {
            Ok(()) => Some(ticket.done(self.check_data())),
            Err(error) if is_passing(&error) => self.wait(Task::Shake(ticket)),
            Err(error) => Some(ticket.done(Err(self.failed(&error)))),
        }
    }

    /// No command has asked for it yet: accepts the client on the passive listener, and shakes
    /// hands.
    pub(super) fn go_ahead(&mut self) -> Option<Event> {
        let done = match self.ahead {
            Ahead::Nothing => Ok(()),
            Ahead::Accept => self.accept_ahead(),
            Ahead::Shake => self
                .accept_ahead()
                .and_then(|()| self.protect_data())
                .and_then(|()| self.shake_data()),
        };
        // Whatever went wrong is met again by the command that asks for it.
        if !done.is_err_and(|error| is_passing(&error)) {
            self.ahead = Ahead::Nothing;
        }
        self.wait(Task::None)
    }

    /// What a handshake waits for.
    pub(super) fn handshake_waits(&self) -> Option<Wait<'_>> {
        let data = self.data.as_ref()?;
        Some(if data.tls()?.writes() {
            Wait::Writable(data.as_fd())
        } else {
            Wait::Readable(data.as_fd())
        })
    }

    /// The transfer is to be in clear. If its client has begun a handshake, that is an end.
    pub(super) fn stay_clear(&mut self) {
        if self.data.as_mut().is_some_and(|data| !data.unprotect()) {
            self.data = None;
        }
    }

    fn accept_ahead(&mut self) -> io::Result<()> {
        if self.data.is_none() {
            self.data = Some(self.passive.accept()?.into());
        }
        Ok(())
    }

    fn protect_data(&mut self) -> io::Result<()> {
        let (Some(data), Some(keys)) = (&mut self.data, &mut self.keys) else {
            return Err(ErrorKind::NotConnected.into());
        };
        if data.tls().is_none() {
            data.protect(keys.channel()?);
        }
        Ok(())
    }

    fn shake_data(&mut self) -> io::Result<()> {
        match &mut self.data {
            Some(data) => data.shake(),
            None => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Whether the connection, which has shaken hands, belongs to this session.
    fn check_data(&mut self) -> Result<(), TlsFailure> {
        let tls = self.data.as_ref().and_then(|data| data.tls());
        let (Some(tls), Some(keys)) = (tls, &self.keys) else {
            return Err(TlsFailure::Closed);
        };
        let (peer, resumed) = (self.ends.peer, tls.is_resumed());
        if !keys.is_resumed(tls) {
            log::warn!(%peer, "a data connection does not resume the session of its login");
            return Err(TlsFailure::NotResumed);
        }
        if !keys.is_same_client(tls) {
            log::warn!(%peer, "a data connection shows another certificate than its login");
            return Err(TlsFailure::Handshake);
        }
        keys.approve(tls);
        if keys.is_anew(tls) && !std::mem::replace(&mut self.told_anew, true) {
            log::info!(
                "a data connection does not resume the TLS session of its login: who shares the \
                 client's address can make it, too"
            );
        }
        let version = tls.version();
        log::debug!(resumed, %peer, "a data connection is protected by {version}");
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> TlsFailure {
        log::warn!(peer = %self.ends.peer, %error, "no TLS on a data connection");
        failure(error)
    }
}
