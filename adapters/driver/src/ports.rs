//! [`PortPool`]: the passive ports, and the listeners that stand on them between transfers.

use std::collections::VecDeque;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wharf_core::Instant;

use crate::bell::Bell;
use crate::kept::Kept;
use crate::lock::lock;
use crate::log;
use crate::queue::{Asker, Queue};
use crate::sockets::{BACKLOG, drop_stranger};
use crate::system::System;

/// The ports that passive data connections are expected on.
///
/// A port is leased to one session from PASV until its data connection stands, and is then free for
/// others. Which one is drawn at random, so that the next one cannot be guessed (RFC 2577 section
/// 8), and never the one before while there are others. Where none is free, sessions wait in a
/// queue, and a port that is given back goes to the first that may have it.
///
/// The listeners of a given range stay open between leases: to listen anew on a port, the kernel
/// walks all its connections in `TIME_WAIT`. Meanwhile whoever connects is dropped. Without a
/// range the ports are those that the system hands out, and each listener is closed after its
/// lease, since another program may want its port.
pub(crate) struct PortPool {
    all: Ports,
    state: Mutex<State>,
    kept: Option<Kept>,
    random: RandomState,
    /// Tells one number from the next.
    drawn: AtomicU64,
}

/// Which ports there are.
enum Ports {
    /// These, each leased to one session at a time.
    Range(RangeInclusive<u16>),
    /// Any of these that can be had.
    Any(RangeInclusive<u16>),
}

struct State {
    /// The ports of the range that nobody has.
    free: Vec<u16>,
    /// Those that another program had when they were tried last.
    elsewhere: Vec<u16>,
    /// Sessions that found no free port.
    queue: Queue,
    /// The port that was leased last.
    last: u16,
    /// The oldest comes first.
    unused: VecDeque<Unused>,
    /// When somebody was last told that there are too few ports.
    warned: Option<Instant>,
}

/// A lease has ended before anybody has connected: the client may still do so.
struct Unused {
    port: u16,
    client: IpAddr,
    session: u64,
    since: Instant,
}

/// Who wants a port, and for what.
pub(crate) struct Request<'a> {
    pub(crate) system: &'a dyn System,
    /// The server's end of the control connection, where the listener shall be.
    pub(crate) local: SocketAddr,
    pub(crate) asker: Asker,
    /// The port that the session had before; 0 if none.
    pub(crate) former: u16,
    pub(crate) now: Instant,
}

/// A port that one session has for itself.
pub(crate) struct Lease {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// How many ports are tried where any will do, before the system shall find one.
const TRIES: usize = 32;
/// For so long another session from the same address does not get the port of a lease that ended
/// unused: its client may still try to connect.
const LATE: Duration = Duration::from_secs(5);
/// So many of those leases are remembered.
const MOST_UNUSED: usize = 1024;
/// How often a port is looked at that another program has, while somebody waits.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How often the log tells that there are too few ports.
const WARN_AGAIN: Duration = Duration::from_secs(60);

impl PortPool {
    /// A pool of these ports, all free.
    pub(crate) fn new(range: Option<RangeInclusive<u16>>) -> Self {
        let free = range.clone().map_or_else(Vec::new, Iterator::collect);
        Self {
            kept: range.as_ref().and_then(|_| Kept::new()),
            all: match range {
                Some(range) => Ports::Range(range),
                None => Ports::Any(ephemeral()),
            },
            state: Mutex::new(State {
                free,
                elsewhere: Vec::new(),
                queue: Queue::default(),
                last: 0,
                unused: VecDeque::new(),
                warned: None,
            }),
            random: RandomState::new(),
            drawn: AtomicU64::new(0),
        }
    }

