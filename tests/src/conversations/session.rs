//! The control connection: lines, logins, the end.

use std::thread;
use std::time::{Duration, Instant};

use crate::server::{Config, eventually};
use crate::tls::Tls;
use crate::{Client, Program, cases};

cases! { "session";
    greets_and_says_goodbye,
    logs_in_by_password,
    refuses_a_wrong_password_and_an_unknown_name_alike,
    greets_and_welcomes_in_several_lines,
    ends_after_three_failed_logins,
    serves_anonymous_clients_with_their_rights_only,
    answers_pipelined_commands_in_order,
    takes_a_line_however_it_is_cut,
    waits_for_no_part_of_a_line,
    takes_a_line_that_ends_in_lf_alone,
    answers_an_over_long_line_once_and_never_runs_its_tail,
    filters_telnet_sequences,
    closes_on_http,
    runs_nothing_behind_quit,
    ends_when_the_client_does,
    stops_reading_when_replies_are_not_read,
    counts_idle_time,
    allows_only_some_commands_before_the_login,
    knows_no_tls,
    offers_its_features,
}

fn greets_and_says_goodbye(program: &Program) {
    let server = program.start(Config::default().top("greeting = \"Hello there.\""));
    let mut client = Client::silent(server.address());
    assert_eq!(client.expect(220), "220 Hello there.\r\n");
    client.command("QUIT", 221);
    client.expect_end();
}

fn logs_in_by_password(program: &Program) {
    let server = program.serve();
    let mut client = server.connect();
    client.command("PASS x", 503);
    client.command("USER user", 331);
    client.command("PASS 12345", 230);
    client.command("PASS 12345", 503);
    assert!(client.command("PWD", 257).starts_with("257 \"/\""));
    client.command("REIN", 220);
    client.command("PWD", 530);
    client.login("user", "12345");
    let log = server.whole_log();
    assert!(!log.contains("12345"), "a password in the log: {log}");
}

fn refuses_a_wrong_password_and_an_unknown_name_alike(program: &Program) {
    let server = program.serve();
    let mut client = server.connect();
    let asked = client.command("USER user", 331);
    let known = client.command("PASS wrong", 530);
    assert_eq!(asked, client.command("USER nobody", 331));
    assert_eq!(known, client.command("PASS wrong", 530));
}

/// Also a client that has shown by TLS that it listens, and one that a library reads for.
fn greets_and_welcomes_in_several_lines(program: &Program) {
    let texts = "greeting = \"\"\"\nThe archive.\n220 is no end.\nReady.\"\"\"\n\
                 welcome = \"Old files are removed.\"";
    let server = program.start(Config::default().top(texts).tls(""));
    let mut client = Client::silent(server.address());
    let text = client.expect(220);
    assert_eq!(
        text,
        "220-The archive.\r\n220-220 is no end.\r\n220 Ready.\r\n"
    );
    client.auth_tls(&crate::Tls::v13());
    client.command("USER user", 331);
    let text = client.command("PASS 12345", 230);
    assert_eq!(text, "230-Old files are removed.\r\n230 Logged in.\r\n");
    client.command("PWD", 257);
}

fn ends_after_three_failed_logins(program: &Program) {
    let server = program.start(Config::default().table("[limits]\nlogin-tries = 2"));
    let mut client = server.connect();
    client.command("USER user", 331);
    client.command("PASS wrong", 530);
    client.command("USER user", 331);
    client.command("PASS wrong", 421);
    client.expect_end();
}

fn serves_anonymous_clients_with_their_rights_only(program: &Program) {
    let server = program.start(Config::default().anonymous("\"list\", \"read\""));
    server.put("a.txt", b"hello");
    let mut client = server.connect();
    client.login("anonymous", "me@example.org");
    assert_eq!(client.fetch("a.txt"), b"hello");
    let _data = client.data();
    for line in [
        "STOR b.txt",
        "APPE a.txt",
        "STOU",
        "DELE a.txt",
        "MKD d",
        "RMD d",
        "RNFR a.txt",
    ] {
        client.command(line, 550);
    }
    client.command("MFMT 20200101000000 a.txt", 550);
    client.command("SITE CHMOD 600 a.txt", 550);
    assert_eq!(server.content("a.txt"), b"hello");
}

fn answers_pipelined_commands_in_order(program: &Program) {
    let server = program.serve();
    let mut client = server.connect();
    client.raw(b"USER user\r\nPASS 12345\r\nTYPE I\r\nPWD\r\nSYST\r\nNOOP\r\n");
    for code in [331, 230, 200, 257, 215, 200] {
        client.expect(code);
    }
    client.raw("NOOP\r\n".repeat(5_000).as_bytes());
    for _ in 0..5_000 {
        client.expect(200);
    }
}

fn takes_a_line_however_it_is_cut(program: &Program) {
    let server = program.serve();
    let mut client = server.connect();
    for byte in b"NOOP\r\n" {
        client.raw(&[*byte]);
        thread::sleep(Duration::from_millis(2));
    }
    client.expect(200);
    client.raw(b"NOOP\r");
    thread::sleep(Duration::from_millis(50));
    client.raw(b"\nNOOP\r\n");
    client.expect(200);
    client.expect(200);
}

fn takes_a_line_that_ends_in_lf_alone(program: &Program) {
    let server = program.serve();
    let mut client = server.connect();
    client.raw(b"NOOP\nNOOP\n");
    client.expect(200);
    client.expect(200);
}

