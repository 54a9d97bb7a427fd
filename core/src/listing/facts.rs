//! The facts of MLST and MLSD (RFC 3659 section 7).

use crate::account::{Capabilities, Rights};
use crate::entry::Kind;

/// A set of facts, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactSet(u8);

impl FactSet {
    /// `type=`
    pub(crate) const TYPE: Self = Self(1);
    /// `size=`
    pub(crate) const SIZE: Self = Self(1 << 1);
    /// `modify=`
    pub(crate) const MODIFY: Self = Self(1 << 2);
    /// `perm=`
    pub(crate) const PERM: Self = Self(1 << 3);
    /// `unique=`
    pub(crate) const UNIQUE: Self = Self(1 << 4);
    /// `UNIX.mode=`
    pub(crate) const MODE: Self = Self(1 << 5);
    /// `UNIX.uid=`
    pub(crate) const OWNER: Self = Self(1 << 6);
    /// `UNIX.gid=`
    pub(crate) const GROUP: Self = Self(1 << 7);

    /// Every fact with its name, in the order of the lines.
    pub(crate) const NAMES: [(Self, &'static str); 8] = [
        (Self::TYPE, "type"),
        (Self::SIZE, "size"),
        (Self::MODIFY, "modify"),
        (Self::PERM, "perm"),
        (Self::UNIQUE, "unique"),
        (Self::MODE, "UNIX.mode"),
        (Self::OWNER, "UNIX.uid"),
        (Self::GROUP, "UNIX.gid"),
    ];

    /// No fact.
    pub const NONE: Self = Self(0);

    /// What is sent until the client chooses by OPTS MLST: all but the numbers of owner and
    /// group.
    pub const DEFAULT: Self = Self(0b0011_1111);

    /// The facts that a client names, each followed by `;`. Unknown ones are left out.
    ///
    /// ```
    /// use wharf_core::listing::FactSet;
    ///
    /// assert_eq!(FactSet::parse(b"Size;nonsense;TYPE;"), FactSet::parse(b"type;size;"));
    /// ```
    #[must_use]
    pub fn parse(names: &[u8]) -> Self {
        names
            .split(|&byte| byte == b';')
            .fold(Self::NONE, |set, name| {
                let found = Self::NAMES
                    .iter()
                    .find(|(_, known)| name.eq_ignore_ascii_case(known.as_bytes()));
                Self(set.0 | found.map_or(0, |(fact, _)| fact.0))
            })
    }

    /// Whether the fact is in the set.
    pub(crate) const fn contains(self, fact: Self) -> bool {
        self.0 & fact.0 != 0
    }
}

impl Default for FactSet {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The letters of `perm=` (RFC 3659 section 7.5.5), worked out once for each listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Perm {
    file: Letters,
    directory: Letters,
    partial: Letters,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Letters {
    bytes: [u8; 8],
    len: u8,
}

impl Letters {
    fn of(choices: &[(u8, bool)]) -> Self {
        let mut letters = Self::default();
        for &(letter, _) in choices.iter().filter(|(_, allowed)| *allowed) {
            letters.bytes[usize::from(letters.len)] = letter;
            letters.len += 1;
        }
        letters
    }
}

impl Perm {
    pub(crate) fn new(rights: Rights, can: Capabilities) -> Self {
        let overwrite = rights.contains(Rights::WRITE | Rights::OVERWRITE);
        let rename = can.rename && rights.contains(Rights::RENAME);
        let delete = rights.contains(Rights::DELETE);
        Self {
            file: Letters::of(&[
                (b'a', can.append && overwrite),
                (b'd', delete),
                (b'f', rename),
                (b'r', rights.contains(Rights::READ)),
                (b'w', overwrite),
            ]),
            partial: Letters::of(&[
                (b'a', can.append && rights.contains(Rights::WRITE)),
                (b'd', delete),
                (b'w', rights.contains(Rights::WRITE)),
            ]),
            directory: Letters::of(&[
                (b'c', rights.contains(Rights::WRITE)),
                (b'd', delete),
                (b'e', true),
                (b'f', rename),
                (b'l', rights.contains(Rights::LIST)),
                (b'm', rights.contains(Rights::MKDIR)),
                (b'p', delete),
            ]),
        }
    }

    pub(crate) fn letters(&self, kind: Kind) -> &[u8] {
        let letters = match kind {
            Kind::File | Kind::Link => &self.file,
            Kind::Directory => &self.directory,
            Kind::Partial => &self.partial,
            Kind::Other => return b"",
        };
        &letters.bytes[..usize::from(letters.len)]
    }
}
