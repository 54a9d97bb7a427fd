//! Clients that vanish or do what nobody should.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::{SOON, Watch};
use crate::client::{connect_data, reset};
use crate::conversations::data::range;
use crate::server::{Config, eventually, within};
use crate::{Client, Program, cases};

cases! { "faults";
    goes_on_when_clients_leave_before_they_are_accepted,
    goes_on_when_clients_close_before_the_reply,
    ends_a_session_whose_control_connection_is_reset,
    ends_a_session_whose_socket_is_destroyed("ss", "root"),
    keeps_no_listener_of_clients_that_left,
    keeps_one_listener_however_often_a_client_asks,
    has_a_client_wait_when_its_ports_are_used_up,
    connects_to_nobody_else("root"),
    takes_commands_byte_by_byte,
}

/// R01: they are in the queue of the listener, and gone.
fn goes_on_when_clients_leave_before_they_are_accepted(program: &Program) {
    let server = program.serve();
    // That it runs as root, it may warn of.
    let start = server.whole_log().len();
    let watch = Watch::begin(&server);
    server.signal(Signal::STOP);
    for number in 0..50 {
        let mut stream = TcpStream::connect(server.address()).expect("a connection");
        if number % 2 == 0 {
            stream.write_all(b"NOOP\r\n").expect("to send");
        }
        reset(stream);
    }
    server.signal(Signal::CONT);
    watch.ends_well();
    let log = server.whole_log().split_off(start);
    assert!(!log.contains("ERROR") && !log.contains("WARN"), "{log}");
}

/// R03: the second reply is written to a connection that the peer has reset.
fn goes_on_when_clients_close_before_the_reply(program: &Program) {
    let server = program.serve();
    server.put("f.bin", &vec![1; 5_000_000]);
    let watch = Watch::begin(&server);
    for _ in 0..20 {
        let mut client = server.login();
        client.raw(&b"NOOP\r\n".repeat(200));
        drop(client);
        let mut client = server.login();
        let data = client.data();
        client.command("RETR f.bin", 150);
        drop(data);
        client.expect(426);
        client.command("NOOP", 200);
    }
    watch.ends_well();
}

/// R04: when it is idle, in a command, in a download, in an upload.
fn ends_a_session_whose_control_connection_is_reset(program: &Program) {
    let server = program.serve();
    server.put("big.bin", &vec![1; 20_000_000]);
    let watch = Watch::begin(&server);
    server.login().reset();
    let mut client = server.login();
    client.raw(b"RETR big.b");
    client.reset();
    for line in ["RETR big.bin", "STOR new.bin"] {
        let mut client = server.login();
        let mut data = client.data();
        client.command(line, 150);
        if line.starts_with("STOR") {
            data.write_all(&[1; 100_000]).expect("to send");
        }
        client.reset();
        is_ended(&data);
    }
    eventually("the sessions are gone", || {
        server.descriptors() <= watch.descriptors()
    });
    assert!(!server.has("new.bin"));
    watch.ends_well();
}

/// Waits until a data connection has come to its end, whatever is in it.
fn is_ended(mut data: &TcpStream) {
    data.set_read_timeout(Some(SOON)).expect("a timeout");
    let mut buffer = [0; 65_536];
    loop {
        match data.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("the data connection lives on")
            }
            Err(_) => return,
        }
    }
}

/// R08: by the administrator, with `ss -K`: the server gets ECONNABORTED.
fn ends_a_session_whose_socket_is_destroyed(program: &Program) {
    let server = program.serve();
    let watch = Watch::begin(&server);
    let mut idle = server.login();
    let mut busy = server.login();
    let mut data = busy.data();
    busy.command("STOR new.bin", 150);
    data.write_all(&[1; 100_000]).expect("to send");
    let port = server.address().port();
    let output = std::process::Command::new("ss")
        .args(["-K", "state", "established"])
        .arg(format!("( sport = :{port} )"))
        .output()
        .expect("ss starts");
    let killed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(killed.matches(&format!(":{port} ")).count(), 2, "{killed}");
    is_ended(&data);
    for client in [&mut idle, &mut busy] {
        assert!(client.try_reply().is_err(), "a reply on a dead connection");
    }
    drop((idle, busy, data));
    assert!(!server.has("new.bin"));
    watch.ends_well();
}

