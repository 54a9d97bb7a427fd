//! The loop around `wharf-core`, for any runtime that can wait for a descriptor.
//!
//! A [`Connection`](connection::Connection) is the session of one client with all that it needs: its
//! control connection, in clear or within [`tls`], its passive port and data connection, the files that
//! it moves. A runtime waits for what the connection [wants](connection::Connection::wants) and says
//! what has happened. The [`Service`] is what the connections of a server share: its [`Settings`], who is
//! connected, which ports are taken. The crates `wharf-std` and `wharf-smol` are such runtimes.
//!
//! It builds on every Unix. Where the kernel is Linux, it moves bytes by sendfile and splice.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `async`: a session as a future, in `task`, for any runtime.
//! - `tls`: FTPS by rustls, in [`tls`]. Choose its cryptography by `aws-lc-rs` or `ring`, or bring a provider
//!   of your own. Without it [`Settings::tls`] can only be `None`.
//! - `tracing`: the log of what happens in sessions, in `journal`.

#![deny(missing_debug_implementations)]

mod backoff;
mod bans;
mod bell;
mod client;
pub mod connection;
mod control;
mod escape;
mod executors;
#[cfg(feature = "tracing")]
pub mod journal;
#[cfg(not(feature = "tracing"))]
#[path = "journal/absent.rs"]
mod journal;
mod kept;
mod kernel;
mod listener;
mod lock;
mod log;
#[cfg(test)]
#[path = "../tests/loopback/mod.rs"]
mod loopback;
mod network;
mod passive;
mod places;
mod ports;
pub mod proxy;
mod public;
mod pump;
mod queue;
mod reception;
mod reserve;
mod roster;
mod service;
mod settings;
mod signal;
pub mod sockets;
mod stream;
pub mod system;
#[cfg(feature = "async")]
pub mod task;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls/absent.rs"]
pub mod tls;
mod work;

pub use backoff::BackOff;
pub use bans::Ban;
pub use bell::Bell;
pub use client::Client;
pub use escape::Escape;
pub use listener::Listener;
pub use roster::{Connected, Moving};
pub use service::Service;
pub use settings::{InvalidAddress, PublicAddress, Settings};
pub use signal::Signal;
