//! What a Wharf server serves and to whom: the traits [`Storage`] and [`Accounts`], shared by all
//! adapters and free of any runtime. The crate `wharf-local` implements the first for a directory.
//!
//! The calls of both traits block. Each that may be answered without waiting has a twin whose name
//! ends in `_now` and which returns `None` where it would have to wait: an async adapter tries
//! that first and hands the blocking call to a thread only if it must. A storage that is never
//! quick (an object store) leaves the twins as they are.

mod account;
mod lines;
mod seats;
mod storage;

pub use account::{Account, Accounts, Credentials, Introduction};
pub use lines::{Lines, Piece};
pub use seats::{Seat, Seats};
pub use storage::{Directory, Handle, Opening, Sink, Source, Storage};
