//! [`Listing`]: entries of a storage in, lines for the client out.
//!
//! A storage yields the entries of a directory in any order. The listing filters them, matches
//! globs, formats each as one line and, where an option asks for it, sorts them or asks for the
//! next directory. It writes one whole line or nothing, so a directory of any size needs one
//! entry and one buffer:
//!
//! ```
//! use wharf_core::listing::{Clock, Form, Listing, ListOptions, Step};
//! use wharf_core::{Entry, Metadata, Timestamp};
//!
//! let mut listing = Listing::new(Form::Unix, ListOptions::default());
//! let clock = Clock { now: Timestamp::from_seconds(981_173_106), offset: 0 };
//! let modified = Some(Timestamp::from_seconds(981_173_106));
//! let mut buffer = vec![0; Listing::MAX_LINE];
//! let mut text = Vec::new();
//!
//! for name in ["a.txt", ".hidden"] {
//!     let metadata = Metadata { size: 5, modified, ..Metadata::default() };
//!     let entry = Entry::new(name, metadata);
//!     let pushed = listing.push(&entry, clock, &mut buffer);
//!     assert!(pushed.taken);
//!     text.extend_from_slice(&buffer[..pushed.written]);
//! }
//! assert!(matches!(listing.end_of_directory(clock, &mut buffer), (0, Step::Done)));
//! assert_eq!(text, b"-rw-r--r--   1 ftp      ftp                  5 Feb  3 04:05 a.txt\r\n");
//! ```

mod facts;
mod line;
mod lines;
mod options;
mod sort;

use alloc::boxed::Box;
use alloc::vec::Vec;

use bstr::BStr;
use memchr::memrchr;

use crate::account::{Capabilities, Rights};
use crate::entry::{Entry, Kind};
use crate::forbidden::ForbiddenNames;
use crate::path::VPath;

pub use crate::glob::glob_matches;
pub(crate) use crate::glob::is_pattern;
pub use crate::time::Clock;
pub use facts::FactSet;
pub(crate) use facts::Perm;
pub(crate) use line::Line;
pub use lines::{Directory, Lines, Piece};
pub use options::{ListOptions, Order};
use sort::Sorter;

/// What the lines look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// The lines of `ls -l`.
    #[default]
    Unix,
    /// The lines of the MS-DOS command `dir`.
    MsDos,
    /// Names only, as NLST sends them: each can be given back in a command (RFC 1123 4.1.2.7).
    Names,
    /// The facts of MLSD (RFC 3659 section 7), for an account with these rights.
    Facts {
        /// Which facts.
        facts: FactSet,
        /// For `perm=`.
        rights: Rights,
        /// For `perm=`.
        capabilities: Capabilities,
    },
}

/// The outcome of [`Listing::push`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Pushed {
    /// Bytes written into the buffer.
    pub written: usize,
    /// Whether the listing is done with the entry; if not, the same entry is pushed again into
    /// an empty buffer.
    pub taken: bool,
}

/// What comes behind the end of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// The buffer is full: call again with an empty one.
    More,
    /// Push the entries of this directory next, a path from the root of the tree. If it cannot be
    /// opened, end it at once.
    Enter(VPath),
    /// That was all.
    Done,
}

/// Formats the entries of a directory, or of a tree, as the client asked for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    form: Form,
    options: ListOptions,
    perm: Perm,
    /// Put in front of every name.
    prefix: Vec<u8>,
    /// Only names that match.
    pattern: Option<Vec<u8>>,
    /// Never these.
    forbidden: ForbiddenNames,
    /// Names that begin with a dot are listed.
    dot_files: bool,
    /// Lines begin with a space, as in the middle of a reply.
    indented: bool,
    /// Facts tell of links as what they lead to.
    link_targets: bool,
    sorter: Option<Box<Sorter>>,
    tree: Option<Box<Tree>>,
}

/// What `-R` must remember.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tree {
    /// The directory whose entries are being pushed.
    here: VPath,
    /// The directory that the client named, which the headers are relative to.
    root: VPath,
    /// Directories to enter, the next one last.
    waiting: Vec<VPath>,
    /// Where this directory's own subdirectories begin in `waiting`.
    mark: usize,
    /// Bytes of the paths in `waiting`.
    bytes: usize,
    /// How many directories were queued so far.
    queued: usize,
    /// The header of `here` is yet to be written.
    header: bool,
    /// `here` is not the first directory.
    later: bool,
}

