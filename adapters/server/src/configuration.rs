//! [`Configuration`]: the configuration file with the files of accounts that it includes.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::Spanned;

use crate::config::{File, User, UserFile};
use crate::include::Include;
use crate::mistakes::Mistakes;
use crate::parse::{APART, parse};
use crate::source::Source;
use crate::value::Value;

/// All that configures a server.
#[derive(Default)]
pub(crate) struct Configuration {
    pub(crate) source: Source,
    pub(crate) file: File,
    /// The directory of further accounts, if the file names one.
    pub(crate) folder: Option<Folder>,
}

/// A directory with files of accounts.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    pub(crate) files: Vec<Included>,
}

/// A file of accounts.
pub(crate) struct Included {
    pub(crate) name: OsString,
    pub(crate) source: Source,
    pub(crate) users: Vec<User>,
}

/// A file of accounts as it would be.
#[derive(Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) name: &'a OsStr,
    /// What would stand in it; `None`: it would be gone.
    pub(crate) text: Option<&'a str>,
}

impl Configuration {
    /// Reads the file and what it includes, as if the change had been made; `None` if what was understood would
    /// only lead to further mistakes.
    pub(crate) fn read(
        path: &Path,
        change: Option<Change<'_>>,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let source = mistakes.take(Source::read(path))?;
        let (file, is_whole) = parse::<File>(&source, &APART, mistakes)?;
        let folder = file.include.as_ref();
        let folder = folder.and_then(|word| read_all(&source, word, change, mistakes));
        is_whole.then_some(Self {
            source,
            file,
            folder,
        })
    }

    /// Returns the files of accounts.
    pub(crate) fn included(&self) -> &[Included] {
        self.folder.as_ref().map_or(&[], |folder| &folder.files)
    }

    /// Returns all users, each with the file that holds it.
    pub(crate) fn users(&self) -> impl Iterator<Item = (&Source, &User)> {
        all(&self.source, &self.file.users.0, self.included())
    }
}

/// Returns the users of the configuration file and then those of the others, each with its file.
pub(crate) fn all<'a>(
    source: &'a Source,
    users: &'a [User],
    included: &'a [Included],
) -> impl Iterator<Item = (&'a Source, &'a User)> {
    let own = users.iter().map(move |user| (source, user));
    let others = included
        .iter()
        .flat_map(|file| file.users.iter().map(|user| (&file.source, user)));
    own.chain(others)
}

/// Reads the files that are included; `None` if the directory cannot be read.
fn read_all(
    source: &Source,
    word: &Spanned<Value<Include>>,
    change: Option<Change<'_>>,
    mistakes: &mut Mistakes,
) -> Option<Folder> {
    let include = &word.get_ref().0;
    let path = source.locate(&include.directory);
    let names = include.names(&path).map_err(|error| {
        let shown = path.display();
        let cure = match error.kind() {
            io::ErrorKind::NotFound => format!(": `mkdir -m 700 {shown}` makes it"),
            _ => String::new(),
        };
        source.mistake(
            &word.span(),
            format!("{shown}: {error}, expected a directory{cure}"),
        )
    });
    let mut names = mistakes.take(names)?;
    if let Some(change) = change {
        match (
            names.binary_search_by(|name| name.as_os_str().cmp(change.name)),
            change.text,
        ) {
            (Ok(at), None) => drop(names.remove(at)),
            (Err(at), Some(_)) => names.insert(at, change.name.to_owned()),
            _ => {}
        }
    }
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        let text = change.filter(|change| change.name == name);
        let text = text.and_then(|change| change.text);
        let included = read_one(source, path.join(&name), text);
        let Some(included) = mistakes.take(included) else {
            continue;
        };
        if let Some((UserFile { users }, true)) = parse(&included, &["user"], mistakes) {
            files.push(Included {
                name,
                source: included,
                users: users.0,
            });
        }
    }
    Some(Folder { path, files })
}

/// Reads a file, or takes the text that it would have. Paths in it mean the same as in the configuration file.
fn read_one(source: &Source, path: PathBuf, text: Option<&str>) -> Result<Source, String> {
    // To read a pipe would wait for who writes into it.
    let is_file = || fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file());
    match text {
        Some(text) => source.beside(&path, text.as_bytes().to_vec()),
        None if is_file() => Err(format!("{}: this is no file, expected one", path.display())),
        None => {
            let bytes = fs::read(&path)
                .map_err(|error| format!("{}: {error}, expected a TOML file", path.display()))?;
            source.beside(&path, bytes)
        }
    }
}
