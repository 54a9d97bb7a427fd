//! C1 to C11 under an embedder and a client that do whatever they like: answer late, fail, lose
//! tickets, cut bytes anywhere, jump in time, leave.

mod common;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bstr::ByteSlice;
use common::Scene;
use common::codes::Codes;
use common::peer::{answer, describe, ticket_id};
use proptest::prelude::*;
use wharf_core::command::Verb;
use wharf_core::{
    Action, Edit, Foreign, Instant, Mode, Optional, Rights, Route, Session, TicketId,
};

/// What may happen next.
#[derive(Clone, Debug)]
enum Step {
    /// The client writes a line; it lies in the socket.
    Write(&'static str),
    /// So many bytes of the socket are offered.
    Receive(usize),
    /// So many bytes of the replies are written.
    Transmit(usize),
    Poll,
    /// The request that is out is answered, in one of several ways.
    Answer(u8),
    /// The ticket is lost.
    Drop,
    Progress(u64),
    Report(usize),
    /// Time goes on, or back.
    Jump(i64),
    /// Time goes on to the deadline.
    Deadline,
    Eof,
    Lost,
    Shutdown(u64),
}

const LINES: [&str; 48] = [
    "USER u",
    "PASS p",
    "REIN",
    "QUIT",
    "NOOP",
    "PWD",
    "SYST",
    "FEAT",
    "HELP",
    "STAT",
    "STAT d",
    "CWD d",
    "CDUP",
    "SIZE f",
    "MDTM f",
    "MLST f",
    "TYPE A",
    "TYPE I",
    "MODE S",
    "REST 3",
    "ALLO 9",
    "PASV",
    "EPSV",
    "EPSV ALL",
    "PORT 127,0,0,1,200,10",
    "PORT 10,0,0,1,200,10",
    "EPRT |1|127.0.0.1|1|",
    "RETR f",
    "STOR f",
    "APPE f",
    "STOU",
    "LIST",
    "LIST d",
    "NLST *",
    "MLSD",
    "ABOR",
    "ABOR",
    "DELE f",
    "RMD d",
    "MKD d",
    "RNFR f",
    "RNTO g",
    "SITE CHMOD 600 f",
    "SITE SYMLINK a b",
    "AVBL",
    "AUTH TLS",
    "XYZZY",
    "MFMT 20200101000000 f",
];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        40 => prop::sample::select(LINES.to_vec()).prop_map(Step::Write),
        6 => Just(Step::Write("PASV")),
        8 => prop::sample::select(vec!["RETR f", "STOR f", "LIST d", "STAT", "ABOR"]).prop_map(Step::Write),
        40 => (1..400_usize).prop_map(Step::Receive),
        30 => (0..3_000_usize).prop_map(Step::Transmit),
        60 => Just(Step::Poll),
        60 => any::<u8>().prop_map(Step::Answer),
        1 => Just(Step::Drop),
        6 => (0..10_u64).prop_map(Step::Progress),
        4 => (1..600_usize).prop_map(Step::Report),
        4 => (-2_000..40_000_i64).prop_map(Step::Jump),
        2 => Just(Step::Deadline),
        1 => Just(Step::Eof),
        1 => Just(Step::Lost),
        1 => (0..20_u64).prop_map(Step::Shutdown),
    ]
}

/// A session under watch: what it was told, what it did, and whether it may do so.
struct Watch {
    session: Session,
    scene: Scene,
    codes: Codes,
    now: Instant,
    /// Bytes in the socket.
    socket: Vec<u8>,
    /// The part of a line that was taken.
    partial: Vec<u8>,
    /// Lines that were taken and have no final reply.
    lines: VecDeque<String>,
    /// Bytes of the waiting output that were looked at.
    seen: usize,
    /// The part of a reply that was looked at.
    reply: Vec<u8>,
    request: Option<Action>,
    /// The name of the ticket that is out, be it lost or not.
    out: Option<TicketId>,
    cancelled: bool,
    dropped: Vec<Action>,
    /// An answer came too late.
    abandoned: bool,
    /// When the last answer was given.
    answered: Instant,
    /// The client is logged in.
    known: bool,
    command: Transfer,
    /// Replies need not reach the client any more.
    gone: bool,
    /// The last reply was written.
    farewell: bool,
    ended: bool,
    over: bool,
}

