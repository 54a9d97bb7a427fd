//! [`Queue`]: the sessions that wait for a passive port.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use crate::bell::Bell;

/// Who wants a port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    /// Tells the session from others.
    pub(crate) session: u64,
    pub(crate) client: IpAddr,
    /// It has had ports for longer than one is kept for a client, and has used none: whoever waits
    /// comes first.
    pub(crate) outstays: bool,
}

/// The sessions that wait for a port, and what each was given. Who has waited longest comes first.
#[derive(Debug, Default)]
pub(crate) struct Queue(VecDeque<Waiting>);

#[derive(Debug)]
struct Waiting {
    asker: Asker,
    given: Option<u16>,
    bell: Arc<Bell>,
}

impl Queue {
    /// A session waits, behind the others, unless it does already: whether it is new.
    pub(crate) fn join(&mut self, asker: Asker, bell: &Arc<Bell>) -> bool {
        let is_new = self.0.iter().all(|one| one.asker.session != asker.session);
        if is_new {
            self.0.push_back(Waiting {
                asker,
                given: None,
                bell: Arc::clone(bell),
            });
        }
        is_new
    }

    /// A session waits no longer. What it was given and did not take is for others.
    pub(crate) fn leave(&mut self, session: u64) -> Option<u16> {
        let at = self.0.iter().position(|one| one.asker.session == session)?;
        self.0.remove(at)?.given
    }

    /// The port that the session was given, once.
    pub(crate) fn take_given(&mut self, session: u64) -> Option<u16> {
        let waiting = self.0.iter_mut().find(|one| one.asker.session == session)?;
        waiting.given.take()
    }

    /// Gives a port to the first that may have it, and wakes it: whether there is one.
    pub(crate) fn give(&mut self, port: u16, may_have: impl Fn(&Asker) -> bool) -> bool {
        let waiting = self.0.iter_mut().filter(|one| one.given.is_none());
        let mut fitting = waiting
            .enumerate()
            .filter(|(at, one)| (*at == 0 || !one.asker.outstays) && may_have(&one.asker));
        let Some((_, first)) = fitting.next() else {
            return false;
        };
        first.given = Some(port);
        first.bell.ring();
        true
    }

    /// Wakes all who have nothing yet: what each may have has changed.
    pub(crate) fn wake(&self) {
        let waiting = self.0.iter().filter(|one| one.given.is_none());
        waiting.for_each(|one| one.bell.ring());
    }

    /// Whether somebody has waited for longer than that session and has nothing yet.
    pub(crate) fn is_before(&self, session: u64) -> bool {
        let mut before = self.0.iter().take_while(|one| one.asker.session != session);
        before.any(|one| one.given.is_none())
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
