//! What an upload leaves behind.

use std::io::Write;
use std::net::TcpStream;

use super::transfer::pattern;
use crate::client::reset;
use crate::{Client, Config, Program, cases};

cases! { "upload";
    is_visible_only_when_it_is_whole,
    leaves_the_old_file_after_a_reset,
    resumes_where_it_broke,
    resumes_by_append_where_its_length_was_told,
    mixes_no_halves_of_two_versions,
    tells_its_owner_how_much_can_be_continued_and_nobody_else,
    lists_what_can_be_continued_when_told_so,
    leaves_less_than_arrived_however_it_broke,
    replaces_what_a_link_leads_to,
    forgets_the_part_when_it_begins_anew,
    keeps_the_head_and_tail_of_a_file_that_is_restarted,
    does_not_mix_two_uploads,
    leaves_nothing_of_an_append_that_broke,
    refuses_to_replace_without_the_right,
    is_refused_when_the_disk_does_not_take_it("strace"),
}

/// Sends the beginning of an upload and leaves it open.
fn begin(client: &mut Client, line: &str, bytes: &[u8]) -> TcpStream {
    let mut data = client.data();
    client.command(line, 150);
    data.write_all(bytes).expect("to send");
    data
}

/// Waits until the server has taken so many bytes.
fn taken(client: &mut Client, count: usize) {
    crate::server::eventually("the server has taken the data", || {
        client.command("STAT", 211).contains(&format!(": {count} "))
    });
}

/// Breaks an upload with a reset after these bytes.
fn break_off(client: &mut Client, line: &str, bytes: &[u8]) {
    let data = begin(client, line, bytes);
    taken(client, bytes.len());
    reset(data);
    client.expect(426);
}

fn is_visible_only_when_it_is_whole(program: &Program) {
    let server = program.serve();
    server.put("f.bin", b"the old file");
    let mut client = server.login();
    let content = pattern(3_000_000);
    let mut data = begin(&mut client, "STOR f.bin", &content[..2_000_000]);
    assert_eq!(server.content("f.bin"), b"the old file");
    assert_eq!(server.login().fetch("f.bin"), b"the old file");
    data.write_all(&content[2_000_000..]).expect("to send");
    drop(data);
    client.expect(226);
    assert!(server.content("f.bin") == content);
}

fn leaves_the_old_file_after_a_reset(program: &Program) {
    let server = program.serve();
    server.put("f.bin", b"the old file");
    let mut client = server.login();
    break_off(&mut client, "STOR f.bin", &pattern(200_000));
    assert_eq!(server.content("f.bin"), b"the old file");
    assert_eq!(client.fetch("f.bin"), b"the old file");
}

/// What SIZE tells of an upload of which so many bytes arrived: whole blocks, and less.
fn told(arrived: usize) -> usize {
    (arrived - 1) / 4_096 * 4_096
}

fn resumes_where_it_broke(program: &Program) {
    let server = program.serve();
    let content = pattern(500_000);
    for begin in [told(200_000), 100_000, 1] {
        let mut client = server.login();
        break_off(&mut client, "STOR f.bin", &content[..200_000]);
        drop(client);
        let mut client = server.login();
        assert_eq!(client.command("SIZE f.bin", 213), "213 196608\r\n");
        client.command(&format!("REST {}", told(200_000) + 1), 350);
        let _data = client.data();
        client.command("STOR f.bin", 554);
        client.command(&format!("REST {begin}"), 350);
        client.send_data("STOR f.bin", &content[begin..]);
        assert!(server.content("f.bin") == content);
        assert_eq!(client.command("SIZE f.bin", 213), "213 500000\r\n");
        client.command("DELE f.bin", 250);
    }
}

fn resumes_by_append_where_its_length_was_told(program: &Program) {
    let server = program.serve();
    let content = pattern(500_000);
    let mut client = server.login();
    break_off(&mut client, "STOR f.bin", &content[..200_000]);
    // A camera that appends at a place of its own would leave a hole.
    let _data = client.data();
    client.command("APPE f.bin", 554);
    client.command("SIZE f.bin", 213);
    client.send_data("APPE f.bin", &content[told(200_000)..]);
    assert!(server.content("f.bin") == content);
    // A client that asks whether the file is there and sends it anew.
    break_off(&mut client, "STOR g.bin", &content[..200_000]);
    client.command("SIZE g.bin", 213);
    client.command("DELE g.bin", 250);
    client.command("SIZE g.bin", 550);
    client.send_data("STOR g.bin", &content);
    assert!(server.content("g.bin") == content);
}