/// One of the outcomes of a request; 0 is success.
fn outcome(words: &str, choice: u8) -> String {
    let choices: &[&str] = match words.split(' ').next().unwrap_or_default() {
        "login" => &["ok", "ok", "ok", "denied", "too-many", "unavailable"],
        "stat" if words.ends_with('d') => &["dir", "dir", "file 5", "NotFound"],
        "stat" => &["file 5", "NotFound", "dir", "link"],
        "listen" => &["127.0.0.1:51210", "127.0.0.1:51210", "[::1]:51210", "Busy"],
        "open" if words.contains("read@") => &["opened 5", "opened", "opened 2", "NotFound"],
        "open" if words.contains("unique") => &["chosen /u.1", "NoSpace"],
        "open" => &["opened", "opened", "Denied"],
        "accept" | "dial" => &["ok", "ok", "Refused", "NoResources", "Cancelled"],
        "send" | "receive" | "list" => &[
            "moved 5 clean",
            "moved 2 clean",
            "moved 3 cancelled",
            "moved 3 reset",
            "moved 3 Io",
        ],
        "finish" => &["ok", "ok", "Io", "Unknown"],
        "close-data" => &["ok"],
        "text-size" | "available" => &["7", "NotFound"],
        "report" => &["ok", "NotFound"],
        _ => &["ok", "NotFound"],
    };
    choices[usize::from(choice) % choices.len()].to_owned()
}

/// What the command in hand has done so far.
#[derive(Default)]
struct Transfer {
    opened: bool,
    open_failed: bool,
    asked_for_data: bool,
    connected: bool,
    closed: bool,
    announced: bool,
}

const TRANSFERS: [&str; 7] = ["RETR", "STOR", "APPE", "STOU", "LIST", "NLST", "MLSD"];

