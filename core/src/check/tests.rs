//! For each invariant a planted fault that the check must find.

extern crate std;

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{assert, assert_eq, format, vec};

use bstr::{BStr, ByteSlice};

use super::{Checked, Machine, fulfil, wind_down};
use crate::account::{Capabilities, Grant, Rights};
use crate::action::{Action, Edit, Flow, Mode, Reason, Route, Verdict};
use crate::config::{Config, Limits, Notes, Protection, TlsPolicy};
use crate::failure::Failure;
use crate::note::Note;
use crate::path::VPath;
use crate::session::{Endpoints, Session, Underway};
use crate::shared::Shared;
use crate::ticket::{Event, Foreign, Ticket, TicketId};
use crate::time::Instant;

/// Which requests are meant.
type Which = fn(&Action) -> bool;

/// What is wrong with a session.
enum Fault {
    Nothing,
    /// What it says, once that text comes up.
    Says(&'static str, String),
    /// It hears something else, and what it answers to that is passed off as an answer.
    Mishears([&'static [u8]; 2], [&'static str; 2]),
    /// What it asks for.
    Asks(fn(Action) -> Action),
    /// It does such a request by itself.
    Skips(Which),
    /// A cancel nobody wants.
    CancelsAll,
    /// It ends more than once.
    GoesOn,
    /// Time means nothing to it.
    IsTimeless,
    /// Its deadline is always over.
    IsLate,
    /// Time passes twice as fast for it.
    IsHasty,
    TakesAll,
    TakesNothing,
    WantsAll,
    BelievesAll,
    KeepsPassword,
    /// It notes that line, whatever it was sent.
    Notes(&'static str),
    IsHuge,
    /// It offers the TLS that it should demand.
    IsLax,
    HasPath(VPath),
    Renames(VPath),
}

/// A session with a fault.
struct Double {
    session: Session,
    fault: Fault,
    /// What it says.
    said: Vec<u8>,
    over: bool,
}

impl Double {
    /// Moves what the session said through the fault.
    fn say(&mut self, now: Instant) {
        let fresh = self.session.transmit().to_vec();
        self.session.transmitted(now, fresh.len());
        let fresh = match &self.fault {
            Fault::Says(from, to) => fresh.replace(from, to),
            Fault::Mishears(_, [from, to]) => fresh.replace(from, to),
            _ => fresh,
        };
        self.said.extend_from_slice(&fresh);
    }

    fn time(&self, now: Instant) -> Instant {
        match self.fault {
            Fault::IsHasty => Instant::from_micros(now.as_micros() * 2),
            _ => now,
        }
    }
}

impl Machine for Double {
    fn new(config: &Shared<Config>, ends: Endpoints, now: Instant) -> Self {
        let mut double = Self {
            session: Session::new(config, ends, now),
            fault: Fault::Nothing,
            said: Vec::new(),
            over: false,
        };
        double.say(now);
        double
    }

    fn wants_input(&self) -> bool {
        matches!(self.fault, Fault::WantsAll) || self.session.wants_input()
    }

    fn transmit(&self) -> &[u8] {
        &self.said
    }

    fn deadline(&self) -> Option<Instant> {
        match self.fault {
            Fault::IsTimeless => None,
            Fault::IsLate => Some(Instant::ZERO),
            Fault::IsHasty => self
                .session
                .deadline()
                .map(|at| Instant::from_micros(at.as_micros() / 2)),
            _ => self.session.deadline(),
        }
    }

    fn peek_note(&self) -> Option<&Note> {
        self.session.peek_note()
    }

    fn path(&self) -> &VPath {
        match &self.fault {
            Fault::HasPath(path) => path,
            _ => self.session.path(),
        }
    }

    fn rename_from(&self) -> &VPath {
        match &self.fault {
            Fault::Renames(path) => path,
            _ => self.session.rename_from(),
        }
    }

    fn link_target(&self) -> &VPath {
        self.session.link_target()
    }

    fn username(&self) -> &BStr {
        self.session.username()
    }

    fn password(&self) -> &[u8] {
        match self.fault {
            Fault::KeepsPassword => b"p",
            _ => self.session.password(),
        }
    }

    fn is_logged_in(&self) -> bool {
        self.session.is_logged_in()
    }

    fn protects_control(&self) -> bool {
        self.session.protects_control()
    }

    fn protects_data(&self) -> bool {
        self.session.protects_data()
    }

    fn announces_address(&self) -> bool {
        self.session.announces_address()
    }

    fn endpoints(&self) -> Endpoints {
        self.session.endpoints()
    }

    fn underway(&self) -> Option<Underway> {
        self.session.underway()
    }

    fn heap_size(&self) -> usize {
        match self.fault {
            Fault::IsHuge => 1 << 20,
            _ => self.session.heap_size(),
        }
    }

    fn receive(&mut self, now: Instant, bytes: &[u8]) -> usize {
        let taken = match self.fault {
            Fault::TakesAll => {
                let _ = self.session.receive(now, bytes);
                bytes.len()
            }
            Fault::TakesNothing => 0,
            Fault::Mishears([from, to], _) if self.session.wants_input() => {
                let _ = self.session.receive(now, &bytes.replace(from, to));
                bytes.len()
            }
            _ => self.session.receive(now, bytes),
        };
        self.say(now);
        taken
    }

    fn receive_eof(&mut self, now: Instant) {
        self.session.receive_eof(now);
        self.say(now);
    }

    fn lost(&mut self, now: Instant) {
        self.session.lost(now);
        self.said.clear();
    }

    fn shutdown(&mut self, now: Instant, grace: Duration) {
        self.session.shutdown(now, grace);
        self.say(now);
    }

    fn dismiss(&mut self, now: Instant) {
        self.session.dismiss(now);
        self.say(now);
    }

    fn transmitted(&mut self, now: Instant, count: usize) {
        self.said.drain(..count);
        self.say(now);
    }

    fn tick(&mut self, now: Instant) {
        self.session.tick(self.time(now));
        self.say(now);
    }

    fn poll(&mut self) -> Option<Action> {
        if self.over {
            return matches!(self.fault, Fault::GoesOn).then_some(Action::Disconnect);
        }
        let action = self.session.poll()?;
        self.over = matches!(action, Action::Disconnect);
        match self.fault {
            Fault::Asks(twist) => Some(twist(action)),
            Fault::Skips(skipped) if skipped(&action) => {
                let event = fulfil(action, &grant())?;
                self.handle(Instant::ZERO, event).ok()?;
                self.poll()
            }
            Fault::CancelsAll if !self.over => Some(Action::Cancel(TicketId(7))),
            _ => Some(action),
        }
    }

    fn handle(&mut self, now: Instant, event: Event) -> Result<(), Foreign> {
        let answer = self.session.handle(now, event);
        self.say(now);
        match self.fault {
            Fault::BelievesAll => Ok(()),
            _ => answer,
        }
    }

    fn progress(&mut self, now: Instant, total: u64) {
        self.session.progress(now, total);
    }

    fn queued(&mut self, now: Instant) {
        self.session.queued(now);
    }

    fn report(&mut self, now: Instant, lines: &[u8]) -> usize {
        match self.fault {
            Fault::TakesAll => lines.len(),
            _ => self.session.report(now, lines),
        }
    }

    fn note(&mut self) -> Option<Note> {
        match self.fault {
            Fault::Notes(line) => Some(Note::Command {
                line: line.into(),
                code: 200,
            }),
            // Only what it says and does is looked at.
            Fault::Says(..) | Fault::Mishears(..) => {
                while self.session.note().is_some() {}
                self.say(START);
                None
            }
            _ => {
                let note = self.session.note();
                self.say(START);
                note
            }
        }
    }
}

fn grant() -> Grant {
    Grant::new(Rights::ALL, Capabilities::ALL)
}

/// A conversation, and what goes wrong in it beside the fault.
#[derive(Default)]
struct Play {
    input: &'static [u8],
    /// Requests of that kind fail.
    fails: Option<(Which, Failure)>,
    rights: Option<Rights>,
    tls: TlsPolicy,
    /// Before the end it is told so.
    then: Option<fn(&mut Checked<Double>, Instant)>,
}

const START: Instant = Instant::from_micros(1_000_000);

/// Plays it to its end and says which invariant was broken.
fn broken(play: &Play, fault: Fault) -> Option<String> {
    let run = AssertUnwindSafe(|| perform(play, fault));
    let panic = catch_unwind(run).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| String::from(*text)));
    let text = text.unwrap_or_default();
    Some(text.replace("assertion `left == right` failed: ", ""))
}

