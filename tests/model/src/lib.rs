//! A [model](Model) of an FTP server that is said as simply as can be, and what it takes to hold the
//! [real one](Real) against it: an [`Embedder`] that does everything at once, and a [`Store`] in memory.

mod compare;
mod embed;
mod model;
mod moves;
mod store;

pub use compare::Real;
pub use embed::{DATA_FAILURES, Embedder, LISTENER, to_file, to_wire};
pub use model::{Answer, Model, Move};
pub use moves::moves;
pub use store::{Handle, Store, Version, at};
