//! What clients need to speak TLS, and what a server tells of it.

use std::net::SocketAddr;

use super::url;
use crate::{Config, Program, Server};

/// The versions of TLS, as most clients call them.
pub(super) const VERSIONS: [&str; 2] = ["1.2", "1.3"];

/// A server that takes nothing in clear, see [`secured`].
pub(super) fn secure(program: &Program, reuse: &str) -> Server {
    program.start(secured(Config::default(), reuse))
}

/// Takes nothing in clear, on both loopback addresses and, with TLS from the first byte, on one.
/// `reuse` is its `session-reuse`: clients that resume sessions are held to it.
pub(super) fn secured(config: Config, reuse: &str) -> Config {
    let lines =
        format!("control = \"required\"\ndata = \"required\"\nsession-reuse = \"{reuse}\"\n");
    config
        .listen(&["127.0.0.1:0", "[::1]:0"])
        .implicit(&["127.0.0.1:0"])
        .tls(&lines)
}

/// A way to speak TLS with a server.
pub(super) struct Way {
    pub(super) address: SocketAddr,
    /// TLS begins with the first byte, not with AUTH.
    pub(super) implicit: bool,
    pub(super) version: &'static str,
}

impl Way {
    /// As [`url`], or the same with `ftps://`.
    pub(super) fn url(&self, path: &str) -> String {
        let url = url(self.address, path);
        if self.implicit {
            url.replacen("ftp", "ftps", 1)
        } else {
            url
        }
    }

    /// What a script is told: host and port, how TLS begins, its version as `prefix` and
    /// `separator` make it a name, and whom to trust.
    pub(super) fn words(&self, server: &Server, prefix: &str, separator: &str) -> [String; 5] {
        [
            self.address.ip().to_string(),
            self.address.port().to_string(),
            if self.implicit {
                "implicit"
            } else {
                "explicit"
            }
            .into(),
            format!("{prefix}{}", self.version.replace('.', separator)),
            authority(server),
        ]
    }
}

/// Each way to begin TLS in each version, and each family of addresses.
pub(super) fn ways(server: &Server) -> [Way; 4] {
    let way = |address, implicit, version| Way {
        address,
        implicit,
        version,
    };
    [
        way(server.addresses()[0], false, "1.3"),
        way(server.addresses()[1], false, "1.2"),
        way(server.implicit(), true, "1.3"),
        way(server.implicit(), true, "1.2"),
    ]
}

/// The file with the certificate of those whom a client shall trust.
pub(super) fn authority(server: &Server) -> String {
    server.folder().join("ca.pem").display().to_string()
}

/// How many data connections in this version of TLS have resumed a session, or begun one.
pub(super) fn protected(server: &Server, version: &str, resumed: bool) -> usize {
    let (version, resumed) = (
        format!("is protected by TLS {version} "),
        format!(" resumed={resumed}"),
    );
    let log = server.whole_log();
    let is_one = |line: &&str| line.contains(&version) && line.contains(&resumed);
    log.lines().filter(is_one).count()
}
