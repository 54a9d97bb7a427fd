//! [`Record`]: what is written down of an upload, so that any server can continue it.

use std::fmt::Write as _;
use std::io::Read as _;
use std::str;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use wharf_core::{Failure, Timestamp};
use wharf_storage::Wanted;

use crate::client::Refused;
use crate::key::RECORDS;
use crate::transport::Answer;
use crate::tree::Tree;
use crate::wire::{Attributes, Guarded, Part, Parts, Request, from_head, hex_sha256};

/// The first line of a record.
const TITLE: &str = "wharf upload 1";
/// A record is shorter.
const LONGEST: u64 = 16 << 10;

/// A running upload is written down anew within this time, in seconds; one that is not is over.
const ALIVE: u64 = 15 * 60;
/// So many uploads of one name are looked at.
const MOST: usize = 20;

/// What is written down of an upload that is not one request: where its parts are, so that it can be
/// continued or given up, and over which version of an object it was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The key of the object.
    pub(crate) key: String,
    /// The name of the upload in the store; `None` once it was given up, and only says that it broke off.
    pub(crate) upload: Option<String>,
    /// The length of each of its parts but the last one.
    pub(crate) part_size: u64,
    /// What named the object that stood there when it began, if one did.
    pub(crate) base: Option<String>,
    /// Whether it can be continued at all.
    pub(crate) is_resumable: bool,
    /// Whether somebody still sends parts of it, as far as that was written down.
    pub(crate) is_running: bool,
}

impl Record {
    fn print(&self) -> String {
        let mut text = format!("{TITLE}\nkey {}\npart {}\n", self.key, self.part_size);
        // Writing to a string cannot fail.
        if let Some(upload) = &self.upload {
            let _ = writeln!(text, "upload {upload}");
        }
        if let Some(base) = &self.base {
            let _ = writeln!(text, "base {base}");
        }
        for (name, is_so) in [
            ("resumable", self.is_resumable),
            ("running", self.is_running),
        ] {
            let _ = writeln!(text, "{name} {}", if is_so { "yes" } else { "no" });
        }
        text
    }

    /// Understands a record; `None` if it is none of this version.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = str::from_utf8(bytes).ok()?.lines();
        if lines.next() != Some(TITLE) {
            return None;
        }
        let (mut key, mut part_size, mut upload, mut base) = (None, None, None, None);
        let (mut is_resumable, mut is_running) = (None, None);
        let yes_or_no = |value| match value {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        for line in lines {
            let (name, value) = line.split_once(' ')?;
            match name {
                "key" => key = Some(value.to_owned()),
                "part" => part_size = value.parse().ok().filter(|size| *size > 0),
                "upload" => upload = Some(value.to_owned()),
                "base" => base = Some(value.to_owned()),
                "resumable" => is_resumable = yes_or_no(value),
                "running" => is_running = yes_or_no(value),
                _ => return None,
            }
        }
        Some(Self {
            key: key?,
            upload,
            part_size: part_size?,
            base,
            is_resumable: is_resumable?,
            is_running: is_running?,
        })
    }
}

/// What was written down of the uploads of one name, the newest one first.
#[derive(Debug, Default)]
pub(crate) struct Records(Vec<(Record, u64)>);

impl Records {
    /// Returns whether an upload over that version of an object broke off.
    pub(crate) fn have_broken_off_over(&self, etag: &str) -> bool {
        let bases = self.0.iter().map(|(record, _)| record.base.as_deref());
        bases.flatten().any(|base| base == etag)
    }

    /// Returns those that were begun where nothing stood.
    fn begun_anew(self) -> impl Iterator<Item = Record> {
        let records = self.0.into_iter().map(|(record, _)| record);
        records.filter(|record| record.is_resumable && record.base.is_none())
    }
}

/// An upload that broke off where nothing finished stands.
#[derive(Debug)]
pub(crate) struct Partial {
    pub(crate) record: Record,
    /// The name of the upload in the store.
    pub(crate) upload: String,
    /// Its whole parts, without a gap.
    parts: Vec<Part>,
}

impl Partial {
    /// Returns how much of it can be continued: its whole parts but for the last one, so that a client
    /// always has something left to send.
    pub(crate) fn resumable(&self) -> u64 {
        let whole = self.parts.len().saturating_sub(1) as u64;
        whole * self.record.part_size
    }

