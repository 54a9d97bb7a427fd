//! What the tests of [`Bucket`] share: gateways to one store in memory.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::future::poll_fn;
use std::num::NonZero;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use wharf_core::{Changed, Edit, Failure, Metadata, Mode, Reason, Scope, VPath};
use wharf_fake_s3::{Dialect, FakeS3};
use wharf_s3::{Bucket, Budget, Patience, Provider, Store, StoreOptions};
use wharf_storage::{Executor, Handle, Opening, Pool, Sink, Storage};

/// The length of a part in these tests.
pub const PART: usize = 1000;

pub fn path(path: impl AsRef<[u8]>) -> VPath {
    VPath::resolve(&VPath::root(), path.as_ref()).unwrap()
}

/// The bytes of a file: no two parts are the same.
pub fn text(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| b'a' + u8::try_from((at / 7 + at / PART * 5) % 26).unwrap())
        .collect()
}

pub fn write_at(at: u64) -> Mode {
    Mode::Write {
        at,
        replace: true,
        umask: None,
        resumable: true,
        expected: None,
    }
}

/// A new file, in place of which nothing may stand.
pub const NEW: Mode = Mode::Write {
    at: 0,
    replace: false,
    umask: None,
    resumable: true,
    expected: None,
};

pub const APPEND: Mode = append_to(None);

pub const fn append_to(told: Option<u64>) -> Mode {
    Mode::Append {
        told,
        replace: true,
        umask: None,
        resumable: true,
        expected: None,
    }
}

/// One of several servers on a bucket.
pub struct Gateway {
    pub bucket: Bucket,
    pub budget: Budget,
    executor: Arc<dyn Executor>,
}

pub fn store() -> FakeS3 {
    FakeS3::new(Dialect::default())
}

/// A server that sees all of a bucket as the account `alice`.
pub fn gateway(fake: &FakeS3) -> Gateway {
    gateway_with(fake, |_| {})
}

pub fn gateway_with(fake: &FakeS3, choose: impl FnOnce(&mut StoreOptions)) -> Gateway {
    let mut options = StoreOptions::new("bucket", Provider::Other);
    options.part_size = PART as u64;
    choose(&mut options);
    gateway_of(fake, options, "", Budget::new(100 * PART))
}

pub fn gateway_of(fake: &FakeS3, options: StoreOptions, prefix: &str, budget: Budget) -> Gateway {
    let patience = Patience {
        seed: 1,
        sleep: Arc::new(|_| {}),
        ..Patience::default()
    };
    let store = Store::new(Arc::new(fake.clone()), options, patience, budget.clone());
    let threads = NonZero::new(16).unwrap();
    let pool = Pool::new("storage", threads, Duration::from_secs(30));
    Gateway {
        bucket: Bucket::new(&store, prefix, b"alice"),
        budget,
        executor: pool.executor(false),
    }
}

impl Gateway {
    pub fn stat(&self, at: &str) -> Result<Metadata, Failure> {
        self.bucket.stat(&path(at), &self.executor).wait()
    }

    pub fn change(&self, edit: Edit, at: &str, other: &str) -> Result<Changed, Failure> {
        let begun = self
            .bucket
            .change(edit, &path(at), &path(other), &self.executor);
        begun.wait()
    }

    pub fn delete(&self, at: &str) -> Result<(), Failure> {
        self.change(Edit::Delete, at, "/").map(drop)
    }

    pub fn make(&self, at: &str) -> Result<(), Failure> {
        self.change(Edit::MakeDirectory { umask: None }, at, "/")
            .map(drop)
    }

    pub fn remove(&self, at: &str) -> Result<(), Failure> {
        self.change(Edit::RemoveDirectory, at, "/").map(drop)
    }

    pub fn rename(&self, from: &str, to: &str, replace: bool) -> Result<(), Failure> {
        self.change(Edit::Rename { replace }, to, from).map(drop)
    }

    pub fn open(&self, mode: Mode, at: &str) -> Result<Opening, Failure> {
        self.bucket.open(mode, &path(at), &self.executor).wait()
    }

