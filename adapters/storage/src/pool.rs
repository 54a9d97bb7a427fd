//! [`Pool`]: a bounded number of threads for calls that may block.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::num::NonZero;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::executor::{Executor, Group, Job};

/// A thread that has had nothing to do for so long ends.
const IDLE: Duration = Duration::from_secs(1);

/// A bounded number of threads, which are started when they are needed. Copies share them.
///
/// Jobs begin in the order in which they come, but a [`Group`] gets another thread only while it has
/// fewer than are free: if one disk hangs, it takes half of the threads, and the next one that hangs half
/// of the rest, so that what does not hang goes on. A job that no thread takes for too long is dropped.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    name: &'static str,
    size: usize,
    patience: Duration,
    state: Mutex<State>,
    /// Rung for a thread that waits for a job.
    work: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    threads: usize,
    idle: usize,
    /// How many threads each group has.
    busy: HashMap<Group, usize>,
    /// Somebody drops jobs that have waited for too long.
    is_watched: bool,
}

struct Waiting {
    group: Group,
    job: Job,
    since: Instant,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.0.name)
            .field("size", &self.0.size)
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// Returns a pool of at most so many threads with that name, in which a job waits at most so long for
    /// one.
    #[must_use]
    pub fn new(name: &'static str, size: NonZero<usize>, patience: Duration) -> Self {
        Self(Arc::new(Inner {
            name,
            size: size.get(),
            patience,
            state: Mutex::default(),
            work: Condvar::new(),
        }))
    }

    /// Returns an executor that runs jobs here, for threads that may wait for a local disk or not.
    #[must_use]
    pub fn executor(&self, may_wait: bool) -> Arc<dyn Executor> {
        Arc::new(Shared {
            pool: self.clone(),
            may_wait,
        })
    }

    /// Returns how many threads there are now.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.0.state().threads
    }

    /// Returns the job if there is no thread and none can be started.
    fn spawn(&self, group: Group, job: Job) -> Result<(), Job> {
        let mut state = self.0.state();
        state.waiting.push_back(Waiting {
            group,
            job,
            since: Instant::now(),
        });
        if state.idle >= state.waiting.len() {
            // A thread that is woken finds the state free.
            drop(state);
            self.0.work.notify_one();
            return Ok(());
        }
        // Of those that wait before it, some may have to go on waiting.
        self.0.work.notify_one();
        if state.threads < self.0.size {
            match self.start(Inner::serve) {
                Ok(()) => state.threads += 1,
                // Others may take it; without any, nobody ever would.
                Err(error) if state.threads == 0 => {
                    tell(
                        self.0.name,
                        &format_args!("no thread can be started: {error}"),
                    );
                    return match state.waiting.pop_back() {
                        Some(waiting) => Err(waiting.job),
                        None => Ok(()),
                    };
                }
                Err(_) => {}
            }
        }
        if !state.is_watched {
            // Without it they wait for as long as it takes.
            state.is_watched = self.start(Inner::watch).is_ok();
        }
        Ok(())
    }

    fn start(&self, run: fn(&Inner)) -> io::Result<()> {
        let inner = Arc::clone(&self.0);
        thread::Builder::new()
            .name(self.0.name.into())
            .spawn(move || run(&inner))
            .map(drop)
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does jobs, for as long as there are any.
    fn serve(&self) {
        let mut state = self.state();
        let mut before = None;
        loop {
            if let Some((group, job)) = state.next(self.size) {
                if before.is_some_and(|before| before != group) && !state.waiting.is_empty() {
                    // The group that has one thread less may have another one.
                    self.work.notify_one();
                }
                before = Some(group);
                drop(state);
                // Whoever waits for it learns that it was dropped; the log has the panic.
                let _ = panic::catch_unwind(AssertUnwindSafe(job));
                state = self.state();
                state.leave(group);
                continue;
            }
            before = None;
            state.idle += 1;
            let (woken, waited) = self
                .work
                .wait_timeout(state, IDLE)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.waiting.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }

    /// Drops jobs that have waited for too long, for as long as any wait.
    fn watch(&self) {
        let mut state = self.state();
        while let Some(first) = state.waiting.front() {
            let waited = first.since.elapsed();
            if waited >= self.patience {
                let late = state.waiting.pop_front();
                drop(state);
                tell(self.name, &"no thread is free for a request");
                drop(late);
                state = self.state();
                continue;
            }
            drop(state);
            thread::sleep(self.patience - waited);
            state = self.state();
        }
        state.is_watched = false;
    }
}

impl State {
    /// Takes the first job whose group may have another thread.
    fn next(&mut self, size: usize) -> Option<(Group, Job)> {
        let busy: usize = self.busy.values().sum();
        let free = size - busy;
        let may_have =
            |waiting: &Waiting| self.busy.get(&waiting.group).is_none_or(|has| *has < free);
        let at = self.waiting.iter().position(may_have)?;
        let Waiting { group, job, .. } = self.waiting.remove(at)?;
        *self.busy.entry(group).or_default() += 1;
        Some((group, job))
    }

    fn leave(&mut self, group: Group) {
        if let Some(has) = self.busy.get_mut(&group) {
            *has -= 1;
            if *has == 0 {
                self.busy.remove(&group);
            }
        }
    }
}

struct Shared {
    pool: Pool,
    may_wait: bool,
}

impl Executor for Shared {
    fn may_wait(&self) -> bool {
        self.may_wait
    }

    fn spawn(&self, group: Group, job: Job) {
        match self.pool.spawn(group, job) {
            // Only this session waits for it.
            Err(job) if self.may_wait => job(),
            _ => {}
        }
    }
}

/// Tells the log, if there is one.
fn tell(pool: &str, what: &dyn fmt::Display) {
    #[cfg(feature = "tracing")]
    tracing::warn!(pool, "{what}");
    #[cfg(not(feature = "tracing"))]
    let _ = (pool, what);
}
