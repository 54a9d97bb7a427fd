//! [`Store`]: one bucket, with what all who see some of it share.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use wharf_storage::Group;

use crate::budget::Budget;
use crate::client::{Client, Patience};
use crate::provider::Provider;
use crate::transport::Transport;
use crate::wire::{Attributes, Checksum};

/// The parts of an upload, but for the last one, have at least so many bytes.
pub const LEAST_PART: u64 = 5 << 20;
/// An upload has at most so many parts.
pub const MOST_PARTS: u64 = 10_000;

/// How a bucket is used.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The name of the bucket.
    pub bucket: String,
    /// Who runs the store.
    pub provider: Provider,
    /// What new objects are given.
    pub attributes: Attributes,
    /// What bodies carry so that the store sees if they were changed on their way.
    pub checksum: Checksum,
    /// How many bytes are collected before they are sent as a part of an upload, and so how much memory a
    /// running upload takes for each of its lanes and one more. Stores take no less than [`LEAST_PART`]. 8 MiB
    /// by default.
    pub part_size: u64,
    /// How many parts of one upload are sent at once, beside the one that is collected. 3 by default.
    pub lanes: usize,
    /// How many bytes an upload may have. What is longer than [`MOST_PARTS`] parts of the usual size can
    /// only be uploaded where this says so, since its parts are larger. `None`: that many parts.
    pub max_file_size: Option<u64>,
    /// How many names of a directory are listed at most. `None`: all.
    pub max_list: Option<usize>,
    /// How many objects are renamed with a directory at most; 0: directories are not renamed. 1,000 by
    /// default.
    pub rename_objects: usize,
    /// A directory stays when its last object goes: it is then given a marker. True by default.
    pub keep_directories: bool,
    /// For how long an upload that broke off can be continued; zero: not at all. A day by default.
    pub keep_partials: Duration,
    /// Objects that are longer are copied in parts, since stores copy no more at once. 5 GiB by default.
    pub copy_at_once: u64,
}

impl StoreOptions {
    /// Returns how a bucket of that name is used where nothing else is said.
    #[must_use]
    pub fn new(bucket: impl Into<String>, provider: Provider) -> Self {
        Self {
            bucket: bucket.into(),
            provider,
            attributes: Attributes::default(),
            checksum: Checksum::default(),
            part_size: 8 << 20,
            lanes: 3,
            max_file_size: None,
            max_list: None,
            rename_objects: 1000,
            keep_directories: true,
            keep_partials: Duration::from_secs(24 * 60 * 60),
            copy_at_once: 5 << 30,
        }
    }

    /// Returns the length of each part of an upload of which nobody knows how long it is, but for the last
    /// one: the memory that each takes at once.
    #[must_use]
    pub fn usual_part(&self) -> u64 {
        self.part_size_for(None)
    }

    /// Returns the length of each part of an upload that may have so many bytes, but for the last one.
    pub(crate) fn part_size_for(&self, bytes: Option<u64>) -> u64 {
        let longest = bytes.max(self.max_file_size).unwrap_or(0);
        let needed = longest.div_ceil(MOST_PARTS).next_multiple_of(1 << 20);
        match longest > self.part_size.saturating_mul(MOST_PARTS) {
            true => needed,
            false => self.part_size.max(1),
        }
    }

    /// Returns for how long an upload that broke off can be continued.
    pub(crate) fn retention(&self) -> Duration {
        let kept = self.provider.keeps_uploads();
        kept.map_or(self.keep_partials, |most| self.keep_partials.min(most))
    }
}

/// One bucket, with what all who see some of it share: its connections, and the memory for uploads.
pub struct Store {
    pub(crate) client: Client,
    pub(crate) options: StoreOptions,
    pub(crate) budget: Budget,
    pub(crate) group: Group,
}

impl Store {
    /// Returns the bucket that this transport leads to. The budget may be shared with others.
    #[must_use]
    pub fn new(
        transport: Arc<dyn Transport>,
        options: StoreOptions,
        patience: Patience,
        budget: Budget,
    ) -> Arc<Self> {
        Arc::new(Self {
            client: Client::new(transport, patience),
            // What hangs is the store, whose other buckets may have other endpoints.
            group: Group(RandomState::new().hash_one(&options.bucket)),
            options,
            budget,
        })
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
