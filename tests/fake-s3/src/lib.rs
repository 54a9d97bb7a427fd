//! An object store in memory that fails on command: what the tests of `wharf-s3` and the simulator have in place
//! of a real one. It stands behind [`Transport`], so it needs neither sockets nor time.

mod fault;
mod objects;
mod uploads;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::{self, Cursor, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wharf_s3::wire::{Headers, Request};
use wharf_s3::{Answer, Lost, Transport};
use wharf_storage::Wanted;

pub use fault::{Fault, Rule};
pub use objects::Object;
use uploads::Upload;

/// In what stores differ.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// It looks at `If-None-Match` and `If-Match` where an object is put in one piece.
    pub conditions_on_put: bool,
    /// It does so where an object is made of parts, or copied.
    pub conditions_on_complete: bool,
    /// It knows an upload that was completed, and says the same again.
    pub completes_twice: bool,
    /// All parts but the last one must have one length, and the last one must not be longer.
    pub equal_parts: bool,
    /// The least length of a part that is not the last one.
    pub least_part: u64,
    /// The most names in a page.
    pub page: usize,
    /// The most bytes in a key.
    pub longest_key: usize,
}

impl Default for Dialect {
    /// A store that does all that S3 says, but for parts of any length.
    fn default() -> Self {
        Self {
            conditions_on_put: true,
            conditions_on_complete: true,
            completes_twice: true,
            equal_parts: false,
            least_part: 1,
            page: 1000,
            longest_key: 1024,
        }
    }
}

/// A request that came, as tests look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its method.
    pub method: &'static str,
    /// Its key.
    pub key: String,
    /// Its query.
    pub query: Vec<(&'static str, String)>,
    /// Its fields.
    pub headers: Headers,
    /// The length of its body.
    pub length: usize,
}

impl Seen {
    /// Returns a name for what it asks for.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        let asks = |name| self.query.iter().any(|(field, _)| *field == name);
        let copies = self.headers.get("x-amz-copy-source").is_some();
        match (self.method, self.key.is_empty()) {
            ("GET", true) if asks("lifecycle") => "lifecycle",
            ("GET", true) => "list",
            ("GET", false) if asks("uploadId") => "parts",
            ("GET", false) => "get",
            ("HEAD", _) => "head",
            ("POST", _) if asks("uploads") => "create",
            ("POST", _) => "complete",
            ("DELETE", _) if asks("uploadId") => "abort",
            ("DELETE", _) => "delete",
            ("PUT", _) if asks("uploadId") && copies => "copy-part",
            ("PUT", _) if asks("uploadId") => "part",
            ("PUT", _) if copies => "copy",
            _ => "put",
        }
    }
}

/// An object store in memory. Copies share it.
#[derive(Clone)]
pub struct FakeS3 {
    dialect: Dialect,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Object>,
    /// What the last changes have replaced, the last one last.
    replaced: VecDeque<(String, Option<Object>)>,
    uploads: BTreeMap<String, Upload>,
    /// Keys and names of uploads that were completed.
    completed: BTreeMap<String, String>,
    next: u64,
    /// Seconds since 1970.
    now: i64,
    ignores_conditions_on_get: bool,
    rules: Vec<Rule>,
    seen: Vec<Seen>,
}

impl fmt::Debug for FakeS3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeS3")
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

impl FakeS3 {
    /// Returns an empty store. Its clock stands at some time in 2026.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        let state = State {
            now: 1_796_000_000,
            ..State::default()
        };
        Self {
            dialect,
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the clock on.
    pub fn pass(&self, time: Duration) {
        self.state().now += i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    }

    /// Sets the clock to that of this machine.
    pub fn follow_the_clock(&self) {
        self.state().now = jiff::Timestamp::now().as_second();
    }

    /// Adds a rule for how requests fail.
    pub fn fail(&self, rule: Rule) {
        self.state().rules.push(rule);
    }

    /// Removes all rules.
    pub fn heal(&self) {
        self.state().rules.clear();
    }

    /// Returns the requests that came so far, and forgets them.
    #[must_use]
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state().seen)
    }

    /// Returns the bytes of an object.
    #[must_use]
    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        let state = self.state();
        Some(state.objects.get(key)?.bytes.to_vec())
    }

    /// Returns an object.
    #[must_use]
    pub fn whole_object(&self, key: &str) -> Option<Object> {
        self.state().objects.get(key).cloned()
    }

    /// Returns all keys.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    /// Returns the keys of all uploads that are neither completed nor given up.
    #[must_use]
    pub fn uploads(&self) -> Vec<String> {
        self.named_uploads().into_values().collect()
    }

    /// Returns the same by the names of the uploads.
    #[must_use]
    pub fn named_uploads(&self) -> BTreeMap<String, String> {
        let state = self.state();
        let uploads = state.uploads.iter();
        let keys = uploads.map(|(name, upload)| (name.clone(), upload.key.clone()));
        keys.collect()
    }

    /// Puts an object, as somebody else does.
    pub fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) {
        let mut state = self.state();
        let object = Object::new(bytes.into(), state.now);
        state.set(key, Some(object));
    }

    /// Has it ignore conditions on reading from now on.
    pub fn ignore_conditions_on_get(&self) {
        self.state().ignores_conditions_on_get = true;
    }

    /// Removes an object, as somebody else does.
    pub fn remove(&self, key: &str) {
        self.state().set(key, None);
    }

    /// Begins an upload, as somebody else does.
    pub fn begin_upload(&self, key: &str) {
        self.state().create(key, Headers::default());
    }
}

