//! [`confine`]: from here on the kernel lets the process reach what it serves, and little else.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
    make_bitflags, path_beneath_rules,
};

/// What the process may reach.
#[derive(Debug, Default)]
pub(crate) struct Reach<'a> {
    /// Directories, each with whether what lies in it may be changed.
    pub(crate) directories: Vec<(BorrowedFd<'a>, bool)>,
    /// Files and directories that may be read. One that does not exist is left out.
    pub(crate) readable: Vec<PathBuf>,
}

/// Whether the kernel confines the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confinement {
    /// Landlock does, with this version of it.
    Landlock(i32),
    /// It was told not to.
    Off,
    /// The kernel has no Landlock that would do.
    Missing,
    /// The kernel refused: this is why.
    Refused(String),
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Landlock(abi) => write!(f, "confined by Landlock (ABI {abi})"),
            Self::Off => f.write_str("not confined: the configuration says so"),
            Self::Missing => f.write_str("not confined: this kernel has no Landlock (ABI 2)"),
            Self::Refused(why) => write!(f, "not confined: {why}"),
        }
    }
}

/// How many processors a group of processes may use: threads are started by that.
const PROCESSORS: [&str; 3] = [
    "/proc/self/cgroup",
    "/proc/self/mountinfo",
    "/sys/fs/cgroup",
];

/// What it takes to look a host name up: directories, since their files are replaced, and libraries
/// that are loaded when they are needed.
pub(crate) const NAME_SERVICE: [&str; 7] = [
    "/etc",
    "/run/systemd/resolve",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/lib",
    "/lib64",
    "/usr/lib",
];

/// Files and directories can be read.
const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});

/// And made, changed, moved and removed, but neither devices nor sockets.
const CHANGE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | MakeSym | RemoveFile
        | RemoveDir | Refer
});

/// Confines this thread, and those that it starts from now on.
pub(crate) fn confine(reach: &Reach<'_>) -> Confinement {
    // Without this one nothing can be moved to another directory.
    let Ok(ruleset) = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::Refer)
    else {
        return Confinement::Missing;
    };
    match restrict(ruleset.set_compatibility(CompatLevel::BestEffort), reach) {
        Ok(status) => match status.landlock {
            LandlockStatus::Available {
                effective_abi,
                kernel_abi,
            } => Confinement::Landlock(kernel_abi.unwrap_or(effective_abi as i32)),
            LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => Confinement::Missing,
        },
        Err(error) => Confinement::Refused(error.to_string()),
    }
}

