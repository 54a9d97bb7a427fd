//! Many commands, and nobody who reads the replies. P15 to P17.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use super::{Setup, Stand, Target, checks};
use crate::Client;
use crate::server::within;

checks! {
    p15_answers_pipelined_commands_in_order both,
    p16_stops_reading_when_nobody_reads both,
    p17_ends_silent_connections_and_serves_others,
}

/// A client that takes little in advance, and does not send for ever.
fn narrow(target: &Target) -> Client {
    let mut client = Client::narrow(target.address);
    if let Some(tls) = &target.tls {
        client.auth_tls(tls);
    }
    client.login("user", "12345");
    client
        .stream()
        .set_write_timeout(Some(Duration::from_secs(2)))
        .expect("a timeout");
    client
}

fn p15_answers_pipelined_commands_in_order(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = narrow(&target);
    let memory = target.memory();
    let lines = b"PWD\r\nNOOP\r\nSYST\r\nTYPE I\r\nSIZE missing\r\n".repeat(10);
    let mut sent = 0;
    // Till the server takes no more; a part of it may have been taken then.
    while sent < 2_000 && client.wire().write_all(&lines).is_ok() {
        sent += 1;
    }
    let grown = target.memory().saturating_sub(memory);
    assert!(grown < 4_096, "{grown} KiB held");
    for time in 0..sent * 10 {
        for code in [257, 200, 215, 200, 550] {
            assert_eq!(client.reply().0, code, "in round {time}");
        }
    }
    target.still_serves();
}

fn p16_stops_reading_when_nobody_reads(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = narrow(&target);
    let memory = target.memory();
    let part = b"NOOP\r\n".repeat(1_000);
    let mut sent = 0;
    while sent < 1_000 && client.wire().write_all(&part).is_ok() {
        sent += 1;
    }
    let grown = target.memory().saturating_sub(memory);
    // Its replies are ten megabytes and more.
    assert!(grown < 4_096, "{grown} KiB held");
    target.still_serves();
    for _ in 0..sent * 1_000 {
        client.expect(200);
    }
}

fn p17_ends_silent_connections_and_serves_others(stand: &Stand<'_>) {
    let target = stand.start(Setup {
        login: Some(10),
        idle: Some(10),
        per_address: Some(50),
        ..Setup::default()
    });
    let before = target.sockets_at_rest();
    let silent: Vec<TcpStream> = (0..500)
        .map(|_| TcpStream::connect(target.address).expect("a connection"))
        .collect();
    let mut other = target.login_from(Ipv4Addr::new(127, 0, 0, 2));
    other.command("NOOP", 200);
    other.command("QUIT", 221);
    // Some have more than one socket for each.
    let patience = Duration::from_secs(8);
    within(patience, "those beyond the limit are refused", || {
        target.sockets() < before + 300
    });
    within(
        Duration::from_secs(20),
        "silent connections are closed",
        || target.sockets() <= before,
    );
    drop(silent);
    target.still_serves();
}