/// A list lags behind no more changes.
const LAG: usize = 8;

impl State {
    /// Puts an object there, or removes it.
    fn set(&mut self, key: &str, object: Option<Object>) {
        let replaced = match object {
            Some(object) => self.objects.insert(key.to_owned(), object),
            None => self.objects.remove(key),
        };
        self.replaced.push_back((key.to_owned(), replaced));
        if self.replaced.len() > LAG {
            self.replaced.pop_front();
        }
    }

    /// Returns what was there before the last changes.
    fn earlier(&self, changes: usize) -> BTreeMap<String, Object> {
        let mut objects = self.objects.clone();
        for (key, replaced) in self.replaced.iter().rev().take(changes) {
            match replaced {
                Some(object) => objects.insert(key.clone(), object.clone()),
                None => objects.remove(key),
            };
        }
        objects
    }
}

/// What is answered.
struct Reply {
    status: u16,
    headers: Headers,
    body: Vec<u8>,
}

impl Reply {
    fn new(status: u16) -> Self {
        Self {
            status,
            headers: Headers::default(),
            body: Vec::new(),
        }
    }

    fn error(status: u16, code: &str) -> Self {
        let body = format!("<Error><Code>{code}</Code><Message>It is so.</Message></Error>");
        Self::xml(status, &body)
    }

    fn xml(status: u16, body: &str) -> Self {
        let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
        Self {
            body: text.into_bytes(),
            ..Self::new(status)
        }
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push(name, value);
        self
    }
}

impl Transport for FakeS3 {
    fn send(&self, request: &Request<'_>, wanted: &Wanted) -> Result<Answer, Lost> {
        if !wanted.is_so() {
            return Err(Lost::Cancelled);
        }
        let seen = Seen {
            method: request.method.name(),
            key: request.key.clone(),
            query: request.query.clone(),
            headers: request.headers.clone(),
            length: request.body.len(),
        };
        let fault = {
            let mut state = self.state();
            let fault = state.rules.iter_mut().find_map(|rule| rule.apply(&seen));
            state.seen.push(seen);
            fault
        };
        let mut body = Cow::Borrowed(&*request.body);
        let (mut cut, mut is_lost, mut lag) = (None, false, 0);
        match fault {
            None => {}
            Some(Fault::Error(status, code)) => return Ok(Reply::error(status, code).answer(None)),
            Some(Fault::LateError(code)) => return Ok(Reply::error(200, code).answer(None)),
            Some(Fault::RetryAfter(seconds)) => {
                let reply = Reply::error(503, "SlowDown").with("retry-after", seconds.to_string());
                return Ok(reply.answer(None));
            }
            Some(Fault::LoseAnswer) => is_lost = true,
            Some(Fault::LoseRequest) => return Err(Lost::Unanswered("it was lost".into())),
            Some(Fault::Unreachable) => return Err(Lost::Unreachable("nobody is there".into())),
            Some(Fault::Cut(after)) => cut = Some(after),
            Some(Fault::Lag(changes)) => lag = changes,
            Some(Fault::Flip) => {
                if let Some(byte) = body.to_mut().first_mut() {
                    *byte ^= 1;
                }
            }
            Some(Fault::Hang) => {
                while wanted.is_so() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                return Err(Lost::Cancelled);
            }
            Some(Fault::Meanwhile(act)) => act(self),
        }
        let reply = self.state().serve(&self.dialect, request, &body, lag);
        if is_lost {
            return Err(Lost::Unanswered("its answer was lost".into()));
        }
        Ok(reply.answer(cut))
    }
}

impl Reply {
    /// Returns the answer, whose body breaks off after so many bytes.
    fn answer(self, cut: Option<usize>) -> Answer {
        let body: Box<dyn Read + Send> = match cut {
            None => Box::new(Cursor::new(self.body)),
            Some(after) => {
                let mut bytes = self.body;
                bytes.truncate(after);
                Box::new(Cursor::new(bytes).chain(Broken))
            }
        };
        Answer {
            status: self.status,
            headers: self.headers,
            body,
        }
    }
}

/// The end of a body that was cut.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
