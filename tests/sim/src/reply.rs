//! What a client reads in a reply beside its code.

use bstr::ByteSlice;

/// How many bytes have moved, by that line of a reply to STAT.
pub(crate) fn told(line: &[u8]) -> Option<usize> {
    let words: Vec<&str> = line.to_str().ok()?.split_ascii_whitespace().collect();
    match words[..] {
        [.., at, "of", _, "bytes"] | [.., at, "bytes"] => at.parse().ok(),
        _ => None,
    }
}

/// The port in a 227 or 229.
pub(crate) fn port(reply: &[u8]) -> Option<u16> {
    let inside = reply.splitn_str(2, "(").nth(1)?;
    let numbers = inside
        .split(|byte| !byte.is_ascii_digit())
        .filter_map(|number| number.to_str().ok()?.parse::<u16>().ok());
    match numbers.collect::<Vec<_>>()[..] {
        [port] => Some(port),
        [_, _, _, _, high, low] => Some(high << 8 | low),
        _ => None,
    }
}
