//! Every state, every event in it, and every short sequence of events, all under watch.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use wharf_core::check::{Checked, Machine, State, fulfil, wind_down};
use wharf_core::{Action, Failure, Grant, Instant, Kind, Metadata, Protection, TlsPolicy};

use crate::common::Scene;

/// What may happen next.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The client sends that line.
    Line(&'static str),
    /// The request that is out is done.
    Done,
    /// It fails.
    Fails(Failure),
    /// Time passes: so long that an upload is worth doubting.
    Pause,
    /// Time passes up to the deadline.
    Deadline,
    Eof,
    Lost,
    Shutdown,
}

use Event::{Deadline, Done, Eof, Fails, Line, Lost, Pause, Shutdown};

/// Every event that makes a difference.
const EVENTS: [Event; 52] = [
    Line("USER u"),
    Line("PASS p"),
    Line("REIN"),
    Line("QUIT"),
    Line("NOOP"),
    Line("PWD"),
    Line("CWD d"),
    Line("SIZE f"),
    Line("MDTM f"),
    Line("MLST f"),
    Line("STAT"),
    Line("STAT d"),
    Line("TYPE A"),
    Line("TYPE I"),
    Line("REST 3"),
    Line("REST 0"),
    Line("PASV"),
    Line("EPSV"),
    Line("EPSV ALL"),
    Line("PORT 127,0,0,1,200,10"),
    Line("PORT 10,0,0,1,200,10"),
    Line("EPRT |1|127.0.0.1|51211|"),
    Line("RETR f"),
    Line("STOR f"),
    Line("APPE f"),
    Line("STOU"),
    Line("LIST"),
    Line("LIST d"),
    Line("NLST *.c"),
    Line("MLSD"),
    Line("ABOR"),
    Line("DELE f"),
    Line("RMD d"),
    Line("MKD d"),
    Line("RNFR f"),
    Line("RNTO g"),
    Line("SITE CHMOD 600 f"),
    Line("AVBL"),
    Line("ALLO 9"),
    Line("FEAT"),
    Line("AUTH TLS"),
    Line("GET / HTTP/1.1"),
    Line("XYZZY"),
    Done,
    Fails(Failure::NotFound),
    Fails(Failure::Cancelled),
    Pause,
    Deadline,
    Eof,
    Lost,
    Shutdown,
    Line("HOST h"),
];

/// Those of them that short sequences are made of.
const MOVES: [Event; 26] = [
    Line("NOOP"),
    Line("TYPE A"),
    Line("REST 3"),
    Line("PASV"),
    Line("EPSV ALL"),
    Line("PORT 127,0,0,1,200,10"),
    Line("RETR f"),
    Line("STOR f"),
    Line("LIST d"),
    Line("STAT"),
    Line("ABOR"),
    Line("RNFR f"),
    Line("RNTO g"),
    Line("DELE f"),
    Line("CWD d"),
    Line("USER u"),
    Line("PASS p"),
    Line("REIN"),
    Line("QUIT"),
    Done,
    Fails(Failure::NotFound),
    Pause,
    Deadline,
    Eof,
    Lost,
    Shutdown,
];

/// Where there is TLS, those that it makes a difference to.
const TLS_EVENTS: [Event; 26] = [
    Line("AUTH TLS"),
    Line("AUTH SSL"),
    Line("PBSZ 0"),
    Line("PROT P"),
    Line("PROT C"),
    Line("CCC"),
    Line("REIN"),
    Line("USER u"),
    Line("PASS p"),
    Line("QUIT"),
    Line("NOOP"),
    Line("PASV"),
    Line("PORT 127,0,0,1,200,10"),
    Line("RETR f"),
    Line("STOR f"),
    Line("LIST"),
    Line("STAT"),
    Line("ABOR"),
    Done,
    Fails(Failure::NotFound),
    Fails(Failure::Cancelled),
    Pause,
    Deadline,
    Eof,
    Lost,
    Shutdown,
];

