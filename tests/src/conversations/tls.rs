//! FTPS: logins and data under TLS.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::transfer::pattern;
use crate::certificates::{AUTHORITY, STRANGER};
use crate::client::{Client, connect_data, reset};
use crate::server::{Config, Server, eventually, rest};
use crate::tls::Tls;
use crate::wire::Wire;
use crate::{Program, cases};

cases! { "tls";
    carries_files_and_listings,
    carries_active_data,
    begins_at_once_on_its_own_port,
    resumes_the_session_of_the_control_connection,
    demands_that_data_resumes_its_own_session,
    resumes_nothing_when_told_so,
    shakes_hands_before_the_command_too,
    goes_back_to_clear_data_behind_an_early_connection,
    agrees_on_ftp_and_nothing_else,
    takes_an_empty_upload,
    takes_an_upload_whose_client_reads_nothing,
    ends_a_download_properly,
    keeps_nothing_that_was_cut,
    keeps_what_was_cut_when_told_so,
    stores_no_clear_bytes,
    takes_nothing_behind_auth,
    leaves_tls_by_ccc,
    leaves_tls_by_rein,
    stays_in_tls_unless_allowed,
    demands_tls,
    picks_a_certificate_by_name,
    reads_certificates_again,
    demands_a_certificate,
    takes_a_certificate_for_a_password,
    demands_what_an_account_demands,
    demands_what_a_listener_demands,
    takes_a_pipeline_of_commands,
    gives_up_a_handshake_that_stalls,
    says_goodbye_under_tls,
}

/// Both versions.
fn versions() -> [Tls; 2] {
    [Tls::v12(), Tls::v13()]
}

fn serve(program: &Program, lines: &str) -> Server {
    program.start(Config::default().tls(lines))
}

/// A client with a protected connection that has logged in.
fn login(server: &Server, tls: &Tls) -> Client {
    let mut client = server.connect();
    client.auth_tls(tls);
    client.secure(tls);
    client.login("user", "12345");
    client
}

fn carries_files_and_listings(program: &Program) {
    let server = serve(program, "");
    let content = pattern(3_000_000);
    for tls in versions() {
        let mut client = login(&server, &tls);
        client.store("up.bin", &content);
        assert!(server.content("up.bin") == content);
        assert!(client.fetch("up.bin") == content);
        client.command("REST 2999990", 350);
        assert_eq!(client.fetch("up.bin"), content[2_999_990..]);
        assert_eq!(client.lines("NLST"), ["up.bin"]);
        client.command("TYPE A", 200);
        client.store("text", b"one\r\ntwo\r\n");
        assert_eq!(server.content("text"), b"one\ntwo\n");
        assert_eq!(client.fetch("text"), b"one\r\ntwo\r\n");
        client.command("DELE text", 250);
        client.command("QUIT", 221);
    }
}

fn carries_active_data(program: &Program) {
    let server = serve(program, "");
    server.put("f.bin", b"hello");
    for tls in versions() {
        let mut client = login(&server, &tls);
        let listener = client.active();
        client.command("RETR f.bin", 150);
        let data = listener.accept().expect("a data connection").0;
        assert_eq!(rest(client.protect(data)), b"hello");
        client.expect(226);
    }
}

fn begins_at_once_on_its_own_port(program: &Program) {
    let server = program.start(Config::default().implicit(&["127.0.0.1:0"]));
    server.put("f.bin", b"hello");
    for tls in versions() {
        let mut client = Client::connect_implicit(server.implicit(), &tls);
        client.command("AUTH TLS", 503);
        client.command("CCC", 534);
        client.login("user", "12345");
        // PROT P holds from the start.
        let data = client.data();
        client.command("RETR f.bin", 150);
        let mut data = Wire::from(data);
        data.shake(&tls).expect("a handshake");
        assert!(data.is_resumed());
        assert_eq!(rest(data), b"hello");
        client.expect(226);
        client.command("QUIT", 221);
    }
    // What is not TLS is not greeted.
    let mut silent = Client::silent(server.implicit());
    silent.raw(b"USER user\r\nPASS 12345\r\n");
    let mut heard = Vec::new();
    let _ = silent.stream().read_to_end(&mut heard);
    assert!(!heard.starts_with(b"220"), "{heard:?}");
}

