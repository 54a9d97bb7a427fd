//! The verbs, as a table.

/// A command verb. Its spelling, whether it may be given before a login and its syntax stand in
/// one table, which HELP prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// Give up the transfer.
    Abor,
    /// Account information (not needed).
    Acct,
    /// Reserve space.
    Allo,
    /// Append to a file.
    Appe,
    /// Begin TLS (RFC 4217).
    Auth,
    /// Ask for the free space.
    Avbl,
    /// End TLS (RFC 4217).
    Ccc,
    /// To the parent directory.
    Cdup,
    /// The name of the client program.
    Clnt,
    /// Names of client and server programs.
    Csid,
    /// To another directory.
    Cwd,
    /// Remove a file.
    Dele,
    /// Active mode, any family (RFC 2428).
    Eprt,
    /// Passive mode, any family (RFC 2428).
    Epsv,
    /// List the extensions (RFC 2389).
    Feat,
    /// Explain.
    Help,
    /// Name the virtual host (RFC 7151).
    Host,
    /// Choose the language of replies (RFC 2640).
    Lang,
    /// List a directory.
    List,
    /// Tell when a file was changed (RFC 3659).
    Mdtm,
    /// Set facts of a file.
    Mff,
    /// Set when a file was changed.
    Mfmt,
    /// Make a directory.
    Mkd,
    /// List a directory in facts (RFC 3659).
    Mlsd,
    /// Tell the facts of one file (RFC 3659).
    Mlst,
    /// Choose the transfer mode.
    Mode,
    /// List names.
    Nlst,
    /// Do nothing.
    Noop,
    /// Set an option (RFC 2389).
    Opts,
    /// The password.
    Pass,
    /// Passive mode.
    Pasv,
    /// Protection buffer size (RFC 4217).
    Pbsz,
    /// Active mode.
    Port,
    /// Announce the next transfer to a distributed server.
    Pret,
    /// Data channel protection (RFC 4217).
    Prot,
    /// Print the working directory.
    Pwd,
    /// End the session.
    Quit,
    /// Log out.
    Rein,
    /// Begin the next transfer at an offset (RFC 3659).
    Rest,
    /// Download.
    Retr,
    /// Remove a directory.
    Rmd,
    /// Rename from.
    Rnfr,
    /// Rename to.
    Rnto,
    /// Commands of this server.
    Site,
    /// Tell the length of a file (RFC 3659).
    Size,
    /// Tell how things stand, or list a directory over the control connection.
    Stat,
    /// Upload.
    Stor,
    /// Upload under a new name.
    Stou,
    /// Choose the file structure.
    Stru,
    /// Tell the system type.
    Syst,
    /// Choose the representation type.
    Type,
    /// The name of the account.
    User,
    /// A verb of the RFCs that is not offered: 502.
    Absent,
    /// A verb of HTTP or SMTP: somebody was tricked into talking to this port.
    Foreign,
}

/// When a verb may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Always,
    LoggedIn,
}

use Access::{Always, LoggedIn};