    /// Returns the parts before that byte, if it is where one of them ends.
    pub(crate) fn parts_up_to(mut self, at: u64) -> Option<Vec<Part>> {
        if at > self.resumable() || !at.is_multiple_of(self.record.part_size) {
            return None;
        }
        // No more than there are.
        let count = usize::try_from(at / self.record.part_size).ok()?;
        self.parts.truncate(count);
        Some(self.parts)
    }
}

impl Tree {
    /// Returns where a record is kept: beside others of the same name, if it may be looked for.
    fn place_of(&self, record: &Record) -> String {
        let name = record.upload.as_deref().unwrap_or("");
        let name = hex_sha256(name.as_bytes());
        match record.is_resumable {
            true => format!("{}{name}", self.places(&record.key)),
            false => format!("{}{name}", self.records),
        }
    }

    fn places(&self, key: &str) -> String {
        format!("{}{}/", self.records, hex_sha256(key.as_bytes()))
    }

    /// Returns what is written down of uploads of an object and is not too old.
    pub(crate) fn records(&self, key: &str, wanted: &Wanted) -> Result<Records, Failure> {
        if !self.keeps_partials {
            return Ok(Records::default());
        }
        let retention = self.store.options.retention().as_secs();
        let mut records = Vec::new();
        for object in self.first_objects(&self.places(key), MOST, wanted)? {
            let read = self.read_record(&object.key, wanted)?;
            // Somebody else's is nobody's.
            records.extend(read.filter(|(record, age)| record.key == key && *age <= retention));
        }
        records.sort_by_key(|(_, age)| *age);
        Ok(Records(records))
    }

    /// Reads a record, and how old it is by the clock of the store, in seconds.
    pub(crate) fn read_record(
        &self,
        place: &str,
        wanted: &Wanted,
    ) -> Result<Option<(Record, u64)>, Refused> {
        let answer = match self
            .store
            .client
            .open(&Request::get(place, 0, None), wanted)
        {
            Ok(answer) => answer,
            Err(refused) if refused.is_absent() => return Ok(None),
            Err(refused) => return Err(refused),
        };
        let age = age(&answer).unwrap_or(0);
        let mut bytes = Vec::new();
        let read = answer.body.take(LONGEST).read_to_end(&mut bytes);
        let record = read.ok().and_then(|_| Record::parse(&bytes));
        Ok(record.map(|record| (record, age)))
    }

    /// Writes a record down, in place of the last one of the same upload.
    pub(crate) fn write_down(&self, record: &Record, wanted: &Wanted) -> Result<(), Refused> {
        let (place, text) = (self.place_of(record), record.print());
        let put = Request::put(
            &place,
            text.as_bytes(),
            &Attributes::default(),
            self.store.options.checksum,
            Guarded::No,
        );
        self.store.client.ask(&put, wanted).map(drop)
    }

    /// Removes records of uploads that nobody goes on with, and gives those up.
    pub(crate) fn forget_all(&self, records: &Records, wanted: &Wanted) -> Result<(), Refused> {
        let over = records
            .0
            .iter()
            .filter(|(record, age)| !record.is_running || *age > ALIVE);
        for (record, _) in over {
            self.forget(record, wanted)?;
        }
        Ok(())
    }

    /// Removes a record, and gives up the upload of which it tells.
    pub(crate) fn forget(&self, record: &Record, wanted: &Wanted) -> Result<(), Refused> {
        if let Some(upload) = &record.upload {
            self.give_up(&record.key, upload, wanted)?;
        }
        self.strike(record, wanted)
    }

    /// Removes a record of an upload that is over.
    pub(crate) fn strike(&self, record: &Record, wanted: &Wanted) -> Result<(), Refused> {
        let place = Request::delete(&self.place_of(record));
        self.store.client.ask(&place, wanted).map(drop)
    }

