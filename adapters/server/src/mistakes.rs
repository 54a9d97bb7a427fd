//! [`Mistakes`]: all that is wrong with a configuration, told at once.

use std::fmt;
use std::ops::Range;

/// What is wrong, each with its place.
#[derive(Debug, Default)]
pub(crate) struct Mistakes(Vec<String>);

impl Mistakes {
    /// The value, or a mistake more.
    pub(crate) fn take<T>(&mut self, result: Result<T, String>) -> Option<T> {
        result.map_err(|mistake| self.0.push(mistake)).ok()
    }

    pub(crate) fn push(&mut self, mistake: String) {
        self.0.push(mistake);
    }

    pub(crate) fn extend(&mut self, mistakes: impl IntoIterator<Item = String>) {
        self.0.extend(mistakes);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Mistakes {
    /// One on each line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// A copy of a file in which what was not understood is blank, so that the rest can be.
pub(crate) struct Remainder {
    text: String,
    blanked: Vec<Range<usize>>,
}

impl Remainder {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            blanked: Vec::new(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Leaves out the lines of a mistake, or all of the table whose header it is at; false if
    /// nothing is left to leave out.
    pub(crate) fn leave_out(&mut self, span: &Range<usize>) -> bool {
        let start = self.line_start(span.start);
        let range = if self.is_header(start) {
            start..self.table_end(start)
        } else {
            start..self.line_end(span.end.max(span.start))
        };
        let is_blank = |text: &str| text.bytes().all(|byte| byte.is_ascii_whitespace());
        if self.text.get(range.clone()).is_none_or(is_blank) {
            return false;
        }
        // Of the same length, so that what follows stays where it is.
        let blank: String = self.text[range.clone()]
            .bytes()
            .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
            .collect();
        self.text.replace_range(range.clone(), &blank);
        self.blanked.push(range);
        true
    }

    /// Whether a line was left out of the table whose header stands there: what lacks in it may
    /// have stood in that line.
    pub(crate) fn has_gap(&self, header: &Range<usize>) -> bool {
        let start = self.line_start(header.start);
        let table = start..self.table_end(start);
        let within = |gap: &Range<usize>| table.contains(&gap.start);
        self.is_header(start) && self.blanked.iter().any(within)
    }

    /// Whether everything that was left out stood in tables of these names, as they stand in
    /// `text`.
    pub(crate) fn is_only_in(&self, text: &str, names: &[&str]) -> bool {
        self.blanked.iter().all(|gap| {
            let before = text.get(..self.line_end(gap.start)).unwrap_or(text);
            let mut headers = before.lines().rev().map(str::trim_start);
            let header = headers.find(|line| line.starts_with('['));
            let name = header.map(|line| line.trim_start_matches('['));
            let name = name.and_then(|line| line.split(']').next()).map(str::trim);
            name.is_some_and(|name| names.contains(&name))
        })
    }

    fn is_header(&self, start: usize) -> bool {
        let line = self.text.get(start..).unwrap_or_default();
        line.trim_start_matches([' ', '\t']).starts_with('[')
    }

    fn line_start(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or(&self.text);
        before.rfind('\n').map_or(0, |end| end + 1)
    }

    fn line_end(&self, at: usize) -> usize {
        let behind = self.text.get(at..).unwrap_or_default();
        behind.find('\n').map_or(self.text.len(), |end| at + end)
    }

    fn table_end(&self, start: usize) -> usize {
        let mut end = self.line_end(start);
        while end < self.text.len() && !self.is_header(end + 1) {
            end = self.line_end(end + 1);
        }
        end
    }
}
