//! [`Script`]: the conversations of the core's corpora. Their README says what the lines mean.

use std::fmt;
use std::fs;
use std::io;

/// Where they are.
const FOLDER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../core/tests/corpora/sessions"
);

/// A conversation, with what happens around it.
#[derive(Clone, Debug)]
pub struct Script {
    /// Of its file, without the ending.
    pub name: String,
    /// In their order.
    pub lines: Vec<Line>,
}

/// A line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who does it: `C`, `S`, `E` and so on.
    pub mark: String,
    /// What is done.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.mark, self.text)
    }
}

impl Line {
    /// The event and what it is about, if it is an event.
    #[must_use]
    pub fn event(&self) -> Option<(&str, &str)> {
        let event = (self.mark == "E").then_some(&self.text[..])?;
        Some(event.split_once(' ').unwrap_or((event, "")))
    }

    /// The bytes that the client sends, if it sends some.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let bytes = <Vec<u8> as bstr::ByteVec>::unescape_bytes(&self.text);
        match &self.mark[..] {
            "C" | "C1" => Some([&bytes[..], b"\r\n"].concat()),
            "C~" => Some(bytes),
            _ => None,
        }
    }

    /// Whether that code is one that the line waits for.
    #[must_use]
    pub fn wants(&self, code: u16) -> bool {
        let code = code.to_string();
        self.text
            .split('|')
            .any(|want| match want.strip_suffix("..") {
                Some(class) => code.starts_with(class),
                None => code == want,
            })
    }
}

impl Script {
    /// All of them.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn all() -> io::Result<Vec<Self>> {
        let mut scripts = Vec::new();
        for file in fs::read_dir(FOLDER)? {
            let path = file?.path();
            let name = path.file_stem().unwrap_or_default();
            let mut text = fs::read_to_string(&path)?;
            // REST is for TYPE I, and a session begins in TYPE A.
            if text.contains("C: REST") {
                text = text.replacen("S: 230\n", "S: 230\nC: TYPE I\nS: 200\n", 1);
            }
            scripts.push(Self {
                name: name.to_string_lossy().into_owned(),
                lines: text.lines().filter_map(line).collect(),
            });
        }
        scripts.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(scripts)
    }

    /// A number that it begins with, by name.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<u64> {
        self.word(key).map(number)
    }

    /// What it begins with, by name.
    #[must_use]
    pub fn word(&self, key: &str) -> Option<&str> {
        let settings = self.lines.iter().filter(|line| line.mark == "cfg");
        settings
            .flat_map(|line| line.text.split(' '))
            .filter_map(|setting| setting.split_once('='))
            .find(|(known, _)| *known == key)
            .map(|(_, value)| value)
    }
}

/// Nothing of a remark.
fn line(line: &str) -> Option<Line> {
    let (mark, text) = line.split_once(':').filter(|_| !line.starts_with('#'))?;
    Some(Line {
        mark: mark.to_owned(),
        text: text.strip_prefix(' ').unwrap_or(text).to_owned(),
    })
}

/// A number that a script names.
///
/// # Panics
/// If it is none.
#[must_use]
pub(crate) fn number(text: &str) -> u64 {
    match text.parse() {
        Ok(number) => number,
        Err(_) => panic!("no number: {text}"),
    }
}
