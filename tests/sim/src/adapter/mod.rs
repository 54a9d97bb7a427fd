//! The second level: the session of `wharf-driver` itself, with its sleeping and waking, its pump and
//! its passive listeners, on sockets that lead to the simulated clients and in simulated time.

mod bucket;
mod data;
mod elsewhere;
mod guest;
mod handshake;
mod odd;
mod oracles;
mod outside;
mod play;
mod stage;
mod storage;
mod tls;
mod turns;
mod wire;

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bucket::Cloud;
use data::Data;
use guest::Guest;
use outside::{Outside, Way};
use smol::channel::{Receiver, Sender};
use storage::{Disk, Everybody};
use tls::Dialect;
use wharf_core::{Config, DoubtfulEnds, Limits, TlsPolicy};
use wharf_driver::tls::Reuse;
use wharf_driver::{Service, Settings};
use wharf_storage::Accounts;
use wire::Wire;

use crate::case::{Case, Fault, Sabotage};
use crate::client::Client;
use crate::protection::{draw_demand, draw_policy, kept, with_demand};
use crate::queue::Queue;
use crate::random::Random;
use crate::step::Step;
use crate::world::{Outcome, QUIET_AFTER, draw_grant, furnished, say};

pub use play::play_on_adapter;

/// What happens at a seat.
#[derive(Debug)]
enum What {
    /// Bytes arrive at the server.
    ToServer(Vec<u8>),
    /// The end of them arrives.
    EndToServer,
    /// Bytes arrive at the client.
    ToClient(Vec<u8>),
    /// The end of them arrives.
    EndToClient,
    /// The session wants to be looked at.
    Wake,
    /// The client connects to that port for data.
    Connect(u16),
    /// The client moves data.
    Move,
    /// The client hears again.
    Hear,
    /// The client breaks its control connection.
    Break,
    /// The client loses patience.
    Fidget,
    /// A handshake that was not finished must have been given up.
    Expire,
    /// The server is stopped.
    Stop,
    /// The process that serves that seat is killed.
    Kill,
}

struct Seat {
    guest: Guest,
    /// When the next wake is planned.
    waking: u64,
    /// The session is worth looking at.
    touched: bool,
    client: Client,
    /// The client's end of the control connection, and how it speaks TLS.
    wire: Wire,
    dialect: Dialect,
    /// Clear bytes were sent behind AUTH: there must be no TLS behind them.
    tainted: bool,
    data: Option<Data>,
    /// Before the client asks for data under TLS it shakes hands for them.
    cautious: bool,
    /// It does so now.
    holds: bool,
    random: Random,
    /// When the client loses patience.
    fidgets: Random,
    /// How it does so.
    manners: Random,
    arrival: [u64; 2],
    deaf_until: u64,
    troubled: bool,
    /// Until when the session must be over, once its client or the server is.
    over_by: u64,
    gone: bool,
    /// The end of the replies is on its way.
    ended: bool,
}

struct World<'a> {
    case: Case,
    trace: Option<&'a mut String>,
    outside: Arc<Outside>,
    disk: Arc<Disk>,
    /// Where everybody's home is, if that is a bucket.
    cloud: Option<Arc<Cloud>>,
    service: Arc<Service>,
    /// Dropped when the server shall stop.
    stopper: Option<Sender<()>>,
    stop: Receiver<()>,
    /// What clients are told of TLS.
    tls: TlsPolicy,
    promised: oracles::Promised,
    /// Data connections must resume the session of their login.
    must_resume: bool,
    plans: Queue<What>,
    seats: Vec<Seat>,
    network: Random,
    outcome: Outcome,
}

/// Runs a case on the adapter to its end. What is said goes into `trace`, if there is one.
///
/// # Panics
/// If an oracle is violated; the message says which.
pub fn run_adapter(case: &Case, trace: Option<&mut String>) -> Outcome {
    World::new(case.clone(), trace, false).live()
}

