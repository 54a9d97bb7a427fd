//! FTPS: logins and data under TLS.

pub(super) mod control;
pub(super) mod data;
pub(super) mod policy;
pub(super) mod resumption;

use crate::Program;
use crate::client::Client;
use crate::server::{Config, Server, rest};
use crate::tls::Tls;
use crate::wire::Wire;

/// Both versions.
fn versions() -> [Tls; 2] {
    [Tls::v12(), Tls::v13()]
}

fn serve(program: &Program, lines: &str) -> Server {
    program.start(Config::default().tls(lines))
}

/// A client with a protected connection that has logged in.
fn login(server: &Server, tls: &Tls) -> Client {
    let mut client = server.connect();
    client.auth_tls(tls);
    client.secure(tls);
    client.login("user", "12345");
    client
}

/// A download, and whether its handshake resumed a session.
fn fetch(client: &mut Client, tls: &Tls) -> bool {
    let data = client.data();
    client.command("RETR f.bin", 150);
    let mut data = Wire::from(data);
    data.shake(tls).expect("a handshake");
    let resumed = data.is_resumed();
    assert_eq!(rest(data), b"hello");
    client.expect(226);
    resumed
}
