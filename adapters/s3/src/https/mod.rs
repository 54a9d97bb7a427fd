//! [`Https`]: a [`Transport`] over HTTP and TLS, with signatures.

mod connection;
mod credentials;
mod endpoint;
mod keys;
mod options;
mod place;
mod role;
mod sign;
mod source;
mod trouble;

use std::fmt;
use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::request::Parts;
use rustls::crypto::CryptoProvider;
use ureq::{Agent, Body, BodyReader, SendBody};
use wharf_storage::Wanted;

use crate::wire::{Method, Problem, Request};
use crate::{Answer, Lost, Transport};
use connection::{Connection, PIECE};
use keys::Keys;
use place::Place;
use role::Office;
use sign::Signature;
use source::Source;

pub use credentials::{Credentials, Key, Role, Secret};
pub use options::{Deadlines, HttpsOptions, Mistake};

/// How much of an error is read to see what is wrong.
const ENOUGH: u64 = 64 * 1024;

/// How long it is waited for services beside the machine, which answer at once or are not there.
const NEAR: Deadlines = Deadlines {
    connect: Duration::from_secs(1),
    answer: Duration::from_secs(5),
    idle: Duration::from_secs(5),
};

/// A store on the network, reached by HTTP over TLS, with requests that are signed when they are sent.
///
/// What it does beyond sending, each once for a request:
///
/// - Credentials that the store calls expired are fetched anew, and the request is repeated if there are
///   other ones. They are fetched two minutes before they expire in any case, and one session does it for all.
/// - Where the store names another region, that one is taken from then on, with a warning that says what to
///   write. No redirect is followed, and nothing is sent to a host that is not that of the options or the one
///   that the provider has for the region.
/// - A request is repeated on a new connection if the store had closed the one that was kept, and cannot have
///   done anything: it only reads, or not all of its body was sent. All other requests that get no answer are
///   [`Lost::Unanswered`].
///
/// The body of an answer fails with [`io::ErrorKind::TimedOut`] if nothing comes for
/// [`idle`](Deadlines::idle), and with [`io::ErrorKind::UnexpectedEof`] if it ends before its length.
///
/// No secret is in its errors, nor in what it logs. The libraries beneath it write to `log`: at its level
/// `Trace`, which nobody should keep, whole heads with their signatures.
pub struct Https {
    agent: Agent,
    keys: Keys,
    place: Place,
    pays: bool,
}

impl fmt::Debug for Https {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Https")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Https {
    /// Makes one. Nothing is sent yet. The certificates are read now, so that it may be made before the
    /// process gives up its rights; the files of [`Credentials`] are read whenever they are needed.
    ///
    /// # Errors
    /// Which option is wrong.
    pub fn new(options: &HttpsOptions, crypto: Arc<CryptoProvider>) -> Result<Self, Mistake> {
        let place = Place::new(options)?;
        let region = place.site().region.clone();
        let proxy = options.proxy.as_ref().map(connection::proxy).transpose()?;
        let office = options.role.as_ref();
        let office = office
            .map(|role| Office::new(role, options.provider, &region))
            .transpose()?;
        let trusted = match connection::trusted(options.ca.as_deref()) {
            Err(_) if options.ca.is_none() && !place.is_protected() => Vec::new(),
            trusted => trusted?,
        };
        let near = connection::agent(Vec::new(), Arc::clone(&crypto), None, &NEAR);
        let agent = connection::agent(trusted, crypto, proxy, &options.deadlines);
        let context = source::context(options.environment.as_ref(), near, agent.clone());
        let source = Source::new(&options.credentials, &region, office);
        Ok(Self {
            agent,
            keys: Keys::new(source, context),
            place,
            pays: options.requester_pays,
        })
    }

    /// Sends a request that is signed, and repeats it if it met a connection that was closed.
    fn exchange(
        &self,
        head: &Parts,
        request: &Request<'_>,
        wanted: &Wanted,
    ) -> Result<http::Response<Body>, Lost> {
        let mut is_repeated = false;
        loop {
            let mut body = Sending {
                rest: &request.body,
                wanted,
            };
            let (outcome, connection) = connection::call(Some(wanted), || {
                run(&self.agent, head.clone(), request, &mut body)
            });
            let error = match outcome {
                Ok(response) => return Ok(response),
                Err(_) if !wanted.is_so() => return Err(Lost::Cancelled),
                Err(error) => error,
            };
            let host = head.uri.host().unwrap_or_default();
            let why = format!("{host}: {}", trouble::told(&error));
            if connection == Connection::Failed {
                return Err(Lost::Unreachable(why));
            }
            let only_reads = matches!(request.method, Method::Get | Method::Head);
            let cannot_be_done = only_reads || !body.rest.is_empty();
            let was_closed =
                connection == Connection::Kept && !matches!(error, ureq::Error::Timeout(_));
            if is_repeated || !was_closed || !cannot_be_done {
                return Err(Lost::Unanswered(why));
            }
            is_repeated = true;
        }
    }
}

