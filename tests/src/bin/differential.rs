//! Plays every probe against a server on this machine, and prints what it answers.
//!
//!     differential ADDRESS USER PASSWORD START HOME
//!
//! START is the directory in which sessions begin, as the server calls it, and HOME what it is
//! called here. Everything in it is removed.

use std::path::Path;
use std::time::Duration;
use std::{env, io};

use wharf_tests::differential::{Peer, play, prepare, probes};

fn main() -> io::Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [address, user, password, start, home] = &arguments[..] else {
        return Err(io::Error::other(
            "expected ADDRESS USER PASSWORD START HOME",
        ));
    };
    let peer = Peer {
        address: address.parse().map_err(io::Error::other)?,
        user: user.clone(),
        password: password.clone(),
        start: start.clone(),
        patience: Duration::from_secs(4),
    };
    for (probe, script) in probes() {
        prepare(Path::new(home))?;
        let words = match play(&peer, script) {
            Ok(heard) => heard.words.join(" "),
            Err(error) => error.to_string(),
        };
        println!("{probe}\t{words}");
    }
    Ok(())
}
