//! Values back to command lines: what a client would send.

use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::action::Facts;
use crate::address;
use crate::command::{Command, Epsv, Opts, Site, Type, Verb};
use crate::decimal::{Decimal, octal};
use crate::listing::{FactSet, Line, ListOptions, Order};
use crate::time::Timestamp;

impl Command<'_> {
    /// The line that gives this command, without its end: [`Command::parse`] of it is the
    /// command again.
    ///
    /// ```
    /// use wharf_core::command::Command;
    ///
    /// assert_eq!(Command::Rest(5).to_line(), b"REST 5");
    /// ```
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = Vec::from(self.verb().name());
        let mut word = |bytes: &[u8]| {
            line.push(b' ');
            line.extend_from_slice(bytes);
        };
        match self {
            Self::Abor
            | Self::Ccc
            | Self::Cdup
            | Self::Feat
            | Self::Noop
            | Self::Pasv
            | Self::Pwd
            | Self::Quit
            | Self::Rein
            | Self::Syst => {}
            Self::Acct(text)
            | Self::Appe(text)
            | Self::Auth(text)
            | Self::Clnt(text)
            | Self::Csid(text)
            | Self::Cwd(text)
            | Self::Dele(text)
            | Self::Host(text)
            | Self::Mdtm(text)
            | Self::Mkd(text)
            | Self::Pass(text)
            | Self::Prot(text)
            | Self::Retr(text)
            | Self::Rmd(text)
            | Self::Rnfr(text)
            | Self::Rnto(text)
            | Self::Size(text)
            | Self::Stor(text)
            | Self::User(text) => word(text),
            Self::Avbl(text)
            | Self::Help(text)
            | Self::Lang(text)
            | Self::Mlsd(text)
            | Self::Mlst(text)
            | Self::Stou(text) => {
                if let Some(text) = text {
                    word(text);
                }
            }
            Self::Allo(number) | Self::Rest(number) => word(Decimal::new(*number).as_bytes()),
            Self::Mode => word(b"S"),
            Self::Stru => word(b"F"),
            Self::Pbsz => word(b"0"),
            Self::Pret => word(b"NLST"),
            Self::Type(Type::Ascii) => word(b"A"),
            Self::Type(Type::Image) => word(b"I"),
            Self::Epsv(Epsv::Any) => {}
            Self::Epsv(Epsv::V4) => word(b"1"),
            Self::Epsv(Epsv::V6) => word(b"2"),
            Self::Epsv(Epsv::All) => word(b"ALL"),
            Self::Port(to) => {
                word(b"");
                address::write_port(&mut line, *to.ip(), to.port());
            }
            Self::Eprt(to) => {
                let family = if matches!(to, SocketAddr::V4(_)) {
                    1
                } else {
                    2
                };
                let text = alloc::format!("|{family}|{}|{}|", to.ip(), to.port());
                word(text.as_bytes());
            }
            Self::List(options, path) | Self::Nlst(options, path) | Self::Stat(options, path) => {
                let letters = letters(*options);
                if letters.len() > 1 {
                    word(&letters);
                }
                if let Some(path) = path {
                    // A path that looks like options needs the mark that they have ended.
                    if ListOptions::parse(path) != (ListOptions::default(), &path[..]) {
                        word(b"--");
                    }
                    word(path);
                }
            }
            Self::Opts(Opts::Utf8) => word(b"UTF8 ON"),
            Self::Opts(Opts::NoUtf8) => word(b"UTF8 OFF"),
            Self::Opts(Opts::Mlst(facts)) => {
                word(b"MLST ");
                write_facts(&mut line, *facts);
            }
            Self::Mfmt(time, path) => {
                let mut text = Vec::new();
                write_time_val(&mut text, *time);
                word(&text);
                word(path);
            }
            Self::Mff(facts, path) => {
                let mut text = Vec::new();
                facts.write(&mut text);
                word(&text);
                word(path);
            }
            Self::Site(Site::Help) => word(b"HELP"),
            Self::Site(Site::Chmod(mode, path)) => {
                word(alloc::format!("CHMOD {mode:04o}").as_bytes());
                word(path);
            }
            Self::Site(Site::Umask(None)) => word(b"UMASK"),
            Self::Site(Site::Umask(Some(mask))) => {
                word(alloc::format!("UMASK {mask:03o}").as_bytes());
            }
            Self::Site(Site::Symlink(target, path)) => {
                word(b"SYMLINK");
                word(target);
                word(path);
            }
            Self::Site(Site::Utime(time, path)) => {
                let mut text = Vec::from(*b"UTIME ");
                write_time_val(&mut text, *time);
                word(&text);
                word(path);
            }
        }
        line
    }

    /// The verb.
    #[must_use]
    pub fn verb(&self) -> Verb {
        match self {
            Self::Abor => Verb::Abor,
            Self::Acct(_) => Verb::Acct,
            Self::Allo(_) => Verb::Allo,
            Self::Appe(_) => Verb::Appe,
            Self::Auth(_) => Verb::Auth,
            Self::Avbl(_) => Verb::Avbl,
            Self::Ccc => Verb::Ccc,
            Self::Cdup => Verb::Cdup,
            Self::Clnt(_) => Verb::Clnt,
            Self::Csid(_) => Verb::Csid,
            Self::Cwd(_) => Verb::Cwd,
            Self::Dele(_) => Verb::Dele,
            Self::Eprt(_) => Verb::Eprt,
            Self::Epsv(_) => Verb::Epsv,
            Self::Feat => Verb::Feat,
            Self::Help(_) => Verb::Help,
            Self::Host(_) => Verb::Host,
            Self::Lang(_) => Verb::Lang,
            Self::List(..) => Verb::List,
            Self::Mdtm(_) => Verb::Mdtm,
            Self::Mff(..) => Verb::Mff,
            Self::Mfmt(..) => Verb::Mfmt,
            Self::Mkd(_) => Verb::Mkd,
            Self::Mlsd(_) => Verb::Mlsd,
            Self::Mlst(_) => Verb::Mlst,
            Self::Mode => Verb::Mode,
            Self::Nlst(..) => Verb::Nlst,
            Self::Noop => Verb::Noop,
            Self::Opts(_) => Verb::Opts,
            Self::Pass(_) => Verb::Pass,
            Self::Pasv => Verb::Pasv,
            Self::Pbsz => Verb::Pbsz,
            Self::Port(_) => Verb::Port,
            Self::Pret => Verb::Pret,
            Self::Prot(_) => Verb::Prot,
            Self::Pwd => Verb::Pwd,
            Self::Quit => Verb::Quit,
            Self::Rein => Verb::Rein,
            Self::Rest(_) => Verb::Rest,
            Self::Retr(_) => Verb::Retr,
            Self::Rmd(_) => Verb::Rmd,
            Self::Rnfr(_) => Verb::Rnfr,
            Self::Rnto(_) => Verb::Rnto,
            Self::Site(_) => Verb::Site,
            Self::Size(_) => Verb::Size,
            Self::Stat(..) => Verb::Stat,
            Self::Stor(_) => Verb::Stor,
            Self::Stou(_) => Verb::Stou,
            Self::Stru => Verb::Stru,
            Self::Syst => Verb::Syst,
            Self::Type(_) => Verb::Type,
            Self::User(_) => Verb::User,
        }
    }
}

