//! [`Service`]: what all sessions of a running server share.

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use wharf_core::listing::Clock;
use wharf_core::{Denied, Instant};
use wharf_storage::{Account, Executors, Seat};

use crate::backoff::Failures;
use crate::bans::Bans;
use crate::bell::Bell;
use crate::executors::Threads;
use crate::journal::Journal;
use crate::kept;
use crate::lock::lock;
use crate::network::Network;
use crate::places::{Place, Places};
use crate::ports::PortPool;
use crate::public::{Known, PublicName};
use crate::reserve::Reserve;
use crate::roster::Roster;
use crate::settings::{PublicAddress, Settings};
use crate::sockets::{EXHAUSTED, is_exhausted};

/// A running server: its settings, who is connected, and whether it shall stop.
pub struct Service {
    settings: Settings,
    ports: PortPool,
    places: Places,
    failures: Failures,
    bans: Bans,
    public: Option<PublicName>,
    stopping: AtomicBool,
    reserve: Reserve,
    roster: Roster,
    threads: Threads,
    on_stop: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}

/// How long after the grace time sessions may take to end.
const LATE: Duration = Duration::from_secs(5);

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("sessions", &self.sessions())
            .field("is_stopping", &self.is_stopping())
            .finish_non_exhaustive()
    }
}

impl Service {
    /// A service with these settings, which no server runs yet.
    #[must_use]
    pub fn new(settings: Settings) -> Arc<Self> {
        let ports = PortPool::new(settings.passive_ports.clone());
        let public = match &settings.public_address {
            Some(PublicAddress::Host(name)) => Some(PublicName::new(name)),
            Some(PublicAddress::Literal(_)) | None => None,
        };
        let places = Places::new(settings.sessions, settings.sessions_per_address);
        let threads = Threads::new(settings.storage_threads);
        Arc::new(Self {
            settings,
            ports,
            places,
            failures: Failures::default(),
            bans: Bans::default(),
            public,
            stopping: AtomicBool::new(false),
            reserve: Reserve::default(),
            roster: Roster::default(),
            threads,
            on_stop: Mutex::default(),
        })
    }

    /// What the service was told.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The ports for passive data connections.
    pub(crate) fn ports(&self) -> &PortPool {
        &self.ports
    }

    /// The networks that an operator keeps out.
    pub(crate) fn banned(&self) -> &Bans {
        &self.bans
    }

    /// Who is connected.
    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The descriptor with which a client is told that there is none.
    pub(crate) fn reserve(&self) -> &Reserve {
        &self.reserve
    }

    /// Returns where calls run that may block, for sessions whose own thread may wait for a local disk or
    /// not: one that serves one session may, one that serves many may not.
    #[must_use]
    pub fn executors(&self, may_wait: bool) -> Executors {
        self.threads.executors(may_wait)
    }

    /// Returns the clock of listings.
    pub(crate) fn clock(&self) -> Clock {
        Clock {
            now: SystemTime::now().into(),
            offset: self.settings.utc_offset,
        }
    }

