//! What nobody should send: the streams of `tests/corpora/hostile`.

use std::fs;
use std::path::PathBuf;

use wharf_core::command::Verb;
use wharf_core::{Note, Notes};

use crate::common::codes::Codes;
use crate::common::embedder::converse;
use crate::common::{Peer, Scene};

fn corpora() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpora")
}

fn streams() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut streams = Vec::new();
    for file in fs::read_dir(corpora().join("hostile"))? {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        streams.push((name.into_owned(), fs::read(&path)?));
    }
    assert_eq!(streams.len(), 47);
    Ok(streams)
}

#[test]
fn hostile_streams_are_survived_and_their_cuts_change_nothing() {
    let codes = Codes::read();
    let mut checked = 0;
    for (name, bytes) in streams().unwrap() {
        for prelude in ["", "USER u\r\nPASS p\r\nTYPE I\r\n"] {
            let bytes = [prelude.as_bytes(), &bytes[..]].concat();
            let scene = Scene::new().config(|config| config.notes = Notes::Commands);
            let play = |step: usize| {
                let mut peer = Peer::new(&scene);
                let actions = converse(&mut peer, &bytes, || step);
                (peer, actions)
            };
            let (mut whole, actions) = play(usize::MAX);
            let (mut single, same) = play(1);
            let notes = single.noted();
            assert!(
                whole.replies == single.replies,
                "{name}: the replies differ"
            );
            assert_eq!(actions, same, "{name}");
            assert!(
                whole.session.heap_size() < 64 * 1024,
                "{name}: {}",
                whole.session.heap_size()
            );
            for line in whole.replies.split_inclusive(|&byte| byte == b'\n') {
                assert!(
                    line.ends_with(b"\r\n") && !line.contains(&0),
                    "{name}: {line:?}"
                );
            }
            for note in notes {
                let Note::Command { line, code } = note else {
                    continue;
                };
                assert!(
                    codes.allow(Verb::of_line(&line), code),
                    "{name}: {line} got {code}"
                );
                checked += 1;
            }
            if whole.session.wants_input() {
                whole.replies.clear();
                converse(&mut whole, b"\r\nNOOP\r\n", || usize::MAX);
                assert!(whole.replies.ends_with(b"200 NOOP ok.\r\n"), "{name}");
            } else {
                assert!(
                    actions.last().is_some_and(|action| action == "disconnect"),
                    "{name}"
                );
            }
        }
    }
    assert!(checked > 5_000, "{checked}");
}
