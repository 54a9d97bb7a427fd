//! What the errors of the system mean to a client.

use rustix::io::Errno;
use wharf_core::Failure;

/// The failure that stands for an error of the system.
pub(crate) fn failure(error: Errno) -> Failure {
    match error {
        // A link that leads out of the jail, or in a circle, leads nowhere.
        Errno::NOENT | Errno::LOOP | Errno::XDEV => Failure::NotFound,
        Errno::ACCESS | Errno::PERM | Errno::ROFS => Failure::Denied,
        Errno::EXIST => Failure::Exists,
        Errno::NOTDIR => Failure::NotADirectory,
        Errno::ISDIR => Failure::IsADirectory,
        Errno::NOTEMPTY => Failure::NotEmpty,
        Errno::NXIO => Failure::NotAFile,
        // Some file systems refuse some names with EINVAL.
        Errno::NAMETOOLONG | Errno::ILSEQ | Errno::INVAL => Failure::BadName,
        Errno::NOSPC => Failure::NoSpace,
        Errno::DQUOT | Errno::FBIG => Failure::Quota,
        Errno::MFILE | Errno::NFILE | Errno::BUSY | Errno::TXTBSY | Errno::AGAIN => Failure::Busy,
        _ => Failure::Io,
    }
}

/// The failure of a rename, where two errors have a meaning of their own.
pub(crate) fn rename_failure(error: Errno) -> Failure {
    match error {
        Errno::INVAL | Errno::XDEV => Failure::BadMove,
        error => failure(error),
    }
}
