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
    resumes_by_append,
    shows_its_part_to_its_owner_only,
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

fn resumes_where_it_broke(program: &Program) {
    let server = program.serve();
    let content = pattern(500_000);
    for old in [None, Some(&b"the old file"[..])] {
        if let Some(old) = old {
            server.put("f.bin", old);
        }
        let mut client = server.login();
        break_off(&mut client, "STOR f.bin", &content[..200_000]);
        drop(client);
        let mut client = server.login();
        assert_eq!(client.command("SIZE f.bin", 213), "213 200000\r\n");
        client.command("REST 200000", 350);
        client.send_data("STOR f.bin", &content[200_000..]);
        assert!(server.content("f.bin") == content);
        assert_eq!(client.command("SIZE f.bin", 213), "213 500000\r\n");
    }
}

fn resumes_by_append(program: &Program) {
    let server = program.serve();
    let content = pattern(500_000);
    server.put("f.bin", b"the old file");
    let mut client = server.login();
    break_off(&mut client, "STOR f.bin", &content[..200_000]);
    client.send_data("APPE f.bin", &content[200_000..]);
    assert!(server.content("f.bin") == content);
}

fn shows_its_part_to_its_owner_only(program: &Program) {
    let server = program.start(crate::Config::default().anonymous("\"list\", \"read\", \"write\""));
    let mut client = server.login();
    break_off(&mut client, "STOR f.bin", &pattern(200_000));
    assert!(
        client
            .lines("LIST")
            .iter()
            .any(|line| line.contains(" 200000 ")),
        "{:?}",
        client.lines("LIST")
    );
    assert!(client.command("MLST f.bin", 250).contains("size=200000;"));
    let _data = client.data();
    client.command("RETR f.bin", 550);
    let mut other = server.connect();
    other.login("anonymous", "x");
    other.command("SIZE f.bin", 550);
    assert_eq!(other.lines("NLST"), Vec::<String>::new());
    client.command("DELE f.bin", 250);
    client.command("SIZE f.bin", 550);
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
