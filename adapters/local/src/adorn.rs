//! What a file has beside its bytes: permission bits, owner, ACL, attributes. None of it decides
//! whether the bytes are kept: what a file system refuses is left out, and said once. Only a disk
//! that fails is still a disk that fails.

use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::fs::{
    Gid, Mode, Statx, Uid, XattrFlags, fchmod, fchown, fgetxattr, flistxattr, fsetxattr,
};
use rustix::io::Errno;

use crate::Tree;
use crate::metadata::look;

/// The ACL of a file, and the one that new files in a directory get.
const ACL: &str = "system.posix_acl_access";
const DEFAULT_ACL: &str = "system.posix_acl_default";

/// What the names of attributes begin with that belong to users.
const USER: &[u8] = b"user.";

/// The longest value of an attribute, and list of their names, that is kept.
const MAX_VALUE: usize = 64 * 1024;

/// What may be refused.
const MODES: &str = "the permission bits of uploads cannot be set here";
const ATTRIBUTES: &str = "some attributes of replaced files are lost here";

/// Gives a new file its permission bits: those that its directory's default ACL leaves, else
/// those of the mask.
pub(crate) fn adorn_new(
    tree: &Tree,
    file: impl AsFd,
    directory: impl AsFd,
    mode: u16,
) -> Result<(), Errno> {
    let mode = default_mode(directory).unwrap_or(mode);
    let set = fchmod(file, Mode::from_raw_mode(mode.into()));
    bear(tree, set, MODES)
}

/// Bears a refusal, with a word.
fn bear(tree: &Tree, outcome: Result<(), Errno>, what: &'static str) -> Result<(), Errno> {
    if outcome == Err(Errno::IO) {
        return outcome;
    }
    tree.jail.warn_once(outcome, what);
    Ok(())
}

/// Gives a file what the old one had that it replaces: permission bits, owner, ACL and the
/// attributes of users. Capabilities and set-user-ID are never kept.
pub(crate) fn adorn_like(
    tree: &Tree,
    file: impl AsFd,
    old: Option<&OwnedFd>,
    stat: &Statx,
) -> Result<(), Errno> {
    let file = file.as_fd();
    let now = look(file)?;
    if (now.stx_uid, now.stx_gid) != (stat.stx_uid, stat.stx_gid) {
        let (owner, group) = (Uid::from_raw(stat.stx_uid), Gid::from_raw(stat.stx_gid));
        // Whoever may not give files away may still choose among its groups.
        if fchown(file, Some(owner), Some(group)).is_err() {
            let _ = fchown(file, None, Some(group));
        }
    }
    let mode = Mode::from_raw_mode((stat.stx_mode & 0o777).into());
    bear(tree, fchmod(file, mode), MODES)?;
    let copied = old.map_or(Ok(()), |old| copy_attributes(old, file));
    bear(tree, copied, ATTRIBUTES)
}

/// Copies the ACL and the attributes of users.
fn copy_attributes(old: &OwnedFd, file: impl AsFd) -> Result<(), Errno> {
    let names = match listed(old) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
        names => names?,
    };
    let mut outcome = Ok(());
    for name in names.split(|&byte| byte == 0) {
        if name.starts_with(USER) || name == ACL.as_bytes() {
            let value = value(old, name)?;
            let set = fsetxattr(&file, name, &value, XattrFlags::empty());
            outcome = outcome.and(set);
        }
    }
    outcome
}

/// The names of a file's attributes, each before a NUL.
fn listed(file: &OwnedFd) -> Result<Vec<u8>, Errno> {
    whole(|names| flistxattr(file, spare_capacity(names)))
}

fn value(file: impl AsFd, name: &[u8]) -> Result<Vec<u8>, Errno> {
    whole(|value| fgetxattr(&file, name, spare_capacity(value)))
}

/// All that a call reads into the room of a vector, which grows until it is enough.
fn whole(mut read: impl FnMut(&mut Vec<u8>) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::with_capacity(256);
    loop {
        match read(&mut bytes) {
            Err(Errno::RANGE) if bytes.capacity() < MAX_VALUE => bytes.reserve(MAX_VALUE),
            Ok(_) => return Ok(bytes),
            Err(error) => return Err(error),
        }
    }
}

/// The permission bits of a new file that a directory's default ACL leaves, if it has one. The
/// entries of the ACL itself the file has by then, from the system.
fn default_mode(directory: impl AsFd) -> Option<u16> {
    let acl = value(directory, DEFAULT_ACL.as_bytes()).ok()?;
    // A version, then entries: what it is about, the bits, the number of a user or group.
    let entries = acl.get(4..)?.chunks_exact(8);
    let bits = |about: u16| {
        let mut entries = entries.clone();
        let entry = entries.find(|entry| entry[..2] == about.to_le_bytes())?;
        Some(u16::from_le_bytes([entry[2], entry[3]]) & 0o6)
    };
    let (owner, group, mask, others) = (bits(0x01)?, bits(0x04)?, bits(0x10), bits(0x20)?);
    Some(owner << 6 | mask.unwrap_or(group) << 3 | others)
}
