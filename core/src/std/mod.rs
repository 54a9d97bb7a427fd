//! The feature `std`: conversions between what the standard library has and what the core has. The core
//! itself does not use it.

mod clock;
mod failure;
mod metadata;
mod path;
mod time;

pub use clock::Monotonic;
pub use time::OutOfRange;
