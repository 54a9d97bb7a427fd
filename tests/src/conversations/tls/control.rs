//! AUTH and what ends it, and control connections under TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use super::{fetch, login, serve, versions};
use crate::client::{Client, connect_data};
use crate::conversations::transfer::pattern;
use crate::server::{Config, rest};
use crate::tls::Tls;
use crate::wire::Wire;
use crate::{Program, cases};

cases! { "tls";
    begins_at_once_on_its_own_port,
    takes_nothing_behind_auth,
    takes_a_pipeline_of_commands,
    speaks_no_version_that_it_is_not_told,
    leaves_tls_by_ccc,
    leaves_tls_by_rein,
    stays_in_tls_unless_allowed,
    gives_up_a_handshake_that_stalls,
    answers_a_client_that_ends_without_close_notify,
    says_goodbye_under_tls,
}

fn begins_at_once_on_its_own_port(program: &Program) {
    let server = program.start(Config::default().implicit(&["127.0.0.1:0"]));
    server.put("f.bin", b"hello");
    for tls in versions() {
        let mut client = Client::connect_implicit(server.implicit(), &tls);
        client.command("AUTH TLS", 503);
        client.command("CCC", 534);
        client.login("user", "12345");
        // PROT P holds from the start.
        let data = client.data();
        client.command("RETR f.bin", 150);
        let mut data = Wire::from(data);
        data.shake(&tls).expect("a handshake");
        assert!(data.is_resumed());
        assert_eq!(rest(data), b"hello");
        client.expect(226);
        client.command("QUIT", 221);
    }
    // What is not TLS is not greeted.
    let mut silent = Client::silent(server.implicit());
    silent.raw(b"USER user\r\nPASS 12345\r\n");
    let mut heard = Vec::new();
    let _ = silent.stream().read_to_end(&mut heard);
    assert!(!heard.starts_with(b"220"), "{heard:?}");
}

fn takes_nothing_behind_auth(program: &Program) {
    let server = serve(program, "");
    let mut client = server.connect();
    client.raw(b"AUTH TLS\r\nUSER user\r\nPASS 12345\r\nMKD injected\r\n");
    let mut heard = Vec::new();
    let _ = client.stream().read_to_end(&mut heard);
    let said = b"234 Begin the TLS handshake.\r\n";
    assert!(heard.starts_with(said), "{heard:?}");
    // What may follow is the alert that the handshake has failed.
    let alert = &heard[said.len()..];
    assert!(alert.is_empty() || alert[0] == 21, "{alert:?}");
    assert!(!server.has("injected"));
    // Without them all is well.
    let tls = Tls::default();
    let mut client = server.connect();
    client.auth_tls(&tls);
    client.login("user", "12345");
}

fn takes_a_pipeline_of_commands(program: &Program) {
    let server = serve(program, "");
    let mut client = login(&server, &Tls::default());
    // More than one record, and more than is read at once.
    client.raw("NOOP\r\n".repeat(10_000).as_bytes());
    for _ in 0..10_000 {
        client.expect(200);
    }
    client.raw(b"NOOP\r\nQUIT\r\n");
    client.expect(200);
    client.expect(221);
    client.expect_end();
}

fn speaks_no_version_that_it_is_not_told(program: &Program) {
    let [v12, v13] = versions();
    for (version, spoken, other) in [("1.2", &v12, &v13), ("1.3", &v13, &v12)] {
        let server = serve(program, &format!("versions = [\"{version}\"]"));
        server.put("f.bin", b"hello");
        fetch(&mut login(&server, spoken), spoken);
        let mut client = server.connect();
        client.command("AUTH TLS", 234);
        let refused = client.shake(other);
        assert!(refused.is_err(), "{version}");
    }
}

fn leaves_tls_by_ccc(program: &Program) {
    let server = serve(program, "ccc = true");
    server.put("f.bin", b"hello");
    for tls in versions() {
        let mut client = login(&server, &tls);
        client.clear();
        client.command("NOOP", 200);
        // Data stays protected.
        assert_eq!(client.fetch("f.bin"), b"hello");
        client.command("QUIT", 221);

        // A client that sends no close_notify, and one that sends it with its next command.
        for notify in [false, true] {
            let mut client = login(&server, &tls);
            client.command("CCC", 200);
            let mut bytes = Vec::new();
            if notify {
                client.wire().notify().expect("to send");
            }
            bytes.extend_from_slice(b"NOOP\r\nQUIT\r\n");
            client.stream().write_all(&bytes).expect("to send");
            let text = String::from_utf8_lossy(&rest(client.stream())).into_owned();
            assert!(text.contains("200 NOOP ok.\r\n221"), "{text:?}");
        }
    }
}

fn leaves_tls_by_rein(program: &Program) {
    let server = serve(program, "");
    let tls = Tls::default();
    let mut client = login(&server, &tls);
    client.command("REIN", 220);
    client.wire().strip().expect("the end of TLS");
    client.command("PWD", 530);
    client.auth_tls(&tls);
    client.login("user", "12345");
    client.command("PWD", 257);
}

fn stays_in_tls_unless_allowed(program: &Program) {
    let server = serve(program, "");
    let mut client = login(&server, &Tls::default());
    client.command("CCC", 534);
    client.command("NOOP", 200);
}

fn gives_up_a_handshake_that_stalls(program: &Program) {
    // Not when the session looks after itself, a second after its last word.
    let config = Config::default()
        .tls("")
        .implicit(&["127.0.0.1:0"])
        .table("[limits]\nhandshake = \"1500ms\"\nsessions = 2");
    let server = program.start(config);
    let hello = Tls::default().hello();
    for address in [server.address(), server.implicit()] {
        let mut client = Client::silent(address);
        if address == server.address() {
            client.expect(220);
            client.command("AUTH TLS", 234);
        }
        client.raw(&hello[..hello.len() / 2]);
        client.expect_end();
    }
    let tls = Tls::default();
    let mut client = login(&server, &tls);
    let address = client.epsv();
    let mut data = connect_data(address);
    client.command("STOR never", 150);
    data.write_all(&hello[..hello.len() / 2]).expect("to send");
    client.expect(522);
    assert!(!server.has("never"));
    client.command("NOOP", 200);
}

fn answers_a_client_that_ends_without_close_notify(program: &Program) {
    let server = serve(program, "");
    server.put("f.bin", &pattern(40_000_000));
    for tls in versions() {
        let mut client = login(&server, &tls);
        let data = client.data();
        client.command("RETR f.bin", 150);
        let _data = client.protect(data);
        client.stream().shutdown(Shutdown::Write).expect("a FIN");
        client.expect(426);
        client.expect_end();
    }
}

fn says_goodbye_under_tls(program: &Program) {
    let server = serve(program, "");
    for tls in versions() {
        let mut client = login(&server, &tls);
        client.command("QUIT", 221);
        // A close_notify, not only the end of the connection.
        let mut left = Vec::new();
        let ended = client.wire().read_to_end(&mut left);
        assert!(
            !matches!(&ended, Err(error) if error.kind() == ErrorKind::UnexpectedEof),
            "{ended:?}"
        );
    }
}
