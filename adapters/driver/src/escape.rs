//! [`Escape`]: bytes from a client or a disk, safe to print.

use std::fmt::{self, Write};

/// Shows bytes as one line of text that no terminal obeys: control characters, those that turn the
/// direction of writing, and bytes that are not UTF-8 are written as escapes, and so is the
/// backslash, so that nothing can pretend to be one. Its `Debug` form stands in quotes.
///
/// Of more than [`Escape::MOST`] bytes the middle is left out: `/first\(4000 bytes)/last`.
///
/// ```
/// use wharf_driver::Escape;
///
/// assert_eq!(Escape(b"caf\xc3\xa9 \x1b[2J\r\xff").to_string(), r"café \x1b[2J\r\xff");
/// assert_eq!(format!("{:?}", Escape(br#"a "b" \c"#)), r#""a \"b\" \\c""#);
/// ```
#[derive(Clone, Copy)]
pub struct Escape<'a>(pub &'a [u8]);

impl Escape<'_> {
    /// Bytes that are shown whole.
    pub const MOST: usize = 1_024;

    /// No longer is what is shown, quotes and all.
    pub const LONGEST: usize = 4 * Self::MOST + 2;

    fn show(&self, special: impl Fn(char) -> bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0;
        if bytes.len() <= Self::MOST {
            return escape(bytes, special, f);
        }
        let kept = Self::MOST / 2 - 32;
        // No character is cut in two.
        let begins = |at: &usize| bytes[*at] & 0xc0 != 0x80;
        let first = (kept - 3..=kept).rfind(begins).unwrap_or(kept);
        let last = bytes.len() - kept;
        let last = (last..last + 3).find(begins).unwrap_or(last);
        escape(&bytes[..first], &special, f)?;
        write!(f, "\\({} bytes)", last - first)?;
        escape(&bytes[last..], special, f)
    }
}

impl fmt::Display for Escape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(is_unsafe, f)
    }
}

impl fmt::Debug for Escape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        self.show(|c| c == '"' || is_unsafe(c), f)?;
        f.write_char('"')
    }
}

/// Writes the bytes, the characters that `special` picks as escapes.
fn escape(bytes: &[u8], special: impl Fn(char) -> bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(at) = rest.find(&special) {
            f.write_str(&rest[..at])?;
            let mut chars = rest[at..].chars();
            if let Some(c) = chars.next() {
                write_escaped(c, f)?;
            }
            rest = chars.as_str();
        }
        f.write_str(rest)?;
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

fn write_escaped(c: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match c {
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\\' | '"' => write!(f, "\\{c}"),
        _ if c.is_ascii() => write!(f, "\\x{:02x}", u32::from(c)),
        _ => write!(f, "\\u{{{:x}}}", u32::from(c)),
    }
}

fn is_unsafe(c: char) -> bool {
    let invisible = matches!(
        c,
        '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    );
    c == '\\' || c.is_control() || invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_what_is_long_is_left_out() {
        let whole = "é".repeat(Escape::MOST / 2);
        assert_eq!(Escape(whole.as_bytes()).to_string(), whole);
        for before in 0..4 {
            let text = format!("{}{}", "a".repeat(before), "\u{2028}é".repeat(1_000));
            let shown = Escape(text.as_bytes()).to_string();
            assert!(!shown.contains("\\x"), "a character is cut: {shown}");
            let (first, rest) = shown.split_once("\\(").unwrap_or_default();
            let (count, last) = rest.split_once(" bytes)").unwrap_or_default();
            let plain = |text: &str| text.replace("\\u{2028}", "\u{2028}");
            assert!(text.starts_with(&plain(first)) && text.ends_with(&plain(last)));
            let kept = plain(first).len() + plain(last).len();
            assert_eq!(count, (text.len() - kept).to_string());
        }
        let worst = format!("{:?}", Escape(&b"\xff".repeat(5_000)));
        assert!(worst.len() <= Escape::LONGEST, "{}", worst.len());
    }
}