fn perform(play: &Play, fault: Fault) {
    let config = Config {
        notes: Notes::Commands,
        limits: Limits {
            login_delay: Duration::ZERO,
            line: 64,
            ..Limits::default()
        },
        tls: play.tls,
        ..Config::default()
    };
    let ends = Endpoints {
        local: ([127, 0, 0, 1], 21).into(),
        peer: ([127, 0, 0, 1], 40_000).into(),
    };
    let demanded = match fault {
        Fault::IsLax => Config {
            tls: policy(Protection::Required),
            ..config.clone()
        },
        _ => config.clone(),
    };
    let mut double = Double::new(&Shared::new(config), ends, START);
    double.fault = fault;
    let mut session = Checked::watch(double, &Shared::new(demanded), START);
    let grant = Grant {
        rights: play.rights.unwrap_or(Rights::ALL),
        ..grant()
    };
    let mut rest = play.input;
    loop {
        let waiting = session.transmit().len();
        session.transmitted(START, waiting);
        while session.note().is_some() {}
        if let Some(action) = session.poll() {
            let failure = play.fails.filter(|(which, _)| which(&action));
            let event = match failure {
                Some((_, failure)) => action.refuse(failure),
                None => fulfil(action, &grant),
            };
            if let Some(event) = event {
                let _ = session.handle(START, event);
            }
        } else if !rest.is_empty() && session.wants_input() {
            let taken = session.receive(START, rest);
            rest = &rest[taken..];
        } else {
            break;
        }
    }
    if let Some(then) = play.then {
        then(&mut session, START);
    }
    let end = wind_down(&mut session, START, None, &grant);
    assert!(session.poll().is_none(), "I17: an action after the last");
    let _ = session.receive(end, b"NOOP\r\n");
}

