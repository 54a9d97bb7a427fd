//! The storages: one whose calls block, and one that begins operations of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker, ready};
use std::thread;
use std::time::{Duration, Instant};

use wharf_core::listing::Directory;
use wharf_core::{
    Capabilities, Changed, Edit, Entry, Failure, Metadata, Mode, Opened, Reason, VPath,
};
use wharf_storage::{
    Begun, BlockingHandle, BlockingOpening, BlockingSink, BlockingStorage, Executor, Group, Handle,
    Opening, Operation, Sink, Source, Storage,
};

/// A backend whose writes take long, or hang until it is released.
#[derive(Clone)]
pub(crate) struct Slow {
    pub(crate) group: Group,
    /// For each piece.
    pub(crate) takes: Duration,
    pub(crate) hangs: Option<Hang>,
}

/// What hangs, until it is released.
#[derive(Clone, Default)]
pub(crate) struct Hang(Arc<(Mutex<bool>, Condvar)>);

impl Hang {
    fn wait(&self) {
        let (released, changed) = &*self.0;
        let held = released.lock().expect("nobody panics");
        drop(changed.wait_while(held, |released| !*released));
    }

    pub(crate) fn release(&self) {
        *self.0.0.lock().expect("nobody panics") = true;
        self.0.1.notify_all();
    }
}

impl BlockingStorage for Slow {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    fn group(&self) -> Group {
        self.group
    }

    fn stat(&self, _: &VPath) -> Result<Metadata, Failure> {
        Err(Failure::NotFound)
    }

    fn change(&self, _: Edit, _: &VPath, _: &VPath) -> Result<Changed, Failure> {
        Err(Failure::Unsupported)
    }

    fn open(&self, mode: Mode, _: &VPath) -> Result<BlockingOpening, Failure> {
        match mode {
            Mode::Write { .. } => Ok(BlockingOpening {
                opened: Opened::default(),
                handle: BlockingHandle::Sink(Box::new(self.clone())),
            }),
            _ => Err(Failure::NotFound),
        }
    }
}

impl BlockingSink for Slow {
    fn write(&mut self, _: &[u8]) -> Result<(), Failure> {
        if let Some(hang) = &self.hangs {
            hang.wait();
        }
        thread::sleep(self.takes);
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), Failure> {
        Ok(())
    }

    fn abandon(self: Box<Self>, _: Reason) {}
}

/// Files in memory. Those whose name begins with `late` fail to be committed, after a while; with `queued`,
/// they wait for their turn; `never` can never be opened.
#[derive(Clone, Default)]
pub(crate) struct Odd {
    files: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    /// How many operations were cancelled.
    pub(crate) given_up: Arc<AtomicUsize>,
}

impl Storage for Odd {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    fn stat(&self, path: &VPath, _: &Arc<dyn Executor>) -> Begun<Metadata> {
        let files = self.files.lock().expect("nobody panics");
        let size = files.get(&path.to_string()).map(Vec::len);
        let found = size.map(|size| Metadata {
            size: size as u64,
            ..Metadata::default()
        });
        Begun::Done(found.ok_or(Failure::NotFound))
    }

    fn change(&self, _: Edit, _: &VPath, _: &VPath, _: &Arc<dyn Executor>) -> Begun<Changed> {
        Begun::Done(Err(Failure::Unsupported))
    }

    fn open(&self, mode: Mode, path: &VPath, _: &Arc<dyn Executor>) -> Begun<Opening> {
        let name = path.to_string();
        if name == "/never" {
            return Begun::Pending(Box::new(Never {
                given_up: Arc::clone(&self.given_up),
                waker: None,
                is_cancelled: false,
            }));
        }
        let handle = match mode {
            Mode::Read { .. } => {
                let files = self.files.lock().expect("nobody panics");
                let bytes = files.get(&name).cloned();
                bytes.map(|bytes| Handle::Source(Box::new(ByteByByte::new(bytes))))
            }
            Mode::List(_) => Some(Handle::Directory(Box::new(OneNow::default()))),
            _ => Some(Handle::Sink(Box::new(Taker {
                storage: self.clone(),
                turn: name
                    .starts_with("/queued")
                    .then(|| Late::new(5 * A_WHILE, Ok(()))),
                name,
                bytes: ByteByByte::new(Vec::new()),
            }))),
        };
        Begun::Done(handle.ok_or(Failure::NotFound).map(|handle| Opening {
            opened: Opened::default(),
            handle,
        }))
    }
}