    /// Gives an upload up, with all parts that the store has of it.
    pub(crate) fn give_up(&self, key: &str, upload: &str, wanted: &Wanted) -> Result<(), Refused> {
        match self.store.client.ask(&Request::abort(key, upload), wanted) {
            // It was completed, or is gone already.
            Err(refused) if refused.status() == Some(404) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Returns the upload under a name where nothing stands that can be continued, the last one of several.
    pub(crate) fn partial(
        &self,
        records: Records,
        wanted: &Wanted,
    ) -> Result<Option<Partial>, Failure> {
        for record in records.begun_anew() {
            if let Some(partial) = self.partial_of(record, wanted)? {
                return Ok(Some(partial));
            }
        }
        Ok(None)
    }

    /// Returns the upload of which a record tells, if it can be continued.
    fn partial_of(&self, record: Record, wanted: &Wanted) -> Result<Option<Partial>, Failure> {
        let Some(upload) = record.upload.clone() else {
            return Ok(None);
        };
        let mut parts: Vec<Part> = Vec::new();
        let mut behind = None;
        loop {
            let asked = Request::parts(&record.key, &upload, behind);
            let page = match self.store.client.ask(&asked, wanted) {
                Ok(answer) => Parts::parse(&answer.body).map_err(Refused::from)?,
                // Some stores keep it for a while only.
                Err(refused) if refused.status() == Some(404) => return Ok(None),
                Err(refused) => return Err(refused.failure()),
            };
            for part in page.parts {
                let is_next = usize::try_from(part.number) == Ok(parts.len() + 1);
                if !is_next || part.size != record.part_size {
                    behind = None;
                    break;
                }
                behind = Some(part.number);
                parts.push(part);
            }
            // A store that does not get on would be asked for ever.
            if page.next.is_none() || page.next != behind {
                break;
            }
        }
        let partial = Partial {
            record,
            upload,
            parts,
        };
        Ok((partial.resumable() > 0).then_some(partial))
    }
}

/// Returns how old an object is by the clock of its store, in seconds.
fn age(answer: &Answer) -> Option<u64> {
    let time = |name| -> Option<Timestamp> { from_head(answer.headers.get(name)?) };
    let age = time("date")?.seconds - time("last-modified")?.seconds;
    u64::try_from(age).ok()
}

/// Returns what the keys of the records of an account begin with, in the part of a bucket with that prefix.
pub(crate) fn records_of(prefix: &str, account: &[u8]) -> String {
    // Somebody without a name has a place that is no name; none would fold it into the one above.
    let place = match account {
        [] => "-".to_owned(),
        account => percent_encode(account, NON_ALPHANUMERIC).to_string(),
    };
    format!("{prefix}{RECORDS}/{place}/")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_record_is_read_as_it_was_written(
            key in "[^\r\n]{1,40}",
            upload in proptest::option::of("[!-~]{1,40}"),
            part_size in 1_u64..,
            base in proptest::option::of("\"[0-9a-f]{32}-[0-9]{1,4}\""),
            is_resumable in any::<bool>(),
            is_running in any::<bool>(),
        ) {
            let record = Record { key, upload, part_size, base, is_resumable, is_running };
            prop_assert_eq!(Record::parse(record.print().as_bytes()), Some(record));
        }

        #[test]
        fn what_is_no_record_is_none(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let titled = [TITLE.as_bytes(), b"\n", &bytes].concat();
            for bytes in [bytes, titled] {
                if let Some(record) = Record::parse(&bytes) {
                    prop_assert_eq!(Record::parse(record.print().as_bytes()), Some(record));
                }
            }
        }
    }

    #[test]
    fn each_account_has_a_place_of_its_own() {
        let places = [&b""[..], b"-", b"a", b"a/b", b"a%2Fb", b"..", b"\xff"];
        let places: Vec<_> = places.iter().map(|name| records_of("u/", name)).collect();
        for (at, place) in places.iter().enumerate() {
            assert!(
                place.starts_with("u/.wharf/") && place.split('/').count() == 4,
                "{place}"
            );
            assert!(
                !places[..at].contains(place) && !place.contains("//"),
                "{place}"
            );
        }
    }

    #[test]
    fn a_partial_is_continued_where_a_part_ends() {
        let partial = |whole: u32| Partial {
            record: Record {
                key: "k".into(),
                upload: Some("u".into()),
                part_size: 10,
                base: None,
                is_resumable: true,
                is_running: false,
            },
            upload: "u".into(),
            parts: (1..=whole)
                .map(|number| Part {
                    number,
                    size: 10,
                    etag: String::new(),
                })
                .collect(),
        };
        assert_eq!(partial(0).resumable(), 0);
        assert_eq!(partial(1).resumable(), 0);
        assert_eq!(partial(3).resumable(), 20);
        for (at, count) in [(10, Some(1)), (20, Some(2)), (15, None), (30, None)] {
            let parts = partial(3).parts_up_to(at);
            assert_eq!(parts.map(|parts| parts.len()), count, "{at}");
        }
    }
}
