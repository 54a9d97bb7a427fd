//! [`Transport`]: the way of a request to a store.

use std::fmt;
use std::io::Read;

use wharf_storage::Wanted;

use crate::wire::{Headers, Request};

/// Carries requests to one store, with whatever it takes to be let in there.
///
/// A call blocks until the head of the answer is there. It is made on the threads of a pool.
pub trait Transport: Send + Sync {
    /// Sends a request, once, and returns the head of its answer with the body to be read. It is signed
    /// when it is sent. A redirect is an answer like any other. It gives up soon once it is not wanted.
    ///
    /// # Errors
    /// Why there is no answer.
    fn send(&self, request: &Request<'_>, wanted: &Wanted) -> Result<Answer, Lost>;
}

/// What a store answered.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The fields of its head.
    pub headers: Headers,
    /// The bytes of its body. Reading them blocks, and fails if they end too early.
    pub body: Box<dyn Read + Send>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lost {
    /// There are no credentials to sign it with, for that reason. It was not sent.
    Unsigned(String),
    /// The store cannot be reached, for that reason. It was not sent.
    Unreachable(String),
    /// The connection ended, or nothing came in time, for that reason. Nobody knows whether the store did
    /// what it was asked.
    Unanswered(String),
    /// It is not wanted any more.
    Cancelled,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(why) => write!(f, "there are no credentials: {why}"),
            Self::Unreachable(why) => write!(f, "the store cannot be reached: {why}"),
            Self::Unanswered(why) => write!(f, "the store does not answer: {why}"),
            Self::Cancelled => f.write_str("the request was given up"),
        }
    }
}

impl std::error::Error for Lost {}
