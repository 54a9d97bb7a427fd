//! The configuration file of the servers.

use std::path::Path;

use wharf_server::check as read;

/// Whatever stands in the file, it is understood or each mistake is a line with its place.
pub fn config(bytes: &[u8]) {
    let Err(mistakes) = read(Path::new("wharf.toml"), bytes.to_vec()) else {
        return;
    };
    for mistake in mistakes.split('\n') {
        check(mistake, bytes);
    }
}

fn check(mistake: &str, bytes: &[u8]) {
    let mut words = mistake.splitn(4, ':');
    let (name, line, column) = (words.next(), words.next(), words.next());
    let number = |word: Option<&str>| word.and_then(|word| word.parse().ok()).unwrap_or(0);
    let lines = bytes.split(|byte| *byte == b'\n').count();
    assert_eq!(name, Some("wharf.toml"), "{mistake}");
    assert!((1..=lines).contains(&number(line)), "{mistake}");
    assert!((1..=bytes.len() + 1).contains(&number(column)), "{mistake}");
    let what = words.next().unwrap_or_default();
    assert!(
        what.len() > 1 && !what.contains(char::is_control),
        "{mistake}"
    );
}
