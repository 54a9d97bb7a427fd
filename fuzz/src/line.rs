//! Telnet and lines.

use std::sync::Arc;
use std::time::Duration;

use bstr::BString;
use wharf_core::check::{Checked, Machine};
use wharf_core::{Config, Endpoints, Failure, Instant, Limits, Notes};

/// However the bytes are cut, they are the same lines (I02). The watch holds each line, in its
/// note, against what a reader of single bytes makes of it (I05, I07).
pub fn line(bytes: &[u8]) {
    let whole = read(bytes, bytes.len());
    let cut = read(bytes, 1);
    assert_eq!(whole, cut, "the cut of the input changed something");
}

/// The replies. Nobody ever logs in, so that a line comes to its reply and no more.
fn read(bytes: &[u8], piece: usize) -> BString {
    let limits = Limits {
        line: 60,
        look_ahead: 100,
        login_tries: u32::MAX,
        login_delay: Duration::ZERO,
        bad_commands: u32::MAX,
        ..Limits::default()
    };
    let config = Arc::new(Config {
        limits,
        notes: Notes::Commands,
        ..Config::default()
    });
    let ends = Endpoints {
        local: ([127, 0, 0, 1], 21).into(),
        peer: ([127, 0, 0, 1], 40_000).into(),
    };
    let mut session = Checked::new(&config, ends, Instant::ZERO);
    let mut replies = BString::default();
    for mut piece in bytes.chunks(piece.max(1)) {
        while session.wants_input() && !piece.is_empty() {
            let taken = session.receive(Instant::ZERO, piece);
            piece = &piece[taken..];
            if !session.transmit().is_empty() || !session.wants_input() {
                settle(&mut session, &mut replies);
            }
        }
    }
    settle(&mut session, &mut replies);
    replies
}

/// Takes everything that the session has to say, and refuses what it asks for.
fn settle(session: &mut Checked, replies: &mut BString) {
    loop {
        while session.note().is_some() {}
        let waiting = session.transmit().len();
        replies.extend_from_slice(session.transmit());
        session.transmitted(Instant::ZERO, waiting);
        let action = session.poll();
        if action.is_none() && waiting == 0 {
            return;
        }
        if let Some(event) = action.and_then(|action| action.refuse(Failure::Denied)) {
            assert_eq!(session.handle(Instant::ZERO, event), Ok(()));
        }
    }
}
