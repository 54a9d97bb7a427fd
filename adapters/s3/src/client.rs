//! [`Client`]: asks a store until it answers.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wharf_core::Failure;
use wharf_storage::Wanted;

use crate::transport::{Answer, Lost, Transport};
use crate::wire::{Headers, Malformed, Problem, Request};

/// An answer that is read as a whole is not longer: a page of a thousand keys has less.
const LONGEST: u64 = 16 << 20;
/// A pause is slept in pieces, so that one that is not wanted any more ends soon.
const NAP: Duration = Duration::from_millis(50);

/// For how long a store is asked again that is busy or cannot be reached.
#[derive(Clone)]
pub struct Patience {
    /// How often a request is sent at most. 8 by default.
    pub tries: u32,
    /// The longest first pause; each later one may be twice as long. 100 ms by default.
    pub first: Duration,
    /// The pauses of one request are not longer together. 30 s by default.
    pub most: Duration,
    /// What picks the pauses. By default it differs in each process.
    pub seed: u64,
    /// What sleeps. By default the thread does.
    pub sleep: Arc<dyn Fn(Duration) + Send + Sync>,
}

impl Default for Patience {
    fn default() -> Self {
        use std::hash::{BuildHasher, RandomState};

        Self {
            tries: 8,
            first: Duration::from_millis(100),
            most: Duration::from_secs(30),
            seed: RandomState::new().hash_one(0),
            sleep: Arc::new(std::thread::sleep),
        }
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience")
            .field("tries", &self.tries)
            .field("first", &self.first)
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

/// Why a request was not done.
#[derive(Clone, Debug)]
pub(crate) enum Refused {
    /// The store says so.
    Problem {
        problem: Problem,
        /// The answer to the same request was lost before, so the store may have done it then.
        may_be_done: bool,
    },
    /// The store did not answer.
    Lost(Lost),
    /// Its answer cannot be understood.
    Malformed,
}

impl Refused {
    /// Returns what it means to a client.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Problem { problem, .. } => problem.failure(),
            Self::Lost(Lost::Cancelled) => Failure::Cancelled,
            Self::Lost(_) => Failure::Busy,
            Self::Malformed => Failure::Io,
        }
    }

    /// Returns whether the store says that there is no such object.
    pub(crate) fn is_absent(&self) -> bool {
        // The answer to HEAD has no code.
        matches!(self, Self::Problem { problem, .. }
            if problem.status == 404 && matches!(problem.code.as_str(), "" | "NoSuchKey"))
    }

    /// Returns the code of the store, if it told one.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Problem { problem, .. } => &problem.code,
            _ => "",
        }
    }

    /// Returns the HTTP status, if there was an answer.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Problem { problem, .. } => Some(problem.status),
            _ => None,
        }
    }

    /// Returns whether the store may have done it all the same.
    pub(crate) fn may_be_done(&self) -> bool {
        match self {
            Self::Problem { may_be_done, .. } => *may_be_done,
            Self::Lost(Lost::Unsigned(_) | Lost::Unreachable(_)) => false,
            Self::Lost(_) | Self::Malformed => true,
        }
    }
}

impl From<Malformed> for Refused {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        refused.failure()
    }
}

/// An answer with all of its body.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
}

/// Asks a store until it answers.
pub(crate) struct Client {
    transport: Arc<dyn Transport>,
    patience: Patience,
    /// How many numbers were drawn.
    drawn: AtomicU64,
}

impl Client {
    pub(crate) fn new(transport: Arc<dyn Transport>, patience: Patience) -> Self {
        Self {
            transport,
            patience,
            drawn: AtomicU64::new(0),
        }
    }

    /// Returns the same that does not insist: for somebody who waits for what is wrong.
    pub(crate) fn impatient(&self) -> Self {
        let patience = Patience {
            tries: 2,
            ..self.patience.clone()
        };
        Self::new(Arc::clone(&self.transport), patience)
    }

    /// Returns a number that this client has not returned before, nor most likely another one.
    pub(crate) fn number(&self) -> u64 {
        mix(self.patience.seed ^ self.drawn.fetch_add(1, Ordering::Relaxed))
    }

    /// Has a request done, and returns all of the answer.
    pub(crate) fn ask(&self, request: &Request<'_>, wanted: &Wanted) -> Result<Whole, Refused> {
        self.insist(request, wanted, |answer| {
            let Answer {
                status,
                headers,
                body,
            } = answer;
            let body = read(body).map_err(lost)?;
            let judged = !(200..300).contains(&status) || request.may_fail_late();
            match judged.then(|| Problem::of(status, &headers, &body)) {
                Some(Some(problem)) => Err(Refused::Problem {
                    problem,
                    may_be_done: false,
                }),
                _ => Ok(Whole { headers, body }),
            }
        })
    }

