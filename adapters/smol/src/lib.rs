//! Wharf on smol: an FTP server with an async task for each session.
//!
//! [`serve`] brings its own threads; [`serve_on`] runs on an executor that you have;
//! [`serve_client`] is one session, on a [`Reactor`] that you have. Nothing in a task waits for a
//! disk: what the kernel does not promise to do at once goes to the blocking pool, batched.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use wharf_smol::{Service, Settings, sockets};
//! # use wharf_smol::wharf_storage::{Account, Accounts, Credentials};
//! # struct Everybody;
//! # impl Accounts for Everybody {
//! #     fn login(&self, _: &Credentials<'_>) -> Result<Account, wharf_smol::wharf_core::Denied> {
//! #         Err(wharf_smol::wharf_core::Denied::Credentials)
//! #     }
//! # }
//!
//! # fn main() -> std::io::Result<()> {
//! let listener = sockets::listen(([127, 0, 0, 1], 2121).into())?;
//! let service = Service::new(Settings::new(Arc::new(Everybody)));
//! wharf_smol::serve(vec![listener], &service)
//! # }
//! ```

mod acceptor;
mod helper;
mod native;
mod reactor;
mod session;

pub use acceptor::{serve, serve_on};
pub use reactor::{Alarm, Pool, Reactor};
pub use session::serve_client;
pub use wharf_driver::{Listener, Service, Settings, sockets};
pub use {wharf_core, wharf_driver, wharf_storage};
