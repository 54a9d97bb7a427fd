//! The loop around `wharf-core`, for any runtime that can wait for a descriptor.
//!
//! A [`Connection`](connection::Connection) is the session of one client with all that it needs: its
//! control connection, in clear or within [`tls`], its passive port and data connection, the files that
//! it moves. A runtime waits for what the connection [wants](connection::Connection::wants) and says
//! what has happened. The [`Service`] is what the connections of a server share: its [`Settings`], who is
//! connected, which ports are taken. The crates `wharf-std` and `wharf-smol` are such runtimes.

mod backoff;
mod bell;
mod client;
pub mod connection;
mod control;
mod escape;
mod executors;
pub mod journal;
mod kept;
mod kernel;
mod listener;
mod lock;
#[cfg(test)]
#[path = "../tests/loopback/mod.rs"]
mod loopback;
mod network;
mod passive;
mod places;
mod ports;
mod public;
mod pump;
mod queue;
mod reception;
mod reserve;
mod service;
mod settings;
mod signal;
pub mod sockets;
mod stream;
pub mod system;
#[cfg(feature = "async")]
pub mod task;
pub mod tls;
mod work;

pub use backoff::BackOff;
pub use bell::Bell;
pub use client::Client;
pub use escape::Escape;
pub use listener::Listener;
pub use service::Service;
pub use settings::{InvalidAddress, PublicAddress, Settings};
pub use signal::Signal;
