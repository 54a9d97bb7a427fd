//! What a client sends is logged as one line that no terminal obeys.

use wharf_driver::Escape;

/// Bytes, and how they are shown.
const CASES: &[(&[u8], &str)] = &[
    (b"", ""),
    (b"plain name.txt", "plain name.txt"),
    ("Grüße, 世界 🚢".as_bytes(), "Grüße, 世界 🚢"),
    (b"evil\x1b[2J\r", r"evil\x1b[2J\r"),
    (b"two\nlines\ttab\x07\0\x7f", r"two\nlines\ttab\x07\x00\x7f"),
    (br"\x1b is not \x1b", r"\\x1b is not \\x1b"),
    (b"\xff\xfe latin \xe9t\xe9", r"\xff\xfe latin \xe9t\xe9"),
    (b"cut \xe4\xb8", r"cut \xe4\xb8"),
    ("c1 \u{9b}2J".as_bytes(), r"c1 \u{9b}2J"),
    ("turn \u{202e}txt.exe".as_bytes(), r"turn \u{202e}txt.exe"),
    ("line\u{2028}end".as_bytes(), r"line\u{2028}end"),
    (br#"quotes "stay""#, r#"quotes "stay""#),
];

#[test]
fn control_bytes_and_bytes_that_are_not_text_are_escaped() {
    for (bytes, shown) in CASES {
        assert_eq!(Escape(bytes).to_string(), *shown);
    }
}

#[test]
fn the_quoted_form_ends_at_its_quote() {
    assert_eq!(format!("{:?}", Escape(b"a b")), r#""a b""#);
    assert_eq!(format!("{:?}", Escape(br#"a" b="c\"#)), r#""a\" b=\"c\\""#);
}

#[test]
fn every_byte_is_shown_without_control_characters() {
    for first in 0..=u8::MAX {
        for second in 0..=u8::MAX {
            let shown = Escape(&[first, second]).to_string();
            assert!(!shown.contains(char::is_control), "{first} {second}");
        }
    }
}
