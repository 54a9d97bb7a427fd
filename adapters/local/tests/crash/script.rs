//! [`Script`]: a sequence of changes that is the same wherever it is played, and what each makes of
//! a tree.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use wharf_core::{Edit, Failure, Kind, Mode, Reason};
use wharf_local::Local;
use wharf_storage::BlockingStorage;

use crate::common::{APPEND, path, sink, write_at};

/// Names and contents; a directory has none.
pub type Tree = BTreeMap<String, Option<Rc<Vec<u8>>>>;

const FILES: [&str; 5] = ["/a", "/b", "/c", "/sub/a", "/sub/b"];
const DIRECTORY: &str = "/made";

/// Uploads are written in pieces of this size.
const PIECE: usize = 8 * 1024;
/// Nothing is appended to longer files.
const LONG: usize = 200_000;

/// A change that is acknowledged as a whole.
#[derive(Clone)]
pub enum Step {
    Upload {
        mode: Mode,
        name: &'static str,
        bytes: Vec<u8>,
    },
    /// An upload that breaks off in the middle and is continued.
    Broken {
        name: &'static str,
        bytes: Vec<u8>,
    },
    Edit(Edit, &'static str, &'static str),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upload { mode, name, bytes } => write!(f, "{mode:?} {name}: {}", bytes.len()),
            Self::Broken { name, bytes } => write!(f, "broken {name}: {}", bytes.len()),
            Self::Edit(edit, new, old) => write!(f, "{edit:?} {new} {old}"),
        }
    }
}

/// Random numbers, the same ones for the same seed.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }

    /// Bytes that no other file has.
    fn bytes(&mut self) -> Vec<u8> {
        let most = [100, 5_000, 100_000][self.below(3)];
        let length = self.below(most);
        let mut bytes = Vec::with_capacity(length + 7);
        while bytes.len() < length {
            self.below(1);
            bytes.extend(self.0.to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

/// The changes, and the tree as it is after each.
#[derive(Clone)]
pub struct Script {
    random: Random,
    pub tree: Tree,
}

impl Script {
    /// The beginning, and the tree with which it begins.
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            tree: [("/sub".to_owned(), None)].into(),
        }
    }

    /// The next change; the tree is as after it.
    pub fn advance(&mut self) -> Step {
        let step = self.choose();
        step.apply(&mut self.tree);
        step
    }

    fn choose(&mut self) -> Step {
        let name = FILES[self.random.below(FILES.len())];
        let other = FILES[self.random.below(FILES.len())];
        let kind = self.random.below(12);
        let upload = |mode, bytes| Step::Upload { mode, name, bytes };
        let Some(Some(content)) = self.tree.get(name) else {
            let bytes = self.random.bytes();
            return match kind {
                0..2 => Step::Broken { name, bytes },
                _ => upload(write_at(0), bytes),
            };
        };
        let length = content.len();
        match kind {
            0..2 => upload(write_at(0), self.random.bytes()),
            2 => {
                let bytes = self.random.bytes();
                Step::Broken { name, bytes }
            }
            3..5 if length < LONG => upload(APPEND, self.random.bytes()),
            5 if length > 0 => {
                let at = self.random.below(length) as u64;
                upload(write_at(at), self.random.bytes())
            }
            6..9 if name != other => Step::Edit(Edit::Rename { replace: true }, other, name),
            9 if self.tree.contains_key(DIRECTORY) => {
                Step::Edit(Edit::RemoveDirectory, DIRECTORY, "/")
            }
            9 => Step::Edit(Edit::MakeDirectory { umask: None }, DIRECTORY, "/"),
            _ => Step::Edit(Edit::Delete, name, "/"),
        }
    }
}

impl Step {
    /// What it makes of a tree.
    fn apply(&self, tree: &mut Tree) {
        match self {
            Self::Upload { mode, name, bytes } => {
                let old = tree.get(*name).cloned().flatten().unwrap_or_default();
                let at = match mode {
                    Mode::Write { at, .. } => *at as usize,
                    _ => old.len(),
                };
                let mut new = [&old[..at], bytes].concat();
                if at > 0 {
                    new.extend_from_slice(old.get(new.len()..).unwrap_or_default());
                }
                tree.insert((*name).to_owned(), Some(Rc::new(new)));
            }
            Self::Broken { name, bytes } => {
                tree.insert((*name).to_owned(), Some(Rc::new(bytes.clone())));
            }
            Self::Edit(Edit::MakeDirectory { .. }, name, _) => {
                tree.insert((*name).to_owned(), None);
            }
            Self::Edit(Edit::Rename { .. }, new, old) => {
                let moved = tree.remove(*old).unwrap();
                tree.insert((*new).to_owned(), moved);
            }
            Self::Edit(_, name, _) => {
                tree.remove(*name);
            }
        }
    }

    /// Carries it out.
    pub fn perform(&self, local: &Local) -> Result<(), Failure> {
        match self {
            Self::Upload { mode, name, bytes } => upload(local, *mode, name, bytes),
            Self::Broken { name, bytes } => {
                let sent = &bytes[..bytes.len() / 2];
                let mut sink = sink(local, write_at(0), name)?;
                sent.chunks(PIECE).try_for_each(|piece| sink.write(piece))?;
                sink.abandon(Reason::Reset);
                let at = match local.stat(&path(name)) {
                    Ok(seen) if seen.kind == Kind::Partial => seen.size,
                    _ => 0,
                };
                upload(local, write_at(at), name, &bytes[at as usize..])
            }
            Self::Edit(edit, new, old) => local.change(*edit, &path(new), &path(old)).map(drop),
        }
    }

    /// Whether a tree is on the way between these two. Only an append is seen as it goes on: it may
    /// end early, and perhaps in zeros.
    pub fn is_between(&self, before: &Tree, found: &Tree, after: &Tree, zeros: bool) -> bool {
        let Self::Upload { mode, name, .. } = self else {
            return false;
        };
        let content = |tree: &Tree| tree.get(*name).cloned().flatten().unwrap_or_default();
        let mut others = found.clone();
        others.insert((*name).to_owned(), Some(content(after)));
        let (before, found) = (content(before), content(found));
        *mode == APPEND
            && others == *after
            && found.starts_with(&before)
            && is_beginning(&found, &content(after), zeros)
    }
}

/// Whether something is the beginning of the whole, but for zeros at its end.
pub fn is_beginning(found: &[u8], whole: &[u8], zeros: bool) -> bool {
    let same = found.iter().zip(whole).take_while(|(a, b)| a == b).count();
    let rest = &found[same..];
    rest.is_empty() || zeros && rest.iter().all(|&byte| byte == 0)
}

fn upload(local: &Local, mode: Mode, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let mut sink = sink(local, mode, name)?;
    bytes
        .chunks(PIECE)
        .try_for_each(|piece| sink.write(piece))?;
    sink.commit()
}
