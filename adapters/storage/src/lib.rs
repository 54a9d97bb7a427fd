//! What a Wharf server serves: the traits [`Storage`] and [`Accounts`], shared by all adapters
//! and free of any runtime, and [`Local`], a local directory.
//!
//! The calls of both traits block. Each that may be answered without waiting has a twin whose name
//! ends in `_now` and which returns `None` where it would have to wait: an async adapter tries
//! that first and hands the blocking call to a thread only if it must. A storage that is never
//! quick (an object store) leaves the twins as they are.

mod account;
mod lines;
// It stands on calls that only Linux has: statx, O_PATH, renameat2, and openat2 where it is there.
#[cfg(target_os = "linux")]
mod local;
mod seats;
mod storage;

pub use account::{Account, Accounts, Credentials, Introduction};
pub use lines::{Lines, Piece};
#[cfg(target_os = "linux")]
pub use local::{
    Durability, Found, Guard, Links, Local, LocalOptions, Partials, Replace, Root, RootId, WeakRoot,
};
#[cfg(target_os = "linux")]
pub use local::{prepare, sweep_due};
pub use seats::{Seat, Seats};
pub use storage::{Directory, Handle, Opening, Sink, Source, Storage};
