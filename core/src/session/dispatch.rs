//! From lines to commands, from outcomes to replies: who does what.

use bstr::ByteSlice;

use super::Session;
use super::state::{Job, Login, Look, Work};
use crate::action::{Reason, Verdict};
use crate::command::{Access, Command, Epsv, Refusal, Site, Verb};
use crate::note::Ending;
use crate::reply::{MAX_REPLY, SHORT_REPLY};
use crate::ticket::Outcome;

impl Session {
    /// Does what is to be done by now.
    pub(super) fn advance(&mut self) {
        self.run_lines();
        self.expect_reader();
    }

    /// Runs lines as long as nothing is waited for.
    fn run_lines(&mut self) {
        while matches!(self.work, Work::Idle) {
            if let Some(why) = self.stopping.filter(|_| !self.lost) {
                self.farewell(421, self.word_of_stop(), why);
                return;
            }
            if let Some(why) = self.overdue().filter(|_| !self.lost) {
                self.farewell(421, "Timeout.", why);
                return;
            }
            let has_room = self.has_reply_room() && !self.journal.is_full();
            if !has_room || self.input.has_line() && !self.keeps_pace() {
                return;
            }
            let Some((bytes, line, mark)) = self.input.lend() else {
                break;
            };
            let secret = self.run(Verb::of_mark(mark), &bytes[line.clone()]);
            self.input.restore(bytes, secret.then_some(line));
            if self.work.is_over() {
                self.forget_input();
            }
        }
        if self.ended && matches!(self.work, Work::Idle) && !self.input.has_line() {
            let why = if self.lost {
                Ending::Lost
            } else {
                Ending::Closed
            };
            self.close(why);
        }
    }