    /// Leases a port, with a listener on it in whose backlog nobody is; `None` if none is free just
    /// now.
    ///
    /// # Errors
    /// What the system says, but for ports that are in use: then the next one is tried.
    pub(crate) fn lease(&self, request: &Request<'_>) -> io::Result<Option<Lease>> {
        let mut elsewhere = Vec::new();
        let mut outcome = Ok(None);
        // A port that is free by the pool may be in use by another program.
        for port in self.tries(request) {
            match self.open(request, port) {
                Ok(lease) => {
                    lock(&self.state).last = lease.address.port();
                    outcome = Ok(Some(lease));
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => elsewhere.push(port),
                Err(error) => {
                    self.set_free(port, request.now);
                    outcome = Err(error);
                    break;
                }
            }
        }
        if let Ports::Range(_) = self.all {
            // Not before, or the same one might be drawn again and the free one never.
            lock(&self.state).elsewhere.append(&mut elsewhere);
        }
        outcome
    }

    /// Takes a lease back. It was `used` if its client has connected.
    pub(crate) fn give_back(&self, lease: Lease, request: &Request<'_>, used: bool) {
        let port = lease.address.port();
        if let Some(kept) = &self.kept {
            kept.keep(lease.address, lease.listener);
        }
        if !used {
            let mut state = lock(&self.state);
            if state.unused.len() >= MOST_UNUSED {
                state.unused.pop_front();
            }
            state.unused.push_back(Unused {
                port,
                client: request.asker.client,
                session: request.asker.session,
                since: request.now,
            });
        }
        self.set_free(port, request.now);
    }

    /// Nobody has the port any more: the first that waits may have it.
    fn set_free(&self, port: u16, now: Instant) {
        let Ports::Range(_) = self.all else {
            return;
        };
        let mut state = lock(&self.state);
        state.free.push(port);
        state.hand_out(now);
        if state.free.last() == Some(&port) {
            // For those that wait it is too early.
            state.queue.wake();
        }
    }

    /// Readable while somebody has connected to a port that nobody has: see
    /// [`PortPool::drop_strays`].
    pub(crate) fn strays(&self) -> Option<BorrowedFd<'_>> {
        self.kept.as_ref().map(Kept::strays)
    }

    /// Drops those who have connected to ports that nobody has: late comers of an ended lease, and
    /// who looks for open ports.
    ///
    /// # Errors
    /// What the system says; want of descriptors among it.
    pub(crate) fn drop_strays(&self, system: &dyn System) -> io::Result<()> {
        self.kept
            .as_ref()
            .map_or(Ok(()), |kept| kept.drop_strays(system))
    }

    /// Closes the listeners that nobody has, and keeps none any more: another process takes over.
    pub(crate) fn close(&self) {
        if let Some(kept) = &self.kept {
            kept.close();
        }
    }

    /// Whether somebody waits for a port.
    #[cfg(test)]
    pub(crate) fn is_short(&self) -> bool {
        !lock(&self.state).queue.is_empty()
    }

    /// Has a session wait that found no free port: the bell rings when it is worth trying again. So
    /// it is after the time that is returned, if there is one. The log is told, but not each time.
    pub(crate) fn wait(&self, request: &Request<'_>, bell: &Arc<Bell>) -> Option<Duration> {
        let now = request.now;
        let mut state = lock(&self.state);
        let is_new = state.queue.join(request.asker, bell);
        // One may have been given back since.
        state.hand_out(now);
        let elsewhere = !state.elsewhere.is_empty() || matches!(self.all, Ports::Any(_));
        let later = elsewhere.then_some(LOOK_AGAIN);
        let later = later.into_iter().chain(state.until_free(request)).min();
        if is_new && state.warned.is_none_or(|at| now.since(at) >= WARN_AGAIN) {
            state.warned = Some(now);
            drop(state);
            let (Ports::Range(range) | Ports::Any(range)) = &self.all;
            let ports = format_args!("{}-{}", range.start(), range.end()).to_string();
            log::warn!(
                ports,
                "no passive port is free and a client has to wait: `ports` in [passive] should \
                 have more"
            );
        }
        later
    }

    /// A session waits no longer: what it was given, and what was kept for it, is for others.
    pub(crate) fn leave(&self, session: u64, now: Instant) {
        let mut state = lock(&self.state);
        let given = state.queue.leave(session);
        state.free.extend(given);
        state.hand_out(now);
    }

