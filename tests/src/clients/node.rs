//! basic-ftp, the client that most programs in JavaScript use.

use super::secure::{VERSIONS, protected, secure, ways};
use super::{Desk, both, grow};
use crate::{Program, cases};

const SCRIPT: &str = include_str!("basic_ftp_client.cjs");

cases! { "clients";
    basic_ftp_does_all_it_can("node", "node_modules/basic-ftp"),
    basic_ftp_does_all_it_can_over_tls("node", "node_modules/basic-ftp"),
}

fn basic_ftp_does_all_it_can(program: &Program) {
    let server = both(program);
    for &address in server.addresses() {
        let desk = Desk::new();
        grow(&desk.path());
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        desk.run("node", &["-e", SCRIPT, &ip, &port]);
    }
    server.still_serves();
}

/// Without an empty file: when it resumes a session, basic-ftp may begin an upload before the
/// handshake has ended, and then ends the connection at once.
fn basic_ftp_does_all_it_can_over_tls(program: &Program) {
    let server = secure(program, "required");
    for way in ways(&server) {
        let desk = Desk::new();
        grow(&desk.path());
        desk.remove("empty.bin");
        let words = way.words(&server, "TLSv", ".");
        let words = words.each_ref().map(String::as_str);
        desk.run("node", &[&["-e", SCRIPT], &words[..]].concat());
    }
    for version in VERSIONS {
        assert!(protected(&server, version, true) > 2 * 20, "{version}");
    }
}
