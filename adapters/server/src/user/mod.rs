//! `user add`, `passwd`, `remove` and `list`: the accounts in the files that the configuration file includes.

mod command;
mod edit;
mod folder;
mod list;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wharf_core::Rights;
use zeroize::Zeroizing;

use crate::assemble;
use crate::config::User;
use crate::configuration::{Change, Configuration, Folder, Included};
use crate::mistakes::Mistakes;
use crate::options::Options;
use crate::password::HashedPassword;
use crate::personal;

use command::Action;
pub(crate) use command::Command;
use folder::Locked;

/// What is said after a change.
const RESTART: &str = "a running server knows that once it is restarted\n";

/// Does that; returns what to tell the user, as a mistake where nothing was done.
pub(crate) fn run(
    command: Command,
    password: impl FnOnce() -> io::Result<Zeroizing<Vec<u8>>>,
) -> Result<String, String> {
    let hash = || {
        let hash = password().and_then(|password| HashedPassword::new(&password));
        hash.map_err(|error| error.to_string())
    };
    match command.action {
        Action::Add {
            name,
            of,
            home,
            rights,
        } => {
            let absolute = |home: PathBuf| {
                std::path::absolute(&home).map_err(|error| format!("{}: {error}", home.display()))
            };
            let home = home.map(absolute).transpose()?;
            let rights = rights
                .into_iter()
                .fold(Rights::NONE, |all, right| all | right);
            with_password(&of.config, hash, |known, hash| {
                add(known, &name.0, home.as_deref(), rights, hash)
            })
        }
        Action::Passwd { name, of } => {
            with_password(&of.config, hash, |known, hash| passwd(known, &name, hash))
        }
        Action::Remove { name, of } => change(&of.config, |known| remove(known, &name)),
        Action::List { of } => read(&of.config, None).map(|known| list::table(&known)),
    }
}

/// A change of one file, and what is said once it is made.
struct Edit {
    file: OsString,
    /// What is to stand in the file; `None`: it is to be gone.
    text: Option<String>,
    said: String,
}

/// Makes a change that takes a password.
fn with_password(
    config: &Path,
    hash: impl FnOnce() -> Result<HashedPassword, String>,
    edit: impl Fn(&Configuration, &str) -> Result<Edit, String>,
) -> Result<String, String> {
    // Nobody shall type a password for nothing, and none who types holds the lock.
    edit(&read(config, None)?, "")?;
    let hash = hash()?.to_string();
    change(config, |known| edit(known, &hash))
}

/// Makes a change while nobody else makes one, if the whole configuration is good before and after it.
fn change(
    config: &Path,
    edit: impl Fn(&Configuration) -> Result<Edit, String>,
) -> Result<String, String> {
    let known = read(config, None)?;
    // Where there is no directory this says so.
    edit(&known)?;
    let path = folder_of(&known)?.path.clone();
    let wrong = |error: io::Error| format!("{}: {error}", path.display());
    let folder = Locked::new(&path).map_err(wrong)?;
    let known = read(config, None)?;
    let Edit { file, text, said } = edit(&known)?;
    check(config, None)?;
    let change = Change {
        name: &file,
        text: text.as_deref(),
    };
    check(config, Some(change))?;
    let others = known.included().first().map(|other| other.source.path());
    let done = match &text {
        Some(text) => folder.write(&file, text, others.unwrap_or(config)),
        None => folder.remove(&file),
    };
    done.map_err(|error| format!("{}: {error}", path.join(&file).display()))?;
    Ok(said + RESTART)
}

/// Reads the configuration.
fn read(config: &Path, change: Option<Change<'_>>) -> Result<Configuration, String> {
    let mut mistakes = Mistakes::default();
    let known = Configuration::read(config, change, &mut mistakes);
    known
        .filter(|_| mistakes.is_empty())
        .ok_or_else(|| mistakes.to_string())
}

/// Whether a server would start with the configuration, as if the change had been made.
fn check(config: &Path, change: Option<Change<'_>>) -> Result<(), String> {
    let known = read(config, change)?;
    let options = Options::of_file(config.to_owned());
    assemble::of(options, known, Mistakes::default()).map(drop)
}

/// Returns the directory of files of accounts.
fn folder_of(known: &Configuration) -> Result<&Folder, String> {
    known.folder.as_ref().ok_or_else(|| {
        let wanted = known.source.locate(Path::new("users.d"));
        known.source.whole(format!(
            "it names no directory of accounts, expected this line in it, before any table: users = \
             \"users.d/*.toml\"; `mkdir -m 700 {}` makes the directory",
            wanted.display()
        ))
    })
}

