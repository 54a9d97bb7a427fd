//! basic-ftp, the client that most programs in JavaScript use.

use super::secure::{VERSIONS, authority, doors, protected, secure};
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

fn basic_ftp_does_all_it_can_over_tls(program: &Program) {
    for (version, logged) in VERSIONS {
        let server = secure(program, "required");
        let version = format!("TLSv{version}");
        for door in doors(&server) {
            let desk = Desk::new();
            grow(&desk.path());
            let way = if door.implicit {
                "implicit"
            } else {
                "explicit"
            };
            let (ip, port) = door.parts();
            let authority = authority(&server);
            let words = ["-e", SCRIPT, &ip, &port, way, &version, &authority];
            desk.run("node", &words);
        }
        assert!(protected(&server, logged, true) > 3 * 20);
    }
}
