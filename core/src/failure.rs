//! [`Failure`]: why a storage could not do what it was asked.

use core::fmt;

/// Why a storage could not do what it was asked. The core turns it into a reply, so a storage
/// never writes text that a client sees and cannot leak a path of the real system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// No such file or directory (550).
    NotFound,
    /// The system refuses it (550).
    Denied,
    /// The name is taken (550).
    Exists,
    /// A directory was needed (550).
    NotADirectory,
    /// A directory stands there where a file was needed (550).
    IsADirectory,
    /// The directory is not empty (550).
    NotEmpty,
    /// A device, socket or pipe, which is never opened (550).
    NotAFile,
    /// It is the home itself, whose mode is not for clients (550).
    IsHome,
    /// The name is too long or not allowed (553).
    BadName,
    /// A directory cannot be moved into itself, or to another file system (553).
    BadMove,
    /// The offset lies behind the end of the file (554).
    PastEnd,
    /// The last upload of this name broke off, and what is asked would mix it with another
    /// version of the file (554).
    BrokenOff,
    /// A file, or a list, is too large for what was asked (550 for SIZE in TYPE A).
    TooLarge,
    /// Somebody else holds it, or too many things are open; try again (450).
    Busy,
    /// No space is left (452).
    NoSpace,
    /// The quota is used up (552).
    Quota,
    /// An error of the device or the backend (451).
    Io,
    /// It is not known whether it was done (451).
    Unknown,
    /// The storage cannot do this (502, or 550 where the command exists but not for this file).
    Unsupported,
    /// It was given up because of `Action::Cancel` (426 or 451).
    Cancelled,
}

impl fmt::Display for Failure {
    /// The text that follows the reply code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Failure {}

impl Failure {
    /// The reply code, where the command has no code of its own for it.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::NotFound
            | Self::Denied
            | Self::Exists
            | Self::NotADirectory
            | Self::IsADirectory
            | Self::NotEmpty
            | Self::NotAFile
            | Self::IsHome
            | Self::TooLarge
            | Self::Unsupported => 550,
            Self::BadName | Self::BadMove => 553,
            Self::PastEnd | Self::BrokenOff => 554,
            Self::Busy => 450,
            Self::NoSpace => 452,
            Self::Quota => 552,
            Self::Io | Self::Unknown | Self::Cancelled => 451,
        }
    }

    /// What it means to a command that only looks at something: what cannot be is not there, and
    /// nothing needs room.
    pub(crate) const fn of_looking(self) -> Self {
        match self {
            Self::BadName | Self::BadMove | Self::PastEnd | Self::BrokenOff => Self::NotFound,
            Self::NoSpace | Self::Quota => Self::Io,
            other => other,
        }
    }

    /// The text that follows the reply code.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NotFound => "No such file or directory.",
            Self::Denied => "Permission denied.",
            Self::Exists => "File exists.",
            Self::NotADirectory => "Not a directory.",
            Self::IsADirectory => "Is a directory.",
            Self::NotEmpty => "Directory not empty.",
            Self::NotAFile => "Not a regular file.",
            Self::IsHome => "The mode of the home itself is not for clients.",
            Self::BadName => "File name not allowed.",
            Self::BadMove => "Cannot be moved there.",
            Self::PastEnd => "The restart offset lies behind the end of the file.",
            Self::BrokenOff => {
                "The last upload of this file broke off; send it from the beginning."
            }
            Self::TooLarge => "Too large for that.",
            Self::Busy => "File busy, try again later.",
            Self::NoSpace => "No space left.",
            Self::Quota => "Quota exceeded.",
            Self::Io => "Local error in processing.",
            Self::Unknown => "The outcome is not known.",
            Self::Unsupported => "Not supported here.",
            Self::Cancelled => "Given up after waiting too long.",
        }
    }
}