/// A download, and whether its handshake resumed a session.
fn fetch(client: &mut Client, tls: &Tls) -> bool {
    let data = client.data();
    client.command("RETR f.bin", 150);
    let mut data = Wire::from(data);
    data.shake(tls).expect("a handshake");
    let resumed = data.is_resumed();
    assert_eq!(rest(data), b"hello");
    client.expect(226);
    resumed
}

fn resumes_the_session_of_the_control_connection(program: &Program) {
    let server = serve(program, "");
    server.put("f.bin", b"hello");
    for tls in versions() {
        let mut client = login(&server, &tls);
        assert!(fetch(&mut client, &tls));
        assert!(fetch(&mut client, &tls));
        // Another session is not resumed, but may be begun.
        assert!(!fetch(&mut client, &tls.clone().forgetful()));
    }
}

fn demands_that_data_resumes_its_own_session(program: &Program) {
    let server = serve(program, "session-reuse = \"required\"");
    server.put("f.bin", b"hello");
    for tls in versions() {
        let other = tls.clone().afresh();
        let mut client = login(&server, &tls);
        let mut stranger = login(&server, &other);
        for _ in 0..4 {
            assert!(fetch(&mut client, &tls));
            assert!(fetch(&mut stranger, &other));
        }
        // A session that nobody's login has begun is not resumed either, though it was met before.
        let own = tls.clone().afresh();
        for wrong in [tls.clone().forgetful(), other, own.clone(), own] {
            let data = client.data();
            client.command("RETR f.bin", 150);
            let mut data = Wire::from(data);
            let _ = data.shake(&wrong);
            let mut heard = Vec::new();
            let _ = data.read_to_end(&mut heard);
            assert!(heard.is_empty(), "{heard:?}");
            assert!(client.expect(522).contains("resume"));

            let data = client.data();
            client.command("STOR taken", 150);
            let mut data = Wire::from(data);
            let shaken = data.shake(&wrong);
            let _ = shaken.and_then(|()| data.write_all(b"stolen"));
            assert!(client.expect(522).contains("resume"));
            assert!(!server.has("taken"));
        }
        assert!(fetch(&mut client, &tls));
    }
}

fn resumes_nothing_when_told_so(program: &Program) {
    let server = serve(program, "session-reuse = \"off\"");
    server.put("f.bin", b"hello");
    for tls in versions() {
        let mut client = login(&server, &tls);
        assert!(!fetch(&mut client, &tls));
        assert!(!fetch(&mut client, &tls));
    }
}

fn shakes_hands_before_the_command_too(program: &Program) {
    let server = serve(program, "");
    let content = pattern(300_000);
    for tls in versions() {
        let mut client = login(&server, &tls);
        let data = client.data();
        let mut data = client.protect(data);
        client.command("STOR early.bin", 150);
        data.write_all(&content).expect("to send");
        data.finish().expect("to end");
        client.expect(226);
        assert!(server.content("early.bin") == content);
        let data = client.data();
        let data = client.protect(data);
        client.command("RETR early.bin", 150);
        assert!(rest(data) == content);
        client.expect(226);
    }
}

fn goes_back_to_clear_data_behind_an_early_connection(program: &Program) {
    let server = serve(program, "");
    server.put("f.bin", b"hello");
    let tls = Tls::default();
    let mut client = login(&server, &tls);
    let data = client.data();
    client.command("PROT C", 200);
    client.command("RETR f.bin", 150);
    assert_eq!(rest(data), b"hello");
    client.expect(226);
}

