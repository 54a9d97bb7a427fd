//! [`Identity`]: the user that a process becomes which began as root.

use std::ffi::CString;
use std::io;

use nix::unistd::{
    Gid, Group, Uid, User, getegid, geteuid, getgrouplist, getgroups, getresgid, getresuid,
    setfsgid, setfsuid, setgroups, setresgid, setresuid,
};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_keep_capabilities};

/// The right to bind ports below 1024 and no other.
const ONLY_PORTS: CapabilitySets = CapabilitySets {
    effective: CapabilitySet::NET_BIND_SERVICE,
    permitted: CapabilitySet::NET_BIND_SERVICE,
    inheritable: CapabilitySet::empty(),
};

/// A user of this machine, and the groups that the process will be in.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    name: String,
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Identity {
    /// The user of that name, in that group instead of its own if one is given.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(name: &str, group: Option<&Group>) -> Result<Self, String> {
        let user = found(User::from_name(name), "user", name)?;
        if user.uid.is_root() {
            return Err("root may do everything, expected another user".into());
        }
        let gid = group.map_or(user.gid, |group| group.gid);
        let groups = CString::new(name)
            .map_err(io::Error::from)
            .and_then(|name| Ok(getgrouplist(&name, gid)?))
            .map_err(|error| format!("its groups cannot be told: {error}"))?;
        Ok(Self {
            name: name.to_owned(),
            uid: user.uid,
            gid,
            groups,
        })
    }

    /// Does something as that user would, as far as files are concerned, and is who it was
    /// afterwards. To be called before any thread is started. Who is not root stays who it is.
    ///
    /// # Errors
    /// The process cannot act as that user.
    pub(crate) fn act_as<T>(&self, act: impl FnOnce() -> T) -> io::Result<T> {
        if !geteuid().is_root() {
            return Ok(act());
        }
        let back = Back(getgroups()?);
        setgroups(&self.groups).map_err(|error| self.refused(error.desc()))?;
        setfsgid(self.gid);
        setfsuid(self.uid);
        let done = act();
        drop(back);
        Ok(done)
    }

    /// Returns its numbers, and that of its group.
    pub(crate) fn ids(&self) -> (u32, u32) {
        (self.uid.as_raw(), self.gid.as_raw())
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the process could become that user.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn can_assume(&self) -> io::Result<()> {
        if self.is_here() || geteuid().is_root() {
            Ok(())
        } else {
            Err(self.refused(ONLY_ROOT))
        }
    }

    /// Whether the process was started as that user, in whatever further groups.
    pub(crate) fn is_here(&self) -> bool {
        let uid = getresuid().map(|uid| [uid.real, uid.effective, uid.saved]);
        let gid = getresgid().map(|gid| [gid.real, gid.effective, gid.saved]);
        uid == Ok([self.uid; 3]) && gid == Ok([self.gid; 3])
    }

    /// Becomes that user for ever, and keeps no right of root but, where it is wanted, that to bind
    /// ports below 1024.
    ///
    /// # Errors
    /// Why the process cannot, or could go back.
    pub(crate) fn assume(&self, keeps_ports: bool) -> io::Result<()> {
        if self.is_here() {
            return Ok(());
        }
        if !geteuid().is_root() {
            return Err(self.refused(ONLY_ROOT));
        }
        set_keep_capabilities(keeps_ports)?;
        // As that user it may change neither groups nor gid.
        setgroups(&self.groups)
            .and_then(|()| setresgid(self.gid, self.gid, self.gid))
            .and_then(|()| setresuid(self.uid, self.uid, self.uid))
            .map_err(|error| self.refused(error.desc()))?;
        if keeps_ports {
            set_keep_capabilities(false)?;
            set_capabilities(None, ONLY_PORTS)?;
        }
        if self.is_complete()? && !Self::may_return() {
            Ok(())
        } else {
            Err(self.refused("not all that root may do was given up"))
        }
    }

    fn is_complete(&self) -> io::Result<bool> {
        let (uid, gid) = (getresuid()?, getresgid()?);
        let in_groups = |mut groups: Vec<Gid>| {
            groups.sort_by_key(|group| group.as_raw());
            groups.dedup();
            groups
        };
        Ok([uid.real, uid.effective, uid.saved] == [self.uid; 3]
            && [gid.real, gid.effective, gid.saved] == [self.gid; 3]
            && in_groups(getgroups()?) == in_groups(self.groups.clone()))
    }

    /// Whether the process can become root again: it has kept a capability.
    fn may_return() -> bool {
        let root = Uid::from_raw(0);
        setresuid(root, root, root).is_ok() || setgroups(&[]).is_ok()
    }

    fn refused(&self, why: &str) -> io::Error {
        io::Error::other(format!("cannot become the user {}: {why}", self.name))
    }
}

/// The groups that the process goes back to, and the user whom it is, when this is dropped.
struct Back(Vec<Gid>);

impl Drop for Back {
    fn drop(&mut self) {
        setfsuid(geteuid());
        setfsgid(getegid());
        let _ = setgroups(&self.0);
    }
}

/// What is said to who is neither root nor that user.
const ONLY_ROOT: &str = "only root can become another user; start it as root, or leave `user` out \
                         and start it as the user whom it shall be (`User=` of systemd)";

/// The group of that name.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn group(name: &str) -> Result<Group, String> {
    found(Group::from_name(name), "group", name)
}

fn found<T>(found: nix::Result<Option<T>>, kind: &str, name: &str) -> Result<T, String> {
    match found {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(format!(
            "there is no {kind} {name}, expected one of this machine; `{kind}add --system {name}` \
             makes it"
        )),
        Err(error) => Err(format!("the {kind} {name} cannot be looked up: {error}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn only_root_can_become_another_user() {
        // The user of this thread alone, where it is root.
        let here = || {
            let _ = rustix::thread::set_thread_uid(rustix::thread::Uid::from_raw(1));
            let nobody = Identity::new("nobody", None).unwrap();
            nobody.assume(false).unwrap_err().to_string()
        };
        let said = thread::spawn(here).join().unwrap();
        let expected = format!("cannot become the user nobody: {ONLY_ROOT}");
        assert_eq!(said, expected);
    }
}
