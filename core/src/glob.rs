//! File name patterns: `*`, `?` and `[...]`.

use memchr::memrchr;

/// Whether a name has a character that makes it a pattern.
pub(crate) fn is_pattern(name: &[u8]) -> bool {
    name.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// Whether `name` matches `pattern`.
///
/// `*` is any run of bytes, `?` one byte, `[a-z]` one of a set and `[!a-z]` or `[^a-z]` one that
/// is not in the set; a `[` that is never closed is itself. A dot at the beginning of the name
/// must stand in the pattern. There is no escape and no brace. The match never looks at more
/// than `name.len() * pattern.len()` pairs, whatever the pattern: only the last star is ever
/// tried again.
///
/// ```
/// use wharf_core::listing::glob_matches;
///
/// assert!(glob_matches(b"*.tx?", b"notes.txt"));
/// assert!(glob_matches(b"[a-c]*", b"beta"));
/// assert!(!glob_matches(b"*", b".hidden"));
/// ```
#[must_use]
pub fn glob_matches(pattern: &[u8], name: &[u8]) -> bool {
    (pattern.starts_with(b".") || !name.starts_with(b".")) && matches(pattern, name)
}

/// The same, but a dot at the beginning is like any other byte.
pub(crate) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // Behind the last `]` no set can be, so none is looked for.
    let sets = memrchr(b']', pattern).unwrap_or(0);
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, n));
            continue;
        }
        if let Some(width) = match_one(&pattern[p..], name[n], p < sets) {
            p += width;
            n += 1;
        } else if let Some((after, from)) = star {
            // The last star takes one byte more.
            (p, n) = (after, from + 1);
            star = Some((p, n));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// How many bytes of the pattern stand for this one byte of the name, if they match it; `sets`
/// tells whether it may begin with a set.
fn match_one(pattern: &[u8], byte: u8, sets: bool) -> Option<usize> {
    match pattern.first()? {
        b'?' => Some(1),
        b'[' => match sets.then(|| class(pattern)).flatten() {
            Some((members, negated, width)) => {
                (contains(members, byte) != negated).then_some(width)
            }
            None => (byte == b'[').then_some(1),
        },
        literal => (*literal == byte).then_some(1),
    }
}

/// Splits `[...]` into its members, whether it is negated, and its width in the pattern.
fn class(pattern: &[u8]) -> Option<(&[u8], bool, usize)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let start = if negated { 2 } else { 1 };
    // A bracket that comes first is a member.
    let close = pattern
        .get(start + 1..)?
        .iter()
        .position(|&byte| byte == b']')?
        + start
        + 1;
    Some((&pattern[start..close], negated, close + 1))
}

fn contains(members: &[u8], byte: u8) -> bool {
    let mut rest = members;
    while let [first, tail @ ..] = rest {
        if let [b'-', last, tail @ ..] = tail {
            if (*first..=*last).contains(&byte) {
                return true;
            }
            rest = tail;
        } else {
            if *first == byte {
                return true;
            }
            rest = tail;
        }
    }
    false
}
