//! Clients behind a balancer, which says who they are in a PROXY header.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::connect_from;
use crate::server::{Config, Server, eventually, rest};
use crate::tls::Tls;
use crate::unwelcome::Unwelcome;
use crate::{Client, Program, cases};

cases! { "proxy";
    knows_the_client_by_either_version,
    knows_a_client_with_ipv6,
    takes_a_header_in_pieces_and_nothing_behind_it,
    takes_no_header_from_others,
    takes_no_header_where_a_listener_has_no_balancers,
    closes_what_begins_without_a_header,
    waits_five_seconds_for_a_header_and_serves_others,
    tells_nobody_of_a_balancer_that_looks_in,
    counts_sessions_by_client,
    has_the_client_that_guesses_wait_and_no_other,
    refuses_nobody_for_a_balancer_that_has_many,
    shakes_hands_behind_the_header,
    takes_data_from_the_client_and_not_from_the_balancer,
    connects_to_the_client_and_not_to_the_balancer,
    offers_epsv_where_it_leads_to_itself,
}

const BALANCER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
/// Clients, who have these addresses on this machine too.
const ANNA: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const BERT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// Where the balancer takes clients.
const FRONT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 10);
/// The port of a client, that no test binds.
const PORT: u16 = 999;

/// What takes no time, on a machine that is busy.
const AT_ONCE: Duration = Duration::from_secs(3);

/// A server with that balancer.
fn config() -> Config {
    Config::default().top("proxy-from = [\"127.0.0.9\"]")
}

/// The line of version 1.
fn v1(client: Ipv4Addr) -> Vec<u8> {
    format!("PROXY TCP4 {client} {FRONT} {PORT} 21\r\n").into_bytes()
}

/// The bytes of version 2, with a TLV.
fn v2(client: Ipv4Addr) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13".to_vec();
    bytes.extend(client.octets());
    bytes.extend(FRONT.octets());
    bytes.extend([PORT, 21].iter().flat_map(|port| port.to_be_bytes()));
    bytes.extend(b"\x04\0\x04\r\n\0\n");
    bytes
}

