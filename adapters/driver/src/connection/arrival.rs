//! [`Arrival`]: a connection that begins with a PROXY header, until that has come.

use std::fmt;
use std::io::{self, ErrorKind, Read as _};
use std::time::Duration;

use wharf_core::Instant;
use wharf_storage::Executors;

use crate::client::{Client, Origin};
use crate::control::is_passing;
use crate::journal::Journal;
use crate::proxy::{Header, MOST, Malformed, Parsed, parse};
use crate::sockets;

/// A balancer sends the header at once, in one piece; one that is lost on the way is sent again within three
/// seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// A client of which only the balancer is known. It has a place, so that no more of these wait than sessions may
/// be.
pub(super) struct Arrival {
    client: Client,
    executors: Executors,
    /// What has come of the header.
    received: Vec<u8>,
    until: Instant,
    broken: bool,
}

/// What came of it.
pub(super) enum Arrived {
    /// The header is not whole.
    NotYet(Arrival),
    /// It has come so, and has a place of its own.
    Client(Client, Origin, Executors),
    /// The log was told why.
    Nobody,
}

/// Why there is no header.
enum Missing {
    /// The balancer has closed the connection, as it does to see whether somebody is here.
    Ended,
    Late,
    Broken(io::Error),
    /// What came is none.
    Other(Malformed),
}

impl Arrival {
    /// It has just connected.
    pub(super) fn new(client: Client, executors: Executors) -> Self {
        Self {
            until: client.service().now() + PATIENCE,
            client,
            executors,
            received: Vec::new(),
            broken: false,
        }
    }

    /// How long it is worth waiting.
    pub(super) fn patience(&self) -> Duration {
        self.until.since(self.client.service().now())
    }

    /// The connection cannot be waited for.
    pub(super) fn is_broken(&mut self) {
        self.broken = true;
    }

    /// Reads as much of the header as has come, and not a byte behind it.
    pub(super) fn step(mut self) -> Arrived {
        match self.read() {
            Ok(Some(header)) => self.introduce(header),
            Ok(None) => Arrived::NotYet(self),
            Err(why) => {
                self.tell(&why);
                Arrived::Nobody
            }
        }
    }

    /// The header, if it is whole.
    fn read(&mut self) -> Result<Option<Header>, Missing> {
        let mut socket = &*self.client.socket;
        let mut buffer = [0; MOST];
        loop {
            let before = self.received.len();
            // One that is not whole has room for a byte more.
            let room = &mut buffer[..MOST - before];
            let count = match socket.peek(room) {
                Ok(0) => return Err(Missing::Ended),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return match self.patience().is_zero() {
                        _ if self.broken => Err(Missing::Broken(error)),
                        true => Err(Missing::Late),
                        false => Ok(None),
                    };
                }
                Err(error) => return Err(Missing::Broken(error)),
            };
            self.received.extend_from_slice(&room[..count]);
            let (header, length) = match parse(&self.received) {
                Parsed::Header { header, length } => (Some(header), length),
                Parsed::Incomplete => (None, self.received.len()),
                Parsed::Malformed(why) => return Err(Missing::Other(why)),
            };
            // What was only looked at is taken now, as far as it is the header.
            let taken = match socket.read(&mut room[..length - before]) {
                Ok(taken) => taken,
                Err(error) if is_passing(&error) => 0,
                Err(error) => return Err(Missing::Broken(error)),
            };
            self.received.truncate(before + taken);
            if header.is_some() && self.received.len() == length {
                return Ok(header);
            }
        }
    }

    /// The balancer has said who it is: whether there is a place for that client.
    fn introduce(self, header: Header) -> Arrived {
        let Self {
            client, executors, ..
        } = self;
        let balancer = sockets::canonical(client.peer);
        let (peer, origin) = match header {
            Header::Own => (balancer, Origin::Balancer),
            // So haproxy says in version 1 that it only looks in.
            Header::Relayed { source, .. } if sockets::canonical(source) == balancer => {
                (balancer, Origin::Balancer)
            }
            Header::Relayed {
                source,
                destination,
            } => (
                sockets::canonical(source),
                Origin::Relayed {
                    by: balancer,
                    reached: destination.ip().to_canonical(),
                },
            ),
        };
        match client.known_as(peer) {
            Some(client) => Arrived::Client(client, origin, executors),
            None => Arrived::Nobody,
        }
    }

    fn tell(&self, why: &Missing) {
        let (balancer, received) = (self.client.peer, &self.received[..]);
        let why: &dyn fmt::Display = match why {
            Missing::Ended | Missing::Broken(_) if received.is_empty() => {
                return Journal::looked_in(balancer);
            }
            Missing::Ended => &"the connection ended within it",
            Missing::Late => &"it was not whole within five seconds",
            Missing::Broken(error) => error,
            Missing::Other(why) => why,
        };
        Journal::no_header(balancer, why, received);
    }
}
