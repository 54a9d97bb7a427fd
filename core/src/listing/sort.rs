//! The entries that `-t`, `-S` and `-r` keep back until the directory ends.

use alloc::vec::Vec;

use bstr::{BString, ByteSlice};

use crate::entry::{Entry, Metadata};
use crate::listing::options::{ListOptions, Order};

/// How many entries are kept at most.
const LIMIT: usize = 10_000;

/// Keeps entries until the directory ends or there are too many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sorter {
    kept: Vec<Kept>,
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
}

/// There are more entries than are ever sorted.
pub(crate) struct Full;

impl Sorter {
    pub(crate) fn keep(&mut self, entry: &Entry<'_>) -> Result<(), Full> {
        if self.overflowed || self.kept.len() == LIMIT {
            self.overflowed = true;
            return Err(Full);
        }
        self.kept.push(Kept {
            name: entry.name.into(),
            target: entry.target.map(Into::into),
            metadata: entry.metadata,
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
                Order::Storage => a.name.cmp(&b.name),
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
        self.kept.get(self.next).map(|kept| Entry {
            name: kept.name.as_bstr(),
            metadata: kept.metadata,
            target: kept.target.as_ref().map(|target| target.as_bstr()),
        })
    }

    pub(crate) fn advance(&mut self) {
        self.next += 1;
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.next == self.kept.len()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
