//! A whole session, with an embedder and a client that behave in any way they like.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use bstr::ByteSlice;
use wharf_core::check::{Checked, Machine, fulfil, wind_down};
use wharf_core::{
    Action, Capabilities, Config, Denied, DoubtfulEnds, End, Endpoints, Event, Failure, Flow,
    ForbiddenNames, Grant, Identified, Instant, Kind, Limits, Metadata, Notes, Protection, Rights,
    Style, Timestamp, TlsPolicy, Transferred, VPath,
};

use crate::listing::{check_lines, list};

/// Runs the bytes as operations twice, once with each line cut into pieces of one to four bytes:
/// both must say and ask the same (I02, I49), and every invariant must hold. A first byte above
/// 0xbf chooses the configuration.
pub fn session(bytes: &[u8]) {
    let (choices, bytes) = match bytes {
        [choices @ 0xc0..=0xff, rest @ ..] => (choices & 0x3f, rest),
        _ => (0, bytes),
    };
    let whole = Run::new(false, choices).all(bytes);
    let cut = Run::new(true, choices).all(bytes);
    assert_eq!(whole, cut, "the cut of the input changed something");
}

struct Run {
    session: Checked,
    now: Instant,
    cut: bool,
    /// The client takes its replies.
    reads: bool,
    /// Every action, in order, and its path.
    asked: Vec<(Action, VPath)>,
    sent: Vec<u8>,
    /// The request that is out.
    out: Option<Action>,
    /// Requests that are answered much later.
    kept: Vec<Action>,
}

impl Run {
    /// Of the choices each bit is one thing that is not as usual.
    fn new(cut: bool, choices: u8) -> Self {
        let has = |bit: u8| choices >> bit & 1 == 1;
        let limits = Limits {
            login_delay: Duration::from_secs(u64::from(has(0))),
            commands_per_second: if has(1) { 10 } else { 0 },
            min_rate: if has(1) { 1 } else { 0 },
            line: 100,
            look_ahead: 300,
            output: 12_000,
            ..Limits::default()
        };
        let config = Arc::new(Config {
            limits,
            notes: if has(1) { Notes::None } else { Notes::Commands },
            style: if has(2) { Style::MsDos } else { Style::Unix },
            passive: !has(3),
            active: !has(4),
            tls: match (has(2), has(3)) {
                (false, _) => TlsPolicy::default(),
                (true, demands) => TlsPolicy {
                    control: if demands {
                        Protection::Required
                    } else {
                        Protection::Offered
                    },
                    data: if demands {
                        Protection::Required
                    } else {
                        Protection::Offered
                    },
                    ccc: has(4),
                    implicit: has(0),
                },
            },
            ..Config::default()
        });
        let host: IpAddr = if has(5) {
            Ipv6Addr::LOCALHOST.into()
        } else {
            Ipv4Addr::LOCALHOST.into()
        };
        let ends = Endpoints {
            local: (host, 21).into(),
            peer: (host, 40_000).into(),
        };
        Self {
            session: Checked::new(&config, ends, Instant::ZERO),
            now: Instant::ZERO,
            cut,
            reads: true,
            asked: Vec::new(),
            sent: Vec::new(),
            out: None,
            kept: Vec::new(),
        }
    }

    /// The first byte of each operation says what it is; lines end with their LF.
    fn all(mut self, mut bytes: &[u8]) -> (Vec<(Action, VPath)>, Vec<u8>) {
        self.settle();
        while let Some((&operation, rest)) = bytes.split_first() {
            let line = bytes;
            bytes = rest;
            match operation {
                0x80..=0x8f => self.answer(operation & 15),
                0x90..=0x97 => self.wait(Duration::from_millis(100 << (2 * (operation & 7)))),
                0x98 => self.session.receive_eof(self.now),
                0x99 => self.session.lost(self.now),
                0x9a => self.session.shutdown(self.now, Duration::from_secs(10)),
                0x9b => self.session.progress(self.now, u64::from(operation)),
                0x9c => self.stop_or_resume(),
                0x9d => _ = self.session.report(self.now, b" a line of a listing\r\n"),
                0x9e => self.kept.extend(self.out.take()),
                0x9f => self.answer_late(),
                _ => {
                    let end = line.find_byte(b'\n');
                    let (line, rest) = line.split_at(end.map_or(line.len(), |end| end + 1));
                    bytes = rest;
                    self.receive(line);
                }
            }
            self.settle();
        }
        wind_down(&mut self.session, self.now, self.out.take(), &grant(0));
        (self.asked, self.sent)
    }

    fn receive(&mut self, bytes: &[u8]) {
        let piece = if self.cut {
            bytes.len() % 4 + 1
        } else {
            bytes.len()
        };
        for piece in bytes.chunks(piece) {
            let taken = self.session.receive(self.now, piece);
            // What is not taken is lost in both runs alike: the session takes no more for now.
            if taken < piece.len() {
                return;
            }
        }
    }

