//! A bucket of an object store as a [`Storage`](wharf_storage::Storage): streamed in both directions, without
//! local disk, and with uploads that can be continued by any number of servers on one bucket.
//!
//! - [`wire`] has the requests of the S3 interface and the meaning of their answers, as pure functions.
//! - `https` is the way to a store over the network: a feature, which is on unless it is turned off.
//! - [`Transport`] carries a request to a store and brings its answer. It is the only way out of this crate.
//! - [`Store`] is one bucket, and [`Bucket`] what one account sees of it.
#![deny(missing_debug_implementations)]

mod bucket;
mod budget;
mod client;
mod copy;
mod directory;
mod edit;
mod examine;
#[cfg(feature = "https")]
pub mod https;
mod key;
mod multipart;
mod provider;
mod queue;
mod record;
mod source;
mod stands;
mod store;
mod sweep;
mod transport;
mod tree;
mod upload;
pub mod wire;

pub use bucket::Bucket;
pub use budget::Budget;
pub use client::Patience;
pub use examine::{Cause, Finding};
pub use provider::{Condition, Provider, Style};
pub use store::{LEAST_PART, MOST_PARTS, Store, StoreOptions};
pub use transport::{Answer, Lost, Transport};