    /// Returns what a client is told who has to go.
    pub(super) fn word_of_stop(&self) -> &'static str {
        match self.stopping {
            Some(Ending::Dismissed) => "The operator has ended this session.",
            _ => "Server is shutting down.",
        }
    }

    /// A line has just become complete. What cannot wait for its turn is seen to here.
    pub(super) fn on_line(&mut self) {
        let line = self.input.last();
        let verb = Verb::of_line(line);
        let asks_for_status = verb == Some(Verb::Stat) && line.trim_ascii().len() == 4;
        self.input.mark_last(Verb::to_mark(verb));
        match verb {
            Some(Verb::Abor) => {
                self.ahead.aborts += 1;
                self.abort_transfer(Reason::Aborted);
            }
            Some(Verb::Quit) => self.ahead.quits += 1,
            Some(Verb::Auth | Verb::Ccc | Verb::Rein) => self.barrier = true,
            Some(Verb::Stat)
                if asks_for_status && self.is_moving()
                // While a transfer runs, STAT is answered at once, if there is room.
                && self.output.room(self.output_limit()) >= MAX_REPLY + SHORT_REPLY
                && self.keeps_pace() =>
            {
                self.input.retract_last();
                self.write_status();
                return;
            }
            _ => {}
        }
        // A client that goes on is there.
        self.settle(Verdict::Commit);
        self.advance();
    }

    /// Runs one line and says whether it holds a secret.
    fn run(&mut self, verb: Option<Verb>, line: &[u8]) -> bool {
        self.work = Work::Running;
        match verb {
            Some(Verb::Abor) => self.ahead.aborts -= 1,
            Some(Verb::Quit) => self.ahead.quits -= 1,
            _ => {}
        }
        let secret = Verb::of_secret(verb, line);
        (self.unnoted, self.forbidden) = (verb, None);
        self.note_line(secret, line);
        self.obey(verb, line);
        secret.is_some()
    }

    fn obey(&mut self, verb: Option<Verb>, line: &[u8]) {
        if line.len() > self.config.limits.line {
            self.misunderstood(500, "Line too long.");
            return;
        }
        let Some(verb) = verb else {
            self.misunderstood(500, "Command not understood.");
            return;
        };
        if verb.access() == Access::LoggedIn && !self.is_logged_in() {
            self.forbid(530, "Please log in with USER and PASS.");
            self.note_forbidden(None);
            return;
        }
        match Command::of(verb, line) {
            Ok(command) => {
                self.dispatch(command);
                self.note_forbidden(command.about());
            }
            Err(Refusal::Unknown) => self.misunderstood(500, "Command not understood."),
            Err(Refusal::Syntax) => self.misused(verb),
            Err(Refusal::Absent) => self.done(502, "Command not implemented."),
            Err(Refusal::Parameter) => self.done(504, "Not implemented for that parameter."),
            Err(Refusal::Protocol) => self.done(522, "Network protocol not supported, use (1,2)."),
            Err(Refusal::Foreign) => {
                self.farewell(421, "This is an FTP server.", Ending::Foreign);
            }
        }
    }

    fn dispatch(&mut self, command: Command<'_>) {
        // RFC 959 section 4.1.3: RNTO follows at once, or the old name is forgotten.
        if !matches!(command, Command::Rnto(_) | Command::Noop) {
            self.settings.rename_from = None;
        }
        match command {
            Command::Site(_) if !self.config.site => self.done(502, "SITE is not offered."),
            Command::Abor => self.abor(),
            Command::Acct(_) => self.done(202, "No account information is needed."),
            Command::Allo(size) => self.allo(size),
            Command::Appe(path) => self.appe(path),
            Command::Auth(_) | Command::Ccc | Command::Pbsz | Command::Prot(_)
                if !self.config.tls.is_offered() =>
            {
                self.done(502, "TLS is not available.");
            }
            Command::Auth(mechanism) => self.auth(mechanism),
            Command::Avbl(path) => self.avbl(path),
            Command::Ccc => self.ccc(),
            Command::Cdup => self.cwd(b"..".as_bstr()),
            Command::Clnt(_) => self.done(200, "Noted."),
            Command::Csid(_) => self.csid(),
            Command::Cwd(path) => self.cwd(path),
            Command::Dele(path) => self.dele(path),
            Command::Eprt(to) => self.port(to),
            Command::Epsv(Epsv::All) => self.epsv_all(),
            Command::Epsv(family) => self.epsv(family),
            Command::Feat => self.feat(),
            Command::Help(topic) => self.help(topic),
            Command::Host(_) => self.host(),
            Command::Lang(tag) => self.lang(tag),
            Command::List(options, path) => self.list(Verb::List, options, path),
            Command::Mdtm(path) => self.look(path, Look::Modified),
            Command::Mff(facts, path) => self.mff(facts, path),
            Command::Mfmt(time, path) => self.mfmt(time, path),
            Command::Mkd(path) => self.mkd(path),
            Command::Mlsd(path) => self.mlsd(path),
            Command::Mlst(path) => self.look(path.unwrap_or_default(), Look::Facts),
            Command::Mode => self.done(200, "Mode is stream."),
            Command::Nlst(options, path) => self.list(Verb::Nlst, options, path),
            Command::Noop => self.done(200, "NOOP ok."),
            Command::Opts(option) => self.opts(option),
            Command::Pass(password) => self.pass(password),
            Command::Pasv => self.pasv(),
            Command::Pbsz => self.pbsz(),
            Command::Port(to) => self.port(to.into()),
            Command::Pret => self.done(200, "Noted."),
            Command::Prot(level) => self.prot(level),
            Command::Pwd => self.pwd(),
            Command::Quit => self.farewell(221, "Goodbye.", Ending::Quit),
            Command::Rein => self.rein(),
            Command::Rest(offset) => self.restart(offset),
            Command::Retr(path) => self.retr(path),
            Command::Rmd(path) => self.rmd(path),
            Command::Rnfr(path) => self.rnfr(path),
            Command::Rnto(path) => self.rnto(path),
            Command::Site(Site::Chmod(mode, path)) => self.chmod(mode, path),
            Command::Site(Site::Help) => self.site_help(),
            Command::Site(Site::Symlink(target, path)) => self.symlink(target, path),
            Command::Site(Site::Umask(mask)) => self.umask(mask),
            Command::Site(Site::Utime(time, path)) => self.utime(time, path),
            Command::Size(path) => self.look(path, Look::Size),
            Command::Stat(options, path) => self.stat(options, path),
            Command::Stor(path) => self.stor(path),
            Command::Stou(name) => self.stou(name),
            Command::Stru => self.done(200, "Structure is file."),
            Command::Syst => self.syst(),
            Command::Type(representation) => self.representation(representation),
            Command::User(name) => self.user(name),
        }
    }

    /// Hands an outcome to the job that waited for it. The ticket's type made sure that they
    /// belong together.
    pub(super) fn on_outcome(&mut self, job: Job, outcome: Outcome) {
        match (job, outcome) {
            (Job::Identify, Outcome::Identify(outcome)) => self.on_identified(outcome),
            (Job::Login, Outcome::Login(outcome)) => self.on_login(outcome),
            (Job::Forget(after), Outcome::CloseData(())) => self.on_forgotten(after),
            (Job::Look(look), Outcome::Stat(outcome)) => self.on_look(look, outcome),
            (Job::Change(verb, edit), Outcome::Change(outcome)) => {
                self.on_change(verb, edit, outcome);
            }
            (Job::Listen(verb), Outcome::Listen(outcome)) => self.on_listen(verb, outcome),
            (Job::Count, Outcome::Optional(outcome)) => self.on_count(outcome),
            (Job::Allocate(size), Outcome::Optional(outcome)) => self.on_available(size, outcome),
            (Job::Report { code, begun }, Outcome::Report(outcome)) => {
                self.on_reported(code, begun, outcome);
            }
            (Job::Turn(turn), Outcome::StartTls(outcome) | Outcome::StopTls(outcome)) => {
                self.on_turned(turn, outcome);
            }
            (Job::Transfer(transfer), outcome) => self.on_transfer(transfer, outcome),
            (job, outcome) => debug_assert!(false, "{job:?} got {outcome:?}"),
        }
    }

    /// A line that is no command. Before the login only a few are borne.
    fn misunderstood(&mut self, code: u16, text: &str) {
        if let Login::Nobody | Login::Named = self.login {
            self.bad_commands += 1;
            if self.bad_commands >= self.config.limits.bad_commands {
                self.farewell(421, "Too many bad commands.", Ending::BadCommands);
                return;
            }
        }
        self.done(code, text);
    }

    /// A command whose arguments are not of its form.
    fn misused(&mut self, verb: Verb) {
        self.output
            .begin(501, b' ')
            .text(b"Usage: ")
            .text(verb.syntax().as_bytes())
            .end();
        self.finished(501);
    }
}
