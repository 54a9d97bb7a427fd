//! [`Roster`]: who is connected, what they do, and how an operator ends a session.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wharf_core::bstr::{BString, ByteSlice as _};
use wharf_core::command::Verb;
use wharf_core::{Instant, Machine};

use crate::lock::lock;
use crate::service::Service;
use crate::sockets;

/// A client that is connected, as [`Service::clients`] tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connected {
    /// The number of the session, which the lines of the log have too.
    pub session: u64,
    /// Where the client is.
    pub peer: SocketAddr,
    /// How long it has been connected.
    pub since: Duration,
    /// For how long it has sent nothing.
    pub idle: Duration,
    /// Who it is, once it is logged in.
    pub user: Option<BString>,
    /// Whether the control connection is a TLS connection.
    pub is_protected: bool,
    /// What it transfers at the moment.
    pub transfer: Option<Moving>,
}

/// A transfer that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moving {
    /// The command that began it.
    pub verb: Verb,
    /// What it moves, as the client sees it.
    pub path: BString,
    /// The first byte of the file that moves.
    pub offset: u64,
    /// The bytes that have moved so far.
    pub bytes: u64,
    /// How many there will be, if that is known.
    pub length: Option<u64>,
    /// How long it has been running.
    pub since: Duration,
}

/// Who is connected.
#[derive(Default)]
pub(crate) struct Roster(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    last: u64,
    present: BTreeMap<u64, Arc<Entry>>,
}

/// What is known of a session beside its own thread or task.
struct Entry {
    peer: SocketAddr,
    since: Instant,
    control: Arc<TcpStream>,
    told: Mutex<Told>,
    /// The bytes that the transfer has moved.
    bytes: AtomicU64,
    /// When the client sent something last, in milliseconds.
    heard: AtomicU64,
    is_dismissed: AtomicBool,
}

/// What changes now and then.
#[derive(Clone, Default)]
struct Told {
    user: Option<BString>,
    is_protected: bool,
    transfer: Option<Box<Begun>>,
}

/// A transfer, without what moves.
#[derive(Clone)]
struct Begun {
    verb: Verb,
    path: BString,
    offset: u64,
    length: Option<u64>,
    since: Instant,
}

impl Roster {
    fn entry(&self, session: u64) -> Option<Arc<Entry>> {
        lock(&self.0).present.get(&session).cloned()
    }
}

impl Service {
    /// Returns who is connected now, in the order in which they came. A client whom a balancer has yet to
    /// announce is not among them.
    #[must_use]
    pub fn clients(&self) -> Vec<Connected> {
        let now = self.now();
        let present = lock(&self.roster().0).present.clone();
        present
            .iter()
            .map(|(session, entry)| entry.shown(*session, now))
            .collect()
    }

    /// Ends the session of that number: its client is told 421, and a transfer is aborted. Returns at once;
    /// false if there is no such session.
    ///
    /// A session that does not read from its client now does not see it until it does. When it is told a
    /// second time its connection is cut.
    pub fn dismiss(&self, session: u64) -> bool {
        let Some(entry) = self.roster().entry(session) else {
            return false;
        };
        let was_told = entry.is_dismissed.swap(true, Ordering::SeqCst);
        let cut = if was_told {
            Shutdown::Both
        } else {
            Shutdown::Read
        };
        // It wakes the session.
        let _ = entry.control.shutdown(cut);
        true
    }
}

impl Entry {
    fn shown(&self, session: u64, now: Instant) -> Connected {
        let told = lock(&self.told).clone();
        let heard = Duration::from_millis(self.heard.load(Ordering::Relaxed));
        let since = now.since(self.since);
        Connected {
            session,
            peer: self.peer,
            since,
            // What was heard last is told in whole milliseconds.
            idle: now.since(Instant::ZERO).saturating_sub(heard).min(since),
            user: told.user,
            is_protected: told.is_protected,
            transfer: told.transfer.map(|begun| Moving {
                verb: begun.verb,
                path: begun.path,
                offset: begun.offset,
                bytes: self.bytes.load(Ordering::Relaxed),
                length: begun.length,
                since: now.since(begun.since),
            }),
        }
    }
}

/// The place of a session in the roster, as long as this lives.
pub(crate) struct Presence {
    service: Arc<Service>,
    session: u64,
    entry: Arc<Entry>,
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Presence").field(&self.session).finish()
    }
}

impl Presence {
    /// A client has come.
    pub(crate) fn new(service: &Arc<Service>, peer: SocketAddr, control: &Arc<TcpStream>) -> Self {
        let now = service.now();
        let entry = Arc::new(Entry {
            peer: sockets::canonical(peer),
            since: now,
            control: Arc::clone(control),
            told: Mutex::default(),
            bytes: AtomicU64::new(0),
            heard: AtomicU64::new(millis(now)),
            is_dismissed: AtomicBool::new(false),
        });
        let mut roster = lock(&service.roster().0);
        roster.last += 1;
        let session = roster.last;
        roster.present.insert(session, Arc::clone(&entry));
        drop(roster);
        Self {
            service: Arc::clone(service),
            session,
            entry,
        }
    }

    /// The number of the session.
    pub(crate) fn session(&self) -> u64 {
        self.session
    }

    /// Whether an operator wants the session to end.
    pub(crate) fn is_dismissed(&self) -> bool {
        self.entry.is_dismissed.load(Ordering::Relaxed)
    }

    /// The client has sent something.
    pub(crate) fn heard(&self, now: Instant) {
        self.entry.heard.store(millis(now), Ordering::Relaxed);
    }

    /// Shows what the session does by now.
    pub(crate) fn show(&self, session: &impl Machine) {
        let underway = session.underway();
        if let Some(underway) = underway {
            self.entry.bytes.store(underway.bytes, Ordering::Relaxed);
        }
        let user = session.is_logged_in().then(|| session.username());
        let mut told = lock(&self.entry.told);
        let begun = told.transfer.as_deref();
        let is_same = told.user.as_ref().map(|user| user.as_bstr()) == user
            && told.is_protected == session.protects_control()
            && begun.map(|begun| (begun.since, begun.verb, begun.length))
                == underway.map(|underway| (underway.since, underway.verb, underway.length));
        if is_same {
            return;
        }
        *told = Told {
            user: user.map(BString::from),
            is_protected: session.protects_control(),
            transfer: underway.map(|underway| {
                Box::new(Begun {
                    verb: underway.verb,
                    path: session.path().as_bytes().into(),
                    offset: underway.offset,
                    length: underway.length,
                    since: underway.since,
                })
            }),
        };
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        lock(&self.service.roster().0).present.remove(&self.session);
    }
}

fn millis(now: Instant) -> u64 {
    u64::try_from(now.since(Instant::ZERO).as_millis()).unwrap_or(u64::MAX)
}
