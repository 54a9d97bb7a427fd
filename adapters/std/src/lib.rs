//! Wharf on threads: [`serve`] runs an FTP server with a thread for each session.
//!
//! Each session is one loop of `poll(2)` over the control connection, the data connection and
//! what else it waits for. Nothing but helper threads ever blocks, so ABOR and STAT are served in
//! the middle of a transfer.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use wharf_std::{Service, Settings, sockets};
//! # use wharf_std::wharf_storage::{Account, Accounts, Credentials};
//! # struct Everybody;
//! # impl Accounts for Everybody {
//! #     fn login(&self, _: &Credentials<'_>) -> Result<Account, wharf_std::wharf_core::Denied> {
//! #         Err(wharf_std::wharf_core::Denied::Credentials)
//! #     }
//! # }
//!
//! # fn main() -> std::io::Result<()> {
//! let listener = sockets::listen(([127, 0, 0, 1], 2121).into())?;
//! let service = Service::new(Settings::new(Arc::new(Everybody)));
//! wharf_std::serve(vec![listener], &service)
//! # }
//! ```

mod acceptor;
mod helper;
mod session;

pub use acceptor::serve;
pub use wharf_driver::{Listener, Service, Settings, sockets};
pub use {wharf_core, wharf_driver, wharf_storage};
