//! C1 to C11 under an embedder and a client that do whatever they like: answer late, fail, lose
//! tickets, cut bytes anywhere, jump in time, leave.

use std::sync::Arc;
use std::time::Duration;

use bstr::ByteSlice;
use proptest::prelude::*;
use wharf_core::check::{Checked, Machine, wind_down};
use wharf_core::{Action, Foreign, Instant, PathError, Protection, Rights, TlsPolicy, VPath, Wire};

use crate::common::embedder::outcomes;
use crate::common::peer::{FAILURES, answer, describe};
use crate::common::{self, Scene};

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
    Dismiss,
}

const LINES: [&str; 52] = [
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
    "AUTH SSL",
    "PBSZ 0",
    "PROT P",
    "CCC",
    "XYZZY",
    "MFMT 20200101000000 f",
];

fn tls() -> impl Strategy<Value = TlsPolicy> {
    let protection = || {
        prop::sample::select(vec![
            Protection::Off,
            Protection::Offered,
            Protection::Required,
        ])
    };
    let policy = (protection(), protection(), any::<bool>(), any::<bool>());
    let policy = policy.prop_map(|(control, data, ccc, implicit)| TlsPolicy {
        control,
        data,
        ccc,
        implicit,
    });
    prop_oneof![1 => Just(TlsPolicy::default()), 2 => policy]
}

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
        1 => Just(Step::Dismiss),
    ]
}

/// One of the outcomes of a request; 0 is success.
fn outcome(request: &str, choice: u8) -> String {
    let choices = outcomes(request);
    let (way, which) = (usize::from(choice) % choices.len(), usize::from(choice));
    let failure = FAILURES[which / choices.len() % FAILURES.len()];
    choices[way].replace("fails", &format!("{failure:?}"))
}

/// A client and an embedder for one session under watch.
struct Play {
    session: Checked,
    scene: Scene,
    now: Instant,
    /// What the client sent and the session has not taken.
    socket: Vec<u8>,
    request: Option<Action>,
    dropped: Vec<Action>,
}

impl Play {
    fn new(scene: Scene) -> Self {
        let now = Instant::from_micros(10_000_000);
        Self {
            session: Checked::new(&Arc::new(scene.config.clone()), scene.ends, now),
            scene,
            now,
            socket: Vec::new(),
            request: None,
            dropped: Vec::new(),
        }
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
            }
            Step::Poll => match self.session.poll() {
                None | Some(Action::Cancel(_) | Action::Disconnect) => {}
                request => self.request = request,
            },
            Step::Answer(choice) => self.answer(choice),
            Step::Drop => self.dropped.extend(self.request.take()),
            Step::Progress(total) => self.session.progress(self.now, total),
            Step::Report(length) => {
                let line = [b" ", &vec![b'x'; length][..], b"\r\n"].concat();
                let taken = self.session.report(self.now, &line);
                assert!(taken == 0 || taken == line.len(), "a line is taken whole");
            }
            Step::Jump(millis) => {
                let micros = millis.unsigned_abs() * 1_000;
                let then = match millis {
                    0.. => self.now + Duration::from_micros(micros),
                    _ => Instant::from_micros(self.now.as_micros().saturating_sub(micros)),
                };
                self.session.tick(then);
                self.now = self.now.max(then);
            }
            Step::Deadline => {
                if let Some(deadline) = self.session.deadline() {
                    self.now = deadline;
                    self.session.tick(deadline);
                }
            }
            Step::Eof => self.session.receive_eof(self.now),
            Step::Lost => self.session.lost(self.now),
            Step::Dismiss => self.session.dismiss(self.now),
            Step::Shutdown(seconds) => {
                self.session
                    .shutdown(self.now, Duration::from_secs(seconds));
            }
        }
    }

    fn receive(&mut self, count: usize) {
        let mut piece = self.socket[..count.min(self.socket.len())].to_vec();
        if let Some(end) = piece.find(b"\n").filter(|_| piece.contains_str("AUTH")) {
            // So that the barrier is seen between two calls.
            piece.truncate(end + 1);
        }
        let taken = self.session.receive(self.now, &piece);
        self.socket.drain(..taken);
    }

    fn answer(&mut self, choice: u8) {
        if let Some(request) = self.request.take() {
            let words = describe(&request, self.session.inner());
            let event = answer(request, &outcome(&words, choice), &self.scene.grant);
            // The check knows whether it may be refused.
            let _ = self.session.handle(self.now, event);
        }
    }

    /// C6 and C7: with the client silent and every ticket answered the session ends, in time and
    /// for good.
    fn let_it_end(&mut self) {
        let out = self.request.take();
        let end = wind_down(&mut self.session, self.now, out, &self.scene.grant);
        // The longest wait for a lost ticket, its cancel, then the idle time.
        let took = end.since(self.now);
        assert!(
            took <= Duration::from_secs(600 + 30 + 300 + 60),
            "C6: {took:?}"
        );
        self.now = end;
        for request in self.dropped.drain(..) {
            let words = describe(&request, self.session.inner());
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
        tls in tls(),
        steps in prop::collection::vec(step(), 0..250),
    ) {
        let rights = common::all_rights()
            .enumerate()
            .filter(|(bit, _)| right_bits >> bit & 1 == 0)
            .fold(Rights::NONE, |set, (_, right)| set | right);
        let scene = Scene::new().config(|config| config.tls = tls).rights(rights).limits(|limits| {
            limits.line = 200;
            limits.look_ahead = 300;
            limits.output = 11_000;
        });
        let mut play = Play::new(scene);
        if logged_in {
            for step in [
                Step::Write("USER u"), Step::Write("PASS p"), Step::Receive(99), Step::Poll, Step::Answer(0),
            ] {
                play.step(&step);
            }
        }
        for step in &steps {
            play.step(step);
        }
        play.let_it_end();
    }
}

