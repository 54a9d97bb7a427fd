//! Wharf core.
#![no_std]

extern crate alloc;

mod account;
mod action;
pub mod config;
mod decimal;
mod entry;
mod failure;
pub mod listing;
mod path;
pub mod ticket;
pub mod time;

pub use account::{Capabilities, Denied, Grant, Rights, UnknownRight};
pub use action::{
    Action, Answer, DataFailure, Edit, End, Facts, Flow, Mode, Opened, Optional, Plan, Reason,
    Route, Scope, TlsFailure, TransferMode, Transferred, Verdict, Wire,
};
pub use config::{Config, Limits, Notes, Style};
pub use entry::{Entry, Kind, Metadata};
pub use failure::Failure;
pub use listing::Listing;
pub use path::{PathError, VPath};
pub use ticket::{Event, Foreign, Ticket, TicketId};
pub use time::{Instant, Timestamp};
