//! Removing what uploads have left whose time is over.

use wharf_core::Failure;
use wharf_storage::Wanted;

use crate::bucket::Bucket;
use crate::key::RECORDS;
use crate::tree::Tree;

/// So many names are asked for at once.
const PAGE: u16 = 1000;

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
        let (mut from, mut swept) = (None, 0);
        loop {
            let page = self.page(&records, false, from.as_deref(), PAGE, wanted)?;
            for object in &page.objects {
                wanted.check::<Failure>()?;
                // Its age is told by the clock of the store.
                let Some((record, age)) = self.read_record(&object.key, wanted)? else {
                    continue;
                };
                if age <= retention {
                    continue;
                }
                if let Some(upload) = &record.upload {
                    self.give_up(&record.key, upload, wanted)?;
                }
                self.remove(&object.key, wanted)?;
                tracing::info!(key = %record.key, "removed what was left of an upload");
                swept += 1;
            }
            match page.next {
                None => return Ok(swept),
                // A store that does not get on would be asked for ever.
                next if next == from => return Err(Failure::Io),
                next => from = next,
            }
        }
    }
}
