//! TLS on the control connection. P53 to P57, P61, P62, P64 to P66.

use std::io::{ErrorKind, Read as _, Write as _};
use std::time::Duration;

use super::{Guard, Setup, Stand, Target, checks};
use crate::server::eventually;
use crate::{Client, Tls};

checks! {
    p53_takes_nothing_in_clear_behind_auth,
    p54_takes_nothing_in_clear_before_the_handshake,
    p55_refuses_a_second_auth,
    p56_knows_what_each_auth_protects,
    p57_refuses_prot_p_without_tls,
    p61_shakes_hands_with_ftp_clients_only,
    p62_closes_on_http both,
    p64_keeps_nothing_of_aborted_handshakes,
    p65_goes_back_to_clear_text_only_if_allowed,
    p66_asks_for_tls_before_the_password,
}

fn offered(stand: &Stand<'_>) -> Target {
    stand.start(Setup {
        tls: Some(Guard::default()),
        ..Setup::default()
    })
}

fn p53_takes_nothing_in_clear_behind_auth(stand: &Stand<'_>) {
    let target = offered(stand);
    let mut client = target.connect_clear();
    client.raw(b"AUTH TLS\r\nNOOP\r\nUSER user\r\n");
    // A refusal is as safe as a handshake that fails.
    if client
        .expect_one_of("AUTH TLS and more", &[234, 421, 500, 501, 503])
        .0
        == 234
        && client.shake(&Tls::default()).is_ok()
    {
        assert!(
            client.is_silent(Duration::from_secs(1)),
            "what came in clear is answered under TLS"
        );
        client.one_of("PASS 12345", &[503, 530]);
    }
    target.still_serves();
}

fn p54_takes_nothing_in_clear_before_the_handshake(stand: &Stand<'_>) {
    let target = offered(stand);
    let mut client = target.connect_clear();
    client.command("AUTH TLS", 234);
    client.raw(b"NOOP\r\nUSER user\r\n");
    assert!(client.shake(&Tls::default()).is_err(), "it shakes hands");
    let mut left = Vec::new();
    if let Err(error) = client.stream().read_to_end(&mut left) {
        assert_ne!(error.kind(), ErrorKind::WouldBlock, "the connection lives");
    }
    assert!(
        !left.starts_with(b"2") && !left.starts_with(b"3"),
        "it answers in clear"
    );
    target.still_serves();
}

fn p55_refuses_a_second_auth(stand: &Stand<'_>) {
    let target = offered(stand);
    let mut client = target.connect_clear();
    client.auth_tls(&Tls::default());
    // To say yes and do nothing harms nobody.
    client.one_of("AUTH TLS", &[234, 500, 502, 503, 530, 534]);
    client.one_of("NOOP", &[200, 530]);
    client.login("user", "12345");
}

fn p56_knows_what_each_auth_protects(stand: &Stand<'_>) {
    const REFUSED: [u16; 6] = [500, 501, 502, 503, 504, 534];
    let target = offered(stand);
    target.put("f", b"hello");
    for line in ["AUTH X", "AUTH"] {
        target.connect_clear().one_of(line, &REFUSED);
    }
    // The drafts before RFC 4217 gave these names to data connections that are protected.
    for line in ["AUTH TLS-P", "AUTH SSL"] {
        let tls = Tls::default();
        let mut client = target.connect_clear();
        client.send(line);
        let (code, text) = client.reply();
        if code != 234 {
            assert!(REFUSED.contains(&code), "{line}: {text}");
            continue;
        }
        client.shake(&tls).expect("a handshake");
        client.login("user", "12345");
        let data = client.data();
        client.command("RETR f", 150);
        let mut data = crate::Wire::from(data);
        let mut bytes = Vec::new();
        let read = data.shake(&tls).and_then(|()| data.read_to_end(&mut bytes));
        assert!(read.is_ok_and(|count| count == 5), "{line}: data in clear");
        drop(data);
        client.expect(226);
    }
}

fn p57_refuses_prot_p_without_tls(stand: &Stand<'_>) {
    let target = offered(stand);
    let mut client = target.connect_clear();
    let is_refused = |client: &mut Client| {
        client.send("PBSZ 0");
        client.reply();
        client.one_of("PROT P", &[500, 503, 521, 522, 530, 533, 534, 536]);
    };
    is_refused(&mut client);
    client.login("user", "12345");
    is_refused(&mut client);
}

