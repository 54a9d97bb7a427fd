//! What a session can be in the middle of, as plain data: who uses it is not known here.

use alloc::boxed::Box;
use core::net::SocketAddr;

use crate::account::{Capabilities, Rights};
use crate::action::{Edit, Reason, Verdict};
use crate::command::{Type, Verb};
use crate::config::{DoubtfulEnds, Protection, TlsPolicy};
use crate::listing::{FactSet, ListOptions, Listing};
use crate::path::VPath;
use crate::time::Instant;

/// What the session is doing.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// No command runs; the next line may.
    Idle,
    /// A command is being run at this moment.
    Running,
    /// A command waits for its ticket.
    Waiting(Job),
    /// The data of an upload has ended: is its client still there?
    Settling(Transfer),
    /// A refused login waits for its time.
    Penalty(Penalty),
    /// The control connection becomes another when all replies are written.
    Turning(Turn),
    /// The last replies are being sent.
    Closing,
    /// It is over.
    Closed,
}

/// What is done when the time of a refused login has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Penalty {
    /// The client may try again.
    Retry,
    /// It has tried too often.
    Last,
}

/// A command that waits for a ticket, and what it wants to do with the outcome.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    /// USER, where TLS is offered.
    Identify,
    /// PASS.
    Login,
    /// CloseData, so that what stood ready for data is gone.
    Forget(After),
    /// Stat.
    Look(Look),
    /// Change.
    Change(Verb, Edit),
    /// Listen for PASV or EPSV.
    Listen(Verb),
    /// A transfer command.
    Transfer(Transfer),
    /// SIZE in TYPE A, AVBL.
    Count,
    /// ALLO of so many bytes.
    Allocate(u64),
    /// StartTls, StopTls.
    Turn(Turn),
    /// STAT with a path: the code of its reply, and whether its first line is written.
    Report { code: u16, begun: bool },
}

/// What follows when the data connection was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// USER: ask for the password.
    User,
    /// REIN: as if just connected.
    Rein,
    /// AUTH, and whether data connections are protected with it.
    Auth { data: bool },
    /// PORT, EPRT.
    Active(SocketAddr),
    /// ABOR without a transfer.
    Abor,
    /// PASV for which there is no IPv4 address.
    NoAddress,
}

/// What a Stat was for.
#[derive(Clone, Debug)]
pub(crate) enum Look {
    /// CWD, CDUP; whether a name that is not there may mean one below the home.
    Enter { or_home: bool },
    /// SIZE.
    Size,
    /// MDTM.
    Modified,
    /// MLST.
    Facts,
    /// RNFR.
    RenameFrom,
    /// STAT with a path: a directory, a file, or a pattern.
    Status(ListOptions),
    /// LIST or NLST with an argument: a directory, a file, or nothing of that name?
    List(Transfer, ListOptions),
}

impl Work {
    /// Whether no more input is taken.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::Closing | Self::Closed)
    }

    /// Bytes of memory behind it.
    pub(crate) fn heap_size(&self) -> usize {
        let (Self::Waiting(Job::Transfer(transfer) | Job::Look(Look::List(transfer, _)))
        | Self::Settling(transfer)) = self
        else {
            return 0;
        };
        let listing = transfer.listing.as_deref();
        listing.map_or(0, |listing| size_of_val(listing) + listing.heap_size())
    }
}

/// Who the client is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Login {
    /// Nobody yet.
    Nobody,
    /// USER was given.
    Named,
    /// Logged in.
    Account {
        rights: Rights,
        capabilities: Capabilities,
        /// Data moves under PROT P only.
        protect_data: bool,
        /// Doubtful ends of uploads that count for this account.
        accept: DoubtfulEnds,
    },
}

/// Deadlines that have passed while a command ran, which is answered first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overdue {
    /// The client has not logged in.
    pub(crate) login: bool,
    /// The line that began has not ended.
    pub(crate) line: bool,
}

/// Lines that wait and mean something before their turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ahead {
    /// ABOR.
    pub(crate) aborts: u32,
    /// QUIT.
    pub(crate) quits: u32,
}

/// What a login starts with, and REIN and USER go back to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) representation: Type,
    pub(crate) data: Data,
    /// EPSV ALL was given.
    pub(crate) epsv_only: bool,
    /// REST, for the next transfer.
    pub(crate) restart: u64,
    /// ALLO, for the next upload.
    pub(crate) announced: Option<u64>,
    /// The partial whose length SIZE has told last, for APPE.
    pub(crate) told: Option<(VPath, u64)>,
    /// RNFR, for RNTO.
    pub(crate) rename_from: Option<VPath>,
    pub(crate) facts: FactSet,
    pub(crate) umask: Option<u16>,
}

/// What stands ready for the next data connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Data {
    /// Nothing: a transfer is refused.
    #[default]
    None,
    /// The embedder listens.
    Passive,
    /// The client listens there.
    Active(SocketAddr),
}

/// What is a TLS connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Protected {
    /// The control connection.
    pub(crate) control: bool,
    /// PBSZ was given.
    pub(crate) sized: bool,
    /// PROT P: data connections.
    pub(crate) data: bool,
}

/// The control connection changes once the reply that says so was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// To TLS. Whether data connections are protected from the start.
    Tls { data: bool },
    /// To clear text.
    Clear,
}

impl Protected {
    /// What a session begins with, and REIN goes back to.
    pub(crate) fn new(policy: TlsPolicy) -> Self {
        Self {
            control: policy.implicit,
            sized: policy.implicit,
            data: policy.implicit && policy.data != Protection::Off,
        }
    }
}

/// A transfer command on its way.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub(crate) verb: Verb,
    pub(crate) stage: Stage,
    /// The 150 was sent.
    pub(crate) announced: bool,
    /// What the directory is formatted with, until it is handed over.
    pub(crate) listing: Option<Box<Listing>>,
    /// When the command began.
    pub(crate) since: Instant,
    /// The first byte of the file that moves.
    pub(crate) offset: u64,
    /// The length of the whole file, or what ALLO said of an upload.
    pub(crate) size: Option<u64>,
    /// Bytes that have moved so far.
    pub(crate) bytes: u64,
    /// Those of them that had when the rate was measured last; while it finishes, how far that has come.
    pub(crate) measured: u64,
    /// Why it shall stop, once that is known.
    pub(crate) stop: Option<Reason>,
    /// The client has closed the control connection without QUIT.
    pub(crate) hung_up: bool,
    /// The doubtful end that was accepted.
    pub(crate) accepted: Option<Reason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Opening,
    Connecting,
    Securing,
    Moving,
    Closing(Verdict),
    Finishing(Verdict),
}
