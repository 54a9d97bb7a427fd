//! The log of what happens in sessions: a line for each connection, login, transfer, change and
//! refusal.
//!
//! What a client chose stands in quotes ([`Escape`]'s `Debug` form), so that it cannot pretend to
//! be another field. Who and where are fields of a span that every line of the session is in.
//!
//! Nothing of it is dropped in silence. A session takes a note only while the log has room for it:
//! one whose client floods the log, or whose log is slow, waits with its next command.

mod allowance;
mod backlog;
#[cfg(test)]
mod tests;
mod words;

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Level;
use tracing::field::{Empty, debug};
use wharf_core::{Edit, Ending, Machine, Note};

use self::allowance::Allowance;

pub use self::backlog::{Backlog, Kind};
use self::backlog::{CHANGE, COMMAND, CONNECTION, LOGIN, REFUSAL, TRANSFER};
use crate::client::Origin;
use crate::service::Refusal;
use crate::settings::Settings;
use crate::{Escape, sockets};
pub(crate) use tracing::Span;

/// A note waits no longer for room in the log than this; then it is written or counts as lost.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);

/// Refusals of one session that have a line of their own in a minute; the others are counted.
const REFUSALS: u32 = 20;

/// How long they count.
const MINUTE: Duration = Duration::from_secs(60);

/// The log of one session.
pub(crate) struct Journal {
    span: Span,
    since: Instant,
    backlog: Arc<Backlog>,
    allowance: Allowance,
    /// Since when a note waits for room.
    waits: Option<wharf_core::Instant>,
    refusals: Refusals,
    /// How the core says that it ended.
    ending: Option<Ending>,
    /// Why the control connection is no more, where the system has said so.
    cause: Option<String>,
    /// It is a balancer that looks whether somebody is here, which it does all the time.
    is_routine: bool,
}

/// Refusals of the minute.
struct Refusals {
    since: Instant,
    told: u32,
    /// Those that were only counted.
    more: u32,
}

impl Journal {
    /// A client has connected so.
    pub(crate) fn new(
        session: u64,
        peer: SocketAddr,
        origin: &Origin,
        settings: &Settings,
    ) -> Self {
        let peer = sockets::canonical(peer);
        // Of the highest level, so that the lines that are left of a quiet log are in it.
        let span = tracing::error_span!("session", session, %peer, user = Empty);
        span.in_scope(|| match origin {
            Origin::Direct => tracing::info!(target: CONNECTION, "connected"),
            Origin::Balancer => tracing::debug!(target: CONNECTION, "a balancer has connected"),
            Origin::Relayed { by, .. } => tracing::info!(target: CONNECTION, %by, "connected"),
        });
        let since = Instant::now();
        Self {
            span,
            since,
            backlog: Arc::clone(&settings.backlog),
            allowance: Allowance::default(),
            waits: None,
            refusals: Refusals {
                since,
                told: 0,
                more: 0,
            },
            ending: None,
            cause: None,
            is_routine: *origin == Origin::Balancer,
        }
    }

    /// What the lines of the session are in.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// The control connection is protected by that version of TLS.
    pub(crate) fn protected(&self, version: &str) {
        self.span
            .in_scope(|| tracing::info!(target: CONNECTION, "protected by {version}"));
    }

    /// The control connection is no longer protected.
    pub(crate) fn in_clear(&self) {
        self.span
            .in_scope(|| tracing::info!(target: CONNECTION, "in clear text again"));
    }

    /// The control connection could not become another one.
    pub(crate) fn unprotected(&mut self, error: &io::Error) {
        self.span.in_scope(
            || tracing::warn!(target: CONNECTION, %error, "no TLS on the control connection"),
        );
        self.cause = Some("no TLS on the control connection".to_owned());
    }

    /// The control connection broke.
    pub(crate) fn broke(&mut self, error: &io::Error) {
        self.cause.get_or_insert_with(|| error.to_string());
    }

