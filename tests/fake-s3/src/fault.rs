//! [`Fault`]: how a request fails.

use std::fmt;
use std::sync::Arc;

use crate::{FakeS3, Seen};

/// How a request fails.
#[derive(Clone)]
pub enum Fault {
    /// It is answered with that status and code, and not done.
    Error(u16, &'static str),
    /// It is answered with success and an error in the body, and not done.
    LateError(&'static str),
    /// It is answered with 503 and the wish to be asked again after so many seconds.
    RetryAfter(u32),
    /// It is done, and the answer is lost.
    LoseAnswer,
    /// It is lost before it is done.
    LoseRequest,
    /// Nobody takes it.
    Unreachable,
    /// It is done, and the body of the answer breaks off after so many bytes.
    Cut(usize),
    /// The first bit of its body is changed on the way.
    Flip,
    /// It is not answered until nobody wants it any more.
    Hang,
    /// If it asks for a list, that does not show the last changes of the store, so many.
    Lag(usize),
    /// Something else happens right before it is done.
    Meanwhile(Arc<dyn Fn(&FakeS3) + Send + Sync>),
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(status, code) => write!(f, "Error({status}, {code})"),
            Self::LateError(code) => write!(f, "LateError({code})"),
            Self::RetryAfter(seconds) => write!(f, "RetryAfter({seconds})"),
            Self::LoseAnswer => f.write_str("LoseAnswer"),
            Self::LoseRequest => f.write_str("LoseRequest"),
            Self::Unreachable => f.write_str("Unreachable"),
            Self::Cut(after) => write!(f, "Cut({after})"),
            Self::Flip => f.write_str("Flip"),
            Self::Hang => f.write_str("Hang"),
            Self::Lag(changes) => write!(f, "Lag({changes})"),
            Self::Meanwhile(_) => f.write_str("Meanwhile(..)"),
        }
    }
}

/// Which requests fail, and how.
pub struct Rule {
    matches: Box<dyn FnMut(&Seen) -> bool + Send>,
    fault: Fault,
    skip: usize,
    times: usize,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("fault", &self.fault)
            .field("skip", &self.skip)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

impl Rule {
    /// Has every request fail like that.
    #[must_use]
    pub fn every(fault: Fault) -> Self {
        Self::when(fault, |_| true)
    }

    /// Has each request fail like that for which this is so.
    #[must_use]
    pub fn when(fault: Fault, matches: impl FnMut(&Seen) -> bool + Send + 'static) -> Self {
        Self {
            matches: Box::new(matches),
            fault,
            skip: 0,
            times: usize::MAX,
        }
    }

    /// Has each request for that [operation](Seen::operation) fail like that.
    #[must_use]
    pub fn on(operation: &'static str, fault: Fault) -> Self {
        Self::when(fault, move |seen| seen.operation() == operation)
    }

    /// The same for only so many of them.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// The same, but not for the first ones.
    #[must_use]
    pub fn skip(self, skip: usize) -> Self {
        Self { skip, ..self }
    }

    pub(crate) fn apply(&mut self, seen: &Seen) -> Option<Fault> {
        if self.times == 0 || !(self.matches)(seen) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times -= 1;
        Some(self.fault.clone())
    }
}
