//! Object stores that run for the tests of Wharf: processes on loopback, each with a directory of its own.
//!
//! ```no_run
//! let Some(store) = wharf_stores::seaweed() else { return };
//! let (endpoint, bucket) = (store.endpoint(), store.new_bucket());
//! ```
//!
//! A store that is not installed is skipped, which is said; with `WHARF_REQUIRE_CLIENTS=1` in the environment,
//! as in CI, that is a failure.

mod cluster;
mod keeper;
mod named;
mod seaweed;

use std::env;
use std::path::PathBuf;
use std::sync::OnceLock;

pub use cluster::Cluster;
pub use named::Named;
pub use seaweed::Seaweed;

/// The name of the key that every store here takes.
pub const KEY_ID: &str = "GK00112233445566778899aabb";
/// Its secret.
pub const SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A role that this key may take on, and that may do everything.
pub const ROLE: &str = "arn:aws:iam::role/Tests";

/// Returns the SeaweedFS that all tests of this process share, which ends with the process; `None` if it is
/// not installed.
///
/// # Panics
/// If it is not installed but has to be, or does not start.
pub fn seaweed() -> Option<&'static Seaweed> {
    static SHARED: OnceLock<Result<Option<Seaweed>, String>> = OnceLock::new();
    match SHARED.get_or_init(Seaweed::start) {
        Ok(started) => started.as_ref(),
        Err(log) => panic!("SeaweedFS did not start:\n{log}"),
    }
}

/// Returns where a program is: in the `PATH`, or at this place among the packages that `.ci/clients` installs.
fn program(name: &str, among_packages: &str) -> Option<PathBuf> {
    let packages = env::var_os("WHARF_CLIENTS").map_or_else(
        || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache/wharf-clients"),
        PathBuf::from,
    );
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .chain([packages.join(among_packages)])
        .find(|file| file.is_file())
}

/// Says that something cannot be tested here. Where everything must be there, that is a failure.
fn skip(why: &str) {
    assert!(env::var_os("WHARF_REQUIRE_CLIENTS").is_none(), "{why}");
    println!("skipped: {why}");
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_store_ends_and_leaves_nothing_when_it_is_dropped() {
        let started = Seaweed::start().unwrap_or_else(|log| panic!("{log}"));
        let Some(store) = started else { return };
        let folder = store.folder().to_owned();
        let endpoint = store.endpoint();
        let address = endpoint.strip_prefix("http://").expect("a URL");
        assert_ne!(store.new_bucket(), store.new_bucket());
        assert!(TcpStream::connect(address).is_ok() && folder.exists());
        drop(store);
        assert!(TcpStream::connect(address).is_err() && !folder.exists());
    }
}