const TREE_DEPTH: usize = 16;
const TREE_DIRECTORIES: usize = 10_000;
const TREE_BYTES: usize = 256 * 1024;
/// Room that a line needs beside names: facts with every number at its longest.
const FIXED: usize = 256;

impl Listing {
    /// A buffer of this size always has room for a line.
    pub const MAX_LINE: usize = FIXED + 3 * (VPath::MAX + 1);

    /// A listing in that form.
    #[must_use]
    pub fn new(form: Form, options: ListOptions) -> Self {
        let perm = match form {
            Form::Facts {
                rights,
                capabilities,
                ..
            } => Perm::new(rights, capabilities),
            _ => Perm::new(Rights::NONE, Capabilities::NONE),
        };
        let listed_once = options.itself || matches!(form, Form::Facts { .. });
        Self {
            form,
            options,
            perm,
            prefix: Vec::new(),
            pattern: None,
            forbidden: ForbiddenNames::NONE,
            dot_files: options.all || listed_once,
            indented: false,
            link_targets: false,
            sorter: options.sorts().then(Box::default),
            tree: (options.recursive && !listed_once).then(|| {
                Box::new(Tree {
                    header: true,
                    ..Tree::default()
                })
            }),
        }
    }

    /// Keeps the argument that names what is listed, from which the names get their prefix.
    pub(crate) fn named(mut self, argument: &[u8]) -> Self {
        // Slashes at the end mean nothing, but for the root.
        let end = argument
            .iter()
            .rposition(|&byte| byte != b'/')
            .map_or(1, |last| last + 1);
        self.prefix
            .extend_from_slice(&argument[..end.min(argument.len())]);
        self
    }

    /// The argument names a directory, `root`, whose entries are shown.
    pub(crate) fn show_entries(&mut self, root: &VPath) {
        if !self.prefix.is_empty() && !self.prefix.ends_with(b"/") {
            self.prefix.push(b'/');
        }
        if let Some(tree) = &mut self.tree {
            tree.here = root.clone();
            tree.root = root.clone();
        }
    }

    /// The argument names what is shown itself, be it hidden or not.
    pub(crate) fn show_itself(&mut self) {
        self.split_name();
        self.dot_files = true;
        self.tree = None;
    }

    /// The last component of the argument is a pattern for the entries that are shown.
    pub(crate) fn show_matches(&mut self) {
        let pattern = self.split_name();
        self.dot_files |= pattern.starts_with(b".");
        self.pattern = Some(pattern);
        self.tree = None;
    }

    /// Cuts the last component off the prefix.
    fn split_name(&mut self) -> Vec<u8> {
        let start = memrchr(b'/', &self.prefix).map_or(0, |slash| slash + 1);
        self.prefix.split_off(start)
    }

    /// Keeps at most so many bytes to sort lines, also those that no option asks to be sorted if
    /// they are to be sorted by name. Facts are never sorted.
    pub(crate) fn sorted_within(mut self, limit: usize, by_name: bool) -> Self {
        let sorts = by_name && !matches!(self.form, Form::Facts { .. });
        if self.options.sorts() || sorts {
            self.sorter = Some(Box::new(Sorter::new(limit)));
        }
        self
    }

    /// Facts tell of links as what they lead to, where that is known.
    pub(crate) fn with_link_targets(mut self, told: bool) -> Self {
        self.link_targets = told;
        self
    }

    /// Lists names that begin with a dot also without `-a`.
    pub(crate) fn with_dot_files(mut self, shown: bool) -> Self {
        self.dot_files |= shown;
        self
    }

    /// Never lists these.
    pub(crate) fn without(mut self, names: &ForbiddenNames) -> Self {
        self.forbidden = names.clone();
        self
    }

    /// Begins every line with a space.
    pub(crate) fn indented(mut self) -> Self {
        self.indented = true;
        self
    }

