//! What an adapter does that is generic over [`Machine`]: the same with a session and with one
//! under watch.

use std::sync::Arc;

use wharf_core::check::{Checked, fulfil};
use wharf_core::{
    Action, Capabilities, Config, Endpoints, Grant, Instant, Machine, Notes, Protection, Rights,
    Session, TlsPolicy,
};

const LINES: [&str; 12] = [
    "AUTH TLS",
    "USER u",
    "PASS p",
    "PBSZ 0",
    "PROT P",
    "PASV",
    "EPSV",
    "RNFR a",
    "RNTO b",
    "SITE SYMLINK t l",
    "CWD d",
    "QUIT",
];

/// All that can be asked of it.
fn describe<M: Machine>(session: &M) -> String {
    format!(
        "{:?}",
        (
            (session.wants_input(), session.transmit()),
            (session.deadline(), session.peek_note()),
            (session.path(), session.rename_from(), session.link_target()),
            (session.username(), session.password()),
            (
                format!("logged in: {}", session.is_logged_in()),
                format!("TLS: {}", session.protects_control()),
                format!("PROT P: {}", session.protects_data()),
                format!("address: {}", session.announces_address()),
            ),
            (session.endpoints(), session.heap_size()),
        )
    )
}

/// What is seen of a session that is made and served as an adapter does it.
fn serve<M: Machine>() -> Vec<String> {
    let config = Config {
        notes: Notes::Commands,
        tls: TlsPolicy {
            control: Protection::Offered,
            data: Protection::Offered,
            ..TlsPolicy::default()
        },
        ..Config::default()
    };
    let ends = Endpoints {
        local: ([127, 0, 0, 1], 21).into(),
        peer: ([127, 0, 0, 1], 40_000).into(),
    };
    let grant = Grant::new(Rights::ALL, Capabilities::ALL);
    let now = Instant::ZERO;
    let mut session = M::new(&Arc::new(config), ends, now);
    let mut seen = vec![describe(&session)];
    for line in LINES {
        let line = format!("{line}\r\n");
        assert_eq!(session.receive(now, line.as_bytes()), line.len(), "{line}");
        seen.push(describe(&session));
        session.transmitted(now, session.transmit().len());
        while let Some(action) = session.poll() {
            seen.push(format!("{action:?} {}", describe(&session)));
            if matches!(action, Action::Disconnect) {
                return seen;
            }
            if let Some(event) = fulfil(action, &grant) {
                assert_eq!(session.handle(now, event), Ok(()));
            }
            seen.push(describe(&session));
            session.transmitted(now, session.transmit().len());
        }
        while let Some(note) = session.note() {
            seen.push(format!("{note:?} {}", describe(&session)));
        }
    }
    seen
}

#[test]
fn a_session_under_watch_answers_as_the_session() {
    let seen = serve::<Session>();
    assert_eq!(serve::<Checked>(), seen);
    for word in ["logged in", "TLS", "PROT P", "address"] {
        for answer in [true, false] {
            let words = format!("{word}: {answer}");
            assert!(seen.iter().any(|line| line.contains(&words)), "{words}");
        }
    }
}
