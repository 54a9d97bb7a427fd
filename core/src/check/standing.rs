//! Who the client is and what it has set, as far as its replies told it.

use alloc::vec::Vec;
use core::net::SocketAddr;

use bstr::ByteSlice;

use super::lines::Line;
use super::replies::Reply;
use crate::account::{Denied, Grant, Rights};
use crate::address;
use crate::command::{Command, Epsv, Type, Verb};
use crate::config::{Config, DoubtfulEnds, Protection, TlsPolicy};
use crate::path::VPath;

/// What stands ready for the next data connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ready {
    #[default]
    Nothing,
    Passive,
    Active(SocketAddr),
}

/// What is a TLS connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tls {
    policy: TlsPolicy,
    pub(super) control: bool,
    /// PROT P.
    pub(super) data: bool,
    /// The account demands PROT P.
    demanded: bool,
    /// The control connection shall become this.
    pub(super) turning: Option<Turning>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turning {
    /// A TLS connection, and perhaps PROT P with it.
    Tls {
        data: bool,
    },
    Clear,
}

impl Tls {
    fn new(policy: TlsPolicy) -> Self {
        Self {
            policy,
            control: policy.implicit,
            data: policy.implicit && policy.data != Protection::Off,
            demanded: false,
            turning: None,
        }
    }

    /// I25: whether a password may be asked about.
    pub(super) fn allows_login(&self) -> bool {
        self.control || self.policy.control != Protection::Required
    }

    /// I25: whether data may be sent.
    pub(super) fn allows_data(&self) -> bool {
        self.data || self.policy.data != Protection::Required && !self.demanded
    }

    fn on_auth(&mut self, line: &Line) {
        let Some(Command::Auth(mechanism)) = line.command() else {
            return;
        };
        let implies = [&b"SSL"[..], b"TLS-P"];
        let data = implies
            .iter()
            .any(|name| mechanism.eq_ignore_ascii_case(name));
        let data = data && self.policy.data != Protection::Off;
        self.turning = Some(Turning::Tls { data });
    }

    fn on_rein(&mut self) {
        if self.policy.implicit {
            *self = Self::new(self.policy);
        } else {
            self.data = false;
            self.turning = self.control.then_some(Turning::Clear);
        }
    }

    /// The connection has changed.
    pub(super) fn turn(&mut self) {
        match self.turning.take() {
            Some(Turning::Tls { data }) => (self.control, self.data) = (true, data),
            Some(Turning::Clear) => self.control = false,
            None => {}
        }
    }
}

/// What the answers to a command's requests told, which its final reply makes hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Got {
    /// The path that was looked at or changed.
    pub(super) path: Option<VPath>,
    /// The login that succeeded.
    pub(super) grant: Option<Grant>,
    /// Why the login failed.
    pub(super) denied: Option<Denied>,
    /// The address of the listener that was asked for.
    pub(super) listening: Option<SocketAddr>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    pub(super) tls: Tls,
    /// What the account may do, if the client is logged in.
    pub(super) rights: Option<Rights>,
    cwd: Option<VPath>,
    /// TYPE A.
    pub(super) text: bool,
    /// REST, for the next transfer.
    pub(super) restart: u64,
    /// ALLO, for the next upload.
    pub(super) announced: Option<u64>,
    /// Doubtful ends of uploads that count: for everybody, and for this account.
    accept: [DoubtfulEnds; 2],
    /// RNFR, for RNTO.
    pub(super) rename_from: Option<VPath>,
    /// EPSV ALL was given.
    epsv_only: bool,
    pub(super) ready: Ready,
    /// Logins that were refused.
    tries: u32,
    /// How the first of them was answered.
    refusal: Vec<u8>,
}

