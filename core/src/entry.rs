//! What a storage says about a file: [`Metadata`], and [`Entry`] for one name of a directory.

use bstr::BStr;

use crate::time::Timestamp;

/// What a name stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file, or an object of an object store.
    #[default]
    File,
    /// A directory, or a common prefix of an object store.
    Directory,
    /// A symbolic link that was not followed.
    Link,
    /// A device, a socket, a pipe: listed, never opened.
    Other,
    /// An upload of this account that broke off, where nothing finished stands. Its size is how
    /// much of it can be continued, which is always less than arrived. Only SIZE tells of it,
    /// and LIST and MLSD where the storage lists it.
    Partial,
}

impl Kind {
    /// Whether RETR may open it.
    #[must_use]
    pub const fn is_file(self) -> bool {
        matches!(self, Self::File)
    }

    /// Whether its size is a number of bytes that a client may rely on.
    pub(crate) const fn has_size(self) -> bool {
        matches!(self, Self::File | Self::Partial)
    }

    /// Whether CWD may enter it.
    #[must_use]
    pub const fn is_directory(self) -> bool {
        matches!(self, Self::Directory)
    }
}

/// The facts about a file that RFC 959 listings and RFC 3659 facts are made of.
///
/// What a storage does not know stays `None` and is left out of the facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: Kind,
    /// Length in bytes; 0 where it has no meaning.
    pub size: u64,
    /// When the content was last changed.
    pub modified: Option<Timestamp>,
    /// The permission bits of `UNIX.mode`, below 0o10000.
    pub mode: Option<u16>,
    /// How many names it has.
    pub links: Option<u32>,
    /// Number of the owning user.
    pub owner: Option<u32>,
    /// Number of the owning group.
    pub group: Option<u32>,
    /// Whether it can be entered, if it is a directory and that is known: CWD says 550 where it
    /// cannot.
    pub enterable: Option<bool>,
    /// Two numbers that tell this file from every other one (device and inode), for `unique=`.
    pub unique: Option<(u64, u64)>,
}

/// One name of a directory, as a storage yields it to a [`Listing`](crate::Listing).
///
/// `.` and `..` are never yielded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<'a> {
    /// The name in its directory, bytes as they are stored.
    pub name: &'a BStr,
    /// What stands under that name; a link is not followed.
    pub metadata: Metadata,
    /// For a link: where it points, if that lies within the tree and may be shown. It is left out if
    /// it is longer than [`VPath::MAX`](crate::VPath::MAX).
    pub target: Option<&'a BStr>,
    /// For a link: what it leads to, if that lies within the tree.
    pub leads_to: Option<Metadata>,
}

impl<'a> Entry<'a> {
    /// Returns the entry of that name.
    #[must_use]
    pub fn new(name: impl Into<&'a BStr>, metadata: Metadata) -> Self {
        Self {
            name: name.into(),
            metadata,
            target: None,
            leads_to: None,
        }
    }

    /// The same with another [`target`](Self::target).
    #[must_use]
    pub fn with_target(self, target: Option<&'a BStr>) -> Self {
        Self { target, ..self }
    }

    /// The same that [`leads_to`](Self::leads_to) something else.
    #[must_use]
    pub fn with_leads_to(self, leads_to: Option<Metadata>) -> Self {
        Self { leads_to, ..self }
    }
}

impl Metadata {
    /// Returns the facts of something of which only the kind is known.
    #[must_use]
    pub fn of_kind(kind: Kind) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }
}