/// A login and the lines.
macro_rules! lines {
    ($($line:literal),*) => {
        concat!("USER u\r\nPASS p\r\nTYPE I\r\n" $(, $line, "\r\n")*).as_bytes()
    };
}

fn says(from: &'static str, to: impl Into<String>) -> Fault {
    Fault::Says(from, to.into())
}

type Case = (&'static str, Play, Fault);

fn play(input: &'static [u8]) -> Play {
    Play {
        input,
        ..Play::default()
    }
}

fn policy(protection: Protection) -> TlsPolicy {
    TlsPolicy {
        control: protection,
        data: protection,
        ..TlsPolicy::default()
    }
}

/// With TLS.
fn private(input: &'static [u8]) -> Play {
    Play {
        tls: policy(Protection::Offered),
        ..play(input)
    }
}

fn failing(input: &'static [u8], which: Which, failure: Failure) -> Play {
    Play {
        fails: Some((which, failure)),
        ..play(input)
    }
}

fn replies() -> Vec<Case> {
    let long = "x".repeat(20_000);
    let lines = format!("212-Status follows.\r\n{}", " x\r\n".repeat(20_000));
    vec![
        (
            "I05",
            play(lines![
                "NOOP nopnopnopnopnopnopnopnopnopnopnopnopnopnopnopnopnopnopnopnopnop"
            ]),
            says("500 Line too long.", "501 Usage"),
        ),
        // I07: the sequence came through, and the verb is no verb any more.
        (
            "I13",
            play(b"USER u\r\nPASS p\r\nNO\xff\xf1OP\r\n"),
            Fault::Mishears([b"\xff\xf1", b"?"], ["500", "500"]),
        ),
        (
            "I08",
            play(lines!["NOOP"]),
            says("200 NOOP ok.\r\n", "200 NOOP ok.\n"),
        ),
        ("I08", play(lines!["NOOP"]), says("NOOP ok.", "a\rb")),
        (
            "I08",
            play(lines!["FEAT"]),
            says("\r\n SIZE", "\r\n226 SIZE"),
        ),
        (
            "I09",
            play(lines!["CWD d", "PWD"]),
            says("257 \"/d\"", "257 \"/e\""),
        ),
        ("I09", play(lines!["MKD d\"e"]), says("\"\"", "\"")),
        (
            "I11",
            play(lines!["PASV", "RETR f"]),
            says("226 ", "150 again\r\n226 "),
        ),
        (
            "I12",
            play(lines!["PASV", "RETR f"]),
            says("226 ", "211 no status\r\n226 "),
        ),
        ("I13", play(lines!["NOOP"]), says("200 NOOP", "257 NOOP")),
        (
            "I14",
            play(lines!["NOOP", "PASV", "RETR f", "QUIT"]),
            says("226 Transfer complete.\r\n221 Goodbye.\r\n", ""),
        ),
        (
            "I15",
            failing(
                lines!["DELE f"],
                |action| matches!(action, Action::Change(..)),
                Failure::Denied,
            ),
            says("550 ", "250 "),
        ),
        (
            "I15",
            failing(
                lines!["PASV", "STOR f"],
                |action| matches!(action, Action::Finish(..)),
                Failure::Io,
            ),
            says("451 ", "226 "),
        ),
        (
            "I15",
            play(lines!["CWD d"]),
            Fault::Skips(|action| matches!(action, Action::Stat(_))),
        ),
        ("I15", play(lines!["STOR f"]), says("425 ", "226 ")),
        (
            "I16",
            play(lines!["PASV", "RETR f"]),
            Fault::Asks(|action| match action {
                Action::Transfer(ticket, mut plan) => {
                    plan.flow = Flow::Send { length: Some(2) };
                    Action::Transfer(ticket, plan)
                }
                other => other,
            }),
        ),
        (
            "I18",
            play(lines!["GET / HTTP/1.1"]),
            says(
                "421 This is an FTP server.\r\n",
                "421 No.\r\n200 Or yes.\r\n",
            ),
        ),
        (
            "I19",
            play(lines!["NOOP"]),
            says("200 NOOP ok.\r\n", "200 NOOP ok.\r\n200 And more.\r\n"),
        ),
        (
            "I20",
            play(lines!["NOOP"]),
            says("200 NOOP", format!("200 {long}")),
        ),
        (
            "I23",
            failing(
                b"USER u\r\nPASS p\r\nUSER v\r\nPASS p\r\nUSER v\r\nPASS p\r\n",
                |action| matches!(action, Action::Login(_)),
                Failure::Denied,
            ),
            says("421 Too many failed logins.", "530 Login incorrect."),
        ),
        ("I31", play(lines!["PASV"]), says("200,10", "200,11")),
        ("I31", play(lines!["EPSV"]), says("|51210|", "|51211|")),
        (
            "I34",
            play(lines!["EPSV ALL", "PORT 127,0,0,1,200,10"]),
            says("501 Only EPSV", "200 Only EPSV"),
        ),
        (
            "I35",
            play(lines!["STAT d"]),
            says("212-Status follows.\r\n", lines),
        ),
    ]
}

fn requests() -> Vec<Case> {
    let read_only = |input| Play {
        rights: Some(Rights::LIST | Rights::READ | Rights::WRITE),
        ..play(input)
    };
    vec![
        (
            "I21",
            play(b"USER u\r\nPASS p\r\n"),
            Fault::Asks(|action| match action {
                Action::Login(ticket) => Action::Stat(Ticket::new(ticket.id())),
                other => other,
            }),
        ),
        // I26: REIN is not done, though it is answered.
        (
            "I21",
            play(lines!["RNFR f", "REIN", "RNTO g"]),
            Fault::Mishears([b"REIN", b"NOOP"], ["200 NOOP", "220 REIN"]),
        ),
        (
            "I24",
            read_only(lines!["PASV", "STOR f"]),
            Fault::Asks(|action| match action {
                Action::Open(
                    ticket,
                    Mode::Write {
                        at,
                        umask,
                        resumable,
                        ..
                    },
                ) => Action::Open(
                    ticket,
                    Mode::Write {
                        at,
                        umask,
                        replace: true,
                        resumable,
                        expected: None,
                    },
                ),
                other => other,
            }),
        ),
        (
            "I29",
            play(lines!["PORT 127,0,0,1,200,10", "RETR f"]),
            Fault::Asks(|action| match action {
                Action::OpenData(ticket, _) => Action::OpenData(
                    ticket,
                    Route::Dial {
                        to: ([127, 0, 0, 2], 51_210).into(),
                    },
                ),
                other => other,
            }),
        ),
        (
            "I28",
            play(lines!["PASV", "RETR f"]),
            Fault::Asks(|action| match action {
                Action::Transfer(ticket, _) => {
                    let only_from = [127, 0, 0, 1].into();
                    Action::OpenData(Ticket::new(ticket.id()), Route::Accept { only_from })
                }
                other => other,
            }),
        ),
        (
            "I32",
            play(lines!["PASV", "RETR f"]),
            Fault::Asks(|action| match action {
                Action::Finish(..) => Action::Disconnect,
                other => other,
            }),
        ),
        (
            "I33",
            play(lines!["PASV", "RETR f"]),
            Fault::Skips(|action| matches!(action, Action::CloseData(_))),
        ),
        (
            "I36",
            play(lines!["REST 3", "NOOP", "PASV", "RETR f"]),
            Fault::Asks(|action| match action {
                Action::Open(ticket, Mode::Read { .. }) => {
                    Action::Open(ticket, Mode::Read { offset: 0 })
                }
                other => other,
            }),
        ),
        (
            "I37",
            play(lines!["RNFR f", "RNTO g"]),
            Fault::Renames(VPath::root()),
        ),
        ("I38", play(lines!["SIZE f"]), Fault::CancelsAll),
        (
            "I39",
            play(lines!["PASV", "RETR f"]),
            Fault::Skips(|action| matches!(action, Action::Finish(..))),
        ),
        (
            "I40",
            failing(
                lines!["PASV", "STOR f"],
                |action| matches!(action, Action::Transfer(..)),
                Failure::Io,
            ),
            Fault::Asks(commit),
        ),
        (
            "I42",
            play(lines!["PASV", "TYPE A", "RETR f"]),
            Fault::Asks(|action| match action {
                Action::Transfer(ticket, mut plan) => {
                    plan.wire.text = false;
                    Action::Transfer(ticket, plan)
                }
                other => other,
            }),
        ),
        (
            "I46",
            play(lines!["PASV", "STOR f"]),
            Fault::Asks(|action| match action {
                Action::Finish(ticket, _) => {
                    Action::Finish(ticket, Verdict::Abandon(Reason::Stalled))
                }
                other => other,
            }),
        ),
        (
            "I21",
            play(lines!["DELE d"]),
            Fault::Asks(|action| match action {
                Action::Change(ticket, _) => Action::Change(ticket, Edit::RemoveDirectory),
                other => other,
            }),
        ),
        (
            "I27",
            play(lines!["SIZE f"]),
            Fault::HasPath(VPath::unchecked(b"a/../../b")),
        ),
    ]
}

fn commit(action: Action) -> Action {
    match action {
        Action::Finish(ticket, _) => Action::Finish(ticket, Verdict::Commit),
        other => other,
    }
}

fn calls() -> Vec<Case> {
    let foreign = |session: &mut Checked<Double>, now| {
        let ticket: Ticket<crate::ticket::Change> = Ticket::new(TicketId(9));
        let _ = session.handle(now, ticket.done(Ok(crate::Changed::default())));
    };
    let mut unasked = play(lines!["NOOP"]);
    unasked.then = Some(foreign);
    const DOWNLOAD: &[u8] =
        b"AUTH TLS\r\nUSER u\r\nPASS p\r\nPBSZ 0\r\nPROT P\r\nPASV\r\nRETR f\r\n";
    let mut unreported = play(lines!["NOOP"]);
    unreported.then = Some(|session, now| _ = session.report(now, b" x\r\n"));
    vec![
        ("I11", play(lines!["NOOP"]), Fault::TakesNothing),
        ("I07", play(lines!["NOOP a"]), Fault::Notes("NOOP b")),
        ("I17", play(lines!["QUIT"]), Fault::TakesAll),
        ("I17", play(lines!["QUIT"]), Fault::GoesOn),
        ("I19", unreported, Fault::TakesAll),
        ("I22", play(lines!["NOOP"]), Fault::KeepsPassword),
        ("I22", play(lines!["NOOP"]), Fault::Notes("PASS p")),
        ("I25", play(lines!["AUTH TLS"]), Fault::WantsAll),
        (
            "I25",
            private(b"AUTH TLS\r\n"),
            says("234 Begin", "504 Begin"),
        ),
        (
            "I25",
            private(DOWNLOAD),
            Fault::Skips(|action| matches!(action, Action::Secure(_))),
        ),
        (
            "I25",
            private(DOWNLOAD),
            Fault::Asks(|action| match action {
                Action::Transfer(ticket, mut plan) => {
                    plan.wire.tls = false;
                    Action::Transfer(ticket, plan)
                }
                other => other,
            }),
        ),
        ("I25", private(lines![]), Fault::IsLax),
        (
            "I25",
            private(b"AUTH TLS\r\nUSER u\r\nPASS p\r\nPASV\r\nLIST\r\n"),
            Fault::IsLax,
        ),
        ("I38", unasked, Fault::BelievesAll),
        ("I46", play(lines!["NOOP"]), Fault::IsHasty),
        ("I45", play(lines!["NOOP"]), Fault::IsLate),
        ("I47", play(lines!["NOOP"]), Fault::IsTimeless),
        ("I48", play(lines!["NOOP"]), Fault::IsHuge),
    ]
}

#[test]
fn every_planted_fault_is_found_under_its_number() {
    let cases = replies().into_iter().chain(requests()).chain(calls());
    let missed: Vec<String> = cases
        .filter_map(|(number, play, fault)| {
            let input = play.input.as_bstr();
            assert_eq!(broken(&play, Fault::Nothing), None, "{input:?}");
            let message = broken(&play, fault).unwrap_or_default();
            (!message.starts_with(number)).then(|| format!("{number} in {input:?}: {message:?}"))
        })
        .collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
