//! The second level: the session of `wharf-smol` itself, with its sleeping and waking, its pump and
//! its passive listeners, on sockets that lead to the simulated clients and in simulated time.

mod guest;
mod outside;
mod play;
mod stage;
mod storage;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::event::PollFlags;
use smol::channel::{Receiver, Sender};
use wharf_core::Config;
use wharf_server::{Service, Settings};

use crate::case::{Case, Fault};
use crate::client::Client;
use crate::queue::Queue;
use crate::random::Random;
use crate::world::{Outcome, QUIET_AFTER, draw_grant, furnished, say};
use guest::Guest;
use outside::{Outside, Way, is_ready};
use storage::{Disk, Everybody};

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
    /// The client loses patience.
    Fidget,
    /// The server is stopped.
    Stop,
}

/// The client's end of a data connection.
struct Data {
    stream: TcpStream,
    /// What is still to be sent; `None`: it is received.
    upload: Option<Vec<u8>>,
    /// A move is planned.
    planned: bool,
    /// Nothing moves any more.
    stalls: bool,
}

struct Seat {
    guest: Guest,
    /// When the next wake is planned.
    waking: u64,
    /// The session is worth looking at.
    touched: bool,
    client: Client,
    data: Option<Data>,
    random: Random,
    arrival: [u64; 2],
    deaf_until: u64,
    troubled: bool,
    gone: bool,
    /// The end of the replies is on its way.
    ended: bool,
}

struct World<'a> {
    case: Case,
    trace: Option<&'a mut String>,
    outside: Arc<Outside>,
    disk: Arc<Disk>,
    service: Arc<Service>,
    /// Dropped when the server shall stop.
    stopper: Option<Sender<()>>,
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
    let mut world = World::new(case.clone(), trace);
    while let Some(plan) = world.plans.pop() {
        world.outside.set_now(plan.at);
        world.outcome.count(plan.at, plan.seat);
        world.happen(plan.seat, plan.what);
    }
    world.judge();
    world.outcome
}

impl<'a> World<'a> {
    fn new(case: Case, trace: Option<&'a mut String>) -> Self {
        let root = Random::new(case.seed);
        let outside = Arc::new(Outside::default());
        outside.set_now(1_000_000);
        let mut random = root.fork("rights", 0);
        let grant = draw_grant(&mut random);
        let disk = Disk::new(&case, furnished(), &outside, root.fork("disk", 0), grant);
        let mut settings = Settings::new(Arc::new(Everybody(Arc::clone(&disk))));
        settings.system = Arc::clone(&outside) as _;
        settings.protocol = Arc::new(Config::default());
        settings.grace = Duration::from_secs(10);
        let (stopper, stop) = smol::channel::bounded(1);
        let mut world = Self {
            trace,
            service: Service::new(settings),
            stopper: Some(stopper),
            plans: Queue::default(),
            seats: Vec::new(),
            network: root.fork("network", 0),
            outcome: Outcome {
                sessions: case.clients,
                ..Outcome::default()
            },
            outside,
            disk,
            case,
        };
        for number in 0..world.case.clients {
            world.sit_down(&root, number, &stop);
        }
        if world.network.chance(world.case.rate(Fault::Shutdown)) {
            let at = world.outside.now() + world.network.below(2_000_000);
            world.plans.plan(at, 0, What::Stop);
        }
        world
    }

