//! [`Elsewhere`]: the threads on which the calls of a session run that may block, and may hang.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use wharf_storage::{Executor, Group, Job};

use super::outside::{Outside, Wake, lock};
use crate::case::{Case, Fault, Sabotage};
use crate::random::Random;
use crate::world::QUIET_AFTER;

/// What a storage that stalls takes for a call, in microseconds: longer than any that does not, and
/// shorter than every limit, so that no client may notice more than that.
const STALL: [u64; 3] = [150_000, 2_000_000, 12_000_000];

/// Another thread, whose jobs take their time.
pub(crate) struct Elsewhere {
    outside: Arc<Outside>,
    wake: Wake,
    case: Case,
    may_wait: bool,
    state: Mutex<Jobs>,
    /// A job has taken long.
    pub(super) has_stalled: AtomicBool,
    /// A job hangs, or has hung.
    pub(super) has_hung: AtomicBool,
    /// From now on every job hangs.
    hangs: AtomicBool,
    /// The session is over.
    is_over: AtomicBool,
}

struct Jobs {
    random: Random,
    /// Whether a job stalls or hangs.
    luck: Random,
    waiting: Vec<(u64, Job)>,
    hung: Vec<Job>,
}

impl Elsewhere {
    /// For a session that is woken so; half of them may wait for a disk themselves.
    pub(crate) fn new(
        outside: &Arc<Outside>,
        wake: &Wake,
        case: &Case,
        mut random: Random,
    ) -> Self {
        let luck = random.fork("luck", 0);
        Self {
            outside: Arc::clone(outside),
            wake: wake.clone(),
            case: case.clone(),
            may_wait: random.below(2) == 0,
            state: Mutex::new(Jobs {
                random,
                luck,
                waiting: Vec::new(),
                hung: Vec::new(),
            }),
            has_stalled: AtomicBool::new(false),
            has_hung: AtomicBool::new(false),
            hangs: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        }
    }

    /// Does what is due by now, and has the session woken for the rest.
    pub(crate) fn work(&self) {
        let now = self.outside.now();
        let is_due = |jobs: &mut Jobs| {
            let at = jobs.waiting.iter().position(|(due, _)| *due <= now)?;
            Some(jobs.waiting.remove(at).1)
        };
        loop {
            let Some(job) = is_due(&mut lock(&self.state)) else {
                break;
            };
            self.run(job);
        }
        for (due, _) in &lock(&self.state).waiting {
            self.wake.at(*due);
        }
    }

    fn run(&self, job: Job) {
        self.outside
            .set_left_over(self.is_over.load(Ordering::Relaxed));
        job();
        self.outside.set_left_over(false);
    }

    /// The session is over: nobody wants what its jobs still do.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// From now on every job hangs, also those that have begun.
    pub(crate) fn hang(&self) {
        self.hangs.store(true, Ordering::Relaxed);
        let mut jobs = lock(&self.state);
        let begun: Vec<Job> = jobs.waiting.drain(..).map(|(_, job)| job).collect();
        jobs.hung.extend(begun);
    }

    /// Whether a job hangs or waits.
    pub(crate) fn is_busy(&self) -> bool {
        let jobs = lock(&self.state);
        !jobs.hung.is_empty() || !jobs.waiting.is_empty()
    }

    /// Has a job run when so many microseconds are over.
    pub(super) fn later(&self, micros: u64, job: Job) {
        let due = self.outside.now() + micros;
        lock(&self.state).waiting.push((due, job));
        self.wake.at(due);
    }

    /// What hangs comes back: its jobs go on.
    pub(crate) fn come_back(&self) {
        let mut hung = std::mem::take(&mut lock(&self.state).hung);
        if self.case.sabotage == Some(Sabotage::KeepsPlaces) {
            hung.drain(..).for_each(std::mem::forget);
        }
        hung.into_iter().for_each(|job| self.run(job));
    }
}

impl Executor for Elsewhere {
    fn may_wait(&self) -> bool {
        self.may_wait
    }

    fn spawn(&self, _: Group, job: Job) {
        let now = self.outside.now();
        let mut jobs = lock(&self.state);
        let takes = jobs.random.between(20, 3_000);
        let faulty = now < QUIET_AFTER;
        let strikes = |jobs: &mut Jobs, fault| faulty && jobs.luck.chance(self.case.rate(fault));
        if self.hangs.load(Ordering::Relaxed) || strikes(&mut jobs, Fault::StorageHangs) {
            self.has_hung.store(true, Ordering::Relaxed);
            jobs.hung.push(job);
            return;
        }
        let takes = if strikes(&mut jobs, Fault::StorageStalls) {
            self.has_stalled.store(true, Ordering::Relaxed);
            let most = jobs.luck.pick(&STALL);
            jobs.luck.between(STALL[0], most)
        } else {
            takes
        };
        let due = now + takes;
        jobs.waiting.push((due, job));
        self.wake.at(due);
    }
}