/// The same with a bucket of an object store as everybody's home.
///
/// # Panics
/// If an oracle is violated; the message says which.
pub fn run_bucket(case: &Case, trace: Option<&mut String>) -> Outcome {
    World::new(case.clone(), trace, true).live()
}

impl<'a> World<'a> {
    fn live(mut self) -> Outcome {
        while let Some(plan) = self.plans.pop() {
            self.outside.set_now(plan.at);
            self.outcome.count(plan.at, plan.seat);
            self.happen(plan.seat, plan.what);
            self.wake_others();
        }
        self.judge();
        self.outcome
    }

    fn new(case: Case, trace: Option<&'a mut String>, has_bucket: bool) -> Self {
        let root = Random::new(case.seed);
        let outside = Arc::new(Outside::new(case.rate(Fault::Narrow) > 0));
        outside.set_now(1_000_000);
        let mut random = root.fork("rights", 0);
        let policy = draw_policy(&case);
        let mut grant = draw_grant(&mut random);
        grant.protect_data = draw_demand(&case, policy);
        let told = with_demand(policy, grant.protect_data);
        let disk = Disk::new(&case, furnished(), &outside, root.fork("disk", 0), grant);
        let cloud = has_bucket.then(|| Cloud::new(&disk, &root));
        let mut settings = Settings::new(match &cloud {
            Some(cloud) => Arc::<Cloud>::clone(cloud) as Arc<dyn Accounts>,
            None => Arc::new(Everybody(Arc::clone(&disk))),
        });
        settings.system = Arc::clone(&outside) as _;
        let mut limits = Limits {
            min_rate: root.fork("limits", 0).pick(&[0, 0, 1_000]),
            ..Limits::default()
        };
        let mut promised = oracles::Promised::by(&limits);
        if cloud.is_some() {
            promised = promised.among(case.clients);
        }
        match case.sabotage {
            Some(Sabotage::LosesPatience) => limits.stall = Duration::from_millis(100),
            Some(Sabotage::WaitsTooLong) => limits.stall *= 4,
            _ => {}
        }
        settings.protocol = Arc::new(Config {
            limits,
            tls: kept(&case, policy),
            accept: DoubtfulEnds {
                truncated: case.sabotage == Some(Sabotage::TakesCuts),
                hang_up: false,
            },
            ..Config::default()
        });
        let reuse = tls::draw_reuse(&case);
        settings.tls = Some(Arc::new(tls::serve(&case, reuse)));
        settings.grace = Duration::from_secs(10);
        // All of them come from one address.
        (settings.sessions, settings.sessions_per_address) = (usize::MAX, usize::MAX);
        let (stopper, stop) = smol::channel::bounded(1);
        let mut world = Self {
            trace,
            service: Service::new(settings),
            stopper: Some(stopper),
            stop,
            tls: told,
            promised,
            must_resume: reuse == Reuse::Required,
            plans: Queue::default(),
            seats: Vec::new(),
            network: root.fork("network", 0),
            outcome: Outcome {
                sessions: case.clients,
                ..Outcome::default()
            },
            outside,
            disk,
            cloud,
            case,
        };
        for number in 0..world.case.clients {
            world.sit_down(&root, number, None);
        }
        if world.network.chance(world.case.rate(Fault::Shutdown)) {
            let at = world.outside.now() + world.network.below(2_000_000);
            world.plans.plan(at, 0, What::Stop);
        }
        let mut fate = root.fork("fate", 0);
        if world.cloud.is_some() && fate.chance(10 * world.case.rate(Fault::GatewayDies)) {
            let at = world.outside.now() + fate.below(2_000_000);
            let seat = fate.below(world.case.clients) as usize;
            world.plans.plan(at, seat, What::Kill);
        }
        world
    }

