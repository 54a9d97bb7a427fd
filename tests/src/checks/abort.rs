//! What is said while a transfer runs. P36 to P40.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use super::order::{LONG, begin_download};
use super::{Stand, Target, checks};
use crate::conversations::transfer::pattern;
use crate::server::{eventually, rest, within};
use crate::{Client, Wire};

checks! {
    p36_answers_abor_wherever_it_comes both,
    p37_aborts_on_an_urgent_byte_at_once,
    p38_answers_stat_during_a_transfer both,
    p39_finishes_a_transfer_before_quit both,
    p40_stops_a_transfer_with_its_control_connection both,
}

/// Begins an upload over an old file; these bytes are on their way.
pub(super) fn begin_upload(target: &Target, client: &mut Client, bytes: &[u8]) -> Wire {
    target.put("f.bin", b"the old file");
    let data = client.data();
    client.command("STOR f.bin", 150);
    let mut data = client.protect(data);
    data.write_all(bytes).expect("to send");
    data
}

/// An upload that was not completed has not replaced the old file.
pub(super) fn is_not_committed(target: &Target) {
    let now = target.content("f.bin").unwrap_or_default();
    assert!(
        now.is_empty() || now == b"the old file",
        "a part of {} bytes is under the name of the file",
        now.len()
    );
}

/// A transfer and the ABOR behind it have one reply each.
pub(super) fn is_aborted(client: &mut Client) {
    client.expect_one_of("the transfer", &[226, 426, 451]);
    client.expect_one_of("ABOR", &[225, 226]);
}

fn p36_answers_abor_wherever_it_comes(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    client.one_of("ABOR", &[225, 226]);
    client.epsv();
    client.one_of("ABOR", &[225, 226]);
    client.command("NOOP", 200);
    let (data, _) = begin_download(&target, &mut client);
    client.send("ABOR");
    drop(data);
    is_aborted(&mut client);
    client.one_of("ABOR", &[225, 226]);
    client.command("NOOP", 200);
    let data = begin_upload(&target, &mut client, &pattern(100_000));
    client.send("ABOR");
    drop(data);
    is_aborted(&mut client);
    client.one_of("ABOR", &[225, 226]);
    client.command("NOOP", 200);
}

fn p37_aborts_on_an_urgent_byte_at_once(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    let (data, _) = begin_download(&target, &mut client);
    let begun = Instant::now();
    client.urgent_abort();
    is_aborted(&mut client);
    // A second, and as much again for a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(2), "too slow");
    assert!(ends(data) < LONG, "all of it came");
    client.command("NOOP", 200);
}

/// How many bytes are left until a connection is closed, in whatever way.
fn ends(mut data: Wire) -> usize {
    let mut buffer = vec![0; 1 << 16];
    let mut count = 0;
    loop {
        match data.read(&mut buffer) {
            Ok(0) | Err(_) => return count,
            Ok(read) => count += read,
        }
    }
}

fn p38_answers_stat_during_a_transfer(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    let (data, begun) = begin_download(&target, &mut client);
    for _ in 0..4 {
        let asked = Instant::now();
        client.one_of("STAT", &[211, 213]);
        assert!(asked.elapsed() < Duration::from_secs(1), "too slow");
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(rest(data).len() + begun.len(), LONG);
    client.expect(226);
}

fn p39_finishes_a_transfer_before_quit(stand: &Stand<'_>) {
    let target = stand.serve();
    let before = target.sockets_at_rest();
    let mut client = target.login();
    let (data, begun) = begin_download(&target, &mut client);
    client.send("QUIT");
    assert_eq!(rest(data).len() + begun.len(), LONG);
    client.expect(226);
    client.expect(221);
    client.expect_end();
    drop(client);
    eventually("nothing is left of the session", || {
        target.sockets() <= before
    });
}

fn p40_stops_a_transfer_with_its_control_connection(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    let mut data = begin_upload(&target, &mut client, &pattern(300_000));
    std::thread::sleep(Duration::from_millis(300));
    client.reset();
    // A second, and as much again for a busy machine.
    within(
        Duration::from_secs(2),
        "the data connection is closed",
        || data.write_all(&[1; 1_000]).is_err(),
    );
    is_not_committed(&target);
}
