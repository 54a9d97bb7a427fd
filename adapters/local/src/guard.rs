//! [`Guard`]: the way to a home, or to another file of the server's own, past what clients change.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use bstr::ByteSlice;
use rustix::fs::{CWD, Mode, OFlags, PROC_SUPER_MAGIC, fstatfs, openat, readlinkat};
use rustix::io::Errno;

use crate::jail::MOST_LINKS;
use crate::metadata::{Identity, identity, look};
use crate::mutex::lock;
use crate::open::{ENTER, open_at};

/// How often homes are looked for again that lie in each other.
const ROUNDS: usize = 16;

/// The directories in which clients may change something. Whoever goes to a home, or to a file of
/// the server's own, through one of them follows no link from there on: a client may have made it.
///
/// This process walks name by name, each opened in the directory that was opened before it.
#[derive(Debug, Default)]
pub struct Guard {
    changed: Mutex<Changed>,
}

#[derive(Debug, Default)]
struct Changed {
    /// Where they are said to be, whatever stands there.
    named: BTreeSet<PathBuf>,
    /// Which they are, as far as they were seen.
    seen: BTreeSet<Identity>,
}

/// What stands at a path.
#[derive(Debug)]
pub struct Found {
    file: OwnedFd,
    real: PathBuf,
}

impl Found {
    /// The way to it without a link.
    #[must_use]
    pub fn real(&self) -> &Path {
        &self.real
    }
}

impl AsFd for Found {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl From<Found> for OwnedFd {
    fn from(found: Found) -> Self {
        found.file
    }
}

impl Guard {
    /// Takes the directories at these paths for all in which clients may change something.
    pub fn watch<'a>(&self, homes: impl Iterator<Item = &'a Path> + Clone) {
        *self.changed() = Changed {
            named: homes.clone().map(Path::to_owned).collect(),
            seen: BTreeSet::new(),
        };
        // One of them may be reached through another one, from where on it is found otherwise.
        for _ in 0..ROUNDS {
            let found = homes.clone().filter_map(|home| {
                let found = self.directory(home).ok()?;
                Some(identity(&look(found).ok()?))
            });
            let found = found.collect();
            let mut changed = self.changed();
            if changed.seen == found {
                return;
            }
            changed.seen = found;
        }
    }

    /// Takes one more directory for one in which clients may change something.
    pub(crate) fn add(&self, directory: impl AsFd) -> io::Result<()> {
        let identity = identity(&look(directory)?);
        self.changed().seen.insert(identity);
        Ok(())
    }

    /// Opens the directory at a path, only to look things up in it.
    ///
    /// # Errors
    /// It is no directory that can be reached, or a link is on the way that a client may have made.
    pub fn directory(&self, path: &Path) -> io::Result<Found> {
        self.open(path, ENTER)
    }

    /// Opens the file at a path to read it.
    ///
    /// # Errors
    /// It cannot be opened, or a link is on the way that a client may have made.
    pub fn file(&self, path: &Path) -> io::Result<File> {
        let found = self.open(path, OFlags::CLOEXEC)?;
        Ok(found.file.into())
    }

    /// The way to a file without a link.
    ///
    /// # Errors
    /// As [`Guard::directory`].
    pub fn real(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(self.open(path, OFlags::CLOEXEC)?.real)
    }

    fn open(&self, path: &Path, flags: OFlags) -> io::Result<Found> {
        let mut here = match path.is_absolute() {
            true => root()?,
            false => Found {
                file: openat(CWD, ".", ENTER, Mode::empty())?,
                real: env::current_dir().unwrap_or_default(),
            },
        };
        let mut is_guarded = !path.is_absolute() && self.covers_from_above(&here)?;
        let mut left = Vec::new();
        add_names(&mut left, path.as_os_str().as_bytes());
        let mut links = 0;
        while let Some(name) = left.pop() {
            is_guarded = is_guarded || self.covers(&here)?;
            if name == b".." {
                here.file = open_at(&here, b"..", ENTER)?;
                here.real.pop();
                continue;
            }
            let wanted = if left.is_empty() { flags } else { ENTER };
            let error = match open_at(&here, &name, wanted) {
                Ok(file) => {
                    here.file = file;
                    here.real.push(OsStr::from_bytes(&name));
                    continue;
                }
                Err(error) => error,
            };
            // What is no link is what the system says of it.
            let text = match error {
                Errno::NOTDIR | Errno::LOOP => readlinkat(&here, &name[..], Vec::new()),
                _ => Err(error),
            };
            let text = text.map_err(|_| error)?;
            if is_guarded {
                let link = here.real.join(OsStr::from_bytes(&name));
                let what = "a link that a client may have made leads to it";
                return Err(io::Error::other(format!("{}: {what}", link.display())));
            }
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::LOOP.into());
            }
            if fstatfs(&here)?.f_type == PROC_SUPER_MAGIC {
                // Links there lead to what their text only describes.
                here.file = openat(&here, &name[..], wanted, Mode::empty())?;
                here.real.push(OsStr::from_bytes(&name));
                continue;
            }
            if text.to_bytes().starts_with(b"/") {
                here = root()?;
            }
            add_names(&mut left, text.to_bytes());
        }
        Ok(here)
    }

    /// Whether clients may change something in that directory.
    fn covers(&self, here: &Found) -> io::Result<bool> {
        let changed = self.changed();
        if changed.named.is_empty() && changed.seen.is_empty() {
            return Ok(false);
        }
        Ok(changed.named.contains(&here.real) || changed.seen.contains(&identity(&look(here)?)))
    }

    /// Whether clients may change something in that directory or in one above it.
    fn covers_from_above(&self, here: &Found) -> io::Result<bool> {
        let above = above(here)?;
        let changed = self.changed();
        let named = here.real.ancestors();
        Ok(above.iter().any(|each| changed.seen.contains(each))
            || named.into_iter().any(|each| changed.named.contains(each)))
    }

    fn changed(&self) -> MutexGuard<'_, Changed> {
        lock(&self.changed)
    }
}

fn root() -> io::Result<Found> {
    Ok(Found {
        file: openat(CWD, "/", ENTER, Mode::empty())?,
        real: PathBuf::from(OsStr::from_bytes(b"/")),
    })
}

/// Puts the names of a path on a stack, the first one on top.
fn add_names(stack: &mut Vec<Vec<u8>>, path: &[u8]) {
    let names = path.rsplit_str("/");
    let names = names.filter(|name| !name.is_empty() && name != b".");
    stack.extend(names.map(<[u8]>::to_vec));
}

/// A directory and those above it, as far as it can be told.
pub(crate) fn above(directory: impl AsFd) -> io::Result<Vec<Identity>> {
    let mut here = open_at(directory, b".", ENTER)?;
    let mut found = vec![identity(&look(&here)?)];
    while let Ok(parent) = open_at(&here, b"..", ENTER) {
        let parent_identity = identity(&look(&parent)?);
        if found.last() == Some(&parent_identity) {
            break;
        }
        found.push(parent_identity);
        here = parent;
    }
    Ok(found)
}
