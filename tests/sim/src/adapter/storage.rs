//! [`Disk`]: the storage of the adapter's sessions, on the one [`Store`] of the run.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bstr::BString;
use wharf_core::{
    Capabilities, Changed, Denied, Edit, Entry, Failure, Grant, Metadata, Mode, Opened, Reason,
    VPath,
};
use wharf_model::{self as model, Store};
use wharf_storage::{
    Account, Accounts, Begun, BlockingDirectory, BlockingHandle, BlockingOpening, BlockingSink,
    BlockingSource, BlockingStorage, Credentials, Executors, Group, OnCancel, Storage, run,
};

use super::odd::Odd;
use super::outside::{Outside, lock};
use crate::case::{Case, Fault, Sabotage};
use crate::random::Random;

/// What all sessions of a run share.
pub(crate) struct Disk {
    pub(crate) store: Mutex<Store>,
    pub(crate) outside: Arc<Outside>,
    pub(crate) case: Case,
    random: Mutex<Random>,
    oddities: Mutex<Random>,
    /// Something failed.
    pub(crate) troubled: AtomicBool,
    /// It is not known whether the last upload is kept.
    pub(crate) unknown: AtomicBool,
    /// How the next call fails.
    doom: Mutex<Option<Failure>>,
    /// The next file that is read ends there.
    pub(crate) ends_at_next_read: AtomicBool,
    /// Whether its calls return at once.
    short: bool,
    pub(super) grant: Grant,
}

impl Disk {
    /// Whose calls return at once, or do not.
    pub(crate) fn new(
        case: &Case,
        store: Store,
        outside: &Arc<Outside>,
        mut random: Random,
        grant: Grant,
    ) -> Arc<Self> {
        let short = random.below(2) == 0;
        Self::with(case, store, outside, random, grant, short)
    }

    /// Whose calls do not.
    pub(crate) fn slow(
        case: &Case,
        store: Store,
        outside: &Arc<Outside>,
        random: Random,
        grant: Grant,
    ) -> Arc<Self> {
        Self::with(case, store, outside, random, grant, false)
    }

    fn with(
        case: &Case,
        store: Store,
        outside: &Arc<Outside>,
        random: Random,
        grant: Grant,
        short: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            store: Mutex::new(store),
            outside: Arc::clone(outside),
            case: case.clone(),
            doom: Mutex::new(None),
            ends_at_next_read: AtomicBool::new(false),
            short,
            oddities: Mutex::new(random.fork("oddities", 0)),
            random: Mutex::new(random),
            troubled: AtomicBool::new(false),
            unknown: AtomicBool::new(false),
            grant,
        })
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    fn strikes(&self, fault: Fault) -> bool {
        let strikes = lock(&self.random).chance(self.case.rate(fault));
        self.troubled.fetch_or(strikes, Ordering::Relaxed);
        strikes
    }

    /// Whether what is opened now has that oddity, which is no fault.
    pub(super) fn is_odd(&self, oddity: Fault) -> bool {
        lock(&self.oddities).chance(self.case.rate(oddity))
    }

    /// O13: nothing is changed for a session that is over. Every change comes by here.
    fn change<T>(&self, change: impl FnOnce(&mut Store, u64) -> T) -> T {
        assert!(
            !self.outside.is_left_over(),
            "O13: something changes for a session that is over"
        );
        change(&mut self.store(), self.outside.now())
    }

    /// The next call fails like that.
    pub(crate) fn doom(&self, failure: Failure) {
        *lock(&self.doom) = Some(failure);
    }

    /// Fails now and then.
    pub(super) fn try_luck(&self) -> Result<(), Failure> {
        if let Some(failure) = lock(&self.doom).take() {
            return Err(failure);
        }
        match self.strikes(Fault::StorageFails) {
            true => Err(lock(&self.random).pick(&[Failure::Io, Failure::NoSpace, Failure::Busy])),
            false => Ok(()),
        }
    }
}

/// Everybody's way to the disk of a run.
pub(crate) struct Everybody(pub(crate) Arc<Disk>);

impl Accounts for Everybody {
    fn login(
        &self,
        credentials: &Credentials<'_>,
        executors: &Executors,
    ) -> Begun<Account, Denied> {
        let grant = self.0.grant.clone();
        let_in(credentials, executors, Arc::new(Odd::new(&self.0)), grant)
    }
}

/// Whoever has the right password sees that storage.
pub(super) fn let_in(
    credentials: &Credentials<'_>,
    executors: &Executors,
    storage: Arc<dyn Storage>,
    grant: Grant,
) -> Begun<Account, Denied> {
    let is_right = ![&b"wrong"[..], b"bad"].contains(&credentials.password);
    let mut account = Account::new(storage, grant.rights);
    account.demands_tls = grant.protect_data;
    account.grant = grant;
    let check = move |_: &_| is_right.then_some(account).ok_or(Denied::Credentials);
    Begun::Pending(run(
        &*executors.logins,
        Group::default(),
        OnCancel::Leave,
        check,
    ))
}

/// The disk as one session sees it.
pub(super) struct Shelf(pub(super) Arc<Disk>);

impl BlockingStorage for Shelf {
    fn capabilities(&self) -> Capabilities {
        self.0.grant.capabilities
    }

    fn is_short(&self) -> bool {
        self.0.short
    }

    fn stat(&self, path: &VPath) -> Result<Metadata, Failure> {
        self.0.try_luck()?;
        let mut facts = self.0.store().stat(path)?;
        if self.0.case.sabotage == Some(Sabotage::Exaggerates) {
            facts.size += 1;
        }
        Ok(facts)
    }