    /// Has a request done, and returns the answer with a body that is yet to be read.
    pub(crate) fn open(&self, request: &Request<'_>, wanted: &Wanted) -> Result<Answer, Refused> {
        self.insist(request, wanted, |answer| {
            if (200..300).contains(&answer.status) {
                return Ok(answer);
            }
            let body = read(answer.body).map_err(lost)?;
            let problem = Problem::of(answer.status, &answer.headers, &body);
            Err(
                problem.map_or(Refused::Malformed, |problem| Refused::Problem {
                    problem,
                    may_be_done: false,
                }),
            )
        })
    }

    /// Sends a request until there is an answer that stays.
    fn insist<T>(
        &self,
        request: &Request<'_>,
        wanted: &Wanted,
        understand: impl Fn(Answer) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let (mut tries, mut slept, mut may_be_done) = (1, Duration::ZERO, false);
        loop {
            let mut answered = None;
            let outcome = self.transport.send(request, wanted);
            let outcome = outcome.map_err(Refused::Lost).and_then(|answer| {
                answered = answer.headers.get("retry-after").map(str::to_owned);
                understand(answer)
            });
            let refused = match outcome {
                Ok(understood) => return Ok(understood),
                Err(refused) => refused,
            };
            let is_passing = match &refused {
                Refused::Problem { problem, .. } => problem.is_passing(),
                Refused::Lost(Lost::Cancelled | Lost::Unsigned(_)) => false,
                Refused::Lost(_) => true,
                Refused::Malformed => false,
            };
            let pause = self.pause(tries, answered.as_deref());
            if !is_passing || tries >= self.patience.tries || slept + pause > self.patience.most {
                return Err(self.tell(request, refused, may_be_done));
            }
            tracing::debug!(
                method = request.method.name(), key = %request.key, tries, why = %Why(&refused),
                "the store is asked again"
            );
            may_be_done |= refused.may_be_done();
            slept += pause;
            tries += 1;
            self.sleep(pause, wanted)?;
        }
    }

    /// Returns how long to wait before the next try: anything up to a bound that doubles, and no less than
    /// the store asks for.
    fn pause(&self, tries: u32, retry_after: Option<&str>) -> Duration {
        let doubled = self
            .patience
            .first
            .saturating_mul(1 << (tries - 1).min(16))
            .min(self.patience.most / 2);
        let share = self.number() % 1024;
        // A share below 1024 fits.
        let jittered = doubled / 1024 * u32::try_from(share).unwrap_or(0);
        let asked = retry_after.and_then(|seconds| seconds.parse().ok());
        jittered.max(asked.map_or(Duration::ZERO, Duration::from_secs))
    }

    fn sleep(&self, pause: Duration, wanted: &Wanted) -> Result<(), Refused> {
        let mut left = pause;
        loop {
            if !wanted.is_so() {
                return Err(Refused::Lost(Lost::Cancelled));
            }
            if left.is_zero() {
                return Ok(());
            }
            let nap = left.min(NAP);
            (self.patience.sleep)(nap);
            left -= nap;
        }
    }

    /// Tells an operator of what an operator can change.
    fn tell(&self, request: &Request<'_>, refused: Refused, was_lost: bool) -> Refused {
        let is_for_operators = match &refused {
            Refused::Problem { problem, .. } => problem.is_for_operators() || problem.is_passing(),
            Refused::Lost(lost) => *lost != Lost::Cancelled,
            Refused::Malformed => true,
        };
        if is_for_operators {
            tracing::error!(
                method = request.method.name(), key = %request.key, why = %Why(&refused),
                "the store does not do what it is asked"
            );
        }
        match refused {
            Refused::Problem { problem, .. } => Refused::Problem {
                problem,
                may_be_done: was_lost,
            },
            // The last try was not sent, but nobody knows of an earlier one.
            Refused::Lost(lost @ (Lost::Unsigned(_) | Lost::Unreachable(_))) if was_lost => {
                Refused::Lost(Lost::Unanswered(lost.to_string()))
            }
            other => other,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

/// What is told of a request that was not done.
struct Why<'a>(&'a Refused);

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Refused::Problem { problem, .. } => {
                write!(f, "{} {} {}", problem.status, problem.code, problem.message)
            }
            Refused::Lost(lost) => lost.fmt(f),
            Refused::Malformed => Malformed.fmt(f),
        }
    }
}

/// Reads a body to its end.
fn read(body: Box<dyn Read + Send>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    body.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other("an answer is too long"));
    }
    Ok(bytes)
}

fn lost(error: io::Error) -> Refused {
    Refused::Lost(Lost::Unanswered(error.to_string()))
}

/// Mixes a number so that each of its bits depends on all of them (SplitMix64).
fn mix(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
