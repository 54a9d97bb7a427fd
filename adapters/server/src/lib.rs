//! What the Wharf servers share.
//!
//! Without features this crate is what every adapter needs besides the protocol: [`Settings`] and
//! the running [`Service`] that has them, [`sockets`] and [`passive`] listeners, the [`pump`] that
//! moves bytes, and the [`journal`] that logs. The feature `cli` adds what a binary needs: the
//! command line and the configuration file (`cli`), accounts with hashed passwords (`accounts`),
//! the log (`log`) and the words printed at the start (`report`).

#[cfg(feature = "cli")]
pub mod accounts;
#[cfg(feature = "cli")]
mod assemble;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
mod config;
pub mod connection;
mod escape;
pub mod journal;
#[cfg(feature = "cli")]
pub mod log;
pub mod passive;
#[cfg(feature = "cli")]
pub mod password;
mod ports;
pub mod pump;
#[cfg(feature = "cli")]
pub mod report;
#[cfg(feature = "cli")]
pub mod run;
mod secret;
mod service;
mod settings;
pub mod sockets;
#[cfg(feature = "cli")]
mod value;
pub mod work;

pub use escape::Escape;
pub use ports::PortPool;
pub use secret::Secret;
pub use service::{LookUp, Permit, Service};
pub use settings::{InvalidAddress, PublicAddress, Settings};
