//! Data connections: who makes them, and when. P41 to P45, P50.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::{Setup, Stand, checks};
use crate::client::connect_data;
use crate::server::{eventually, rest};
use crate::unwelcome::Unwelcome;

/// For so long nothing comes from a server that keeps a connection which it does not want.
const SECONDS: Duration = Duration::from_secs(2);

checks! {
    p41_drops_a_stranger_and_serves_the_owner both,
    p42_connects_to_nobody_else ("root"),
    p43_serves_the_first_of_two_connections both,
    p44_says_425_when_nobody_connects both,
    p45_keeps_nothing_of_a_connection_that_was_never_used both,
    p50_bounds_connections_that_say_nothing both,
}

fn p41_drops_a_stranger_and_serves_the_owner(stand: &Stand<'_>) {
    let target = stand.serve();
    target.put("f", b"hello");
    let mut client = target.login();
    let address = client.pasv();
    let stranger = Unwelcome::connect_from(Ipv4Addr::new(127, 0, 0, 2), address);
    client.send("RETR f");
    thread::sleep(Duration::from_millis(200));
    let owner = TcpStream::connect(address);
    assert_eq!(stranger.heard(SECONDS), b"", "the stranger is served");
    let owner = owner.unwrap_or_else(|_| panic!("the owner is refused"));
    client.expect(150);
    assert_eq!(rest(client.protect(owner)), b"hello");
    client.expect(226);
    if let Some(log) = target.log_with("127.0.0.2") {
        assert!(log.contains("127.0.0.2"), "the log does not tell of it");
    }
}

fn p42_connects_to_nobody_else(stand: &Stand<'_>) {
    let target = stand.serve();
    let other = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).expect("a listener");
    let low = (600..1_000)
        .find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok())
        .expect("a free port below 1024");
    let mut client = target.login();
    let address = |listener: &TcpListener| listener.local_addr().expect("an address");
    for to in [
        address(&other),
        address(&low),
        SocketAddr::from(([127, 0, 0, 1], 22)),
        SocketAddr::from(([127, 0, 0, 1], 0)),
    ] {
        let (ip, port) = (to.ip().to_string(), to.port());
        let numbers = format!("{},{},{}", ip.replace('.', ","), port / 256, port % 256);
        client.one_of(&format!("PORT {numbers}"), &[500, 501, 504]);
        client.one_of(&format!("EPRT |1|{ip}|{port}|"), &[500, 501, 504, 522]);
    }
    client.send("NLST");
    client.reply();
    for listener in [&other, &low] {
        listener.set_nonblocking(true).expect("not to block");
        assert!(listener.accept().is_err(), "it connects to another");
    }
}

fn p43_serves_the_first_of_two_connections(stand: &Stand<'_>) {
    let target = stand.serve();
    target.put("f", b"hello");
    let mut client = target.login();
    let address = client.pasv();
    let first = connect_data(address);
    let second = Unwelcome::connect(address);
    client.command("RETR f", 150);
    assert_eq!(rest(client.protect(first)), b"hello");
    client.expect(226);
    assert_eq!(second.heard(SECONDS), b"", "the second is served");
    assert_eq!(client.fetch("f"), b"hello");
}

fn p44_says_425_when_nobody_connects(stand: &Stand<'_>) {
    let target = stand.start(Setup {
        connect: Some(2),
        ..Setup::default()
    });
    target.put("f", b"hello");
    let mut client = target.login();
    client.epsv();
    let begun = Instant::now();
    client.command("RETR f", 425);
    assert!(begun.elapsed() < Duration::from_secs(10), "too slow");
    assert_eq!(client.fetch("f"), b"hello");
}

fn p45_keeps_nothing_of_a_connection_that_was_never_used(stand: &Stand<'_>) {
    let target = stand.serve();
    let before = target.sockets_at_rest();
    let mut client = target.login();
    let data = client.data();
    client.command("QUIT", 221);
    client.expect_end();
    let mut came = Vec::new();
    // It may be reset, too.
    let _ = (&data).read_to_end(&mut came);
    assert_eq!(came, b"");
    drop((client, data));
    eventually("nothing is left", || target.sockets() <= before);
}

fn p50_bounds_connections_that_say_nothing(stand: &Stand<'_>) {
    let target = stand.start(Setup {
        connect: Some(2),
        stall: Some(2),
        ..Setup::default()
    });
    target.put("f", b"hello");
    let before = target.sockets_at_rest();
    let mut client = target.login();
    let address = client.pasv();
    let listening = target.sockets();
    let mut held = Vec::new();
    for _ in 0..20 {
        // Its backlog may be full: then nobody answers.
        held.extend(TcpStream::connect_timeout(
            &address,
            Duration::from_millis(100),
        ));
    }
    thread::sleep(Duration::from_millis(200));
    let more = target.sockets().saturating_sub(listening);
    assert!(more <= 2, "{more} sockets for 20 connections");
    client.command("QUIT", 221);
    drop(client);
    eventually("all are freed", || target.sockets() <= before);
    drop(held);
    target.still_serves();
}