fn letters(options: ListOptions) -> Vec<u8> {
    let mut letters = Vec::from(*b"-");
    for (set, letter) in [
        (options.all, b'a'),
        (options.long, b'l'),
        (options.names_only, b'1'),
        (options.itself, b'd'),
        (options.classify, b'F'),
        (options.recursive, b'R'),
        (options.reverse, b'r'),
        (options.order == Order::Time, b't'),
        (options.order == Order::Size, b'S'),
    ] {
        if set {
            letters.push(letter);
        }
    }
    letters
}

/// The names of the facts, each with its semicolon.
pub(crate) fn write_facts(out: &mut Vec<u8>, facts: FactSet) {
    for (_, name) in FactSet::NAMES
        .iter()
        .filter(|(fact, _)| facts.contains(*fact))
    {
        out.extend_from_slice(name.as_bytes());
        out.push(b';');
    }
}

impl Facts {
    /// As MFF takes them: `Modify=20260102030405;UNIX.mode=0644;`.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        if let Some(time) = self.modified {
            out.extend_from_slice(b"Modify=");
            write_time_val(out, time);
            out.push(b';');
        }
        if let Some(mode) = self.mode {
            out.extend_from_slice(b"UNIX.mode=");
            out.extend(octal::<4>(mode));
            out.push(b';');
        }
    }
}

/// `20260102030405`, with all the digits of a fraction if there is one.
fn write_time_val(out: &mut Vec<u8>, time: Timestamp) {
    let mut text = [0; 32];
    let mut line = Line::new(&mut text);
    line.time_val(time, false);
    let length = line.len();
    out.extend_from_slice(&text[..length]);
    if time.nanos != 0 {
        out.push(b'.');
        let digit = |power: u32| b'0' + (time.nanos / 10_u32.pow(power) % 10) as u8;
        out.extend((0..9).rev().map(digit));
    }
}
