//! [`Told`]: what a script says of a download.

use crate::{Line, number};

/// What a script says of a download, from its command on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The size of the file.
    pub size: Option<usize>,
    /// The file ends after so many bytes while it is sent.
    pub cut: Option<usize>,
    /// Something happens while it is sent.
    pub is_held: bool,
}

impl Told {
    /// `ahead` are the lines after the command, `from` is where the download begins.
    #[must_use]
    pub fn by(ahead: &[Line], from: usize) -> Self {
        let answer = ahead
            .iter()
            .position(|line| line.mark.starts_with('S') && line.mark != "S-");
        let lines = &ahead[..answer.unwrap_or(ahead.len())];
        let size = lines.iter().find_map(|line| {
            let (_, argument) = line.event()?;
            argument.strip_prefix("size=").map(number)
        });
        let begun = lines.iter().position(|line| line.mark == "S-");
        let sending = begun.map_or(&[][..], |at| &lines[at + 1..]);
        let moved: usize = sending
            .iter()
            .filter_map(Line::event)
            .filter(|(event, _)| *event == "fs-data")
            .map(|(_, count)| number::<usize>(count))
            .sum();
        let end = from + moved;
        let ends = sending.iter().any(|line| line.is_event("fs-eof"));
        let cut = (ends && Some(end) < size).then_some(end);
        let is_plain = |line: &Line| {
            line.mark.starts_with('A') || line.is_event("fs-data") || line.is_event("fs-eof")
        };
        Self {
            size,
            cut,
            is_held: cut.is_some() || !sending.iter().all(is_plain),
        }
    }
}
