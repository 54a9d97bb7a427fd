//! [`Odd`]: a storage that begins what it is asked for, as the awkward ones do.

use std::sync::Arc;
use std::task::{Context, Poll};

use wharf_core::{Capabilities, Changed, Edit, Failure, Metadata, Mode, Reason, VPath};
use wharf_storage::{Begun, Blocking, Executor, Handle, Opening, Operation, Sink, Source, Storage};

use super::storage::{Disk, Shelf};
use crate::case::{Fault, Sabotage};

/// So many bytes go one by one, and the others so many at a time: a session that has to be asked again for
/// each of very many bytes cannot be told from one that never sleeps.
const ONE_BY_ONE: u64 = 200;
const AT_ONCE: usize = 64;

/// The disk as one session sees it. What is opened may move its bytes one by one, and be ready only every
/// other time.
pub(super) struct Odd {
    disk: Arc<Disk>,
    shelf: Blocking<Shelf>,
}

impl Odd {
    pub(super) fn new(disk: &Arc<Disk>) -> Self {
        Self {
            disk: Arc::clone(disk),
            shelf: Blocking::new(Shelf(Arc::clone(disk))),
        }
    }

    fn begun<T: 'static>(&self, begun: Begun<T>) -> Begun<T> {
        match begun {
            Begun::Pending(operation)
                if self.disk.case.sabotage == Some(Sabotage::IgnoresCancel) =>
            {
                Begun::Pending(Box::new(Stubborn(operation)))
            }
            begun => begun,
        }
    }
}

impl Storage for Odd {
    fn capabilities(&self) -> Capabilities {
        self.shelf.capabilities()
    }

    fn stat(&self, path: &VPath, executor: &Arc<dyn Executor>) -> Begun<Metadata> {
        self.begun(self.shelf.stat(path, executor))
    }

    fn change(
        &self,
        edit: Edit,
        path: &VPath,
        other: &VPath,
        executor: &Arc<dyn Executor>,
    ) -> Begun<Changed> {
        self.shelf.change(edit, path, other, executor)
    }

    fn open(&self, mode: Mode, path: &VPath, executor: &Arc<dyn Executor>) -> Begun<Opening> {
        let opening = self.begun(self.shelf.open(mode, path, executor));
        if !self.disk.is_odd(Fault::ByteByByte) {
            return opening;
        }
        let disk = Arc::clone(&self.disk);
        opening.then(move |opening| {
            Begun::Done(opening.map(|Opening { opened, handle }| Opening {
                opened,
                handle: match handle {
                    Handle::Source(source) => Handle::Source(Box::new(OneByOne::new(disk, source))),
                    Handle::Sink(sink) => Handle::Sink(Box::new(OneByOne::new(disk, sink))),
                    Handle::Directory(directory) => Handle::Directory(directory),
                },
            }))
        })
    }
}

/// What cannot be cancelled.
struct Stubborn<T>(Box<dyn Operation<T>>);

impl<T> Operation<T> for Stubborn<T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Failure>> {
        self.0.poll(cx)
    }

    fn cancel(&mut self) {}
}

/// Few bytes move at a time, each time after they were asked for once before. There is no file for the
/// kernel.
struct OneByOne<T: ?Sized> {
    disk: Arc<Disk>,
    moved: u64,
    is_ready: bool,
    inner: Box<T>,
}

impl<T: ?Sized> OneByOne<T> {
    fn new(disk: Arc<Disk>, inner: Box<T>) -> Self {
        Self {
            disk,
            moved: 0,
            is_ready: false,
            inner,
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        self.is_ready = !self.is_ready;
        if self.is_ready {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(if self.moved < ONE_BY_ONE { 1 } else { AT_ONCE })
    }
}

impl Source for OneByOne<dyn Source> {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<&[u8], Failure>> {
        let Poll::Ready(most) = self.poll_ready(cx) else {
            return Poll::Pending;
        };
        self.inner
            .poll_fill(cx)
            .map_ok(|bytes| &bytes[..bytes.len().min(most)])
    }

    fn consume(&mut self, count: usize) {
        self.moved += count as u64;
        self.inner.consume(count);
    }
}

impl Sink for OneByOne<dyn Sink> {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Failure>> {
        let Poll::Ready(most) = self.poll_ready(cx) else {
            return Poll::Pending;
        };
        let taken = self.inner.poll_write(cx, &bytes[..bytes.len().min(most)]);
        taken.map_ok(|count| {
            self.moved += count as u64;
            count
        })
    }

    /// It may fail with bytes that it took long ago.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.disk.try_luck()?;
        self.inner.poll_flush(cx)
    }

    fn commit(self: Box<Self>) -> Begun<()> {
        self.inner.commit()
    }

    fn abandon(self: Box<Self>, reason: Reason) -> Begun<()> {
        self.inner.abandon(reason)
    }
}
