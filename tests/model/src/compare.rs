//! [`Real`]: a session that is held against the model.

use std::sync::Arc;

use bstr::ByteSlice;
use wharf_core::check::{Checked, Machine};
use wharf_core::{Action, Capabilities, Config, Endpoints, Grant, Instant, Limits, Rights};

use crate::embed::Embedder;
use crate::model::{Answer, Model, Move};
use crate::store::Store;

/// A session under watch with a store in memory.
#[derive(Debug)]
pub struct Real {
    session: Checked,
    store: Store,
    embedder: Embedder,
    now: Instant,
}

impl Default for Real {
    fn default() -> Self {
        let limits = Limits {
            login_delay: core::time::Duration::ZERO,
            login_tries: u32::MAX,
            ..Limits::default()
        };
        let config = Arc::new(Config {
            limits,
            ..Config::default()
        });
        let ends = Endpoints {
            local: ([127, 0, 0, 1], 21).into(),
            peer: ([127, 0, 0, 1], 40_000).into(),
        };
        let now = Instant::from_micros(1_000_000);
        let grant = Grant::new(Rights::ALL, Capabilities::ALL);
        let mut session = Checked::new(&config, ends, now);
        let greeting = session.transmit().len();
        session.transmitted(now, greeting);
        Self {
            session,
            store: Store::default(),
            embedder: Embedder::new(grant),
            now,
        }
    }
}

impl Real {
    /// Runs a command, of which the model says that it comes to that and leaves it so.
    ///
    /// # Panics
    /// If it does not.
    pub fn check(&mut self, step: &Move, model: &Model, expected: &Answer) {
        let found = self.run(step);
        assert_eq!(found.codes, expected.codes, "{step:?}");
        if expected.download.is_some() {
            assert_eq!(found.download, expected.download, "{step:?}");
        }
        if expected.told.is_some() {
            assert_eq!(found.told, expected.told, "{step:?}");
        }
        let stored = self.store.all().filter(|(path, _)| !path.is_root());
        let mut modelled = model.tree.iter();
        for (path, bytes) in stored {
            let found = Some((path.relative(), bytes.as_deref()));
            let expected = modelled.next();
            let expected =
                expected.map(|(path, file)| (path.as_bytes().as_bstr(), file.as_deref()));
            assert_eq!(found, expected, "{step:?}");
        }
        assert_eq!(modelled.next(), None, "{step:?}");
    }

    /// Runs a command and says what it came to.
    pub fn run(&mut self, step: &Move) -> Answer {
        self.now = self.now + core::time::Duration::from_millis(1);
        self.embedder.upload.clone_from(&step.upload);
        let mut answer = Answer::default();
        let line = [step.line.as_bytes(), b"\r\n"].concat();
        let _ = self.session.receive(self.now, &line);
        loop {
            let replies = self.session.transmit().to_vec();
            self.session.transmitted(self.now, replies.len());
            for line in replies.lines() {
                if line.get(3) == Some(&b' ') && line[0].is_ascii_digit() {
                    let text = line.to_str_lossy();
                    answer.codes.push(text[..3].parse().unwrap_or_default());
                    answer.told = Some(tell(&text));
                }
            }
            let Some(action) = self.session.poll() else {
                break;
            };
            if matches!(action, Action::Disconnect) {
                break;
            }
            let now = self.now.as_micros();
            let event = self
                .embedder
                .perform(now, &mut self.store, &self.session, action);
            if let Some(event) = event {
                assert_eq!(self.session.handle(self.now, event), Ok(()));
            }
        }
        answer.download = Some(self.embedder.download.clone());
        answer
    }
}

/// What a reply tells: the path between its quotes, or its text.
fn tell(reply: &str) -> String {
    match (reply.find('"'), reply.rfind('"')) {
        (Some(from), Some(to)) if from < to => reply[from + 1..to].to_owned(),
        _ => reply[4..].to_owned(),
    }
}
