//! The entries that are kept back until the directory ends, to be sorted.

use alloc::vec::Vec;

use bstr::{BString, ByteSlice};

use crate::entry::{Entry, Metadata};
use crate::listing::options::{ListOptions, Order};

/// How many entries are kept at most.
const MOST: usize = 10_000;
/// How many bytes they may take, where nothing is said.
const BYTES: usize = 512 << 10;

/// Keeps entries until the directory ends or there are too many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sorter {
    kept: Vec<Kept>,
    /// Bytes that may still be kept.
    room: usize,
    /// How many there were.
    limit: usize,
    /// Entries before this one are written.
    next: usize,
    /// There were too many: no more are kept in this directory.
    overflowed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    name: BString,
    target: Option<BString>,
    metadata: Metadata,
    leads_to: Option<Metadata>,
}

impl Default for Sorter {
    fn default() -> Self {
        Self::new(BYTES)
    }
}

/// There are more entries than are ever sorted.
pub(crate) struct Full;

impl Sorter {
    /// Keeps no more than so many bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            kept: Vec::new(),
            room: limit,
            limit,
            next: 0,
            overflowed: false,
        }
    }

    pub(crate) fn keep(&mut self, entry: &Entry<'_>) -> Result<(), Full> {
        let names = entry.name.len() + entry.target.map_or(0, |target| target.len());
        // A vector that grows has room for twice as many.
        let room = self.room.checked_sub(2 * size_of::<Kept>() + names);
        let Some(room) = room.filter(|_| !self.overflowed && self.kept.len() < MOST) else {
            self.overflowed = true;
            return Err(Full);
        };
        self.room = room;
        self.kept.push(Kept {
            name: entry.name.into(),
            target: entry.target.map(Into::into),
            metadata: entry.metadata,
            leads_to: entry.leads_to,
        });
        Ok(())
    }

    /// Sorts what is kept, unless some of it is already written.
    pub(crate) fn sort(&mut self, options: ListOptions) {
        if self.next != 0 {
            return;
        }
        self.kept.sort_by(|a, b| {
            let order = match options.order {
                Order::Name => a.name.cmp(&b.name),
                Order::Time => b
                    .metadata
                    .modified
                    .cmp(&a.metadata.modified)
                    .then_with(|| a.name.cmp(&b.name)),
                Order::Size => b
                    .metadata
                    .size
                    .cmp(&a.metadata.size)
                    .then_with(|| a.name.cmp(&b.name)),
            };
            if options.reverse {
                order.reverse()
            } else {
                order
            }
        });
    }

    pub(crate) fn peek(&self) -> Option<Entry<'_>> {
        self.kept.get(self.next).map(|kept| {
            Entry::new(kept.name.as_bstr(), kept.metadata)
                .with_target(kept.target.as_ref().map(|target| target.as_bstr()))
                .with_leads_to(kept.leads_to)
        })
    }

    pub(crate) fn advance(&mut self) {
        self.next += 1;
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.next == self.kept.len()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.limit);
    }

    /// Bytes of memory behind it.
    pub(crate) fn heap_size(&self) -> usize {
        let names = |kept: &Kept| {
            let target = kept.target.as_ref().map_or(0, |target| target.capacity());
            kept.name.capacity() + target
        };
        self.kept.capacity() * size_of::<Kept>() + self.kept.iter().map(names).sum::<usize>()
    }
}
