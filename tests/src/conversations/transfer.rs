//! Downloads and uploads: passive and active, IPv4 and IPv6, bytes and text, REST.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use crate::client::some;
use crate::server::{Config, rest};
use crate::{Client, Program, cases};

cases! { "transfer";
    fetches_and_stores_bytes,
    works_in_active_mode,
    works_over_ipv6,
    tells_the_length_in_the_150,
    resumes_a_download,
    resumes_beyond_four_gibibytes,
    refuses_an_offset_behind_the_end,
    forgets_rest_after_one_transfer,
    refuses_a_missing_file_before_the_data_connection,
    translates_text_both_ways,
    appends,
    stores_under_a_unique_name,
    makes_many_transfers_in_one_session,
    serves_empty_files,
    sends_the_version_that_was_opened,
    needs_a_data_connection,
}

/// Bytes that repeat late, so that a piece in the wrong place is seen.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut bytes = Vec::with_capacity(length + 4);
    while bytes.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn fetches_and_stores_bytes(program: &Program) {
    let server = program.serve();
    let mut client = server.login();
    for length in [1, 1_000, 100_000, 5_000_001] {
        let content = pattern(length);
        client.store("f.bin", &content);
        assert!(server.content("f.bin") == content, "{length} bytes up");
        assert!(client.fetch("f.bin") == content, "{length} bytes down");
    }
}

fn works_in_active_mode(program: &Program) {
    let server = program.serve();
    let content = pattern(300_000);
    server.put("f.bin", &content);
    let mut client = server.login();
    let listener = client.active();
    client.command("RETR f.bin", 150);
    let (data, from) = listener.accept().expect("a data connection");
    assert_eq!(from.ip(), server.address().ip());
    assert!(rest(data) == content);
    client.expect(226);

    let listener = client.active();
    client.command("STOR g.bin", 150);
    let (mut data, _) = listener.accept().expect("a data connection");
    data.write_all(&content).expect("to send");
    drop(data);
    client.expect(226);
    assert!(server.content("g.bin") == content);

    let port = client.active().local_addr().expect("an address").port();
    client.command(&format!("PORT 127,0,0,1,{},{}", port >> 8, port & 255), 200);
    // Nobody listens there any more.
    client.command("RETR f.bin", 425);
    client.command("NOOP", 200);
}

fn works_over_ipv6(program: &Program) {
    let server = program.start(Config::default().listen(&["[::1]:0"]));
    let content = pattern(70_000);
    let mut client = server.login();
    client.store("f.bin", &content);
    assert!(client.fetch("f.bin") == content);
    client.command("PASV", 502);
    client.command("EPSV 1", 522);
    let listener = client.active();
    client.command("RETR f.bin", 150);
    assert!(rest(listener.accept().expect("a data connection").0) == content);
    client.expect(226);
}

fn tells_the_length_in_the_150(program: &Program) {
    let server = program.serve();
    server.put("f.bin", &pattern(12_345));
    let mut client = server.login();
    let data = client.data();
    client.command("REST 45", 350);
    let text = client.command("RETR f.bin", 150);
    assert!(text.contains("(12300 bytes)"), "{text}");
    assert_eq!(rest(data).len(), 12_300);
    client.expect(226);
}

fn resumes_a_download(program: &Program) {
    let server = program.serve();
    let content = pattern(100_000);
    server.put("f.bin", &content);
    let mut client = server.login();
    for offset in [0, 1, 99_999, 100_000] {
        client.command(&format!("REST {offset}"), 350);
        assert!(client.fetch("f.bin") == content[offset..], "from {offset}");
    }
}

fn resumes_beyond_four_gibibytes(program: &Program) {
    const AT: u64 = (4 << 30) + 12_345;
    let server = program.serve();
    let mut file = File::create(server.home().join("big.bin")).expect("a file");
    file.set_len(5 << 30).expect("a sparse file");
    file.seek(SeekFrom::Start(AT)).expect("to seek");
    file.write_all(b"here").expect("to write");
    let mut client = server.login();
    assert!(
        client
            .command("SIZE big.bin", 213)
            .contains(&(5_u64 << 30).to_string())
    );
    let mut data = client.data();
    client.command(&format!("REST {AT}"), 350);
    client.command("RETR big.bin", 150);
    let mut start = [0; 8];
    data.read_exact(&mut start).expect("data");
    assert_eq!(&start, b"here\0\0\0\0");
    drop(data);
    client.expect(426);
    client.command(&format!("REST {}", (5_u64 << 30) - 3), 350);
    assert_eq!(client.fetch("big.bin"), [0; 3]);
    client.command(&format!("REST {}", (5_u64 << 30) - 3), 350);
    client.send_data("STOR big.bin", b"end");
    assert_eq!(
        std::fs::metadata(server.home().join("big.bin"))
            .expect("a file")
            .len(),
        5 << 30
    );
    let mut file = File::open(server.home().join("big.bin")).expect("a file");
    file.seek(SeekFrom::End(-3)).expect("to seek");
    assert_eq!(rest(file), b"end");
}

