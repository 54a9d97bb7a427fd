//! What comes of an [`Action`](crate::Action): the outcomes that have a type of their own.

use core::fmt;

use crate::failure::Failure;
use crate::path::VPath;

/// What [`Action::Open`](crate::Action::Open) opened. By default nothing is to be said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// For [`Mode::Read`](crate::Mode::Read): the length of the whole file, if it is known.
    pub size: Option<u64>,
    /// For [`Mode::Unique`](crate::Mode::Unique): the path that was chosen.
    pub name: Option<VPath>,
}

impl Opened {
    /// Returns what is said of a file to read: its length, if that is known.
    #[must_use]
    pub const fn file(size: Option<u64>) -> Self {
        Self { size, name: None }
    }

    /// Returns what is said of a new file: the path that was chosen for it.
    #[must_use]
    pub const fn named(path: VPath) -> Self {
        Self {
            size: None,
            name: Some(path),
        }
    }
}

/// What [`Action::Change`](crate::Action::Change) has done, where that is not what was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changed {
    /// For [`Edit::Set`](crate::Edit::Set): the permission bits that are in effect, if they are
    /// others than those that were asked for.
    pub mode: Option<u16>,
}

impl Changed {
    /// It was done as it was asked.
    pub const AS_ASKED: Self = Self { mode: None };

    /// Returns that these permission bits are in effect.
    #[must_use]
    pub const fn to_mode(mode: u16) -> Self {
        Self { mode: Some(mode) }
    }
}

/// Why there is no data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

impl fmt::Display for DataFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "the peer refused the data connection",
            Self::Unreachable => "the peer cannot be reached",
            Self::NoResources => "nothing is left to make a data connection with",
            Self::Cancelled => "the data connection was given up",
        })
    }
}

impl core::error::Error for DataFailure {}

/// Why a TLS handshake or closure failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "the TLS handshake did not succeed",
            Self::NotResumed => "the TLS session was not resumed",
            Self::Closed => "the connection ended",
            Self::Cancelled => "the TLS handshake was given up",
        })
    }
}

impl core::error::Error for TlsFailure {}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transferred {
    /// Bytes of the file that were read or written, before or after translation; for a listing,
    /// bytes of text.
    pub bytes: u64,
    /// How the data ended.
    pub end: End,
}

impl Transferred {
    /// Returns that so many bytes moved, and how that ended.
    #[must_use]
    pub const fn new(bytes: u64, end: End) -> Self {
        Self { bytes, end }
    }
}

impl From<Failure> for End {
    /// The storage failed, or was asked to give the transfer up.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Cancelled => Self::Cancelled,
            failure => Self::Storage(failure),
        }
    }
}

/// How the data of a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All was sent and taken, or the client closed properly. If fewer bytes were sent than
    /// [`Flow::Send`](crate::Flow::Send) asks for, the file became shorter, and the client is told 451.
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
