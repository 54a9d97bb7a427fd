//! The loop around `wharf-core`, for any runtime that can wait for a descriptor.
//!
//! A [`Connection`](connection::Connection) is the session of one client with all that it needs: its
//! control connection, in clear or within [`tls`], its passive port and data connection, the files that
//! it moves. A runtime waits for what the connection [wants](connection::Connection::wants) and says
//! what has happened. The [`Service`] is what the connections of a server share: its [`Settings`], who is
//! connected, which ports are taken. The crates `wharf-std` and `wharf-smol` are such runtimes.

mod backoff;
mod bell;
pub mod connection;
mod control;
mod escape;
mod executors;
pub mod journal;
mod kept;
mod kernel;
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
mod service;
mod settings;
mod signal;
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
pub use service::{Permit, Refusal, Service};
pub use settings::{InvalidAddress, PublicAddress, Settings};
pub use signal::Signal;
pub use stream::Stream;
