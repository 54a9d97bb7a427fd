//! How sessions end that say no QUIT, and what becomes of their uploads.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use super::transfer::pattern;
use crate::client::reset;
use crate::{Client, Config, Program, Server, cases};

cases! { "endings";
    keeps_what_had_ended_before_the_control_connection,
    drops_what_ends_together_with_it,
    keeps_what_has_the_announced_length,
    keeps_what_a_client_hung_up_on_when_told_so,
    tells_accounts_and_listeners_apart,
}

/// Longer than an end is doubted.
const GAP: Duration = Duration::from_millis(60);

/// Begins an upload that takes long enough for its end to be doubted.
fn begin(client: &mut Client, name: &str, bytes: &[u8]) -> TcpStream {
    let mut data = client.data();
    client.command(&format!("STOR {name}"), 150);
    data.write_all(&bytes[..bytes.len() / 2]).expect("to send");
    sleep(Duration::from_millis(200));
    data.write_all(&bytes[bytes.len() / 2..]).expect("to send");
    data
}

/// Closes both connections without a gap.
fn close(first: &str, client: Client, data: TcpStream) {
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
    let server = program.serve();
    let content = pattern(100_000);
    let mut client = server.login();
    let data = begin(&mut client, "f.bin", &content);
    drop(data);
    sleep(GAP);
    drop(client);
    assert!(is_kept(&server, "f.bin"));
}

/// As a client that is killed does: the system closes both, in whatever order.
fn drops_what_ends_together_with_it(program: &Program) {
    let server = program.serve();
    let content = pattern(100_000);
    for first in ["data", "control"] {
        let mut client = server.login();
        let data = begin(&mut client, "f.bin", &content);
        close(first, client, data);
        assert!(!is_kept(&server, "f.bin"), "{first}");
        let log = server.whole_log();
        assert!(log.contains("`accept-hang-up` would take it"), "{log}");
    }
}

fn keeps_what_has_the_announced_length(program: &Program) {
    let server = program.serve();
    let content = pattern(100_000);
    for (announced, kept) in [(100_000, true), (100_001, false), (99_999, false)] {
        for first in ["data", "control"] {
            let mut client = server.login();
            client.command(&format!("ALLO {announced}"), 200);
            let data = begin(&mut client, "f.bin", &content);
            close(first, client, data);
            assert_eq!(is_kept(&server, "f.bin"), kept, "{announced} {first}");
        }
    }
}

fn keeps_what_a_client_hung_up_on_when_told_so(program: &Program) {
    let server = program.start(Config::default().top("accept-hang-up = true"));
    let content = pattern(100_000);
    // The control connection first, while data still comes, as ffmpeg does.
    let mut client = server.login();
    let mut data = begin(&mut client, "f.bin", &content[..50_000]);
    drop(client);
    sleep(GAP);
    data.write_all(&content[50_000..]).expect("to send");
    drop(data);
    crate::server::eventually("the upload is there", || server.has("f.bin"));
    assert!(server.content("f.bin") == content);
    assert!(is_kept(&server, "f.bin"));
    let log = server.whole_log();
    assert!(log.contains("WARN STOR complete"), "{log}");
    // A reset is no end, of whichever connection.
    let mut client = server.login();
    let data = begin(&mut client, "f.bin", &content);
    client.reset();
    data.shutdown(Shutdown::Write).expect("to end");
    assert!(!is_kept(&server, "f.bin"));
    let mut client = server.login();
    let data = begin(&mut client, "f.bin", &content);
    drop(client);
    sleep(GAP);
    reset(data);
    assert!(!is_kept(&server, "f.bin"));
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