fn answers_an_over_long_line_once_and_never_runs_its_tail(program: &Program) {
    let server = program.serve();
    server.put("a.txt", b"hello");
    let mut client = server.login();
    let mut line = b"NOOP ".to_vec();
    line.resize(70_000, b'A');
    line.extend_from_slice(b" DELE a.txt\r\nPWD\r\n");
    client.raw(&line);
    client.expect(500);
    client.expect(257);
    assert!(server.has("a.txt"));
}

fn filters_telnet_sequences(program: &Program) {
    let server = program.serve();
    server.put("a.bin", b"hello");
    let mut client = server.login();
    client.raw(b"\xff\xf4\xff\xf2ABOR\r\n");
    client.expect(225);
    client.urgent_abort();
    client.expect(225);
    client.raw(b"\xff\xfd\x00NO\xff\xfb\x01OP\r\n");
    client.expect(200);
    client.raw(b"STAT a\xff\xff.bin\r\n");
    client.expect(550);
}

fn closes_on_http(program: &Program) {
    let server = program.serve();
    let mut client = server.connect();
    client.raw(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nUSER user\r\nPASS 12345\r\nDELE a\r\n");
    client.expect(421);
    client.expect_end();
}

fn runs_nothing_behind_quit(program: &Program) {
    let server = program.serve();
    server.put("a.txt", b"hello");
    let mut client = server.login();
    client.raw(b"QUIT\r\nDELE a.txt\r\n");
    client.expect(221);
    client.expect_end();
    assert!(server.has("a.txt"));
}

fn ends_when_the_client_does(program: &Program) {
    let server = program.serve();
    let _first = server.login();
    let before = server.descriptors();
    let mut client = server.login();
    client.send("PWD");
    client.half_close();
    client.expect(257);
    client.expect_end();
    drop(client);
    server.login().reset();
    let mut waiting = server.login();
    let _address = waiting.pasv();
    drop(waiting);
    eventually("its descriptors are closed", || {
        server.descriptors() <= before
    });
}

fn stops_reading_when_replies_are_not_read(program: &Program) {
    use std::io::Write as _;
    let server = program.serve();
    let client = server.login();
    let mut stream = client.stream();
    stream
        .set_write_timeout(Some(Duration::from_secs(1)))
        .expect("a timeout");
    let commands = "HELP\r\n".repeat(10_000);
    // Some megabytes fit into the sockets; then nothing is taken any more.
    let stopped = (0..2_000).any(|_| stream.write_all(commands.as_bytes()).is_err());
    assert!(
        stopped,
        "the server reads commands whose replies nobody reads"
    );
    server.still_serves();
}

fn counts_idle_time(program: &Program) {
    let server = program.start(Config::default().table("[limits]\nidle = \"3s\""));
    let mut client = server.login();
    thread::sleep(Duration::from_millis(1_600));
    client.command("NOOP", 200);
    thread::sleep(Duration::from_millis(1_600));
    client.command("NOOP", 200);
    client.expect(421);
    client.expect_end();
}

fn allows_only_some_commands_before_the_login(program: &Program) {
    let server = program.serve();
    let mut client = server.connect();
    for (line, code) in [
        ("FEAT", 211),
        ("SYST", 215),
        ("HELP", 214),
        ("NOOP", 200),
        ("OPTS UTF8 ON", 200),
        ("CLNT x", 200),
        ("HOST h", 220),
    ] {
        client.command(line, code);
    }
    for line in [
        "LIST",
        "RETR a",
        "STOR a",
        "CWD /",
        "PWD",
        "PASV",
        "PORT 127,0,0,1,200,1",
        "SIZE a",
        "STAT a",
        "REST 5",
        "SITE HELP",
    ] {
        client.command(line, 530);
    }
}

fn knows_no_tls(program: &Program) {
    let server = program.serve();
    let mut client = server.connect();
    client.command("AUTH TLS", 502);
    client.raw(b"AUTH TLS\r\nUSER user\r\n");
    client.expect(502);
    client.expect(331);
}

fn offers_its_features(program: &Program) {
    let server = program.serve();
    let features = server.connect().command("FEAT", 211);
    for feature in [
        " EPSV",
        " MDTM",
        " MFMT",
        " MLST type*;size*;",
        " REST STREAM",
        " SIZE",
        " TVFS",
        " UTF8",
    ] {
        assert!(
            features.contains(&format!("\r\n{feature}")),
            "{feature} in {features}"
        );
    }
    assert!(!features.contains("AUTH"));
}

/// With Nagle's algorithm a client keeps the rest of a line until its beginning is acknowledged: 40
/// ms, if that is put off.
fn waits_for_no_part_of_a_line(program: &Program) {
    let server = program.start(Config::default().tls(""));
    for tls in [None, Some(Tls::v12()), Some(Tls::v13())] {
        let mut client = server.connect();
        if let Some(tls) = &tls {
            client.auth_tls(tls);
        }
        client.login("user", "12345");
        client.stream().set_nodelay(false).expect("an option");
        let mut took: Vec<Duration> = (0..31)
            .map(|_| {
                let begun = Instant::now();
                for part in ["NO", "OP", "\r\n"] {
                    client.raw(part.as_bytes());
                }
                client.expect(200);
                begun.elapsed()
            })
            .collect();
        took.sort_unstable();
        // Of those that a busy machine did not hold up.
        assert!(took[took.len() / 4] < Duration::from_millis(20), "{took:?}");
    }
}