/// Verb, when it may be given, and its syntax: a row for each offered verb, in the order of [`Verb`].
const VERBS: [(Verb, Access, &str); 52] = [
    (Verb::Abor, LoggedIn, "ABOR"),
    (Verb::Acct, LoggedIn, "ACCT <SP> account"),
    (Verb::Allo, LoggedIn, "ALLO <SP> size [<SP> R <SP> size]"),
    (Verb::Appe, LoggedIn, "APPE <SP> file"),
    (Verb::Auth, Always, "AUTH <SP> mechanism"),
    (Verb::Avbl, LoggedIn, "AVBL [<SP> directory]"),
    (Verb::Ccc, Always, "CCC"),
    (Verb::Cdup, LoggedIn, "CDUP"),
    (Verb::Clnt, Always, "CLNT <SP> name"),
    (Verb::Csid, Always, "CSID <SP> facts"),
    (Verb::Cwd, LoggedIn, "CWD <SP> directory"),
    (Verb::Dele, LoggedIn, "DELE <SP> file"),
    (Verb::Eprt, LoggedIn, "EPRT <SP> |family|address|port|"),
    (Verb::Epsv, LoggedIn, "EPSV [<SP> family or ALL]"),
    (Verb::Feat, Always, "FEAT"),
    (Verb::Help, Always, "HELP [<SP> verb]"),
    (Verb::Host, Always, "HOST <SP> name"),
    (Verb::Lang, Always, "LANG [<SP> tag]"),
    (Verb::List, LoggedIn, "LIST [<SP> -aAlRtrS1dF] [<SP> path]"),
    (Verb::Mdtm, LoggedIn, "MDTM <SP> file"),
    (
        Verb::Mff,
        LoggedIn,
        "MFF <SP> Modify=time;UNIX.mode=mode; <SP> file",
    ),
    (Verb::Mfmt, LoggedIn, "MFMT <SP> time <SP> file"),
    (Verb::Mkd, LoggedIn, "MKD <SP> directory"),
    (Verb::Mlsd, LoggedIn, "MLSD [<SP> directory]"),
    (Verb::Mlst, LoggedIn, "MLST [<SP> path]"),
    (Verb::Mode, LoggedIn, "MODE <SP> S"),
    (Verb::Nlst, LoggedIn, "NLST [<SP> -aAlRtrS1dF] [<SP> path]"),
    (Verb::Noop, Always, "NOOP"),
    (Verb::Opts, Always, "OPTS <SP> UTF8 ON, or MLST [facts]"),
    (Verb::Pass, Always, "PASS <SP> password"),
    (Verb::Pasv, LoggedIn, "PASV"),
    (Verb::Pbsz, Always, "PBSZ <SP> 0"),
    (Verb::Port, LoggedIn, "PORT <SP> h1,h2,h3,h4,p1,p2"),
    (Verb::Pret, LoggedIn, "PRET <SP> command"),
    (Verb::Prot, Always, "PROT <SP> level"),
    (Verb::Pwd, LoggedIn, "PWD"),
    (Verb::Quit, Always, "QUIT"),
    (Verb::Rein, LoggedIn, "REIN"),
    (Verb::Rest, LoggedIn, "REST <SP> offset"),
    (Verb::Retr, LoggedIn, "RETR <SP> file"),
    (Verb::Rmd, LoggedIn, "RMD <SP> directory"),
    (Verb::Rnfr, LoggedIn, "RNFR <SP> path"),
    (Verb::Rnto, LoggedIn, "RNTO <SP> path"),
    (Verb::Site, LoggedIn, "SITE <SP> command"),
    (Verb::Size, LoggedIn, "SIZE <SP> file"),
    (Verb::Stat, LoggedIn, "STAT [<SP> path]"),
    (Verb::Stor, LoggedIn, "STOR <SP> file"),
    (Verb::Stou, LoggedIn, "STOU [<SP> name]"),
    (Verb::Stru, LoggedIn, "STRU <SP> F"),
    (Verb::Syst, Always, "SYST"),
    (Verb::Type, LoggedIn, "TYPE <SP> A, I or L 8"),
    (Verb::User, Always, "USER <SP> name"),
];

/// The mark of a line without a verb; those of verbs follow.
const NO_VERB: u8 = b' ';

impl Verb {
    /// The verbs that have a syntax, in the order of the alphabet.
    pub fn all() -> impl Iterator<Item = Self> {
        VERBS.iter().map(|(verb, ..)| *verb)
    }

    /// The verb of a line without its end, in any case; `None` if there is no such verb.
    #[must_use]
    pub fn of_line(line: &[u8]) -> Option<Self> {
        Self::parse(line.split(|&byte| byte == b' ').next()?)
    }

    /// PASS or ACCT, if what stands behind it is a secret, though the line may be no command for a
    /// blank too many, a tab, or a blank too few. `verb` is that of the line.
    #[must_use]
    pub(crate) fn of_secret(verb: Option<Self>, line: &[u8]) -> Option<Self> {
        if verb.is_some() {
            return verb.filter(|verb| matches!(verb, Self::Pass | Self::Acct));
        }
        let start = line.iter().position(u8::is_ascii_alphabetic)?;
        let word = line.get(start..start + 4)?;
        Self::parse(word).filter(|verb| matches!(verb, Self::Pass | Self::Acct))
    }

