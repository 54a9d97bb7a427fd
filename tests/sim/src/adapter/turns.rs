//! [`Turns`]: threads for calls that block, each of which runs only while the simulator waits for it.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread;

use wharf_storage::{Executor, Group, Job};

use super::elsewhere::Elsewhere;

/// A thread calls little.
const STACK: usize = 512 << 10;

/// Where the calls of one session run that may block: between two of its pauses a call sees the world stand
/// still, and while it pauses the others go on.
pub(crate) struct Turns {
    pub(super) elsewhere: Arc<Elsewhere>,
    pub(super) seat: u64,
}

impl Executor for Turns {
    fn may_wait(&self) -> bool {
        false
    }

    fn spawn(&self, _: Group, job: Job) {
        let turn = Turn::new(self.seat, job);
        go_on_later(&Arc::downgrade(&self.elsewhere), turn, 0);
    }
}

fn go_on_later(elsewhere: &Weak<Elsewhere>, turn: Turn, micros: u64) {
    if let Some(there) = elsewhere.upgrade() {
        let elsewhere = elsewhere.clone();
        there.later(
            micros,
            Box::new(move || {
                if let Some(pause) = turn.go_on() {
                    go_on_later(&elsewhere, turn, pause);
                }
            }),
        );
    }
}

/// The simulator's end of a thread. Dropping it lets the thread come to its end, without the world.
struct Turn {
    begin: Sender<()>,
    rests: Receiver<Rest>,
}

/// Why it is the turn of somebody else.
enum Rest {
    /// For so many microseconds.
    Pause(u64),
    /// For ever; something may have gone wrong.
    Over(Result<(), Box<dyn Any + Send>>),
}

/// The thread's own end.
struct Here {
    seat: u64,
    begins: Receiver<()>,
    rest: Sender<Rest>,
}

thread_local! {
    static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
}

impl Turn {
    /// # Panics
    /// If the system has no threads.
    fn new(seat: u64, job: Job) -> Self {
        let (begin, begins) = channel();
        let (rest, rests) = channel();
        let run = move || {
            // Nobody may wait for it any more: what the job holds comes back all the same.
            let _ = begins.recv();
            let rest_at_the_end = rest.clone();
            HERE.set(Some(Here { seat, begins, rest }));
            let outcome = catch_unwind(AssertUnwindSafe(job));
            let _ = rest_at_the_end.send(Rest::Over(outcome));
        };
        if let Err(error) = thread::Builder::new().stack_size(STACK).spawn(run) {
            panic!("no threads: {error}");
        }
        Self { begin, rests }
    }

    /// Lets the thread run until it rests: for how long, if it goes on then.
    fn go_on(&self) -> Option<u64> {
        let _ = self.begin.send(());
        match self.rests.recv() {
            Ok(Rest::Pause(micros)) => Some(micros),
            Ok(Rest::Over(Err(panic))) => resume_unwind(panic),
            Ok(Rest::Over(Ok(()))) | Err(_) => None,
        }
    }
}

/// Lets others go on for so many microseconds, where this thread takes turns; says whether there is anybody.
pub(super) fn pause(micros: u64) -> bool {
    HERE.with_borrow(|here| match here {
        None => true,
        Some(here) => here.rest.send(Rest::Pause(micros)).is_ok() && here.begins.recv().is_ok(),
    })
}

/// The session whose call runs in this thread.
pub(super) fn seat() -> Option<u64> {
    HERE.with_borrow(|here| here.as_ref().map(|here| here.seat))
}