/// A balancer that looks whether somebody is here.
const LOOKS: [&[u8]; 2] = [b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", b"PROXY UNKNOWN\r\n"];

/// What has connected from the balancer, and has sent that.
fn through(address: SocketAddr, bytes: &[u8]) -> Client {
    let mut stream = connect_from(BALANCER, address);
    stream.write_all(bytes).expect("to send");
    Client::over(stream)
}

/// A client that has logged in behind the balancer.
fn login(server: &Server, client: Ipv4Addr) -> Client {
    let mut client = through(server.address(), &v2(client));
    client.expect(220);
    client.login("user", "12345");
    client
}

fn knows_the_client_by_either_version(program: &Program) {
    let server = program.start(config());
    for header in [v1(ANNA), v2(ANNA)] {
        let mut client = through(server.address(), &header);
        client.expect(220);
        client.login("user", "12345");
        client.command("QUIT", 221);
    }
    eventually("both are logged", || {
        let log = server.log();
        let lines = log
            .lines()
            .filter(|line| line.contains("peer=127.0.0.2:999"));
        let said = |what: &str| lines.clone().filter(|line| line.contains(what)).count();
        said(" by=127.0.0.9:") == 2 && said("logged in") == 2 && said("disconnected") == 2
    });
    assert!(!server.log().contains("peer=127.0.0.9"));
}

fn knows_a_client_with_ipv6(program: &Program) {
    let limits = "[limits]\nsessions-per-address = 1";
    let server = program.start(config().table(limits));
    let line =
        |client: &str| format!("PROXY TCP6 {client} 2001:db8::10 {PORT} 21\r\n").into_bytes();
    let mut client = through(server.address(), &line("2001:db8:1::7"));
    client.expect(220);
    client.login("user", "12345");
    // It has none of the addresses that these would lead to.
    client.command("EPSV", 502);
    client.command("PASV", 502);
    client.command("EPRT |2|2001:db8:1::7|40000|", 200);
    client.command(&format!("EPRT |1|{BALANCER}|40000|"), 522);
    // The same customer, and another one.
    through(server.address(), &line("2001:db8:1::8")).expect(421);
    through(server.address(), &line("2001:db8:2::8")).expect(220);
    // One in the clothes of IPv6.
    through(server.address(), &line("::ffff:127.0.0.2")).expect(220);
    eventually("all are logged", || {
        let log = server.log();
        [
            "[2001:db8:1::7]:999",
            "[2001:db8:2::8]:999",
            "127.0.0.2:999",
        ]
        .iter()
        .all(|peer| log.contains(&format!("peer={peer}")))
    });
}

fn takes_a_header_in_pieces_and_nothing_behind_it(program: &Program) {
    let server = program.start(config());
    for header in [v1(ANNA), v2(ANNA)] {
        let mut client = through(server.address(), b"");
        for byte in &header {
            client.raw(&[*byte]);
            thread::sleep(Duration::from_millis(1));
        }
        client.expect(220);
        // All in one piece: what follows is the session's.
        let all = [&header[..], b"USER user\r\nPASS 12345\r\nPWD\r\n"].concat();
        let mut client = through(server.address(), &all);
        for code in [220, 331, 230, 257] {
            client.expect(code);
        }
    }
}

fn takes_no_header_from_others(program: &Program) {
    let server = program.start(config());
    for header in [v1(ANNA), LOOKS[1].to_vec()] {
        let mut client = server.connect();
        client.raw(&header);
        client.expect(500);
        client.login("user", "12345");
    }
    // From there a header of the other version is some lines.
    let mut client = server.connect();
    client.raw(&v2(ANNA));
    client.expect(500);
    assert!(!server.whole_log().contains("peer=127.0.0.2"));
}

fn takes_no_header_where_a_listener_has_no_balancers(program: &Program) {
    let own = "[[listener]]\naddress = \"127.0.0.1:0\"\nproxy-from = []\n\
               [[listener]]\naddress = \"127.0.0.1:0\"\nproxy-from = [\"127.0.0.2\"]";
    let server = program.start(config().table(own));
    let [common, none, other] = server.addresses() else {
        panic!("{:?}", server.addresses())
    };
    through(*common, &v1(ANNA)).expect(220);
    let mut direct = through(*none, b"");
    direct.expect(220);
    direct.raw(&v1(ANNA));
    direct.expect(500);
    through(*other, b"").expect(220);
    let mut stream = connect_from(ANNA, *other);
    stream.write_all(&v1(BERT)).expect("to send");
    Client::over(stream).expect(220);
    eventually("it is logged", || {
        server.log().contains("peer=127.0.0.3:999")
    });
}

fn closes_what_begins_without_a_header(program: &Program) {
    let server = program.start(config());
    let mut logged = Vec::new();
    for (bytes, why, received) in [
        (&b"USER user\r\n"[..], "begins without", r#"USER user\r\n"#),
        (b"\x16\x03\x01\x02", "begins without", r"\x16\x03\x01\x02"),
        (
            b"PROXY TCP4 1.2.3 4\r\n",
            "line of version 1",
            "PROXY TCP4 1.2.3 4",
        ),
        (b"\r\n\r\n\0\r\nQUIT\n\x35", "unknown version", "QUIT"),
    ] {
        let mut client = through(server.address(), bytes);
        client.expect_end();
        let from = client.stream().local_addr().expect("an address");
        logged.push((format!("balancer={from}"), why, received));
    }
    let half = through(server.address(), &v1(ANNA)[..20]);
    let from = half.stream().local_addr().expect("an address");
    logged.push((format!("balancer={from}"), "ended", "PROXY TCP4 127"));
    drop(half);
    eventually("each is logged", || {
        let log = server.log();
        logged.iter().all(|(from, why, received)| {
            log.lines().any(|line| {
                let all = ["WARN no PROXY header", from, why, received];
                all.iter().all(|what| line.contains(what))
            })
        })
    });
    server.still_serves();
    login(&server, ANNA).command("QUIT", 221);
}

fn waits_five_seconds_for_a_header_and_serves_others(program: &Program) {
    let server = program.start(config());
    let since = Instant::now();
    let mut silent = through(server.address(), b"");
    let mut half = through(server.address(), &v2(ANNA)[..20]);
    // Neither waits for the other, nor does anybody for them.
    server.still_serves();
    login(&server, BERT).command("QUIT", 221);
    assert!(since.elapsed() < Duration::from_secs(4), "{since:?}");
    assert!(silent.is_silent(Duration::from_secs(1)));
    silent.expect_end();
    half.expect_end();
    assert!((4..12).contains(&since.elapsed().as_secs()), "{since:?}");
    eventually("both are logged", || {
        server
            .log()
            .matches("it was not whole within five seconds")
            .count()
            == 2
    });
}

fn tells_nobody_of_a_balancer_that_looks_in(program: &Program) {
    let server = program.start(config());
    // It says nothing at all, or who it is; then it is greeted.
    drop(through(server.address(), b""));
    for looks in LOOKS {
        let mut balancer = through(server.address(), looks);
        balancer.expect(220);
        balancer.command("QUIT", 221);
        balancer.expect_end();
    }
    eventually("it is in the log of those who debug", || {
        let log = server.log();
        log.contains("a balancer has looked in")
            && log.matches("a balancer has connected").count() == 2
    });
    let log = server.whole_log();
    let told = |line: &&str| line.contains("127.0.0.9") && !line.contains("DEBUG");
    let told: Vec<&str> = log.lines().filter(told).collect();
    assert!(told.is_empty(), "{told:?}");
}

fn counts_sessions_by_client(program: &Program) {
    let limits = "[limits]\nsessions-per-address = 2";
    let server = program.start(config().table(limits));
    let clients = [
        login(&server, ANNA),
        login(&server, ANNA),
        login(&server, BERT),
    ];
    for header in [v1(ANNA), v2(ANNA)] {
        let mut third = through(server.address(), &header);
        third.expect(421);
        third.expect_end();
    }
    // The sessions of the address itself are the same client's.
    let mut direct = Client::over(connect_from(BERT, server.address()));
    direct.expect(220);
    Client::over(connect_from(BERT, server.address())).expect(421);
    eventually("it is logged", || {
        let log = server.log();
        log.lines()
            .any(|line| line.contains("refused: too many") && line.contains("peer=127.0.0.2"))
    });
    drop(clients);
    eventually("a place is free", || {
        through(server.address(), &v1(ANNA)).reply().0 == 220
    });
}

fn has_the_client_that_guesses_wait_and_no_other(program: &Program) {
    let limits = "[limits]\nfailed-logins = 4\nback-off = \"1m\"";
    let server = program.start(config().table(limits));
    let mut clients: Vec<Client> = ["user", "a", "b", "c", "d"]
        .iter()
        .map(|account| {
            let mut client = through(server.address(), &v1(ANNA));
            client.expect(220);
            client.command(&format!("USER {account}"), 331);
            client
        })
        .collect();
    clients
        .iter_mut()
        .for_each(|client| client.send("PASS wrong"));
    for client in &mut clients {
        client.expect(530);
    }
    let mut again = through(server.address(), &v2(ANNA));
    let text = again.expect(421);
    assert!(text.contains("Too many refused logins"), "{text}");
    Client::over(connect_from(ANNA, server.address())).expect(421);
    login(&server, BERT).command("QUIT", 221);
}

fn refuses_nobody_for_a_balancer_that_has_many(program: &Program) {
    let limits = "[limits]\nsessions = 40\nsessions-per-address = 1";
    let server = program.start(config().table(limits));
    let clients: Vec<Client> = (20..50)
        .map(|last| login(&server, Ipv4Addr::new(127, 0, 0, last)))
        .collect();
    // Those who have said nothing have a place each, until there is none.
    let silent: Vec<Client> = (0..10).map(|_| through(server.address(), b"")).collect();
    eventually("all places are taken", || {
        let mut client = Client::over(connect_from(BERT, server.address()));
        client.reply().0 == 421
    });
    drop(silent);
    eventually("there are places again", || {
        through(server.address(), &v2(BERT)).reply().0 == 220
    });
    drop(clients);
}

fn shakes_hands_behind_the_header(program: &Program) {
    let server = program.start(config().implicit(&["127.0.0.1:0"]));
    server.put("f.bin", b"hello");
    for (header, tls) in [(v1(ANNA), Tls::v12()), (v2(ANNA), Tls::v13())] {
        // In one piece with the first bytes of TLS, and before them.
        for at_once in [true, false] {
            let mut stream = connect_from(BALANCER, server.implicit());
            if at_once {
                let first = tls.hello();
                stream
                    .write_all(&[&header[..], &first].concat())
                    .expect("to send");
                let mut answer = [0];
                stream.read_exact(&mut answer).expect("an answer");
                assert_eq!(answer, [0x16], "a handshake");
                continue;
            }
            stream.write_all(&header).expect("to send");
            thread::sleep(Duration::from_millis(50));
            let mut client = Client::over(stream);
            client.shake(&tls).expect("a handshake");
            client.expect(220);
            client.secure(&tls);
            client.login("user", "12345");
            let to = client.pasv();
            let data = connect_from(ANNA, to);
            client.command("RETR f.bin", 150);
            assert_eq!(rest(client.protect(data)), b"hello");
            client.expect(226);
        }
    }
    eventually("it is logged", || {
        let log = server.log();
        log.lines()
            .any(|line| line.contains("protected by") && line.contains("peer=127.0.0.2:999"))
    });
    // Without a header there is no handshake.
    let mut direct = through(server.implicit(), &Tls::v13().hello());
    direct.expect_end();
}

fn takes_data_from_the_client_and_not_from_the_balancer(program: &Program) {
    let server = program.start(config());
    server.put("f.bin", b"hello");
    let mut client = login(&server, ANNA);
    let to = client.pasv();
    assert_eq!(to.ip(), Ipv4Addr::LOCALHOST);
    for other in [BALANCER, BERT, Ipv4Addr::LOCALHOST] {
        assert!(
            Unwelcome::connect_from(other, to).is_dropped(AT_ONCE),
            "{other}"
        );
    }
    let data = connect_from(ANNA, to);
    client.command("RETR f.bin", 150);
    assert_eq!(rest(data), b"hello");
    client.expect(226);
}

fn connects_to_the_client_and_not_to_the_balancer(program: &Program) {
    let server = program.start(config());
    server.put("f.bin", b"hello");
    let mut client = login(&server, ANNA);
    let listener = TcpListener::bind((ANNA, 0)).expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    for (line, code) in [
        (format!("EPRT |1|{ANNA}|{port}|"), 200),
        (format!("EPRT |1|{BALANCER}|{port}|"), 501),
        (format!("EPRT |1|{FRONT}|{port}|"), 501),
        (format!("PORT 127,0,0,2,{},{}", port / 256, port % 256), 200),
    ] {
        client.command(&line, code);
        if code == 501 {
            continue;
        }
        client.send("RETR f.bin");
        let (data, from) = listener.accept().expect("a connection");
        assert_eq!(from.ip(), Ipv4Addr::LOCALHOST, "the server's own address");
        client.expect(150);
        assert_eq!(rest(data), b"hello");
        client.expect(226);
    }
}

fn offers_epsv_where_it_leads_to_itself(program: &Program) {
    let announced = |address: &str| config().table(&format!("[passive]\naddress = {address:?}"));
    for (config, leads) in [
        (config(), false),
        (announced("127.0.0.11"), false),
        (announced("127.0.0.10"), true),
    ] {
        let server = program.start(config);
        let mut client = login(&server, ANNA);
        match leads {
            true => _ = client.command("EPSV", 229),
            false => {
                let text = client.command("EPSV", 502);
                assert!(text.contains("PASV"), "{text}");
            }
        }
        client.command("PASV", 227);
        // Without a balancer it does.
        server.login().command("EPSV", 229);
    }
}