fn agrees_on_ftp_and_nothing_else(program: &Program) {
    let server = serve(program, "");
    server.put("f.bin", b"hello");
    for tls in versions() {
        let tls = tls.alpn(&["ftp"]);
        let mut client = login(&server, &tls);
        assert_eq!(client.wire().alpn(), Some(&b"ftp"[..]));
        for (offered, agreed) in [
            (&["ftp-data"][..], Some(&b"ftp-data"[..])),
            (&["ftp"], Some(b"ftp")),
            (&["http/1.1"], None),
        ] {
            let data = client.data();
            client.command("RETR f.bin", 150);
            let mut data = Wire::from(data);
            let shaken = data.shake(&tls.clone().alpn(offered));
            assert_eq!(shaken.is_ok(), agreed.is_some(), "{offered:?}");
            assert_eq!(data.alpn(), agreed);
            drop(data);
            // Who has agreed goes away without reading, and the file is on its way.
            let (code, _) = client.reply();
            assert_eq!(code == 522, agreed.is_none(), "{offered:?}: {code}");
        }
    }
}

fn takes_an_empty_upload(program: &Program) {
    let server = serve(program, "");
    for tls in versions() {
        let mut client = login(&server, &tls);
        client.store("empty", b"");
        assert_eq!(server.content("empty"), b"");
        client.command("DELE empty", 250);
    }
}

fn takes_an_upload_whose_client_reads_nothing(program: &Program) {
    let server = serve(program, "");
    let content = pattern(500_000);
    for tls in versions() {
        let mut client = login(&server, &tls);
        let data = client.data();
        client.command("STOR up.bin", 150);
        let mut data = client.protect(data);
        data.write_all(&content).expect("to send");
        // Whatever the server may have sent behind the handshake is never read.
        data.notify().expect("to end");
        drop(data);
        client.expect(226);
        assert!(server.content("up.bin") == content);
    }
}

fn ends_a_download_properly(program: &Program) {
    let server = serve(program, "");
    server.put("f.bin", &pattern(1_000_000));
    server.put("long.bin", &pattern(40_000_000));
    server.put("empty", b"");
    for tls in versions() {
        let mut client = login(&server, &tls);
        for (name, length) in [("f.bin", 1_000_000), ("empty", 0)] {
            let data = client.data();
            client.command(&format!("RETR {name}"), 150);
            let mut data = client.protect(data);
            let mut bytes = Vec::new();
            // Without close_notify this would be an error.
            data.read_to_end(&mut bytes).expect("close_notify");
            assert_eq!(bytes.len(), length);
            client.expect(226);
        }
        // A download that is aborted must not look whole.
        let data = client.data();
        client.command("RETR long.bin", 150);
        let mut data = client.protect(data);
        let _ = data.read(&mut [0; 100]).expect("some bytes");
        client.send("ABOR");
        client.expect(426);
        client.expect(226);
        let cut = data.read_to_end(&mut Vec::new());
        assert!(cut.is_err(), "{cut:?}");
    }
}

/// How a connection is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Fin,
    Reset,
}

/// Uploads a part, and ends the connection without close_notify.
fn upload_cut(server: &Server, tls: &Tls, name: &str, cut: Cut) -> Client {
    let mut client = login(server, tls);
    let data = client.data();
    client.command(&format!("STOR {name}"), 150);
    let mut data = client.protect(data);
    data.write_all(&pattern(100_000)).expect("to send");
    match cut {
        Cut::Fin => data.socket().shutdown(Shutdown::Write).expect("a FIN"),
        Cut::Reset => reset(data.into_socket()),
    }
    client
}

fn keeps_nothing_that_was_cut(program: &Program) {
    let server = serve(program, "");
    for tls in versions() {
        for cut in [Cut::Fin, Cut::Reset] {
            upload_cut(&server, &tls, "cut.bin", cut).expect(426);
            assert!(!server.has("cut.bin"));
        }
    }
}

fn keeps_what_was_cut_when_told_so(program: &Program) {
    let server = serve(program, "accept-truncated = true");
    for tls in versions() {
        upload_cut(&server, &tls, "cut.bin", Cut::Fin).expect(226);
        assert!(server.content("cut.bin") == pattern(100_000));
        fs::remove_file(server.home().join("cut.bin")).expect("to remove");
        upload_cut(&server, &tls, "cut.bin", Cut::Reset).expect(426);
        assert!(!server.has("cut.bin"));
    }
    assert!(server.whole_log().contains("without close_notify"));
}