    /// A client comes, who wants to do that before anything else.
    fn sit_down(&mut self, root: &Random, number: u64, first: Option<Step>) {
        let (tls, stop, promised) = (self.tls, &self.stop, &self.promised);
        let jobs = root.fork("jobs", number);
        let guest = Guest::new(
            &self.service,
            &self.outside,
            &self.case,
            jobs,
            stop.clone(),
            self.cloud.is_some().then_some(number),
        );
        let garbage = self.case.rate(Fault::Garbage);
        let random = root.fork("client", number);
        let mut client = Client::new(random, number, self.case.commands, garbage);
        if let Some(step) = first {
            client.begin_with(step);
        }
        client.protect(tls, &mut root.fork("protection", number));
        client.stands_still = Some(promised.stands_still);
        client.window = promised.window;
        client.has_bucket = self.cloud.is_some();
        client.has_rivals = self.case.clients > 1;
        let mut patience = root.fork("patience", number);
        client.patient = patience.below(2) == 0;
        let cautious = client.patient && patience.below(2) == 0;
        self.seats.push(Seat {
            guest,
            waking: u64::MAX,
            touched: true,
            client,
            wire: Wire::default(),
            dialect: Dialect::draw(&mut root.fork("dialect", number)),
            tainted: false,
            data: None,
            cautious,
            holds: false,
            random: root.fork("seat", number),
            fidgets: root.fork("fidgets", number),
            manners: root.fork("manners", number),
            arrival: [0; 2],
            deaf_until: 0,
            troubled: false,
            over_by: u64::MAX,
            gone: false,
            ended: false,
        });
        let seat = self.seats.len() - 1;
        self.plan_fidget(seat);
        if tls.implicit {
            self.shake(seat);
        }
        self.run(seat);
    }

    /// The client did something that the session may be waiting for.
    fn touch(&mut self, at: usize, way: Way) {
        let seat = &mut self.seats[at];
        seat.touched = true;
        seat.guest.wake.touch(way);
    }

    fn strikes(&mut self, at: usize, fault: Fault) -> bool {
        let rate = self.case.rate(fault);
        let seat = &mut self.seats[at];
        let strikes = self.outside.now() < QUIET_AFTER && seat.random.chance(rate);
        seat.troubled |= strikes;
        strikes
    }

    fn happen(&mut self, at: usize, what: What) {
        let now = self.outside.now();
        match what {
            What::ToServer(bytes) => {
                if !self.seats[at].wire.is_tls() {
                    self.say(at, "C", &bytes);
                }
                self.outcome.hash(bytes.len() as u64);
                self.touch(at, Way::Control);
                if let Some(control) = &mut self.seats[at].guest.control {
                    // A server that is gone is noticed by reading.
                    let _ = control.write_all(&bytes);
                }
            }
            What::EndToServer => {
                self.touch(at, Way::Control);
                if let Some(control) = &self.seats[at].guest.control {
                    let _ = control.shutdown(Shutdown::Write);
                }
            }
            What::ToClient(bytes) => self.on_bytes(at, &bytes),
            What::EndToClient => {
                let seat = &self.seats[at];
                if !seat.gone && !self.is_troubled(at) {
                    seat.client.on_end();
                    let ended = !seat.wire.is_tls() || seat.wire.has_ended();
                    assert!(ended, "O12: the replies end without close_notify");
                }
            }
            What::Break => self.hang_up(at),
            What::Expire => {
                let over = self.seats[at].guest.task.is_none();
                assert!(over, "I47: a handshake is waited for too long");
            }
            What::Wake => {
                self.seats[at].waking = u64::MAX;
                self.seats[at].touched = true;
            }
            What::Connect(port) => {
                if let Ok(stream) = self.outside.connect(port) {
                    self.on_data(at, stream);
                }
                self.hold_no_longer(at);
            }
            What::Move => {
                self.touch(at, Way::Data);
                self.move_data(at);
                self.hold_no_longer(at);
            }
            What::Fidget => self.fidget(at),
            What::Stop => {
                self.service.stop();
                self.stopper = None;
                for seat in 0..self.seats.len() {
                    self.seats[seat].troubled = true;
                    self.must_end(seat, self.service.settings().grace + oracles::UNREAD);
                    self.plans.plan(now + seat as u64, seat, What::Wake);
                }
            }
            What::Hear => self.seats[at].touched = true,
            What::Kill => self.kill(at),
        }
        self.run(at);
    }

