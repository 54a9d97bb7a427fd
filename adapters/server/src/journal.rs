//! The log of what happens in sessions, one line for each connection, login, command, transfer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use wharf_core::{Note, Reason};

use crate::{Escape, Refusal};

/// The log of one session.
pub struct Journal {
    peer: SocketAddr,
}

impl Journal {
    /// A client has connected.
    #[must_use]
    pub fn new(peer: SocketAddr) -> Self {
        tracing::info!(%peer, "connected");
        Self { peer }
    }

    /// The control connection is protected by that version of TLS.
    pub fn protected(&self, version: &str) {
        tracing::info!(peer = %self.peer, "protected by {version}");
    }

    /// The control connection is no longer protected.
    pub fn in_clear(&self) {
        tracing::info!(peer = %self.peer, "in clear text again");
    }

    /// The control connection could not become another one.
    pub fn unprotected(&self, error: &io::Error) {
        tracing::warn!(peer = %self.peer, %error, "no TLS on the control connection");
    }

    /// A client was refused.
    pub fn refused(peer: SocketAddr, why: Refusal) {
        let why = match why {
            Refusal::Full => "too many connections",
            Refusal::AccountFull => "too many sessions of the account",
            Refusal::Exhausted => "no descriptor or no thread is left",
            Refusal::Waits => "too many refused logins",
        };
        tracing::warn!(%peer, "refused: {why}");
    }

    /// From the client's address too many logins were refused.
    pub fn has_to_wait(peer: SocketAddr, wait: Duration) {
        let seconds = wait.as_secs();
        tracing::warn!(%peer, seconds, "too many refused logins: the address has to wait");
    }

    /// Something happened.
    pub fn write(&self, note: &Note) {
        let peer = self.peer;
        match note {
            Note::LoggedIn { username } => {
                tracing::info!(%peer, user = %Escape(username), "logged in");
            }
            Note::LoginRefused { username, tries } => {
                tracing::warn!(%peer, user = %Escape(username), tries, "login refused");
            }
            Note::Command { line, code } => {
                tracing::debug!(%peer, code, "{}", Escape(line));
            }
            Note::Transferred {
                verb,
                path,
                bytes,
                took,
                code,
                abandoned,
            } => {
                tracing::info!(
                    %peer,
                    path = %Escape(path.as_bytes()),
                    bytes,
                    seconds = took.as_secs_f64(),
                    code,
                    "{} {}",
                    verb.name(),
                    outcome(*abandoned),
                );
            }
            other => tracing::debug!(%peer, "{other:?}"),
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        tracing::info!(peer = %self.peer, "disconnected");
    }
}

fn outcome(abandoned: Option<Reason>) -> &'static str {
    match abandoned {
        None => "complete",
        Some(Reason::NoData) => "failed: no data connection",
        Some(Reason::Tls(_)) => "failed: no TLS on the data connection",
        Some(Reason::Truncated) => "failed: the data was cut off",
        Some(Reason::Reset) => "failed: the data connection broke",
        Some(Reason::Aborted) => "aborted by the client",
        Some(Reason::ControlLost) => "failed: the control connection was lost",
        Some(Reason::Stalled) => "failed: no data moved",
        Some(Reason::Slow) => "failed: too slow",
        Some(Reason::Shutdown) => "aborted by the shutdown",
        Some(Reason::Storage(_)) => "failed: the storage refused",
        Some(Reason::Refused) => "refused",
    }
}