fn stores_no_clear_bytes(program: &Program) {
    let server = serve(program, "");
    let tls = Tls::default();
    for (early, ends) in [(false, true), (true, true), (true, false)] {
        let mut client = login(&server, &tls);
        let mut data = client.data();
        let write = |data: &mut TcpStream| {
            data.write_all(b"clear text\r\n").expect("to send");
            if ends {
                data.shutdown(Shutdown::Write).expect("a FIN");
            }
        };
        if early {
            write(&mut data);
            // The server has seen it by then.
            thread::sleep(Duration::from_millis(50));
        }
        client.command("STOR clear.bin", 150);
        if !early {
            write(&mut data);
        }
        client.expect(522);
        assert!(!server.has("clear.bin"));
        client.command("NOOP", 200);
    }
}

fn takes_nothing_behind_auth(program: &Program) {
    let server = serve(program, "");
    let mut client = server.connect();
    client.raw(b"AUTH TLS\r\nUSER user\r\nPASS 12345\r\nMKD injected\r\n");
    let mut heard = Vec::new();
    let _ = client.stream().read_to_end(&mut heard);
    let said = b"234 Begin the TLS handshake.\r\n";
    assert!(heard.starts_with(said), "{heard:?}");
    // What may follow is the alert that the handshake has failed.
    let alert = &heard[said.len()..];
    assert!(alert.is_empty() || alert[0] == 21, "{alert:?}");
    assert!(!server.has("injected"));
    // Without them all is well.
    let tls = Tls::default();
    let mut client = server.connect();
    client.auth_tls(&tls);
    client.login("user", "12345");
}

fn leaves_tls_by_ccc(program: &Program) {
    let server = serve(program, "ccc = true");
    server.put("f.bin", b"hello");
    for tls in versions() {
        let mut client = login(&server, &tls);
        client.clear();
        client.command("NOOP", 200);
        // Data stays protected.
        assert_eq!(client.fetch("f.bin"), b"hello");
        client.command("QUIT", 221);

        // A client that sends no close_notify, and one that sends it with its next command.
        for notify in [false, true] {
            let mut client = login(&server, &tls);
            client.command("CCC", 200);
            let mut bytes = Vec::new();
            if notify {
                client.wire().notify().expect("to send");
            }
            bytes.extend_from_slice(b"NOOP\r\nQUIT\r\n");
            client.stream().write_all(&bytes).expect("to send");
            let text = String::from_utf8_lossy(&rest(client.stream())).into_owned();
            assert!(text.contains("200 NOOP ok.\r\n221"), "{text:?}");
        }
    }
}

fn leaves_tls_by_rein(program: &Program) {
    let server = serve(program, "");
    let tls = Tls::default();
    let mut client = login(&server, &tls);
    client.command("REIN", 220);
    client.wire().strip().expect("the end of TLS");
    client.command("PWD", 530);
    client.auth_tls(&tls);
    client.login("user", "12345");
    client.command("PWD", 257);
}

fn stays_in_tls_unless_allowed(program: &Program) {
    let server = serve(program, "");
    let mut client = login(&server, &Tls::default());
    client.command("CCC", 534);
    client.command("NOOP", 200);
}

fn demands_tls(program: &Program) {
    let server = serve(program, "control = \"required\"\ndata = \"required\"");
    server.put("f.bin", b"hello");
    let mut client = server.connect();
    client.command("USER user", 530);
    client.command("FEAT", 211);
    let tls = Tls::default();
    client.auth_tls(&tls);
    client.login("user", "12345");
    client.command("EPSV", 229);
    client.command("RETR f.bin", 521);
    client.command("PBSZ 0", 200);
    client.command("PROT C", 534);
    client.secure(&tls);
    assert_eq!(client.fetch("f.bin"), b"hello");
}

/// The names that the server shows to a client that asks for one.
fn is_shown(server: &Server, asked: &str) -> bool {
    let mut client = server.connect();
    client.command("AUTH TLS", 234);
    client.shake(&Tls::default().named(asked)).is_ok()
}