fn refuses_an_offset_behind_the_end(program: &Program) {
    let server = program.serve();
    server.put("f.bin", b"0123456789");
    let mut client = server.login();
    let _data = client.data();
    client.command("REST 11", 350);
    client.command("RETR f.bin", 554);
    client.command("REST 11", 350);
    client.command("STOR f.bin", 554);
    for argument in ["-1", "abc", "18446744073709551616", "1 2", ""] {
        client.command(&format!("REST {argument}"), 501);
    }
    assert_eq!(server.content("f.bin"), b"0123456789");
}

fn forgets_rest_after_one_transfer(program: &Program) {
    let server = program.serve();
    server.put("f.bin", b"0123456789");
    let mut client = server.login();
    client.command("REST 5", 350);
    client.command("NOOP", 200);
    assert_eq!(client.fetch("f.bin"), b"56789");
    assert_eq!(client.fetch("f.bin"), b"0123456789");
    let _data = client.data();
    client.command("REST 5", 350);
    client.command("RETR missing", 550);
    assert_eq!(client.fetch("f.bin"), b"0123456789");
}

fn refuses_a_missing_file_before_the_data_connection(program: &Program) {
    let server = program.serve();
    server.put("f.bin", b"hello");
    std::fs::create_dir(server.home().join("d")).expect("a directory");
    let mut client = server.login();
    let data = client.data();
    client.command("RETR missing", 550);
    client.command("RETR d", 550);
    client.command("LIST missing", 550);
    client.command("MLSD missing", 550);
    client.command("MLSD f.bin", 501);
    // The connection that stands still serves.
    client.command("RETR f.bin", 150);
    assert_eq!(rest(data), b"hello");
    client.expect(226);
}

fn translates_text_both_ways(program: &Program) {
    let server = program.serve();
    let text = b"one\ntwo\r\nthree\rfour\n\n".repeat(20_000);
    let wire = b"one\r\ntwo\r\nthree\rfour\r\n\r\n".repeat(20_000);
    server.put("t.txt", &text);
    let mut client = server.login();
    client.command("TYPE A", 200);
    assert!(
        client
            .command("SIZE t.txt", 213)
            .trim_end()
            .ends_with(&wire.len().to_string())
    );
    assert!(client.fetch("t.txt") == wire);
    client.store("u.txt", &wire);
    assert!(server.content("u.txt") == b"one\ntwo\nthree\rfour\n\n".repeat(20_000));
    client.store("cr.txt", b"ends in a CR\r");
    assert_eq!(server.content("cr.txt"), b"ends in a CR\r");
    client.command("REST 5", 501);
    client.command("REST 0", 350);
}

fn appends(program: &Program) {
    let server = program.serve();
    let mut client = server.login();
    client.send_data("APPE f.bin", b"one");
    client.send_data("APPE f.bin", b"two");
    assert_eq!(server.content("f.bin"), b"onetwo");
}

fn stores_under_a_unique_name(program: &Program) {
    let server = program.serve();
    let mut client = server.login();
    let mut names = Vec::new();
    for content in [b"one", b"two"] {
        let mut data = client.data();
        let text = client.command("STOU f.bin", 150);
        let name = text
            .trim_end()
            .strip_prefix("150 FILE: ")
            .expect("a name")
            .to_owned();
        data.write_all(content).expect("to send");
        drop(data);
        client.expect(226);
        assert_eq!(server.content(&name), content);
        names.push(name);
    }
    assert_ne!(names[0], names[1]);
}

fn makes_many_transfers_in_one_session(program: &Program) {
    let server = program.serve();
    let mut client = server.login();
    let before = server.descriptors();
    for number in 0..300_usize {
        let content = pattern(number * 37);
        client.store("f.bin", &content);
        assert!(client.fetch("f.bin") == content, "transfer {number}");
    }
    // One passive listener may be kept.
    assert!(
        server.descriptors() <= before + 1,
        "{} descriptors",
        server.descriptors()
    );
}

fn serves_empty_files(program: &Program) {
    let server = program.serve();
    let mut client = server.login();
    client.store("empty", b"");
    assert_eq!(server.content("empty"), b"");
    assert_eq!(client.fetch("empty"), b"");
    assert_eq!(client.command("SIZE empty", 213), "213 0\r\n");
}

fn sends_the_version_that_was_opened(program: &Program) {
    let server = program.serve();
    let old = pattern(30_000_000);
    server.put("f.bin", &old);
    let mut client = server.login();
    let data = client.data();
    client.command("RETR f.bin", 150);
    let mut got = some(&data, 1_000);
    let mut other = server.login();
    other.store("f.bin", b"new");
    got.extend_from_slice(&rest(data));
    assert!(got == old);
    client.expect(226);
    assert_eq!(server.content("f.bin"), b"new");
}

fn needs_a_data_connection(program: &Program) {
    let server = program.start(Config::default().table("[limits]\nconnect = \"1s\""));
    server.put("f.bin", b"hello");
    let mut client = server.login();
    client.command("RETR f.bin", 425);
    client.pasv();
    client.command("RETR f.bin", 425);
    client.command("LIST", 425);
    let mut other = Client::connect(server.address());
    other.login("user", "12345");
    assert_eq!(other.fetch("f.bin"), b"hello");
}
