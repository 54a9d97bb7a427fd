//! An embedder that does everything at once and well.

use crate::account::{Grant, Identified};
use crate::action::{Action, Flow, Mode};
use crate::entry::{Kind, Metadata};
use crate::machine::Machine;
use crate::optional::{Answer, Optional};
use crate::outcome::{Changed, End, Opened, Transferred};
use crate::ticket::Event;
use crate::time::Instant;

use super::watch::Checked;

/// The size of every file that [`fulfil`] knows.
const SIZE: u64 = 5;

/// The room that is left.
const ROOM: u64 = 1 << 40;

/// The event of a request that succeeded. Logins get the grant, everything is a directory, files
/// have five bytes. `None` for [`Action::Cancel`] and [`Action::Disconnect`], which ask nothing.
#[must_use]
pub fn fulfil(action: Action, grant: &Grant) -> Option<Event> {
    Some(match action {
        Action::Identify(ticket) => ticket.done(Ok(Identified::Password)),
        Action::Login(ticket) => ticket.done(Ok(grant.clone())),
        Action::StartTls(ticket) => ticket.done(Ok(())),
        Action::StopTls(ticket) => ticket.done(Ok(())),
        Action::Stat(ticket) => ticket.done(Ok(Metadata::of_kind(Kind::Directory))),
        Action::Change(ticket, _) => ticket.done(Ok(Changed::default())),
        Action::Open(ticket, Mode::Read { .. }) => ticket.done(Ok(Opened::file(Some(SIZE)))),
        Action::Open(ticket, Mode::Unique { .. }) => {
            ticket.done(Ok("unique".parse().map(Opened::named).unwrap_or_default()))
        }
        Action::Open(ticket, _) => ticket.done(Ok(Opened::default())),
        Action::Listen(ticket) => ticket.done(Ok(([127, 0, 0, 1], 51_210).into())),
        Action::OpenData(ticket, _) => ticket.done(Ok(())),
        Action::Secure(ticket) => ticket.done(Ok(())),
        Action::Transfer(ticket, plan) => {
            let bytes = match plan.flow {
                Flow::Send { length } => length.unwrap_or(SIZE),
                Flow::Receive | Flow::List(_) => SIZE,
            };
            ticket.done(Transferred::new(bytes, End::Clean))
        }
        Action::CloseData(ticket) => ticket.done(()),
        Action::Finish(ticket, _) => ticket.done(Ok(())),
        Action::Report(ticket, ..) => ticket.done(Ok(())),
        Action::Optional(ticket, Optional::Available) => ticket.done(Ok(Answer::Bytes(ROOM))),
        Action::Optional(ticket, _) => ticket.done(Ok(Answer::Bytes(SIZE))),
        Action::Cancel(_) | Action::Disconnect => return None,
    })
}

/// Lets a session end by itself (I47): the client is silent and takes its replies, what is asked
/// is done, notes are taken, time goes on. Returns when it was over.
///
/// `out` is the request that is out, if the caller has one.
///
/// # Panics
/// If it goes on, or waits for nothing.
pub fn wind_down<M: Machine>(
    session: &mut Checked<M>,
    mut now: Instant,
    out: Option<Action>,
    grant: &Grant,
) -> Instant {
    let mut out = out;
    for _ in 0..10_000 {
        if session.is_over() {
            return now;
        }
        let waiting = session.transmit().len();
        if waiting > 0 {
            session.transmitted(now, waiting);
        } else if session.note().is_some() {
        } else if let Some(event) = out.take().and_then(|action| fulfil(action, grant)) {
            // It may have been given up.
            let _ = session.handle(now, event);
        } else if let Some(action) = session.poll() {
            match action {
                Action::Disconnect | Action::Cancel(_) => {}
                request => out = Some(request),
            }
        } else {
            let deadline = session.deadline();
            assert!(deadline.is_some(), "I47: nothing is waited for");
            now = now.max(deadline.unwrap_or(now));
            session.tick(now);
        }
    }
    panic!("I47: it goes on")
}