impl Standing {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            tls: Tls::new(config.tls),
            accept: [config.accept, DoubtfulEnds::NONE],
            ..Self::default()
        }
    }

    /// A command got its final reply.
    pub(super) fn on_reply(&mut self, line: &Line, reply: &Reply, got: &Got, most_tries: u32) {
        let verb = line.verb;
        let knows = self.rights.is_some();
        match (verb, reply.code) {
            (Some(Verb::User), 331) => self.forget(),
            (Some(Verb::Rein), 220) => {
                self.forget();
                self.tls.on_rein();
            }
            (Some(Verb::Auth), 234) => {
                self.forget();
                self.tls.on_auth(line);
            }
            (Some(Verb::Ccc), 200) => self.tls.turning = Some(Turning::Clear),
            (Some(Verb::Pass), 230) | (Some(Verb::User), 232) => {
                assert!(got.grant.is_some(), "I15: {} without a grant", reply.code);
                self.forget();
                self.tls.demanded = got.grant.as_ref().is_some_and(|grant| grant.protect_data);
                self.rights = got.grant.as_ref().map(|grant| grant.rights);
                self.accept[1] = got
                    .grant
                    .as_ref()
                    .map_or(DoubtfulEnds::NONE, |grant| grant.accept);
                self.cwd = got.grant.as_ref().map(|grant| grant.start.clone());
                self.text = true;
                self.tries = 0;
            }
            (Some(Verb::User | Verb::Pass), 530) => match got.denied {
                Some(Denied::Credentials) => self.on_refusal(reply, most_tries),
                Some(_) => self.forget(),
                None => {}
            },
            (Some(Verb::Rnfr), 350) => self.rename_from.clone_from(&got.path),
            (Some(Verb::Cwd | Verb::Cdup), 250) => self.cwd.clone_from(&got.path),
            (Some(Verb::Pwd), 257) => check_quoted(reply, self.cwd.as_ref()),
            (Some(Verb::Mkd), 257) => check_quoted(reply, got.path.as_ref()),
            (Some(Verb::Rnfr), _) if knows && line.command().is_some() => self.rename_from = None,
            (Some(Verb::Rnto), _) if knows && line.command().is_some() => self.rename_from = None,
            (Some(Verb::Pasv), 227) => {
                check_pasv(reply, got.listening);
                self.ready = Ready::Passive;
            }
            (Some(Verb::Epsv), 229) => {
                let port = got.listening.map_or(0, |address| address.port());
                let told = reply.between(b'(', b')');
                let told = told.trim_with(|c| c == '|').to_str().unwrap_or_default();
                assert_eq!(told.parse(), Ok(port), "I31: another port listens");
                self.ready = Ready::Passive;
            }
            (Some(Verb::Pasv | Verb::Epsv), 425) => self.ready = Ready::Nothing,
            (Some(Verb::Abor), 225) => self.ready = Ready::Nothing,
            _ => self.on_setting(line, reply.code),
        }
        if knows && transfers(verb) && line.command().is_some() {
            self.restart = 0;
        }
    }

    /// The doubtful ends of an upload that count.
    pub(super) fn accepted(&self) -> DoubtfulEnds {
        self.accept[0].union(self.accept[1])
    }

    /// A parameter of transfers was set.
    fn on_setting(&mut self, line: &Line, code: u16) {
        match (line.command(), code) {
            (Some(Command::Type(kind)), 200) => self.text = kind == Type::Ascii,
            (Some(Command::Prot(level)), 200) => self.tls.data = level.eq_ignore_ascii_case(b"P"),
            (Some(Command::Rest(offset)), 350) => self.restart = offset,
            (Some(Command::Allo(size)), 200) => self.announced = Some(size),
            (Some(Command::Epsv(Epsv::All)), 200) => self.epsv_only = true,
            (Some(Command::Port(to)), 200) => self.on_port(to.into()),
            (Some(Command::Eprt(to)), 200) => self.on_port(to),
            _ => {}
        }
    }

    fn on_port(&mut self, to: SocketAddr) {
        assert!(!self.epsv_only, "I34: PORT after EPSV ALL");
        let to = SocketAddr::new(address::canonical(to.ip()), to.port());
        self.ready = Ready::Active(to);
    }

    /// I26: nothing of a login outlives it.
    fn forget(&mut self) {
        *self = Self {
            tls: Tls {
                demanded: false,
                ..self.tls
            },
            accept: [self.accept[0], DoubtfulEnds::NONE],
            tries: self.tries,
            refusal: core::mem::take(&mut self.refusal),
            ..Self::default()
        };
    }

    fn on_refusal(&mut self, reply: &Reply, most: u32) {
        self.forget();
        self.tries += 1;
        assert!(self.tries < most, "I23: {} refused logins", self.tries);
        if self.refusal.is_empty() {
            self.refusal.clone_from(&reply.bytes);
        }
        assert_eq!(self.refusal, reply.bytes, "I23: refused in other words");
    }
}

pub(super) fn transfers(verb: Option<Verb>) -> bool {
    use Verb::{Appe, List, Mlsd, Nlst, Retr, Stor, Stou};
    matches!(verb, Some(Appe | List | Mlsd | Nlst | Retr | Stor | Stou))
}

/// I09: between the quotes stands the path, with its quotes doubled.
fn check_quoted(reply: &Reply, path: Option<&VPath>) {
    let quoted = reply.between(b'"', b'"');
    let odd = quoted.replace(b"\"\"", b"").contains(&b'"');
    let told = quoted.replace(b"\"\"", b"\"");
    let is_it = path.is_some_and(|path| path.as_bytes() == told.as_bstr());
    assert!(is_it && !odd, "I09: {:?} is not {path:?}", quoted.as_bstr());
}

/// I31 for PASV.
fn check_pasv(reply: &Reply, listening: Option<SocketAddr>) {
    let told = reply.between(b'(', b')');
    let listening = listening.map(|at| SocketAddr::new(address::canonical(at.ip()), at.port()));
    let told = address::parse_port(told).map(SocketAddr::from);
    assert_eq!(told, listening, "I31: another address listens");
}