fn picks_a_certificate_by_name(program: &Program) {
    let server = serve(
        program,
        "certificate = [{ certificate = \"fullchain.pem\", key = \"privkey.pem\" }, \
         { certificate = \"other.pem\", key = \"other-key.pem\" }]",
    );
    assert!(is_shown(&server, "localhost"));
    assert!(is_shown(&server, "other.example"));
    // Where none fits it is the first, which the client refuses.
    assert!(!is_shown(&server, "third.example"));
}

fn reads_certificates_again(program: &Program) {
    let server = serve(program, "");
    let tls = Tls::default();
    let mut before = login(&server, &tls);
    assert!(!is_shown(&server, "new.example"));

    // What is wrong changes nothing.
    fs::write(server.folder().join("fullchain.pem"), "nonsense").expect("a file");
    server.signal(Signal::HUP);
    eventually("it says so", || server.log().contains("stay as they were"));
    assert!(server.log().contains("fullchain.pem"));
    assert!(is_shown(&server, "localhost"));

    let renewed = AUTHORITY.signs(&["new.example"]);
    renewed.write(server.folder(), "fullchain.pem", "privkey.pem");
    server.signal(Signal::HUP);
    eventually("the new one is shown", || is_shown(&server, "new.example"));
    // Sessions go on with what they have.
    before.store("f.bin", b"hello");
    assert_eq!(before.fetch("f.bin"), b"hello");

    // Without being told, too.
    let third = AUTHORITY.signs(&["third.example"]);
    third.write(server.folder(), "fullchain.pem", "privkey.pem");
    crate::server::within(Duration::from_secs(20), "it is noticed", || {
        is_shown(&server, "third.example")
    });
}

fn demands_a_certificate(program: &Program) {
    let known = AUTHORITY.signs(&["somebody"]);
    let unknown = STRANGER.signs(&["somebody"]);
    for (policy, none) in [("optional", true), ("required", false)] {
        let lines = format!("client-certificates = \"{policy}\"\nclient-ca = \"ca.pem\"");
        let server = serve(program, &lines);
        for tls in versions() {
            let mut client = login(&server, &tls.clone().identity(&known));
            client.store("f.bin", b"hello");
            assert_eq!(client.fetch("f.bin"), b"hello");
            for (tls, welcome) in [(tls.clone().identity(&unknown), false), (tls, none)] {
                let mut client = server.connect();
                client.command("AUTH TLS", 234);
                // Under TLS 1.3 a client learns of it only after its handshake.
                let shaken = client.shake(&tls);
                let heard = shaken.and_then(|()| {
                    let _ = client.wire().write_all(b"NOOP\r\n");
                    client.try_reply()
                });
                assert_eq!(heard.is_ok(), welcome, "{policy} {heard:?}");
            }
        }
    }
}

fn takes_a_certificate_for_a_password(program: &Program) {
    let server = serve(
        program,
        "client-certificates = \"optional\"\nclient-ca = \"ca.pem\"\nclient-name = \"common-name\"",
    );
    let own = AUTHORITY.signs(&["user"]);
    let others = AUTHORITY.signs(&["somebody", "user"]);
    for tls in versions() {
        let mut client = server.connect();
        // In clear the certificate is not known.
        client.command("USER user", 331);
        let mine = tls.clone().identity(&own);
        client.auth_tls(&mine);
        client.secure(&mine);
        client.command("USER nobody", 331);
        client.command("PASS 12345", 530);
        client.command("USER user", 232);
        client.command("TYPE I", 200);
        client.store("f.bin", b"hello");
        assert_eq!(client.fetch("f.bin"), b"hello");

        let mut client = server.connect();
        client.auth_tls(&tls.clone().identity(&others));
        client.command("USER user", 331);
        client.command("PASS 12345", 230);

        // Another certificate on the data connection than on the control connection.
        let mut client = server.connect();
        client.auth_tls(&mine);
        client.secure(&mine);
        client.command("USER user", 232);
        let data = client.data();
        client.command("STOR stolen", 150);
        let mut data = Wire::from(data);
        let shaken = data.shake(&tls.clone().identity(&others));
        let _ = shaken.and_then(|()| data.write_all(b"stolen"));
        client.expect(522);
        assert!(!server.has("stolen"));
    }
}

