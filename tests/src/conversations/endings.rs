//! How sessions end that say no QUIT, and what becomes of their uploads.

use std::io::Write;
use std::thread::sleep;
use std::time::Duration;

use super::transfer::pattern;
use crate::client::reset;
use crate::tls::Tls;
use crate::wire::Wire;
use crate::{Client, Config, Program, Server, cases};

cases! { "endings";
    keeps_what_had_ended_before_the_control_connection,
    drops_what_ends_together_with_it,
    keeps_what_has_the_announced_length,
    keeps_what_a_client_hung_up_on_when_told_so,
    tells_the_two_kinds_of_doubt_apart,
    tells_accounts_and_listeners_apart,
}

/// Longer than an end is doubted.
const GAP: Duration = Duration::from_millis(100);

/// A server that speaks in clear and under both versions of TLS.
fn serve(program: &Program, lines: &str) -> Server {
    program.start(Config::default().tls("").top(lines))
}

fn protections() -> [(&'static str, Option<Tls>); 3] {
    [
        ("in clear", None),
        ("TLS 1.2", Some(Tls::v12())),
        ("TLS 1.3", Some(Tls::v13())),
    ]
}

fn login(server: &Server, tls: Option<&Tls>) -> Client {
    let mut client = server.connect();
    if let Some(tls) = tls {
        client.auth_tls(tls);
        client.secure(tls);
    }
    client.login("user", "12345");
    client
}

/// Begins an upload that takes long enough for its end to be doubted.
fn begin(client: &mut Client, name: &str, bytes: &[u8]) -> Wire {
    let data = client.data();
    client.command(&format!("STOR {name}"), 150);
    let mut data = client.protect(data);
    data.write_all(&bytes[..bytes.len() / 2]).expect("to send");
    sleep(Duration::from_millis(200));
    data.write_all(&bytes[bytes.len() / 2..]).expect("to send");
    data
}

/// Closes both connections without a gap and, under TLS, without close_notify: what the system
/// does for a client that was killed, in whatever order.
fn close(first: &str, client: Client, data: Wire) {
    if first == "data" {
        drop(data);
        drop(client);
    } else {
        drop(client);
        drop(data);
    }
}

/// Waits until no session is left, and says whether the file is there.
fn is_kept(server: &Server, name: &str) -> bool {
    crate::server::eventually("the session has ended", || {
        let log = server.whole_log();
        log.matches("disconnected").count() >= log.matches(" connected").count()
    });
    let kept = server.has(name);
    let _ = std::fs::remove_file(server.home().join(name));
    kept
}

fn keeps_what_had_ended_before_the_control_connection(program: &Program) {
    let server = serve(program, "");
    let content = pattern(100_000);
    for (how, tls) in protections() {
        let mut client = login(&server, tls.as_ref());
        let mut data = begin(&mut client, "f.bin", &content);
        data.finish().expect("to end");
        sleep(GAP);
        drop(client);
        assert!(is_kept(&server, "f.bin"), "{how}");
    }
}

fn drops_what_ends_together_with_it(program: &Program) {
    let server = serve(program, "");
    let content = pattern(100_000);
    for (how, tls) in protections() {
        for first in ["data", "control"] {
            let mut client = login(&server, tls.as_ref());
            let mut data = begin(&mut client, "f.bin", &content);
            // The client has said all that it wants to, and still it is not known to be whole.
            data.notify().expect("to end");
            close(first, client, data);
            assert!(!is_kept(&server, "f.bin"), "{first} {how}");
            let log = server.whole_log();
            let cures = log.matches("`accept-hang-up` would take it").count();
            assert_eq!(cures, log.matches("STOR failed").count(), "{log}");
        }
    }
}

fn keeps_what_has_the_announced_length(program: &Program) {
    let server = serve(program, "");
    let content = pattern(100_000);
    for (how, tls) in protections() {
        for (announced, kept) in [(100_000, true), (100_001, false), (99_999, false)] {
            for first in ["data", "control"] {
                let mut client = login(&server, tls.as_ref());
                client.command(&format!("ALLO {announced}"), 200);
                let data = begin(&mut client, "f.bin", &content);
                close(first, client, data);
                let is_kept = is_kept(&server, "f.bin");
                assert_eq!(is_kept, kept, "{announced} {first} {how}");
            }
        }
    }
}

fn keeps_what_a_client_hung_up_on_when_told_so(program: &Program) {
    let server = serve(program, "accept-hang-up = true");
    let content = pattern(100_000);
    for (how, tls) in protections() {
        // The control connection first, while data still comes, as ffmpeg does.
        let mut client = login(&server, tls.as_ref());
        let mut data = begin(&mut client, "f.bin", &content[..50_000]);
        drop(client);
        sleep(GAP);
        data.write_all(&content[50_000..]).expect("to send");
        data.finish().expect("to end");
        crate::server::eventually("the upload is there", || server.has("f.bin"));
        assert!(server.content("f.bin") == content);
        assert!(is_kept(&server, "f.bin"));
        // A reset is no end, of whichever connection.
        let mut client = login(&server, tls.as_ref());
        let mut data = begin(&mut client, "f.bin", &content);
        client.reset();
        // The server may have closed the data connection already.
        let _ = data.finish();
        assert!(!is_kept(&server, "f.bin"), "{how}");
        let mut client = login(&server, tls.as_ref());
        let data = begin(&mut client, "f.bin", &content);
        drop(client);
        sleep(GAP);
        reset(data.into_socket());
        assert!(!is_kept(&server, "f.bin"), "{how}");
    }
    let log = server.whole_log();
    assert_eq!(log.matches("WARN STOR complete").count(), 3, "{log}");
}

/// Whoever accepts only one of them refuses what both would have to accept.
fn tells_the_two_kinds_of_doubt_apart(program: &Program) {
    let content = pattern(100_000);
    for (lines, kept) in [
        ("accept-hang-up = true", false),
        ("accept-truncated = true", false),
        ("accept-hang-up = true\naccept-truncated = true", true),
    ] {
        let server = serve(program, lines);
        for (how, tls) in [("TLS 1.2", Tls::v12()), ("TLS 1.3", Tls::v13())] {
            let mut client = login(&server, Some(&tls));
            let data = begin(&mut client, "f.bin", &content);
            drop(client);
            sleep(GAP);
            drop(data);
            assert_eq!(is_kept(&server, "f.bin"), kept, "{lines} {how}");
        }
    }
}

fn tells_accounts_and_listeners_apart(program: &Program) {
    let config = Config::default()
        .anonymous("\"list\", \"read\", \"write\", \"delete\"")
        .table("[[listener]]\naddress = \"127.0.0.1:0\"\naccept-hang-up = true");
    let server = program.start(config);
    let content = pattern(100_000);
    let hang_up = |at: usize| {
        let mut client = Client::connect(server.addresses()[at]);
        client.login("anonymous", "x");
        client.command("TYPE I", 200);
        let data = begin(&mut client, "f.bin", &content);
        drop(client);
        drop(data);
        is_kept(&server, "f.bin")
    };
    assert!(!hang_up(0));
    assert!(hang_up(1));
}
