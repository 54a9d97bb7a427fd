//! What clients need to speak TLS, and what a server tells of it.

use std::net::SocketAddr;

use super::url;
use crate::{Config, Program, Server};

/// The versions of TLS: how most call them, and what the server says.
pub(super) const VERSIONS: [(&str, &str); 2] = [("1.2", "TLSv1_2"), ("1.3", "TLSv1_3")];

/// A server that takes nothing in clear, on both loopback addresses and, with TLS from the first
/// byte, on one. `reuse` is its `session-reuse`: clients that resume sessions are held to it.
pub(super) fn secure(program: &Program, reuse: &str) -> Server {
    let lines =
        format!("control = \"required\"\ndata = \"required\"\nsession-reuse = \"{reuse}\"\n");
    program.start(
        Config::default()
            .listen(&["127.0.0.1:0", "[::1]:0"])
            .implicit(&["127.0.0.1:0"])
            .tls(&lines),
    )
}

/// A way into a server.
pub(super) struct Door {
    pub(super) address: SocketAddr,
    /// TLS begins with the first byte, not with AUTH.
    pub(super) implicit: bool,
}

impl Door {
    /// As [`url`], or the same with `ftps://`.
    pub(super) fn url(&self, path: &str) -> String {
        let url = url(self.address, path);
        if self.implicit {
            url.replacen("ftp", "ftps", 1)
        } else {
            url
        }
    }

    /// Host and port.
    pub(super) fn parts(&self) -> (String, String) {
        let address = self.address;
        (address.ip().to_string(), address.port().to_string())
    }
}

/// All the ways into a [`secure`] server.
pub(super) fn doors(server: &Server) -> Vec<Door> {
    let explicit = server.addresses().iter().map(|&address| Door {
        address,
        implicit: false,
    });
    let implicit = Door {
        address: server.implicit(),
        implicit: true,
    };
    explicit.chain([implicit]).collect()
}

/// The file with the certificate of those whom a client shall trust.
pub(super) fn authority(server: &Server) -> String {
    server.folder().join("ca.pem").display().to_string()
}

/// How many data connections there were in this version of TLS. Asserts that there were no others,
/// and that each of them has resumed a session, or none.
pub(super) fn protected(server: &Server, version: &str, resumed: bool) -> usize {
    let log = server.whole_log();
    let wanted = format!(" resumed={resumed} version=Some({version})");
    let all = log.matches("a data connection is protected").count();
    let count = log.matches(&wanted).count();
    assert_eq!(count, all, "not all were{wanted}");
    count
}
