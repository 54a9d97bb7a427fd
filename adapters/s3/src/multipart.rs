//! [`Multipart`]: an upload in parts that the store knows of, for what a client sends and for what is copied.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use wharf_core::Failure;
use wharf_storage::Wanted;

use crate::client::Refused;
use crate::record::Record;
use crate::stands::etag_of;
use crate::tree::Tree;
use crate::wire::{Attributes, Guarded, Part, Request};

/// That an upload is running is written down so often.
const TOUCH: Duration = Duration::from_secs(60);

/// An upload in parts that the store knows of, with what is written down of it.
pub(crate) struct Multipart {
    pub(crate) id: String,
    pub(crate) record: Record,
    /// When that was written down.
    written_down: Mutex<Option<Instant>>,
}

impl Multipart {
    /// Returns an upload that somebody else has begun, of which that record tells.
    pub(crate) fn taken_over(id: String, record: Record) -> Self {
        Self {
            id,
            record: Record {
                is_running: true,
                ..record
            },
            written_down: Mutex::new(None),
        }
    }

    /// Returns whether it is time to write down that it is running, and then takes it as done.
    fn is_due(&self) -> bool {
        let mut last = self
            .written_down
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= TOUCH);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

impl Tree {
    /// Begins an upload in parts, and writes down what the record says of it.
    pub(crate) fn begin_parts(
        &self,
        record: Record,
        attributes: &Attributes,
        wanted: &Wanted,
    ) -> Result<Multipart, Failure> {
        let store = &self.store;
        let create = Request::create(&record.key, attributes, store.options.checksum);
        let created = store.client.ask(&create, wanted)?;
        let id = Request::created(&created.body).map_err(Refused::from)?;
        let record = Record {
            upload: Some(id.clone()),
            ..record
        };
        if let Err(refused) = self.write_down(&record, wanted) {
            // Nobody would ever find it.
            let _ = self.give_up(&record.key, &id, &Wanted::default());
            return Err(refused.failure());
        }
        Ok(Multipart {
            id,
            record,
            written_down: Mutex::new(Some(Instant::now())),
        })
    }

    /// Writes down that an upload is running, if that is due.
    pub(crate) fn keep_alive(&self, multipart: &Multipart, wanted: &Wanted) -> Result<(), Refused> {
        match multipart.is_due() {
            true => self.write_down(&multipart.record, wanted),
            false => Ok(()),
        }
    }

    /// Makes the object of its parts. If the store refuses, that is told by `told`.
    pub(crate) fn complete(
        &self,
        multipart: &Multipart,
        parts: &[Part],
        guarded: Guarded<'_>,
        told: impl FnOnce(&Refused) -> Failure,
        wanted: &Wanted,
    ) -> Result<(), Failure> {
        let key = &multipart.record.key;
        let request = Request::complete(key, &multipart.id, parts, guarded);
        let answer = self.store.client.ask(&request, wanted);
        match answer.and_then(|answer| Ok(Request::made(&answer.body)?)) {
            Ok(_) => {}
            // Some stores do not know it any more once it is completed.
            Err(refused) if refused.may_be_done() || refused.code() == "NoSuchUpload" => {
                let size = parts.iter().map(|part| part.size).sum();
                let expected = etag_of(parts).unwrap_or_default();
                self.must_stand(key, &expected, size, &refused)?;
            }
            Err(refused) => return Err(told(&refused)),
        }
        // It is over either way, and else goes with the next sweep.
        let _ = self.strike(&multipart.record, wanted);
        Ok(())
    }
}
