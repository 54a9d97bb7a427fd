//! PORT, PASV, EPRT, EPSV, and the parameters of transfers: TYPE, REST, ALLO.

use core::net::{IpAddr, SocketAddr};

use super::Session;
use super::state::{After, Data, Job};
use crate::account::Rights;
use crate::action::{Action, Route};
use crate::address;
use crate::command::{Epsv, Type, Verb};
use crate::failure::Failure;
use crate::optional::{Answer, Optional};

impl Session {
    pub(super) fn pasv(&mut self) {
        if !self.config.passive {
            self.done(502, "Passive mode is not offered.");
        } else if self.settings.epsv_only {
            self.done(501, "Only EPSV after EPSV ALL.");
        } else if self.peer_address().is_ipv6() {
            self.done(502, "PASV cannot carry an IPv6 address; use EPSV.");
        } else {
            self.listen(Verb::Pasv);
        }
    }

    pub(super) fn epsv(&mut self, family: Epsv) {
        let is_v6 = self.peer_address().is_ipv6();
        match family {
            _ if !self.config.passive => self.done(502, "Passive mode is not offered."),
            Epsv::V4 if is_v6 => self.done(522, "Network protocol not supported, use (2)."),
            Epsv::V6 if !is_v6 => self.done(522, "Network protocol not supported, use (1)."),
            _ => self.listen(Verb::Epsv),
        }
    }

    pub(super) fn epsv_all(&mut self) {
        self.settings.epsv_only = true;
        self.done(200, "Only EPSV from now on.");
    }

    fn listen(&mut self, verb: Verb) {
        self.settings.data = Data::None;
        self.ask(
            Job::Listen(verb),
            self.config.limits.request,
            Action::Listen,
        );
    }

    pub(super) fn on_listen(&mut self, verb: Verb, outcome: Result<SocketAddr, Failure>) {
        match (outcome, verb) {
            (Ok(address), Verb::Epsv) => {
                self.settings.data = Data::Passive;
                // No period: some clients read the text up to its end.
                self.output
                    .begin(229, b' ')
                    .text(b"Entering Extended Passive Mode (|||")
                    .number(u64::from(address.port()))
                    .text(b"|)")
                    .end();
                self.finished(229);
            }
            (Ok(address), _) => match address::canonical(address.ip()) {
                IpAddr::V4(ip) => {
                    self.settings.data = Data::Passive;
                    self.output
                        .begin(227, b' ')
                        .text(b"Entering Passive Mode (")
                        .with(|out| address::write_port(out, ip, address.port()))
                        .text(b").")
                        .end();
                    self.finished(227);
                }
                IpAddr::V6(_) => self.forget(Data::Passive, After::NoAddress),
            },
            (Err(Failure::Unsupported), Verb::Epsv) => {
                self.done(502, "EPSV does not lead here; use PASV.");
            }
            (Err(_), _) => self.done(425, "No port is free for a data connection."),
        }
    }

    /// PORT and EPRT. The connection is made when a transfer needs it: some clients listen only
    /// then.
    pub(super) fn port(&mut self, to: SocketAddr) {
        let own = self.peer_address();
        let named = address::canonical(to.ip());
        // lftp over IPv6 names what it listens on: any address of its own.
        let is_own = named == own || named.is_unspecified();
        if !self.config.active {
            self.done(502, "Active mode is not offered.");
        } else if self.settings.epsv_only {
            self.done(501, "Only EPSV after EPSV ALL.");
        } else if named.is_ipv6() != own.is_ipv6() {
            self.done(
                522,
                if named.is_ipv6() {
                    "Use (1)."
                } else {
                    "Use (2)."
                },
            );
        } else if !is_own || to.port() < 1024 {
            self.forbid(
                501,
                "Data connections go to your own address, port 1024 or higher.",
            );
        } else {
            let data = core::mem::take(&mut self.settings.data);
            self.forget(data, After::Active(SocketAddr::new(own, to.port())));
        }
    }

    /// Lets go of what stood ready for data, if it is the embedder's, then goes on.
    pub(super) fn forget(&mut self, data: Data, after: After) {
        match data {
            Data::Passive => {
                self.ask(
                    Job::Forget(after),
                    self.config.limits.request,
                    Action::CloseData,
                );
            }
            Data::None | Data::Active(_) => self.on_forgotten(after),
        }
    }

    pub(super) fn on_forgotten(&mut self, after: After) {
        match after {
            After::User | After::Rein => self.logged_out(after),
            After::Auth { data } => self.on_auth(data),
            After::Active(to) => {
                self.settings.data = Data::Active(to);
                self.done(200, "Data goes there.");
            }
            After::Abor => self.done(225, "No transfer to abort."),
            After::NoAddress => self.done(425, "No IPv4 address to announce; use EPSV."),
        }
    }

    /// How the data connection comes to be, if something stands ready for it.
    pub(super) fn route(&self) -> Option<Route> {
        match self.settings.data {
            Data::None => None,
            Data::Passive => Some(Route::Accept {
                only_from: self.peer_address(),
            }),
            Data::Active(to) => Some(Route::Dial { to }),
        }
    }

    fn peer_address(&self) -> IpAddr {
        address::canonical(self.ends.peer.ip())
    }

    pub(super) fn representation(&mut self, representation: Type) {
        self.settings.representation = representation;
        self.done(
            200,
            match representation {
                Type::Ascii => "Type is ASCII.",
                Type::Image => "Type is image.",
            },
        );
    }

    pub(super) fn restart(&mut self, offset: u64) {
        if offset > 0 && self.settings.representation == Type::Ascii {
            self.done(501, "REST works in TYPE I only.");
        } else if i64::try_from(offset).is_err() {
            self.done(501, "No file is that long.");
        } else {
            self.settings.restart = offset;
            self.output
                .begin(350, b' ')
                .text(b"Restarting at ")
                .number(offset)
                .text(b".")
                .end();
            self.finished(350);
        }
    }

    /// What cannot fit is refused before it is sent.
    pub(super) fn allo(&mut self, size: u64) {
        if self.capabilities().available
            && self.rights().contains(Rights::WRITE)
            && self.target(b"")
        {
            self.ask(Job::Allocate(size), self.config.limits.request, |ticket| {
                Action::Optional(ticket, Optional::Available)
            });
        } else {
            self.announced(size);
        }
    }

    pub(super) fn on_available(&mut self, size: u64, outcome: Result<Answer, Failure>) {
        match outcome {
            Ok(Answer::Bytes(free)) if free < size => self.refuse(Failure::NoSpace),
            Err(full @ (Failure::NoSpace | Failure::Quota)) => self.refuse(full),
            // The upload itself will show.
            _ => self.announced(size),
        }
    }

    fn announced(&mut self, size: u64) {
        self.settings.announced = Some(size);
        // Not 202: some cameras repeat the command for ever.
        self.done(200, "Noted.");
    }
}
