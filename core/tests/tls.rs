//! AUTH, PBSZ, PROT, CCC: what is protected, and what is refused without it.

use std::time::Duration;

use wharf_core::{Protection, TlsPolicy};

use crate::common::{Peer, Scene, play};

fn policy(control: Protection, data: Protection) -> Scene {
    Scene::new().config(|config| {
        config.tls = TlsPolicy {
            control,
            data,
            ..TlsPolicy::default()
        };
    })
}

fn offered() -> Scene {
    policy(Protection::Offered, Protection::Offered)
}

fn required() -> Scene {
    policy(Protection::Required, Protection::Required)
}

const AUTH: &str = "
    S: 220
    C: AUTH TLS
    S: 234 Begin the TLS handshake.
    A: start-tls
    E: ok";

const LOGIN: &str = "
    C: USER u
    A: identify u
    E: password
    S: 331
    C: PASS p
    A: login u
    E: ok
    S: 230
    C: TYPE I
    S: 200";

const PRIVATE: &str = "
    C: PBSZ 0
    S: 200 PBSZ=0
    C: PROT P
    S: 200 Data connections are protected.";

const RETR: &str = "
    C: PASV
    A: listen
    E: 127.0.0.1:51210
    S: 227
    C: RETR f
    A: open /f read@0
    E: opened 5
    A: accept 127.0.0.1
    E: ok
    S: 150";

/// All of it moves.
const DONE: &str = "
    E: moved 5 clean
    A: close-data
    E: ok
    A: finish commit
    E: ok
    S: 226";

fn secured(scene: &Scene, trace: &str) -> Peer {
    scene.play(&[AUTH, LOGIN, trace].join("\n"))
}

fn private(trace: &str) -> Peer {
    secured(&offered(), &[PRIVATE, trace].join("\n"))
}

#[test]
fn without_tls_nothing_of_it_is_there() {
    play(
        "S: 220
         C: AUTH TLS
         S: 502 TLS is not available.
         C: PBSZ 0
         S: 502
         C: PROT P
         S: 502
         C: CCC
         S: 502",
    );
}

#[test]
fn tls_begins_behind_the_234() {
    let mut peer = Peer::new(&offered());
    peer.replies.clear();
    peer.reads = false;
    peer.send(b"AUTH TLS\r\n");
    assert_eq!(peer.poll(), None, "the 234 is not written yet");
    let waiting = peer.session.transmit().len();
    peer.session.transmitted(peer.now, waiting - 1);
    assert_eq!(peer.poll(), None, "nor its last byte");
    peer.session.transmitted(peer.now, 1);
    assert_eq!(peer.poll().as_deref(), Some("start-tls"));
    assert!(!peer.session.wants_input());
    peer.answer("ok");
    assert!(peer.session.wants_input());
}

/// The embedder keeps it for the TLS layer, where it is no handshake.
#[test]
fn nothing_behind_auth_is_taken() {
    let mut peer = Peer::new(&offered());
    let lines = b"AUTH TLS\r\nUSER u\r\nPASS p\r\n";
    assert_eq!(peer.session.receive(peer.now, lines), 10);
    assert!(!peer.session.wants_input());
}

#[test]
fn lines_before_auth_run_in_clear() {
    offered().play(
        "S: 220
         C~: NOOP\\r\\nAUTH TLS\\r\\n
         S: 200
         S: 234
         A: start-tls
         E: ok
         C: NOOP
         S: 200",
    );
}

#[test]
fn a_handshake_that_fails_ends_the_session_without_a_word() {
    for outcome in ["Handshake", "Closed"] {
        offered().play(&format!(
            "S: 220
             C: AUTH TLS
             S: 234
             A: start-tls
             E: {outcome}
             A: disconnect"
        ));
    }
}

#[test]
fn a_handshake_that_takes_too_long_ends_the_session_without_a_word() {
    offered().play(
        "S: 220
         C: AUTH TLS
         S: 234
         A: start-tls
         T: +29s
         T: +1s
         A: cancel
         T: +30s
         A: disconnect",
    );
    offered().play(
        "S: 220
         C: AUTH TLS
         S: 234
         A: start-tls
         T: +30s
         A: cancel
         E: Cancelled
         A: disconnect",
    );
}