#[test]
fn what_can_go_wrong_is_said_in_words() {
    assert_eq!(
        Foreign.to_string(),
        "this session does not wait for that event"
    );
    let forbidden = VPath::root().join(b"a/b");
    assert_eq!(forbidden, Err(PathError::ForbiddenByte));
    assert_eq!(
        PathError::ForbiddenByte.to_string(),
        "a path cannot hold NUL, CR or LF"
    );
    assert_eq!(PathError::TooLong.to_string(), "the path is too long");
    assert_eq!((Rights::LIST | Rights::MKDIR).to_string(), "list, mkdir");
    let unknown = "fly".parse::<Rights>().unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "expected one of list, read, write, overwrite, delete, rename, mkdir, symlink"
    );
}

#[test]
fn a_right_that_is_given_twice_is_given() {
    assert_eq!(Rights::LIST | Rights::LIST, Rights::LIST);
}

#[test]
fn what_asks_nothing_has_no_ticket() {
    assert_eq!(Action::Disconnect.id(), None);
}

#[test]
fn no_name_is_joined_that_is_none() {
    for name in ["", ".", "..", "a/b"] {
        let joined = VPath::root().join(name.as_bytes());
        assert_eq!(joined, Err(PathError::ForbiddenByte), "{name:?}");
    }
}

#[test]
fn bytes_go_as_they_are_unless_something_is_asked_of_them() {
    let plain = Wire::default();
    assert!(plain.is_identity());
    assert!(
        !Wire {
            text: true,
            ..plain
        }
        .is_identity()
    );
    assert!(!Wire { tls: true, ..plain }.is_identity());
}

#[test]
fn an_instant_is_a_number_of_microseconds() {
    assert_eq!(Instant::from_micros(7).as_micros(), 7);
}

#[test]
fn a_session_knows_its_two_ends() {
    let scene = Scene::new();
    let config = Arc::new(scene.config.clone());
    let session = wharf_core::Session::new(&config, scene.ends, Instant::ZERO);
    assert_eq!(session.endpoints().peer, scene.ends.peer);
}
