//! [`State`]: what a session is in the middle of, without the data.

use core::fmt;

use crate::command::Type;
use crate::session::Session;
use crate::session::state::{After, Data, Job, Login, Look, Overdue, Protected, Stage, Turn, Work};

/// What a session is in the middle of: two sessions of the same state go on alike, but for paths,
/// numbers and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    /// Who the client is.
    pub login: &'static str,
    /// What is being done.
    pub work: &'static str,
    /// What stands ready for data.
    pub data: &'static str,
    /// How the end has begun, if it has.
    pub end: &'static str,
    /// The request that is out was asked back.
    pub cancelled: bool,
    /// An ABOR has met a transfer.
    pub aborted: bool,
    /// Lines wait for their turn.
    pub queued: bool,
    /// A deadline has passed while a command ran.
    pub overdue: bool,
    /// REST was given.
    pub restart: bool,
    /// RNFR was given.
    pub rename_from: bool,
    /// TYPE A.
    pub text: bool,
    /// EPSV ALL was given.
    pub epsv_only: bool,
    /// What is protected by TLS.
    pub tls: &'static str,
}

impl fmt::Display for State {
    /// The words, without the settings of transfers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            login, work, data, ..
        } = self;
        write!(f, "{login:8} {work:14} {data:8} {}", self.end)?;
        if self.cancelled {
            f.write_str(" cancelled")?;
        }
        if !self.tls.is_empty() {
            write!(f, " tls: {}", self.tls)?;
        }
        Ok(())
    }
}

impl Session {
    /// The abstract state, for exhaustive tests.
    #[must_use]
    pub fn state(&self) -> State {
        State {
            login: match self.login {
                Login::Nobody => "nobody",
                Login::Named => "named",
                Login::Account { .. } => "account",
            },
            work: work(&self.work),
            data: match self.settings.data {
                Data::None => "-",
                Data::Passive => "passive",
                Data::Active(_) => "active",
            },
            end: match (self.lost, self.ended, self.stopping.is_some()) {
                (true, _, _) => "lost",
                (false, true, true) => "ended+stopping",
                (false, true, false) => "ended",
                (false, false, true) => "stopping",
                (false, false, false) => "-",
            },
            cancelled: self.desk.is_cancelled(),
            aborted: self.aborted,
            queued: self.input.has_line(),
            overdue: self.overdue != Overdue::default(),
            restart: self.settings.restart > 0,
            rename_from: self.settings.rename_from.is_some(),
            text: self.settings.representation == Type::Ascii,
            epsv_only: self.settings.epsv_only,
            tls: tls(self.protected),
        }
    }
}

fn work(work: &Work) -> &'static str {
    match work {
        Work::Idle => "idle",
        Work::Running => "running",
        Work::Settling(_) => "settling",
        Work::Penalty(_) => "penalty",
        Work::Turning(_) => "turning",
        Work::Closing => "closing",
        Work::Closed => "closed",
        Work::Waiting(job) => match job {
            Job::Identify => "identify",
            Job::Login => "login",
            Job::Forget(After::User) => "user",
            Job::Forget(After::Rein) => "rein",
            Job::Forget(After::Auth { .. }) => "auth",
            Job::Forget(After::Active(_)) => "port",
            Job::Forget(After::Abor) => "abor",
            Job::Forget(After::NoAddress) => "pasv-no-address",
            Job::Look(look) => match look {
                Look::Enter { .. } => "cwd",
                Look::Size => "size",
                Look::Modified => "mdtm",
                Look::Facts => "mlst",
                Look::RenameFrom => "rnfr",
                Look::Status(_) => "stat",
                Look::List(..) => "list",
            },
            Job::Change(..) => "change",
            Job::Listen(_) => "listen",
            Job::Transfer(transfer) => match transfer.stage {
                Stage::Opening => "opening",
                Stage::Connecting => "connecting",
                Stage::Securing => "securing",
                Stage::Moving => "moving",
                Stage::Closing(_) => "closing",
                Stage::Finishing(_) => "finishing",
            },
            Job::Count => "count",
            Job::Allocate(_) => "allo",
            Job::Turn(Turn::Tls { .. }) => "starting-tls",
            Job::Turn(Turn::Clear) => "stopping-tls",
            Job::Report { .. } => "report",
        },
    }
}

fn tls(protected: Protected) -> &'static str {
    match (protected.control, protected.sized, protected.data) {
        (false, _, false) => "",
        (false, _, true) => "data",
        (true, false, false) => "control",
        (true, true, false) => "sized",
        (true, _, true) => "both",
    }
}
