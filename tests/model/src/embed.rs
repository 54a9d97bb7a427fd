//! [`Embedder`]: does what a session asks, on a [`Store`], at once.

use std::net::SocketAddr;

use wharf_core::ascii::{ToFile, ToWire};
use wharf_core::check::Machine;
use wharf_core::listing::{Clock, Listing, Step};
use wharf_core::{
    Action, Answer, DataFailure, Denied, End, Entry, Event, Failure, Flow, Grant, Identified,
    Optional, Plan, Transferred, Verdict,
};

use crate::store::{Handle, Store};

/// The present in listings.
const CLOCK: Clock = Clock {
    now: wharf_core::Timestamp::from_seconds(1_525_251_660),
    offset: 0,
};

/// Where every passive listener is.
pub const LISTENER: ([u8; 4], u16) = ([127, 0, 0, 1], 51_210);

/// What a session has of the world.
#[derive(Debug)]
pub struct Embedder {
    /// What a login gets.
    pub grant: Grant,
    /// What is open.
    pub handle: Option<Handle>,
    /// The data connection stands.
    pub connected: bool,
    /// What the client will send on the next data connection.
    pub upload: Vec<u8>,
    /// What the client got on the last one.
    pub download: Vec<u8>,
}

impl Embedder {
    /// One that has nothing open.
    #[must_use]
    pub fn new(grant: Grant) -> Self {
        Self {
            grant,
            handle: None,
            connected: false,
            upload: Vec::new(),
            download: Vec::new(),
        }
    }

    /// Does what is asked and says how it went. `None` for actions that ask nothing.
    pub fn perform<M: Machine>(
        &mut self,
        now: u64,
        store: &mut Store,
        session: &M,
        action: Action,
    ) -> Option<Event> {
        let path = session.path();
        Some(match action {
            Action::Login(ticket) if session.password() == b"wrong" => {
                ticket.done(Err(Denied::Credentials))
            }
            Action::Login(ticket) => ticket.done(Ok(self.grant.clone())),
            Action::Stat(ticket) => ticket.done(store.stat(path)),
            Action::Change(ticket, edit) => {
                ticket.done(store.change(now, path, session.rename_from(), edit))
            }
            Action::Open(ticket, mode) => {
                ticket.done(store.open(path, mode).map(|(handle, opened)| {
                    self.handle = Some(handle);
                    opened
                }))
            }
            Action::Listen(ticket) => ticket.done(Ok(SocketAddr::from(LISTENER))),
            Action::OpenData(ticket, _) => {
                self.connected = true;
                self.download.clear();
                ticket.done(Ok(()))
            }
            Action::Transfer(ticket, plan) => ticket.done(self.transfer(plan)),
            Action::CloseData(ticket) => {
                self.connected = false;
                ticket.done(())
            }
            Action::Finish(ticket, verdict) => {
                let keep = verdict == Verdict::Commit;
                let outcome = match self.handle.take() {
                    Some(handle) => store.finish(now, handle, keep),
                    None => Err(Failure::Io),
                };
                ticket.done(outcome)
            }
            Action::Report(ticket, ..) => ticket.done(store.stat(path).map(drop)),
            Action::Optional(ticket, Optional::TextSize { .. }) => {
                let count = store.read(path);
                let count = count.map(|file| Answer::Bytes(to_wire(&file).len() as u64));
                ticket.done(count.ok_or(Failure::NotFound))
            }
            Action::Optional(ticket, Optional::Available) => {
                ticket.done(Ok(Answer::Bytes(1 << 30)))
            }
            Action::Optional(ticket, _) => ticket.decline(),
            Action::Identify(ticket) => ticket.done(Ok(Identified::Password)),
            // What is said within TLS is here what is said in clear.
            Action::StartTls(ticket) => ticket.done(Ok(())),
            Action::StopTls(ticket) => ticket.done(Ok(())),
            Action::Secure(ticket) => ticket.done(Ok(())),
            Action::Cancel(_) | Action::Disconnect => return None,
        })
    }

    /// Moves everything.
    fn transfer(&mut self, plan: Plan) -> Transferred {
        let bytes = match (plan.flow, &mut self.handle) {
            (Flow::List(listing), Some(Handle::List(_))) => {
                self.download = self.list(listing);
                self.download.len()
            }
            (Flow::Send { .. }, Some(Handle::Read(bytes, at))) => {
                let file = &bytes[*at..];
                self.download = if plan.wire.text {
                    to_wire(file)
                } else {
                    file.to_vec()
                };
                file.len()
            }
            (Flow::Receive, Some(handle)) => {
                let file = match plan.wire.text {
                    true => to_file(&self.upload),
                    false => std::mem::take(&mut self.upload),
                };
                handle.write(&file);
                file.len()
            }
            _ => 0,
        };
        Transferred::new(bytes as u64, End::Clean)
    }

    /// The lines of what was opened.
    pub fn list(&self, mut listing: Listing) -> Vec<u8> {
        let Some(Handle::List(entries)) = &self.handle else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        let mut line = vec![0; Listing::MAX_LINE];
        for (name, metadata) in entries {
            let entry = Entry::new(&name[..], *metadata);
            let pushed = listing.push(&entry, CLOCK, &mut line);
            lines.extend_from_slice(&line[..pushed.written]);
        }
        loop {
            let (written, step) = listing.end_of_directory(CLOCK, &mut line);
            lines.extend_from_slice(&line[..written]);
            if !matches!(step, Step::More) {
                return lines;
            }
        }
    }
}

/// As TYPE A sends a file.
#[must_use]
pub fn to_wire(file: &[u8]) -> Vec<u8> {
    let mut wire = vec![0; 2 * file.len()];
    let progress = ToWire::default().push(file, &mut wire);
    wire.truncate(progress.written);
    wire
}

/// As TYPE A stores what it was sent.
#[must_use]
pub fn to_file(wire: &[u8]) -> Vec<u8> {
    let mut file = vec![0; wire.len() + 1];
    let mut codec = ToFile::default();
    let begun = codec.push(wire, &mut file).written;
    let end = codec.finish(&mut file[begun..]).written;
    file.truncate(begun + end);
    file
}

/// Why a data connection may fail.
pub const DATA_FAILURES: [DataFailure; 3] = [
    DataFailure::Refused,
    DataFailure::Unreachable,
    DataFailure::NoResources,
];