    /// Takes one entry and writes its line into `out`, if there is one and it has room.
    ///
    /// Names that the client cannot give back are left out in silence: one that is empty, has a slash
    /// in it or is longer than [`VPath::MAX`].
    ///
    /// A buffer of [`Listing::MAX_LINE`] bytes always has room for one line.
    pub fn push(&mut self, entry: &Entry<'_>, clock: Clock, out: &mut [u8]) -> Pushed {
        if !self.shows(entry) {
            return Pushed {
                written: 0,
                taken: true,
            };
        }
        if let Some(sorter) = &mut self.sorter {
            match sorter.keep(entry) {
                Ok(()) => {
                    return Pushed {
                        written: 0,
                        taken: true,
                    };
                }
                Err(sort::Full) => {
                    let written = self.write_sorted(clock, out);
                    if self
                        .sorter
                        .as_ref()
                        .is_some_and(|sorter| !sorter.is_drained())
                    {
                        return Pushed {
                            written,
                            taken: false,
                        };
                    }
                    // Beyond its limit the order is the storage's.
                    let line = self.write_entry(entry, clock, &mut out[written..]);
                    return Pushed {
                        written: written + line.unwrap_or(0),
                        taken: line.is_some(),
                    };
                }
            }
        }
        let header = match self.write_header(out) {
            Some(written) => written,
            None => {
                return Pushed {
                    written: 0,
                    taken: false,
                };
            }
        };
        let line = self.write_entry(entry, clock, &mut out[header..]);
        Pushed {
            written: header + line.unwrap_or(0),
            taken: line.is_some(),
        }
    }

    /// Takes the end of the directory, writes what was kept back, and says what comes next. `out`
    /// may be the rest of a buffer: where it has no room for a line, the answer is [`Step::More`].
    pub fn end_of_directory(&mut self, clock: Clock, out: &mut [u8]) -> (usize, Step) {
        if let Some(sorter) = &mut self.sorter {
            sorter.sort(self.options);
        }
        let mut written = self.write_sorted(clock, out);
        if self
            .sorter
            .as_ref()
            .is_some_and(|sorter| !sorter.is_drained())
        {
            return (written, Step::More);
        }
        // An empty directory has a header too.
        match self.write_header(&mut out[written..]) {
            Some(header) => written += header,
            None => return (written, Step::More),
        }
        if let Some(sorter) = &mut self.sorter {
            sorter.clear();
        }
        let step = match self.tree.as_mut().and_then(|tree| tree.enter_next()) {
            Some(path) => Step::Enter(path),
            None => Step::Done,
        };
        (written, step)
    }

    /// Bytes of memory beyond the listing itself: what it keeps to sort lines, and the directories
    /// that `-R` has yet to enter. Forbidden names are the account's.
    #[must_use]
    pub fn heap_size(&self) -> usize {
        let sorter = self.sorter.as_deref();
        let tree = self.tree.as_deref();
        self.prefix.capacity()
            + self.pattern.as_ref().map_or(0, Vec::capacity)
            + sorter.map_or(0, |sorter| size_of_val(sorter) + sorter.heap_size())
            + tree.map_or(0, |tree| size_of_val(tree) + tree.heap_size())
    }

    /// LIST and MLSD may tell what can be continued; names without a length, and STAT, do not.
    fn shows_partials(&self) -> bool {
        !self.indented && self.line_form() != Form::Names
    }

    fn shows(&self, entry: &Entry<'_>) -> bool {
        let name = entry.name;
        let addressable = !name.is_empty() && name.len() <= VPath::MAX && !name.contains(&b'/');
        addressable
            && (entry.metadata.kind != Kind::Partial || self.shows_partials())
            && (self.dot_files || !name.starts_with(b"."))
            && !self.forbidden.contain(name)
            && self
                .pattern
                .as_ref()
                .is_none_or(|pattern| glob_matches(pattern, name))
    }

    /// Writes what the sorter holds until it is drained or `out` is full.
    fn write_sorted(&mut self, clock: Clock, out: &mut [u8]) -> usize {
        let Some(mut sorter) = self.sorter.take() else {
            return 0;
        };
        let mut written = 0;
        if !sorter.is_drained()
            && let Some(header) = self.write_header(out)
        {
            written = header;
            while let Some(entry) = sorter.peek() {
                match self.write_entry(&entry, clock, &mut out[written..]) {
                    Some(line) => written += line,
                    None => break,
                }
                sorter.advance();
            }
        }
        self.sorter = Some(sorter);
        written
    }

