//! [`Process`]: what the process gives up between binding its ports and its first client.
//!
//! It never starts another process, and may not win anything by one: `no_new_privs` is set.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, accessat, fstat, stat};
use rustix::process::geteuid;
use rustix::thread::set_no_new_privs;
use serde::Deserialize;
use toml::Spanned;
use wharf_core::Rights;
use wharf_storage::Local;

use super::privileges::{self, Identity};
pub use super::sandbox::Confinement;
use super::sandbox::{self, Reach};
use super::served::{Served, changes};
use super::source::Source;
use super::value::{Name, Value};
use crate::escape::Escape;

/// `[process]`
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Section {
    user: Option<Spanned<Value<Name>>>,
    group: Option<Spanned<Value<Name>>>,
    landlock: Option<bool>,
}

impl Section {
    /// Looks up whom it names.
    ///
    /// # Errors
    /// What to tell the user.
    pub(crate) fn resolve(&self, source: &Source) -> Result<Process, String> {
        let name = |value: &Spanned<Value<Name>>| value.get_ref().0.0.clone();
        let group = match &self.group {
            Some(group) if self.user.is_none() => {
                return Err(source.mistake(&group.span(), "expected `user` beside it"));
            }
            Some(group) => Some(
                privileges::group(&name(group))
                    .map_err(|error| source.mistake(&group.span(), error))?,
            ),
            None => None,
        };
        let identity = match &self.user {
            Some(user) => Some(
                Identity::new(&name(user), group.as_ref())
                    .map_err(|error| source.mistake(&user.span(), error))?,
            ),
            None => None,
        };
        Ok(Process {
            identity,
            landlock: self.landlock.unwrap_or(true),
            looks_names_up: false,
            active_port: 0,
            readable: Vec::new(),
        })
    }
}

/// What the process gives up.
#[derive(Clone, Debug)]
pub struct Process {
    /// Whom it becomes; `None`: it stays who it is.
    identity: Option<Identity>,
    /// Whether Landlock confines it, where the kernel has that.
    landlock: bool,
    /// The port that active data connections come from; 0: any. To bind one below 1024 it keeps the
    /// right to bind such ports, and nothing else.
    pub active_port: u16,
    /// It will have to look host names up.
    pub looks_names_up: bool,
    /// What it reads again later, beside the homes: files, or the directories of files that are
    /// replaced by a rename.
    pub readable: Vec<PathBuf>,
}

impl Process {
    /// Becomes the user that was configured, and lets Landlock confine the process. To be called
    /// before any thread is started: others would keep what they have.
    ///
    /// # Errors
    /// The process cannot become that user, or that user cannot enter a home.
    pub fn enter(
        &self,
        served: &[Served],
        storages: &BTreeMap<PathBuf, Local>,
    ) -> io::Result<Confinement> {
        match &self.identity {
            Some(identity) => identity.assume((1..1024).contains(&self.active_port))?,
            None if geteuid().is_root() => tracing::warn!(
                "running as root, which clients gain if they find a hole: name another \
                 user in [process]"
            ),
            None => {}
        }
        set_no_new_privs(true)?;
        if self.active_port != 0 {
            try_port(self.active_port)?;
        }
        for each in served {
            if let Some(storage) = storages.get(&each.home) {
                check(each, storage)?;
            }
        }
        if !self.landlock {
            return Ok(Confinement::Off);
        }
        let changed = |home: &Path| {
            let mut here = served.iter().filter(|each| each.home == home);
            here.any(|each| changes(each.rights))
        };
        let homes = storages
            .iter()
            .map(|(home, storage)| (storage.as_fd(), changed(home)));
        let names = sandbox::NAME_SERVICE.map(PathBuf::from);
        let names = names.into_iter().filter(|_| self.looks_names_up);
        Ok(sandbox::confine(&Reach {
            homes: homes.collect(),
            readable: names.chain(self.readable.iter().cloned()).collect(),
        }))
    }
}

/// Whether connections can come from that port: told at the start, not by every transfer.
fn try_port(port: u16) -> io::Result<()> {
    let local = (Ipv4Addr::LOCALHOST, port).into();
    crate::sockets::bound(local).map(drop).map_err(|error| {
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

/// Whether a home is the root of the file system, by whatever name.
pub(super) fn is_root(home: &Local) -> bool {
    let place = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
    match (fstat(home), stat("/")) {
        (Ok(home), Ok(root)) => place(home) == place(root),
        // What cannot be told apart might be.
        _ => true,
    }
}

/// Whether the process may do in a home what its clients may. Who cannot enter it serves nothing;
/// the rest is worth a warning, since it may be otherwise further down.
fn check(served: &Served, storage: &Local) -> io::Result<()> {
    let home = Escape(served.home.as_os_str().as_bytes());
    let may = |access| accessat(storage, ".", access, AtFlags::empty());
    may(Access::EXEC_OK).map_err(|error| {
        let user = rustix::process::geteuid().as_raw();
        io::Error::other(format!("uid {user} cannot enter {home}: {error}"))
    })?;
    if served.rights.contains(Rights::LIST)
        && let Err(error) = may(Access::READ_OK)
    {
        tracing::warn!(%home, %error, "clients may list it, but the server may not");
    }
    if changes(served.rights)
        && let Err(error) = may(Access::WRITE_OK)
    {
        tracing::warn!(%home, %error, "clients may change it, but the server may not");
    }
    Ok(())
}
