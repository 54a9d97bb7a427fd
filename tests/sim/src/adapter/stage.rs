//! [`Stage`]: one session of the adapter, its client's connections, and the time, for a script.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bstr::ByteSlice;
use smol::channel::Sender;
use wharf_core::{Config, Grant};
use wharf_driver::tls::Reuse;
use wharf_driver::{Service, Settings};
use wharf_model::Store;

use super::guest::Guest;
use super::outside::{Outside, Way};
use super::storage::{Disk, Everybody};
use super::tls::{self, Dialect};
use super::wire::Wire;
use crate::case::Case;
use crate::random::Random;
use crate::reply::port;

/// A second of the simulated time.
pub(super) const SECOND: u64 = 1_000_000;
/// Longer than any job takes that nothing stands in the way of.
pub(super) const MOMENT: u64 = SECOND / 20;
/// The port of every PORT.
const ACTIVE: u16 = 200 << 8 | 10;

pub(super) struct Stage {
    outside: Arc<Outside>,
    pub(super) disk: Arc<Disk>,
    service: Arc<Service>,
    /// Dropped when the server shall stop.
    stopper: Option<Sender<()>>,
    guest: Guest,
    wire: Wire,
    /// When the session wants to be looked at.
    due: u64,
    /// What the server has said and nobody has asked for.
    pub(super) heard: Vec<u8>,
    /// Where the server listens for data.
    passive: Option<u16>,
    pub(super) data: Option<TcpStream>,
    /// What came over the data connection.
    pub(super) came: Vec<u8>,
}

