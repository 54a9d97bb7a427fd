//! Numbers and arguments that nobody means. P20 to P25.

use std::fs;
use std::time::SystemTime;

use super::{Stand, checks};

checks! {
    p20_refuses_offsets_that_are_none,
    p21_makes_no_huge_file_of_a_huge_offset,
    p22_refuses_a_length_that_is_none,
    p23_refuses_times_that_are_none,
    p24_refuses_addresses_that_are_none,
    p25_survives_missing_and_long_arguments,
}

fn p20_refuses_offsets_that_are_none(stand: &Stand<'_>) {
    let target = stand.serve();
    target.put("f", b"0123456789");
    for argument in ["-1", "abc", "18446744073709551616"] {
        let mut client = target.login();
        client.command("REST 3", 350);
        client.one_of(&format!("REST {argument}"), &[501, 550, 554]);
        assert_eq!(client.fetch("f"), b"3456789", "after REST {argument}");
    }
}

fn p21_makes_no_huge_file_of_a_huge_offset(stand: &Stand<'_>) {
    use std::io::Write as _;
    let target = stand.serve();
    target.put("f", b"0123456789");
    for verb in ["APPE", "STOR"] {
        let mut client = target.login();
        let mut data = client.data();
        client.one_of("REST 9223372036854775807", &[350, 501, 550, 554]);
        client.send(&format!("{verb} f"));
        let _ = data.write_all(b"x");
        drop(data);
        while client.reply().0 < 200 {}
        let length = fs::metadata(target.path("f")).map_or(0, |facts| facts.len());
        assert!(length <= 20, "{verb}: {length} bytes");
    }
    target.still_serves();
}

fn p22_refuses_a_length_that_is_none(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    client.one_of("ALLO 99999999999999999999", &[501, 504, 552]);
    client.command("NOOP", 200);
}

fn p23_refuses_times_that_are_none(stand: &Stand<'_>) {
    let target = stand.serve();
    target.put("f", b"x");
    let modified = || -> SystemTime {
        let metadata = target.path("f").metadata().expect("a file");
        metadata.modified().expect("a time")
    };
    let before = modified();
    let mut client = target.login();
    let long = "9".repeat(300);
    // Where MDTM sets no time, what follows is the name of a file that is not there.
    client.one_of("MDTM 99999999999999 f", &[501, 550]);
    client.one_of(&format!("MDTM {long} f"), &[501, 550]);
    client.one_of("MFMT 20241332250000 f", &[500, 501, 502, 550]);
    client.one_of(&format!("MFMT {long} f"), &[500, 501, 502, 550]);
    client.command("NOOP", 200);
    assert_eq!(before, modified());
}

fn p24_refuses_addresses_that_are_none(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    for line in [
        "PORT 127,0,0,1,200,1,1",
        "PORT 127,0,0,1,200",
        "PORT 127,0,0,256,200,1",
        "PORT 127,0,0,1,-1,1",
        "EPRT |1|127.0.0.1|99999|",
        "EPRT |1|127.0.0.1|-1|",
        "EPRT |1|127.0.0.1",
    ] {
        client.one_of(line, &[500, 501]);
    }
    client.command("NOOP", 200);
}

fn p25_survives_missing_and_long_arguments(stand: &Stand<'_>) {
    let target = stand.serve();
    for verb in ["SITE", "OPTS", "HELP", "MFF"] {
        let mut client = target.login();
        client.one_of(verb, &[211, 214, 500, 501, 502, 503, 504]);
        client.command("NOOP", 200);
        // Some close on a line of that length.
        client.one_of(
            &format!("{verb} {}", "x".repeat(10_240)),
            &[421, 500, 501, 502, 504],
        );
    }
}
