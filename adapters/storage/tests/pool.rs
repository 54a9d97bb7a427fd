//! Threads that are few, whatever hangs on them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::num::NonZero;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use wharf_core::Failure;
use wharf_storage::{Begun, Executor, Group, OnCancel, Operation, Pool, run};

const LONG: Duration = Duration::from_secs(60);

fn pool(size: usize, patience: Duration) -> Pool {
    Pool::new("test", NonZero::new(size).unwrap(), patience)
}

/// What hangs until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn pass(&self) {
        let (open, opened) = &*self.0;
        drop(
            opened
                .wait_while(open.lock().unwrap(), |open| !*open)
                .unwrap(),
        );
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // A test that fails leaves no thread behind.
        if thread::panicking() {
            self.open();
        }
    }
}

type Asked = Box<dyn Operation<u32>>;

/// A job of a group that waits at the gate.
fn hang(executor: &Arc<dyn Executor>, group: u64, gate: &Gate, on_cancel: OnCancel) -> Asked {
    let gate = gate.clone();
    run(&**executor, Group(group), on_cancel, move |_| {
        gate.pass();
        Ok(1)
    })
}

fn at_once(executor: &Arc<dyn Executor>, group: u64) -> Asked {
    run(&**executor, Group(group), OnCancel::Leave, |_| Ok(2))
}

fn is_ready(asked: &mut Asked) -> Option<Result<u32, Failure>> {
    match asked.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

fn soon(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_hangs_leaves_threads_for_the_rest() {
    let pool = pool(8, LONG);
    let (executor, gate) = (pool.executor(false), Gate::default());
    // Of three groups, each as often as it likes.
    let mut hanging: Vec<_> = (0..300)
        .map(|number| hang(&executor, number % 3, &gate, OnCancel::Wait))
        .collect();
    assert_eq!(Begun::Pending(at_once(&executor, 7)).wait(), Ok(2));
    assert!(pool.threads() <= 8, "{}", pool.threads());
    // Also once nobody starts any more, but some have nothing to do.
    let begun = Instant::now();
    for group in 8..20 {
        assert_eq!(Begun::Pending(at_once(&executor, group)).wait(), Ok(2));
    }
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert!(hanging.iter_mut().all(|asked| is_ready(asked).is_none()));
    gate.open();
    for asked in hanging {
        assert_eq!(Begun::Pending(asked).wait(), Ok(1));
    }
}

#[test]
fn one_group_has_half_of_the_threads() {
    let pool = pool(8, LONG);
    let (executor, gate) = (pool.executor(false), Gate::default());
    let (tell, told): (Sender<()>, Receiver<()>) = mpsc::channel();
    let hanging: Vec<_> = (0..20)
        .map(|_| {
            let (gate, tell) = (gate.clone(), tell.clone());
            run(&*executor, Group(1), OnCancel::Wait, move |_| {
                tell.send(()).unwrap();
                gate.pass();
                Ok::<_, Failure>(())
            })
        })
        .collect();
    for _ in 0..4 {
        told.recv_timeout(Duration::from_secs(10)).unwrap();
    }
    assert!(told.recv_timeout(Duration::from_millis(200)).is_err());
    gate.open();
    for asked in hanging {
        assert_eq!(Begun::Pending(asked).wait(), Ok(()));
    }
}

#[test]
fn what_no_thread_takes_is_refused() {
    let pool = pool(1, Duration::from_millis(100));
    let (executor, gate) = (pool.executor(false), Gate::default());
    let mut hanging = hang(&executor, 1, &gate, OnCancel::Wait);
    let begun = Instant::now();
    let late = Begun::Pending(at_once(&executor, 2)).wait();
    assert_eq!(late, Err(Failure::Busy));
    assert!(begun.elapsed() >= Duration::from_millis(100));
    assert_eq!(is_ready(&mut hanging), None);
    gate.open();
    assert_eq!(Begun::Pending(hanging).wait(), Ok(1));
    assert_eq!(Begun::Pending(at_once(&executor, 2)).wait(), Ok(2));
}

#[test]
fn what_is_cancelled_is_left_or_waited_for() {
    let pool = pool(4, LONG);
    let (executor, gate) = (pool.executor(false), Gate::default());
    let mut left = hang(&executor, 1, &gate, OnCancel::Leave);
    let mut waited = hang(&executor, 2, &gate, OnCancel::Wait);
    // Both run.
    assert_eq!(Begun::Pending(at_once(&executor, 3)).wait(), Ok(2));
    left.cancel();
    waited.cancel();
    assert_eq!(is_ready(&mut left), Some(Err(Failure::Cancelled)));
    assert_eq!(is_ready(&mut waited), None);
    gate.open();
    // What is true is told: it was done.
    assert_eq!(Begun::Pending(waited).wait(), Ok(1));
}

#[test]
fn what_was_cancelled_before_it_began_is_not_done() {
    let pool = pool(1, LONG);
    let (executor, gate) = (pool.executor(false), Gate::default());
    let hanging = hang(&executor, 1, &gate, OnCancel::Wait);
    let (tell, told): (Sender<()>, Receiver<()>) = mpsc::channel();
    let next = |tell: Sender<()>| {
        run(&*executor, Group(1), OnCancel::Wait, move |wanted| {
            wanted.check::<Failure>()?;
            tell.send(()).unwrap();
            Ok(())
        })
    };
    let mut cancelled = next(tell.clone());
    drop(next(tell));
    cancelled.cancel();
    gate.open();
    assert_eq!(Begun::Pending(hanging).wait(), Ok(1));
    let outcome = Begun::Pending(cancelled).wait();
    assert_eq!(outcome, Err(Failure::Cancelled));
    assert!(told.recv_timeout(Duration::from_secs(10)).is_err());
}

#[test]
fn a_job_that_panics_is_answered() {
    let pool = pool(1, LONG);
    let executor = pool.executor(false);
    let panics = run(&*executor, Group(1), OnCancel::Wait, |_| -> Result<(), _> {
        panic!("as the test wants it")
    });
    assert_eq!(Begun::Pending(panics).wait(), Err(Failure::Busy));
    assert_eq!(Begun::Pending(at_once(&executor, 1)).wait(), Ok(2));
}

#[test]
fn what_is_dropped_while_it_runs_is_not_missed() {
    let pool = pool(2, LONG);
    let (executor, gate) = (pool.executor(false), Gate::default());
    let held = Arc::new(());
    let its = Arc::clone(&held);
    let its_gate = gate.clone();
    let asked = run(&*executor, Group(1), OnCancel::Wait, move |_| {
        its_gate.pass();
        Ok::<_, Failure>(its)
    });
    drop(asked);
    gate.open();
    soon("what it brings is dropped", || {
        Arc::strong_count(&held) == 1
    });
}