#[test]
fn a_client_that_leaves_before_the_handshake_is_let_go() {
    let mut peer = Peer::new(&offered());
    peer.reads = false;
    peer.send(b"AUTH TLS\r\n");
    peer.session.lost(peer.now);
    assert_eq!(peer.poll().as_deref(), Some("disconnect"));
    offered().play(
        "S: 220
         C: AUTH TLS
         S: 234
         A: start-tls
         E: lost
         A: cancel
         E: Closed
         A: disconnect",
    );
}

#[test]
fn a_stop_waits_for_the_handshake() {
    offered().play(
        "S: 220
         C: AUTH TLS
         S: 234
         A: start-tls
         E: shutdown 10s
         E: ok
         S: 421
         A: disconnect",
    );
}

#[test]
fn auth_comes_once() {
    offered().play(&format!(
        "{AUTH}
         C: AUTH TLS
         S: 503 This connection is protected already.
         C: NOOP
         S: 200"
    ));
}

#[test]
fn auth_knows_tls_by_its_names() {
    for (mechanism, data) in [
        ("TLS", ""),
        ("tls-c", ""),
        ("SSL", "secure"),
        ("TLS-P", "secure"),
    ] {
        let secure = match data {
            "" => "A: send 5",
            _ => "A: secure\nE: ok\nA: send 5 tls",
        };
        offered().play(&format!(
            "S: 220
             C: AUTH {mechanism}
             S: 234
             A: start-tls
             E: ok
             {LOGIN}
             {RETR}
             {secure}"
        ));
    }
    offered().play(
        "S: 220
         C: AUTH GSSAPI
         S: 504
         C: AUTH
         S: 501",
    );
}

/// RFC 2228 section 3: who was logged in before is so no more.
#[test]
fn auth_forgets_the_login_and_what_stood_ready_for_data() {
    offered().play(&format!(
        "S: 220
         {LOGIN}
         C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227
         C: AUTH TLS
         A: close-data
         E: ok
         S: 234
         A: start-tls
         E: ok
         C: PWD
         S: 530"
    ));
}

#[test]
fn pbsz_and_prot_may_come_before_the_login() {
    offered().play(&format!(
        "{AUTH}
         {PRIVATE}
         {LOGIN}
         {RETR}
         A: secure
         E: ok
         A: send 5 tls"
    ));
}

#[test]
fn pbsz_and_prot_need_tls_and_each_other() {
    offered().play(
        "S: 220
         C: PBSZ 0
         S: 503 AUTH comes first.
         C: PROT P
         S: 503",
    );
    offered().play(&format!(
        "{AUTH}
         C: PROT P
         S: 503 PBSZ comes before PROT.
         C: PBSZ 100000
         S: 200 PBSZ=0
         C: PROT p
         S: 200
         C: PROT S
         S: 536
         C: PROT E
         S: 536
         C: PROT X
         S: 504
         C: PROT
         S: 501
         C: PROT C
         S: 200 Data connections are clear."
    ));
}

#[test]
fn under_prot_p_every_data_connection_is_secured_behind_its_150() {
    private(&format!(
        "{RETR}
         A: secure
         E: ok
         A: send 5 tls
         {DONE}
         C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227
         C: STOR f
         A: open /f write@0 replace
         E: opened
         A: accept 127.0.0.1
         E: ok
         S: 150
         A: secure
         E: ok
         A: receive tls
         {DONE}
         C: PORT 127,0,0,1,200,10
         S: 200
         C: LIST
         A: open / entries
         E: opened
         A: dial 127.0.0.1:51210
         E: ok
         S: 150
         A: secure
         E: ok
         A: list tls"
    ));
}

