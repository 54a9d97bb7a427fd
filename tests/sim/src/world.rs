//! [`World`]: clients, sessions and the time between them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use wharf_core::check::{Checked, Machine};
use wharf_core::{
    Action, Capabilities, Config, Endpoints, Grant, Instant, Limits, Notes, Rights, TlsPolicy,
};
use wharf_model::{Embedder, Store};

use crate::case::{Case, Fault};
use crate::client::{Client, tells_secret};
use crate::protection::{draw_policy, kept};
use crate::queue::Queue;
use crate::random::Random;
use crate::seat::Seat;
use crate::step::SHARED;

/// Faults happen only before that time, so that in the end all is well.
pub(crate) const QUIET_AFTER: u64 = 600_000_000;

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Sessions that were held.
    pub sessions: u64,
    /// How often a control connection became a TLS connection; on the first level nobody shakes hands.
    pub protected: u64,
    /// Things that happened.
    pub events: u64,
    /// Everything that happened, in a number: equal runs have equal ones.
    pub hash: u64,
}

/// What happens at a seat.
#[derive(Debug)]
enum What {
    /// Bytes arrive at the server.
    ToServer(Vec<u8>),
    /// The end of them arrives.
    EndToServer,
    /// The connection breaks.
    Break,
    /// Bytes arrive at the client.
    ToClient(Vec<u8>),
    /// The end of them arrives.
    EndToClient,
    /// The request with that number is worth looking at.
    Work(u64),
    /// The deadline of the session has come.
    Tick,
    /// A request that was lost is answered.
    Late,
    /// The client hears again.
    Hear,
    /// The client loses patience.
    Fidget,
    /// The server is stopped.
    Stop,
}

/// Everything that there is in a run.
struct World<'a> {
    case: Case,
    /// The conversation, if somebody wants to read it.
    trace: Option<&'a mut String>,
    now: u64,
    plans: Queue<What>,
    store: Store,
    seats: Vec<Seat>,
    network: Random,
    outcome: Outcome,
}

/// Runs a case to its end. What is said goes into `trace`, if there is one.
///
/// # Panics
/// If an invariant or an oracle is violated; the message says which.
pub fn run(case: &Case, trace: Option<&mut String>) -> Outcome {
    let mut world = World::new(case.clone(), trace);
    world.live();
    world.judge();
    world.outcome
}

/// A store with what the clients find at the beginning.
pub(crate) fn furnished() -> Store {
    let mut store = Store::default();
    for directory in ["/pub", "/home"] {
        store.put(0, directory, None);
    }
    for (number, path) in SHARED.iter().enumerate() {
        let bytes = format!("first {number}\n").repeat(1 + 200 * number);
        store.put(0, path, Some(bytes.as_bytes()));
    }
    store
}

/// What an account may do: everything, or not as much.
pub(crate) fn draw_grant(random: &mut Random) -> Grant {
    let rights = match random.below(6) {
        0 => Rights::LIST | Rights::READ | Rights::WRITE,
        _ => Rights::ALL,
    };
    Grant::new(rights, Capabilities::ALL)
}

/// A line of the conversation, if somebody wants to read it.
pub(crate) fn say(trace: &mut Option<&mut String>, now: u64, seat: usize, who: &str, bytes: &[u8]) {
    if let Some(trace) = trace {
        let seconds = now as f64 / 1e6;
        // Writing into a string cannot fail.
        let _ = writeln!(
            trace,
            "{seconds:12.6} {seat} {who}: {}",
            bytes.escape_ascii()
        );
    }
}

impl Outcome {
    /// Counts something that happened.
    pub(crate) fn count(&mut self, at: u64, seat: usize) {
        self.events += 1;
        self.hash(at ^ (seat as u64) << 48);
        assert!(self.events < 5_000_000, "I47: it goes on");
    }

    pub(crate) fn hash(&mut self, value: u64) {
        let hash = self.hash ^ value;
        self.hash = hash.wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17);
    }
}

impl<'a> World<'a> {
    fn new(case: Case, trace: Option<&'a mut String>) -> Self {
        let root = Random::new(case.seed);
        let store = furnished();
        let mut random = root.fork("limits", 0);
        let limits = Limits {
            commands_per_second: random.pick(&[0, 0, 1, 20]),
            min_rate: random.pick(&[0, 0, 1, 10_000]),
            ..Limits::default()
        };
        let tls = draw_policy(&case);
        let config = Arc::new(Config {
            notes: Notes::Commands,
            limits,
            tls: kept(&case, tls),
            ..Config::default()
        });
        let mut world = Self {
            now: 1_000_000,
            plans: Queue::default(),
            store,
            seats: Vec::new(),
            network: root.fork("network", 0),
            outcome: Outcome {
                sessions: case.clients,
                ..Outcome::default()
            },
            case,
            trace,
        };
        for number in 0..world.case.clients {
            world.sit_down(&config, tls, &root, number);
        }
        if world.network.chance(world.case.rate(Fault::Shutdown)) {
            let at = world.now + world.network.below(2_000_000);
            for seat in 0..world.seats.len() {
                world.seats[seat].troubled = true;
                world.plan(at, seat, What::Stop);
            }
        }
        world
    }

