//! Data connections under TLS.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::{login, serve, versions};
use crate::client::{Client, reset};
use crate::conversations::transfer::pattern;
use crate::server::{Server, rest};
use crate::tls::Tls;
use crate::wire::Wire;
use crate::{Config, Program, cases};

cases! { "tls";
    carries_files_and_listings,
    carries_active_data,
    shakes_hands_before_the_command_too,
    goes_back_to_clear_data_behind_an_early_connection,
    agrees_on_ftp_and_nothing_else,
    takes_an_empty_upload,
    takes_an_upload_whose_client_reads_nothing,
    ends_a_download_properly,
    keeps_nothing_that_was_cut,
    keeps_what_was_cut_when_told_so,
    stores_no_clear_bytes,
    keeps_no_small_upload_waiting,
}

fn carries_files_and_listings(program: &Program) {
    let server = serve(program, "");
    let content = pattern(3_000_000);
    for tls in versions() {
        let mut client = login(&server, &tls);
        client.store("up.bin", &content);
        assert!(server.content("up.bin") == content);
        assert!(client.fetch("up.bin") == content);
        client.command("REST 2999990", 350);
        assert_eq!(client.fetch("up.bin"), content[2_999_990..]);
        assert_eq!(client.lines("NLST"), ["up.bin"]);
        client.command("TYPE A", 200);
        client.store("text", b"one\r\ntwo\r\n");
        assert_eq!(server.content("text"), b"one\ntwo\n");
        assert_eq!(client.fetch("text"), b"one\r\ntwo\r\n");
        client.command("DELE text", 250);
        client.command("QUIT", 221);
    }
}

fn carries_active_data(program: &Program) {
    let server = serve(program, "");
    server.put("f.bin", b"hello");
    for tls in versions() {
        let mut client = login(&server, &tls);
        let listener = client.active();
        client.command("RETR f.bin", 150);
        let data = listener.accept().expect("a data connection").0;
        assert_eq!(rest(client.protect(data)), b"hello");
        client.expect(226);
    }
}

fn shakes_hands_before_the_command_too(program: &Program) {
    let server = serve(program, "");
    let content = pattern(300_000);
    for tls in versions() {
        let mut client = login(&server, &tls);
        let data = client.data();
        let mut data = client.protect(data);
        client.command("STOR early.bin", 150);
        data.write_all(&content).expect("to send");
        data.finish().expect("to end");
        client.expect(226);
        assert!(server.content("early.bin") == content);
        let data = client.data();
        let data = client.protect(data);
        client.command("RETR early.bin", 150);
        assert!(rest(data) == content);
        client.expect(226);
    }
}

fn goes_back_to_clear_data_behind_an_early_connection(program: &Program) {
    let server = serve(program, "");
    server.put("f.bin", b"hello");
    let tls = Tls::default();
    let mut client = login(&server, &tls);
    let data = client.data();
    client.command("PROT C", 200);
    client.command("RETR f.bin", 150);
    assert_eq!(rest(data), b"hello");
    client.expect(226);
}

fn agrees_on_ftp_and_nothing_else(program: &Program) {
    let server = serve(program, "");
    server.put("f.bin", b"hello");
    for tls in versions() {
        let tls = tls.alpn(&["ftp"]);
        let mut client = login(&server, &tls);
        assert_eq!(client.wire().alpn(), Some(&b"ftp"[..]));
        for (offered, agreed) in [
            (&["ftp-data"][..], Some(&b"ftp-data"[..])),
            (&["ftp"], Some(b"ftp")),
            (&["http/1.1"], None),
        ] {
            let data = client.data();
            client.command("RETR f.bin", 150);
            let mut data = Wire::from(data);
            let shaken = data.shake(&tls.clone().alpn(offered));
            assert_eq!(shaken.is_ok(), agreed.is_some(), "{offered:?}");
            assert_eq!(data.alpn(), agreed);
            drop(data);
            // Who has agreed goes away without reading, and the file is on its way.
            let (code, _) = client.reply();
            assert_eq!(code == 522, agreed.is_none(), "{offered:?}: {code}");
        }
    }
}

fn takes_an_empty_upload(program: &Program) {
    let server = serve(program, "");
    for tls in versions() {
        let mut client = login(&server, &tls);
        client.store("empty", b"");
        assert_eq!(server.content("empty"), b"");
        client.command("DELE empty", 250);
    }
}

fn takes_an_upload_whose_client_reads_nothing(program: &Program) {
    let server = serve(program, "");
    let content = pattern(500_000);
    for tls in versions() {
        let mut client = login(&server, &tls);
        let data = client.data();
        client.command("STOR up.bin", 150);
        let mut data = client.protect(data);
        data.write_all(&content).expect("to send");
        // Whatever the server may have sent behind the handshake is never read.
        data.notify().expect("to end");
        drop(data);
        client.expect(226);
        assert!(server.content("up.bin") == content);
    }
}