    fn sit_down(&mut self, root: &Random, number: u64, stop: &Receiver<()>) {
        let jobs = root.fork("jobs", number);
        let guest = Guest::new(&self.service, &self.outside, jobs, stop.clone());
        let garbage = self.case.rate(Fault::Garbage);
        let random = root.fork("client", number);
        self.seats.push(Seat {
            guest,
            waking: u64::MAX,
            touched: true,
            client: Client::new(random, number, self.case.commands, garbage),
            data: None,
            random: root.fork("seat", number),
            arrival: [0; 2],
            deaf_until: 0,
            troubled: false,
            gone: false,
            ended: false,
        });
        let seat = self.seats.len() - 1;
        self.plans
            .plan(self.outside.now() + 200_000, seat, What::Fidget);
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
                self.say(at, "C", &bytes);
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
            What::ToClient(bytes) => {
                self.say(at, "S", &bytes);
                self.on_replies(at, &bytes);
            }
            What::EndToClient => {
                let seat = &self.seats[at];
                if !seat.gone && !seat.troubled && !self.disk.troubled.load(Ordering::Relaxed) {
                    seat.client.on_end();
                }
            }
            What::Wake => {
                self.seats[at].waking = u64::MAX;
                self.seats[at].touched = true;
            }
            What::Connect(port) => {
                if let Ok(stream) = self.outside.connect(port) {
                    self.on_data(at, stream);
                }
            }
            What::Move => {
                self.touch(at, Way::Data);
                self.move_data(at);
            }
            What::Fidget => self.fidget(at),
            What::Stop => {
                self.service.stop();
                self.stopper = None;
                for seat in 0..self.seats.len() {
                    self.seats[seat].troubled = true;
                    self.plans.plan(now + seat as u64, seat, What::Wake);
                }
            }
            What::Hear => self.seats[at].touched = true,
        }
        self.run(at);
    }

    fn on_replies(&mut self, at: usize, bytes: &[u8]) {
        let now = self.outside.now();
        if self.seats[at].gone {
            return;
        }
        // What the server says of a download it says behind its bytes.
        self.drain_data(at);
        let seat = &mut self.seats[at];
        let unknown = self.disk.unknown.load(Ordering::Relaxed);
        seat.client.unknown |= unknown;
        seat.client.hear(now, bytes, &self.disk.store());
        if let Some(port) = self.seats[at].client.passive.take()
            && !self.strikes(at, Fault::DataSilent)
        {
            let when = now + self.network.between(50, 400);
            self.plans.plan(when, at, What::Connect(port));
        }
        let bytes = self.seats[at].client.speak(now);
        if !bytes.is_empty() {
            self.send(at, bytes);
        }
    }

    /// A data connection stands.
    fn on_data(&mut self, at: usize, stream: TcpStream) {
        let client = &mut self.seats[at].client;
        client.download.clear();
        client.broke = false;
        let upload = (!client.downloads()).then(|| client.upload());
        let stalls = self.strikes(at, Fault::DataStall);
        self.touch(at, Way::Data);
        self.seats[at].data = Some(Data {
            stream,
            upload,
            planned: false,
            stalls,
        });
    }

    /// The client sends or takes some bytes of data.
    fn move_data(&mut self, at: usize) {
        // An upload that breaks cannot be told from its end on these sockets.
        let breaks = self.seats[at]
            .data
            .as_ref()
            .is_some_and(|data| data.upload.is_none())
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
        let over = match &mut data.upload {
            Some(rest) if rest.is_empty() => true,
            Some(rest) => {
                let count = rest.len().min(most);
                match data.stream.write(&rest[..count]) {
                    Ok(written) => {
                        rest.drain(..written);
                        false
                    }
                    Err(error) => error.kind() != ErrorKind::WouldBlock,
                }
            }
            None => {
                let mut buffer = vec![0; most];
                match data.stream.read(&mut buffer) {
                    Ok(count) => {
                        seat.client.download.extend_from_slice(&buffer[..count]);
                        count == 0
                    }
                    Err(error) => error.kind() != ErrorKind::WouldBlock,
                }
            }
        };
        if over {
            seat.data = None;
        }
    }

    /// Takes all that there is of a download.
    fn drain_data(&mut self, at: usize) {
        let seat = &mut self.seats[at];
        if let Some(data) = seat.data.as_mut().filter(|data| data.upload.is_none()) {
            // Until it would have to wait.
            let _ = data.stream.read_to_end(&mut seat.client.download);
            self.touch(at, Way::Data);
        }
    }

    /// What a client does beside its plan.
    fn fidget(&mut self, at: usize) {
        let now = self.outside.now();
        if self.seats[at].guest.task.is_none() || self.seats[at].gone {
            return;
        }
        if self.strikes(at, Fault::Abort)
            && let Some(bytes) = self.seats[at].client.abort(now)
        {
            self.send(at, bytes.to_vec());
        }
        if self.strikes(at, Fault::Deaf) {
            let until = now + self.network.between(1, 90_000_000);
            self.seats[at].deaf_until = until;
            self.plans.plan(until, at, What::Hear);
        }
        if self.strikes(at, Fault::ControlReset) {
            self.touch(at, Way::Control);
            self.seats[at].gone = true;
            self.seats[at].guest.control = None;
        } else if self.strikes(at, Fault::HalfClose) {
            let arrival = self.seats[at].arrival[0].max(now) + 1;
            self.plans.plan(arrival, at, What::EndToServer);
        } else if self.strikes(at, Fault::Vanish) {
            self.seats[at].gone = true;
        } else if now < QUIET_AFTER {
            let patience = self.network.between(10_000, 3_000_000);
            self.plans.plan(now + patience, at, What::Fidget);
        }
    }

    fn send(&mut self, at: usize, bytes: Vec<u8>) {
        for (arrival, piece) in self.pieces(at, 0, &bytes) {
            self.plans.plan(arrival, at, What::ToServer(piece));
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
            let wants_more = self.seats[at].guest.poll();
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
        if let Some(data) = seat
            .data
            .as_mut()
            .filter(|data| !data.planned && !data.stalls)
        {
            let interest = match data.upload {
                Some(_) => PollFlags::OUT,
                None => PollFlags::IN,
            };
            if is_ready(&data.stream, interest) {
                data.planned = true;
                let when = now + seat.random.between(5, 300);
                self.plans.plan(when, at, What::Move);
            }
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

    /// What must be so when nothing happens any more.
    fn judge(&mut self) {
        let store = self.disk.store();
        assert_eq!(store.open, 0, "O4: handles are open");
        let unlucky = self.disk.troubled.load(Ordering::Relaxed);
        for (number, seat) in self.seats.iter().enumerate() {
            assert!(seat.guest.task.is_none(), "I47: session {number} goes on");
            seat.client.judge(number, seat.troubled || unlucky, &store);
        }
        for port in self.outside.ports() {
            let listens = self.outside.connect(port).is_ok();
            assert!(!listens, "O4: port {port} still listens");
        }
    }
}