    /// Who was woken by what has happened to somebody else goes on.
    fn wake_others(&mut self) {
        let said = self.cloud.as_ref().map(|cloud| cloud.take_said());
        for (seat, said) in said.unwrap_or_default() {
            self.say(seat as usize, "B", said.as_bytes());
        }
        for at in 0..self.seats.len() {
            if self.seats[at].guest.take_woken() {
                self.plans.plan(self.outside.now(), at, What::Wake);
            }
        }
    }

    /// The process that serves that seat is killed, and with it the sessions of others.
    fn kill(&mut self, at: usize) {
        let Some(cloud) = self.cloud.clone() else {
            return;
        };
        let mut legacies = Vec::new();
        for at in cloud.kill(at, self.seats.len()) {
            legacies.extend(self.seats[at].client.legacy());
            self.seats[at].guest.die();
            self.touch(at, Way::Control);
            self.touch(at, Way::Data);
            self.plans.plan(self.outside.now(), at, What::Wake);
        }
        for legacy in legacies {
            let number = self.seats.len() as u64;
            self.sit_down(&Random::new(self.case.seed), number, Some(legacy));
        }
    }

    fn on_replies(&mut self, at: usize, bytes: &[u8]) {
        let now = self.outside.now();
        // What the server says of a download it says behind its bytes.
        self.drain_data(at);
        let calm = !self.is_troubled(at);
        let seat = &mut self.seats[at];
        let unknown = self.disk.unknown.load(Ordering::Relaxed);
        seat.client.unknown |= unknown;
        seat.client.calm = calm;
        seat.client.slow |= seat.guest.elsewhere.has_stalled.load(Ordering::Relaxed)
            || self.cloud.as_ref().is_some_and(|cloud| cloud.is_slow());
        seat.client.hear(now, bytes, &self.disk.store());
        self.turn(at);
        if let Some(port) = self.seats[at].client.passive.take()
            && !self.strikes(at, Fault::DataSilent)
        {
            let when = now + self.network.between(50, 400);
            self.plans.plan(when, at, What::Connect(port));
            let seat = &mut self.seats[at];
            seat.holds = seat.cautious && seat.client.shield.data;
        }
        self.speak(at);
    }

    /// The client goes on once the handshake for its data is over.
    fn hold_no_longer(&mut self, at: usize) {
        let shakes = self.seats[at].data.as_ref().is_some_and(Data::shakes);
        if !shakes && std::mem::take(&mut self.seats[at].holds) {
            self.speak(at);
        }
    }

    /// The client sends what it wants to send.
    fn speak(&mut self, at: usize) {
        if self.seats[at].gone || self.seats[at].holds {
            return;
        }
        let now = self.outside.now();
        let mut bytes = self.seats[at].client.speak(now);
        self.say_behind_auth(at, &mut bytes);
        self.send(at, &bytes);
    }

    /// A data connection stands.
    fn on_data(&mut self, at: usize, stream: TcpStream) {
        let client = &mut self.seats[at].client;
        client.download.clear();
        client.broke = false;
        let upload = (!client.downloads()).then(|| client.upload());
        let stalls = self.strikes(at, Fault::DataStall);
        let mut data = match self.seats[at].client.shield.data {
            true => self.protect(at, stream, upload),
            false => Data::new(stream, upload),
        };
        data.stalls |= stalls;
        self.touch(at, Way::Data);
        self.seats[at].client.flaw = data.flaw();
        self.seats[at].data = Some(data);
    }

