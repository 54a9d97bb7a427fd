//! [`Process`]: what the process gives up between binding its ports and its first client.
//!
//! It never starts another process, and may not win anything by one: `no_new_privs` is set.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::process::{Resource, geteuid, getrlimit};
use rustix::thread::set_no_new_privs;
use serde::Deserialize;
use toml::Spanned;
use wharf_local::{Found, Guard};

use crate::home::Home;
use crate::look::{self, Trouble};
use crate::material::Certified;
use crate::privileges::{self, Identity};

pub use crate::sandbox::Confinement;
use crate::sandbox::{self, Reach};
use crate::served::{Served, changes};
use crate::source::Source;
use crate::value::{List, Listed, Name, OrNone, Value};
use wharf_driver::Escape;

/// `[process]`
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Section {
    user: Option<Spanned<Value<OrNone<Name>>>>,
    group: Option<Spanned<Value<OrNone<Name>>>>,
    landlock: Option<bool>,
    reach: Option<List<Spanned<PathBuf>>>,
}

impl Listed for Spanned<PathBuf> {
    const LIST: &'static str = "a list of directories, such as [\"/srv/ftp\"]";
}

impl Section {
    /// Looks up whom it names.
    ///
    /// # Errors
    /// What to tell the user.
    pub(crate) fn resolve(&self, source: &Source) -> Result<Process, String> {
        let [user, group] = [&self.user, &self.group].map(|word| {
            let word = word.as_ref()?;
            Some((word.get_ref().0.0.as_ref()?.0.as_str(), word.span()))
        });
        let group = match group {
            Some((_, span)) if user.is_none() => {
                return Err(source.mistake(&span, "expected `user` beside it"));
            }
            Some((name, span)) => {
                Some(privileges::group(name).map_err(|error| source.mistake(&span, error))?)
            }
            None => None,
        };
        let identity = match user {
            Some((name, span)) => Some(
                Identity::new(name, group.as_ref())
                    .map_err(|error| source.mistake(&span, error))?,
            ),
            None => None,
        };
        let reach = self.reach.as_ref().map(|list| {
            let trees = list.0.iter().map(|word| tree(source, word));
            trees.collect::<Result<Vec<_>, _>>()
        });
        Ok(Process {
            identity,
            landlock: self.landlock.unwrap_or(true),
            reach: reach.transpose()?,
            looks_names_up: false,
            active_port: 0,
            readable: Vec::new(),
            guard: Arc::default(),
        })
    }
}

/// A directory below which homes may come and go.
fn tree(source: &Source, word: &Spanned<PathBuf>) -> Result<PathBuf, String> {
    let path = source.locate(word.get_ref());
    let path = std::path::absolute(&path).unwrap_or(path);
    let what = match path.metadata() {
        _ if path.parent().is_none() => {
            "this is the root of the file system, expected a directory below it".to_owned()
        }
        Ok(metadata) if metadata.is_dir() => return Ok(path),
        Ok(_) => format!("{}: expected a directory", path.display()),
        Err(error) => format!("{}: {error}, expected a directory", path.display()),
    };
    Err(source.mistake(&word.span(), what))
}

/// What the process gives up.
#[derive(Clone, Debug)]
pub struct Process {
    /// Whom it becomes; `None`: it stays who it is.
    identity: Option<Identity>,
    /// Whether Landlock confines it, where the kernel has that.
    landlock: bool,
    /// Below which directories homes may come and go; `None`: those above each home.
    reach: Option<Vec<PathBuf>>,
    /// The port that active data connections come from; 0: any. To bind one below 1024 it keeps the
    /// right to bind such ports, and nothing else.
    pub active_port: u16,
    /// It will have to look host names up.
    pub looks_names_up: bool,
    /// What it reads again later, beside the homes: files, or the directories of files that are
    /// replaced by a rename.
    pub readable: Vec<PathBuf>,
    /// Past which all of that is found.
    pub guard: Arc<Guard>,
}

impl Process {
    /// Returns to whom belongs what it makes for an operator, if it becomes another user.
    pub(crate) fn owner(&self) -> Option<(u32, u32)> {
        self.identity.as_ref().map(Identity::ids)
    }

