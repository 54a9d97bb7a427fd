//! The one ticket that may be out.

use crate::action::{Action, Flow};
use crate::ticket::{Event, Foreign, Outcome, Request, Ticket, TicketId};

/// Hands out tickets, one at a time, and knows which one is out.
#[derive(Debug, Default)]
#[cfg_attr(feature = "testing", derive(Clone))]
pub(crate) struct Desk {
    serial: u32,
    out: Option<Out>,
    /// The action with the ticket, until it is polled.
    action: Option<Action>,
    cancel: Cancel,
}

/// The ticket that is out.
#[derive(Clone, Copy, Debug)]
struct Out {
    id: TicketId,
    /// Whether an outcome is of the kind that was asked for. An event of another session may have
    /// the same id.
    fits: fn(&Outcome) -> bool,
}

/// Whether the ticket that is out shall come back early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Cancel {
    #[default]
    No,
    /// [`Action::Cancel`] is to be polled.
    Wanted,
    /// It was polled.
    Sent,
}

impl Desk {
    pub(super) fn issue<K: Request>(&mut self, action: impl FnOnce(Ticket<K>) -> Action) {
        debug_assert!(self.out.is_none(), "a ticket is out already");
        self.serial = self.serial.wrapping_add(1);
        let id = TicketId(self.serial);
        self.out = Some(Out { id, fits: K::fits });
        self.action = Some(action(Ticket::new(id)));
        self.cancel = Cancel::No;
    }

    /// The ticket that is out shall come back early.
    pub(super) fn cancel(&mut self) {
        if self.out.is_some() && self.cancel == Cancel::No {
            self.cancel = Cancel::Wanted;
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel != Cancel::No
    }

    pub(super) fn poll(&mut self) -> Option<Action> {
        if let Some(action) = self.action.take() {
            return Some(action);
        }
        if self.cancel != Cancel::Wanted {
            return None;
        }
        self.cancel = Cancel::Sent;
        self.out.map(|out| Action::Cancel(out.id))
    }

    /// Bytes of memory behind it.
    pub(super) fn heap_size(&self) -> usize {
        match &self.action {
            Some(Action::Report(_, _, listing)) => listing.heap_size(),
            Some(Action::Transfer(_, plan)) => match &plan.flow {
                Flow::List(listing) => listing.heap_size(),
                Flow::Send { .. } | Flow::Receive => 0,
            },
            _ => 0,
        }
    }

    /// A ticket came back.
    pub(super) fn settle(&mut self, event: &Event) -> Result<(), Foreign> {
        let fits = |out: Out| out.id == event.id && (out.fits)(&event.outcome);
        if !self.out.is_some_and(fits) {
            return Err(Foreign);
        }
        self.out = None;
        self.cancel = Cancel::No;
        Ok(())
    }

    /// No ticket is waited for any more, nor is another issued.
    pub(super) fn abandon(&mut self) {
        *self = Self::default();
    }
}