    /// A client that reads again takes a part of what waits at first.
    fn stop_or_resume(&mut self) {
        self.reads = !self.reads;
        if self.reads {
            self.write(self.session.transmit().len() / 4 * 3);
        }
    }

    fn write(&mut self, count: usize) {
        self.sent
            .extend_from_slice(&self.session.transmit()[..count]);
        self.session.transmitted(self.now, count);
    }

    /// Writes what there is to write and takes the actions that there are.
    fn settle(&mut self) {
        loop {
            while self.session.note().is_some() {}
            let waiting = self.session.transmit().len();
            if self.reads && waiting > 0 {
                self.write(waiting);
            }
            let Some(action) = self.session.poll() else {
                return;
            };
            self.asked
                .push((action.clone(), self.session.path().clone()));
            if !matches!(action, Action::Cancel(_) | Action::Disconnect) {
                self.out = Some(action);
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.session.tick(self.now);
    }

    /// Answers the request that is out: well, or in one of many bad ways.
    fn answer(&mut self, how: u8) {
        let action = self.out.take();
        let listing = match &action {
            Some(Action::Transfer(_, plan)) => match &plan.flow {
                Flow::List(listing) => Some(listing),
                _ => None,
            },
            Some(Action::Report(_, _, listing)) => Some(listing),
            _ => None,
        };
        if let Some(listing) = listing {
            check_lines(&list(listing.clone()));
        }
        if let Some(event) = action.and_then(|action| outcome(action, how, self.asked.len())) {
            // The check knows whether it may be refused.
            let _ = self.session.handle(self.now, event);
        }
    }

    fn answer_late(&mut self) {
        if let Some(event) = self.kept.pop().and_then(|action| fulfil(action, &grant(0))) {
            let _ = self.session.handle(self.now, event);
        }
    }
}

fn grant(how: u8) -> Grant {
    let rights = match how {
        2 => Rights::LIST,
        3 => Rights::DELETE,
        _ => Rights::ALL,
    };
    let capabilities = match how {
        1 => Capabilities::NONE,
        _ => Capabilities::ALL,
    };
    Grant::new(rights, capabilities)
        .with_protect_data(how == 3)
        .with_accept(DoubtfulEnds {
            truncated: how == 2,
            hang_up: how == 1,
        })
        .with_forbidden(match how {
            1 => ForbiddenNames::new(["d*"]),
            _ => ForbiddenNames::NONE,
        })
}

/// Failures take turns, since there are more of them than ways.
fn outcome(action: Action, how: u8, turn: usize) -> Option<Event> {
    const FAILURES: [Failure; 20] = [
        Failure::BrokenOff,
        Failure::NotFound,
        Failure::Denied,
        Failure::Exists,
        Failure::NoSpace,
        Failure::Io,
        Failure::BadName,
        Failure::Unsupported,
        Failure::Cancelled,
        Failure::NotADirectory,
        Failure::IsADirectory,
        Failure::NotEmpty,
        Failure::NotAFile,
        Failure::IsHome,
        Failure::BadMove,
        Failure::PastEnd,
        Failure::TooLarge,
        Failure::Busy,
        Failure::Quota,
        Failure::Unknown,
    ];
    match action {
        Action::Identify(ticket) if how < 4 => {
            Some(ticket.done(Ok(Identified::Account(grant(how)))))
        }
        Action::Identify(ticket) if how > 9 => Some(ticket.done(Err(match how {
            10..12 => Denied::Credentials,
            12 => Denied::TooMany,
            13 => Denied::Unavailable,
            14 => Denied::Waits,
            _ => Denied::Unprotected,
        }))),
        Action::Login(ticket) if how > 13 => {
            let denied = [Denied::TooMany, Denied::Unavailable];
            Some(ticket.done(Err(denied[usize::from(how - 14)])))
        }
        Action::Listen(ticket) if how < 4 => {
            let address = (Ipv6Addr::LOCALHOST, 51_210 + u16::from(how));
            Some(ticket.done(Ok(address.into())))
        }
        Action::Stat(ticket) if how < 4 => Some(ticket.done(Ok(Metadata {
            kind: if how == 3 { Kind::Other } else { Kind::File },
            // Two of them are too large to be counted.
            size: u64::from(how) << 24,
            modified: (how != 1).then_some(Timestamp {
                seconds: i64::from(how) << 24,
                nanos: u32::from(how) * 1_010_000,
            }),
            ..Metadata::default()
        }))),
        Action::Transfer(ticket, _) if how < 4 => {
            let ends = [End::Truncated, End::Reset, End::Cancelled, End::Clean];
            Some(ticket.done(Transferred::new(u64::from(how), ends[usize::from(how)])))
        }
        action if how < 8 => fulfil(action, &grant(how)),
        action => action.refuse(FAILURES[(usize::from(how - 8) + turn * 8) % FAILURES.len()]),
    }
}
