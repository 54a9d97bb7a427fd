//! Wharf on smol: an FTP server with an async task for each session.
//!
//! [`serve`] brings its own threads; [`serve_on`] runs on an executor that you have. Nothing in a task waits
//! for a disk: what the kernel does not promise to do at once is done by other threads, of which there are
//! few. For another runtime than smol see [`wharf_driver::task`].
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use wharf_smol::{Service, Settings, sockets};
//! # use wharf_smol::wharf_storage::Nobody;
//!
//! # fn main() -> std::io::Result<()> {
//! let listener = sockets::listen(([127, 0, 0, 1], 2121).into())?;
//! let service = Service::new(Settings::new(Arc::new(Nobody)));
//! wharf_smol::serve(vec![listener], &service)
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
mod native;

pub use acceptor::{serve, serve_on};
pub use wharf_driver::{Listener, Service, Settings, sockets};
pub use {wharf_core, wharf_driver, wharf_storage};