fn demands_what_an_account_demands(program: &Program) {
    let config = Config::default()
        .tls("")
        .table("[anonymous]\nhome = \"HOME\"\nrights = [\"read\"]\ntls = \"data\"");
    let server = program.start(config);
    server.put("f.bin", b"hello");
    let mut client = server.connect();
    client.command("USER anonymous", 530);
    client.command("PASS x", 503);
    client.command("USER user", 331);
    let tls = Tls::default();
    client.auth_tls(&tls);
    client.login("anonymous", "x");
    client.command("PASV", 227);
    client.command("RETR f.bin", 521);
    client.secure(&tls);
    client.command("PROT C", 534);
    assert_eq!(client.fetch("f.bin"), b"hello");
    // Nobody else's.
    client.login("user", "12345");
    client.command("PROT C", 200);
}

fn demands_what_a_listener_demands(program: &Program) {
    let config = Config::default().tls("").table(
        "[[listener]]\naddress = \"127.0.0.2:0\"\ncontrol = \"off\"\n\
         [[listener]]\naddress = \"127.0.0.3:0\"\ncontrol = \"required\"\n\
         [[listener]]\naddress = \"127.0.0.4:0\"\nimplicit = true",
    );
    let server = program.start(config);
    let at = |host: u8| {
        let is_there = |address: &&SocketAddr| address.ip() == IpAddr::from([127, 0, 0, host]);
        *server
            .addresses()
            .iter()
            .find(is_there)
            .expect("a listener")
    };
    let tls = Tls::default();
    let mut clear = Client::connect(at(2));
    clear.command("AUTH TLS", 502);
    clear.login("user", "12345");
    let mut strict = Client::connect(at(3));
    strict.command("USER user", 530);
    strict.auth_tls(&tls);
    strict.login("user", "12345");
    Client::connect_implicit(server.implicit(), &tls).login("user", "12345");
    login(&server, &tls);
}

fn takes_a_pipeline_of_commands(program: &Program) {
    let server = serve(program, "");
    let mut client = login(&server, &Tls::default());
    // More than one record, and more than is read at once.
    client.raw("NOOP\r\n".repeat(10_000).as_bytes());
    for _ in 0..10_000 {
        client.expect(200);
    }
    client.raw(b"NOOP\r\nQUIT\r\n");
    client.expect(200);
    client.expect(221);
    client.expect_end();
}

fn gives_up_a_handshake_that_stalls(program: &Program) {
    let config = Config::default()
        .tls("")
        .implicit(&["127.0.0.1:0"])
        .table("[limits]\nhandshake = \"1s\"\nsessions = 2");
    let server = program.start(config);
    let hello = Tls::default().hello();
    for address in [server.address(), server.implicit()] {
        let mut client = Client::silent(address);
        if address == server.address() {
            client.expect(220);
            client.command("AUTH TLS", 234);
        }
        client.raw(&hello[..hello.len() / 2]);
        client.expect_end();
    }
    let tls = Tls::default();
    let mut client = login(&server, &tls);
    let address = client.epsv();
    let mut data = connect_data(address);
    client.command("STOR never", 150);
    data.write_all(&hello[..hello.len() / 2]).expect("to send");
    client.expect(522);
    assert!(!server.has("never"));
    client.command("NOOP", 200);
}

fn says_goodbye_under_tls(program: &Program) {
    let server = serve(program, "");
    for tls in versions() {
        let mut client = login(&server, &tls);
        client.command("QUIT", 221);
        // A close_notify, not only the end of the connection.
        let mut left = Vec::new();
        let ended = client.wire().read_to_end(&mut left);
        assert!(
            !matches!(&ended, Err(error) if error.kind() == ErrorKind::UnexpectedEof),
            "{ended:?}"
        );
    }
}
