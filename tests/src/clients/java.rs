//! commons-net, the client that most programs in Java use.

use super::secure::{VERSIONS, protected, secure, ways};
use super::{Desk, both, noise};
use crate::{Program, cases};

const LIBRARY: &str = "/usr/share/java/commons-net.jar";

cases! { "clients";
    commons_net_does_all_it_can("javac", "/usr/share/java/commons-net.jar"),
    commons_net_does_all_it_can_over_tls("javac", "/usr/share/java/commons-net.jar"),
}

fn java(words: &[&str]) {
    let desk = Desk::new();
    desk.put("long.bin", &noise(1, 2_000_000));
    desk.put("empty.bin", b"");
    for number in 0..10 {
        desk.put(&format!("파일-{number}.bin"), &noise(number, 3_000));
    }
    let script = desk.home().join("Client.java");
    std::fs::write(&script, include_str!("commons_net_client.java")).expect("a file");
    let script = script.display().to_string();
    desk.run("java", &[&["-cp", LIBRARY, &script], words].concat());
}

fn commons_net_does_all_it_can(program: &Program) {
    let server = both(program);
    for &address in server.addresses() {
        java(&[&address.ip().to_string(), &address.port().to_string()]);
    }
}

/// Java looks for a session under the port of the data connection, and finds none.
fn commons_net_does_all_it_can_over_tls(program: &Program) {
    let server = secure(program, "if-offered");
    // Java starts slowly.
    let [explicit, _, _, implicit] = ways(&server);
    for way in [explicit, implicit] {
        let words = way.words(&server, "TLSv", ".");
        java(&words.each_ref().map(String::as_str));
    }
    for version in VERSIONS {
        assert!(protected(&server, version, false) > 2 * 20, "{version}");
    }
}
