//! Clocks, logs and signals.

use std::fs;
use std::time::Duration;

use super::{Watch, stores_and_fetches};
use crate::process::cpu_time;
use crate::server::eventually;
use crate::{Config, Program, cases};

cases! { "faults";
    takes_no_notice_of_a_clock_that_jumps("faketime"),
    goes_on_when_its_log_cannot_be_written,
    goes_on_when_nobody_reads_its_log,
}

/// R34: an hour forth, then two back.
fn takes_no_notice_of_a_clock_that_jumps(program: &Program) {
    let folder = tempfile::tempdir().expect("a directory");
    let clock = folder.path().join("clock");
    fs::write(&clock, "+0").expect("a clock");
    let library = fs::read_dir("/usr/lib")
        .expect("libraries")
        .flatten()
        .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists())
        .expect("the library of faketime");
    let config = Config::default().through(&[
        "env",
        &format!("LD_PRELOAD={}", library.display()),
        &format!("FAKETIME_TIMESTAMP_FILE={}", clock.display()),
        "FAKETIME_NO_CACHE=1",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
    ]);
    // Confined, it could not read the clock.
    let server = program.start(config.table("[process]\nlandlock = false"));
    let watch = Watch::begin(&server);
    let mut idle = server.login();
    let mut busy = server.login();
    let data = busy.data();
    busy.command("STOR f.bin", 150);
    let hour = || {
        let log = server.log();
        let line = log.lines().last().unwrap_or_default().to_owned();
        line.get(11..13).and_then(|hour| hour.parse::<u32>().ok())
    };
    let start = hour().expect("an hour");
    let before = cpu_time(server.pid());
    for (jump, expected) in [("+1h", (start + 1) % 24), ("-1h", (start + 23) % 24)] {
        fs::write(&clock, jump).expect("a clock");
        idle.command("NOOP", 200);
        let near = [expected, (expected + 1) % 24];
        eventually("the log has the new time", || {
            hour().is_some_and(|hour| near.contains(&hour))
        });
        stores_and_fetches(&server);
        // As much as a timer needs that takes the jump for time that has passed.
        std::thread::sleep(Duration::from_millis(500));
        idle.command("NOOP", 200);
    }
    let spent = cpu_time(server.pid()) - before;
    assert!(spent < 100, "{spent} ticks of 10 ms: it spins");
    drop(data);
    busy.expect(226);
    drop((idle, busy));
    watch.ends_well();
}

/// R42: the disk that it is on is full.
fn goes_on_when_its_log_cannot_be_written(program: &Program) {
    let full = "exec \"$@\" 2>/dev/full";
    let server = program.start(Config::default().through(&["sh", "-c", full, "sh"]));
    let watch = Watch::begin(&server);
    write_much(&server);
    assert_eq!(server.log(), "", "it can be written");
    watch.ends_well();
}

/// R42: the reader of a pipe has stopped.
fn goes_on_when_nobody_reads_its_log(program: &Program) {
    let folder = tempfile::tempdir().expect("a directory");
    let pipe = folder.path().join("pipe");
    let status = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(status.expect("mkfifo starts").success());
    // Held open for both, the pipe takes what fits into it and is never read.
    let hanging = format!("exec \"$@\" 2<>{}", pipe.display());
    let server = program.start(Config::default().through(&["sh", "-c", &hanging, "sh"]));
    let watch = Watch::begin(&server);
    write_much(&server);
    let ready = fs::File::open(&pipe).expect("the pipe");
    let waiting = rustix::io::ioctl_fionread(&ready).expect("a count");
    assert!(waiting > 32_768, "{waiting} bytes do not fill a pipe");
    watch.ends_well();
}

/// More lines than a pipe and the server's own queue hold.
fn write_much(server: &crate::Server) {
    let mut client = server.login();
    for _ in 0..100 {
        client.raw(&b"NOOP\r\n".repeat(100));
        for _ in 0..100 {
            client.expect(200);
        }
    }
}