fn restrict(ruleset: Ruleset, reach: &Reach<'_>) -> Result<RestrictionStatus, RulesetError> {
    let access = |changes: bool| if changes { CHANGE } else { READ };
    let directories = reach.directories.iter().map(|(directory, changes)| {
        Ok::<_, RulesetError>(PathBeneath::new(*directory, access(*changes)))
    });
    let readable = reach.readable.iter().map(PathBuf::as_path);
    let readable = readable.chain(PROCESSORS.iter().map(Path::new));
    ruleset
        // Devices are dealt with since the fifth, signals since the sixth.
        .handle_access(AccessFs::from_all(ABI::V5))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .add_rules(directories)?
        .add_rules(path_beneath_rules(readable, READ))?
        .restrict_self()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::thread;

    use wharf_core::VPath;
    use wharf_local::{Local, LocalOptions};

    use super::*;

    /// What a confined thread sees of a directory with `home`, `pub` (only to be read), `key` and
    /// `secret`; false where the kernel has no Landlock.
    fn confined(look: impl FnOnce(&Path) + Send) -> bool {
        let place = tempfile::tempdir().unwrap();
        let place = place.path();
        for name in ["home", "home/a", "home/b", "pub", "key"] {
            fs::create_dir(place.join(name)).unwrap();
        }
        for name in ["home/f", "pub/f", "key/f", "secret"] {
            fs::write(place.join(name), name).unwrap();
        }
        let home = Local::open(&place.join("home"), b"", LocalOptions::default()).unwrap();
        let shown = Local::open(&place.join("pub"), b"", LocalOptions::default()).unwrap();
        let reach = Reach {
            directories: vec![(home.as_fd(), true), (shown.as_fd(), false)],
            readable: vec![place.join("key"), place.join("nowhere")],
        };
        // Nothing but this thread is confined, and it ends with its test.
        let here = || {
            let confinement = confine(&reach);
            let confined = matches!(confinement, Confinement::Landlock(2..));
            assert!(confined || confinement == Confinement::Missing);
            if confined {
                look(place);
            }
            confined
        };
        thread::scope(|scope| scope.spawn(here).join().unwrap())
    }

    fn is_denied<T>(result: std::io::Result<T>) -> bool {
        result.is_err_and(|error| {
            matches!(
                error.kind(),
                ErrorKind::PermissionDenied | ErrorKind::CrossesDevices
            )
        })
    }

    #[test]
    fn nothing_outside_can_be_reached() {
        confined(|place| {
            assert!(is_denied(fs::read(place.join("secret"))));
            assert!(is_denied(fs::write(place.join("secret"), "changed")));
            assert!(is_denied(fs::read_dir(place)));
            assert!(is_denied(fs::write(place.join("new"), "")));
            assert!(is_denied(fs::create_dir(place.join("new"))));
            assert!(is_denied(fs::remove_file(place.join("secret"))));
            assert!(is_denied(fs::rename(
                place.join("secret"),
                place.join("home/g")
            )));
            assert!(is_denied(fs::hard_link(
                place.join("secret"),
                place.join("home/g")
            )));
            assert!(is_denied(fs::rename(place.join("home/f"), place.join("g"))));
            assert!(is_denied(fs::read("/etc/passwd")));
            // A link that somebody has planted leads nowhere either.
            symlink(place.join("secret"), place.join("home/link")).unwrap();
            assert!(is_denied(fs::read(place.join("home/link"))));
        });
    }

    #[test]
    fn what_is_only_read_cannot_be_changed() {
        confined(|place| {
            for folder in ["pub", "key"] {
                let file = place.join(folder).join("f");
                assert_eq!(fs::read(&file).unwrap().len(), folder.len() + 2);
                assert_eq!(fs::read_dir(place.join(folder)).unwrap().count(), 1);
                assert!(is_denied(fs::write(&file, "changed")));
                assert!(is_denied(fs::remove_file(&file)));
                assert!(is_denied(fs::write(place.join(folder).join("g"), "")));
            }
        });
    }

    #[test]
    fn a_home_can_be_changed_in_every_way_that_clients_know() {
        confined(|place| {
            let home = place.join("home");
            fs::write(home.join("f"), "changed").unwrap();
            fs::rename(home.join("f"), home.join("a/f")).unwrap();
            fs::hard_link(home.join("a/f"), home.join("b/f")).unwrap();
            fs::rename(home.join("b"), home.join("a/b")).unwrap();
            fs::create_dir(home.join("d")).unwrap();
            fs::remove_dir(home.join("d")).unwrap();
            symlink("a/f", home.join("link")).unwrap();
            fs::set_permissions(home.join("a/f"), fs::Permissions::from_mode(0o600)).unwrap();
            let file = fs::File::options().write(true).open(home.join("link"));
            file.unwrap().set_len(3).unwrap();
            assert_eq!(fs::read(home.join("a/b/f")).unwrap(), b"cha");
            fs::remove_file(home.join("link")).unwrap();
        });
    }

    #[test]
    fn a_storage_that_was_opened_before_goes_on() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("f"), "hello").unwrap();
        let home = Local::open(place.path(), b"", LocalOptions::default()).unwrap();
        let here = || {
            let reach = Reach {
                directories: vec![(home.as_fd(), true)],
                readable: Vec::new(),
            };
            confine(&reach);
            let path = VPath::resolve(&VPath::root(), b"f").unwrap();
            wharf_storage::BlockingStorage::stat(&home, &path).unwrap();
            home.sweep();
        };
        thread::scope(|scope| scope.spawn(here).join().unwrap());
    }

    #[test]
    fn it_says_whether_it_is_confined() {
        let said = |confinement: Confinement| confinement.to_string();
        assert_eq!(
            said(Confinement::Landlock(7)),
            "confined by Landlock (ABI 7)"
        );
        for other in [
            Confinement::Off,
            Confinement::Missing,
            Confinement::Refused("so".into()),
        ] {
            assert!(said(other).starts_with("not confined: "));
        }
    }
}
