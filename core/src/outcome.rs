//! What comes of an [`Action`](crate::Action): the outcomes that have a type of their own.

use crate::failure::Failure;
use crate::path::VPath;

/// What [`Action::Open`](crate::Action::Open) opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// For [`Mode::Read`](crate::Mode::Read): the length of the whole file, if it is known.
    pub size: Option<u64>,
    /// For [`Mode::Unique`](crate::Mode::Unique): the path that was chosen.
    pub name: Option<VPath>,
}

/// What [`Action::Change`](crate::Action::Change) has done, where that is not what was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// For [`Edit::Set`](crate::Edit::Set): the permission bits that are in effect, if they are
    /// others than those that were asked for.
    pub mode: Option<u16>,
}

/// Why there is no data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFailure {
    /// The peer refused it.
    Refused,
    /// The peer cannot be reached.
    Unreachable,
    /// There is no listener, descriptor or port for it.
    NoResources,
    /// It was given up because of [`Action::Cancel`](crate::Action::Cancel).
    Cancelled,
}

/// Why a TLS handshake or closure failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFailure {
    /// The handshake did not succeed.
    Handshake,
    /// The session was not resumed though the policy demands it.
    NotResumed,
    /// The connection ended.
    Closed,
    /// It was given up because of [`Action::Cancel`](crate::Action::Cancel).
    Cancelled,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// Bytes of the file that were read or written, before or after translation; for a listing,
    /// bytes of text.
    pub bytes: u64,
    /// How the data ended.
    pub end: End,
}

/// How the data of a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All was sent and taken, or the client closed properly.
    Clean,
    /// A TLS connection ended without close_notify: what came may be a part.
    Truncated,
    /// The connection broke.
    Reset,
    /// It was given up because of [`Action::Cancel`](crate::Action::Cancel).
    Cancelled,
    /// The storage failed.
    Storage(Failure),
}