fn add(
    known: &Configuration,
    name: &str,
    given: Option<&Path>,
    rights: Rights,
    hash: &str,
) -> Result<Edit, String> {
    let taken = known
        .users()
        .find(|(_, user)| user.name.get_ref().0.0 == name);
    if let Some((source, user)) = taken {
        let what = format!("there is a user {name} already, expected another name");
        return Err(source.mistake(&user.name.span(), what));
    }
    let folder = folder_of(known)?;
    let include = known.file.include.as_ref().map(|word| &word.get_ref().0);
    let file = include
        .map(|include| include.file_of(name))
        .unwrap_or_default();
    let path = folder.path.join(&file);
    if !include.is_some_and(|include| include.takes(&file)) {
        return Err(format!(
            "{}: a file of this name is taken for a temporary one, expected another name",
            path.display()
        ));
    }
    if path.symlink_metadata().is_ok() {
        return Err(format!(
            "{}: there is such a file already, expected another name",
            path.display()
        ));
    }
    let usual = known.file.homes.as_ref();
    let home = match (given, usual) {
        (Some(home), _) => home.to_owned(),
        // Such a name has no slash.
        (None, Some(homes)) => known
            .source
            .locate(&personal::of_name(homes.get_ref(), name)),
        (None, None) => {
            let what = "it names no `homes`, expected --home DIR, or this line in it, before any table: homes = \
                        \"/srv/ftp/%u\"";
            return Err(known.source.whole(what));
        }
    };
    let shown = home.display();
    if let Err(error) = fs::read_dir(&home)
        && error.kind() != io::ErrorKind::PermissionDenied
    {
        let process = known.file.process.0.resolve(&known.source)?;
        let cure = match process.user() {
            Some(user) => format!("install -d -o {user} {shown}"),
            None => format!("mkdir -p {shown}"),
        };
        return Err(format!(
            "{shown}: {error}, expected a directory: `{cure}` makes it"
        ));
    }
    let written = given
        .map(|home| {
            let text = home.to_str();
            text.ok_or_else(|| format!("{shown}: expected a path in UTF-8"))
        })
        .transpose()?;
    let may = match rights {
        Rights::NONE => "do nothing".to_owned(),
        rights => rights.to_string(),
    };
    Ok(Edit {
        text: Some(edit::account(name, hash, written, rights)),
        said: format!(
            "added {name}, who may {may} in {shown}: {}\n",
            path.display()
        ),
        file: file.into(),
    })
}

/// Returns an account that stands in a file of accounts: the file, and which of its accounts that is.
fn find<'a>(known: &'a Configuration, name: &str) -> Result<(&'a Included, usize), String> {
    let is_it = |user: &User| user.name.get_ref().0.0 == name;
    if let Some(user) = known.file.users.0.iter().find(|user| is_it(user)) {
        let what = "this account stands in the configuration file itself, which is left as it is: change it \
                    there; `--hash-password` makes the hash of a password";
        return Err(known.source.mistake(&user.name.span(), what));
    }
    let mut files = known.included().iter();
    let found = files.find_map(|file| Some((file, file.users.iter().position(is_it)?)));
    let (file, at) = found.ok_or_else(|| {
        let folder = known.folder.as_ref();
        let nor = folder.map(|folder| format!(", nor in {}", folder.path.display()));
        let nor = nor.unwrap_or_default();
        known
            .source
            .whole(format!("there is no user {name} in it{nor}"))
    })?;
    let path = file.source.path();
    if path.is_symlink() {
        let user = &file.users[at];
        let what = "this file is a link, which would be replaced: change what it leads to";
        return Err(file.source.mistake(&user.name.span(), what));
    }
    Ok((file, at))
}

fn passwd(known: &Configuration, name: &str, hash: &str) -> Result<Edit, String> {
    let (file, at) = find(known, name)?;
    let path = file.source.path().display();
    let mut text = file.source.text().to_owned();
    text.replace_range(file.users[at].password.span(), &format!("\"{hash}\""));
    Ok(Edit {
        file: file.name.clone(),
        text: Some(text),
        said: format!("changed the password of {name}: {path}\n"),
    })
}

fn remove(known: &Configuration, name: &str) -> Result<Edit, String> {
    let (file, at) = find(known, name)?;
    let path = file.source.path().display();
    let text = match file.users.len() {
        1 => None,
        _ => Some(
            edit::without(file.source.text(), at)
                .ok_or_else(|| format!("{path}: {name} cannot be taken out, expected [[user]]"))?,
        ),
    };
    let what = match &text {
        None => "and the file is gone",
        Some(_) => "and the other accounts in the file stay",
    };
    Ok(Edit {
        file: file.name.clone(),
        text,
        said: format!("removed {name}, {what}: {path}\n"),
    })
}
