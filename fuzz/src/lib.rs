//! What the fuzzer checks. Each function takes any bytes and panics if a promise is broken; the
//! targets in `fuzz_targets` hand them to libFuzzer, and `tests/replay.rs` runs them on what was
//! found before.

mod ascii;
mod command;
mod config;
mod glob;
mod hostport;
mod line;
mod listing;
mod model;
mod path;
mod proxy;
mod session;
mod store;

pub use ascii::ascii;
pub use command::command;
pub use config::config;
pub use glob::glob;
pub use hostport::hostport;
pub use line::line;
pub use listing::listing;
pub use model::model;
pub use path::path;
pub use proxy::proxy;
pub use session::session;
pub use store::store;

/// The first line, and what stands behind it: many targets need two values.
fn two(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (first, second) = bytes.split_at(end.unwrap_or(bytes.len()));
    (first, second.get(1..).unwrap_or_default())
}