    /// The verb of that spelling, in any case.
    #[must_use]
    pub fn parse(word: &[u8]) -> Option<Self> {
        if word.len() > 4 {
            return (word.eq_ignore_ascii_case(b"OPTIONS")
                || word.eq_ignore_ascii_case(b"DELETE")
                || word.eq_ignore_ascii_case(b"CONNECT")
                || word.eq_ignore_ascii_case(b"PATCH")
                || word.eq_ignore_ascii_case(b"TRACE"))
            .then_some(Self::Foreign);
        }
        let mut upper = [b' '; 4];
        for (to, from) in upper.iter_mut().zip(word) {
            *to = from.to_ascii_uppercase();
        }
        Some(match &upper {
            b"ABOR" => Self::Abor,
            b"ACCT" => Self::Acct,
            b"ALLO" => Self::Allo,
            b"APPE" => Self::Appe,
            b"AUTH" => Self::Auth,
            b"AVBL" => Self::Avbl,
            b"CCC " => Self::Ccc,
            b"CDUP" | b"XCUP" => Self::Cdup,
            b"CLNT" => Self::Clnt,
            b"CSID" => Self::Csid,
            b"CWD " | b"XCWD" => Self::Cwd,
            b"DELE" => Self::Dele,
            b"EPRT" => Self::Eprt,
            b"EPSV" => Self::Epsv,
            b"FEAT" => Self::Feat,
            b"HELP" => Self::Help,
            b"HOST" => Self::Host,
            b"LANG" => Self::Lang,
            b"LIST" => Self::List,
            b"MDTM" => Self::Mdtm,
            b"MFF " => Self::Mff,
            b"MFMT" => Self::Mfmt,
            b"MKD " | b"XMKD" => Self::Mkd,
            b"MLSD" => Self::Mlsd,
            b"MLST" => Self::Mlst,
            b"MODE" => Self::Mode,
            b"NLST" => Self::Nlst,
            b"NOOP" => Self::Noop,
            b"OPTS" => Self::Opts,
            b"PASS" => Self::Pass,
            // Some firmware spells PASV so, to get past middle boxes that rewrite it.
            b"PASV" | b"P@SW" => Self::Pasv,
            b"PBSZ" => Self::Pbsz,
            b"PORT" => Self::Port,
            b"PRET" => Self::Pret,
            b"PROT" => Self::Prot,
            b"PWD " | b"XPWD" => Self::Pwd,
            b"QUIT" => Self::Quit,
            b"REIN" => Self::Rein,
            b"REST" => Self::Rest,
            b"RETR" => Self::Retr,
            b"RMD " | b"XRMD" => Self::Rmd,
            b"RNFR" => Self::Rnfr,
            b"RNTO" => Self::Rnto,
            b"SITE" => Self::Site,
            b"SIZE" => Self::Size,
            b"STAT" => Self::Stat,
            b"STOR" => Self::Stor,
            b"STOU" => Self::Stou,
            b"STRU" => Self::Stru,
            b"SYST" => Self::Syst,
            b"TYPE" => Self::Type,
            b"USER" => Self::User,
            b"ADAT" | b"CONF" | b"ENC " | b"MIC " | b"SMNT" | b"LPRT" | b"LPSV" | b"MFCT"
            | b"RANG" | b"HASH" | b"COMB" | b"DSIZ" | b"RMDA" | b"THMB" => Self::Absent,
            b"GET " | b"POST" | b"HEAD" | b"PUT " | b"HELO" | b"EHLO" | b"MAIL" | b"RCPT" => {
                Self::Foreign
            }
            _ => return None,
        })
    }

    /// A verb, or none, in one byte that is no line end.
    pub(crate) fn to_mark(verb: Option<Self>) -> u8 {
        verb.map_or(NO_VERB, |verb| NO_VERB + 1 + verb as u8)
    }

    /// The verb of that byte.
    pub(crate) fn of_mark(mark: u8) -> Option<Self> {
        let index = mark.checked_sub(NO_VERB + 1)?;
        match VERBS.get(usize::from(index)) {
            Some((verb, ..)) => Some(*verb),
            None if index == Self::Absent as u8 => Some(Self::Absent),
            None => Some(Self::Foreign),
        }
    }

    /// Whether it may be given before a login.
    pub(crate) fn access(self) -> Access {
        VERBS
            .get(self as usize)
            .map_or(Always, |(_, access, _)| *access)
    }

    /// Whether blanks at the ends of its argument belong to it.
    pub(crate) fn takes_a_name(self) -> bool {
        self.has_path() || matches!(self, Self::Acct | Self::Pass | Self::Site | Self::User)
    }

    /// Whether it is about a file or a directory.
    pub(crate) fn has_path(self) -> bool {
        matches!(
            self,
            Self::Appe
                | Self::Avbl
                | Self::Cdup
                | Self::Cwd
                | Self::Dele
                | Self::List
                | Self::Mdtm
                | Self::Mff
                | Self::Mfmt
                | Self::Mkd
                | Self::Mlsd
                | Self::Mlst
                | Self::Nlst
                | Self::Retr
                | Self::Rmd
                | Self::Rnfr
                | Self::Rnto
                | Self::Site
                | Self::Size
                | Self::Stat
                | Self::Stor
                | Self::Stou
        )
    }

    /// How it is used: the verb and its arguments.
    #[must_use]
    pub fn syntax(self) -> &'static str {
        VERBS.get(self as usize).map_or("", |(.., syntax)| *syntax)
    }

    /// The spelling of RFC 959 and its successors.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.syntax().split(' ').next().unwrap_or_default()
    }
}
