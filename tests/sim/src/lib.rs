//! A [model](Model) of an FTP server that is said as simply as can be, and a simulator that runs
//! real sessions in it and in a world full of faults.

mod adapter;
mod case;
mod client;
mod compare;
mod embed;
mod model;
mod moves;
mod protection;
mod queue;
mod random;
mod seat;
mod step;
mod store;
mod world;

pub use adapter::{play_on_adapter, run_adapter};
pub use case::{Case, Fault, Sabotage};
pub use compare::Real;
pub use embed::Embedder;
pub use model::{Answer, Model, Move};
pub use moves::moves;
pub use random::Random;
pub use store::{Handle, Store, Version};
pub use world::{Outcome, run};
