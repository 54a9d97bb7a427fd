//! [`Bans`]: networks that an operator keeps out while the server runs.

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ipnet::IpNet;
use wharf_core::Instant;

use crate::lock::lock;
use crate::service::Service;

/// A network that is kept out, as [`Service::bans`] tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ban {
    /// The network.
    pub network: IpNet,
    /// How long it is kept out from now on; `None`: until the server ends.
    pub left: Option<Duration>,
}

/// The networks that are kept out, and until when.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    networks: Mutex<Vec<(IpNet, Option<Instant>)>>,
    /// There are some, so that it is worth looking.
    are_there: AtomicBool,
}

impl Bans {
    fn change<T>(
        &self,
        now: Instant,
        change: impl FnOnce(&mut Vec<(IpNet, Option<Instant>)>) -> T,
    ) -> T {
        let mut networks = lock(&self.networks);
        networks.retain(|(_, until)| until.is_none_or(|until| until > now));
        let changed = change(&mut networks);
        self.are_there
            .store(!networks.is_empty(), Ordering::Relaxed);
        changed
    }

    /// Whether somebody at that address is kept out.
    pub(crate) fn keep_out(&self, address: IpAddr, now: Instant) -> bool {
        self.are_there.load(Ordering::Relaxed)
            && self.change(now, |networks| {
                networks
                    .iter()
                    .any(|(network, _)| network.contains(&address))
            })
    }
}

impl Service {
    /// Keeps clients of a network out: for so long, or until the server ends. They are told 421 when they
    /// connect. Sessions that there are go on: see [`Service::dismiss`]. A network that was kept out already
    /// is from now on so for that long.
    pub fn ban(&self, network: IpNet, time: Option<Duration>) {
        let (now, network) = (self.now(), network.trunc());
        let until = time.map(|time| now + time);
        self.banned().change(now, |networks| {
            networks.retain(|(banned, _)| *banned != network);
            networks.push((network, until));
        });
    }

    /// Lets clients of a network in again; returns whether it was kept out. One that is a part of another
    /// network that is kept out is still.
    pub fn unban(&self, network: IpNet) -> bool {
        let network = network.trunc();
        self.banned().change(self.now(), |networks| {
            let before = networks.len();
            networks.retain(|(banned, _)| *banned != network);
            networks.len() < before
        })
    }

    /// Returns the networks that are kept out, in the order in which they were banned.
    #[must_use]
    pub fn bans(&self) -> Vec<Ban> {
        let now = self.now();
        self.banned().change(now, |networks| {
            let bans = networks.iter().map(|(network, until)| Ban {
                network: *network,
                left: until.map(|until| until.since(now)),
            });
            bans.collect()
        })
    }
}
