//! Commands in a wrong order, and what a session remembers. P26 to P35.

use std::net::TcpStream;

use super::abort::is_aborted;
use super::{Stand, Target, checks};
use crate::Client;
use crate::conversations::transfer::pattern;
use crate::server::rest;

checks! {
    p26_runs_nothing_before_the_login both,
    p27_answers_rnto_out_of_order_once,
    p28_renames_what_the_last_rnfr_named,
    p29_finishes_a_transfer_under_the_old_name both,
    p30_forgets_the_offset_of_a_failed_retr both,
    p31_keeps_to_epsv_all,
    p32_names_the_protocols_it_speaks,
    p33_has_one_listener_for_a_login both,
    p34_lets_the_last_of_pasv_and_port_win both,
    p35_keeps_its_type_when_it_refuses_another,
}

/// What no socket holds, so that it is on its way when something happens.
pub(super) const LONG: usize = 40_000_000;

/// Begins a download of [`LONG`] bytes, of which some are read.
pub(super) fn begin_download(target: &Target, client: &mut Client) -> (crate::Wire, Vec<u8>) {
    target.put("long.bin", &pattern(LONG));
    let data = client.data();
    client.command("RETR long.bin", 150);
    let mut data = client.protect(data);
    let mut begun = vec![0; 1_000];
    std::io::Read::read_exact(&mut data, &mut begun).expect("some data");
    (data, begun)
}

fn p26_runs_nothing_before_the_login(stand: &Stand<'_>) {
    let target = stand.serve();
    target.put("a.txt", b"hello");
    let allowed = [
        "FEAT",
        "SYST",
        "HELP",
        "NOOP",
        "OPTS UTF8 ON",
        "CLNT x",
        "HOST localhost",
    ];
    for line in allowed {
        let (code, text) = {
            let mut client = target.connect();
            client.send(line);
            client.reply()
        };
        // To want the login first is safe as well.
        let is_safe = (200..300).contains(&code) || code / 10 == 50 || code == 530;
        assert!(is_safe, "{line}: {text}");
    }
    for line in [
        "PWD",
        "CWD /",
        "CDUP",
        "LIST",
        "NLST",
        "MLSD",
        "MLST",
        "STAT /",
        "RETR a.txt",
        "STOR b.txt",
        "APPE a.txt",
        "STOU",
        "DELE a.txt",
        "MKD d",
        "RMD d",
        "RNFR a.txt",
        "RNTO b.txt",
        "SIZE a.txt",
        "MDTM a.txt",
        "MFMT 20200101000000 a.txt",
        "REST 5",
        "TYPE I",
        "MODE S",
        "STRU F",
        "PASV",
        "EPSV",
        "PORT 127,0,0,1,200,1",
        "EPRT |1|127.0.0.1|51201|",
        "ABOR",
        "ALLO 5",
        "SITE CHMOD 777 a.txt",
        "SITE UMASK 0",
        "PASS 12345",
        "ACCT x",
    ] {
        let mut client = target.connect();
        client.one_of(line, &[500, 501, 502, 503, 530, 550]);
        // Nothing more is said.
        client.one_of("USER user", &[331]);
    }
    assert_eq!(target.content("a.txt").expect("a file"), b"hello");
    assert!(!target.has("d") && !target.has("b.txt"));
}

fn p27_answers_rnto_out_of_order_once(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.connect();
    client.one_of("RNTO x", &[503, 530]);
    client.command("USER user", 331);
    client.command("PASS 12345", 230);
    client.command("RNTO x", 503);
    client.command("NOOP", 200);
}

fn p28_renames_what_the_last_rnfr_named(stand: &Stand<'_>) {
    let target = stand.serve();
    target.put("a", b"one");
    target.put("b", b"two");
    let mut client = target.login();
    client.command("RNFR a", 350);
    if client.one_of("RNFR b", &[350, 501, 503]).0 != 350 {
        return;
    }
    client.command("RNTO c", 250);
    assert_eq!(target.content("c").expect("a file"), b"two");
    assert!(target.has("a") && !target.has("b"));
}

fn p29_finishes_a_transfer_under_the_old_name(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    let (data, mut got) = begin_download(&target, &mut client);
    client.send("USER nobody");
    got.extend(rest(data));
    assert!(got == pattern(LONG), "other bytes");
    let mut codes = [client.reply().0, client.reply().0];
    codes.sort_unstable();
    assert_eq!(codes[0], 226, "the transfer ended with another reply");
    assert!([331, 500, 501, 503, 530].contains(&codes[1]), "{codes:?}");
}

fn p30_forgets_the_offset_of_a_failed_retr(stand: &Stand<'_>) {
    let target = stand.serve();
    target.put("f", b"0123456789");
    let mut client = target.login();
    client.command("REST 5", 350);
    let data = client.data();
    client.command("RETR missing", 550);
    drop(data);
    assert_eq!(client.fetch("f"), b"0123456789");
}

fn p31_keeps_to_epsv_all(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    client.one_of("EPSV ALL", &[200, 220, 229]);
    let refuses = |client: &mut Client| {
        for line in ["PASV", "PORT 127,0,0,1,200,10"] {
            client.one_of(line, &[500, 501, 502, 503, 520, 522, 550]);
        }
    };
    refuses(&mut client);
    let (data, _) = begin_download(&target, &mut client);
    client.send("ABOR");
    drop(data);
    is_aborted(&mut client);
    refuses(&mut client);
}

fn p32_names_the_protocols_it_speaks(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    for line in ["EPSV 3", "EPRT |3|x|1|"] {
        let text = client.command(line, 522);
        assert!(text.contains("(1"), "no list of protocols: {text}");
    }
}

fn p33_has_one_listener_for_a_login(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.login();
    let before = target.sockets();
    let addresses: Vec<_> = (0..60).map(|_| client.pasv()).collect();
    let more = target.sockets().saturating_sub(before);
    assert!(more <= 1, "{more} sockets for 60 PASV");
    let last = addresses[59];
    let mut closed = addresses.iter().filter(|address| **address != last);
    assert!(
        closed.all(|address| TcpStream::connect(address).is_err()),
        "an old port is open"
    );
}

fn p34_lets_the_last_of_pasv_and_port_win(stand: &Stand<'_>) {
    let target = stand.serve();
    target.put("f", b"hello");
    let mut client = target.login();
    let passive = client.pasv();
    let listener = client.active();
    assert!(
        TcpStream::connect(passive).is_err(),
        "the listener of PASV is open"
    );
    client.command("RETR f", 150);
    let data = client.protect(listener.accept().expect("a connection").0);
    assert_eq!(rest(data), b"hello");
    client.expect(226);
    let listener = client.active();
    assert_eq!(client.fetch("f"), b"hello");
    listener.set_nonblocking(true).expect("not to block");
    // Some connect at once, and end that when they are told to listen.
    if let Ok((data, _)) = listener.accept() {
        assert_eq!(rest(data), b"", "the first of the two is served");
    }
}

fn p35_keeps_its_type_when_it_refuses_another(stand: &Stand<'_>) {
    let target = stand.serve();
    target.put("f", b"a\nb\n");
    let mut client = target.login();
    for line in [
        "TYPE", "TYPE Q", "TYPE A C", "STRU", "STRU Q", "MODE", "MODE Q",
    ] {
        client.one_of(line, &[500, 501, 504]);
        assert_eq!(client.fetch("f"), b"a\nb\n", "after {line}");
    }
}
