//! What the errors of the system mean to a client.

use std::io::{self, ErrorKind};

use crate::failure::Failure;
use crate::outcome::DataFailure;

impl From<&io::Error> for Failure {
    /// Returns the failure of a file operation. What has no meaning to a client is [`Failure::Io`].
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Denied,
            ErrorKind::AlreadyExists => Self::Exists,
            ErrorKind::NotADirectory => Self::NotADirectory,
            ErrorKind::IsADirectory => Self::IsADirectory,
            ErrorKind::DirectoryNotEmpty => Self::NotEmpty,
            ErrorKind::InvalidFilename | ErrorKind::InvalidInput => Self::BadName,
            ErrorKind::CrossesDevices => Self::BadMove,
            ErrorKind::StorageFull => Self::NoSpace,
            ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Self::Quota,
            ErrorKind::ResourceBusy | ErrorKind::ExecutableFileBusy | ErrorKind::WouldBlock => {
                Self::Busy
            }
            ErrorKind::Unsupported => Self::Unsupported,
            _ => Self::Io,
        }
    }
}

impl From<io::Error> for Failure {
    /// As for a reference.
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&io::Error> for DataFailure {
    /// Returns why there is no data connection.
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Self::Refused,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::TimedOut => {
                Self::Unreachable
            }
            _ => Self::NoResources,
        }
    }
}

impl From<io::Error> for DataFailure {
    /// As for a reference.
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}
