//! What the Wharf servers share.
//!
//! Without features this crate is what every adapter needs besides the protocol: [`Settings`] and
//! the running [`Service`] that has them, [`sockets`] and [`passive`] listeners on a [`system`], the
//! [`pump`] that moves bytes, [`tls`], the [`work`] and the [`connection`] that both adapters drive,
//! and the [`journal`] that logs. The feature `cli` adds the module of that name: what a binary needs
//! besides.

mod backoff;
mod bell;
#[cfg(feature = "cli")]
pub mod cli;
pub mod connection;
mod control;
mod escape;
pub mod journal;
mod kept;
mod listener;
mod lock;
mod network;
pub mod passive;
mod places;
mod ports;
mod public;
pub mod pump;
mod queue;
mod reception;
mod reserve;
mod secret;
mod service;
mod settings;
pub mod sockets;
mod stream;
pub mod system;
pub mod tls;
pub mod work;

pub use backoff::BackOff;
pub use bell::Bell;
pub use escape::Escape;
pub use listener::Listener;
pub use ports::PortPool;
pub use reception::Reception;
pub use secret::Secret;
pub use service::{Permit, Refusal, Service};
pub use settings::{InvalidAddress, PublicAddress, Settings};
pub use stream::Stream;
