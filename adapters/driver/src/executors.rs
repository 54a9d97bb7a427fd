//! Where the calls of sessions run that may block.

use std::num::NonZero;
use std::sync::{Arc, Weak};
use std::time::Duration;

use wharf_storage::{Executor, Executors, Group, Job, Pool};

use crate::journal::Span;
use crate::service::Permit;

/// A request to the storage that no thread takes for so long is told 450.
const PATIENCE: Duration = Duration::from_secs(15);
/// A login that no thread takes for so long is told to come back later.
const LOGIN_PATIENCE: Duration = Duration::from_secs(30);
/// Two of these hash passwords at once: each takes about 19 MiB and a processor.
const LOGINS: NonZero<usize> = NonZero::new(3).unwrap();

/// The threads of a server, for sessions whose own thread may wait and for others.
pub(crate) struct Threads {
    own: Executors,
    shared: Executors,
}

impl Threads {
    /// So many for storages.
    pub(crate) fn new(storage: NonZero<usize>) -> Self {
        let storage = Pool::new("ftp storage", storage, PATIENCE);
        let logins = Pool::new("ftp logins", LOGINS, LOGIN_PATIENCE);
        let executors = |may_wait| Executors {
            storage: storage.executor(may_wait),
            logins: logins.executor(may_wait),
        };
        Self {
            own: executors(true),
            shared: executors(false),
        }
    }

    pub(crate) fn executors(&self, may_wait: bool) -> Executors {
        if may_wait { &self.own } else { &self.shared }.clone()
    }
}

/// What a session has of the server: its place, which is taken as long as a job of it runs, so that jobs that
/// hang are as few as sessions may be. It is the executor of its calls to storages.
pub(crate) struct Held {
    pub(crate) permit: Permit,
    executors: Executors,
    itself: Weak<Self>,
}

impl Held {
    pub(crate) fn new(permit: Permit, executors: Executors) -> Arc<Self> {
        Arc::new_cyclic(|itself| Self {
            permit,
            executors,
            itself: Weak::clone(itself),
        })
    }

    /// Where the calls of a login run.
    pub(crate) fn executors(self: &Arc<Self>) -> Executors {
        Executors {
            storage: Arc::<Self>::clone(self),
            logins: Arc::new(Logins(Arc::clone(self))),
        }
    }

    fn hold(&self, job: Job) -> Job {
        let (span, held) = (Span::current(), self.itself.upgrade());
        Box::new(move || {
            span.in_scope(job);
            drop(held);
        })
    }
}

impl Executor for Held {
    fn may_wait(&self) -> bool {
        self.executors.storage.may_wait()
    }

    fn spawn(&self, group: Group, job: Job) {
        self.executors.storage.spawn(group, self.hold(job));
    }
}

/// The executor of its logins.
struct Logins(Arc<Held>);

impl Executor for Logins {
    fn may_wait(&self) -> bool {
        self.0.executors.logins.may_wait()
    }

    fn spawn(&self, group: Group, job: Job) {
        self.0.executors.logins.spawn(group, self.0.hold(job));
    }
}
