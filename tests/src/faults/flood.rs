//! More clients than anybody expects.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{SOON, Watch, memory, stores_and_fetches};
use crate::client::reset;
use crate::server::within;
use crate::{Client, Config, Program, cases};

cases! { "faults";
    ends_a_thousand_slow_logins,
    survives_ten_thousand_connections,
}

/// R37: they send a byte now and then, and never a whole command.
fn ends_a_thousand_slow_logins(program: &Program) {
    let limits = "[limits]\nsessions = 2000\nsessions-per-address = 2000\nlogin = \"4s\"";
    let server = program.start(Config::default().table(limits));
    let watch = Watch::begin(&server);
    let mut slow: Vec<TcpStream> = (0..1_000)
        .map(|_| TcpStream::connect(server.address()).expect("a connection"))
        .collect();
    let begun = Instant::now();
    for stream in &mut slow {
        stream.write_all(b"U").expect("to send");
    }
    within(SOON, "all of them have sessions", || {
        server.descriptors() >= watch.descriptors() + 1_000
    });
    stores_and_fetches(&server);
    // A byte in between wins no time.
    while begun.elapsed() < Duration::from_secs(2) {
        for stream in &mut slow {
            let _ = stream.write_all(b"S");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    within(Duration::from_secs(10), "their places are free", || {
        server.descriptors() <= watch.descriptors()
    });
    let mut said = String::new();
    let _ = slow[0].read_to_string(&mut said);
    assert!(said.contains("421 "), "{said}");
    drop(slow);
    watch.ends_well();
}

/// R38: opened and closed at once, by some with a reset; no more than ten at a time.
fn survives_ten_thousand_connections(program: &Program) {
    let server = program.start(Config::default().table("[limits]\nsessions-per-address = 10"));
    let watch = Watch::begin(&server);
    let flood = |count| {
        for _ in 0..count {
            let stream = TcpStream::connect(server.address()).expect("a connection");
            // Closed in order, each would keep a port for a minute.
            reset(stream);
        }
    };
    flood(2_000);
    watch.is_at_rest();
    let before = memory(&server);
    flood(8_000);
    let clients: Vec<Client> = (0..10).map(|_| held(&server)).collect();
    let (code, _) = Client::silent(server.address()).reply();
    assert_eq!(code, 421);
    drop(clients);
    watch.is_at_rest();
    let grown = memory(&server).saturating_sub(before);
    assert!(grown < 4_096, "{grown} KiB more than before");
    watch.ends_well();
}

/// A client for whom there is a place, once those before are gone.
fn held(server: &crate::Server) -> Client {
    let mut client = None;
    within(SOON, "a place is free", || {
        let mut next = Client::silent(server.address());
        let served = next.reply().0 == 220;
        if served {
            client = Some(next);
        }
        served
    });
    client.expect("a client")
}
