//! Transfers that do not end as they should. P46 to P49, P51, P52.

use std::fs;
use std::io::{Read as _, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use super::abort::{begin_upload, is_not_committed};
use super::{Setup, Stand, checks};
use crate::client::reset;
use crate::conversations::transfer::pattern;
use crate::server::eventually;

checks! {
    p46_commits_nothing_after_a_reset both,
    p47_tells_an_upload_that_is_shorter_than_announced both,
    p48_gives_up_a_client_that_stops_reading both,
    p49_gives_up_an_upload_that_only_trickles,
    p51_says_that_the_disk_is_full both ("unshare", "mount", "root"),
    p52_lists_a_huge_directory_in_little_memory both,
}

fn p46_commits_nothing_after_a_reset(stand: &Stand<'_>) {
    let target = stand.serve();
    for length in [1_000, 300_000] {
        let mut client = target.login();
        let data = begin_upload(&target, &mut client, &pattern(length));
        thread::sleep(Duration::from_millis(200));
        reset(data.into_socket());
        client.expect_one_of("STOR and a reset", &[426, 451]);
        is_not_committed(&target);
    }
}

fn p47_tells_an_upload_that_is_shorter_than_announced(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    let mut said = Vec::new();
    for length in [1_000, 500] {
        client.one_of("ALLO 1000", &[200, 202]);
        let mut data = begin_upload(&target, &mut client, &pattern(length));
        data.finish().expect("to end");
        let (code, text) = client.expect_one_of("STOR", &[226, 426, 451, 552]);
        // Times may be told behind the first line.
        said.push((code, text.lines().next().map(str::to_owned)));
    }
    // A warning is enough.
    assert!(said[0] != said[1], "500 of 1,000 bytes are as good as all");
}

fn p48_gives_up_a_client_that_stops_reading(stand: &Stand<'_>) {
    let target = stand.start(Setup {
        stall: Some(2),
        ..Setup::default()
    });
    let mut client = target.login();
    let (data, _) = super::order::begin_download(&target, &mut client);
    let begun = Instant::now();
    client.expect_one_of("RETR", &[421, 426, 451]);
    assert!(begun.elapsed() < Duration::from_secs(10), "too slow");
    eventually("the file is closed", || {
        let held = target.descriptors();
        !held.iter().any(|path| path.ends_with("long.bin"))
    });
    drop(data);
}

/// Ours has a rate that is the average of each minute.
fn p49_gives_up_an_upload_that_only_trickles(stand: &Stand<'_>) {
    let target = stand.start(Setup {
        stall: Some(2),
        idle: Some(2),
        trickle: true,
        ..Setup::default()
    });
    let mut client = target.login();
    let mut data = begin_upload(&target, &mut client, b"x");
    let begun = Instant::now();
    while data.write_all(b"x").is_ok() && client.is_silent(Duration::from_millis(500)) {
        let patience = Duration::from_secs(75);
        assert!(begun.elapsed() < patience, "two bytes a second are enough");
    }
    is_not_committed(&target);
}

fn p51_says_that_the_disk_is_full(stand: &Stand<'_>) {
    let target = stand.start(Setup {
        disk: Some(2),
        ..Setup::default()
    });
    let mut client = target.login();
    for length in [2_500_000, 8_000_000] {
        let data = client.data();
        client.command("STOR disk/f.bin", 150);
        let mut data = client.protect(data);
        // The server may have given up before all is sent.
        let _ = data.write_all(&pattern(length));
        let _ = data.finish();
        client.expect_one_of("STOR on a full disk", &[426, 451, 452, 552]);
        client.one_of("DELE disk/f.bin", &[250, 550]);
    }
}

/// How many entries; all of a million with this in the environment.
fn entries() -> usize {
    let count = std::env::var("WHARF_ENTRIES").ok();
    count.map_or(50_000, |count| count.parse().expect("a number"))
}

fn p52_lists_a_huge_directory_in_little_memory(stand: &Stand<'_>) {
    let target = stand.serve();
    // Names so long that a listing of few of them is megabytes.
    let stem = "n".repeat(200);
    target.make("huge");
    let folder = target.path("huge");
    for number in 0..entries() {
        fs::File::create(folder.join(format!("{stem}{number}"))).expect("a file");
    }
    target.still_serves();
    let mut client = target.login();
    client.command("CWD huge", 250);
    let memory = target.memory();
    let data = client.data();
    client.command("LIST", 150);
    let mut data = client.protect(data);
    data.read_exact(&mut [0; 1_024]).expect("a beginning");
    let grown = target.memory().saturating_sub(memory);
    // The names alone are ten megabytes.
    assert!(grown < 4_096, "{grown} KiB held");
    reset(data.into_socket());
    client.expect_one_of("LIST and a reset", &[426, 451]);
    let before = target.cpu();
    thread::sleep(Duration::from_millis(500));
    let spent = target.cpu().saturating_sub(before);
    assert!(spent < 10, "it goes on with the listing");
    client.command("NOOP", 200);
}
