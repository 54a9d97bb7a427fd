//! What the log calls things.

use wharf_core::command::Verb;
use wharf_core::time::Timestamp;
use wharf_core::{Denied, Edit, Ending, Failure, Note, Reason, TlsFailure};

use super::Kind;

/// What the line of a note is about; `None` if it has no line of its own.
pub(super) fn kind(note: &Note) -> Option<Kind> {
    Some(match note {
        Note::Ended { .. } => return None,
        Note::LoggedIn { .. } | Note::LoginRefused { .. } | Note::LoggedOut => Kind::Login,
        Note::Transferred { .. } => Kind::Transfer,
        Note::Changed { refused: None, .. } | Note::MaskSet { .. } => Kind::Change,
        Note::Changed { .. } | Note::Refused { .. } => Kind::Refusal,
        Note::Command { .. } => Kind::Command,
        _ => Kind::Connection,
    })
}

/// About how long the line of a note is, in bytes.
pub(super) fn length(note: &Note) -> usize {
    let names = match note {
        Note::LoggedIn { username } | Note::LoginRefused { username, .. } => username.len(),
        Note::Command { line, .. } => line.len(),
        Note::Changed { path, other, .. } => {
            path.as_bytes().len() + other.as_ref().map_or(0, |path| path.as_bytes().len())
        }
        Note::Refused { about, .. } => about.as_ref().map_or(0, |about| about.len()),
        Note::Transferred { path, .. } => path.as_bytes().len(),
        // No line.
        Note::Ended { .. } => return 0,
        _ => 0,
    };
    names + 200
}

/// Why a login was turned away; `None`: the name or the password was wrong.
pub(super) fn denied(why: Denied) -> Option<&'static str> {
    Some(match why {
        Denied::Credentials => return None,
        Denied::Unprotected => "TLS is demanded",
        Denied::TooMany => "too many sessions of the account",
        Denied::Waits => "too many refused logins from the address",
        Denied::Unavailable => "the account cannot be served now",
        _ => "refused",
    })
}

/// A change, by the command that asked for it.
pub(super) fn change(verb: Verb, edit: Edit) -> &'static str {
    match (verb, edit) {
        (Verb::Site, Edit::Symlink) => "SITE SYMLINK",
        (Verb::Site, Edit::Set(facts)) if facts.mode.is_some() => "SITE CHMOD",
        (Verb::Site, Edit::Set(_)) => "SITE UTIME",
        _ => verb.name(),
    }
}

/// A time as MFMT writes it, in UTC.
pub(super) fn time(moment: Timestamp) -> String {
    let at = moment.civil(0);
    format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}",
        at.year, at.month, at.day, at.hour, at.minute, at.second
    )
}

/// A reply without the full stop.
pub(super) fn bare(text: &str) -> &str {
    text.strip_suffix('.').unwrap_or(text)
}

/// Whether a transfer did not even begin since the storage refused it.
pub(super) fn is_refused(abandoned: Option<Reason>, bytes: u64) -> bool {
    bytes == 0 && matches!(abandoned, Some(Reason::Storage(_) | Reason::Refused))
}

/// How a transfer ended, and why if not well.
pub(super) fn outcome(abandoned: Option<Reason>) -> (&'static str, Option<&'static str>) {
    let why = match abandoned {
        None => return ("complete", None),
        Some(Reason::Aborted) => return ("aborted", Some("the client sent ABOR")),
        Some(Reason::Shutdown) => return ("aborted", Some("the server ends the session")),
        Some(Reason::NoData) => "no data connection",
        Some(Reason::Tls(TlsFailure::NotResumed)) => {
            "the data connection does not resume the TLS session of its login"
        }
        Some(Reason::Tls(_)) => "no TLS on the data connection",
        Some(Reason::Truncated) => "the data was cut off (`accept-truncated` would take it)",
        Some(Reason::HungUp) => {
            "the client closed the control connection (`accept-hang-up` would take it)"
        }
        Some(Reason::Reset) => "the data connection broke",
        Some(Reason::ControlLost) => "the control connection was lost",
        Some(Reason::Stalled) => "no data moved",
        Some(Reason::Slow) => "too slow",
        Some(Reason::Storage(failure)) => bare(failure.text()),
        Some(Reason::Refused) => bare(Failure::PastEnd.text()),
        Some(_) => "not carried out",
    };
    ("failed", Some(why))
}

/// Why an upload that was taken may be only a part.
pub(super) fn doubt(accepted: Option<Reason>) -> &'static str {
    match accepted {
        Some(Reason::Truncated) => "it ended without close_notify",
        _ => "the client closed the control connection",
    }
}

/// Why a session is over; `None`: its task was dropped.
pub(super) fn ending(why: Option<Ending>) -> &'static str {
    match why {
        Some(Ending::Quit) => "QUIT",
        Some(Ending::Closed) => "closed by the client",
        Some(Ending::Lost) => "the connection broke",
        Some(Ending::NoLogin) => "timeout: no login",
        Some(Ending::Idle) => "timeout: idle",
        Some(Ending::SlowLine) => "timeout: a line did not end",
        Some(Ending::Unread) => "timeout: replies were not read",
        Some(Ending::LoginRefused) => "the login was refused",
        Some(Ending::BadCommands) => "too many bad commands",
        Some(Ending::Foreign) => "not an FTP client",
        Some(Ending::Tls) => "no TLS on the control connection",
        Some(Ending::Unanswered) => "timeout: a request was not answered",
        Some(Ending::Shutdown) => "shutdown",
        Some(Ending::Dismissed) => "ended by the operator",
        Some(_) => "ended",
        None => "ended by the server",
    }
}
