//! Transfers that lose one of their connections, or that nobody reads.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::{SOON, Watch, memory};
use crate::client::{reset, some};
use crate::conversations::transfer::pattern;
use crate::server::{Config, eventually, rest, within};
use crate::{Client, Program, Server, cases};

cases! { "faults";
    gives_up_a_client_that_never_reads_its_data,
    gives_up_a_client_that_never_reads_its_replies,
    takes_nothing_more_when_the_control_connection_is_lost,
    keeps_the_old_file_when_the_data_connection_is_lost,
    says_so_when_a_file_shrinks_while_it_is_sent,
    sends_the_old_version_of_a_file_that_is_replaced_or_deleted,
}

/// R09: a megabyte or two is in the buffers of the kernel, nothing in those of the server.
fn gives_up_a_client_that_never_reads_its_data(program: &Program) {
    let server = program.start(Config::default().table("[limits]\nstall = \"2s\""));
    let file = fs::File::create(server.home().join("big.bin")).expect("a file");
    file.set_len(1 << 30).expect("a sparse file");
    let watch = Watch::begin(&server);
    let before = memory(&server);
    for form in ["I", "A"] {
        let mut client = server.login();
        client.command(&format!("TYPE {form}"), 200);
        let data = client.data();
        client.command("RETR big.bin", 150);
        super::stores_and_fetches(&server);
        client.expect(426);
        client.command("NOOP", 200);
        drop(data);
    }
    let grown = memory(&server).saturating_sub(before);
    assert!(grown < 8_192, "{grown} KiB more than before");
    watch.ends_well();
}

/// R09: the server stops to read, and others do not notice.
fn gives_up_a_client_that_never_reads_its_replies(program: &Program) {
    let server = program.serve();
    let watch = Watch::begin(&server);
    let before = memory(&server);
    let client = server.login();
    client
        .stream()
        .set_write_timeout(Some(Duration::from_millis(500)))
        .expect("a timeout");
    let lines = b"FEAT\r\n".repeat(10_000);
    let mut sent = 0;
    while client.stream().write_all(&lines).is_ok() {
        sent += lines.len();
        assert!(sent < 100_000_000, "commands without end are taken");
    }
    let grown = memory(&server).saturating_sub(before);
    assert!(grown < 8_192, "{grown} KiB more than before");
    super::stores_and_fetches(&server);
    client.reset();
    watch.ends_well();
}

/// Begins an upload, of which the server has taken these bytes.
fn begin(server: &Server, client: &mut Client, bytes: &[u8]) -> TcpStream {
    server.put("f.bin", b"the old file");
    let mut data = client.data();
    client.command("STOR f.bin", 150);
    data.write_all(bytes).expect("to send");
    eventually("the server has taken the data", || {
        let text = client.command("STAT", 211);
        text.contains(&format!(": {} ", bytes.len()))
    });
    data
}

/// R13.
fn takes_nothing_more_when_the_control_connection_is_lost(program: &Program) {
    let server = program.serve();
    let watch = Watch::begin(&server);
    let mut client = server.login();
    let mut data = begin(&server, &mut client, &pattern(300_000));
    client.reset();
    within(SOON, "the data connection is closed", || {
        data.write_all(&[1; 1_000]).is_err()
    });
    assert_eq!(server.content("f.bin"), b"the old file");
    watch.ends_well();
}

/// R14: in the first bytes, and after megabytes, when they go another way.
fn keeps_the_old_file_when_the_data_connection_is_lost(program: &Program) {
    let server = program.serve();
    let watch = Watch::begin(&server);
    for length in [300_000, 5_000_000] {
        let mut client = server.login();
        let data = begin(&server, &mut client, &pattern(length));
        reset(data);
        client.expect(426);
        assert_eq!(server.content("f.bin"), b"the old file");
        client.command("DELE f.bin", 250);
        client.command("QUIT", 221);
    }
    watch.ends_well();
}

/// R33: the client has been told how long the file is, and must not take less for all of it.
fn says_so_when_a_file_shrinks_while_it_is_sent(program: &Program) {
    let server = program.serve();
    let watch = Watch::begin(&server);
    for form in ["I", "A"] {
        server.put("f.bin", &vec![b'x'; 50_000_000]);
        let mut client = server.login();
        client.command(&format!("TYPE {form}"), 200);
        let data = client.data();
        client.command("RETR f.bin", 150);
        let begun = some(&data, 1_000).len();
        let file = fs::OpenOptions::new()
            .write(true)
            .open(server.home().join("f.bin"))
            .expect("the file");
        file.set_len(1_000_000).expect("to shrink it");
        let got = rest(data).len() + begun;
        assert!(got < 50_000_000, "nothing is missing");
        client.expect(451);
    }
    watch.ends_well();
}

/// R33.
fn sends_the_old_version_of_a_file_that_is_replaced_or_deleted(program: &Program) {
    let server = program.serve();
    let watch = Watch::begin(&server);
    let content = pattern(50_000_000);
    for replace in [true, false] {
        server.put("f.bin", &content);
        let mut client = server.login();
        let data = client.data();
        client.command("RETR f.bin", 150);
        let mut got = some(&data, 1_000);
        if replace {
            server.put("new.bin", b"another file");
            fs::rename(server.home().join("new.bin"), server.home().join("f.bin"))
                .expect("to replace it");
        } else {
            fs::remove_file(server.home().join("f.bin")).expect("to delete it");
        }
        got.extend(rest(data));
        assert!(got == content, "not the version that was opened");
        client.expect(226);
    }
    watch.ends_well();
}
