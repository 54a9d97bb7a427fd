//! Wharf on threads: [`serve`] runs an FTP server with a thread for each session.
//!
//! Each session is one loop of `poll(2)` over the control connection, the data connection and
//! what else it waits for. It waits for a local disk, which is short, and for nothing else: what may take
//! longer is done by other threads, of which there are few. So ABOR and STAT are served in the middle of a
//! transfer.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use wharf_std::{Service, Settings, sockets};
//! # use wharf_std::wharf_storage::Nobody;
//!
//! # fn main() -> std::io::Result<()> {
//! let listener = sockets::listen(([127, 0, 0, 1], 2121).into())?;
//! let service = Service::new(Settings::new(Arc::new(Nobody)));
//! wharf_std::serve(vec![listener], &service)
//! # }
//! ```
//!
//! # Features
//!
//! None is on by default: such a server speaks clear text and writes no log.
//!
//! - `aws-lc-rs` or `ring`: FTPS, with that cryptography. `tls` is FTPS with a provider of your own.
//! - `tracing`: a log of what happens in sessions.

#![deny(missing_debug_implementations)]

mod acceptor;
mod session;

pub use acceptor::serve;
pub use wharf_driver::{Listener, Service, Settings, sockets};
pub use {wharf_core, wharf_driver, wharf_storage};
