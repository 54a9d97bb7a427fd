//! A bucket of an object store as a [`Storage`](wharf_storage::Storage): streamed in both directions, without
//! local disk, and with uploads that can be continued by any number of servers on one bucket.
//!
//! - [`wire`] has the requests of the S3 interface and the meaning of their answers, as pure functions.
//! - [`https`] is the way to a store over the network.
//! - [`Transport`] carries a request to a store and brings its answer. It is the only way out of this crate.
#![deny(missing_debug_implementations)]

pub mod https;
mod provider;
mod transport;
pub mod wire;

pub use provider::{Condition, Provider, Style};
pub use transport::{Answer, Lost, Transport};