    /// Ports to try before the answer is that none is free, or port 0 where the system may find
    /// one.
    fn tries<'a>(&'a self, request: &'a Request<'_>) -> impl Iterator<Item = u16> + 'a {
        let (count, last) = match &self.all {
            Ports::Range(range) => (range.len(), None),
            Ports::Any(_) => (TRIES, Some(0)),
        };
        (0..count).map_while(|_| self.take(request)).chain(last)
    }

    /// Takes a free port at random that this client may have.
    fn take(&self, request: &Request<'_>) -> Option<u16> {
        let mut state = lock(&self.state);
        state.forget(request.now);
        match &self.all {
            Ports::Range(_) => {
                let asker = &request.asker;
                if let Some(given) = state.queue.take_given(asker.session) {
                    return Some(given);
                }
                if asker.outstays && state.queue.is_before(asker.session) {
                    return None;
                }
                let Some(at) = self.pick(&state, request) else {
                    // Another program may have given it up.
                    let may = |port: &u16| state.may_have(asker, *port);
                    let at = state.elsewhere.iter().position(may)?;
                    return Some(state.elsewhere.swap_remove(at));
                };
                Some(state.free.swap_remove(at))
            }
            Ports::Any(range) => (0..TRIES)
                .filter_map(|_| range.clone().nth(self.draw(range.len())?))
                .filter(|port| ![state.last, request.former].contains(port))
                .find(|port| state.may_have(&request.asker, *port)),
        }
    }

    /// Which of the free ports that client gets, if it may have one.
    fn pick(&self, state: &State, request: &Request<'_>) -> Option<usize> {
        let free = &state.free;
        let count = free.len();
        let first = self.draw(count)?;
        let places = || (first..count).chain(0..first);
        let may = |at: &usize| state.may_have(&request.asker, free[*at]);
        let fitting = || places().filter(may);
        let others = |former: [u16; 2]| move |at: &usize| !former.contains(&free[*at]);
        fitting()
            .find(others([state.last, request.former]))
            .or_else(|| fitting().find(others([state.last; 2])))
            .or_else(|| fitting().next())
    }

    /// A listener on this port in whose backlog nobody is.
    fn open(&self, request: &Request<'_>, port: u16) -> io::Result<Lease> {
        let mut at = request.local;
        at.set_port(port);
        let kept = self.kept.as_ref().and_then(|kept| kept.take(at));
        if let Some(listener) = kept
            && is_drained(request.system, &listener)
        {
            return Ok(Lease {
                listener,
                address: at,
            });
        }
        let (listener, address) = request.system.listen(at)?;
        Ok(Lease { listener, address })
    }

    /// A number below the bound, if there is one. A hash with a secret key is hard enough to
    /// guess.
    fn draw(&self, bound: usize) -> Option<usize> {
        let bound = u64::try_from(bound).ok()?;
        let number = self
            .random
            .hash_one(self.drawn.fetch_add(1, Ordering::Relaxed));
        usize::try_from(number.checked_rem(bound)?).ok()
    }
}

impl State {
    /// Forgets leases that ended long ago.
    fn forget(&mut self, now: Instant) {
        let is_old = |unused: &Unused| now.since(unused.since) >= LATE;
        while self.unused.front().is_some_and(is_old) {
            self.unused.pop_front();
        }
    }

    /// Whether no late connection of another session from there can be taken for one of this.
    fn may_have(&self, asker: &Asker, port: u16) -> bool {
        self.kept_from(asker, port).next().is_none()
    }

    /// The leases of the port whose late connections could be taken for one of this session.
    fn kept_from<'a>(
        &'a self,
        asker: &'a Asker,
        port: u16,
    ) -> impl DoubleEndedIterator<Item = &'a Unused> {
        self.unused.iter().filter(move |unused| {
            unused.port == port && unused.client == asker.client && unused.session != asker.session
        })
    }

    /// Gives free ports to those that wait, as far as they may have them.
    fn hand_out(&mut self, now: Instant) {
        if self.queue.is_empty() {
            return;
        }
        self.forget(now);
        let mut queue = std::mem::take(&mut self.queue);
        let free = std::mem::take(&mut self.free);
        self.free = free
            .into_iter()
            .filter(|port| !queue.give(*port, |asker| self.may_have(asker, *port)))
            .collect();
        self.queue = queue;
    }

    /// When the first of the free ports is one that this session may have.
    fn until_free(&self, request: &Request<'_>) -> Option<Duration> {
        let kept_from = |port: &u16| self.kept_from(&request.asker, *port).next_back();
        let latest = self.free.iter().filter_map(kept_from);
        latest
            .map(|unused| (unused.since + LATE).since(request.now))
            .min()
    }
}

/// Drops who waits at the listener: whether it can be used.
fn is_drained(system: &dyn System, listener: &TcpListener) -> bool {
    // More than wait there; if others come meanwhile, a new listener is quicker.
    for _ in 0..2 * BACKLOG {
        match system.accept(listener) {
            Ok((stream, _)) => drop_stranger(stream),
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
    false
}

/// The ports that the system hands out to programs.
fn ephemeral() -> RangeInclusive<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(first), Some(last)) if first <= last => first..=last,
        // Those that are set aside for it.
        _ => 49_152..=65_535,
    }
}