fn mixes_no_halves_of_two_versions(program: &Program) {
    let server = program.serve();
    let old = vec![7; 100_000];
    let content = pattern(500_000);
    server.put("f.bin", &old);
    let mut client = server.login();
    break_off(&mut client, "STOR f.bin", &content[..200_000]);
    drop(client);
    let mut client = server.login();
    assert_eq!(client.command("SIZE f.bin", 213), "213 100000\r\n");
    assert!(client.fetch("f.bin") == old);
    let _data = client.data();
    for line in ["APPE f.bin", "STOR f.bin"] {
        client.command("REST 100000", 350);
        let refused = client.command(line, 554);
        assert!(refused.contains("send it from the beginning"), "{refused}");
    }
    client.command("APPE f.bin", 554);
    assert!(server.content("f.bin") == old);
    server.still_serves();
    client.store("f.bin", &content);
    client.send_data("APPE f.bin", b"more");
    assert!(server.content("f.bin") == [&content[..], b"more"].concat());
    let log = server.whole_log();
    assert!(log.contains("send it from the beginning"), "{log}");
}

fn tells_its_owner_how_much_can_be_continued_and_nobody_else(program: &Program) {
    let server = program.start(crate::Config::default().anonymous("\"list\", \"read\", \"write\""));
    let mut client = server.login();
    break_off(&mut client, "STOR f.bin", &pattern(200_000));
    for line in ["LIST", "LIST -a", "NLST", "MLSD"] {
        assert_eq!(client.lines(line), Vec::<String>::new(), "{line}");
    }
    for line in [
        "MLST f.bin",
        "MDTM f.bin",
        "STAT f.bin",
        "RNFR f.bin",
        "CWD f.bin",
    ] {
        client.command(line, 550);
    }
    let data = client.data();
    client.command("RETR f.bin", 550);
    drop(data);
    let mut other = server.connect();
    other.login("anonymous", "x");
    other.command("SIZE f.bin", 550);
    client.command("SIZE f.bin", 213);
    client.command("MKD d", 257);
    let mut inside = server.login();
    inside.command("CWD d", 250);
    break_off(&mut inside, "STOR g.bin", &pattern(200_000));
    client.command("RMD d", 250);
    client.command("DELE f.bin", 250);
    client.command("SIZE f.bin", 550);
    client.command("DELE f.bin", 550);
    // Of nobody in particular nothing is kept.
    break_off(&mut other, "STOR h.bin", &pattern(200_000));
    other.command("SIZE h.bin", 550);
}

fn lists_what_can_be_continued_when_told_so(program: &Program) {
    let config = crate::Config::default().table("[storage]\npartials = \"listed\"");
    let server = program.start(config);
    let mut client = server.login();
    break_off(&mut client, "STOR f.bin", &pattern(200_000));
    for line in ["LIST", "MLSD"] {
        let lines = client.lines(line);
        assert!(
            lines.iter().any(|line| line.contains("196608")),
            "{lines:?}"
        );
    }
    assert_eq!(client.lines("NLST"), Vec::<String>::new());
    let off = crate::Config::default().table("[storage]\npartials = \"off\"");
    let server = program.start(off);
    let mut client = server.login();
    break_off(&mut client, "STOR f.bin", &pattern(200_000));
    client.command("SIZE f.bin", 550);
}

fn leaves_less_than_arrived_however_it_broke(program: &Program) {
    let server = program.serve();
    let content = pattern(300_000);
    for how in ["reset", "control", "abort"] {
        let mut client = server.login();
        let data = begin(&mut client, "STOR f.bin", &content);
        taken(&mut client, content.len());
        match how {
            "reset" => reset(data),
            "control" => client.reset(),
            _ => {
                client.command("ABOR", 426);
                client.expect(226);
            }
        }
        let mut client = server.login();
        crate::server::eventually("the upload has broken off", || {
            client.one_of("SIZE f.bin", &[213, 550]).0 == 213
        });
        let said = client.command("SIZE f.bin", 213);
        assert_eq!(said, format!("213 {}\r\n", told(content.len())), "{how}");
        assert_eq!(client.lines("NLST"), Vec::<String>::new(), "{how}");
        // Whoever resumes has something to send, and is told 226 for it.
        client.command(&format!("REST {}", told(content.len())), 350);
        client.send_data("STOR f.bin", &content[told(content.len())..]);
        assert!(server.content("f.bin") == content, "{how}");
        client.command("DELE f.bin", 250);
    }
}

