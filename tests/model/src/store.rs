//! [`Store`]: a tree of files in memory that remembers every version, as the storage of a session
//! and as the witness of what it did.

use std::collections::BTreeMap;
use std::sync::Arc;

use bstr::{BString, ByteSlice};
use wharf_core::{Changed, Edit, Failure, Kind, Metadata, Mode, Opened, Scope, Timestamp, VPath};

/// The bytes of a file, or nothing if there is none.
pub type Version = Option<Arc<[u8]>>;

/// What stands under a name.
#[derive(Clone, Debug)]
enum Node {
    Directory,
    File(Arc<[u8]>),
}

/// What was opened.
#[derive(Debug)]
pub enum Handle {
    /// A version of a file, which stays what it is, and the next byte to read.
    Read(Arc<[u8]>, usize),
    /// An upload: where it goes, what it is so far, the next byte to write.
    Write {
        /// Where it becomes visible.
        path: VPath,
        /// What will be there.
        bytes: Vec<u8>,
        /// The next byte to write.
        at: usize,
        /// Whether a file may be replaced.
        replace: bool,
    },
    /// The names in a directory.
    List(Vec<(BString, Metadata)>),
}

/// Files and directories, each with its past.
#[derive(Debug)]
pub struct Store {
    nodes: BTreeMap<VPath, Node>,
    /// Every version of a name, and since when.
    past: BTreeMap<VPath, Vec<(u64, Version)>>,
    /// Handles that are open.
    pub open: usize,
    unique: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            nodes: BTreeMap::from([(VPath::root(), Node::Directory)]),
            past: BTreeMap::new(),
            open: 0,
            unique: 0,
        }
    }
}

impl Store {
    /// Puts a file or, without bytes, a directory there, whatever was there before.
    pub fn put(&mut self, now: u64, path: &str, bytes: Option<&[u8]>) {
        let path = at(path.as_bytes());
        match bytes {
            Some(bytes) => self.set(now, path, bytes.into()),
            None => _ = self.nodes.insert(path, Node::Directory),
        }
    }

    fn set(&mut self, now: u64, path: VPath, bytes: Arc<[u8]>) {
        let past = self.past.entry(path.clone()).or_default();
        past.push((now, Some(Arc::clone(&bytes))));
        self.nodes.insert(path, Node::File(bytes));
    }

    fn remove(&mut self, now: u64, path: &VPath) {
        if let Some(Node::File(_)) = self.nodes.remove(path) {
            let past = self.past.entry(path.clone()).or_default();
            past.push((now, None));
        }
    }

    /// What stood under that name at some time in between, ends included.
    pub fn versions(&self, path: &VPath, from: u64, to: u64) -> impl Iterator<Item = &Version> {
        let past = self.past.get(path).map_or(&[][..], |past| past);
        // The one that stood at the beginning.
        let first = past.iter().rposition(|(since, _)| *since < from);
        let skipped = first.unwrap_or(0);
        let nothing = first.is_none().then_some(&None);
        let within = past[skipped..]
            .iter()
            .filter(move |(since, _)| *since <= to);
        nothing
            .into_iter()
            .chain(within.map(|(_, version)| version))
    }

    /// Every version that ever stood under any name.
    pub fn history(&self) -> impl Iterator<Item = (&VPath, &Version)> {
        let all = self.past.iter();
        all.flat_map(|(path, past)| past.iter().map(move |(_, version)| (path, version)))
    }

    /// The bytes that stand there.
    #[must_use]
    pub fn read(&self, path: &VPath) -> Version {
        match self.nodes.get(path) {
            Some(Node::File(bytes)) => Some(Arc::clone(bytes)),
            _ => None,
        }
    }

    /// Every path, and the bytes of files.
    pub fn all(&self) -> impl Iterator<Item = (&VPath, Version)> {
        self.nodes.iter().map(|(path, node)| match node {
            Node::Directory => (path, None),
            Node::File(bytes) => (path, Some(Arc::clone(bytes))),
        })
    }

