//! Command lines to values and back.
//!
//! A [`Command`] cannot be invalid: what [`Command::parse`] gives has its numbers in range, its
//! addresses well-formed and its keywords known. Paths are the exception: what a path means
//! depends on the working directory, so they stay bytes here and become a
//! [`VPath`](crate::VPath) in the session.

mod argument;
mod print;
mod verb;

use core::net::{SocketAddr, SocketAddrV4};

use bstr::{BStr, ByteSlice};

use crate::action::Facts;
use crate::address::{self, AddressError};
use crate::decimal;
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

impl<'a> Command<'a> {
    /// Reads a line without its end.
    ///
    /// One space divides the verb from the arguments; every other byte of a path belongs to it.
    ///
    /// # Errors
    /// [`Refusal`].
    ///
    /// ```
    /// use wharf_core::command::{Command, Refusal};
    ///
    /// assert_eq!(Command::parse(b"retr a file"), Ok(Command::Retr("a file".into())));
    /// assert_eq!(Command::parse(b"REST -1"), Err(Refusal::Syntax));
    /// ```
    pub fn parse(line: &'a [u8]) -> Result<Self, Refusal> {
        let (word, rest) = match line.find_byte(b' ') {
            Some(space) => (&line[..space], &line[space + 1..]),
            None => (line, &[][..]),
        };
        Self::of(Verb::parse(word).ok_or(Refusal::Unknown)?, rest.as_bstr())
    }

    /// The path or the name that it is about, if there is one.
    pub(crate) fn about(&self) -> Option<&'a BStr> {
        match *self {
            Self::Appe(path)
            | Self::Cwd(path)
            | Self::Dele(path)
            | Self::Mdtm(path)
            | Self::Mff(_, path)
            | Self::Mfmt(_, path)
            | Self::Mkd(path)
            | Self::Retr(path)
            | Self::Rmd(path)
            | Self::Rnfr(path)
            | Self::Rnto(path)
            | Self::Size(path)
            | Self::Stor(path)
            | Self::Site(Site::Chmod(_, path) | Site::Symlink(_, path) | Site::Utime(_, path)) => {
                Some(path)
            }
            Self::Avbl(path)
            | Self::List(_, path)
            | Self::Mlsd(path)
            | Self::Mlst(path)
            | Self::Nlst(_, path)
            | Self::Stat(_, path)
            | Self::Stou(path) => path,
            Self::User(name) => Some(name),
            Self::Cdup => Some(b"..".as_bstr()),
            _ => None,
        }
    }

    /// Reads the arguments of a verb.
    pub(crate) fn of(verb: Verb, rest: &'a BStr) -> Result<Self, Refusal> {
        // Blanks belong to a name, and mean nothing around anything else.
        let rest = match verb.takes_a_name() {
            true => rest,
            false => rest.trim_ascii().as_bstr(),
        };
        let optional = (!rest.is_empty()).then_some(rest);
        let required = optional.ok_or(Refusal::Syntax);
        let alone = |command| match rest.is_empty() {
            true => Ok(command),
            false => Err(Refusal::Syntax),
        };
        let listed = || {
            let (options, path) = ListOptions::parse(rest);
            (options, (!path.is_empty()).then_some(path.as_bstr()))
        };
        match verb {
            Verb::Abor => Ok(Self::Abor),
            Verb::Acct => required.map(Self::Acct),
            Verb::Allo => argument::allo(rest).map(Self::Allo),
            Verb::Appe => required.map(Self::Appe),
            Verb::Auth => required.map(Self::Auth),
            Verb::Avbl => Ok(Self::Avbl(optional)),
            Verb::Ccc => alone(Self::Ccc),
            Verb::Cdup => alone(Self::Cdup),
            Verb::Clnt => required.map(Self::Clnt),
            Verb::Csid => required.map(Self::Csid),
            // Without a name it stays where it is.
            Verb::Cwd => Ok(Self::Cwd(rest)),
            Verb::Dele => required.map(Self::Dele),
            Verb::Eprt => match address::parse_eprt(rest) {
                Ok(address) => Ok(Self::Eprt(address)),
                Err(AddressError::Syntax) => Err(Refusal::Syntax),
                Err(AddressError::Protocol) => Err(Refusal::Protocol),
            },
            Verb::Epsv => argument::epsv(rest).map(Self::Epsv),
            Verb::Feat => alone(Self::Feat),
            Verb::Help => Ok(Self::Help(optional)),
            Verb::Host => required.map(Self::Host),
            Verb::Lang => Ok(Self::Lang(optional)),
            Verb::List => {
                let (options, path) = listed();
                Ok(Self::List(options, path))
            }
            Verb::Mdtm => required.map(Self::Mdtm),
            Verb::Mff => argument::mff(rest).map(|(facts, path)| Self::Mff(facts, path)),
            Verb::Mfmt => argument::mfmt(rest).map(|(time, path)| Self::Mfmt(time, path)),
            Verb::Mkd => required.map(Self::Mkd),
            Verb::Mlsd => Ok(Self::Mlsd(optional)),
            Verb::Mlst => Ok(Self::Mlst(optional)),
            Verb::Mode => argument::keyword(rest, b"S", Self::Mode),
            Verb::Nlst => {
                let (options, path) = listed();
                Ok(Self::Nlst(options, path))
            }
            Verb::Noop => Ok(Self::Noop),
            Verb::Opts => argument::opts(rest).map(Self::Opts),
            Verb::Pass => Ok(Self::Pass(rest)),
            Verb::Pasv => alone(Self::Pasv),
            Verb::Pbsz => match decimal::parse(rest) {
                Some(size) if size <= u64::from(u32::MAX) => Ok(Self::Pbsz),
                _ => Err(Refusal::Syntax),
            },
            Verb::Port => address::parse_port(rest)
                .map(Self::Port)
                .ok_or(Refusal::Syntax),
            Verb::Pret => required.map(|_| Self::Pret),
            Verb::Prot => required.map(Self::Prot),
            Verb::Pwd => alone(Self::Pwd),
            Verb::Quit => Ok(Self::Quit),
            Verb::Rein => alone(Self::Rein),
            Verb::Rest => decimal::parse(rest).map(Self::Rest).ok_or(Refusal::Syntax),
            Verb::Retr => required.map(Self::Retr),
            Verb::Rmd => required.map(Self::Rmd),
            Verb::Rnfr => required.map(Self::Rnfr),
            Verb::Rnto => required.map(Self::Rnto),
            Verb::Site => argument::site(rest).map(Self::Site),
            Verb::Size => required.map(Self::Size),
            Verb::Stat if rest.trim_ascii().is_empty() => {
                Ok(Self::Stat(ListOptions::default(), None))
            }
            Verb::Stat => {
                let (options, path) = listed();
                Ok(Self::Stat(options, path))
            }
            Verb::Stor => required.map(Self::Stor),
            Verb::Stou => Ok(Self::Stou(optional)),
            Verb::Stru => argument::keyword(rest, b"F", Self::Stru),
            Verb::Syst => alone(Self::Syst),
            Verb::Type => argument::representation(rest).map(Self::Type),
            Verb::User => required.map(Self::User),
            Verb::Absent => Err(Refusal::Absent),
            Verb::Foreign => Err(Refusal::Foreign),
        }
    }
}
