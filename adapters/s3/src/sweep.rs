//! Removing what uploads have left whose time is over.

use std::ops::ControlFlow;

use wharf_core::Failure;
use wharf_storage::Wanted;

use crate::bucket::Bucket;
use crate::key::RECORDS;
use crate::tree::{PAGE, Tree};

impl Bucket {
    /// Gives up the uploads of all accounts below its prefix that nobody has gone on with for as long as they
    /// are kept, and removes what was written down of them; says how many those were. Uploads of other programs
    /// are left alone. It blocks for as long as the store takes, but several servers may do it at once, and while
    /// clients are served.
    ///
    /// # Errors
    /// Why it did not come to the end.
    pub fn sweep(&self, wanted: &Wanted) -> Result<usize, Failure> {
        self.tree().sweep(wanted)
    }
}

impl Tree {
    fn sweep(&self, wanted: &Wanted) -> Result<usize, Failure> {
        let records = format!("{}{RECORDS}/", self.prefix);
        let retention = self.store.options.retention().as_secs();
        let mut swept = 0;
        self.each_object(&records, PAGE, wanted, |object| {
            wanted.check::<Failure>()?;
            // Its age is told by the clock of the store.
            if let Some((record, age)) = self.read_record(&object.key, wanted)?
                && age > retention
            {
                if let Some(upload) = &record.upload {
                    self.give_up(&record.key, upload, wanted)?;
                }
                self.remove(&object.key, wanted)?;
                tracing::info!(key = %record.key, "removed what was left of an upload");
                swept += 1;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(swept)
    }
}
