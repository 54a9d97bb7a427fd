//! What a server tells of itself: FEAT, OPTS, HELP, SYST, STAT, CSID, LANG.

use bstr::{BStr, ByteSlice};

use super::Session;
use super::state::{Login, Look};
use crate::account::Rights;
use crate::command::{Opts, Type, Verb, write_facts};
use crate::config::{Config, Style};
use crate::listing::{FactSet, ListOptions};
use crate::shared::Shared;

/// Whether a verb has something behind it.
fn offers(config: &Config, verb: Verb) -> bool {
    match verb {
        Verb::Auth | Verb::Pbsz | Verb::Prot => config.tls.is_offered(),
        Verb::Ccc => config.tls.may_end(),
        Verb::Site => config.site,
        _ => true,
    }
}

impl Session {
    /// RFC 2389 section 3: one feature on each line, behind one space.
    pub(super) fn feat(&mut self) {
        let can = self.capabilities();
        let config = Shared::clone(&self.config);
        self.output.first(211, "Features:");
        let features: [(&str, bool); 19] = [
            ("AUTH TLS", offers(&config, Verb::Auth)),
            ("AVBL", can.available),
            ("CCC", offers(&config, Verb::Ccc)),
            ("CLNT", true),
            ("CSID", true),
            ("EPRT", self.config.active),
            ("EPSV", self.config.passive),
            ("HOST", true),
            ("LANG EN*", true),
            ("MDTM", true),
            ("MFF Modify;UNIX.mode;", can.set_time && can.set_mode),
            ("MFMT", can.set_time),
            ("PBSZ", offers(&config, Verb::Pbsz)),
            ("PRET", true),
            ("PROT", offers(&config, Verb::Prot)),
            ("REST STREAM", true),
            ("SIZE", true),
            ("TVFS", true),
            ("UTF8", true),
        ];
        for (feature, _) in features.iter().filter(|(_, offered)| *offered) {
            self.output.inner().text(feature.as_bytes()).end();
        }
        let facts = self.settings.facts;
        self.output
            .inner()
            .with(|out| {
                out.extend_from_slice(b"MLST ");
                for (fact, name) in FactSet::NAMES {
                    out.extend_from_slice(name.as_bytes());
                    out.extend_from_slice(if facts.contains(fact) { b"*;" } else { b";" });
                }
            })
            .end();
        self.done(211, "End");
    }

    pub(super) fn opts(&mut self, option: Opts) {
        match option {
            Opts::Utf8 => self.done(200, "UTF-8 is on."),
            Opts::NoUtf8 => self.done(200, "Names are bytes, and stay what they are."),
            Opts::Mlst(facts) => {
                self.settings.facts = facts;
                self.output
                    .begin(200, b' ')
                    .text(b"MLST OPTS ")
                    .with(|out| write_facts(out, facts))
                    .end();
                self.finished(200);
            }
        }
    }

    pub(super) fn syst(&mut self) {
        let system = match self.config.style {
            Style::Unix => "UNIX Type: L8",
            Style::MsDos => "Windows_NT",
        };
        self.done(215, system);
    }

    pub(super) fn csid(&mut self) {
        // To strangers no version is told, which they would look up the faults of.
        let version = match self.login {
            Login::Account { .. } => concat!(" Version=", env!("CARGO_PKG_VERSION"), ";"),
            Login::Nobody | Login::Named => "",
        };
        self.output
            .begin(200, b' ')
            .text(b"Name=Wharf;")
            .text(version.as_bytes())
            .text(b" CaseSensitive=1; DirSep=/;")
            .end();
        self.finished(200);
    }

    /// RFC 2640 section 4: English is all there is.
    pub(super) fn lang(&mut self, tag: Option<&BStr>) {
        let english = |tag: &BStr| {
            let language = tag.split_str(b"-").next().unwrap_or_default();
            language.trim_ascii().eq_ignore_ascii_case(b"EN")
        };
        if tag.is_none_or(english) {
            self.done(200, "Replies are in English.");
        } else {
            self.done(504, "Replies are in English only.");
        }
    }

    pub(super) fn help(&mut self, topic: Option<&BStr>) {
        let config = Shared::clone(&self.config);
        match topic.map(|topic| topic.trim_ascii()) {
            None => {
                self.output.first(214, "These commands are known:");
                let mut names = Verb::all().filter(|verb| offers(&config, *verb));
                let mut name = || names.next().map(Verb::name);
                while let Some(first) = name() {
                    let mut line = self.output.inner().text(first.as_bytes());
                    for next in core::iter::from_fn(&mut name).take(9) {
                        line = line.text(b" ").text(next.as_bytes());
                    }
                    line.end();
                }
                self.done(214, "HELP verb shows its syntax.");
            }
            Some(word) => match Verb::parse(word).filter(|verb| offers(&config, *verb)) {
                Some(Verb::Site) => self.site_help(),
                Some(verb) if !verb.syntax().is_empty() => {
                    self.output
                        .begin(214, b' ')
                        .text(verb.syntax().as_bytes())
                        .end();
                    self.finished(214);
                }
                _ => self.done(504, "No such command."),
            },
        }
    }

    pub(super) fn site_help(&mut self) {
        let can = self.capabilities();
        self.output.first(214, "These SITE commands are known:");
        for (syntax, offered) in [
            ("CHMOD mode path", can.set_mode),
            ("HELP", true),
            ("SYMLINK target path", can.symlink),
            ("UMASK [mask]", can.set_mode),
            ("UTIME YYYYMMDDhhmm[ss] path", can.set_time),
        ] {
            if offered {
                self.output.inner().text(syntax.as_bytes()).end();
            }
        }
        self.done(214, "End.");
    }

    pub(super) fn stat(&mut self, options: ListOptions, path: Option<&BStr>) {
        if path.is_none() && options == ListOptions::default() {
            self.write_status();
            self.finished(211);
        } else if self.permit(Rights::LIST) {
            self.look(path.unwrap_or_default(), Look::Status(options));
        }
    }

    /// The answer to STAT without a path, also in the middle of a transfer.
    pub(super) fn write_status(&mut self) {
        self.output.first(211, "Status:");
        self.output
            .inner()
            .text(b"Connected from ")
            .shown(self.ends.peer.ip().to_canonical())
            .end();
        if let Login::Account { .. } = self.login {
            // A name may be as long as a line; the reply has no room for all of it.
            let name = &self.username[..self.username.len().min(256)];
            self.output.inner().text(b"Logged in as ").text(name).end();
        }
        let representation = match self.settings.representation {
            Type::Ascii => "TYPE: ASCII, STRUcture: File, MODE: Stream",
            Type::Image => "TYPE: Image, STRUcture: File, MODE: Stream",
        };
        self.output.inner().text(representation.as_bytes()).end();
        match self.underway() {
            Some(transfer) => {
                let line = self.output.inner().text(transfer.verb.name().as_bytes());
                let line = line.text(b": ").number(transfer.bytes);
                match transfer.length {
                    Some(length) => line.text(b" of ").number(length).text(b" bytes").end(),
                    None => line.text(b" bytes").end(),
                }
            }
            None => self.output.inner().text(b"No transfer runs").end(),
        }
        self.output.line(211, "End.");
    }
}
