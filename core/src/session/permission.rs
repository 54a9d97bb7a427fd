//! What the account may do, and which path a command is about.

use super::Session;
use super::state::Login;
use crate::account::{Capabilities, Rights};
use crate::config::DoubtfulEnds;
use crate::failure::Failure;
use crate::path::PathError;

impl Session {
    pub(super) fn rights(&self) -> Rights {
        match self.login {
            Login::Account { rights, .. } => rights,
            Login::Nobody | Login::Named => Rights::NONE,
        }
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        match self.login {
            Login::Account { capabilities, .. } => capabilities,
            Login::Nobody | Login::Named => Capabilities::ALL,
        }
    }

    /// The doubtful ends of an upload that count.
    pub(super) fn accepted(&self) -> DoubtfulEnds {
        match self.login {
            Login::Account { accept, .. } => self.config.accept.union(accept),
            Login::Nobody | Login::Named => self.config.accept,
        }
    }

    /// Whether the account has all of these rights; if not, the command is answered.
    pub(super) fn permit(&mut self, rights: Rights) -> bool {
        let permitted = self.rights().contains(rights);
        if !permitted {
            self.refuse(Failure::Denied);
        }
        permitted
    }

    /// Makes the argument the path of the command; if it is none, the command is answered.
    pub(super) fn target(&mut self, argument: &[u8]) -> bool {
        self.resolve(argument, 550)
    }

    /// [`Session::target`] with the code for a path that is too long.
    fn resolve(&mut self, argument: &[u8], too_long: u16) -> bool {
        match self.path.assign(&self.cwd, argument) {
            Ok(()) if self.forbidden_names.forbid(&self.path) => {
                self.refuse(Failure::Denied);
                false
            }
            Ok(()) => true,
            Err(PathError::ForbiddenByte) => {
                self.forbid(501, "A path cannot hold NUL, CR or LF.");
                false
            }
            Err(PathError::TooLong) => {
                self.forbid(too_long, "The path is too long.");
                false
            }
        }
    }

    /// As [`Session::target`], for a name that is to be made: what controls a terminal or turns the
    /// direction of writing is refused too, since others would read another name.
    pub(super) fn new_target(&mut self, argument: &[u8]) -> bool {
        if !self.resolve(argument, 553) {
            return false;
        }
        let printable = is_printable(self.path.as_bytes());
        if !printable {
            self.forbid(553, "A name cannot hold control characters.");
        }
        printable
    }
}

/// Whether a name has no character that is not shown as itself. Bytes that are not UTF-8 may be
/// those of another encoding.
fn is_printable(name: &[u8]) -> bool {
    let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    match core::str::from_utf8(name) {
        Ok(text) => !text.contains(|c: char| c.is_control() || turns(c)),
        Err(_) => !name.iter().any(u8::is_ascii_control),
    }
}
