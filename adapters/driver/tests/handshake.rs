//! A handshake over a socket that takes little at once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod loopback;

use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use loopback::{LATE, narrow_pair, wait};
use rustix::event::PollFlags;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};
use wharf_core::{Config, TlsPolicy};
use wharf_driver::connection::{Connection, Ready};
use wharf_driver::tls::{Tls, TlsOptions};
use wharf_driver::{Service, Settings};
use wharf_storage::Nobody;

/// More than the buffers of two sockets hold.
const LONG: usize = 1 << 20;

/// The server's TLS, with a chain of certificates that is so long, and a client's.
fn both(length: usize) -> (Tls, ClientConnection) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let chain = vec![certificate.clone(); length / certificate.len() + 1];
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(Arc::new(client), name).unwrap();
    (Tls::new(server, TlsOptions::default()), client)
}

#[test]
fn it_waits_for_room_and_goes_on() {
    let (tls, mut client) = both(LONG);
    let mut settings = Settings::new(Arc::new(Nobody));
    settings.tls = Some(Arc::new(tls));
    settings.protocol = Arc::new(Config {
        tls: TlsPolicy {
            implicit: true,
            ..TlsPolicy::default()
        },
        ..Config::default()
    });
    let (server, mut socket) = narrow_pair();
    socket.set_nonblocking(true).unwrap();
    let service = Service::new(settings);
    let protocol = &service.settings().protocol;
    let peer = server.peer_addr().unwrap();
    let guest = service.admit(server, peer, protocol).unwrap();
    let mut connection = Connection::new(guest, service.executors(true)).unwrap();
    let server = Arc::clone(connection.socket());

    while client.wants_write() {
        client.write_tls(&mut socket).unwrap();
    }
    let (mut heard, start) = (0, Instant::now());
    while heard < LONG {
        assert!(connection.advance());
        let wants = connection.wants();
        let (input, output) = (wants.input, wants.output);
        let interest = if output {
            PollFlags::OUT
        } else {
            PollFlags::IN
        };
        while heard < LONG && !wait(&server, interest, Duration::ZERO) {
            // It is the client's turn to make room.
            assert!(start.elapsed() < LATE, "{heard} bytes came");
            let mut buffer = vec![0; 64 << 10];
            match socket.read(&mut buffer) {
                Ok(count) => heard += count,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        let ready = Ready {
            input,
            work: false,
            stop: false,
            broken: false,
        };
        connection.wake(ready);
    }
}
