//! What a Wharf server serves and to whom: the traits [`Storage`] and [`Accounts`], shared by all
//! adapters and free of any runtime.
//!
//! A storage answers at once or later, and never waits itself: what it [begins](Begun) is polled, and can
//! be cancelled. A backend whose calls block implements [`BlockingStorage`] instead, of which [`Blocking`]
//! makes a storage; its calls run on the threads of a [`Pool`], or in the session's own thread where they
//! are short. The crate `wharf-local` is such a backend, for a directory.

#![deny(missing_debug_implementations)]

mod account;
mod blocking;
mod descriptor;
mod everybody;
mod executor;
mod operation;
mod pool;
mod seats;
mod storage;

pub use account::{Account, Accounts, Credentials, Executors, Introduction};
pub use blocking::{
    Blocking, BlockingDirectory, BlockingHandle, BlockingOpening, BlockingSink, BlockingSource,
    BlockingStorage,
};
pub use descriptor::Descriptor;
pub use everybody::{Everybody, Nobody};
pub use executor::{Executor, Group, Job, NotDone, OnCancel, Wanted, run};
pub use operation::{Begun, Operation};
pub use pool::Pool;
pub use seats::{Seat, Seats};
pub use storage::{Backing, Handle, Opening, Sink, Source, Storage};
pub use wharf_core::listing::Directory;