    /// Becomes the user that was configured, and lets Landlock confine the process. To be called
    /// before any thread is started: others would keep what they have.
    ///
    /// # Errors
    /// The process cannot become that user, or nobody could be served.
    pub fn enter(
        &self,
        served: &[Served],
        homes: &BTreeMap<PathBuf, Arc<Home>>,
    ) -> io::Result<Confinement> {
        let kept = self.keep(homes)?;
        match &self.identity {
            Some(identity) => identity.assume((1..1024).contains(&self.active_port))?,
            None if geteuid().is_root() => tracing::warn!(
                "running as root, which clients gain if they find a hole: name another \
                 user in [process]"
            ),
            None => {}
        }
        set_no_new_privs(true)?;
        // Who has the same uid shall not read keys and passwords out of its memory.
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        if self.active_port != 0 {
            try_port(self.active_port)?;
        }
        if let Some((first, others)) = kept.split_first() {
            let home = Escape(first.as_os_str().as_encoded_bytes());
            let others = others.len();
            tracing::warn!(
                ?home,
                others,
                "this user cannot walk to a home: the directory from the start is served, also if \
                 another one takes its place"
            );
        }
        let troubles = look::all(served, homes);
        troubles.iter().for_each(Trouble::log);
        if let Some(first) = self.nobody_is_served(served, &troubles) {
            return Err(io::Error::other(first.to_string()));
        }
        if !self.landlock {
            return Ok(Confinement::Off);
        }
        Ok(self.confine(served, homes))
    }

    /// What keeps everybody from being served, unless it was said that homes come later.
    pub(crate) fn nobody_is_served<'a>(
        &self,
        served: &[Served],
        troubles: &'a [Trouble],
    ) -> Option<&'a Trouble> {
        // Who closed one, and who may open it again, need not be who starts the server.
        let gone = troubles.iter().filter(|trouble| trouble.is_gone());
        let all = !self.expects_homes() && gone.count() == served.len();
        troubles.first().filter(|_| all)
    }

    /// Whom the process becomes.
    pub(crate) fn user(&self) -> Option<&str> {
        self.identity.as_ref().map(Identity::name)
    }

    /// Whether the process can become whom it shall be, and do what only that one needs.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn can_enter(&self) -> io::Result<()> {
        self.identity.as_ref().map_or(Ok(()), Identity::can_assume)
    }

    /// The files of certificates that are read again later, and that the user whom the process
    /// becomes cannot read.
    pub(crate) fn unreadable(&self, certified: Option<&Certified>) -> Vec<String> {
        let (Some(identity), Some(certified)) = (&self.identity, certified) else {
            return Vec::new();
        };
        let look = || {
            let files = certified.files();
            files
                .filter_map(|file| Some((file, self.guard.file(file).err()?)))
                .collect::<Vec<_>>()
        };
        let name = identity.name();
        let told = |(file, error): (&Path, io::Error)| {
            let file = file.display();
            format!(
                "{name} cannot read {file} when it is renewed ({error}), so that the certificate \
                 would be the old one until the next start: let a group of {name} read it and walk \
                 to it, or have it copied to where that may"
            )
        };
        let unreadable = self.act(look).unwrap_or_default();
        unreadable.into_iter().map(told).collect()
    }

    /// Whether it was said that homes may come later.
    pub(crate) fn expects_homes(&self) -> bool {
        self.reach.as_ref().is_some_and(|trees| !trees.is_empty())
    }

    /// Does something as the user that the process will be.
    ///
    /// # Errors
    /// The process cannot act as that user.
    pub(crate) fn act<T>(&self, act: impl FnOnce() -> T) -> io::Result<T> {
        match &self.identity {
            Some(identity) => identity.act_as(act),
            None => Ok(act()),
        }
    }

    /// Keeps the homes open to which the user that the process becomes cannot walk; says which.
    pub(crate) fn keep<'a>(
        &self,
        homes: &'a BTreeMap<PathBuf, Arc<Home>>,
    ) -> io::Result<Vec<&'a Path>> {
        let is_closed = |home: &&'a Arc<Home>| {
            let opened = home.open().map(drop);
            opened.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        };
        let closed: Vec<_> = self.act(|| homes.values().filter(is_closed).collect())?;
        let mut kept = Vec::new();
        // The others are for clients.
        let most = getrlimit(Resource::Nofile)
            .current
            .map_or(u64::MAX, |most| most / 2);
        for home in closed {
            if home.keep().is_err() {
                continue;
            }
            if self.act(|| home.open().is_ok())? {
                kept.push(home.path());
            } else {
                // Not even so could it be entered.
                home.let_go();
            }
            if kept.len() as u64 > most {
                return Err(io::Error::other(format!(
                    "this user cannot walk to more than {most} homes, such as {}, each of which \
                     would take one of the descriptors that the process may have: let it enter \
                     the directories above them, or raise the limit (`LimitNOFILE=` of systemd)",
                    home.path().display()
                )));
            }
        }
        Ok(kept)
    }

    /// The directories below which homes may come and go, and whether clients change anything
    /// there: those that were named, or those above each home, and above what it leads to.
    pub(crate) fn trees(
        &self,
        served: &[Served],
        homes: &BTreeMap<PathBuf, Arc<Home>>,
    ) -> BTreeMap<PathBuf, bool> {
        let mut trees = BTreeMap::new();
        let changed = changed(served);
        for home in homes.keys() {
            let changed = changed.contains(home.as_path());
            let real = self.guard.directory(home).ok();
            let real = real.map(|found| found.real().to_owned());
            let above = [Some(home.clone()), real];
            let above = above.into_iter().flatten();
            let above: Vec<PathBuf> = match &self.reach {
                Some(named) => named
                    .iter()
                    .filter(|tree| above.clone().any(|home| home.starts_with(tree)))
                    .cloned()
                    .collect(),
                None => above
                    .filter_map(|home| home.parent().map(Path::to_owned))
                    .filter(|tree| tree.parent().is_some())
                    .collect(),
            };
            for tree in above {
                *trees.entry(tree).or_insert(false) |= changed;
            }
        }
        // Where there is no home yet, one may appear.
        for tree in self.reach.iter().flatten() {
            trees.entry(tree.clone()).or_insert(true);
        }
        trees
    }

    /// [`Process::trees`], if anything but them is out of reach.
    pub(crate) fn reach(
        &self,
        served: &[Served],
        homes: &BTreeMap<PathBuf, Arc<Home>>,
    ) -> Vec<PathBuf> {
        if self.landlock {
            self.trees(served, homes).into_keys().collect()
        } else {
            Vec::new()
        }
    }

    fn confine(&self, served: &[Served], homes: &BTreeMap<PathBuf, Arc<Home>>) -> Confinement {
        let mut trees: BTreeMap<PathBuf, (Found, bool)> = BTreeMap::new();
        for (tree, changes) in self.trees(served, homes) {
            if let Ok(found) = self.guard.directory(&tree) {
                let tree = trees.entry(found.real().to_owned());
                tree.or_insert((found, false)).1 |= changes;
            }
        }
        let changed = changed(served);
        let changed = |home: &Path| changed.contains(home);
        // What lies in no tree, whatever leads to it from there, is reached as it is now.
        let alone = homes.values().filter(|home| {
            let real = self.guard.directory(home.path()).ok();
            let mut above = real
                .iter()
                .flat_map(|found| found.real().ancestors().skip(1));
            let covered = above.any(|tree| {
                let tree = trees.get(tree);
                tree.is_some_and(|(_, changes)| *changes || !changed(home.path()))
            });
            home.is_kept() || !covered
        });
        let alone: Vec<_> = alone
            .filter_map(|home| Some((home.open().ok()?, changed(home.path()))))
            .collect();
        let readable = self.readable.iter();
        let readable: Vec<_> = readable
            .filter_map(|directory| self.guard.directory(directory).ok())
            .collect();
        let names = sandbox::NAME_SERVICE.map(PathBuf::from);
        let names = names.into_iter().filter(|_| self.looks_names_up);
        let alone = alone.iter().map(|(root, changed)| (root.as_fd(), *changed));
        let trees = trees
            .values()
            .map(|(tree, changes)| (tree.as_fd(), *changes));
        let readable = readable.iter().map(|found| (found.as_fd(), false));
        sandbox::confine(&Reach {
            directories: alone.chain(trees).chain(readable).collect(),
            readable: names.collect(),
        })
    }
}