    fn stat_now(&self, path: &VPath) -> Option<Result<Metadata, Failure>> {
        self.0.short.then(|| self.stat(path))
    }

    fn change(&self, edit: Edit, path: &VPath, other: &VPath) -> Result<Changed, Failure> {
        self.0.try_luck()?;
        self.0
            .change(|store, now| store.change(now, path, other, edit))
    }

    fn open(&self, mode: Mode, path: &VPath) -> Result<BlockingOpening, Failure> {
        self.0.try_luck()?;
        let (handle, opened) = self.0.store().open(path, mode)?;
        let held = Held {
            disk: Arc::clone(&self.0),
            handle: Some(handle),
        };
        let (handle, opened) = held.open(opened)?;
        Ok(BlockingOpening { opened, handle })
    }

    fn open_now(&self, mode: Mode, path: &VPath) -> Option<Result<BlockingOpening, Failure>> {
        self.0.short.then(|| self.open(mode, path))
    }
}

/// A handle of the store, which is closed when it is dropped.
struct Held {
    disk: Arc<Disk>,
    handle: Option<model::Handle>,
}

impl Held {
    fn open(mut self, opened: Opened) -> Result<(BlockingHandle, Opened), Failure> {
        Ok(match self.handle.as_mut() {
            Some(model::Handle::Read(bytes, at)) => {
                let mut bytes = bytes[*at..].to_vec();
                if let (Some(Sabotage::BendsDownloads), Some(last)) =
                    (self.disk.case.sabotage, bytes.last_mut())
                {
                    *last ^= 1;
                }
                if self.disk.strikes(Fault::ShortRead) {
                    bytes.truncate(bytes.len() / 2);
                }
                // Some files the kernel can send by itself.
                let file = match bytes.len() % 2 {
                    0 => Some(file_of(&bytes)?),
                    _ => None,
                };
                let reader = Reader {
                    held: self,
                    bytes,
                    file,
                };
                (BlockingHandle::Source(Box::new(reader)), opened)
            }
            Some(model::Handle::List(entries)) => {
                let mut entries = std::mem::take(entries);
                entries.reverse();
                let listed = Listed {
                    held: self,
                    entries,
                    entry: None,
                };
                (BlockingHandle::Directory(Box::new(listed)), opened)
            }
            _ => (BlockingHandle::Sink(Box::new(Writer(self))), opened),
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            let now = self.disk.outside.now();
            match self.disk.case.sabotage {
                Some(Sabotage::Leaks) => {}
                Some(Sabotage::ActsForTheGone) if self.disk.outside.is_left_over() => {
                    let _ = self
                        .disk
                        .change(|store, now| store.finish(now, handle, true));
                }
                sabotage => {
                    let keep = sabotage == Some(Sabotage::KeepsAll);
                    let _ = self.disk.store().finish(now, handle, keep);
                }
            }
        }
    }
}

/// A file in memory that the kernel knows.
fn file_of(bytes: &[u8]) -> Result<File, Failure> {
    use std::io::{Seek as _, Write as _};
    let file = rustix::fs::memfd_create("wharf-sim", rustix::fs::MemfdFlags::CLOEXEC);
    let mut file = File::from(file.map_err(|_| Failure::Io)?);
    let written = file.write_all(bytes).and_then(|()| file.rewind());
    written.map_err(|_| Failure::Io)?;
    Ok(file)
}

struct Reader {
    held: Held,
    bytes: Vec<u8>,
    file: Option<File>,
}

impl BlockingSource for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        self.held.disk.try_luck()?;
        if self.held.disk.ends_at_next_read.load(Ordering::Relaxed) {
            return Ok(0);
        }
        let count = self.bytes.len().min(buffer.len()).min(1_500);
        buffer[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes.drain(..count);
        Ok(count)
    }

    fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }
}

struct Writer(Held);

impl BlockingSink for Writer {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.disk.try_luck()?;
        if let Some(handle) = &mut self.0.handle {
            handle.write(bytes);
        }
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<(), Failure> {
        let disk = Arc::clone(&self.0.disk);
        disk.try_luck()?;
        let unknown = disk.strikes(Fault::UnknownOutcome);
        disk.unknown.fetch_or(unknown, Ordering::Relaxed);
        let loses = disk.case.sabotage == Some(Sabotage::LosesUploads);
        let keep = !loses && (!unknown || lock(&disk.random).below(2) == 0);
        let handle = self.0.handle.take().ok_or(Failure::Io)?;
        let outcome = disk.change(|store, now| store.finish(now, handle, keep));
        if unknown {
            Err(Failure::Unknown)
        } else {
            outcome
        }
    }

    fn abandon(self: Box<Self>, _: Reason) {}
}

struct Listed {
    held: Held,
    entries: Vec<(BString, Metadata)>,
    entry: Option<(BString, Metadata)>,
}

impl BlockingDirectory for Listed {
    fn advance(&mut self) -> Result<bool, Failure> {
        self.held.disk.try_luck()?;
        self.entry = self.entries.pop();
        Ok(self.entry.is_some())
    }

    fn entry(&self) -> Entry<'_> {
        let nothing = Entry::new(b"", Metadata::default());
        self.entry
            .as_ref()
            .map_or(nothing, |(name, metadata)| Entry::new(&name[..], *metadata))
    }

    fn enter(&mut self, path: &VPath) -> Result<(), Failure> {
        let mode = Mode::List(wharf_core::Scope::Entries);
        let (handle, _) = self.held.disk.store().open(path, mode)?;
        if let model::Handle::List(entries) = &handle {
            self.entries = entries.iter().rev().cloned().collect();
        }
        let now = self.held.disk.outside.now();
        self.held.disk.store().finish(now, handle, false)
    }
}