impl Stage {
    /// A storage that may hang is never waited for in the session's own thread.
    pub(super) fn new(store: Store, grant: Grant, config: Config, may_hang: bool) -> Self {
        let outside = Arc::new(Outside::default());
        outside.set_now(SECOND);
        let random = Random::new(1);
        let luck = random.fork("disk", 0);
        let case = Case::draw(0).calm();
        let disk = match may_hang {
            true => Disk::slow(&case, store, &outside, luck, grant),
            false => Disk::new(&case, store, &outside, luck, grant),
        };
        let mut settings = Settings::new(Arc::new(Everybody(Arc::clone(&disk))));
        settings.system = Arc::clone(&outside) as _;
        settings.protocol = Arc::new(config);
        settings.grace = Duration::from_secs(10);
        settings.tls = Some(Arc::new(tls::serve(&case, Reuse::IfOffered)));
        let service = Service::new(settings);
        let (stopper, stop) = smol::channel::bounded(1);
        let guest = Guest::new(
            &service,
            &outside,
            &case,
            random.fork("jobs", 0),
            stop,
            None,
        );
        Self {
            outside,
            disk,
            service,
            stopper: Some(stopper),
            guest,
            wire: Wire::default(),
            due: 0,
            heard: Vec::new(),
            passive: None,
            data: None,
            came: Vec::new(),
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.outside.now()
    }

    /// Whether the session has ended.
    pub(super) fn is_over(&self) -> bool {
        self.guest.task.is_none()
    }

    /// Lets time pass; the session does what it can.
    ///
    /// # Panics
    /// If it does not sleep.
    pub(super) fn pass(&mut self, time: u64) {
        let until = self.now() + time;
        while self.go_on() && self.due <= until {
            self.outside.set_now(self.due.max(self.now()));
        }
        self.outside.set_now(until);
        self.go_on();
    }

    /// Lets the session run until it sleeps: whether it will wake by itself.
    fn go_on(&mut self) -> bool {
        for _ in 0..10_000 {
            let wants_more = self.guest.poll();
            let heard = self.hear();
            if self.is_over() {
                return false;
            }
            if heard && self.guest.wake.take_blocked() {
                self.guest.wake.touch(Way::Control);
            } else if !wants_more {
                let due = self.guest.wake.take();
                self.due = due.unwrap_or(u64::MAX);
                return due.is_some();
            }
        }
        panic!("the session does not sleep");
    }

    /// Takes what the server says: whether it said something.
    fn hear(&mut self) -> bool {
        let mut raw = Vec::new();
        if let Some(control) = &mut self.guest.control {
            // Until there is no more for now.
            let _ = control.read_to_end(&mut raw);
        }
        if let Ok(said) = self.wire.hear(&raw) {
            self.heard.extend(said);
        }
        if self.wire.has_word() {
            self.send(b"");
        }
        !raw.is_empty()
    }

    /// The client shakes hands on its control connection: whether it can.
    pub(super) fn shake(&mut self) -> bool {
        self.wire.begin(&Dialect::draw(&mut Random::new(1)));
        self.send(b"");
        // What came behind the reply to AUTH is under TLS.
        let early = self.wire.hear(&std::mem::take(&mut self.heard));
        self.pass(MOMENT);
        early.is_ok() && !self.wire.shakes()
    }

    /// The code of the next reply, if it is there.
    pub(super) fn take_reply(&mut self) -> Option<u16> {
        let mut end = 0;
        for line in self.heard.lines_with_terminator() {
            end += line.len();
            if line.get(3) == Some(&b' ') && line[0].is_ascii_digit() && line.ends_with(b"\n") {
                let code = line[..3].to_str().ok()?.parse().ok();
                if let Some(227 | 229) = code {
                    self.passive = port(line);
                }
                self.heard.drain(..end);
                return code;
            }
        }
        None
    }

    /// Sends bytes to the server: whether it takes them.
    pub(super) fn send(&mut self, bytes: &[u8]) -> bool {
        self.guest.wake.touch(Way::Control);
        let control = self.guest.control.as_mut();
        let raw = self.wire.say(bytes);
        control.is_some_and(|control| control.write_all(&raw).is_ok())
    }

    /// The client is gone.
    pub(super) fn hang_up(&mut self) {
        self.guest.control = None;
        self.guest.wake.touch(Way::Control);
    }

    /// From now on the storage answers nothing.
    pub(super) fn hang(&self) {
        self.guest.elsewhere.hang();
    }

    /// It goes on with what it was asked for.
    pub(super) fn come_back(&self) {
        self.guest.elsewhere.come_back();
    }

    /// The server shall stop.
    pub(super) fn stop(&mut self) {
        self.service.stop();
        self.stopper = None;
    }

    /// Nobody answers the next PORT.
    pub(super) fn refuse(&self) {
        self.outside.refuse(ACTIVE);
    }

    /// The connection that the server has made since the last PORT.
    pub(super) fn dialed(&self) -> Option<TcpStream> {
        self.outside.take_dialed(ACTIVE)
    }

    /// A data connection, whoever makes it.
    pub(super) fn open_data(&mut self) {
        let passive = || self.outside.connect(self.passive?).ok();
        self.data = self.dialed().or_else(passive);
        self.guest.wake.touch(Way::Data);
    }

    /// A connection to the listener from somebody else.
    pub(super) fn intrude(&mut self, from: IpAddr) -> Option<TcpStream> {
        self.guest.wake.touch(Way::Data);
        self.outside.connect_from(from, self.passive?).ok()
    }

    /// Sends data: whether there is room for them.
    pub(super) fn send_data(&mut self, bytes: &[u8]) -> bool {
        self.guest.wake.touch(Way::Data);
        let data = self.data.as_mut();
        data.is_some_and(|data| data.write_all(bytes).is_ok())
    }

    /// No more data will be sent.
    pub(super) fn end_data(&mut self) {
        if let Some(data) = &self.data {
            // It may be closed already.
            let _ = data.shutdown(Shutdown::Write);
        }
        self.guest.wake.touch(Way::Data);
    }

    /// The data connection is given up.
    pub(super) fn drop_data(&mut self) {
        self.data = None;
        self.guest.wake.touch(Way::Data);
    }

    /// Takes the data that are there: whether they have ended.
    pub(super) fn take_data(&mut self) -> bool {
        let Some(data) = &mut self.data else {
            return true;
        };
        let ended = data.read_to_end(&mut self.came);
        self.guest.wake.touch(Way::Data);
        !ended.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}