    /// A client was refused that has no session.
    pub(crate) fn refused(peer: SocketAddr, why: Refusal) {
        let why = match why {
            Refusal::Full => "too many connections",
            Refusal::Exhausted => "no descriptor or no thread is left",
            Refusal::Waits => "too many refused logins",
            Refusal::KeptOut => "clients of its network are not served",
        };
        tracing::warn!(target: CONNECTION, %peer, "refused: {why}");
    }

    /// A balancer has come and gone before it said anything.
    pub(crate) fn looked_in(balancer: SocketAddr) {
        tracing::debug!(target: CONNECTION, %balancer, "a balancer has looked in");
    }

    /// What a balancer has sent is no PROXY header, or not a whole one.
    pub(crate) fn no_header(balancer: SocketAddr, why: &dyn Display, received: &[u8]) {
        let received = Escape(received);
        tracing::warn!(target: CONNECTION, %balancer, %why, ?received, "no PROXY header: the connection is closed");
    }

    /// From the client's address too many logins were refused.
    pub(crate) fn has_to_wait(peer: SocketAddr, wait: Duration) {
        let seconds = wait.as_secs();
        tracing::warn!(target: LOGIN, %peer, seconds, "too many refused logins: the address has to wait");
    }

    /// Writes the notes of the session, as far as there is room for them: whether any were.
    pub(crate) fn take_notes(
        &mut self,
        session: &mut impl Machine,
        now: wharf_core::Instant,
    ) -> bool {
        // What is not logged costs the session nothing.
        let logs = tracing::enabled!(Level::INFO);
        let mut written = false;
        while let Some(note) = session.peek_note() {
            if logs && words::kind(note).is_some_and(|kind| !self.may_write(kind, now)) {
                break;
            }
            let Some(note) = session.note() else { break };
            if logs {
                let pressed = self.backlog.is_pressed();
                self.allowance.spend(now, pressed, words::length(&note));
            }
            self.write(&note);
            written = true;
        }
        written
    }