/// Those that short sequences behind AUTH are made of.
const TLS_MOVES: [Event; 17] = [
    Line("AUTH TLS"),
    Line("PBSZ 0"),
    Line("PROT P"),
    Line("PROT C"),
    Line("CCC"),
    Line("REIN"),
    Line("USER u"),
    Line("PASS p"),
    Line("PASV"),
    Line("RETR f"),
    Line("ABOR"),
    Done,
    Fails(Failure::NotFound),
    Deadline,
    Eof,
    Lost,
    Shutdown,
];

/// A session, its embedder that answers when it is told to, and the time.
#[derive(Clone)]
struct World {
    session: Checked,
    now: Instant,
    out: Option<Action>,
}

impl World {
    fn new(scene: Scene) -> Self {
        let now = Instant::from_micros(1_000_000);
        let mut world = Self {
            session: Checked::new(&Arc::new(scene.config), scene.ends, now),
            now,
            out: None,
        };
        world.exchange();
        world
    }

    fn clear() -> Self {
        Self::new(Scene::new())
    }

    /// One in which commands wait and transfers are slow.
    fn paced() -> Self {
        Self::new(Scene::new().limits(|limits| {
            limits.commands_per_second = 1;
            limits.min_rate = 1;
        }))
    }

    /// One that offers all that there is, and one that demands it.
    fn with_tls() -> [Self; 2] {
        [Protection::Offered, Protection::Required].map(|protection| {
            Self::new(Scene::new().config(|config| {
                config.tls = TlsPolicy {
                    control: protection,
                    data: protection,
                    ccc: true,
                    implicit: false,
                };
            }))
        })
    }

    fn after(mut self, events: &[Event]) -> Self {
        for event in events {
            self.step(*event);
        }
        self
    }

    /// Whether the event can happen at all.
    fn step(&mut self, event: Event) -> bool {
        let session = &mut self.session;
        match event {
            Line(line) => {
                if !session.wants_input() {
                    return false;
                }
                for piece in [line.as_bytes(), b"\r\n"] {
                    assert_eq!(session.receive(self.now, piece), piece.len());
                }
            }
            Done => {
                let is_file = session.path().as_bytes() == "/f";
                let Some(event) = self.out.take().and_then(|out| done(out, is_file)) else {
                    return false;
                };
                // The check knows whether it may be refused.
                let _ = session.handle(self.now, event);
            }
            Fails(failure) => {
                let Some(event) = self.out.take().and_then(|out| out.refuse(failure)) else {
                    return false;
                };
                let _ = session.handle(self.now, event);
            }
            Pause => {
                self.now = self.now + Duration::from_millis(50);
                session.tick(self.now);
            }
            Deadline => {
                let Some(deadline) = session.deadline() else {
                    return false;
                };
                self.now = deadline;
                session.tick(self.now);
            }
            Eof => session.receive_eof(self.now),
            Lost => session.lost(self.now),
            Shutdown => session.shutdown(self.now, Duration::from_secs(10)),
        }
        self.exchange();
        true
    }

    /// Takes what the session says and asks.
    fn exchange(&mut self) {
        loop {
            let waiting = self.session.transmit().len();
            if waiting > 0 {
                self.session.transmitted(self.now, waiting);
            }
            while self.session.note().is_some() {}
            match self.session.poll() {
                None => return,
                Some(Action::Cancel(_) | Action::Disconnect) => {}
                request => self.out = request,
            }
        }
    }

    fn state(&self) -> State {
        self.session.inner().state()
    }
}

fn grant() -> Grant {
    Scene::new().grant
}

/// What is asked is done. `/f` is a file.
fn done(action: Action, is_file: bool) -> Option<wharf_core::Event> {
    match action {
        Action::Stat(ticket) if is_file => Some(ticket.done(Ok(Metadata {
            kind: Kind::File,
            ..Metadata::default()
        }))),
        action => fulfil(action, &grant()),
    }
}

/// One world for each state that can be reached, and how often an event was tried.
fn reach(first: World, events: &[Event]) -> (BTreeMap<State, World>, usize) {
    let mut reached = BTreeMap::from([(first.state(), first.clone())]);
    let mut fresh = vec![first];
    let mut tried = 0;
    while let Some(world) = fresh.pop() {
        for event in events {
            let mut next = world.clone();
            tried += usize::from(next.step(*event));
            if let Entry::Vacant(place) = reached.entry(next.state()) {
                place.insert(next.clone());
                fresh.push(next);
            }
        }
    }
    (reached, tried)
}

