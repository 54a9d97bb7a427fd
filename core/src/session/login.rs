//! USER, PASS, REIN, HOST: who the client is.

use bstr::{BStr, BString};

use super::Session;
use super::protection::UNPROTECTED;
use super::state::{After, Job, Login, Penalty, Settings, Turn, Work};
use crate::account::{Denied, Grant, Identified};
use crate::action::Action;
use crate::config::Notes;
use crate::forbidden::ForbiddenNames;
use crate::note::{Ending, Note};
use crate::path::VPath;
use crate::timer::Timer;

impl Session {
    /// The answer is the same for every name (RFC 2577 section 6).
    pub(super) fn user(&mut self, name: &BStr) {
        if self.is_private() {
            self.username.clear();
            self.username.extend_from_slice(name);
            self.log_out(After::User);
        }
    }

    pub(super) fn rein(&mut self) {
        self.username.clear();
        self.log_out(After::Rein);
    }

    /// Forgets the account and everything that was set, and what stood ready for data.
    pub(super) fn log_out(&mut self, after: After) {
        if let Login::Account { .. } = self.login {
            self.note_that(Notes::Audit, |_| Note::LoggedOut);
            // Who is not logged in has the time from the beginning, whatever it says meanwhile.
            self.timers
                .set(Timer::Login, self.now, self.config.limits.login);
        }
        self.login = Login::Nobody;
        self.forbidden_names = ForbiddenNames::NONE;
        self.cwd = VPath::root();
        let data = core::mem::take(&mut self.settings).data;
        self.forget(data, after);
    }

    /// What USER and REIN say once nothing is left of the login before.
    pub(super) fn logged_out(&mut self, after: After) {
        match after {
            After::User if self.config.tls.is_offered() || self.config.identify => {
                let limit = self.config.limits.request;
                self.ask(Job::Identify, limit, Action::Identify);
            }
            After::User => self.ask_password(),
            _ if self.unprotect() => {
                self.turn(Turn::Clear, 220, "Ready for a new user, in clear text.");
            }
            _ => self.done(220, "Ready for a new user."),
        }
    }

    pub(super) fn pass(&mut self, password: &BStr) {
        match self.login {
            Login::Nobody => self.done(503, "Log in with USER first."),
            Login::Account { .. } => self.done(503, "You are logged in already."),
            Login::Named => {
                if self.is_private() {
                    self.password.extend_from_slice(password);
                    self.ask(Job::Login, self.config.limits.request, Action::Login);
                }
            }
        }
    }

    fn ask_password(&mut self) {
        self.login = Login::Named;
        self.done(331, "Password, please.");
    }

    pub(super) fn on_identified(&mut self, outcome: Result<Identified, Denied>) {
        match outcome {
            Ok(Identified::Password) => self.ask_password(),
            Ok(Identified::Account(grant)) => self.log_in(grant, 232, "Logged in by certificate."),
            Err(denied) => self.deny(denied),
        }
    }

    pub(super) fn on_login(&mut self, outcome: Result<Grant, Denied>) {
        self.wipe_password();
        self.login = Login::Nobody;
        match outcome {
            Ok(grant) => self.log_in(grant, 230, "Logged in."),
            Err(denied) => self.deny(denied),
        }
    }

    fn log_in(&mut self, grant: Grant, code: u16, text: &str) {
        self.timers.clear(Timer::Login);
        self.overdue.login = false;
        self.tries = 0;
        self.login = Login::Account {
            rights: grant.rights,
            capabilities: grant.capabilities,
            protect_data: grant.protect_data,
            accept: grant.accept,
        };
        self.forbidden_names = grant.forbidden;
        self.cwd = grant.start.clone();
        self.home = grant.start;
        self.settings = Settings::default();
        self.note_that(Notes::Audit, |session| Note::LoggedIn {
            username: session.noted_name(),
        });
        let config = crate::shared::Shared::clone(&self.config);
        self.output.preface(code, &config.welcome);
        self.done(code, text);
    }

    fn deny(&mut self, denied: Denied) {
        self.tries += u32::from(denied == Denied::Credentials);
        self.note_that(Notes::Audit, |session| Note::LoginRefused {
            username: session.noted_name(),
            why: denied,
            tries: session.tries,
        });
        let busy = match denied {
            Denied::Credentials => return self.punish(),
            Denied::Unprotected if self.config.tls.is_offered() => {
                return self.done(530, UNPROTECTED);
            }
            Denied::Unprotected => {
                return self.done(530, "TLS is needed, which is not offered here.");
            }
            Denied::TooMany => "Too many connections, try again later.",
            Denied::Waits => "Too many refused logins, try again later.",
            Denied::Unavailable => "Logins are not possible now.",
        };
        self.farewell(421, busy, Ending::LoginRefused);
    }

    /// Answers a refused login after a time that doubles with each.
    fn punish(&mut self) {
        let limits = &self.config.limits;
        let last = self.tries >= limits.login_tries;
        let penalty = if last { Penalty::Last } else { Penalty::Retry };
        let doublings = (self.tries - 1).min(16);
        let delay = limits.login_delay.saturating_mul(1 << doublings);
        self.work = Work::Penalty(penalty);
        if delay.is_zero() || self.lost {
            self.on_timer(Timer::Penalty);
        } else {
            self.timers.set(Timer::Penalty, self.now, delay);
        }
    }

    /// A virtual host is named before USER or not at all (RFC 7151 section 3.1).
    pub(super) fn host(&mut self) {
        match self.login {
            Login::Nobody => self.done(220, "Host accepted."),
            Login::Named | Login::Account { .. } => self.done(503, "HOST comes before USER."),
        }
    }

    fn noted_name(&self) -> BString {
        BString::from(&self.username[..])
    }
}