fn ends_a_download_properly(program: &Program) {
    let server = serve(program, "");
    server.put("f.bin", &pattern(1_000_000));
    server.put("long.bin", &pattern(40_000_000));
    server.put("empty", b"");
    for tls in versions() {
        let mut client = login(&server, &tls);
        for (name, length) in [("f.bin", 1_000_000), ("empty", 0)] {
            let data = client.data();
            client.command(&format!("RETR {name}"), 150);
            let mut data = client.protect(data);
            let mut bytes = Vec::new();
            // Without close_notify this would be an error.
            data.read_to_end(&mut bytes).expect("close_notify");
            assert_eq!(bytes.len(), length);
            client.expect(226);
        }
        // A download that is aborted must not look whole.
        let data = client.data();
        client.command("RETR long.bin", 150);
        let mut data = client.protect(data);
        let _ = data.read(&mut [0; 100]).expect("some bytes");
        client.send("ABOR");
        client.expect(426);
        client.expect(226);
        let cut = data.read_to_end(&mut Vec::new());
        assert!(cut.is_err(), "{cut:?}");
    }
}

/// How a connection is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Fin,
    Reset,
}

/// Uploads a part, and ends the connection without close_notify.
fn upload_cut(server: &Server, tls: &Tls, name: &str, cut: Cut) -> Client {
    let mut client = login(server, tls);
    let data = client.data();
    client.command(&format!("STOR {name}"), 150);
    let mut data = client.protect(data);
    data.write_all(&pattern(100_000)).expect("to send");
    match cut {
        Cut::Fin => data.socket().shutdown(Shutdown::Write).expect("a FIN"),
        Cut::Reset => reset(data.into_socket()),
    }
    client
}

fn keeps_nothing_that_was_cut(program: &Program) {
    let server = serve(program, "");
    for tls in versions() {
        for cut in [Cut::Fin, Cut::Reset] {
            upload_cut(&server, &tls, "cut.bin", cut).expect(426);
            assert!(!server.has("cut.bin"));
        }
    }
}

fn keeps_what_was_cut_when_told_so(program: &Program) {
    let config = Config::default().tls("").top("accept-truncated = true");
    let server = program.start(config);
    for tls in versions() {
        upload_cut(&server, &tls, "cut.bin", Cut::Fin).expect(226);
        assert!(server.content("cut.bin") == pattern(100_000));
        fs::remove_file(server.home().join("cut.bin")).expect("to remove");
        upload_cut(&server, &tls, "cut.bin", Cut::Reset).expect(426);
        assert!(!server.has("cut.bin"));
    }
    let log = server.whole_log();
    assert!(log.contains("WARN STOR complete"), "{log}");
}

fn stores_no_clear_bytes(program: &Program) {
    let server = serve(program, "");
    let tls = Tls::default();
    for (early, ends) in [(false, true), (true, true), (true, false)] {
        let mut client = login(&server, &tls);
        let mut data = client.data();
        let write = |data: &mut TcpStream| {
            data.write_all(b"clear text\r\n").expect("to send");
            if ends {
                data.shutdown(Shutdown::Write).expect("a FIN");
            }
        };
        if early {
            write(&mut data);
            // The server has seen it by then.
            thread::sleep(Duration::from_millis(50));
        }
        client.command("STOR clear.bin", 150);
        if !early {
            write(&mut data);
        }
        client.expect(522);
        assert!(!server.has("clear.bin"));
        client.command("NOOP", 200);
    }
}

/// With Nagle's algorithm a client keeps its first bytes until its last word of the handshake is
/// acknowledged: 40 ms, if that is put off.
fn keeps_no_small_upload_waiting(program: &Program) {
    let server = serve(program, "");
    for tls in versions() {
        let mut client = login(&server, &tls);
        for active in [false, true] {
            let mut took: Vec<Duration> = (0..31)
                .map(|_| {
                    let begun = Instant::now();
                    let data = if active {
                        let listener = client.active();
                        client.command("STOR small.bin", 150);
                        listener.accept().expect("a data connection").0
                    } else {
                        let data = client.data();
                        client.command("STOR small.bin", 150);
                        data
                    };
                    assert!(!data.nodelay().expect("an option"));
                    let mut data = client.protect(data);
                    data.write_all(b"small").expect("to send");
                    // A FIN would take the bytes with it; Python's clients wait for an answer first.
                    data.notify().expect("to end");
                    assert_eq!(rest(data), b"");
                    client.expect(226);
                    begun.elapsed()
                })
                .collect();
            took.sort_unstable();
            // Of those that a busy machine did not hold up.
            let typical = took[took.len() / 4];
            assert!(
                typical < Duration::from_millis(30),
                "active: {active}, {took:?}"
            );
        }
    }
}
