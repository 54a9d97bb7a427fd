//! File name patterns, held against a matcher that tries everything.

use std::time::{Duration, Instant};

use wharf_core::listing::glob_matches;

use crate::two;

/// What the matcher that tries everything is good for.
const SHORT: usize = 12;

/// No pattern may take so long, not even on a machine that has other things to do.
const LONG: Duration = Duration::from_secs(1);

/// The first line is the pattern, the rest the name.
pub fn glob(bytes: &[u8]) {
    let (pattern, name) = two(bytes);
    let begun = Instant::now();
    let found = glob_matches(pattern, name);
    assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
    if pattern.len() <= SHORT && name.len() <= SHORT {
        let hidden = name.starts_with(b".") && !pattern.starts_with(b".");
        assert_eq!(found, !hidden && matches(pattern, name));
    }
}

/// Tries every length for every star.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let Some((&first, rest)) = pattern.split_first() else {
        return name.is_empty();
    };
    if first == b'*' {
        return (0..=name.len()).any(|taken| matches(rest, &name[taken..]));
    }
    let Some((&byte, behind)) = name.split_first() else {
        return false;
    };
    if let Some((members, negated, rest)) = set(pattern) {
        return is_among(members, byte) != negated && matches(rest, behind);
    }
    (first == b'?' || first == byte) && matches(rest, behind)
}

/// The members of the set that a pattern begins with, whether they are those that do not match,
/// and what follows.
fn set(pattern: &[u8]) -> Option<(&[u8], bool, &[u8])> {
    let inside = pattern.strip_prefix(b"[")?;
    let negated = inside.starts_with(b"!") || inside.starts_with(b"^");
    let members = &inside[usize::from(negated)..];
    // A bracket that comes first is a member.
    let end = (1..members.len()).find(|&at| members[at] == b']')?;
    Some((&members[..end], negated, &members[end + 1..]))
}

fn is_among(members: &[u8], byte: u8) -> bool {
    match members {
        [] => false,
        [first, b'-', last, rest @ ..] => (first..=last).contains(&&byte) || is_among(rest, byte),
        [first, rest @ ..] => *first == byte || is_among(rest, byte),
    }
}
