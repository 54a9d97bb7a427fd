//! [`Escape`]: bytes from a client or a disk, safe to print.

use std::fmt::{self, Write};

/// Shows bytes as one line of text that no terminal obeys: control characters, those that turn the
/// direction of writing, and bytes that are not UTF-8 are written as escapes, and so is the
/// backslash, so that nothing can pretend to be one. Its `Debug` form stands in quotes.
///
/// ```
/// use wharf_server::Escape;
///
/// assert_eq!(Escape(b"caf\xc3\xa9 \x1b[2J\r\xff").to_string(), r"café \x1b[2J\r\xff");
/// assert_eq!(format!("{:?}", Escape(br#"a "b" \c"#)), r#""a \"b\" \\c""#);
/// ```
#[derive(Clone, Copy)]
pub struct Escape<'a>(pub &'a [u8]);

impl fmt::Display for Escape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(self.0, is_unsafe, f)
    }
}

impl fmt::Debug for Escape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        escape(self.0, |c| c == '"' || is_unsafe(c), f)?;
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
