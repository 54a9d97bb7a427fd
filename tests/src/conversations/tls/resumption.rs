//! Sessions that data connections resume, and those that they do not.

use std::io::{Read, Write};

use super::{fetch, login, serve, versions};
use crate::wire::Wire;
use crate::{Program, cases};

cases! { "tls";
    resumes_the_session_of_the_control_connection,
    tells_that_data_does_not_resume_its_login,
    demands_that_data_resumes_its_own_session,
    runs_out_of_tickets_under_tls_1_3_alone,
    resumes_nothing_when_told_so,
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

/// It may be somebody else behind the same address: once for each login.
fn tells_that_data_does_not_resume_its_login(program: &Program) {
    let server = serve(program, "");
    server.put("f.bin", b"hello");
    let told = || {
        let log = server.whole_log();
        log.matches("does not resume the TLS session of its login")
            .count()
    };
    let mut expected = 0;
    for tls in versions() {
        let forgetful = tls.clone().forgetful();
        let mut client = login(&server, &tls);
        assert!(fetch(&mut client, &tls));
        assert_eq!(told(), expected);
        for _ in 0..2 {
            client.login("user", "12345");
            expected += 1;
            for _ in 0..3 {
                assert!(!fetch(&mut client, &forgetful));
                assert_eq!(told(), expected);
            }
        }
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

fn runs_out_of_tickets_under_tls_1_3_alone(program: &Program) {
    let server = serve(program, "session-reuse = \"required\"");
    server.put("f.bin", b"hello");
    // This client keeps eight tickets of TLS 1.3, and uses each once.
    for (tls, transfers) in versions().into_iter().zip([30, 8]) {
        let mut client = login(&server, &tls);
        for _ in 0..transfers {
            assert!(fetch(&mut client, &tls));
        }
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