    pub fn read(&self, at: &str, offset: u64) -> Result<Vec<u8>, Failure> {
        let opening = self.open(Mode::Read { offset }, at)?;
        let bytes = read_all(opening.handle)?;
        let expected = opening.opened.size.map(|size| size - offset);
        assert_eq!(expected, Some(bytes.len() as u64), "what was told is read");
        Ok(bytes)
    }

    pub fn list(&self, at: &str) -> Result<Vec<String>, Failure> {
        self.list_as(Scope::Entries, at)
    }

    pub fn list_as(&self, scope: Scope, at: &str) -> Result<Vec<String>, Failure> {
        let Handle::Directory(mut directory) = self.open(Mode::List(scope), at)?.handle else {
            panic!("a listing is none");
        };
        let mut names = Vec::new();
        while block_on(|cx| directory.poll_advance(cx))? {
            let entry = directory.entry();
            let slash = if entry.metadata.kind.is_directory() {
                "/"
            } else {
                ""
            };
            names.push(format!("{}{slash}", entry.name));
        }
        Ok(names)
    }

    pub fn sink(&self, mode: Mode, at: &str) -> Result<Box<dyn Sink>, Failure> {
        match self.open(mode, at)?.handle {
            Handle::Sink(sink) => Ok(sink),
            other => panic!("an upload is {other:?}"),
        }
    }

    /// Uploads all of these bytes.
    pub fn store(&self, mode: Mode, at: &str, bytes: &[u8]) -> Result<(), Failure> {
        let mut sink = self.sink(mode, at)?;
        match write(&mut *sink, bytes) {
            Ok(()) => sink.commit().wait(),
            Err(failure) => {
                sink.abandon(Reason::Storage(failure)).wait()?;
                Err(failure)
            }
        }
    }

    /// Uploads these bytes, and breaks off.
    pub fn break_off(
        &self,
        mode: Mode,
        at: &str,
        bytes: &[u8],
        reason: Reason,
    ) -> Result<(), Failure> {
        let mut sink = self.sink(mode, at)?;
        write(&mut *sink, bytes)?;
        block_on(|cx| sink.poll_flush(cx))?;
        sink.abandon(reason).wait()
    }

    /// Uploads these bytes, and is then killed.
    pub fn be_killed(self, mode: Mode, at: &str, bytes: &[u8]) -> Result<(), Failure> {
        let mut sink = self.sink(mode, at)?;
        write(&mut *sink, bytes)?;
        block_on(|cx| sink.poll_flush(cx))?;
        drop(sink);
        Ok(())
    }
}

pub fn read_all(handle: Handle) -> Result<Vec<u8>, Failure> {
    let Handle::Source(mut source) = handle else {
        panic!("a download is none");
    };
    let mut bytes = Vec::new();
    loop {
        let count = block_on(|cx| {
            source.poll_fill(cx).map_ok(|piece| {
                bytes.extend_from_slice(piece);
                piece.len()
            })
        })?;
        if count == 0 {
            return Ok(bytes);
        }
        source.consume(count);
    }
}

/// Hands all of these bytes over.
pub fn write(sink: &mut dyn Sink, mut bytes: &[u8]) -> Result<(), Failure> {
    while !bytes.is_empty() {
        let taken = block_on(|cx| sink.poll_write(cx, bytes))?;
        bytes = &bytes[taken..];
    }
    Ok(())
}

/// Hands bytes over as far as they are taken at once; says how many those were.
pub fn write_now(sink: &mut dyn Sink, bytes: &[u8]) -> Result<usize, Failure> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut at = 0;
    while at < bytes.len() {
        match sink.poll_write(&mut cx, &bytes[at..]) {
            Poll::Ready(taken) => at += taken?,
            Poll::Pending => break,
        }
    }
    Ok(at)
}

/// Waits for what is polled.
pub fn block_on<T>(poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    futures_lite::future::block_on(poll_fn(poll))
}
