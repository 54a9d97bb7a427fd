//! [`Command::parse`]: from a line to the command that it is.

use bstr::{BStr, ByteSlice};

use super::argument;
use super::{Command, Refusal, Site, Verb};
use crate::address::{self, AddressError};
use crate::decimal;
use crate::listing::ListOptions;

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
        Self::of(Verb::of_line(line).ok_or(Refusal::Unknown)?, line)
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

    /// Reads the arguments in a line of that verb.
    pub(crate) fn of(verb: Verb, line: &'a [u8]) -> Result<Self, Refusal> {
        let rest = line
            .find_byte(b' ')
            .map_or(&[][..], |space| &line[space + 1..]);
        // Blanks belong to a name, and mean nothing around anything else.
        let rest = match verb.takes_a_name() {
            true => rest.as_bstr(),
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
