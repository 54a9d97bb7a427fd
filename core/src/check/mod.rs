//! [`Checked`]: a session under watch. With the feature `testing`.
//!
//! [`Checked`] has every method of a [`Session`] and panics as soon as something happens that must
//! never happen: a reply too many, a success that nothing stands behind, a file opened without the
//! right for it. Put it where the session is in your adapter's tests and in your fuzz targets, and
//! your adapter's worst cases become the core's as well:
//!
//! ```
//! # use std::sync::Arc;
//! use wharf_core::check::{Checked, Machine, fulfil};
//! # use wharf_core::{Capabilities, Config, Endpoints, Grant, Instant, Rights, VPath};
//! # let ends = Endpoints {
//! #     local: ([127, 0, 0, 1], 21).into(),
//! #     peer: ([127, 0, 0, 1], 40_000).into(),
//! # };
//! # let grant = Grant::new(Rights::ALL, Capabilities::ALL);
//!
//! let now = Instant::ZERO;
//! let mut session = Checked::new(&Arc::new(Config::default()), ends, now);
//! assert_eq!(session.receive(now, b"USER u\r\nPASS p\r\nCWD d\r\n"), 23);
//! while let Some(action) = session.poll() {
//!     if let Some(event) = fulfil(action, &grant) {
//!         session.handle(now, event)?;
//!     }
//! }
//! assert!(session.transmit().ends_with(b"250 \"/d\" is the current directory.\r\n"));
//! # Ok::<(), wharf_core::Foreign>(())
//! ```
//!
//! # The invariants
//!
//! What is checked, by number. Those without a place of their own here are properties of two runs,
//! of values or of an adapter, and are tested where the right column says.
//!
//! | | What always holds | Where |
//! |---|---|---|
//! | I01 | No bytes make it panic or loop. | every test; `fuzz` |
//! | I02 | How the input is cut changes nothing. | `fuzz` (session, line), `tests/properties.rs` |
//! | I03 | A command that is printed and parsed is the same command. | `tests/properties.rs`, `fuzz` (command) |
//! | I04 | The case of a verb does not matter; arguments are not touched. | `tests/properties.rs` |
//! | I05 | A line too long gets one 500, the next one is read normally. | here |
//! | I06 | A path is the bytes behind the separator. | `tests/properties.rs` |
//! | I07 | Telnet sequences vanish, and nothing else. | here, `fuzz` (line) |
//! | I08 | Replies have the form of RFC 959 section 4.2, whatever names hold. | here |
//! | I09 | The quoted path in a 257 is the path. | here |
//! | I10 | Numbers and addresses are read or refused, never wrapped. | `tests/corpora.rs`, `fuzz` (hostport) |
//! | I11 | One final reply for each line, one 150 before it at most. | here |
//! | I12 | Replies come in the order of the lines; STAT in a transfer is the exception. | here |
//! | I13 | The code belongs to the verb ([`codes`]). | here; `tests/answers.rs`: each is given |
//! | I14 | A 150 is followed by a final reply, unless the client is gone. | here |
//! | I15 | 2yz only after the storage has done it. | here |
//! | I16 | 226 for a download only when every byte was taken. | here |
//! | I17 | One `Disconnect`; nothing is said, asked, noted or taken after it. | here |
//! | I18 | 421 is the last reply, and the session closes. | here |
//! | I19 | Nobody is spoken to who has not asked, but for the greeting and 421. | here |
//! | I20 | A reply is no longer than the longest that there is. | here |
//! | I21 | Before the login nothing is asked but the login. | here |
//! | I22 | The password is there while it is checked, and in no note. | here |
//! | I23 | Failed logins are bounded, and all are answered alike. | here |
//! | I24 | Nothing is asked without the right for it. | here |
//! | I25 | TLS begins and ends behind the reply that says so, and nothing is taken in between; where it is required, no password is asked about and no data move without it. | here; `tests/tls.rs` |
//! | I26 | Nothing is left after REIN or USER. | here |
//! | I27 | Every path is absolute and normal. | here, `fuzz` (path) |
//! | I28 | One data connection or listener at most. | here |
//! | I29 | Data goes to the client's address, port 1024 or higher. | here |
//! | I30 | Strangers are dropped from the data port. | adapters |
//! | I31 | The address that is told is the one that listens. | here |
//! | I32 | What was opened is finished, and what was connected closed. | here |
//! | I33 | No data connection outlives its transfer. | here |
//! | I34 | After EPSV ALL nothing but EPSV makes data connections. | here |
//! | I35 | A client that takes nothing costs a bounded window. | here for replies; adapters for data |
//! | I36 | REST counts for the next transfer, and only for it. | here |
//! | I37 | RNTO renames what the RNFR before it named, once. | here |
//! | I38 | An answer that is not waited for changes nothing. | here |
//! | I39 | What was opened is finished once. | here |
//! | I40 | Only data that ended well is committed. | here |
//! | I41 | TYPE A is right however it is cut. | `tests/properties.rs`, `fuzz` (ascii) |
//! | I42 | The translation follows TYPE. | here; `tests/properties.rs` |
//! | I43 | One entry, one line. | `tests/properties.rs`, `fuzz` (listing) |
//! | I44 | Facts have the form of RFC 3659. | `tests/properties.rs` |
//! | I45 | After a tick the deadline lies ahead; a clock that goes back stands. | here |
//! | I46 | Timeouts come in their time and not before. | here |
//! | I47 | With the client silent and everything answered, it ends. | [`wind_down`] |
//! | I48 | Memory is bounded. | here; `tests/allocations.rs` |
//! | I49 | The same inputs give the same outputs. | `fuzz` (session), simulator |
//! | I50 | No clock, no randomness, no I/O. | the build for a target without them |
//! | I51 | Counters of connections return to zero. | adapters |
//! | I52 | A copy goes on like the original. | `tests/exhaustive.rs` |
//!
//! Decided otherwise than is usual: a reply is bounded by the longest one there is (I20), since
//! PWD of a long path must be answered whole; NOOP waits in a transfer (I12), since only STAT can
//! be answered then without doubt about what the answer is to.
//!
//! [`Session`]: crate::Session

mod codes;
mod fulfil;
mod lines;
mod replies;
mod request;
mod snapshot;
mod standing;
#[cfg(test)]
mod tests;
mod watch;

pub use crate::machine::Machine;
pub use codes::codes;
pub use fulfil::{fulfil, wind_down};
pub use snapshot::State;
pub use watch::Checked;
