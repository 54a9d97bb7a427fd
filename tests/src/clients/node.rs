//! basic-ftp, the client that most programs in JavaScript use.

use super::{Desk, both, grow};
use crate::{Program, cases};

cases! { "clients";
    basic_ftp_does_all_it_can("node", "node_modules/basic-ftp"),
}

fn basic_ftp_does_all_it_can(program: &Program) {
    let server = both(program);
    for &address in server.addresses() {
        let desk = Desk::new();
        grow(&desk.path());
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        desk.run(
            "node",
            &["-e", include_str!("basic_ftp_client.cjs"), &ip, &port],
        );
    }
    server.still_serves();
}
