//! [`Queue`]: what is going to happen, in the order of time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Something that is going to happen at a seat, ordered by time and then by when it was planned.
#[derive(Debug)]
pub(crate) struct Plan<W> {
    pub(crate) at: u64,
    order: u64,
    pub(crate) seat: usize,
    pub(crate) what: W,
}

impl<W> PartialEq for Plan<W> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<W> Eq for Plan<W> {}

impl<W> PartialOrd for Plan<W> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<W> Ord for Plan<W> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Everything that is planned.
#[derive(Debug)]
pub(crate) struct Queue<W> {
    plans: BinaryHeap<Reverse<Plan<W>>>,
    order: u64,
}

impl<W> Default for Queue<W> {
    fn default() -> Self {
        Self {
            plans: BinaryHeap::new(),
            order: 0,
        }
    }
}

impl<W> Queue<W> {
    pub(crate) fn plan(&mut self, at: u64, seat: usize, what: W) {
        self.order += 1;
        let order = self.order;
        self.plans.push(Reverse(Plan {
            at,
            order,
            seat,
            what,
        }));
    }

    pub(crate) fn pop(&mut self) -> Option<Plan<W>> {
        self.plans.pop().map(|Reverse(plan)| plan)
    }
}
