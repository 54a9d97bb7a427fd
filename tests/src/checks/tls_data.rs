//! TLS on data connections. P58 to P60, P63.

use std::io::{ErrorKind, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::abort::{begin_upload, is_not_committed};
use super::{Guard, Setup, Stand, Target, checks};
use crate::client::reset;
use crate::conversations::transfer::pattern;
use crate::{Client, Tls, Wire};

checks! {
    p58_stores_nothing_that_comes_in_clear,
    p59_commits_nothing_that_ends_without_close_notify,
    p60_keeps_data_connections_to_the_session_of_the_login,
    p63_makes_transfers_with_and_without_tickets,
    p63_gives_a_ticket_for_each_transfer,
}

fn login(target: &Target, tls: &Tls) -> Client {
    let mut client = target.connect_clear();
    client.auth_tls(tls);
    client.login("user", "12345");
    client.secure(tls);
    client
}

fn start(stand: &Stand<'_>, guard: Guard) -> Target {
    stand.start(Setup {
        tls: Some(guard),
        ..Setup::default()
    })
}

/// A server that demands that data connections resume the session of their login, with a file.
fn strict(stand: &Stand<'_>) -> Target {
    let target = start(
        stand,
        Guard {
            reuse: true,
            ..Guard::default()
        },
    );
    target.put("f", b"hello");
    target
}

fn p58_stores_nothing_that_comes_in_clear(stand: &Stand<'_>) {
    let target = start(stand, Guard::default());
    target.put("f.bin", b"the old file");
    let mut client = login(&target, &Tls::default());
    for bytes in [&b"clear text"[..], &pattern(100_000), b""] {
        let mut data = client.data();
        client.command("STOR f.bin", 150);
        let _ = data.write_all(bytes);
        drop(data);
        match client.try_reply() {
            Ok((code, text)) => assert!(code >= 400, "{text}"),
            Err(error) => {
                assert!(error.kind() != ErrorKind::WouldBlock, "no reply in time");
                client = login(&target, &Tls::default());
            }
        }
        is_not_committed(&target);
    }
}

fn p59_commits_nothing_that_ends_without_close_notify(stand: &Stand<'_>) {
    let target = start(stand, Guard::default());
    for tls in [Tls::v12(), Tls::v13()] {
        let mut client = login(&target, &tls);
        for (length, resets) in [(10, false), (300_000, false), (300_000, true)] {
            let data = begin_upload(&target, &mut client, &pattern(length));
            let data = data.into_socket();
            if resets {
                reset(data);
            } else {
                drop(data);
            }
            client.expect_one_of("STOR without close_notify", &[425, 426, 451]);
            is_not_committed(&target);
        }
        // With it, all is well.
        let mut data = begin_upload(&target, &mut client, b"the new file");
        data.finish().expect("to end");
        client.expect(226);
        assert_eq!(target.content("f.bin").expect("a file"), b"the new file");
    }
}

/// What becomes of a download over a data connection that shakes hands so. Zero: nothing is said.
fn fetch(client: &mut Client, data: TcpStream, tls: &Tls) -> Result<(Vec<u8>, bool), u16> {
    client.send("RETR f");
    let (mut code, _) = client.reply();
    let mut data = Wire::from(data);
    let shaken = data.shake(tls);
    let resumed = data.is_resumed();
    let mut bytes = Vec::new();
    let read = shaken.and_then(|()| std::io::Read::read_to_end(&mut data, &mut bytes));
    drop(data);
    if code == 150 {
        code = client.try_reply().map_or(0, |(code, _)| code);
    }
    match code {
        226 => {
            read.expect("the whole file");
            Ok((bytes, resumed))
        }
        code => Err(code),
    }
}

fn p60_keeps_data_connections_to_the_session_of_the_login(stand: &Stand<'_>) {
    let target = strict(stand);
    for tls in [Tls::v12(), Tls::v13()] {
        // No session, and that of another login.
        let (none, other) = (tls.clone().afresh(), tls.clone().afresh());
        let _other = login(&target, &other);
        for wrong in [none, other] {
            let mut client = login(&target, &tls);
            let data = client.data();
            let refused = fetch(&mut client, data, &wrong);
            assert!(
                matches!(refused, Err(425 | 426 | 450 | 522)),
                "another session gets {refused:?}"
            );
        }
        let tls = tls.afresh();
        let mut client = login(&target, &tls);
        let data = client.data();
        let served = fetch(&mut client, data, &tls);
        assert_eq!(served, Ok((b"hello".to_vec(), true)), "the owner");
    }
}

fn p63_makes_transfers_with_and_without_tickets(stand: &Stand<'_>) {
    let wait = Some(Duration::from_secs(5));
    let target = start(stand, Guard::default());
    target.put("f", b"hello");
    // One keeps tickets and uses each once, the other has none.
    for tls in [Tls::v13(), Tls::v13().forgetful()] {
        let mut client = login(&target, &tls);
        for number in 0..5 {
            let data = client.data();
            data.set_read_timeout(wait).expect("a timeout");
            let served = fetch(&mut client, data, &tls).map(|(bytes, _)| bytes);
            assert_eq!(served, Ok(b"hello".to_vec()), "transfer {number}");
        }
    }
}

fn p63_gives_a_ticket_for_each_transfer(stand: &Stand<'_>) {
    let target = strict(stand);
    let tls = Tls::v13();
    let mut client = login(&target, &tls);
    for number in 0..5 {
        let data = client.data();
        let served = fetch(&mut client, data, &tls);
        assert_eq!(served, Ok((b"hello".to_vec(), true)), "transfer {number}");
    }
}
