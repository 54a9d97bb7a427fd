//! Paths, held against a resolver that is said as simply as can be.

use bstr::ByteSlice;
use wharf_core::{PathError, VPath};

use crate::two;

/// The first line is the working directory, the rest the argument: what comes of them is the path
/// that the parts give, and normal.
pub fn path(bytes: &[u8]) {
    let (cwd, argument) = two(bytes);
    let Ok(cwd) = VPath::resolve(&VPath::root(), cwd) else {
        return;
    };
    let path = VPath::resolve(&cwd, argument);
    let parts = match (resolve(&cwd, argument), &path) {
        (Ok(parts), Ok(_)) => parts,
        (expected, _) => {
            assert_eq!(path.err(), expected.err());
            return;
        }
    };
    let path = path.unwrap_or_default();
    let relative = parts.join(&b'/');
    assert_eq!(path.as_bytes().strip_prefix(b"/"), Some(&relative[..]));
    assert!(path.components().eq(parts.iter().copied()));
    assert_eq!(path.is_root(), parts.is_empty());
    assert_eq!(path.relative(), &relative[..]);
    assert_eq!(
        path.file_name().map(|name| name.as_bytes()),
        parts.last().copied()
    );
    let parent = path.parent();
    assert!(path.is_within(&parent) && path.is_within(&VPath::root()));
    if let Some(name) = path.file_name() {
        assert_eq!(parent.join(name).as_ref(), Ok(&path));
    }
    let is_name = !argument.contains(&b'/') && !matches!(argument, b"" | b"." | b"..");
    let joined = is_name.then_some(&path);
    assert_eq!(cwd.join(argument).ok().as_ref(), joined);
    assert_eq!(
        VPath::resolve(&cwd, path.as_bytes()).as_ref(),
        Ok(&path),
        "it is its own path"
    );
}

/// The parts of a path, one after the other.
fn resolve<'a>(cwd: &'a VPath, argument: &'a [u8]) -> Result<Vec<&'a [u8]>, PathError> {
    if argument.find_byteset(b"\0\r\n").is_some() {
        return Err(PathError::ForbiddenByte);
    }
    if argument.len() > VPath::MAX {
        return Err(PathError::TooLong);
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    let mut length = 0;
    if !argument.starts_with(b"/") {
        parts.extend(cwd.components().map(|part| part.as_bytes()));
        length = parts.iter().map(|part| part.len() + 1).sum();
    }
    for part in argument.split_str("/") {
        match part {
            b"" | b"." => {}
            b".." => length -= parts.pop().map_or(0, |part| part.len() + 1),
            part => {
                parts.push(part);
                length += part.len() + 1;
            }
        }
        // Not even for a moment, since the memory is bounded.
        if length > VPath::MAX {
            return Err(PathError::TooLong);
        }
    }
    Ok(parts)
}