/// R15.
fn keeps_no_listener_of_clients_that_left(program: &Program) {
    let server = program.serve();
    let watch = Watch::begin(&server);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..250 {
                    let mut client = server.login();
                    client.pasv();
                    if number % 2 == 0 {
                        client.reset();
                    }
                }
            });
        }
    });
    within(SOON, "all listeners are closed", || {
        server.descriptors() <= watch.descriptors()
    });
    watch.ends_well();
}

/// R16.
fn keeps_one_listener_however_often_a_client_asks(program: &Program) {
    let server = program.serve();
    let watch = Watch::begin(&server);
    let mut client = server.login();
    let before = server.descriptors();
    let mut last = client.pasv();
    for _ in 0..1_000 {
        last = client.pasv();
    }
    assert!(server.descriptors() <= before + 1);
    let data = connect_data(last);
    client.command("NLST", 150);
    drop(data);
    client.expect(226);
    drop(client);
    watch.ends_well();
}

/// R17: until one of eight is free.
fn has_a_client_wait_when_its_ports_are_used_up(program: &Program) {
    let (first, last) = range(29_000);
    let server =
        program.start(Config::default().table(&format!("[passive]\nports = \"{first}-{last}\"")));
    server.put("f.bin", b"hello");
    let hold_all = || -> Vec<(Client, SocketAddr)> {
        let hold = |_| {
            let mut client = server.login();
            let address = client.pasv();
            (client, address)
        };
        (0..8).map(hold).collect()
    };
    let fetch = |(client, address): &mut (Client, SocketAddr)| {
        let data = connect_data(*address);
        client.command("RETR f.bin", 150);
        assert_eq!(crate::server::rest(data), b"hello");
        client.expect(226);
    };
    // The listeners stay: afterwards there are no more.
    hold_all().iter_mut().for_each(fetch);
    let watch = Watch::begin(&server);
    let mut holders = hold_all();
    let mut ninth = server.login();
    ninth.send("PASV");
    let patience = Some(Duration::from_millis(500));
    ninth
        .stream()
        .set_read_timeout(patience)
        .expect("a timeout");
    assert!(ninth.try_reply().is_err(), "a ninth port of eight");
    ninth
        .stream()
        .set_read_timeout(Some(SOON))
        .expect("a timeout");
    holders.iter_mut().for_each(fetch);
    ninth.expect(227);
    drop((ninth, holders));
    watch.ends_well();
}

/// R19: a client tells the server to connect to others, or to the ports of services.
fn connects_to_nobody_else(program: &Program) {
    let server = program.serve();
    let watch = Watch::begin(&server);
    let other = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).expect("a listener");
    let low = (600..1_000)
        .find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok())
        .expect("a free port below 1024");
    let mut client = server.login();
    for listener in [&other, &low] {
        let address = listener.local_addr().expect("an address");
        let (ip, port) = (address.ip().to_string(), address.port());
        let numbers = ip.replace('.', ",");
        client.command(
            &format!("PORT {numbers},{},{}", port / 256, port % 256),
            501,
        );
        client.command("NLST", 425);
        client.command(&format!("EPRT |1|{ip}|{port}|"), 501);
        client.command("NLST", 425);
        listener.set_nonblocking(true).expect("not to block");
        assert!(listener.accept().is_err(), "a connection to {address}");
    }
    drop(client);
    watch.ends_well();
}

/// R23: each byte of commands and data in a segment of its own.
fn takes_commands_byte_by_byte(program: &Program) {
    let server = program.serve();
    let watch = Watch::begin(&server);
    let mut client = server.connect();
    let slowly = |mut stream: &TcpStream, bytes: &[u8]| {
        for byte in bytes {
            stream.write_all(&[*byte]).expect("to send");
            thread::sleep(Duration::from_millis(1));
        }
    };
    for (line, code) in [("USER user", 331), ("PASS 12345", 230), ("TYPE I", 200)] {
        slowly(client.stream(), format!("{line}\r\n").as_bytes());
        client.expect(code);
    }
    let data = client.data();
    data.set_nodelay(true).expect("no delay");
    slowly(client.stream(), b"STOR slow.txt\r\n");
    client.expect(150);
    slowly(&data, &[7; 1_000]);
    data.shutdown(Shutdown::Write).expect("to half-close");
    client.expect(226);
    assert_eq!(server.content("slow.txt"), [7; 1_000]);
    drop((client, data));
    watch.ends_well();
}