#[test]
fn a_data_connection_that_cannot_be_secured_is_522_and_moves_nothing() {
    for (outcome, reply) in [
        (
            "Handshake",
            "The TLS handshake of the data connection failed.",
        ),
        ("Closed", "The TLS handshake of the data connection failed."),
        (
            "NotResumed",
            "Data connections must resume the TLS session.",
        ),
    ] {
        let failure = match outcome {
            "NotResumed" => "Tls(NotResumed)",
            "Closed" => "Tls(Closed)",
            _ => "Tls(Handshake)",
        };
        private(&format!(
            "{RETR}
             A: secure
             E: {outcome}
             A: close-data
             E: ok
             A: finish abandon {failure}
             E: ok
             S: 522 {reply}
             C: NOOP
             S: 200"
        ));
    }
}

#[test]
fn the_handshake_for_data_can_be_aborted_and_does_not_last_for_ever() {
    private(&format!(
        "{RETR}
         A: secure
         C: ABOR
         A: cancel
         E: Cancelled
         A: close-data
         E: ok
         A: finish abandon Aborted
         E: ok
         S: 426
         S: 226"
    ));
    private(&format!(
        "{RETR}
         A: secure
         T: +30s
         A: cancel
         E: Cancelled
         A: close-data
         E: ok
         A: finish abandon Tls(Handshake)
         E: ok
         S: 522"
    ));
    private(&format!(
        "{RETR}
         A: secure
         C: STAT
         S: 211
         E: lost
         A: cancel
         E: ok
         A: close-data
         E: ok
         A: finish abandon ControlLost
         E: ok
         A: disconnect"
    ));
}

#[test]
fn what_is_required_is_required_before_a_password_is_sent() {
    required().play(
        "S: 220
         C: USER u
         S: 530 Protect the connection with AUTH TLS first.
         C: PASS p
         S: 503
         C: FEAT
         S: 211
         C: AUTH TLS
         S: 234
         A: start-tls
         E: ok
         C: USER u
         A: identify u
         E: password
         S: 331",
    );
}

#[test]
fn without_prot_p_no_data_move_where_it_is_required() {
    secured(
        &required(),
        "C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227
         C: RETR f
         S: 521 Protect data connections with PROT P first.
         C: LIST
         S: 521
         C: STOR f
         S: 521
         C: PBSZ 0
         S: 200
         C: PROT C
         S: 534
         C: PROT P
         S: 200
         C: LIST
         A: open / entries",
    );
}

#[test]
fn where_data_are_never_protected_prot_p_is_refused() {
    secured(
        &policy(Protection::Offered, Protection::Off),
        "C: PBSZ 0
         S: 200
         C: PROT P
         S: 534
         C: PROT C
         S: 200",
    );
}

#[test]
fn a_session_tells_what_is_protected() {
    let told = |peer: &Peer| {
        (
            peer.session.protects_control(),
            peer.session.protects_data(),
        )
    };
    let scene = offered().config(|config| config.tls.ccc = true);
    assert_eq!(told(&scene.play("S: 220")), (false, false));
    assert_eq!(told(&secured(&scene, "")), (true, false));
    assert_eq!(told(&secured(&scene, PRIVATE)), (true, true));
    let ccc = format!("{PRIVATE}\nC: CCC\nS: 200\nA: stop-tls\nE: ok");
    assert_eq!(told(&secured(&scene, &ccc)), (false, true));
}

#[test]
fn feat_tells_of_tls_where_there_is_some() {
    let mut peer = Peer::new(&offered());
    peer.replies.clear();
    peer.send(b"FEAT\r\n");
    let said = String::from_utf8_lossy(&peer.replies).into_owned();
    for feature in [" AUTH TLS\r\n", " PBSZ\r\n", " PROT\r\n"] {
        assert!(said.contains(feature), "{said}");
    }
    assert!(!said.contains("CCC"), "{said}");
    let mut peer = Peer::new(&Scene::new());
    peer.replies.clear();
    peer.send(b"FEAT\r\n");
    let said = String::from_utf8_lossy(&peer.replies).into_owned();
    assert!(!said.contains("AUTH") && !said.contains("PROT"), "{said}");
}