    fn sit_down(&mut self, config: &Arc<Config>, tls: TlsPolicy, root: &Random, number: u64) {
        let ends = Endpoints {
            local: ([127, 0, 0, 1], 21).into(),
            peer: ([127, 0, 0, 1], 40_000).into(),
        };
        let mut random = root.fork("client", number);
        let grant = draw_grant(&mut random);
        let garbage = self.case.rate(Fault::Garbage);
        let mut client = Client::new(random, number, self.case.commands, garbage);
        client.protect(tls, &mut root.fork("protection", number));
        let seat = Seat::new(
            Checked::new(config, ends, Instant::from_micros(self.now)),
            client,
            Embedder::new(grant),
            root.fork("embedder", number),
            self.case.sabotage,
        );
        self.seats.push(seat);
        let seat = self.seats.len() - 1;
        self.plan(self.now + 200_000, seat, What::Fidget);
        self.pump(seat);
    }

    fn plan(&mut self, at: u64, seat: usize, what: What) {
        self.plans.plan(at, seat, what);
    }

    /// Whether that fault happens at that seat now.
    fn strikes(&mut self, seat: usize, fault: Fault) -> bool {
        self.now < QUIET_AFTER && self.seats[seat].strikes(&self.case, fault)
    }

    fn live(&mut self) {
        while let Some(plan) = self.plans.pop() {
            self.now = plan.at;
            self.outcome.count(plan.at, plan.seat);
            self.happen(plan.seat, plan.what);
        }
    }

    /// The time as the session of that seat is told.
    fn clock(&mut self, seat: usize) -> Instant {
        let now = Instant::from_micros(self.now);
        if self.seats[seat].strikes(&self.case, Fault::ClockBack) {
            return Instant::from_micros(self.now.saturating_sub(3_000_000));
        }
        now
    }

    fn happen(&mut self, at: usize, what: What) {
        let now = self.clock(at);
        let seat = &mut self.seats[at];
        match what {
            What::ToServer(bytes) if !seat.over => {
                let length = bytes.len() as u64;
                seat.inbox.extend_from_slice(&bytes);
                self.say(at, "C", &bytes);
                self.outcome.hash(length);
            }
            What::EndToServer if !seat.over => {
                // Only behind the last byte.
                if seat.inbox.is_empty() || !seat.session.wants_input() {
                    seat.session.receive_eof(now);
                } else {
                    self.plan(self.now + 1_000, at, What::EndToServer);
                }
            }
            What::Break if !seat.over => {
                seat.inbox.clear();
                seat.session.lost(now);
                self.say(at, "-", b"the control connection breaks");
            }
            What::ToClient(bytes) => {
                self.say(at, "S", &bytes);
                let seat = &mut self.seats[at];
                if !seat.gone {
                    seat.client.hear(self.now, &bytes, &self.store);
                    self.speak(at);
                }
            }
            What::EndToClient if !seat.gone && !seat.troubled => seat.client.on_end(),
            What::Work(serial) if serial == seat.serial && !seat.over => self.work(at, now),
            What::Tick if !seat.over => {
                seat.tick = u64::MAX;
                seat.session.tick(now);
            }
            What::Late => {
                if let Some(event) = seat.answer_late() {
                    let _ = seat.session.handle(now, event);
                }
            }
            What::Fidget => self.fidget(at),
            What::Stop if !seat.over => {
                let grace = Duration::from_millis(self.network.below(20_000));
                self.seats[at].session.shutdown(now, grace);
            }
            _ => {}
        }
        self.pump(at);
    }

    /// What a client does beside its plan: give up, go away, hear nothing.
    fn fidget(&mut self, at: usize) {
        if self.seats[at].over || self.seats[at].gone {
            return;
        }
        if self.strikes(at, Fault::Abort)
            && let Some(bytes) = self.seats[at].client.abort(self.now)
        {
            self.send(at, bytes.to_vec());
        }
        if self.strikes(at, Fault::Deaf) {
            self.seats[at].deaf_until = self.now + self.network.between(1, 90_000_000);
            let until = self.seats[at].deaf_until;
            self.plan(until, at, What::Hear);
        }
        let next = self.now + 1 + self.network.below(100_000);
        if self.strikes(at, Fault::ControlReset) {
            self.seats[at].gone = true;
            self.plan(next, at, What::Break);
        } else if self.strikes(at, Fault::HalfClose) {
            let arrival = self.seats[at].arrival[0].max(next);
            self.plan(arrival, at, What::EndToServer);
        } else if self.strikes(at, Fault::Vanish) {
            self.seats[at].gone = true;
        } else if self.now < QUIET_AFTER {
            let patience = self.network.between(10_000, 3_000_000);
            self.plan(self.now + patience, at, What::Fidget);
        }
    }

