//! The FTP server protocol without the I/O: bytes and outcomes in, bytes and actions out.
//!
//! A [`Session`] is the protocol of one control connection. It parses what the client sends,
//! decides what is allowed, keeps the order of replies, and asks its *embedder* for everything
//! that touches the world: to check a password, to look at a file, to listen for a data
//! connection, to move bytes. It does no I/O, reads no clock, spawns nothing and knows no runtime,
//! so the same protocol serves threads, async tasks, a simulator and a microcontroller.
//!
//! # When to use it
//!
//! Use it to serve FTP from something that is not a directory of files, from a runtime of your
//! own, inside a test, or without an operating system. To serve a directory, take one of the
//! adapters `wharf-std` and `wharf-smol`, which are thin loops around this crate. It is no
//! client. [TLS](#tls) is the embedder's to compute; when it begins, and what is refused without it,
//! is decided here.
//!
//! The crate is `no_std` with `alloc` and has no `unsafe` code. The feature `std` adds conversions
//! from what the standard library has; the feature `testing` adds `check`: a session that watches
//! itself for what must never happen. An adapter that is generic over [`Machine`] is tested with it.
//!
//! Names and paths are bytes, as [`BStr`](bstr::BStr) and [`BString`](bstr::BString); [`bstr`] is
//! exported again, so that no version has to fit.
//!
//! # The loop
//!
//! An embedder does these five things for each session, in any order and as often as it likes:
//!
//! 1. **Bytes in.** While [`wants_input`](Session::wants_input), give what the client sent to
//!    [`receive`](Session::receive). What it does not take stays yours, to be given again.
//! 2. **Bytes out.** Write [`transmit`](Session::transmit), as much as the socket takes, and tell
//!    how much that was with [`transmitted`](Session::transmitted).
//! 3. **Work.** [`poll`](Session::poll) until it gives `None`. Each [`Action`] is owned and has a
//!    [`Ticket`]; do what it asks, here or on another thread, now or later, turn the ticket into
//!    an [`Event`] with [`done`](Ticket::done), and give that to [`handle`](Session::handle).
//! 4. **Time.** Tell how far a transfer is by [`progress`](Session::progress), then call
//!    [`tick`](Session::tick). `now` is any monotonic clock of microseconds.
//! 5. **Sleep** until the control connection is readable (if input is wanted) or writable (if
//!    something is to be transmitted), work is done, or the [`deadline`](Session::deadline) has
//!    come. Tell of the end of the input by [`receive_eof`](Session::receive_eof), of a broken
//!    connection by [`lost`](Session::lost), of the end of the server by
//!    [`shutdown`](Session::shutdown).
//!
//! This is a whole server, for one client and one file, in memory:
//!
//! ```
//! use std::sync::Arc;
//! use wharf_core::{
//!     Action, Capabilities, Config, Denied, End, Endpoints, Event, Failure, Grant, Instant, Mode,
//!     Opened, Rights, Session, Transferred,
//! };
//!
//! const FILE: &[u8] = b"hello\n";
//!
//! /// Does what an action asks for. `data` is the data connection.
//! fn work(session: &Session, action: Action, data: &mut Vec<u8>) -> Option<Event> {
//!     Some(match action {
//!         Action::Login(ticket) if session.username() == "anonymous" => {
//!             let rights = Rights::LIST | Rights::READ;
//!             ticket.done(Ok(Grant::new(rights, Capabilities::NONE)))
//!         }
//!         Action::Login(ticket) => ticket.done(Err(Denied::Credentials)),
//!         Action::Listen(ticket) => ticket.done(Ok(([127, 0, 0, 1], 51_210).into())),
//!         Action::Open(ticket, Mode::Read { offset: 0 }) if session.path().as_bytes() == "/f" => {
//!             ticket.done(Ok(Opened::file(Some(FILE.len() as u64))))
//!         }
//!         Action::Open(ticket, _) => ticket.done(Err(Failure::NotFound)),
//!         Action::OpenData(ticket, _) => ticket.done(Ok(())),
//!         Action::Transfer(ticket, plan) => {
//!             assert!(plan.wire.is_identity(), "otherwise `ascii` translates");
//!             data.extend_from_slice(FILE);
//!             ticket.done(Transferred::new(FILE.len() as u64, End::Clean))
//!         }
//!         Action::CloseData(ticket) => ticket.done(()),
//!         Action::Finish(ticket, _) => ticket.done(Ok(())),
//!         // No TLS, no changes, and nothing takes long, so that there is nothing to cancel.
//!         other => return other.refuse(Failure::Unsupported),
//!     })
//! }
//!
//! let mut input = &b"USER anonymous\r\nPASS me\r\nTYPE I\r\nPASV\r\nRETR f\r\nQUIT\r\n"[..];
//! let (mut replies, mut data) = (Vec::new(), Vec::new());
//!
//! let ends = Endpoints {
//!     local: ([127, 0, 0, 1], 21).into(),
//!     peer: ([127, 0, 0, 1], 40_000).into(),
//! };
//! let now = Instant::ZERO; // a real loop reads its clock once a turn
//! let mut session = Session::new(&Arc::new(Config::default()), ends, now);
//! 'session: loop {
//!     if session.wants_input() {
//!         let taken = session.receive(now, input); // 1
//!         input = &input[taken..];
//!     }
//!     let count = session.transmit().len(); // 2
//!     replies.extend_from_slice(session.transmit());
//!     session.transmitted(now, count);
//!     while let Some(action) = session.poll() {
//!         if matches!(action, Action::Disconnect) {
//!             break 'session;
//!         }
//!         if let Some(event) = work(&session, action, &mut data) {
//!             session.handle(now, event)?; // 3
//!         }
//!     }
//!     session.tick(now); // 4
//! }
//!
//! assert_eq!(data, FILE);
//! assert_eq!(
//!     String::from_utf8_lossy(&replies),
//!     "220 Wharf ready.\r\n\
//!      331 Password, please.\r\n\
//!      230 Logged in.\r\n\
//!      200 Type is image.\r\n\
//!      227 Entering Passive Mode (127,0,0,1,200,10).\r\n\
//!      150 Opening data connection (6 bytes).\r\n\
//!      226 Transfer complete.\r\n\
//!      221 Goodbye.\r\n"
//! );
//! # Ok::<(), wharf_core::Foreign>(())
//! ```
//!
//! # TLS
//!
//! By default AUTH is answered 502. With a [`TlsPolicy`] that offers it, TLS is a layer that the
//! embedder puts between the socket and the session, with a library of its choice:
//!
//! - [`StartTls`](Action::StartTls) comes once the 234 is written. What was not taken by
//!   [`receive`](Session::receive) belongs to the handshake; from then on the session is given what
//!   the layer has decrypted, and what it transmits is encrypted.
//!   [`StopTls`](Action::StopTls), for CCC and REIN, is the way back.
//! - [`Secure`](Action::Secure) asks for a handshake on the data connection after the 150, where
//!   PROT P holds. Data that end without a close_notify are [`End::Truncated`].
//! - [`Identify`](Action::Identify) comes at USER, before a password is asked for: a name can be
//!   refused in clear, or a client be let in by its certificate. With [`Config::identify`] it also
//!   comes where TLS is not offered.
//! - With `implicit` the embedder shakes hands before the session begins.
//!
//! ```
//! use std::sync::Arc;
//! use wharf_core::{
//!     Action, Config, Endpoints, Identified, Instant, Protection, Session, TlsPolicy,
//! };
//!
//! let tls = TlsPolicy {
//!     control: Protection::Required,
//!     data: Protection::Offered,
//!     ..TlsPolicy::default()
//! };
//! let config = Arc::new(Config { tls, ..Config::default() });
//! let ends = Endpoints {
//!     local: ([127, 0, 0, 1], 21).into(),
//!     peer: ([127, 0, 0, 1], 40_000).into(),
//! };
//! let now = Instant::ZERO;
//! let mut session = Session::new(&config, ends, now);
//! let write = |session: &mut Session| {
//!     let replies = String::from_utf8_lossy(session.transmit()).into_owned();
//!     session.transmitted(now, replies.len());
//!     replies
//! };
//! assert_eq!(write(&mut session), "220 Wharf ready.\r\n");
//! // Whatever an attacker puts behind AUTH is no command: it makes the handshake fail.
//! let taken = session.receive(now, b"AUTH TLS\r\nUSER eve\r\n");
//! assert_eq!(taken, b"AUTH TLS\r\n".len());
//! assert!(session.poll().is_none(), "the 234 is not written yet");
//! assert_eq!(write(&mut session), "234 Begin the TLS handshake.\r\n");
//! let Some(Action::StartTls(ticket)) = session.poll() else { unreachable!() };
//! // Here the embedder shakes hands.
//! session.handle(now, ticket.done(Ok(())))?;
//! assert!(session.protects_control());
//! let _ = session.receive(now, b"USER anna\r\n"); // decrypted
//! let Some(Action::Identify(ticket)) = session.poll() else { unreachable!() };
//! session.handle(now, ticket.done(Ok(Identified::Password)))?;
//! assert_eq!(write(&mut session), "331 Password, please.\r\n");
//! # Ok::<(), wharf_core::Foreign>(())
//! ```
//!
//! # The log
//!
//! [`note`](Session::note) tells what happened, for an audit log: logins and why they were refused,
//! transfers, changes, commands that an account may not give, and how the session ended. None are
//! kept unless [`Config::notes`] says so; those that are have to be taken. A session whose notes
//! nobody takes runs no more commands, so that no client can push out of a log what stands there.
//!
//! # The contract
//!
//! The embedder turns each ticket into an event once, when the thing is really finished: a
//! [`Transfer`](Action::Transfer) when the last byte has moved, a
//! [`CloseData`](Action::CloseData) when the sockets are closed, a [`Finish`](Action::Finish)
//! when the file stands under its name, or nothing of it does. [`Cancel`](Action::Cancel) is a
//! request, not an answer: the ticket it names still comes back, soon, with whatever is then
//! true. Notes that were asked for are taken. `progress` comes before `tick`. At [`Disconnect`](Action::Disconnect) everything that
//! belongs to the session is dropped. There is no other rule: calls may come in any order and any
//! number of times, and a clock that goes back is taken to stand.
//!
//! The session promises:
//!
//! - **C1** One final reply for each command, in the order of the commands, and at most one 1yz
//!   before it. The one exception in order is STAT without a path, which is answered at once
//!   while a transfer runs.
//! - **C2** No final reply to a transfer before its `CloseData` and its `Finish` came back; 150
//!   only after `Open` and `OpenData` succeeded; a failed `Open` never touches the data
//!   connection; everything that was opened is finished once, unless the session ended because a
//!   ticket did not come back (C6).
//! - **C3** At most one ticket is out.
//! - **C4** A line of AUTH, CCC or REIN is a barrier: nothing behind it is taken until it is
//!   answered and, if the control connection becomes another by it, until it has. `StartTls` and
//!   `StopTls` come only when the reply before them was written out; when they fail, nothing more
//!   is said.
//! - **C5** After `tick(now)` the deadline is none or later than `now`.
//! - **C6** Every wait ends. Each ticket has a time, after which `Cancel` names it; no command
//!   runs while it is out, and if it does not come back after that either, the session ends. So
//!   it does with a client that is silent or reads no replies. [`Limits`] has the times.
//! - **C7** After `Disconnect`, `poll` and `deadline` give `None`, `receive` takes nothing, and
//!   events are [`Foreign`].
//! - **C8** How bytes are cut into calls of `receive` and `transmitted` changes nothing.
//! - **C9** No input makes it panic, and its memory is bounded by [`Limits`], that of
//!   a [`Listing`] by [`Limits::sorted`] and what a tree may have ([`ListOptions`](listing::ListOptions)).
//! - **C10** The password is wiped once it is answered, and no reply tells whether a user exists.
//! - **C11** No storage is asked without the right for it ([`Rights`]), no data connection goes
//!   to anybody but the client, and no path leaves the root ([`VPath`]). Where TLS is required
//!   ([`TlsPolicy`]), no login is asked for and no data move without it.
//!
//! # What may grow
//!
//! - What asks the embedder to *do* something is exhaustive: [`Action`] and what is in it, [`Edit`],
//!   [`Mode`], [`Scope`], [`Route`], [`Flow`] and [`Verdict`]. A new duty breaks the build, until
//!   somebody has said how it is carried out or that it is [refused](Action::refuse). So are the
//!   answers that decide what comes next ([`Identified`], [`End`]), what a storage has to tell apart
//!   ([`Kind`]), and the choices of a [`Config`] ([`Protection`], [`Style`], [`Notes`]).
//! - What says *why* is `#[non_exhaustive]`: [`Failure`], [`Reason`], [`Denied`], [`DataFailure`],
//!   [`TlsFailure`], [`PathError`] and the other errors, [`Ending`]; also [`Note`],
//!   [`Verb`](command::Verb), [`Optional`], [`Answer`] and [`TransferMode`], which may be passed
//!   over. A match on one of them has a last arm for what is yet to come. All errors have a text.
//! - A struct that is written down field by field has a base and is open: `Config { site: false,
//!   ..Config::default() }`, [`Limits`], [`TlsPolicy`], [`DoubtfulEnds`], [`Capabilities`] (on
//!   [`Capabilities::NONE`]), [`Metadata`], [`Facts`], [`Wire`],
//!   [`ListOptions`](listing::ListOptions). A field may be added to each, so a literal ends with its
//!   base, and a pattern with `..`.
//! - What an embedder answers with, and what else has no base, is `#[non_exhaustive]` and has
//!   constructors: [`Grant::new`] with its `with_` methods, [`Opened::file`], [`Opened::named`],
//!   [`Changed::to_mode`], [`Transferred::new`], [`Entry::new`], [`Plan::new`].
//! - [`Machine`] grows with [`Session`].
//! - The rest is complete as it is: [`Endpoints`], [`Instant`], [`Timestamp`], [`time::Clock`].
//!
//! Until version 1.0 whatever breaks one of these comes with another second number, and is told in
//! the changelog.
#![no_std]
#![deny(missing_debug_implementations)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod account;
mod action;
pub mod address;
pub mod ascii;
#[cfg(feature = "testing")]
pub mod check;
pub mod command;
pub mod config;
#[cfg(feature = "std")]
#[path = "std/mod.rs"]
mod conversions;
mod decimal;
mod entry;
mod failure;
mod forbidden;
mod glob;
mod line;
pub mod listing;
mod machine;
mod note;
mod optional;
mod outcome;
mod pace;
mod path;
mod reply;
mod session;
mod shared;
pub mod ticket;
pub mod time;
mod timer;

/// The library whose strings of bytes names and paths are.
pub use bstr;

pub use account::{Capabilities, Denied, Grant, Identified, Rights, UnknownRight};
pub use action::{
    Action, Edit, Facts, Flow, Mode, Plan, Reason, Route, Scope, TransferMode, Verdict, Wire,
};
pub use config::{Config, DoubtfulEnds, Limits, Notes, Protection, Style, TlsPolicy};
#[cfg(feature = "std")]
pub use conversions::{Monotonic, OutOfRange};
pub use entry::{Entry, Kind, Metadata};
pub use failure::Failure;
pub use forbidden::ForbiddenNames;
pub use listing::Listing;
pub use machine::Machine;
pub use note::{Ending, Note};
pub use optional::{Answer, Optional};
pub use outcome::{Changed, DataFailure, End, Opened, TlsFailure, Transferred};
pub use path::{PathError, VPath};
pub use reply::{NOT_SERVED, TOO_MANY_CONNECTIONS, TOO_MANY_FAILURES};
pub use session::{Endpoints, Session, Underway};
pub use shared::Shared;
pub use ticket::{Event, Foreign, Ticket, TicketId};
pub use time::{Instant, Timestamp};
