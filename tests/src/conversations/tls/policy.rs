//! What listeners, accounts and certificates demand.

use std::fs;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustix::process::Signal;

use super::{login, serve, versions};
use crate::certificates::{AUTHORITY, STRANGER};
use crate::client::Client;
use crate::server::{Config, Server, eventually};
use crate::tls::Tls;
use crate::wire::Wire;
use crate::{Program, cases};

cases! { "tls";
    demands_tls,
    demands_what_a_listener_demands,
    demands_what_an_account_demands,
    asks_for_no_password_where_an_account_cannot_be_had,
    picks_a_certificate_by_name,
    reads_certificates_again,
    demands_a_certificate,
    takes_a_certificate_for_a_password,
    believes_a_certificate_as_long_as_its_channel_lasts,
}

fn demands_tls(program: &Program) {
    let server = serve(program, "control = \"required\"\ndata = \"required\"");
    server.put("f.bin", b"hello");
    let mut client = server.connect();
    client.command("USER user", 530);
    client.command("FEAT", 211);
    let tls = Tls::default();
    client.auth_tls(&tls);
    client.login("user", "12345");
    client.command("EPSV", 229);
    client.command("RETR f.bin", 521);
    client.command("PBSZ 0", 200);
    client.command("PROT C", 534);
    client.secure(&tls);
    assert_eq!(client.fetch("f.bin"), b"hello");
}

fn demands_what_a_listener_demands(program: &Program) {
    let config = Config::default().tls("").table(
        "[[listener]]\naddress = \"127.0.0.2:0\"\ncontrol = \"off\"\n\
         [[listener]]\naddress = \"127.0.0.3:0\"\ncontrol = \"required\"\n\
         [[listener]]\naddress = \"127.0.0.4:0\"\nimplicit = true",
    );
    let server = program.start(config);
    let at = |host: u8| {
        let is_there = |address: &&SocketAddr| address.ip() == IpAddr::from([127, 0, 0, host]);
        *server
            .addresses()
            .iter()
            .find(is_there)
            .expect("a listener")
    };
    let tls = Tls::default();
    let mut clear = Client::connect(at(2));
    clear.command("AUTH TLS", 502);
    clear.login("user", "12345");
    let mut strict = Client::connect(at(3));
    strict.command("USER user", 530);
    strict.auth_tls(&tls);
    strict.login("user", "12345");
    Client::connect_implicit(server.implicit(), &tls).login("user", "12345");
    login(&server, &tls);
}

fn demands_what_an_account_demands(program: &Program) {
    let config = Config::default()
        .tls("")
        .table("[anonymous]\nhome = \"HOME\"\nrights = [\"read\"]\ntls = \"data\"");
    let server = program.start(config);
    server.put("f.bin", b"hello");
    let mut client = server.connect();
    client.command("USER anonymous", 530);
    client.command("PASS x", 503);
    client.command("USER user", 331);
    let tls = Tls::default();
    client.auth_tls(&tls);
    client.login("anonymous", "x");
    client.command("PASV", 227);
    client.command("RETR f.bin", 521);
    client.secure(&tls);
    client.command("PROT C", 534);
    assert_eq!(client.fetch("f.bin"), b"hello");
    // Nobody else's.
    client.login("user", "12345");
    client.command("PROT C", 200);
}

/// A listener without TLS, and an account that demands it.
fn asks_for_no_password_where_an_account_cannot_be_had(program: &Program) {
    let config = Config::default().tls("").table(
        "[[listener]]\naddress = \"127.0.0.2:0\"\ncontrol = \"off\"\n\
         [anonymous]\nhome = \"HOME\"\nrights = [\"read\"]\ntls = \"login\"",
    );
    let server = program.start(config);
    let clear = server
        .addresses()
        .iter()
        .find(|at| at.ip() == IpAddr::from([127, 0, 0, 2]));
    let mut client = Client::connect(*clear.expect("a listener"));
    let said = client.command("USER anonymous", 530);
    assert!(said.contains("not offered here"), "{said}");
    client.command("PASS x", 503);
    client.login("user", "12345");
}

/// The names that the server shows to a client that asks for one.
fn is_shown(server: &Server, asked: &str) -> bool {
    let mut client = server.connect();
    client.command("AUTH TLS", 234);
    client.shake(&Tls::default().named(asked)).is_ok()
}

fn picks_a_certificate_by_name(program: &Program) {
    let server = serve(
        program,
        "certificate = [{ certificate = \"fullchain.pem\", key = \"privkey.pem\" }, \
         { certificate = \"other.pem\", key = \"other-key.pem\" }]",
    );
    assert!(is_shown(&server, "localhost"));
    assert!(is_shown(&server, "other.example"));
    // Where none fits it is the first, which the client refuses.
    assert!(!is_shown(&server, "third.example"));
}