#[test]
fn ccc_is_a_matter_of_policy() {
    secured(
        &offered(),
        "C: CCC
         S: 534 The control connection stays protected.",
    );
    let ccc = offered().config(|config| config.tls.ccc = true);
    ccc.play(
        "S: 220
         C: CCC
         S: 533",
    );
    secured(
        &ccc,
        &format!(
            "{PRIVATE}
             C: CCC
             S: 200
             A: stop-tls
             E: ok
             C: PROT C
             S: 503
             {RETR}
             A: secure
             E: ok
             A: send 5 tls"
        ),
    );
    secured(
        &ccc,
        "C: CCC
         S: 200
         A: stop-tls
         E: Closed
         A: disconnect",
    );
}

/// What a password was required to be protected by is not taken away before the next one.
#[test]
fn behind_ccc_nobody_logs_in_where_tls_is_required() {
    let scene = required().config(|config| config.tls.ccc = true);
    scene.play(&format!(
        "{AUTH}
         C: USER u
         A: identify u
         E: password
         S: 331
         C: CCC
         S: 200
         A: stop-tls
         E: ok
         C: PASS p
         S: 530
         C: USER u
         S: 530
         C: AUTH TLS
         S: 234
         A: start-tls
         E: ok
         C: USER u
         A: identify u
         E: password
         S: 331"
    ));
}

/// RFC 4217 section 11.
#[test]
fn rein_ends_the_protection() {
    private(
        "C: REIN
         S: 220
         A: stop-tls
         E: ok
         C: PBSZ 0
         S: 503
         C: USER u
         A: identify u
         E: password
         S: 331",
    );
    let mut peer = private("");
    let lines = b"REIN\r\nUSER u\r\n";
    assert_eq!(peer.session.receive(peer.now, lines), 6);
}

#[test]
fn implicit_tls_is_there_from_the_first_reply_to_the_last() {
    let scene = required().config(|config| {
        config.tls.implicit = true;
        config.tls.ccc = true;
    });
    scene.play(&format!(
        "S: 220
         C: AUTH TLS
         S: 503
         {LOGIN}
         {RETR}
         A: secure
         E: ok
         A: send 5 tls
         {DONE}
         C: CCC
         S: 534
         C: REIN
         S: 220
         C: PROT P
         S: 200
         C: USER u
         A: identify u
         E: password
         S: 331"
    ));
}

/// As `offered`, up to the name.
fn named(scene: &Scene, trace: &str) -> Peer {
    scene.play(&format!("{AUTH}\nC: USER u\nA: identify u\n{trace}"))
}

#[test]
fn a_name_may_be_for_tls_only() {
    offered().play(
        "S: 220
         C: USER u
         A: identify u
         E: unprotected
         S: 530 Protect the connection with AUTH TLS first.
         C: PASS p
         S: 503
         C: USER v
         A: identify v
         E: password
         S: 331
         C: PASS p
         A: login v
         E: unprotected
         S: 530 Protect the connection with AUTH TLS first.
         C: USER w
         A: identify w
         E: password
         S: 331",
    );
}

#[test]
fn a_certificate_may_stand_for_a_password() {
    named(
        &offered(),
        "E: ok
         S: 232 Logged in by certificate.
         C: PASS p
         S: 503
         C: PWD
         S: 257
         C: USER v
         A: identify v
         E: password
         S: 331
         C: PWD
         S: 530",
    );
}

#[test]
fn a_name_that_is_refused_counts_as_a_try() {
    let scene = offered().limits(|limits| {
        limits.login_tries = 2;
        limits.login_delay = Duration::ZERO;
    });
    named(
        &scene,
        "E: denied
         S: 530 Login incorrect.
         C: USER u
         A: identify u
         E: denied
         S: 421 Too many failed logins.
         A: disconnect",
    );
    named(
        &scene,
        "E: too-many
         S: 421
         A: disconnect",
    );
}

#[test]
fn an_account_may_demand_protected_data() {
    let mut scene = offered();
    scene.grant.protect_data = true;
    let trace = [
        "C: RETR f
         S: 521 Protect data connections with PROT P first.
         C: PBSZ 0
         S: 200
         C: PROT C
         S: 534 Data connections must be protected.
         C: PROT P
         S: 200",
        RETR,
        "A: secure
         E: ok
         A: send 5 tls",
        DONE,
    ];
    secured(&scene, &trace.join("\n"));
}