    /// The time of the core's clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.settings.system.now()
    }

    /// Counts a new session, unless there are too many in total or from that address (a /64 of
    /// IPv6), or the address has to wait. Where there are nearly too many, another one that is not
    /// logged in may have to give way.
    pub(crate) fn permit(self: &Arc<Self>, peer: SocketAddr) -> Result<Permit, Refusal> {
        let now = self.now();
        let counted = self.welcomed(peer, now)?;
        let place = self.places.take(counted, now).ok_or(Refusal::Full)?;
        Ok(Permit {
            service: Arc::clone(self),
            place,
        })
    }

    /// Counts a new session of somebody whom a balancer has yet to name, unless there are too many in total.
    pub(crate) fn permit_unknown(self: &Arc<Self>) -> Result<Permit, Refusal> {
        let place = self.places.take_unknown().ok_or(Refusal::Full)?;
        Ok(Permit {
            service: Arc::clone(self),
            place,
        })
    }

    /// What counts as the client's address, unless it has to wait.
    fn welcomed(&self, peer: SocketAddr, now: Instant) -> Result<Option<Network>, Refusal> {
        if self.is_kept_out(peer.ip().to_canonical(), now) {
            return Err(Refusal::KeptOut);
        }
        let counted = self.counted(peer);
        match counted.is_some_and(|network| self.failures.is_waiting(network, now)) {
            true => Err(Refusal::Waits),
            false => Ok(counted),
        }
    }

    /// Whether clients at that address are not served at all.
    fn is_kept_out(&self, address: IpAddr, now: Instant) -> bool {
        let settings = &self.settings;
        let has = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&address));
        has(&settings.deny)
            || !settings.allow.is_empty() && !has(&settings.allow)
            || self.bans.keep_out(address, now)
    }

    /// What becomes of a login to that account from there. A refused one counts. While the address
    /// has to wait none succeeds to an account that was tried, nor to any if many were, so that who
    /// guesses over many sessions at once learns nothing.
    ///
    /// # Errors
    /// What to tell the client.
    pub(crate) fn judge(
        &self,
        peer: SocketAddr,
        username: &[u8],
        outcome: Result<Account, Denied>,
    ) -> Result<(Account, Option<Seat>), Denied> {
        if self.has_to_wait(peer, username) {
            return Err(Denied::Waits);
        }
        let now = self.now();
        if let Err(Denied::Credentials) = outcome
            && let Some(network) = self.counted(peer)
        {
            let rules = &self.settings.back_off;
            if let Some(wait) = self.failures.count(network, username, now, rules) {
                Journal::has_to_wait(peer, wait);
            }
        }
        let account = outcome?;
        let seat = account
            .seats
            .as_ref()
            .map(|seats| seats.take().ok_or(Denied::TooMany));
        Ok((account, seat.transpose()?))
    }

    /// Whether a login to that account has to wait there, whatever its password.
    pub(crate) fn has_to_wait(&self, peer: SocketAddr, username: &[u8]) -> bool {
        let waits = |network| self.failures.account_waits(network, username, self.now());
        self.counted(peer).is_some_and(waits)
    }

    /// What counts as the client's address, unless it is exempt from all that is counted so.
    fn counted(&self, peer: SocketAddr) -> Option<Network> {
        let network = Network::from(peer);
        let names: [IpAddr; 2] = [peer.ip().to_canonical(), network.address()];
        let exempt = &self.settings.back_off_exempt;
        let is_exempt = exempt
            .iter()
            .any(|exempt| names.iter().any(|name| exempt.contains(name)));
        (!is_exempt).then_some(network)
    }

    /// How long a server that stops waits for its sessions: the grace time, and a little more for
    /// what is aborted then.
    #[must_use]
    pub fn drain_time(&self) -> Duration {
        self.settings.grace.saturating_add(LATE)
    }

    /// How many sessions there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.places.taken()
    }

    /// Asks every server of this service to stop: no more clients are accepted, idle ones are told
    /// 421, transfers may end within the grace time of the settings. Returns at once.
    pub fn stop(&self) {
        if !self.stopping.swap(true, Ordering::SeqCst) {
            // Another process may need them at once.
            self.ports.close();
            for tell in std::mem::take(&mut *lock(&self.on_stop)) {
                tell();
            }
        }
    }

    /// Whether [`Service::stop`] was called.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Has `tell` called when the service shall stop, at once if it already shall.
    pub fn on_stop(&self, tell: impl FnOnce() + Send + 'static) {
        let mut waiting = lock(&self.on_stop);
        if self.is_stopping() {
            drop(waiting);
            tell();
        } else {
            waiting.push(Box::new(tell));
        }
    }

    /// How many listeners of passive ports it may keep open that no session has.
    #[must_use]
    pub fn kept_listeners(&self) -> usize {
        let ports = self.settings.passive_ports.as_ref();
        ports.map_or(0, |ports| ports.len().min(kept::most()))
    }

    /// Begins to look the public address up, if it is that of a host name, so that the first client who
    /// needs it does not have to wait.
    pub fn look_up_public_address(&self) {
        self.public_address();
    }

    /// What is known of the address to announce instead of the local one. A host name is looked up
    /// in a thread of its own.
    pub(crate) fn public_address(&self) -> Known {
        match (&self.settings.public_address, &self.public) {
            (Some(PublicAddress::Literal(address)), _) => Known::Is(Some(*address)),
            (Some(PublicAddress::Host(_)), Some(name)) => name.address(),
            _ => Known::Is(None),
        }
    }

    /// Has the bell rung when the public address is known, which is worth waiting for so long.
    pub(crate) fn wait_for_public_address(&self, bell: &Arc<Bell>) -> Duration {
        let name = self.public.as_ref();
        name.map_or(Duration::ZERO, |name| name.wait(bell))
    }

    /// Readable while somebody has connected to a passive port that no session has: then
    /// [`Service::drop_strays`] is to be called. `None` if no such port is open.
    #[must_use]
    pub fn strays(&self) -> Option<BorrowedFd<'_>> {
        self.ports.strays()
    }

    /// Drops those who have connected to passive ports that no session has. Returns how long to wait before
    /// the next call, if that must not follow at once, as [`Service::accept`] does.
    #[must_use = "without the pause its caller spins"]
    pub fn drop_strays(&self) -> Option<Duration> {
        let dropped = self.ports.drop_strays(&*self.settings.system);
        let is_exhausted = dropped.is_err_and(|error| is_exhausted(&error));
        is_exhausted.then_some(EXHAUSTED)
    }
}

/// Why a client is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There are too many sessions, in total or from its address.
    Full,
    /// There is no descriptor or no thread for it.
    Exhausted,
    /// Too many logins from its address were refused.
    Waits,
    /// Clients of its network are not served.
    KeptOut,
}

/// The place of one session among those that may be. Dropping it frees the place.
pub(crate) struct Permit {
    service: Arc<Service>,
    place: Place,
}

impl Permit {
    /// The service that the session belongs to.
    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The client is known now: its address counts, as in [`Service::permit`].
    pub(crate) fn claim(&mut self, peer: SocketAddr) -> Result<(), Refusal> {
        let service = &self.service;
        let now = service.now();
        let counted = service.welcomed(peer, now)?;
        match service.places.claim(&mut self.place, counted, now) {
            true => Ok(()),
            false => Err(Refusal::Full),
        }
    }

    /// The control connection of the session, by which it can be made to give way.
    pub(crate) fn hold(&self, control: &Arc<TcpStream>) {
        self.service.places.hold(&self.place, control);
    }

    /// The control connection becomes a TLS connection.
    pub(crate) fn protect(&self) {
        self.service.places.protect(&self.place);
    }

    /// Whether the session had to give way.
    pub(crate) fn gave_way(&self) -> bool {
        self.service.places.gave_way(&self.place)
    }

    /// The client is logged in.
    pub(crate) fn welcome(&self) {
        self.service.places.welcome(&self.place);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.service.places.leave(&self.place);
    }
}