fn p61_shakes_hands_with_ftp_clients_only(stand: &Stand<'_>) {
    let target = offered(stand);
    for protocols in [&["http/1.1"][..], &["h2", "http/1.1"]] {
        let mut client = target.connect_clear();
        client.command("AUTH TLS", 234);
        let outcome = client.shake(&Tls::default().alpn(protocols));
        let error = outcome
            .err()
            .unwrap_or_else(|| panic!("ALPN {protocols:?} is accepted"));
        let text = error.to_string();
        assert!(
            text.contains("NoApplicationProtocol"),
            "another alert: {text}"
        );
    }
    for protocols in [&["ftp"][..], &["http/1.1", "ftp"]] {
        target
            .connect_clear()
            .auth_tls(&Tls::default().alpn(protocols));
    }
    // Another site's name gets no certificate for that name, and harms nobody.
    let mut client = target.connect_clear();
    client.command("AUTH TLS", 234);
    assert!(
        client
            .shake(&Tls::default().named("another.example"))
            .is_err()
    );
    target.still_serves();
}

fn p62_closes_on_http(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.connect();
    let _ = client.wire().write_all(
        b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nUSER user\r\nPASS 12345\r\nMKD posted\r\n",
    );
    while let Ok((code, text)) = client.try_reply() {
        assert_ne!(code, 331, "goes on behind the first line: {text}");
        assert_ne!(code, 230, "logs in");
    }
    assert!(!target.has("posted"));
}

/// One handshake that ends before it is done, in one of several ways.
fn abort(target: &Target, number: usize, hello: &[u8]) {
    let mut client = target.connect_clear();
    client.command("AUTH TLS", 234);
    match number % 4 {
        0 => client.raw(&hello[..hello.len() / 2]),
        1 => client.raw(hello),
        2 => {
            client.raw(hello);
            // The server has answered, and waits for the client's Finished.
            let _ = client.stream().read(&mut [0; 512]);
        }
        _ => client.raw(b"\x16\x03\x01\x00\x05nonsense"),
    }
    if number.is_multiple_of(2) {
        client.reset();
    }
}

fn p64_keeps_nothing_of_aborted_handshakes(stand: &Stand<'_>) {
    let target = offered(stand);
    let before = target.sockets_at_rest();
    let hello = Tls::default().hello();
    for number in 0..300 {
        abort(&target, number, &hello);
    }
    let settled = || eventually("the sessions are gone", || target.sockets() <= before);
    settled();
    let memory = target.memory();
    for number in 0..1_000 {
        abort(&target, number, &hello);
    }
    settled();
    let grown = target.memory().saturating_sub(memory);
    // Two KiB for each would be seen.
    assert!(grown < 2_048, "{grown} KiB held");
    target.still_serves();
}

fn p65_goes_back_to_clear_text_only_if_allowed(stand: &Stand<'_>) {
    let tls = Tls::default();
    let target = offered(stand);
    let mut client = target.connect_clear();
    client.auth_tls(&tls);
    client.login("user", "12345");
    client.one_of("CCC", &[500, 502, 533, 534]);
    client.command("NOOP", 200);
    let target = stand.start(Setup {
        tls: Some(Guard {
            required: true,
            ccc: true,
            ..Guard::default()
        }),
        ..Setup::default()
    });
    let mut client = target.connect_clear();
    client.auth_tls(&tls);
    client.login("user", "12345");
    if target.is_mild && client.one_of("CCC", &[200, 500, 502, 533, 534]).0 != 200 {
        return;
    }
    client.clear();
    assert!(client.command("PWD", 257).contains("\"/\""));
    // The login goes on; another one would send its password in clear.
    client.one_of("USER user", &[421, 500, 503, 530, 550]);
}

fn p66_asks_for_tls_before_the_password(stand: &Stand<'_>) {
    let target = stand.start(Setup {
        tls: Some(Guard {
            required: true,
            ..Guard::default()
        }),
        ..Setup::default()
    });
    let mut client = target.connect_clear();
    client.one_of("USER user", &[421, 521, 522, 530, 534, 550]);
    let mut client = target.connect_clear();
    let tls = Tls::default();
    client.auth_tls(&tls);
    client.secure(&tls);
    client.login("user", "12345");
    client.store("f", b"hello");
}
