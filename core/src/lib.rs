//! Wharf core.
#![no_std]

extern crate alloc;

mod account;
mod action;
pub mod address;
pub mod ascii;
pub mod command;
pub mod config;
mod decimal;
mod entry;
mod failure;
mod line;
pub mod listing;
mod note;
mod path;
mod reply;
mod session;
pub mod ticket;
pub mod time;
mod timer;

pub use account::{Capabilities, Denied, Grant, Rights, UnknownRight};
pub use action::{
    Action, Answer, DataFailure, Edit, End, Facts, Flow, Mode, Opened, Optional, Plan, Reason,
    Route, Scope, TlsFailure, TransferMode, Transferred, Verdict, Wire,
};
pub use config::{Config, Limits, Notes, Style};
pub use entry::{Entry, Kind, Metadata};
pub use failure::Failure;
pub use listing::Listing;
pub use note::Note;
pub use path::{PathError, VPath};
pub use reply::TOO_MANY_CONNECTIONS;
pub use session::{Endpoints, Session};
pub use ticket::{Event, Foreign, Ticket, TicketId};
pub use time::{Instant, Timestamp};
