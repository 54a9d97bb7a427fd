//! Command lines to values and back.
//!
//! A [`Command`] cannot be invalid: what [`Command::parse`] gives has its numbers in range, its
//! addresses well-formed and its keywords known. Paths are the exception: what a path means
//! depends on the working directory, so they stay bytes here and become a
//! [`VPath`](crate::VPath) in the session.

mod argument;
mod parse;
mod print;
mod verb;

use core::fmt;
use core::net::{SocketAddr, SocketAddrV4};

use bstr::BStr;

use crate::action::Facts;
use crate::listing::{FactSet, ListOptions};
use crate::time::Timestamp;
pub(crate) use print::write_facts;
pub(crate) use verb::Access;
pub use verb::Verb;

/// A command with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "each is the verb of that name with its arguments"
)]
pub enum Command<'a> {
    Abor,
    Acct(&'a BStr),
    Allo(u64),
    Appe(&'a BStr),
    Auth(&'a BStr),
    Avbl(Option<&'a BStr>),
    Ccc,
    Cdup,
    Clnt(&'a BStr),
    Csid(&'a BStr),
    Cwd(&'a BStr),
    Dele(&'a BStr),
    Eprt(SocketAddr),
    Epsv(Epsv),
    Feat,
    Help(Option<&'a BStr>),
    Host(&'a BStr),
    Lang(Option<&'a BStr>),
    List(ListOptions, Option<&'a BStr>),
    Mdtm(&'a BStr),
    Mff(Facts, &'a BStr),
    Mfmt(Timestamp, &'a BStr),
    Mkd(&'a BStr),
    Mlsd(Option<&'a BStr>),
    Mlst(Option<&'a BStr>),
    /// MODE S; other modes are [`Refusal::Parameter`].
    Mode,
    Nlst(ListOptions, Option<&'a BStr>),
    Noop,
    Opts(Opts),
    Pass(&'a BStr),
    Pasv,
    Pbsz,
    Port(SocketAddrV4),
    Pret,
    Prot(&'a BStr),
    Pwd,
    Quit,
    Rein,
    Rest(u64),
    Retr(&'a BStr),
    Rmd(&'a BStr),
    Rnfr(&'a BStr),
    Rnto(&'a BStr),
    Site(Site<'a>),
    Size(&'a BStr),
    Stat(ListOptions, Option<&'a BStr>),
    Stor(&'a BStr),
    Stou(Option<&'a BStr>),
    /// STRU F; other structures are [`Refusal::Parameter`].
    Stru,
    Syst,
    Type(Type),
    User(&'a BStr),
}

/// The representation type (RFC 959 section 3.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Type {
    /// TYPE A: text with CRLF at the end of lines. The default of RFC 959.
    #[default]
    Ascii,
    /// TYPE I, TYPE L 8: bytes.
    Image,
}

/// The argument of EPSV (RFC 2428 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epsv {
    /// Whatever family the control connection has.
    Any,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// From now on nothing but EPSV.
    All,
}

/// An option of OPTS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opts {
    /// UTF-8 names: on, as it always is.
    Utf8,
    /// UTF-8 names: off, which changes nothing.
    NoUtf8,
    /// The facts of MLST and MLSD.
    Mlst(FactSet),
}

/// A command of SITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site<'a> {
    /// `CHMOD mode path`
    Chmod(u16, &'a BStr),
    /// `HELP`
    Help,
    /// `SYMLINK target path`
    Symlink(&'a BStr, &'a BStr),
    /// `UMASK [mask]`
    Umask(Option<u16>),
    /// `UTIME time path`, or `UTIME path time time time UTC`
    Utime(Timestamp, &'a BStr),
}

/// Why a line is not a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// No such verb (500).
    Unknown,
    /// The arguments are not of the form that the verb has (501).
    Syntax,
    /// A verb that is known and not offered (502).
    Absent,
    /// An argument that is known and not offered (504).
    Parameter,
    /// A network protocol that is not known (522).
    Protocol,
    /// A verb of HTTP or SMTP (421).
    Foreign,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "there is no such command",
            Self::Syntax => "the arguments are not of the form that the command has",
            Self::Absent => "the command is not offered",
            Self::Parameter => "the argument is not offered",
            Self::Protocol => "the network protocol is not known",
            Self::Foreign => "this is a command of another protocol",
        })
    }
}

impl core::error::Error for Refusal {}
