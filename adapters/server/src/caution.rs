//! What works and should not be so: files that others may read or change, and what a network sees in
//! clear or may change without a password.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use wharf_core::Protection;
use wharf_local::RootId;

use crate::configuration::Folder;
use crate::home::Home;
use crate::listen::Listen;
use crate::material::Certified;
use crate::process::Process;
use crate::served::{Served, changes};

const READ: u32 = 0o004;
const WRITE: u32 = 0o002;

/// What is said of files in which secrets stand, and of those that the server believes.
pub(crate) fn of_files(
    configuration: Option<&Path>,
    folder: Option<&Folder>,
    certified: Option<&Certified>,
    served: &[Served],
    homes: &BTreeMap<PathBuf, Arc<Home>>,
    process: &Process,
) -> Vec<String> {
    let homes = homes.values();
    let homes = homes.filter_map(|home| Some((RootId::at(home.path()).ok()?.directory(), home)));
    let homes: BTreeMap<_, _> = homes.collect();
    // Whoever has the hash of a password can guess at it as fast as their machine hashes.
    let has_passwords = served.iter().any(|served| served.user.is_some());
    let secret = if has_passwords { READ | WRITE } else { WRITE };
    let configuration = configuration.into_iter().map(|file| (file, secret));
    let material = certified.into_iter().flat_map(|certified| {
        let is_key = |file: &Path| certified.keys().any(|key| key == file);
        certified.files().map(move |file| match is_key(file) {
            true => (file, READ | WRITE),
            false => (file, WRITE),
        })
    });
    let accounts = folder.map(|folder| of_folder(folder, &homes, process));
    configuration
        .chain(material)
        .flat_map(|(file, bits)| [of_file(file, bits), in_a_home(file, bits, &homes, process)])
        .flatten()
        .chain(accounts.into_iter().flatten())
        .collect()
}

/// What is said of the files of accounts, which may be very many.
fn of_folder(
    folder: &Folder,
    homes: &BTreeMap<(u64, u64), &Arc<Home>>,
    process: &Process,
) -> Vec<String> {
    let files = folder.files.iter().map(|file| file.source.path());
    let mut open = files.clone().filter_map(|file| of_file(file, READ | WRITE));
    let first = open.next();
    let first = first.map(|first| match open.count() {
        0 => first,
        count => format!("{first} (and {count} more files there are as open)"),
    });
    // Whoever makes files there makes accounts.
    let directory = of_file(&folder.path, WRITE);
    // They lie where the first one lies, or a link leads to them.
    let elsewhere = files.clone().skip(1).filter(|file| file.is_symlink());
    let looked_at = files.clone().take(1).chain(elsewhere);
    let in_homes = looked_at.filter_map(|file| in_a_home(file, READ | WRITE, homes, process));
    let real = folder.path.canonicalize().ok();
    let empty = real.filter(|_| folder.files.is_empty());
    let empty = empty.and_then(|real| below(&folder.path, &real, &real, WRITE, homes, process));
    first
        .into_iter()
        .chain(directory)
        .chain(in_homes)
        .chain(empty)
        .collect()
}

/// What is said where nobody has an account yet.
pub(crate) fn of_nobody(folder: Option<&Folder>, served: &[Served]) -> Option<String> {
    let folder = folder.filter(|_| served.is_empty())?;
    Some(format!(
        "nobody can log in: there is no account in {} yet",
        folder.path.display()
    ))
}

/// Through links, too: whoever reads the file follows them. What the server may not do itself once it
/// runs, no client may.
fn in_a_home(
    file: &Path,
    bits: u32,
    homes: &BTreeMap<(u64, u64), &Arc<Home>>,
    process: &Process,
) -> Option<String> {
    let real = file.canonicalize().ok()?;
    below(file, &real, real.parent()?, bits, homes, process)
}

/// What is said where this directory is a home or lies in one.
fn below(
    file: &Path,
    real: &Path,
    directory: &Path,
    bits: u32,
    homes: &BTreeMap<(u64, u64), &Arc<Home>>,
    process: &Process,
) -> Option<String> {
    let mut above = directory.ancestors();
    let home = above.find_map(|above| homes.get(&RootId::at(above).ok()?.directory()))?;
    let may = |path: &Path, access| {
        let may = process.act(|| accessat(CWD, path, access, AtFlags::EACCESS));
        may.is_ok_and(|may| may.is_ok())
    };
    let reads = bits & READ != 0 && may(real, Access::READ_OK);
    let changes =
        home.is_changed() && (may(real, Access::WRITE_OK) || may(directory, Access::WRITE_OK));
    let what = match (reads, changes) {
        (false, false) => return None,
        (true, false) => "read",
        (false, true) => "change",
        (true, true) => "read and change",
    };
    Some(format!(
        "{} lies in the home {}, whose clients may {what} it if their rights let them: keep it out of \
         all homes",
        file.display(),
        home.name()
    ))
}

fn of_file(file: &Path, bits: u32) -> Option<String> {
    let mode = fs::metadata(file).ok()?.mode() & bits;
    let (may, cure) = match (mode & READ != 0, mode & WRITE != 0) {
        (false, false) => return None,
        (true, false) => ("read", "o-r"),
        (false, true) => ("change", "o-w"),
        (true, true) => ("read and change", "o-rw"),
    };
    let file = file.display();
    Some(format!(
        "everybody on this machine may {may} {file}: `chmod {cure}` mends that"
    ))
}

/// What is said of a server that a network can reach.
pub(crate) fn of_network(listen: &[Listen], served: &[Served]) -> Vec<String> {
    let reached = |listen: &&Listen| !listen.address.ip().to_canonical().is_loopback();
    let clear = |listen: &&Listen| {
        let tls = &listen.tls;
        reached(listen) && !tls.implicit && tls.control != Protection::Required
    };
    let has_password = |served: &&Served| served.user.is_some() && !served.demands_tls;
    let anybody = |served: &&Served| served.user.is_none() && changes(served.rights);
    let passwords = listen
        .iter()
        .find(clear)
        .filter(|_| served.iter().any(|served| has_password(&served)));
    let passwords = passwords.map(|listen| {
        let cure = match listen.tls.control {
            Protection::Off => "a certificate in [tls], and `control = \"required\"` there,",
            _ => "`control = \"required\"` in [tls]",
        };
        format!(
            "passwords may be sent in clear to {}, where everybody on the way can read them: {cure} \
             keeps them private",
            listen.address
        )
    });
    let writing = listen.iter().find(reached).zip(served.iter().find(anybody));
    let writing = writing.map(|(listen, served)| {
        format!(
            "whoever can connect to {} may change {} without a password",
            listen.address, served.at
        )
    });
    passwords.into_iter().chain(writing).collect()
}

/// What is said of a server that takes everybody for a balancer.
pub(crate) fn of_balancers(common: &[IpNet], listen: &[Listen]) -> Option<String> {
    let own = listen
        .iter()
        .filter_map(|listen| listen.proxy_from.as_ref());
    let mut all = common.iter().chain(own.flatten());
    let everybody = all.find(|network| network.prefix_len() == 0)?;
    Some(format!(
        "whoever can connect from {everybody} may say in a PROXY header who it is: name the balancers alone in \
         `proxy-from`"
    ))
}