    /// What stands there.
    ///
    /// # Errors
    /// [`Failure::NotFound`].
    pub fn stat(&self, path: &VPath) -> Result<Metadata, Failure> {
        self.nodes.get(path).map(facts).ok_or(Failure::NotFound)
    }

    fn is_directory(&self, path: &VPath) -> bool {
        matches!(self.nodes.get(path), Some(Node::Directory))
    }

    fn children(&self, path: &VPath) -> impl Iterator<Item = (&VPath, &Node)> {
        let path = path.clone();
        // Not only as long as they lie within: `/d.1` stands between `/d` and `/d/a`.
        let behind = self.nodes.range(path.clone()..).skip(1);
        behind.filter(move |(name, _)| name.parent() == path)
    }

    /// Whether a new name may stand there.
    fn check_place(&self, path: &VPath) -> Result<(), Failure> {
        match self.nodes.get(&path.parent()) {
            _ if path.is_root() => Err(Failure::IsADirectory),
            Some(Node::Directory) => Ok(()),
            Some(Node::File(_)) => Err(Failure::NotADirectory),
            None => Err(Failure::NotFound),
        }
    }

    /// Changes something; `other` is the old name of a rename.
    ///
    /// # Errors
    /// As a file system would.
    pub fn change(
        &mut self,
        now: u64,
        path: &VPath,
        other: &VPath,
        edit: Edit,
    ) -> Result<Changed, Failure> {
        let done = match edit {
            Edit::Delete => match self.nodes.get(path) {
                None => Err(Failure::NotFound),
                Some(Node::Directory) => Err(Failure::IsADirectory),
                Some(Node::File(_)) => {
                    self.remove(now, path);
                    Ok(())
                }
            },
            Edit::RemoveDirectory => match self.nodes.get(path) {
                None => Err(Failure::NotFound),
                Some(Node::File(_)) => Err(Failure::NotADirectory),
                Some(Node::Directory) if self.children(path).next().is_some() => {
                    Err(Failure::NotEmpty)
                }
                Some(Node::Directory) => {
                    self.nodes.remove(path);
                    Ok(())
                }
            },
            Edit::MakeDirectory { .. } if self.nodes.contains_key(path) => {
                Err(match self.is_directory(path) {
                    true => Failure::IsADirectory,
                    false => Failure::Exists,
                })
            }
            Edit::MakeDirectory { .. } => {
                self.check_place(path)?;
                self.nodes.insert(path.clone(), Node::Directory);
                Ok(())
            }
            Edit::Rename { replace } => self.rename(now, other, path, replace),
            Edit::Set(_) => self.stat(path).map(drop),
            Edit::Symlink => Err(Failure::Unsupported),
        };
        done.map(|()| Changed::default())
    }

    fn rename(&mut self, now: u64, from: &VPath, to: &VPath, replace: bool) -> Result<(), Failure> {
        let node = self.nodes.get(from).cloned().ok_or(Failure::NotFound)?;
        self.check_place(to)?;
        match (&node, self.nodes.get(to)) {
            _ if from == to => return Ok(()),
            (_, Some(Node::Directory)) => return Err(Failure::Exists),
            (Node::Directory, Some(Node::File(_))) => return Err(Failure::Exists),
            (Node::File(_), Some(Node::File(_))) if !replace => return Err(Failure::Exists),
            _ => {}
        }
        if let Node::File(bytes) = node {
            self.remove(now, from);
            self.set(now, to.clone(), bytes);
            return Ok(());
        }
        let moved: Vec<VPath> = self
            .nodes
            .range(from.clone()..)
            .filter(|(name, _)| name.is_within(from))
            .map(|(name, _)| name.clone())
            .collect();
        for name in moved {
            let relative = name.as_bytes()[from.as_bytes().len()..].as_bstr();
            let new = at(format!("{to}{relative}").as_bytes());
            match self.nodes.get(&name).cloned() {
                Some(Node::File(bytes)) => {
                    self.remove(now, &name);
                    self.set(now, new, bytes);
                }
                _ => {
                    self.nodes.remove(&name);
                    self.nodes.insert(new, Node::Directory);
                }
            }
        }
        Ok(())
    }