    /// The client sends or takes some bytes of data.
    fn move_data(&mut self, at: usize) {
        // In clear, an upload that breaks cannot be told from its end on these sockets.
        let breaks = self.seats[at]
            .data
            .as_ref()
            .is_some_and(|data| !data.uploads() || data.is_tls())
            && self.strikes(at, Fault::DataReset);
        let seat = &mut self.seats[at];
        let Some(data) = &mut seat.data else {
            return;
        };
        data.planned = false;
        if breaks {
            // The server may have sent all of it before.
            seat.client.broke = true;
            seat.data = None;
            return;
        }
        let most = seat.random.between(1, 3_000) as usize;
        let moved = data.step(most, &mut seat.client.download);
        if moved.is_ok() {
            seat.client.moved_at = self.outside.now();
        }
        if self.has_moved(at, moved) {
            self.seats[at].data = None;
        }
    }

    /// Takes all that there is of a download.
    fn drain_data(&mut self, at: usize) {
        let seat = &mut self.seats[at];
        if let Some(data) = seat.data.as_mut().filter(|data| !data.uploads()) {
            let moved = data.drain(&mut seat.client.download);
            self.has_moved(at, moved.map(|()| false));
            self.touch(at, Way::Data);
        }
    }

    /// What moving data came to: whether there is no more of it.
    fn has_moved(&mut self, at: usize, moved: io::Result<bool>) -> bool {
        let seat = &mut self.seats[at];
        if let Some(data) = &seat.data {
            seat.client.flaw = data.flaw();
        }
        moved.unwrap_or_else(|error| {
            let clear = error.kind() == ErrorKind::InvalidData;
            assert!(!clear, "O10: data are not under TLS: {error}");
            error.kind() != ErrorKind::WouldBlock
        })
    }

    /// What a client does beside its plan.
    fn fidget(&mut self, at: usize) {
        let now = self.outside.now();
        if self.seats[at].guest.task.is_none() || self.seats[at].gone {
            return;
        }
        // What comes behind CCC and REIN is for the other connection, which is not there yet.
        let turns = self.seats[at].client.turns();
        if self.strikes(at, Fault::Abort)
            && !matches!(turns, Some("CCC" | "REIN"))
            && let Some(bytes) = self.seats[at].client.abort(now)
        {
            self.seats[at].tainted |= turns.is_some() && !self.seats[at].wire.is_tls();
            self.expect_an_end(at, turns.is_some());
            self.send(at, bytes);
        }
        // Only where a storage may hold a transfer up is it worth asking.
        let rate = self.case.rate(Fault::StorageStalls) + self.case.rate(Fault::StorageHangs);
        if now < QUIET_AFTER
            && self.seats[at].manners.chance(rate)
            && let Some(bytes) = self.seats[at].client.ask_how_far(now)
        {
            self.send(at, bytes);
        }
        if self.strikes(at, Fault::Deaf) {
            let until = now + self.network.between(1, 90_000_000);
            self.seats[at].deaf_until = until;
            let client = &mut self.seats[at].client;
            (client.prompt, client.stands_still) = (false, None);
            self.plans.plan(until, at, What::Hear);
        }
        if self.strikes(at, Fault::ControlReset) {
            self.hang_up(at);
        } else if self.strikes(at, Fault::HalfClose) {
            let arrival = self.seats[at].arrival[0].max(now) + 1;
            self.plans.plan(arrival, at, What::EndToServer);
        } else if self.strikes(at, Fault::Vanish) {
            self.seats[at].gone = true;
        } else if now < QUIET_AFTER {
            self.plan_fidget(at);
        }
    }

    /// When the client loses patience next: many sessions are over in 20 ms, others wait for minutes.
    fn plan_fidget(&mut self, at: usize) {
        let random = &mut self.seats[at].fidgets;
        let patience = random.pick(&[1_000, 30_000, 1_000_000]) * random.between(1, 3);
        self.plans
            .plan(self.outside.now() + patience, at, What::Fidget);
    }

    /// The control connection breaks.
    fn hang_up(&mut self, at: usize) {
        self.touch(at, Way::Control);
        self.must_end(at, Duration::ZERO);
        self.seats[at].gone = true;
        self.seats[at].guest.control = None;
    }

