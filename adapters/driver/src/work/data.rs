//! Requests for the data connection.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wharf_core::ticket::{Listen, OpenData, Transfer};
use wharf_core::{DataFailure, End, Event, Failure, Instant, Plan, Ticket, Transferred};
use wharf_storage::{Executor as _, OnCancel, Operation, Wanted, run};

use super::{Ahead, Moved, On, Opened, Task, Work};
use crate::bell::Bell;
use crate::log;
use crate::public::{Announced, Known};
use crate::pump::{Pump, Step};
use crate::stream::Stream;
use crate::{sockets, system};

/// A client that is sent something is seen to take it at least so often, if it does.
const TRY_AGAIN: Duration = Duration::from_secs(15);
/// Another thread moves so many bytes, and for so long, before it tells how far it is and looks
/// whether more are still wanted.
const AWAY: u64 = 8 << 20;
const AWAY_FOR: Duration = Duration::from_millis(100);
/// It waits so long for the client, who mostly has more in a moment: to come back costs more.
const A_MOMENT: Duration = Duration::from_millis(1);

impl Work {
    /// Listens for a data connection and says where clients find it.
    pub(super) fn listen(&mut self, ticket: Ticket<Listen>, announced: Announced) -> Option<Event> {
        self.data = None;
        let public = match (announced, self.reached) {
            (Announced::Port, None) => None,
            _ => match self.service.public_address() {
                Known::Is(ip) => ip,
                Known::Soon => return self.look_up(ticket, announced),
            },
        };
        // Without an address the client goes to where it has connected to before.
        if announced == Announced::Port
            && let Some(reached) = self.reached
            && reached != public.unwrap_or(self.ends.local.ip()).to_canonical()
        {
            self.close_data();
            return Some(ticket.done(Err(Failure::Unsupported)));
        }
        match self.passive.arm() {
            Ok(Some(address)) => {
                let ip = public.unwrap_or(address.ip());
                Some(ticket.done(Ok(SocketAddr::new(ip, address.port()))))
            }
            Ok(None) => {
                let again = self.passive.again();
                self.wait_until(Task::Listen(ticket, announced), again)
            }
            Err(error) => {
                log::warn!(%error, "no listener for a data connection");
                Some(ticket.done(Err(Failure::Busy)))
            }
        }
    }

    /// The public address is soon known, or known to be none.
    fn look_up(&mut self, ticket: Ticket<Listen>, announced: Announced) -> Option<Event> {
        let bell = Bell::new().ok().map(Arc::new);
        let patience = bell.as_ref().map_or(sockets::EXHAUSTED, |bell| {
            self.service.wait_for_public_address(bell)
        });
        let again = self.service.now() + patience;
        self.wait_until(Task::LookUp(ticket, announced, bell), Some(again))
    }

    /// Until when the passive port is kept for a client that sends no command.
    pub(super) fn port_until(&self) -> Option<Instant> {
        let limit = self.service.settings().protocol.limits.connect;
        match self.task {
            // Then the limit counts from the command.
            Task::Accept(_) => None,
            _ if limit.is_zero() => None,
            _ => self.passive.since().map(|since| since + limit),
        }
    }

    /// Gives the passive port back if its client has not connected for too long: others may need
    /// it.
    pub(super) fn give_up_port(&mut self, now: Instant) {
        if self.port_until().is_some_and(|until| now >= until) {
            log::debug!(peer = %self.ends.peer, "nobody connects to its passive port");
            self.passive.release();
        }
    }

    pub(super) fn accept(&mut self, ticket: Ticket<OpenData>) -> Option<Event> {
        if self.data.is_some() {
            return Some(ticket.done(Ok(())));
        }
        match self.passive.accept() {
            Ok(stream) => Some(self.connected(ticket, stream)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.wait(Task::Accept(ticket))
            }
            Err(error) => {
                log::warn!(%error, "no data connection can be accepted");
                Some(ticket.done(Err(DataFailure::NoResources)))
            }
        }
    }

    pub(super) fn dial(&mut self, ticket: Ticket<OpenData>, to: SocketAddr) -> Option<Event> {
        let settings = self.service.settings();
        let mut local = self.ends.local;
        local.set_port(settings.active_port);
        let to = sockets::on_link_of(to, self.ends.peer);
        match settings.system.dial(local, to) {
            Ok(stream) => self.wait(Task::Dial(ticket, stream)),
            Err(error) => {
                log::warn!(%error, %to, "no data connection can be made");
                Some(ticket.done(Err((&error).into())))
            }
        }
    }