    /// The line `directory:` of `-R`, once; `None` if it has no room.
    fn write_header(&mut self, out: &mut [u8]) -> Option<usize> {
        let Some(tree) = self.tree.as_mut().filter(|tree| tree.header) else {
            return Some(0);
        };
        if out.len() < FIXED + self.prefix.len() + VPath::MAX {
            return None;
        }
        let mut line = Line::new(out);
        if tree.later {
            line.end();
        }
        let below = tree
            .here
            .relative()
            .get(tree.root.relative().len()..)
            .unwrap_or_default();
        let below = below.strip_prefix(b"/").unwrap_or(below);
        if self.indented {
            line.bytes(b" ");
        }
        if self.prefix.is_empty() {
            line.bytes(if below.is_empty() { b"." } else { b"./" });
            line.name(below, true);
        } else {
            line.name(
                self.prefix
                    .strip_suffix(b"/")
                    .filter(|_| below.is_empty())
                    .unwrap_or(&self.prefix),
                true,
            );
            line.name(below, true);
        }
        line.bytes(b":");
        line.end();
        tree.header = false;
        tree.later = true;
        Some(line.len())
    }

    /// The facts of one entry without its name, as MLST shows them: how many bytes they are.
    pub(crate) fn write_facts(&self, entry: &Entry<'_>, out: &mut [u8; FIXED]) -> usize {
        let mut line = Line::new(out);
        if let Form::Facts { facts, .. } = self.form {
            line.facts(entry, facts, &self.perm);
        }
        // The space that divides them from the name is the last byte.
        line.len()
    }

    /// What the lines look like, once the options are heard.
    fn line_form(&self) -> Form {
        match self.form {
            Form::Unix | Form::MsDos if self.options.names_only => Form::Names,
            Form::Names if self.options.long => Form::Unix,
            form => form,
        }
    }

    /// The line of one entry; `None` if it has no room.
    fn write_entry(&mut self, entry: &Entry<'_>, clock: Clock, out: &mut [u8]) -> Option<usize> {
        // As with names: what no path can hold is not shown.
        let fits = |target: &&BStr| target.len() <= VPath::MAX;
        let mut entry = Entry {
            target: entry.target.filter(fits),
            ..*entry
        };
        if let (Form::Facts { .. }, true, Some(metadata)) =
            (self.form, self.link_targets, entry.leads_to)
        {
            entry.metadata = metadata;
        }
        let entry = &entry;
        let target = entry.target.map_or(0, |target| target.len());
        if out.len() < FIXED + self.prefix.len() + entry.name.len() + target {
            return None;
        }
        let mut line = Line::new(out);
        if self.indented {
            line.bytes(b" ");
        }
        match self.line_form() {
            Form::Unix => {
                line.unix(entry, clock);
                // `ls -F` shows either where a link points or that it is one.
                if self.options.classify {
                    line.classify(&entry.metadata);
                } else {
                    line.target(entry);
                }
            }
            Form::MsDos => line.msdos(entry, clock),
            Form::Names => {
                if self.tree.is_none() {
                    line.name(&self.prefix, false);
                }
                line.name(entry.name, false);
                if self.options.classify {
                    line.classify(&entry.metadata);
                }
            }
            Form::Facts { facts, .. } => {
                line.facts(entry, facts, &self.perm);
                line.name(entry.name, false);
            }
        }
        line.end();
        if let Some(tree) = self
            .tree
            .as_mut()
            .filter(|_| entry.metadata.kind == Kind::Directory)
        {
            tree.remember(entry);
        }
        Some(line.len())
    }
}

impl Tree {
    /// Bytes of memory behind it.
    fn heap_size(&self) -> usize {
        self.here.capacity()
            + self.root.capacity()
            + self.waiting.capacity() * size_of::<VPath>()
            + self.waiting.iter().map(VPath::capacity).sum::<usize>()
    }

    /// Queues a directory, within the limits.
    fn remember(&mut self, entry: &Entry<'_>) {
        let Ok(path) = self.here.join(entry.name) else {
            return;
        };
        let depth = path.components().count() - self.root.components().count();
        let bytes = self.bytes + path.relative().len();
        if depth < TREE_DEPTH && self.queued < TREE_DIRECTORIES && bytes <= TREE_BYTES {
            self.bytes = bytes;
            self.queued += 1;
            self.waiting.push(path);
        }
    }

    /// Goes on with the first subdirectory of this directory, or the next of those above.
    fn enter_next(&mut self) -> Option<VPath> {
        self.waiting[self.mark..].reverse();
        let next = self.waiting.pop()?;
        self.mark = self.waiting.len();
        self.bytes -= next.relative().len();
        self.header = true;
        self.here = next.clone();
        Some(next)
    }
}