fn replaces_what_a_link_leads_to(program: &Program) {
    let server = program.serve();
    server.put("real.txt", b"old");
    std::os::unix::fs::symlink("real.txt", server.home().join("link.txt")).expect("a link");
    let mut client = server.login();
    client.store("link.txt", b"new");
    assert_eq!(server.content("real.txt"), b"new");
    let link = std::fs::symlink_metadata(server.home().join("link.txt")).expect("a name");
    assert!(link.is_symlink());
}

fn forgets_the_part_when_it_begins_anew(program: &Program) {
    let server = program.serve();
    let mut client = server.login();
    break_off(&mut client, "STOR f.bin", &pattern(200_000));
    client.store("f.bin", b"short");
    assert_eq!(server.content("f.bin"), b"short");
    assert_eq!(client.command("SIZE f.bin", 213), "213 5\r\n");
    assert_eq!(client.lines("NLST"), ["f.bin"]);
}

fn keeps_the_head_and_tail_of_a_file_that_is_restarted(program: &Program) {
    let server = program.serve();
    server.put("f.bin", b"0123456789");
    let mut client = server.login();
    client.command("REST 4", 350);
    client.send_data("STOR f.bin", b"AB");
    assert_eq!(server.content("f.bin"), b"0123AB6789");
    client.command("REST 10", 350);
    client.send_data("STOR f.bin", b"more");
    assert_eq!(server.content("f.bin"), b"0123AB6789more");
}

fn does_not_mix_two_uploads(program: &Program) {
    let server = program.serve();
    let (one, two) = (pattern(400_000), vec![7; 300_000]);
    let (mut first, mut second) = (server.login(), server.login());
    let mut data_one = begin(&mut first, "STOR f.bin", &one[..100_000]);
    let mut data_two = begin(&mut second, "STOR f.bin", &two[..100_000]);
    data_one.write_all(&one[100_000..]).expect("to send");
    data_two.write_all(&two[100_000..]).expect("to send");
    drop(data_one);
    first.expect(226);
    assert!(server.content("f.bin") == one);
    drop(data_two);
    second.expect(226);
    assert!(server.content("f.bin") == two);
}

fn leaves_nothing_of_an_append_that_broke(program: &Program) {
    let server = program.serve();
    server.put("f.bin", b"the old file");
    let mut client = server.login();
    break_off(&mut client, "APPE f.bin", &pattern(200_000));
    assert_eq!(server.content("f.bin"), b"the old file");
}

fn refuses_to_replace_without_the_right(program: &Program) {
    let server = program
        .start(crate::Config::default().anonymous("\"list\", \"read\", \"write\", \"rename\""));
    server.put("f.bin", b"the old file");
    server.put("g.bin", b"another");
    let mut client = server.connect();
    client.login("anonymous", "x");
    client.store("new.bin", b"new");
    let _data = client.data();
    for line in ["STOR f.bin", "APPE f.bin"] {
        client.command(line, 550);
    }
    client.command("REST 5", 350);
    client.command("STOR f.bin", 550);
    client.command("RNFR g.bin", 350);
    client.command("RNTO f.bin", 550);
    client.command("RNFR g.bin", 350);
    client.command("RNTO h.bin", 250);
    client.command("DELE h.bin", 550);
    assert_eq!(server.content("f.bin"), b"the old file");
}

fn is_refused_when_the_disk_does_not_take_it(program: &Program) {
    let broken = [
        "strace",
        "-D",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "inject=fsync:error=EIO",
    ];
    for (durability, code) in [("os", 226), ("disk", 451)] {
        let config = Config::default().top(&format!("durability = \"{durability}\""));
        let server = program.start(config.through(&broken));
        server.put("f.bin", b"the old file");
        let mut client = server.login();
        drop(begin(&mut client, "STOR f.bin", b"the new file"));
        client.expect(code);
        let stands = if code == 226 {
            "the new file"
        } else {
            "the old file"
        };
        assert_eq!(server.content("f.bin"), stands.as_bytes());
        // What was done to a directory cannot be taken back.
        client.command("MKD d", if code == 226 { 257 } else { 451 });
        assert!(server.has("d"));
    }
}