#[test]
fn every_reachable_state_is_known_and_ends() {
    let (mut reached, mut tried) = (Vec::new(), 0);
    let in_clear = [World::clear(), World::paced()].map(|first| (first, &EVENTS[..]));
    let with_tls = World::with_tls().map(|first| (first, &TLS_EVENTS[..]));
    for (first, events) in in_clear.into_iter().chain(with_tls) {
        let (more, times) = reach(first, events);
        reached.extend(more);
        tried += times;
    }
    println!("{} states, {tried} pairs of state and event", reached.len());
    let mut table = BTreeSet::new();
    for (state, world) in reached {
        table.insert(state.to_string());
        let mut world = world;
        wind_down(&mut world.session, world.now, world.out.take(), &grant());
    }
    let mut shown = String::new();
    for line in table {
        writeln!(shown, "{}", line.trim_end()).expect("to write into a string");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/states.txt");
    if std::env::var_os("WHARF_BLESS").is_some() {
        std::fs::write(path, &shown).expect("to write the table");
    }
    let known = std::fs::read_to_string(path).expect("the table of states");
    let lines = |table: &str| table.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (known, shown) = (lines(&known), lines(&shown));
    let new: Vec<_> = shown.difference(&known).collect();
    let gone: Vec<_> = known.difference(&shown).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "new states: {new:#?}\nstates that are gone: {gone:#?}\nif that is as it should be, run \
         this test with WHARF_BLESS=1 and look at the change of tests/states.txt"
    );
}

/// All sequences of so many moves after that world; the shorter ones are let end.
fn every_sequence(world: &World, moves: &[Event], depth: usize, count: &mut u64) {
    for event in moves {
        let mut next = world.clone();
        if !next.step(*event) {
            continue;
        }
        *count += 1;
        if depth > 1 {
            every_sequence(&next, moves, depth - 1, count);
        }
        if depth > 2 {
            wind_down(&mut next.session, next.now, next.out.take(), &grant());
        }
    }
}

#[test]
fn every_short_sequence_keeps_the_invariants() {
    let depth = std::env::var("WHARF_DEPTH").map_or(5, |depth| depth.parse().expect("a number"));
    let login = [Line("USER u"), Line("PASS p"), Done, Line("TYPE I")];
    let mut count = 0;
    every_sequence(&World::clear().after(&login), &MOVES, depth, &mut count);
    println!("{count} sequences of up to {depth} moves");
    assert!(count > 26_u64.pow(depth as u32 - 1), "{count}");
    let login = [Line("USER u"), Line("PASS p"), Deadline, Done];
    let paced = World::paced().after(&login);
    assert_eq!(paced.state().login, "account");
    let mut count = 0;
    every_sequence(&paced, &MOVES, depth - 1, &mut count);
    println!("{count} of commands that wait");
    assert!(count > 20_u64.pow(depth as u32 - 2), "{count}");
    let auth = [Line("AUTH TLS"), Done];
    for first in World::with_tls() {
        let mut count = 0;
        every_sequence(&first.after(&auth), &TLS_MOVES, depth, &mut count);
        println!("{count} behind AUTH");
        assert!(count > 10_u64.pow(depth as u32 - 1), "{count}");
    }
}

/// I52.
#[test]
fn a_copy_goes_on_like_the_original() {
    let (mut reached, _) = reach(World::clear(), &EVENTS);
    for first in World::with_tls() {
        reached.extend(reach(first, &TLS_EVENTS).0);
    }
    for (_, mut world) in reached.into_iter().step_by(7) {
        let mut copy = world.clone();
        for event in EVENTS.into_iter().chain(TLS_EVENTS) {
            assert_eq!(world.step(event), copy.step(event));
            assert_eq!(world.state(), copy.state());
            assert_eq!(world.session.transmit(), copy.session.transmit());
            assert_eq!(world.session.deadline(), copy.session.deadline());
        }
    }
}