impl Transport for Https {
    fn send(&self, request: &Request<'_>, wanted: &Wanted) -> Result<Answer, Lost> {
        let mut credential = self.keys.get().map_err(Lost::Unsigned)?;
        let (mut is_renewed, mut is_corrected) = (false, false);
        loop {
            if !wanted.is_so() {
                return Err(Lost::Cancelled);
            }
            let site = self.place.site();
            let signature = Signature {
                region: &site.region,
                credential: &credential,
                is_protected: self.place.is_protected(),
                pays: self.pays,
            };
            let head = signature.sign(request, &self.place.url(&site, request))?;
            let answer = answer(self.exchange(&head, request, wanted)?);
            if !matches!(answer.status, 301 | 307 | 400 | 401 | 403) {
                return Ok(answer);
            }
            let (answer, problem) = looked_at(answer);
            if !is_corrected
                && let Some(region) = names_region(&problem)
                && self.place.correct(&site, region)
            {
                is_corrected = true;
                continue;
            }
            if !is_renewed
                && is_expired(&problem, request.method)
                && let Some(other) = self.keys.other_than(&credential)
            {
                is_renewed = true;
                credential = other;
                continue;
            }
            return Ok(answer);
        }
    }
}

fn run(
    agent: &Agent,
    mut head: Parts,
    request: &Request<'_>,
    body: &mut Sending<'_>,
) -> Result<http::Response<Body>, ureq::Error> {
    match request.method {
        Method::Put | Method::Post => {
            head.headers
                .insert(CONTENT_LENGTH, request.body.len().into());
            agent.run(http::Request::from_parts(head, SendBody::from_reader(body)))
        }
        Method::Get | Method::Head | Method::Delete => {
            agent.run(http::Request::from_parts(head, ()))
        }
    }
}

/// The body of a request on its way, which ends early if it is not wanted any more.
struct Sending<'a> {
    rest: &'a [u8],
    wanted: &'a Wanted,
}

impl Read for Sending<'_> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        if !self.wanted.is_so() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = piece.len().min(PIECE);
        self.rest.read(&mut piece[..most])
    }
}

fn answer(response: http::Response<Body>) -> Answer {
    let (head, body) = response.into_parts();
    let fields = head.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.as_str(), value.into_owned())
    });
    Answer {
        status: head.status.as_u16(),
        headers: fields.collect(),
        body: Box::new(Received(body.into_reader())),
    }
}

/// The body of an answer.
struct Received(BodyReader<'static>);

impl Read for Received {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into).map_err(trouble::of_body)
    }
}

/// Reads the error in an answer, which has it still to be read.
fn looked_at(answer: Answer) -> (Answer, Problem) {
    let mut text = Vec::new();
    // One that is cut says less, but its status says something already.
    let _ = answer.body.take(ENOUGH).read_to_end(&mut text);
    let problem = Problem::of(answer.status, &answer.headers, &text);
    let problem = problem.unwrap_or(Problem {
        status: answer.status,
        code: String::new(),
        message: String::new(),
        region: None,
    });
    let answer = Answer {
        body: Box::new(Cursor::new(text)),
        ..answer
    };
    (answer, problem)
}

/// Returns the region that a request should have been signed for.
fn names_region(problem: &Problem) -> Option<&str> {
    // Answers to HEAD have no code.
    let is_about_region = match problem.code.as_str() {
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => true,
        code => code.is_empty() && matches!(problem.status, 301 | 307 | 400),
    };
    problem.region.as_deref().filter(|_| is_about_region)
}

/// Returns whether a store says that credentials have expired.
fn is_expired(problem: &Problem, method: Method) -> bool {
    match problem.code.as_str() {
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => true,
        code => code.is_empty() && method == Method::Head && problem.status == 400,
    }
}
