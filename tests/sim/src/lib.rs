//! A simulator that runs real sessions in a world full of faults.

mod adapter;
mod case;
mod client;
mod protection;
mod queue;
mod random;
mod reply;
mod seat;
mod step;
mod world;

pub use adapter::{play_on_adapter, run_adapter, run_bucket};
pub use case::{Case, Fault, Sabotage};
pub use world::{Outcome, run};