    /// How long until notes that wait are to be tried again, if any wait.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.waits.map(|_| LOOK)
    }

    fn may_write(&mut self, kind: Kind, now: wharf_core::Instant) -> bool {
        let has_room = self.backlog.has_room(kind);
        let is_left = self.allowance.is_left(now, self.backlog.is_pressed());
        let since = *self.waits.get_or_insert(now);
        let is_over = now.since(since) >= PATIENCE;
        if is_over && !has_room {
            self.backlog.give_up();
        }
        let may = has_room && is_left || is_over || !self.backlog.moves();
        if may {
            self.waits = None;
        }
        may
    }

    /// Something happened.
    pub(crate) fn write(&mut self, note: &Note) {
        let span = self.span();
        span.in_scope(|| self.tell(note));
    }

    fn tell(&mut self, note: &Note) {
        match note {
            Note::LoggedIn { username } => {
                self.span.record("user", debug(Escape(username)));
                tracing::info!(target: LOGIN, "logged in");
            }
            Note::LoggedOut => {
                tracing::info!(target: LOGIN, "logged out");
                self.span.record("user", "");
            }
            Note::LoginRefused {
                username,
                why,
                tries,
            } => {
                let user = Escape(username);
                match words::denied(*why) {
                    None => tracing::warn!(target: LOGIN, ?user, tries, "login refused"),
                    Some(why) => tracing::warn!(target: LOGIN, ?user, why, "login turned away"),
                }
            }
            Note::Command { line, code } => {
                tracing::debug!(target: COMMAND, line = ?Escape(line), code, "command");
            }
            Note::Changed { refused, .. } => {
                if refused.is_none() || self.may_tell() {
                    tell_change(note);
                }
            }
            Note::MaskSet { umask } => {
                let umask = format!("{umask:03o}");
                tracing::info!(target: CHANGE, umask, "SITE UMASK complete");
            }
            Note::Refused {
                verb,
                about,
                code,
                why,
            } => {
                if self.may_tell() {
                    let name = verb.name();
                    let why = words::bare(why);
                    let about = about.as_ref().map(|about| Escape(about));
                    let about = about.as_ref().map(debug);
                    let (user, path) = match name {
                        "USER" => (about, None),
                        _ => (None, about),
                    };
                    tracing::info!(target: REFUSAL, user, path, code, why, "{name} refused");
                }
            }
            Note::Transferred {
                verb,
                path,
                bytes,
                took,
                code,
                abandoned,
                accepted,
            } => {
                if words::is_refused(*abandoned, *bytes) && !self.may_tell() {
                    return;
                }
                let path = Escape(path.as_bytes());
                let seconds = took.as_secs_f64();
                let verb = verb.name();
                match words::outcome(*abandoned) {
                    (ended, None) if accepted.is_some() => {
                        let doubt = words::doubt(*accepted);
                        tracing::warn!(target: TRANSFER, ?path, bytes, seconds, code, doubt, "{verb} {ended}");
                    }
                    (ended, None) => {
                        tracing::info!(target: TRANSFER, ?path, bytes, seconds, code, "{verb} {ended}");
                    }
                    (ended, Some(why)) => {
                        tracing::info!(target: TRANSFER, ?path, bytes, seconds, code, why, "{verb} {ended}");
                    }
                }
            }
            Note::Ended { why } => self.ending = Some(*why),
            other => tracing::debug!("{other:?}"),
        }
    }

    /// Whether one more refusal has a line of its own.
    fn may_tell(&mut self) -> bool {
        let now = Instant::now();
        if now.duration_since(self.refusals.since) >= MINUTE {
            self.sum_up();
            self.refusals.since = now;
            self.refusals.told = 0;
        }
        let may = self.refusals.told < REFUSALS;
        if may {
            self.refusals.told += 1;
        } else {
            self.refusals.more = self.refusals.more.saturating_add(1);
        }
        may
    }

    /// Tells how many refusals had no line.
    fn sum_up(&mut self) {
        let more = std::mem::take(&mut self.refusals.more);
        if more > 0 {
            tracing::info!(target: REFUSAL, "{more} more refused");
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let span = self.span();
        let _in = span.enter();
        self.sum_up();
        let seconds = self.since.elapsed().as_secs_f64();
        let why = words::ending(self.ending);
        match self.cause.take() {
            _ if self.is_routine => {
                tracing::debug!(target: CONNECTION, why, seconds, "disconnected");
            }
            Some(error) if matches!(self.ending, None | Some(Ending::Lost)) => {
                tracing::info!(target: CONNECTION, why, error, seconds, "disconnected");
            }
            _ => tracing::info!(target: CONNECTION, why, seconds, "disconnected"),
        }
    }
}

/// What was changed, or was not.
fn tell_change(note: &Note) {
    let Note::Changed {
        verb,
        edit,
        path,
        other,
        code,
        refused,
    } = note
    else {
        return;
    };
    let path = Escape(path.as_bytes());
    let verb = words::change(*verb, *edit);
    let why = refused.map(words::bare);
    let other = other.as_ref().map(|path| Escape(path.as_bytes()));
    let (mode, modified) = match edit {
        Edit::Set(facts) => (
            facts.mode.map(|mode| format!("{mode:03o}")),
            facts.modified.map(words::time),
        ),
        _ => (None, None),
    };
    // A field without a value is left out.
    let (from, to) = match edit {
        Edit::Rename { .. } => (other, None),
        _ => (None, other),
    };
    let (from, to) = (from.as_ref().map(debug), to.as_ref().map(debug));
    if refused.is_none() {
        tracing::info!(target: CHANGE, ?path, from, to, mode, modified, code, "{verb} complete");
    } else {
        tracing::info!(target: REFUSAL, ?path, from, to, mode, modified, code, why, "{verb} refused");
    }
}