    /// The client sends what it wants to send.
    fn speak(&mut self, at: usize) {
        let bytes = self.seats[at].client.speak(self.now);
        if !bytes.is_empty() {
            self.send(at, bytes);
        }
    }

    fn send(&mut self, at: usize, bytes: Vec<u8>) {
        for (arrival, piece) in self.pieces(at, 0, bytes) {
            self.plan(arrival, at, What::ToServer(piece));
        }
    }

    /// Bytes on their way in one direction: when which of them arrive.
    fn pieces(&mut self, at: usize, direction: usize, bytes: Vec<u8>) -> Vec<(u64, Vec<u8>)> {
        let mut pieces = Vec::new();
        let mut rest = &bytes[..];
        let whole = !self.strikes(at, Fault::Pieces);
        while !rest.is_empty() {
            let most = if whole {
                rest.len() as u64
            } else {
                self.network.between(1, 12)
            };
            let (piece, others) = rest.split_at(rest.len().min(most as usize));
            rest = others;
            let wait = self.network.between(50, 400);
            let last = &mut self.seats[at].arrival[direction];
            *last = (*last + 1).max(self.now + wait);
            pieces.push((*last, piece.to_vec()));
        }
        pieces
    }

    fn work(&mut self, at: usize, now: Instant) {
        let seat = &mut self.seats[at];
        match seat.work(self.now, &mut self.store) {
            Ok(event) => {
                // A request that was given up may be refused; the check knows.
                let _ = seat.session.handle(now, event);
            }
            Err(Some(again)) => {
                let serial = seat.serial;
                self.plan(again, at, What::Work(serial));
            }
            Err(None) => {}
        }
    }

    /// Moves bytes and requests between a session and its surroundings until nothing moves.
    fn pump(&mut self, at: usize) {
        loop {
            let now = self.clock(at);
            let seat = &mut self.seats[at];
            if seat.over {
                return;
            }
            while let Some(note) = seat.session.note() {
                let told = format!("{note:?}");
                assert!(!tells_secret(told.as_bytes()), "O9: a password is noted");
            }
            if !seat.inbox.is_empty() && seat.session.wants_input() {
                let taken = seat.session.receive(now, &seat.inbox);
                seat.inbox.drain(..taken);
                continue;
            }
            let waiting = seat.session.transmit();
            if !waiting.is_empty() && self.now >= seat.deaf_until && !seat.gone {
                let bytes = waiting.to_vec();
                seat.session.transmitted(now, bytes.len());
                for (arrival, piece) in self.pieces(at, 1, bytes) {
                    self.plan(arrival, at, What::ToClient(piece));
                }
                continue;
            }
            match seat.session.poll() {
                None => break,
                Some(action) => self.act(at, action),
            }
        }
        let seat = &mut self.seats[at];
        if let Some(deadline) = seat.session.deadline() {
            let deadline = deadline.as_micros();
            if deadline < seat.tick {
                seat.tick = deadline;
                // A clock that went back may have put it into the past.
                self.plan(deadline.max(self.now + 1), at, What::Tick);
            }
        }
    }

    fn act(&mut self, at: usize, action: Action) {
        if self.trace.is_some() {
            let path = self.seats[at].session.path().to_string();
            self.say(at, "A", format!("{action:?} {path}").as_bytes());
        }
        let seat = &mut self.seats[at];
        match action {
            Action::Cancel(_) => {
                if let Some(when) = seat.cancel(self.now) {
                    let serial = seat.serial;
                    self.plan(when, at, What::Work(serial));
                }
            }
            Action::Disconnect => {
                seat.drop_everything(self.now, &mut self.store);
                let arrival = seat.arrival[1] + 1;
                self.plan(arrival.max(self.now), at, What::EndToClient);
                self.plan(self.now + 3_600_000_000, at, What::Late);
            }
            request => {
                let quiet = self.now >= QUIET_AFTER;
                let calm = quiet.then(|| self.case.calm());
                let case = calm.as_ref().unwrap_or(&self.case);
                let when = seat.begin(self.now, case, request);
                let serial = seat.serial;
                self.plan(when, at, What::Work(serial));
            }
        }
    }

    fn say(&mut self, at: usize, who: &str, bytes: &[u8]) {
        say(&mut self.trace, self.now, at, who, bytes);
    }

    /// What must be so when nothing happens any more.
    fn judge(&self) {
        assert_eq!(self.store.open, 0, "O4: handles are open");
        for (number, seat) in self.seats.iter().enumerate() {
            assert!(seat.over, "I47: session {number} goes on");
            seat.client.judge(number, seat.troubled, &self.store);
        }
    }
}
