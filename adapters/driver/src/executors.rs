//! Where the calls of sessions run that may block.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use tracing::Span;
use wharf_storage::{Executor, Executors, Group, Job, Pool};

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

/// The same for one session, whose place is taken as long as a job of it runs, so that jobs that hang are
/// as few as sessions may be.
pub(crate) fn of_session(executors: Executors, place: &Arc<Permit>) -> Executors {
    let held = |executor| -> Arc<dyn Executor> {
        Arc::new(Held {
            executor,
            place: Arc::clone(place),
        })
    };
    Executors {
        storage: held(executors.storage),
        logins: held(executors.logins),
    }
}

struct Held {
    executor: Arc<dyn Executor>,
    place: Arc<Permit>,
}

impl Executor for Held {
    fn may_wait(&self) -> bool {
        self.executor.may_wait()
    }

    fn spawn(&self, group: Group, job: Job) {
        let (span, place) = (Span::current(), Arc::clone(&self.place));
        let job = move || {
            span.in_scope(job);
            drop(place);
        };
        self.executor.spawn(group, Box::new(job));
    }
}