fn reads_certificates_again(program: &Program) {
    let server = serve(program, "");
    let tls = Tls::default();
    let mut before = login(&server, &tls);
    assert!(!is_shown(&server, "new.example"));

    // What is wrong changes nothing.
    fs::write(server.folder().join("fullchain.pem"), "nonsense").expect("a file");
    server.signal(Signal::HUP);
    eventually("it says so", || server.log().contains("stay as they were"));
    assert!(server.log().contains("fullchain.pem"));
    assert!(is_shown(&server, "localhost"));

    let renewed = AUTHORITY.signs(&["new.example"]);
    renewed.write(server.folder(), "fullchain.pem", "privkey.pem");
    server.signal(Signal::HUP);
    eventually("the new one is shown", || is_shown(&server, "new.example"));
    // Sessions go on with what they have.
    before.store("f.bin", b"hello");
    assert_eq!(before.fetch("f.bin"), b"hello");

    // Without being told, too.
    let third = AUTHORITY.signs(&["third.example"]);
    third.write(server.folder(), "fullchain.pem", "privkey.pem");
    crate::server::within(Duration::from_secs(20), "it is noticed", || {
        is_shown(&server, "third.example")
    });
}

fn demands_a_certificate(program: &Program) {
    let known = AUTHORITY.signs(&["somebody"]);
    let unknown = STRANGER.signs(&["somebody"]);
    for (policy, none) in [("optional", true), ("required", false)] {
        let lines = format!("client-certificates = \"{policy}\"\nclient-ca = \"ca.pem\"");
        let server = serve(program, &lines);
        for tls in versions() {
            let mut client = login(&server, &tls.clone().identity(&known));
            client.store("f.bin", b"hello");
            assert_eq!(client.fetch("f.bin"), b"hello");
            for (tls, welcome) in [(tls.clone().identity(&unknown), false), (tls, none)] {
                let mut client = server.connect();
                client.command("AUTH TLS", 234);
                // Under TLS 1.3 a client learns of it only after its handshake.
                let shaken = client.shake(&tls);
                let heard = shaken.and_then(|()| {
                    let _ = client.wire().write_all(b"NOOP\r\n");
                    client.try_reply()
                });
                assert_eq!(heard.is_ok(), welcome, "{policy} {heard:?}");
            }
        }
    }
}

fn takes_a_certificate_for_a_password(program: &Program) {
    let server = serve(
        program,
        "client-certificates = \"optional\"\nclient-ca = \"ca.pem\"\nclient-name = \"common-name\"",
    );
    let own = AUTHORITY.signs(&["user"]);
    let others = AUTHORITY.signs(&["somebody", "user"]);
    for tls in versions() {
        let mut client = server.connect();
        // In clear the certificate is not known.
        client.command("USER user", 331);
        let mine = tls.clone().identity(&own);
        client.auth_tls(&mine);
        client.secure(&mine);
        client.command("USER nobody", 331);
        client.command("PASS 12345", 530);
        client.command("USER user", 232);
        client.command("TYPE I", 200);
        client.store("f.bin", b"hello");
        assert_eq!(client.fetch("f.bin"), b"hello");

        let mut client = server.connect();
        client.auth_tls(&tls.clone().identity(&others));
        client.command("USER user", 331);
        client.command("PASS 12345", 230);

        // Another certificate on the data connection than on the control connection.
        let mut client = server.connect();
        client.auth_tls(&mine);
        client.secure(&mine);
        client.command("USER user", 232);
        let data = client.data();
        client.command("STOR stolen", 150);
        let mut data = Wire::from(data);
        let shaken = data.shake(&tls.clone().identity(&others));
        let _ = shaken.and_then(|()| data.write_all(b"stolen"));
        client.expect(522);
        assert!(!server.has("stolen"));
    }
}

/// Behind CCC and REIN somebody else may have taken the connection over.
fn believes_a_certificate_as_long_as_its_channel_lasts(program: &Program) {
    let server = serve(
        program,
        "client-certificates = \"optional\"\nclient-ca = \"ca.pem\"\n\
         client-name = \"common-name\"\nccc = true",
    );
    let own = AUTHORITY.signs(&["user"]);
    for tls in versions() {
        let mine = tls.identity(&own);
        for end in ["CCC", "REIN"] {
            let mut client = server.connect();
            client.auth_tls(&mine);
            client.command("USER user", 232);
            match end {
                "CCC" => client.clear(),
                _ => {
                    client.command("REIN", 220);
                    client.wire().strip().expect("the end of TLS");
                }
            }
            client.command("USER user", 331);
            // Shown anew it is believed again.
            client.auth_tls(&mine);
            client.command("USER user", 232);
        }
    }
}
