//! [`Identity`]: the user that a process becomes which began as root.

use std::ffi::CString;
use std::io;

use nix::unistd::{
    Gid, Group, Uid, User, geteuid, getgrouplist, getgroups, getresgid, getresuid, setgroups,
    setresgid, setresuid,
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
pub(super) struct Identity {
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
    pub(super) fn new(name: &str, group: Option<&Group>) -> Result<Self, String> {
        let user = found(User::from_name(name), "user")?;
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

    /// Becomes that user for ever, and keeps no right of root but, where it is wanted, that to bind
    /// ports below 1024.
    ///
    /// # Errors
    /// Why the process cannot, or could go back.
    pub(super) fn assume(&self, keeps_ports: bool) -> io::Result<()> {
        if !geteuid().is_root() {
            return Err(self.refused("only root can become another user"));
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

/// The group of that name.
///
/// # Errors
/// What is wrong with it.
pub(super) fn group(name: &str) -> Result<Group, String> {
    found(Group::from_name(name), "group")
}

fn found<T>(found: nix::Result<Option<T>>, kind: &str) -> Result<T, String> {
    match found {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(format!(
            "there is no such {kind}, expected one of this machine"
        )),
        Err(error) => Err(format!("the {kind} cannot be looked up: {error}")),
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
        let expected = "cannot become the user nobody: only root can become another user";
        assert_eq!(said, expected);
    }
}
