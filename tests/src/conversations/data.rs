//! Who may use a data connection, and how ports are shared.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use super::transfer::pattern;
use crate::client::{PATIENCE, connect_data};
use crate::server::{Config, eventually, rest};
use crate::unwelcome::Unwelcome;
use crate::{Program, cases};

cases! { "data";
    drops_a_stranger_and_serves_the_owner,
    serves_the_first_of_two_connections,
    refuses_to_connect_elsewhere,
    listens_once_however_often_it_is_asked,
    keeps_nothing_of_a_passive_port_between_transfers,
    lets_the_last_of_pasv_and_port_win,
    forbids_all_but_epsv_after_epsv_all,
    stays_within_its_range_of_ports,
    shares_eight_ports_among_fifty_clients,
    announces_its_public_address,
    waits_for_the_data_connection_after_the_command,
}

fn drops_a_stranger_and_serves_the_owner(program: &Program) {
    let server = program.serve();
    server.put("f.bin", b"hello");
    let mut client = server.login();
    let address = client.epsv();
    let stranger = Unwelcome::connect_from(Ipv4Addr::new(127, 0, 0, 2), address);
    let data = connect_data(address);
    client.command("RETR f.bin", 150);
    assert_eq!(rest(data), b"hello");
    client.expect(226);
    assert_eq!(stranger.heard(PATIENCE), b"", "the stranger is served");
    assert!(server.whole_log().contains("stranger"));
}

fn serves_the_first_of_two_connections(program: &Program) {
    let server = program.serve();
    server.put("f.bin", b"hello");
    let mut client = server.login();
    let address = client.epsv();
    let first = connect_data(address);
    let second = Unwelcome::connect(address);
    client.command("RETR f.bin", 150);
    assert_eq!(rest(first), b"hello");
    client.expect(226);
    assert_eq!(second.heard(PATIENCE), b"", "the second is served");
    assert_eq!(client.fetch("f.bin"), b"hello");
}

fn refuses_to_connect_elsewhere(program: &Program) {
    let server = program.serve();
    let mut client = server.login();
    for line in [
        "PORT 127,0,0,2,200,10",
        "PORT 127,0,0,1,0,22",
        "PORT 127,0,0,1,0,0",
        "EPRT |1|127.0.0.2|51210|",
        "EPRT |1|127.0.0.1|22|",
        "PORT 127,0,0,1,200,1,1",
        "EPRT |1|127.0.0.1|99999|",
    ] {
        client.command(line, 501);
    }
    client.command("EPRT |2|::1|51210|", 522);
    client.command("EPRT |3|x|1|", 522);
    client.command("LIST", 425);
}

fn listens_once_however_often_it_is_asked(program: &Program) {
    let server = program.serve();
    server.put("f.bin", b"hello");
    let mut client = server.login();
    let before = server.descriptors();
    let addresses: BTreeSet<SocketAddr> = (0..60).map(|_| client.pasv()).collect();
    assert!(server.descriptors() <= before + 1);
    let last = client.pasv();
    // To connect to the one that is open more often than its backlog allows would take for ever.
    let closed = addresses.iter().filter(|address| **address != last);
    for address in closed {
        assert!(TcpStream::connect(address).is_err(), "{address} is open");
    }
    assert_eq!(client.fetch("f.bin"), b"hello");
}

fn keeps_nothing_of_a_passive_port_between_transfers(program: &Program) {
    let server = program.serve();
    server.put("f.bin", b"hello");
    let mut client = server.login();
    let descriptors = server.descriptors();
    let address = client.epsv();
    let data = connect_data(address);
    // Another one is dropped, or refused, while the first is served.
    let waiting = TcpStream::connect(address);
    client.command("RETR f.bin", 150);
    assert_eq!(rest(data), b"hello");
    client.expect(226);
    assert!(
        TcpStream::connect(address).is_err(),
        "the port is open between transfers"
    );
    drop(waiting);
    client.command("RETR f.bin", 425);
    eventually("nothing is kept", || server.descriptors() <= descriptors);
    assert_eq!(client.fetch("f.bin"), b"hello");
}

fn lets_the_last_of_pasv_and_port_win(program: &Program) {
    let server = program.serve();
    server.put("f.bin", b"hello");
    let mut client = server.login();
    let passive = client.pasv();
    let listener = client.active();
    assert!(TcpStream::connect(passive).is_err());
    client.command("RETR f.bin", 150);
    assert_eq!(rest(listener.accept().expect("a connection").0), b"hello");
    client.expect(226);
    let listener = client.active();
    assert_eq!(client.fetch("f.bin"), b"hello");
    listener.set_nonblocking(true).expect("not to block");
    assert!(listener.accept().is_err());
}

fn forbids_all_but_epsv_after_epsv_all(program: &Program) {
    let server = program.serve();
    server.put("f.bin", b"hello");
    let mut client = server.login();
    client.command("EPSV ALL", 200);
    for line in ["PASV", "PORT 127,0,0,1,200,10", "EPRT |1|127.0.0.1|51210|"] {
        client.command(line, 501);
    }
    assert_eq!(client.fetch("f.bin"), b"hello");
}

/// Ports that nobody else on this machine is likely to use.
pub(crate) fn range(first: u16) -> (u16, u16) {
    // Each of the two binaries may be tested at the same time.
    let first = first + (std::process::id() % 50) as u16 * 8;
    (first, first + 7)
}

fn stays_within_its_range_of_ports(program: &Program) {
    let (first, last) = range(28_000);
    let server =
        program.start(Config::default().table(&format!("[passive]\nports = \"{first}-{last}\"")));
    server.put("f.bin", b"hello");
    let mut client = server.login();
    for _ in 0..30 {
        let address = client.pasv();
        assert!((first..=last).contains(&address.port()), "{address}");
        let data = connect_data(address);
        client.command("RETR f.bin", 150);
        assert_eq!(rest(data), b"hello");
        client.expect(226);
    }
}

fn shares_eight_ports_among_fifty_clients(program: &Program) {
    let (first, last) = range(28_500);
    let server =
        program.start(Config::default().table(&format!("[passive]\nports = \"{first}-{last}\"")));
    let content = pattern(300_000);
    server.put("f.bin", &content);
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                let mut client = server.login();
                for _ in 0..3 {
                    assert!(client.fetch("f.bin") == content);
                }
                client.command("QUIT", 221);
            });
        }
    });
}

fn announces_its_public_address(program: &Program) {
    let server = program.start(Config::default().table("[passive]\naddress = \"203.0.113.7\""));
    let mut client = server.login();
    let text = client.command("PASV", 227);
    assert!(text.contains("(203,0,113,7,"), "{text}");
    let server = program.start(Config::default().table("[passive]\naddress = \"localhost\""));
    let mut client = server.login();
    let text = client.command("PASV", 227);
    assert!(text.contains("(127,0,0,1,"), "{text}");
}

fn waits_for_the_data_connection_after_the_command(program: &Program) {
    let server = program.serve();
    server.put("f.bin", b"hello");
    let mut client = server.login();
    let address = client.epsv();
    client.send("RETR f.bin");
    thread::sleep(Duration::from_millis(100));
    let data = connect_data(address);
    client.expect(150);
    assert_eq!(rest(data), b"hello");
    client.expect(226);
}
