//! ABOR, STAT, NOOP and QUIT during a transfer.

use std::io::{Read as _, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, sockopt};

use super::transfer::pattern;
use crate::client::{new_socket, some};
use crate::server::{Config, rest};
use crate::tls::Tls;
use crate::{Program, cases};

cases! { "abort";
    aborts_a_download_that_nobody_reads,
    aborts_an_upload,
    aborts_with_an_urgent_byte,
    aborts_behind_pipelined_commands,
    answers_stat_during_a_transfer,
    answers_noop_after_the_transfer,
    finishes_the_transfer_before_quit,
    stops_the_transfer_when_the_control_connection_is_lost,
    gives_up_a_transfer_that_stalls,
    goes_on_with_a_client_that_reads_slowly,
}

fn aborts_a_download_that_nobody_reads(program: &Program) {
    let server = program.serve();
    server.put("f.bin", &pattern(50_000_000));
    let mut client = server.login();
    let data = client.data();
    client.command("RETR f.bin", 150);
    let since = Instant::now();
    client.command("ABOR", 426);
    client.expect(226);
    assert!(since.elapsed() < Duration::from_secs(2));
    assert!(rest(data).len() < 50_000_000);
    assert_eq!(client.fetch("f.bin").len(), 50_000_000);
}

fn aborts_an_upload(program: &Program) {
    let server = program.serve();
    server.put("f.bin", b"the old file");
    let mut client = server.login();
    let mut data = client.data();
    client.command("STOR f.bin", 150);
    data.write_all(&pattern(100_000)).expect("to send");
    client.command("ABOR", 426);
    client.expect(226);
    assert_eq!(server.content("f.bin"), b"the old file");
    client.command("ABOR", 225);
}

fn aborts_with_an_urgent_byte(program: &Program) {
    let server = program.serve();
    server.put("f.bin", &pattern(50_000_000));
    let mut client = server.login();
    let _data = client.data();
    client.command("RETR f.bin", 150);
    client.urgent_abort();
    client.expect(426);
    client.expect(226);
    client.command("NOOP", 200);
}

fn aborts_behind_pipelined_commands(program: &Program) {
    let server = program.serve();
    server.put("f.bin", &pattern(50_000_000));
    let mut client = server.login();
    let _data = client.data();
    client.command("RETR f.bin", 150);
    client.raw(b"PWD\r\nABOR\r\n");
    client.expect(426);
    client.expect(257);
    client.expect(226);
}

fn answers_stat_during_a_transfer(program: &Program) {
    let server = program.serve();
    server.put("f.bin", &pattern(50_000_000));
    let mut client = server.login();
    let data = client.data();
    client.command("RETR f.bin", 150);
    some(&data, 1000);
    for _ in 0..3 {
        let text = client.command("STAT", 211);
        assert!(
            text.contains("RETR: ") && text.contains(" of 50000000 bytes"),
            "{text}"
        );
    }
    assert_eq!(rest(data).len() + 1000, 50_000_000);
    client.expect(226);
}

fn answers_noop_after_the_transfer(program: &Program) {
    let server = program.serve();
    let mut client = server.login();
    let mut data = client.data();
    client.command("STOR f.bin", 150);
    client.send("NOOP");
    data.write_all(b"hello").expect("to send");
    drop(data);
    client.expect(226);
    client.expect(200);
}

fn finishes_the_transfer_before_quit(program: &Program) {
    let server = program.serve();
    let mut client = server.login();
    let mut data = client.data();
    client.command("STOR f.bin", 150);
    client.send("QUIT");
    client.half_close();
    data.write_all(b"hello").expect("to send");
    drop(data);
    client.expect(226);
    client.expect(221);
    client.expect_end();
    assert_eq!(server.content("f.bin"), b"hello");
}

fn stops_the_transfer_when_the_control_connection_is_lost(program: &Program) {
    let server = program.serve();
    server.put("f.bin", b"the old file");
    for resets in [true, false] {
        let mut client = server.login();
        let mut data = client.data();
        client.command("STOR f.bin", 150);
        data.write_all(&pattern(100_000)).expect("to send");
        if resets {
            client.reset();
        } else {
            drop(client);
        }
        // The server closes the data connection, which is seen here as an end or a reset.
        let _ = std::io::Read::read(&mut data, &mut [0]);
        assert_eq!(server.content("f.bin"), b"the old file");
    }
    server.still_serves();
}

/// It reads 8,000 bytes a second, which the system's buffers hide: they are megabytes.
fn goes_on_with_a_client_that_reads_slowly(program: &Program) {
    let server = program.start(Config::default().tls("").table("[limits]\nstall = \"4s\""));
    server.put("f.bin", &pattern(50_000_000));
    let tls = Tls::default();
    for tls in [None, Some(&tls)] {
        let mut client = server.connect();
        if let Some(tls) = tls {
            client.auth_tls(tls);
            client.secure(tls);
        }
        client.login("user", "12345");
        let socket = new_socket(AddressFamily::INET);
        sockopt::set_socket_recv_buffer_size(&socket, 4_096).expect("a small buffer");
        rustix::net::connect(&socket, &client.epsv()).expect("to connect");
        client.command("RETR f.bin", 150);
        let data = client.protect(TcpStream::from(socket)).into_socket();
        // Its window of 6 KiB opens when all is read. The server looks once a second: had that taken three, it
        // would miss one on a busy machine.
        let mut piece = [0; 2_000];
        for _ in 0..48 {
            (&data).read_exact(&mut piece).expect("some data");
            assert!(
                client.is_silent(Duration::from_millis(250)),
                "it is given up"
            );
        }
        client.command("ABOR", 426);
        client.expect(226);
    }
}

fn gives_up_a_transfer_that_stalls(program: &Program) {
    let server = program.start(Config::default().table("[limits]\nstall = \"1s\""));
    server.put("f.bin", &pattern(50_000_000));
    let mut client = server.login();
    let _data = client.data();
    client.command("RETR f.bin", 150);
    client.expect(426);
    let mut data = client.data();
    client.command("STOR g.bin", 150);
    data.write_all(b"some").expect("to send");
    client.expect(426);
    assert!(!server.has("g.bin"));
}