/// It is never done, unless it is cancelled.
struct Never {
    given_up: Arc<AtomicUsize>,
    waker: Option<Waker>,
    is_cancelled: bool,
}

impl<T> Operation<T> for Never {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Failure>> {
        if self.is_cancelled {
            return Poll::Ready(Err(Failure::Cancelled));
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn cancel(&mut self) {
        self.is_cancelled = true;
        self.given_up.fetch_add(1, Ordering::Relaxed);
        self.waker.take().into_iter().for_each(Waker::wake);
    }
}

/// Bytes of which one can be moved at a time, each after it was asked for once before.
struct ByteByByte {
    bytes: Vec<u8>,
    at: usize,
    is_ready: bool,
}

impl ByteByByte {
    fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            at: 0,
            is_ready: false,
        }
    }

    /// Every other time it must be waited for, though not for long.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.is_ready = !self.is_ready;
        match self.is_ready {
            true => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            false => Poll::Ready(()),
        }
    }
}

impl Source for ByteByByte {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<&[u8], Failure>> {
        self.poll_ready(cx).map(|()| {
            let end = self.bytes.len().min(self.at + 1);
            Ok(&self.bytes[self.at..end])
        })
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

struct Taker {
    storage: Odd,
    name: String,
    bytes: ByteByByte,
    /// Its turn comes then.
    turn: Option<Late>,
}

impl Sink for Taker {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Failure>> {
        if let Some(turn) = &mut self.turn {
            ready!(turn.poll(cx))?;
            self.turn = None;
        }
        self.bytes.poll_ready(cx).map(|()| {
            self.bytes.bytes.push(bytes[0]);
            Ok(1)
        })
    }

    fn is_queued(&self) -> bool {
        self.turn.is_some()
    }

    fn commit(self: Box<Self>) -> Begun<()> {
        if self.name.starts_with("/late") {
            return Begun::Pending(Box::new(Late::new(A_WHILE, Err(Failure::NoSpace))));
        }
        if self.name.starts_with("/long") {
            return Begun::Pending(Box::new(Late::new(5 * A_WHILE, Ok(()))));
        }
        let mut files = self.storage.files.lock().expect("nobody panics");
        files.insert(self.name.clone(), self.bytes.bytes.clone());
        Begun::Done(Ok(()))
    }

    fn abandon(self: Box<Self>, _: Reason) -> Begun<()> {
        Begun::Done(Ok(()))
    }
}

/// It comes to that after so long, and tells how far it has come.
struct Late {
    since: Instant,
    takes: Duration,
    outcome: Result<(), Failure>,
}

impl Late {
    fn new(takes: Duration, outcome: Result<(), Failure>) -> Self {
        Self {
            since: Instant::now(),
            takes,
            outcome,
        }
    }
}

/// That while.
const A_WHILE: Duration = Duration::from_millis(500);

impl Operation<()> for Late {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let left = self.takes.saturating_sub(self.since.elapsed());
        if left.is_zero() {
            return Poll::Ready(self.outcome);
        }
        let waker = cx.waker().clone();
        thread::spawn(move || {
            thread::sleep(left);
            waker.wake();
        });
        Poll::Pending
    }

    fn cancel(&mut self) {
        (self.takes, self.outcome) = (Duration::ZERO, Err(Failure::Cancelled));
    }

    fn progress(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A directory with one entry that is there, and others that never come.
#[derive(Default)]
struct OneNow(bool);

impl Directory for OneNow {
    fn poll_advance(&mut self, _: &mut Context<'_>) -> Poll<Result<bool, Failure>> {
        match std::mem::replace(&mut self.0, true) {
            false => Poll::Ready(Ok(true)),
            true => Poll::Pending,
        }
    }

    fn entry(&self) -> Entry<'_> {
        Entry::new(b"first", Metadata::default())
    }

    fn enter(&mut self, _: &VPath) {}
}
