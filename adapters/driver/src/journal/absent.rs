//! The log of a build without the feature `tracing`: nothing is written.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use wharf_core::{Instant, Machine};

use crate::client::Origin;
use crate::service::Refusal;
use crate::settings::Settings;

/// The log of one session.
pub(crate) struct Journal;

impl Journal {
    pub(crate) fn new(_: u64, _: SocketAddr, _: &Origin, _: &Settings) -> Self {
        Self
    }

    pub(crate) fn span(&self) -> Span {
        Span
    }

    pub(crate) fn protected(&self, _: &str) {}

    pub(crate) fn in_clear(&self) {}

    pub(crate) fn unprotected(&mut self, _: &io::Error) {}

    pub(crate) fn broke(&mut self, _: &io::Error) {}

    pub(crate) fn refused(_: SocketAddr, _: Refusal) {}

    pub(crate) fn looked_in(_: SocketAddr) {}

    pub(crate) fn no_header(_: SocketAddr, _: &dyn Display, _: &[u8]) {}

    pub(crate) fn has_to_wait(_: SocketAddr, _: Duration) {}

    /// Takes the notes of the session, which would stop when it has no room for more: whether any were.
    pub(crate) fn take_notes(&mut self, session: &mut impl Machine, _: Instant) -> bool {
        std::iter::from_fn(|| session.note()).count() > 0
    }

    pub(crate) fn patience(&self) -> Option<Duration> {
        None
    }
}

/// What lines of a log would be in.
pub(crate) struct Span;

impl Span {
    pub(crate) fn current() -> Self {
        Self
    }

    pub(crate) fn enter(&self) -> Self {
        Self
    }

    pub(crate) fn in_scope<T>(&self, act: impl FnOnce() -> T) -> T {
        act()
    }
}