/// Whether the kernel has what the storage stands on: without it files would have no times.
///
/// # Errors
/// What to tell the user.
pub(crate) fn check_kernel() -> Result<(), String> {
    match statx(CWD, c".", AtFlags::empty(), StatxFlags::BASIC_STATS) {
        Err(Errno::NOSYS | Errno::PERM) => Err(
            "this kernel has no statx, or a sandbox around the process forbids it: it takes Linux \
             4.11 or later, and in a container a runtime that knows that call"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

/// The homes in which somebody may change something.
fn changed(served: &[Served]) -> HashSet<&Path> {
    let changed = served.iter().filter(|each| changes(each.rights));
    changed.filter_map(Served::home).collect()
}

/// Whether connections can come from that port: told at the start, not by every transfer.
fn try_port(port: u16) -> io::Result<()> {
    let local = (Ipv4Addr::LOCALHOST, port).into();
    wharf_driver::sockets::bound(local)
        .map(drop)
        .map_err(|error| {
            let hint = if error.kind() == io::ErrorKind::PermissionDenied {
                ": only root may, or who has the capability CAP_NET_BIND_SERVICE"
            } else {
                ""
            };
            let kind = error.kind();
            let what = format!("active data cannot come from port {port}: {error}{hint}");
            io::Error::new(kind, what)
        })
}