    pub(super) fn dialed(&mut self, ticket: Ticket<OpenData>, stream: TcpStream) -> Option<Event> {
        match system::dialed(&stream) {
            Ok(()) => Some(self.connected(ticket, stream)),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                self.wait(Task::Dial(ticket, stream))
            }
            Err(error) => Some(ticket.done(Err((&error).into()))),
        }
    }

    fn connected(&mut self, ticket: Ticket<OpenData>, stream: TcpStream) -> Event {
        self.data = Some(stream.into());
        ticket.done(Ok(()))
    }

    pub(super) fn transfer(&mut self, ticket: Ticket<Transfer>, plan: Plan) -> Option<Event> {
        let failed = |failure| Transferred::new(0, End::Storage(failure));
        let Opened::Handle(handle) = std::mem::take(&mut self.opened) else {
            return Some(ticket.done(failed(Failure::Io)));
        };
        if !plan.wire.tls {
            self.stay_clear();
        }
        self.progress.store(0, Ordering::Relaxed);
        match Pump::new(handle, plan, self.service.clock()) {
            Ok(pump) => self.begin(Task::Move(ticket, Box::new(pump), On::Peer)),
            Err(failure) => Some(ticket.done(failed(failure))),
        }
    }

    /// Moves bytes: here if nothing but the socket is waited for, else in another thread.
    pub(super) fn pump(&mut self, ticket: Ticket<Transfer>, mut pump: Box<Pump>) -> Option<Event> {
        let Some(mut data) = self.data.take() else {
            return Some(self.moved_all(ticket, pump, End::Reset));
        };
        let may_wait = self.held.may_wait();
        let elsewhere = pump
            .backing()
            .filter(|file| !(may_wait && file.is_short))
            .map(|file| file.group)
            .filter(|_| !pump.is_quick());
        let Some(group) = elsewhere else {
            let waker = self.waker();
            let step = pump.step(&mut data, &mut Context::from_waker(&waker));
            self.data = Some(data);
            return self.pumped(ticket, pump, step);
        };
        if !self.late && !is_ready(&mut data, pump.sends(), Duration::ZERO) {
            self.data = Some(data);
            return self.pumped(ticket, pump, Step::Blocked);
        }
        let (progress, socket) = (Arc::clone(&self.progress), Arc::clone(data.socket()));
        let steps = move |wanted: &Wanted| {
            let (begun, enough) = (std::time::Instant::now(), pump.moved() + AWAY);
            // What shows its file is never pending.
            let mut cx = Context::from_waker(Waker::noop());
            let mut step = Step::Blocked;
            while wanted.is_so() {
                let before = pump.moved();
                step = pump.step(&mut data, &mut cx);
                progress.store(pump.moved(), Ordering::Relaxed);
                let goes_on = match step {
                    // One that moves nothing may be one of very many.
                    Step::Moved => (before + 1..enough).contains(&pump.moved()),
                    Step::Blocked => is_ready(&mut data, pump.sends(), A_MOMENT),
                    _ => false,
                };
                if !goes_on || begun.elapsed() >= AWAY_FOR {
                    break;
                }
            }
            Ok((pump, data, step))
        };
        let operation = run(&*self.held, group, OnCancel::Wait, steps);
        self.begin(Task::Away(ticket, operation, socket))
    }

    /// Takes back what another thread has moved bytes with.
    pub(super) fn away(
        &mut self,
        ticket: Ticket<Transfer>,
        mut operation: Box<dyn Operation<Moved>>,
        socket: Arc<TcpStream>,
    ) -> Option<Event> {
        let waker = self.waker();
        let moved = match operation.poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(moved) => moved,
            Poll::Pending if self.cancelled && self.late => {
                // It hangs: what was opened is given up when it comes back.
                let _ = socket.shutdown(Shutdown::Both);
                Err(Failure::Cancelled)
            }
            Poll::Pending => {
                let until = self.again;
                return self.wait_until(Task::Away(ticket, operation, socket), until);
            }
        };
        match moved {
            Ok((pump, data, step)) => {
                self.data = Some(data);
                self.pumped(ticket, pump, step)
            }
            Err(failure) => {
                let moved = self.progress.load(Ordering::Relaxed);
                Some(ticket.done(Transferred::new(moved, failure.into())))
            }
        }
    }

    fn pumped(&mut self, ticket: Ticket<Transfer>, pump: Box<Pump>, step: Step) -> Option<Event> {
        match step {
            Step::Ended(end) => Some(self.moved_all(ticket, pump, end)),
            _ if self.cancelled => Some(self.moved_all(ticket, pump, End::Cancelled)),
            Step::Moved => self.begin(Task::Move(ticket, pump, On::Peer)),
            Step::Blocked => {
                let again = pump
                    .sends()
                    .then(|| self.service.now() + self.patience_to_send());
                self.wait_until(Task::Move(ticket, pump, On::Peer), again)
            }
            Step::Pending => self.wait(Task::Move(ticket, pump, On::Storage)),
            Step::Either => self.wait(Task::Move(ticket, pump, On::Either)),
        }
    }

    /// After so long a blocked step is tried again. The system says that a socket is writable once a
    /// third of its buffer is free, which may be a megabyte; a client that takes less is slow, and
    /// not stalled.
    fn patience_to_send(&self) -> Duration {
        match self.service.settings().protocol.limits.stall {
            Duration::ZERO => TRY_AGAIN,
            // What moved between the last try and the limit is not seen.
            stall => TRY_AGAIN.min(stall / 16),
        }
    }

    /// Closes the data connection, and gives up the port for one.
    pub(super) fn close_data(&mut self) {
        (self.data, self.ahead) = (None, Ahead::Nothing);
        self.passive.release();
    }
}

/// Whether a step of the pump would move something within that time, which is less than a second.
fn is_ready(data: &mut Stream, sends: bool, within: Duration) -> bool {
    if !sends && data.holds() {
        return true;
    }
    let interest = if sends { PollFlags::OUT } else { PollFlags::IN };
    let within = Timespec {
        tv_sec: 0,
        tv_nsec: within.subsec_nanos().into(),
    };
    // If it cannot be told, the step will.
    poll(&mut [PollFd::new(data, interest)], Some(&within)).map_or(true, |ready| ready > 0)
}
