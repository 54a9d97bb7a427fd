//! Perl's Net::FTP. What it does is in the script beside this file.

use super::secure::{VERSIONS, protected, secure, ways};
use super::{Desk, both, noise};
use crate::{Program, cases};

const SCRIPT: &str = include_str!("net_ftp_client.pl");

cases! { "clients";
    net_ftp_does_all_it_can("perl", "/usr/share/perl5/IO/Socket/SSL.pm"),
    net_ftp_does_all_it_can_over_tls("perl", "/usr/share/perl5/IO/Socket/SSL.pm"),
}

fn desk() -> Desk {
    let desk = Desk::new();
    desk.put("plain.txt", &noise(1, 20_000));
    desk.put("long.bin", &noise(2, 2_000_000));
    desk.put("empty.bin", b"");
    for number in 0..10 {
        desk.put(&format!("파일-{number}.bin"), &noise(number, 3_000));
    }
    desk
}

fn net_ftp_does_all_it_can(program: &Program) {
    let server = both(program);
    for &address in server.addresses() {
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        desk().run("perl", &["-e", SCRIPT, &ip, &port]);
    }
}

/// In passive mode it looks for a session under the port of the data connection, and finds none.
fn net_ftp_does_all_it_can_over_tls(program: &Program) {
    let server = secure(program, "if-offered");
    for way in ways(&server) {
        let words = way.words(&server, "TLSv", "_");
        let words = words.each_ref().map(String::as_str);
        desk().run("perl", &[&["-e", SCRIPT], &words[..]].concat());
    }
    for version in VERSIONS {
        assert!(protected(&server, version, false) > 2 * 20, "{version}");
    }
}
