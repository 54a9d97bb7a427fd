//! AUTH, PBSZ, PROT, CCC: when the control connection and data connections are TLS connections
//! (RFC 2228, 4217).

use bstr::BStr;

use super::Session;
use super::state::{After, Job, Login, Protected, Turn, Work};
use crate::action::Action;
use crate::config::Protection;
use crate::note::Ending;
use crate::outcome::TlsFailure;

/// A name or a password in clear.
pub(super) const UNPROTECTED: &str = "Protect the connection with AUTH TLS first.";

impl Session {
    pub(super) fn auth(&mut self, mechanism: &BStr) {
        let is = |name: &[u8]| mechanism.eq_ignore_ascii_case(name);
        if self.protected.control {
            self.done(503, "This connection is protected already.");
        } else if is(b"TLS") || is(b"TLS-C") {
            self.log_out(After::Auth { data: false });
        } else if is(b"SSL") || is(b"TLS-P") {
            // The names of the drafts before RFC 4217 protect data connections, too.
            self.log_out(After::Auth { data: true });
        } else {
            self.done(504, "AUTH TLS is what there is.");
        }
    }

    /// The 234, and TLS once it was written.
    pub(super) fn on_auth(&mut self, data: bool) {
        self.turn(Turn::Tls { data }, 234, "Begin the TLS handshake.");
    }

    pub(super) fn pbsz(&mut self) {
        if self.is_protected() {
            self.protected.sized = true;
            self.done(200, "PBSZ=0");
        }
    }

    pub(super) fn prot(&mut self, level: &BStr) {
        let offered = self.config.tls.data != Protection::Off;
        if !self.is_protected() {
            return;
        }
        match &level.to_ascii_uppercase()[..] {
            _ if !self.protected.sized => self.done(503, "PBSZ comes before PROT."),
            b"C" if self.must_protect_data() => {
                self.forbid(534, "Data connections must be protected.");
            }
            b"P" if !offered => self.done(534, "Data connections are clear."),
            b"C" => {
                self.protected.data = false;
                self.done(200, "Data connections are clear.");
            }
            b"P" => {
                self.protected.data = true;
                self.done(200, "Data connections are protected.");
            }
            b"S" | b"E" => self.done(536, "TLS has the levels C and P."),
            _ => self.done(504, "No such level."),
        }
    }

    pub(super) fn ccc(&mut self) {
        if !self.config.tls.may_end() {
            self.forbid(534, "The control connection stays protected.");
        } else if !self.protected.control {
            self.done(533, "This connection is not protected.");
        } else {
            self.turn(Turn::Clear, 200, "Clear text follows.");
        }
    }

    /// Whether the control connection is a TLS connection; if not, the command is answered.
    fn is_protected(&mut self) -> bool {
        if !self.protected.control {
            self.done(503, "AUTH comes first.");
        }
        self.protected.control
    }

    /// Whether a name and a password may be told; if not, the command is answered.
    pub(super) fn is_private(&mut self) -> bool {
        let private = self.protected.control || self.config.tls.control != Protection::Required;
        if !private {
            self.forbid(530, UNPROTECTED);
        }
        private
    }

    /// Whether data may be sent as PROT says; if not, the command is answered.
    pub(super) fn may_send_data(&mut self) -> bool {
        let may = self.protected.data || !self.must_protect_data();
        if !may {
            self.forbid(521, "Protect data connections with PROT P first.");
        }
        may
    }

    /// Whether the server or the account demands PROT P.
    fn must_protect_data(&self) -> bool {
        let demanded = matches!(
            self.login,
            Login::Account {
                protect_data: true,
                ..
            }
        );
        demanded || self.config.tls.data == Protection::Required
    }

    /// Writes the reply that the control connection changes behind.
    pub(super) fn turn(&mut self, turn: Turn, code: u16, text: &str) {
        self.done(code, text);
        if !self.lost {
            // What follows is for the other connection.
            self.barrier = true;
            self.work = Work::Turning(turn);
        }
    }

    /// The reply was written: the connection changes now.
    pub(super) fn on_turn(&mut self, turn: Turn) {
        let limit = self.config.limits.handshake;
        match turn {
            Turn::Tls { .. } => self.ask(Job::Turn(turn), limit, Action::StartTls),
            Turn::Clear => self.ask(Job::Turn(turn), limit, Action::StopTls),
        }
    }

    pub(super) fn on_turned(&mut self, turn: Turn, outcome: Result<(), TlsFailure>) {
        self.barrier = false;
        self.work = Work::Idle;
        match (turn, outcome) {
            (Turn::Tls { data }, Ok(())) => {
                self.protected = Protected {
                    control: true,
                    sized: false,
                    data: data && self.config.tls.data != Protection::Off,
                };
                self.rest();
            }
            (Turn::Clear, Ok(())) => {
                self.protected.control = false;
                self.rest();
            }
            // Nothing more can be said.
            (_, Err(_)) => self.close(Ending::Tls),
        }
    }

    /// REIN leaves nothing of the protection (RFC 4217 section 11), but where TLS was there before
    /// the first reply. Whether the control connection shall be clear again.
    pub(super) fn unprotect(&mut self) -> bool {
        let before = self.protected.control;
        self.protected = Protected::new(self.config.tls);
        let ends = before && !self.protected.control;
        // Till then it is a TLS connection.
        self.protected.control = before;
        ends
    }
}
