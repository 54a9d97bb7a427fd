//! [`Ask`]: a request that the storage or the accounts have begun.

use std::task::{Context, Poll};

use wharf_core::ticket::Request;
use wharf_core::{Event, Ticket};
use wharf_storage::{Begun, Operation};

use super::{Task, Work};

/// A request that is not answered yet.
pub(super) trait Ask: Send {
    /// Goes on with it: the answer, if there is one.
    fn go_on(self: Box<Self>, work: &mut Work) -> Option<Event>;

    /// It shall be answered soon.
    fn cancel(&mut self);

    /// How far it has come.
    fn progress(&self) -> u64;
}

struct Asked<K: Request, T, E, F> {
    ticket: Ticket<K>,
    operation: Box<dyn Operation<T, E>>,
    /// What becomes of the outcome.
    then: F,
}

impl<K, T, E, F> Ask for Asked<K, T, E, F>
where
    K: Request + Send + 'static,
    T: 'static,
    E: 'static,
    F: FnOnce(&mut Work, Ticket<K>, Result<T, E>) -> Option<Event> + Send + 'static,
{
    fn go_on(mut self: Box<Self>, work: &mut Work) -> Option<Event> {
        let waker = work.waker();
        match self.operation.poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => work.wait(Task::Ask(self)),
            Poll::Ready(outcome) => {
                let Self { ticket, then, .. } = *self;
                then(work, ticket, outcome)
            }
        }
    }

    fn cancel(&mut self) {
        self.operation.cancel();
    }

    fn progress(&self) -> u64 {
        self.operation.progress()
    }
}

impl Work {
    /// Answers a request as soon as what was begun for it is done.
    pub(super) fn answer<K, T, E>(
        &mut self,
        ticket: Ticket<K>,
        begun: Begun<T, E>,
        then: impl FnOnce(&mut Self, Ticket<K>, Result<T, E>) -> Option<Event> + Send + 'static,
    ) -> Option<Event>
    where
        K: Request + Send + 'static,
        T: 'static,
        E: 'static,
    {
        match begun {
            Begun::Done(outcome) => then(self, ticket, outcome),
            Begun::Pending(operation) => self.begin(Task::Ask(Box::new(Asked {
                ticket,
                operation,
                then,
            }))),
        }
    }
}