    /// The client says something.
    fn send(&mut self, at: usize, bytes: &[u8]) {
        if !bytes.is_empty() {
            if self.seats[at].wire.is_tls() {
                self.say(at, "C", bytes);
            }
            let mut raw = self.seats[at].wire.say(bytes);
            raw.extend(self.hurry_out(at));
            self.transmit(at, &raw);
        }
    }

    /// These bytes go over the control connection.
    fn transmit(&mut self, at: usize, raw: &[u8]) {
        if !raw.is_empty() {
            for (arrival, piece) in self.pieces(at, 0, raw) {
                self.plans.plan(arrival, at, What::ToServer(piece));
            }
        }
    }

    /// Bytes on their way in one direction: when which of them arrive.
    fn pieces(&mut self, at: usize, direction: usize, bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let whole = !self.strikes(at, Fault::Pieces);
        let most = if whole { bytes.len().max(1) } else { 9 };
        let now = self.outside.now();
        let mut pieces = Vec::new();
        for piece in bytes.chunks(most) {
            let wait = self.network.between(50, 400);
            let last = &mut self.seats[at].arrival[direction];
            *last = (*last + 1).max(now + wait);
            pieces.push((*last, piece.to_vec()));
        }
        pieces
    }

    /// Lets a session run until it sleeps, and takes what it says.
    fn run(&mut self, at: usize) {
        let mut turns = 0;
        while std::mem::take(&mut self.seats[at].touched) {
            turns += 1;
            assert!(turns < 10_000, "I47: the session does not sleep");
            let runs = self.seats[at].guest.task.is_some();
            let wants_more = self.seats[at].guest.poll();
            if runs && self.seats[at].guest.task.is_none() {
                let late = self.outside.now() > self.seats[at].over_by;
                assert!(!late, "O16: session {at} went on without its client");
            }
            let port = self.seats[at].client.port;
            if let Some(stream) = self.outside.take_dialed(port) {
                self.on_data(at, stream);
            }
            let heard = self.take_replies(at);
            let seat = &mut self.seats[at];
            seat.touched |= wants_more;
            if heard && seat.guest.wake.take_blocked() {
                self.touch(at, Way::Control);
            }
        }
        if turns > 0 {
            self.plan_what_follows(at);
        }
    }

    /// When the session, and the client with its data, go on by themselves.
    fn plan_what_follows(&mut self, at: usize) {
        let seat = &mut self.seats[at];
        if let Some(when) = seat.guest.wake.take().filter(|when| *when < seat.waking) {
            seat.waking = when;
            self.plans.plan(when, at, What::Wake);
        }
        let now = self.outside.now();
        let ready = |data: &&mut Data| !data.planned && data.is_ready();
        if let Some(data) = seat.data.as_mut().filter(ready) {
            data.planned = true;
            let when = now + seat.random.between(5, 300);
            self.plans.plan(when, at, What::Move);
        }
    }

    /// Takes replies from the socket: whether there were any.
    fn take_replies(&mut self, at: usize) -> bool {
        let now = self.outside.now();
        let mut heard = false;
        loop {
            let seat = &mut self.seats[at];
            if now < seat.deaf_until || seat.gone {
                return heard;
            }
            let Some(control) = &mut seat.guest.control else {
                return heard;
            };
            let mut buffer = [0; 1_024];
            match control.read(&mut buffer) {
                Ok(0) => {
                    if !seat.ended {
                        seat.ended = true;
                        let when = seat.arrival[1].max(now) + 1;
                        self.plans.plan(when, at, What::EndToClient);
                    }
                    return heard;
                }
                Ok(count) => {
                    heard = true;
                    for (arrival, piece) in self.pieces(at, 1, &buffer[..count]) {
                        self.plans.plan(arrival, at, What::ToClient(piece));
                    }
                }
                Err(_) => return heard,
            }
        }
    }

    fn say(&mut self, at: usize, who: &str, bytes: &[u8]) {
        say(&mut self.trace, self.outside.now(), at, who, bytes);
    }
}