impl Watch {
    fn new(scene: Scene) -> Self {
        let now = Instant::from_micros(10_000_000);
        let mut watch = Self {
            session: Session::new(&Arc::new(scene.config.clone()), scene.ends, now),
            scene,
            codes: Codes::read(),
            now,
            socket: Vec::new(),
            partial: Vec::new(),
            // The greeting answers the connection.
            lines: VecDeque::from(["(connect)".to_owned()]),
            seen: 0,
            reply: Vec::new(),
            request: None,
            out: None,
            cancelled: false,
            dropped: Vec::new(),
            abandoned: false,
            answered: now,
            known: false,
            command: Transfer::default(),
            gone: false,
            farewell: false,
            ended: false,
            over: false,
        };
        watch.look_at_replies();
        watch
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Write(line) => {
                self.socket.extend_from_slice(line.as_bytes());
                self.socket.extend_from_slice(b"\r\n");
            }
            Step::Receive(count) => self.receive(count),
            Step::Transmit(count) => {
                let count = count.min(self.session.transmit().len());
                self.session.transmitted(self.now, count);
                self.seen -= count.min(self.seen);
            }
            Step::Poll => self.poll(),
            Step::Answer(choice) => self.answer(choice),
            Step::Drop => self.dropped.extend(self.request.take()),
            Step::Progress(total) => self.session.progress(self.now, total),
            Step::Report(length) => {
                let line = [b" ", &vec![b'x'; length][..], b"\r\n"].concat();
                let taken = self.session.report(self.now, &line);
                assert!(taken == 0 || taken == line.len(), "a line is taken whole");
                let wanted = self.lines.front().is_some_and(|line| line == "STAT d");
                assert!(taken == 0 || wanted, "no report is wanted");
            }
            Step::Jump(millis) => {
                let micros = millis.unsigned_abs() * 1_000;
                let then = match millis {
                    0.. => self.now + Duration::from_micros(micros),
                    _ => Instant::from_micros(self.now.as_micros().saturating_sub(micros)),
                };
                self.tick(then);
                self.now = self.now.max(then);
            }
            Step::Deadline => {
                if let Some(deadline) = self.session.deadline() {
                    self.now = deadline;
                    self.tick(deadline);
                }
            }
            Step::Eof => {
                self.session.receive_eof(self.now);
                self.ended = true;
            }
            Step::Lost => {
                self.session.lost(self.now);
                self.gone = true;
            }
            Step::Shutdown(seconds) => {
                self.session
                    .shutdown(self.now, Duration::from_secs(seconds));
            }
        }
        self.look_at_replies();
        self.check_bounds();
    }

    fn receive(&mut self, count: usize) {
        let wanted = self.session.wants_input();
        let mut piece = self.socket[..count.min(self.socket.len())].to_vec();
        if let Some(end) = piece.find(b"\n").filter(|_| piece.contains_str("AUTH")) {
            // So that the barrier is seen between two calls.
            piece.truncate(end + 1);
        }
        let taken = self.session.receive(self.now, &piece);
        assert!(wanted || taken == 0, "taken and not wanted");
        assert!(
            taken > 0 || !wanted || piece.is_empty(),
            "wanted and not taken"
        );
        self.socket.drain(..taken);
        assert!(
            taken == 0 || !(self.ended || self.gone || self.farewell),
            "taken after the end"
        );
        for &byte in &piece[..taken] {
            if byte == b'\n' {
                let line = String::from_utf8_lossy(&self.partial).trim_end().to_owned();
                self.partial.clear();
                self.lines.push_back(line);
            } else {
                self.partial.push(byte);
            }
        }
    }

    fn poll(&mut self) {
        let Some(action) = self.session.poll() else {
            return;
        };
        assert!(!self.over, "C7: {action:?} after the last action");
        match action {
            Action::Cancel(id) => {
                assert_eq!(self.out, Some(id), "a cancel for nothing");
                assert!(!self.cancelled, "cancelled twice");
                self.cancelled = true;
            }
            Action::Disconnect => {
                self.over = true;
                self.look_at_replies();
                self.check_end();
            }
            request => {
                assert!(self.out.is_none(), "C3: {request:?} while a ticket is out");
                self.look_at_replies();
                self.check_rights(&request);
                self.check_order(&request);
                self.out = ticket_id(&request);
                self.cancelled = false;
                self.request = Some(request);
            }
        }
    }

    fn answer(&mut self, choice: u8) {
        let Some(request) = self.request.take() else {
            return;
        };
        let words = describe(&request, &self.session);
        let outcome = outcome(&words, choice);
        let event = answer(request, &outcome, &self.scene.grant);
        self.out = None;
        if self.session.handle(self.now, event) == Err(Foreign) {
            assert!(
                self.farewell || self.over || self.gone,
                "an answer that was asked for is refused"
            );
            self.abandoned = true;
            return;
        }
        assert!(!self.farewell && !self.over, "an answer after the end");
        self.answered = self.now;
        let well = outcome.starts_with(['o', 'c']);
        match words.split(' ').next() {
            Some("login") => self.known = well,
            Some("open") if well => self.command.opened = true,
            Some("open") => self.command.open_failed = true,
            Some("accept" | "dial") => self.command.connected = well,
            Some("close-data") => self.command.closed = true,
            Some("finish") => self.command.opened = false,
            _ => {}
        }
    }

    fn tick(&mut self, now: Instant) {
        self.session.tick(now);
        let deadline = self.session.deadline();
        assert!(
            deadline.is_none_or(|at| at > now),
            "C5: {deadline:?} at {now:?}"
        );
    }

    /// C11.
    fn check_rights(&self, request: &Action) {
        let rights = self.scene.grant.rights;
        let verb = self
            .lines
            .front()
            .map_or("", |line| line.split(' ').next().unwrap_or_default());
        let needed = match request {
            Action::Login(_) | Action::CloseData(_) => return,
            Action::Stat(_) => match verb {
                "CWD" | "CDUP" => Rights::NONE,
                "RNFR" => Rights::RENAME,
                "SIZE" | "MDTM" => {
                    assert!(rights.intersects(Rights::LIST | Rights::READ | Rights::WRITE));
                    Rights::NONE
                }
                _ => Rights::LIST,
            },
            Action::Change(_, edit) => match edit {
                Edit::Delete | Edit::RemoveDirectory => Rights::DELETE,
                Edit::MakeDirectory { .. } => Rights::MKDIR,
                Edit::Rename { replace: true } => Rights::RENAME | Rights::OVERWRITE,
                Edit::Rename { replace: false } => Rights::RENAME,
                Edit::Set(_) => Rights::OVERWRITE,
                Edit::Symlink => Rights::WRITE,
            },
            Action::Open(_, mode) => match mode {
                Mode::Read { .. } => Rights::READ,
                Mode::Write { replace: true, .. } | Mode::Append { replace: true, .. } => {
                    Rights::WRITE | Rights::OVERWRITE
                }
                Mode::Write { .. } | Mode::Append { .. } | Mode::Unique { .. } => Rights::WRITE,
                Mode::List(_) => Rights::LIST,
            },
            Action::Report(..) => Rights::LIST,
            Action::Optional(_, Optional::Available) => Rights::WRITE,
            Action::OpenData(_, route) => {
                let peer = self.scene.ends.peer.ip();
                match *route {
                    Route::Accept { only_from } => assert_eq!(only_from, peer),
                    Route::Dial { to } => assert!(to.ip() == peer && to.port() >= 1_024),
                }
                Rights::NONE
            }
            _ => Rights::NONE,
        };
        assert!(self.known, "C11: {request:?} for nobody");
        assert!(rights.contains(needed), "C11: {request:?} with {rights}");
    }

    /// C2, as far as requests go.
    fn check_order(&mut self, request: &Action) {
        let command = &mut self.command;
        match request {
            Action::Open(..) => assert!(!command.opened, "C2: opened twice"),
            Action::OpenData(..) => {
                assert!(command.opened, "C2: data for nothing");
                command.asked_for_data = true;
            }
            Action::Transfer(..) => {
                assert!(
                    command.opened && command.connected && command.announced,
                    "C2"
                );
            }
            Action::CloseData(_) => {
                assert!(
                    !command.open_failed,
                    "C2: a failed Open touches the data connection"
                );
            }
            Action::Finish(..) => {
                assert!(command.opened, "C2: finished twice, or never opened");
                assert!(
                    command.closed || !command.asked_for_data,
                    "C2: finished before closed"
                );
            }
            _ => {}
        }
    }

    /// C1: every line of what is waiting, once.
    fn look_at_replies(&mut self) {
        let waiting = self.session.transmit();
        // Replies that vanish unread: the client took none for too long.
        self.gone |= waiting.len() < self.seen;
        let fresh = waiting.get(self.seen..).unwrap_or_default().to_vec();
        self.seen = waiting.len();
        if self.gone {
            return;
        }
        self.reply.extend_from_slice(&fresh);
        while let Some(whole) = common::script::take_reply(&mut self.reply) {
            let code = String::from_utf8_lossy(&whole[..3])
                .parse()
                .unwrap_or_default();
            self.on_reply(code);
        }
        let reports = self.lines.front().is_some_and(|line| line == "STAT d");
        assert!(self.reply.is_empty() || reports, "half a reply");
    }

    fn on_reply(&mut self, code: u16) {
        assert!(!self.farewell, "C7: {code} after the last reply");
        if code == 421 {
            self.farewell = true;
            return;
        }
        let front = self.lines.front().cloned();
        let Some(line) = front else {
            panic!("C1: {code} for nothing");
        };
        let verb = line.split(' ').next().unwrap_or_default();
        if code == 150 {
            let command = &mut self.command;
            assert!(TRANSFERS.contains(&verb), "C1: 150 for {line}");
            assert!(!command.announced, "C1: a second 150");
            assert!(command.opened && command.connected, "C2: 150 too early");
            command.announced = true;
            return;
        }
        if code == 211 && self.command.announced {
            // One that came before the 150 keeps its turn.
            let stat = self.lines.iter().rposition(|line| line == "STAT");
            assert!(
                stat.and_then(|at| self.lines.remove(at)).is_some(),
                "C1: 211 for nothing"
            );
            return;
        }
        let allowed = match verb {
            "(connect)" => code == 220,
            _ => self.codes.allow(Verb::of_line(line.as_bytes()), code),
        };
        assert!(allowed, "C1: {code} for {line}");
        let command = std::mem::take(&mut self.command);
        assert!(!command.opened, "C2: {code} for {line} before its Finish");
        assert!(
            command.closed || !command.asked_for_data,
            "C2: {code} before the CloseData"
        );
        let given_up = self.reply.starts_with(b"421 ");
        assert!(
            self.out.is_none() || given_up,
            "C6: {code} while a ticket is out"
        );
        match (verb, code) {
            ("USER", 331) | ("REIN", 220) => self.known = false,
            ("QUIT", 221) => self.farewell = true,
            _ => {}
        }
        self.lines.pop_front();
    }

    fn check_bounds(&self) {
        let limits = &self.scene.config.limits;
        assert!(self.session.transmit().len() <= limits.output + 512, "C9");
        assert!(
            self.session.heap_size() <= 4 * limits.output,
            "C9: {}",
            self.session.heap_size()
        );
        let at_login = self
            .lines
            .front()
            .is_some_and(|line| line.starts_with("PASS"));
        assert!(self.session.password().is_empty() || at_login, "C10");
        let behind_auth = self.lines.iter().any(|line| line.starts_with("AUTH"));
        assert!(
            !behind_auth || !self.session.wants_input() || self.gone,
            "C4"
        );
        if self.over {
            assert_eq!(self.session.deadline(), None, "C7");
            assert!(!self.session.wants_input(), "C7");
            assert!(self.session.transmit().is_empty(), "C7");
        }
    }

    /// What must be so when the last action comes.
    fn check_end(&self) {
        // The session gave up on a ticket that it had asked back, be it polled or not.
        let waited = self.now.since(self.answered) >= self.scene.config.limits.cancel;
        let lost_a_ticket = self.out.is_some() || self.abandoned || waited;
        assert!(
            !self.command.opened || lost_a_ticket,
            "C2: opened and never finished"
        );
        let answered = self.farewell || self.gone || lost_a_ticket;
        assert!(
            answered || self.lines.is_empty(),
            "C1: no reply for {:?}",
            self.lines
        );
    }

    /// C6: with the client silent and every ticket answered, the session ends.
    fn let_it_end(&mut self) {
        let start = self.now;
        for _ in 0..2_000 {
            self.step(&Step::Transmit(usize::MAX));
            self.step(&Step::Poll);
            if self.over {
                break;
            }
            if self.request.is_some() {
                self.step(&Step::Answer(0));
            } else if self.session.transmit().is_empty() {
                assert!(
                    self.session.deadline().is_some(),
                    "C6: nothing is waited for"
                );
                self.step(&Step::Deadline);
            }
        }
        assert!(self.over, "C6: it goes on");
        let took = self.now.since(start);
        // The longest wait for a lost ticket, its cancel, then the idle time.
        assert!(
            took <= Duration::from_secs(600 + 30 + 300 + 60),
            "C6: {took:?}"
        );
        for request in self.dropped.drain(..).chain(self.request.take()) {
            let words = describe(&request, &self.session);
            let late = answer(request, &outcome(&words, 0), &self.scene.grant);
            assert_eq!(self.session.handle(self.now, late), Err(Foreign), "C7");
        }
        for step in [
            Step::Receive(9),
            Step::Poll,
            Step::Eof,
            Step::Lost,
            Step::Shutdown(0),
            Step::Jump(9_999),
        ] {
            self.socket = b"NOOP\r\n".to_vec();
            self.step(&step);
            assert_eq!(self.socket, b"NOOP\r\n", "C7");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_contract_holds_whatever_happens(
        logged_in in prop::bool::weighted(0.9),
        right_bits in prop_oneof![2 => Just(0_u8), 1 => any::<u8>()],
        steps in prop::collection::vec(step(), 0..250),
    ) {
        let rights = common::all_rights()
            .enumerate()
            .filter(|(bit, _)| right_bits >> bit & 1 == 0)
            .fold(Rights::NONE, |set, (_, right)| set | right);
        let scene = Scene::new().rights(rights).limits(|limits| {
            limits.line = 200;
            limits.look_ahead = 300;
            limits.output = 11_000;
        });
        let mut watch = Watch::new(scene);
        if logged_in {
            for step in [
                Step::Write("USER u"), Step::Write("PASS p"), Step::Receive(99), Step::Poll, Step::Answer(0),
            ] {
                watch.step(&step);
            }
        }
        for step in &steps {
            watch.step(step);
        }
        watch.let_it_end();
    }
}