    /// Opens something for a transfer.
    ///
    /// # Errors
    /// As a file system would.
    pub fn open(&mut self, path: &VPath, mode: Mode) -> Result<(Handle, Opened), Failure> {
        let old = self.read(path);
        let upload = |bytes: Vec<u8>, at, replace| Handle::Write {
            path: path.clone(),
            bytes,
            at,
            replace,
        };
        let mut opened = Opened::default();
        let handle = match mode {
            Mode::List(Scope::Entries) if self.is_directory(path) => Handle::List(
                self.children(path)
                    .map(|(path, node)| (path.file_name().unwrap_or_default().into(), facts(node)))
                    .collect(),
            ),
            Mode::List(Scope::Entries) => {
                self.stat(path)?;
                return Err(Failure::NotADirectory);
            }
            Mode::List(Scope::Itself) => {
                let name = path.file_name().unwrap_or_default();
                Handle::List(vec![(name.into(), self.stat(path)?)])
            }
            Mode::Read { offset } => {
                self.stat(path)?;
                let bytes = old.ok_or(Failure::IsADirectory)?;
                opened.size = Some(bytes.len() as u64);
                let offset = usize::try_from(offset).unwrap_or(usize::MAX);
                if offset > bytes.len() {
                    return Err(Failure::PastEnd);
                }
                Handle::Read(bytes, offset)
            }
            Mode::Write { at, replace, .. } => {
                self.check_upload(path, replace)?;
                let old = old
                    .filter(|_| at > 0)
                    .map_or(Vec::new(), |old| old.to_vec());
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                if at > old.len() {
                    return Err(Failure::PastEnd);
                }
                upload(old, at, replace)
            }
            Mode::Append { replace, .. } => {
                self.check_upload(path, replace)?;
                let old = old.map_or(Vec::new(), |old| old.to_vec());
                let at = old.len();
                upload(old, at, replace)
            }
            Mode::Unique { .. } => {
                self.check_place(path)?;
                self.unique += 1;
                let name = format!("{path}.{}", self.unique);
                let path = self::at(name.as_bytes());
                opened.name = Some(path.clone());
                Handle::Write {
                    path,
                    bytes: Vec::new(),
                    at: 0,
                    replace: false,
                }
            }
        };
        self.open += 1;
        Ok((handle, opened))
    }

    fn check_upload(&self, path: &VPath, replace: bool) -> Result<(), Failure> {
        match self.nodes.get(path) {
            Some(Node::Directory) => Err(Failure::IsADirectory),
            Some(Node::File(_)) if !replace => Err(Failure::Exists),
            _ => self.check_place(path),
        }
    }

    /// Ends what was opened: an upload becomes visible if it is to be kept.
    ///
    /// # Errors
    /// If it cannot stand there any more.
    pub fn finish(&mut self, now: u64, handle: Handle, keep: bool) -> Result<(), Failure> {
        self.open -= 1;
        match handle {
            Handle::Write {
                path,
                bytes,
                replace,
                ..
            } if keep => {
                self.check_upload(&path, replace)?;
                self.set(now, path, bytes.into());
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Handle {
    /// Writes bytes of an upload.
    pub fn write(&mut self, new: &[u8]) {
        if let Self::Write { bytes, at, .. } = self {
            let end = *at + new.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*at..end].copy_from_slice(new);
            *at = end;
        }
    }
}

fn facts(node: &Node) -> Metadata {
    let (kind, size) = match node {
        Node::Directory => (Kind::Directory, 0),
        Node::File(bytes) => (Kind::File, bytes.len() as u64),
    };
    Metadata {
        kind,
        size,
        modified: Some(Timestamp::from_seconds(1_500_000_000)),
        ..Metadata::default()
    }
}

/// The path of those bytes from the root.
///
/// # Panics
/// If they are no path: the simulator makes only such as are.
#[must_use]
pub fn at(bytes: &[u8]) -> VPath {
    match VPath::resolve(&VPath::root(), bytes) {
        Ok(path) => path,
        Err(error) => panic!("{error}"),
    }
}
