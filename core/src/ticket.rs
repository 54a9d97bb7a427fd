//! [`Ticket`]: the right to answer one request, once, with the right kind of outcome.

use core::fmt;
use core::marker::PhantomData;
use core::net::SocketAddr;

use crate::account::{Denied, Grant, Identified};
use crate::entry::Metadata;
use crate::failure::Failure;
use crate::optional::{Answer, Optional};
use crate::outcome::{Changed, DataFailure, Opened, TlsFailure, Transferred};

/// Names one request of one session; [`Action::Cancel`](crate::Action::Cancel) carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(pub(crate) u32);

/// The right, and the duty, to answer one request.
///
/// A ticket cannot be copied and is used up by [`done`](Ticket::done), so a request cannot be
/// answered twice, nor with the outcome of another kind of request. A ticket that is dropped is
/// never answered; the session gives up on it when its deadline has passed.
///
/// ```compile_fail
/// # use wharf_core::{ticket, Failure, Ticket};
/// fn twice(ticket: Ticket<ticket::Change>) {
///     let first = ticket.done(Ok(()));
///     let second = ticket.done(Err(Failure::Io)); // used up
/// }
/// ```
#[must_use = "a request that is never answered ends its session"]
#[derive(Debug, PartialEq, Eq)]
pub struct Ticket<K: Request> {
    id: TicketId,
    kind: PhantomData<fn() -> K>,
}

/// So that a test can try two futures of one session. The second answer is [`Foreign`].
#[cfg(feature = "testing")]
impl<K: Request> Clone for Ticket<K> {
    fn clone(&self) -> Self {
        Self::new(self.id)
    }
}

impl<K: Request> Ticket<K> {
    pub(crate) const fn new(id: TicketId) -> Self {
        Self {
            id,
            kind: PhantomData,
        }
    }

    /// The name of the request, to find its work again when it is cancelled.
    #[must_use]
    pub const fn id(&self) -> TicketId {
        self.id
    }

    /// Turns the ticket into the event that answers the request.
    pub fn done(self, outcome: K::Outcome) -> Event {
        Event {
            id: self.id,
            outcome: K::wrap(outcome),
        }
    }
}

impl Ticket<Optional> {
    /// Says that this embedder or its storage does not offer the thing: the client gets 502.
    pub fn decline(self) -> Event {
        self.done(Err(Failure::Unsupported))
    }
}

/// An answered ticket, on its way to [`Session::handle`](crate::Session::handle).
#[must_use = "an event does nothing until the session handles it"]
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    pub(crate) id: TicketId,
    pub(crate) outcome: Outcome,
}

impl Event {
    /// The name of the request that it answers.
    #[must_use]
    pub const fn id(&self) -> TicketId {
        self.id
    }
}

/// The event answers a request that this session does not wait for: it belongs to another
/// session, or came after [`Action::Disconnect`](crate::Action::Disconnect). Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign;

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this session does not wait for that event")
    }
}

impl core::error::Error for Foreign {}

/// A kind of request and what its outcome is. Implemented by the kinds in this module and by
/// [`Optional`] only.
pub trait Request: sealed::Sealed {
    /// What the embedder answers.
    type Outcome;
    #[doc(hidden)]
    fn wrap(outcome: Self::Outcome) -> Outcome;
    #[doc(hidden)]
    fn fits(outcome: &Outcome) -> bool;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! requests {
    ($($(#[$doc:meta])* $kind:ident => $outcome:ty;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, PartialEq, Eq)]
            pub enum $kind {}
            request!($kind, $kind, $outcome);
        )*

        #[doc(hidden)]
        #[derive(Debug, PartialEq, Eq)]
        pub enum Outcome {
            $($kind($outcome),)*
            Optional(Result<Answer, Failure>),
        }
    };
}

macro_rules! request {
    ($kind:ty, $variant:ident, $outcome:ty) => {
        impl sealed::Sealed for $kind {}
        impl Request for $kind {
            type Outcome = $outcome;
            fn wrap(outcome: $outcome) -> Outcome {
                Outcome::$variant(outcome)
            }
            fn fits(outcome: &Outcome) -> bool {
                matches!(outcome, Outcome::$variant(_))
            }
        }
    };
}

requests! {
    /// Tell what is to be said to a name.
    Identify => Result<Identified, Denied>;
    /// Check a name and a password.
    Login => Result<Grant, Denied>;
    /// Begin TLS on the control connection.
    StartTls => Result<(), TlsFailure>;
    /// End TLS on the control connection, which goes on in clear.
    StopTls => Result<(), TlsFailure>;
    /// Look at a file or directory.
    Stat => Result<Metadata, Failure>;
    /// Change something in the storage.
    Change => Result<Changed, Failure>;
    /// Open a file or directory for a transfer.
    Open => Result<Opened, Failure>;
    /// Listen for a passive data connection. The outcome is the address to announce.
    Listen => Result<SocketAddr, Failure>;
    /// Make the data connection.
    OpenData => Result<(), DataFailure>;
    /// Shake hands on the data connection.
    Secure => Result<(), TlsFailure>;
    /// Move the bytes.
    Transfer => Transferred;
    /// Close the data connection and forget who waits for one.
    CloseData => ();
    /// Keep or give up what was opened.
    Finish => Result<(), Failure>;
    /// Write a listing into the control connection.
    Report => Result<(), Failure>;
}

request!(Optional, Optional, Result<Answer, Failure>);
