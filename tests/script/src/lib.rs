//! [`Script`]: the conversations in `core/tests/corpora/sessions`, read for those who play them: the
//! core alone, the adapter in simulated time, and the binaries. The README there says what the lines
//! mean.

mod told;

use std::fmt;
use std::fs;
use std::io;
use std::str::FromStr;

use bstr::ByteVec;

pub use told::Told;

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

impl Script {
    /// All of them, by name.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn all() -> io::Result<Vec<Self>> {
        let mut scripts = Vec::new();
        for file in fs::read_dir(FOLDER)? {
            let path = file?.path();
            let name = path.file_stem().unwrap_or_default();
            scripts.push(Self::read(&name.to_string_lossy())?);
        }
        scripts.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(scripts)
    }

    /// The one of that name.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(name: &str) -> io::Result<Self> {
        let text = fs::read_to_string(format!("{FOLDER}/{name}.ftp"))?;
        Ok(Self {
            name: name.to_owned(),
            lines: lines(&text),
        })
    }

    /// What it begins with: keys and values.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        let settings = self.lines.iter().filter(|line| line.mark == "cfg");
        settings
            .flat_map(|line| line.text.split(' '))
            .map(|setting| setting.split_once('=').unwrap_or((setting, "")))
    }

    /// What it begins with of that key.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&str> {
        let mut settings = self.settings();
        settings.find_map(|(known, value)| (known == key).then_some(value))
    }
}

/// REST is for TYPE I, and a session begins in TYPE A.
fn lines(text: &str) -> Vec<Line> {
    let text = if text.contains("C: REST") {
        &text.replacen("S: 230\n", "S: 230\nC: TYPE I\nS: 200\n", 1)
    } else {
        text
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(Line::read).collect()
}

/// A line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who does it: `C`, `S`, `E` and so on.
    pub mark: String,
    /// What is done.
    pub text: String,
}

impl Line {
    fn read(line: &str) -> Self {
        let (mark, text) = line.split_once(':').unwrap_or((line, ""));
        Self {
            mark: mark.to_owned(),
            text: text.strip_prefix(' ').unwrap_or(text).to_owned(),
        }
    }

    /// The event and what it is about, if it is an event.
    #[must_use]
    pub fn event(&self) -> Option<(&str, &str)> {
        let event = (self.mark == "E").then_some(&self.text[..])?;
        Some(event.split_once(' ').unwrap_or((event, "")))
    }

    /// Whether it is that event.
    #[must_use]
    pub fn is_event(&self, name: &str) -> bool {
        self.event().is_some_and(|(event, _)| event == name)
    }

    /// What the client sends, as it does, if it sends anything.
    #[must_use]
    pub fn pieces(&self) -> Option<Vec<Vec<u8>>> {
        let bytes = unescape(&self.text);
        let line = |bytes: Vec<u8>| [&bytes[..], b"\r\n"].concat();
        match &self.mark[..] {
            "C" => Some(vec![line(bytes)]),
            "C1" => Some(line(bytes).into_iter().map(|byte| vec![byte]).collect()),
            "C~" => Some(vec![bytes]),
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

    /// Whether these codes are what the line waits for, in any order.
    #[must_use]
    pub fn wants_all(&self, codes: &[u16]) -> bool {
        let mut wanted: Vec<u16> = self.text.split(' ').map(number).collect();
        let mut codes = codes.to_vec();
        wanted.sort_unstable();
        codes.sort_unstable();
        codes == wanted
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.mark, self.text)
    }
}

/// Bytes from text with `\r`, `\n`, `\xNN` and `\\`.
#[must_use]
pub fn unescape(text: &str) -> Vec<u8> {
    Vec::unescape_bytes(text)
}

/// A number that a script names.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn number<N: FromStr>(text: &str) -> N {
    match text.parse() {
        Ok(number) => number,
        Err(_) => panic!("{text} is no number"),
    }
}

/// So many letters from that one on, for the content of files. No ends of lines: TYPE A shall not
/// change them.
#[must_use]
pub fn letters(first: u8, count: usize) -> Vec<u8> {
    // A prime number of them, so that what is out of place is seen.
    let row: Vec<u8> = (first..first + 23).collect();
    row.into_iter().cycle().take(count).collect()
}
