//! [`Shelf`]: the partials of one account in one tree, as far as this process knows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

/// How many partials of one account are kept in one tree.
const MOST: usize = 10_000;

/// Partials by the way to their file, and by their age.
#[derive(Default)]
pub(crate) struct Shelf {
    by_path: BTreeMap<Vec<u8>, (SystemTime, u64)>,
    by_age: BTreeSet<(SystemTime, Vec<u8>)>,
    /// The bytes of all of them.
    bytes: u64,
}

impl Shelf {
    /// One is there, in place of one that was.
    pub(crate) fn put(&mut self, path: &[u8], since: SystemTime, bytes: u64) {
        self.take(path);
        self.by_path.insert(path.to_owned(), (since, bytes));
        self.by_age.insert((since, path.to_owned()));
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// One was found. Beyond what is kept of an account nobody need know of it: it goes in its time.
    pub(crate) fn find(&mut self, path: &[u8], since: SystemTime, bytes: u64) {
        if !self.by_path.contains_key(path) && self.by_path.len() < MOST {
            self.put(path, since, bytes);
        }
    }

    /// One is gone.
    pub(crate) fn take(&mut self, path: &[u8]) -> Option<u64> {
        let (path, (since, bytes)) = self.by_path.remove_entry(path)?;
        self.by_age.remove(&(since, path));
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(bytes)
    }

    /// Those below a directory are gone.
    pub(crate) fn take_below(&mut self, directory: &[u8]) {
        // What begins with the directory and a slash, and nothing else, lies between these.
        let [from, to] = [b'/', b'/' + 1].map(|end| [directory, &[end]].concat());
        let below: Vec<_> = self
            .by_path
            .range(from..to)
            .map(|each| each.0.clone())
            .collect();
        for path in below {
            self.take(&path);
        }
    }

    /// Takes those out that have no room beside the newest, with their bytes.
    pub(crate) fn take_crowded(&mut self, limit: u64) -> Vec<(Vec<u8>, u64)> {
        let mut crowded = Vec::new();
        while (self.bytes > limit || self.by_path.len() > MOST) && self.by_path.len() > 1 {
            let Some((_, path)) = self.by_age.first().cloned() else {
                break;
            };
            let bytes = self.take(&path).unwrap_or(0);
            crowded.push((path, bytes));
        }
        crowded
    }

    /// Takes those out that were there before that time.
    pub(crate) fn take_older(&mut self, before: SystemTime) -> Vec<Vec<u8>> {
        let older = self.by_age.range(..(before, Vec::new()));
        let older: Vec<_> = older.map(|(_, path)| path.clone()).collect();
        for path in &older {
            self.take(path);
        }
        older
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_path.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_oldest_go_first_and_no_more_than_must() {
        let mut shelf = Shelf::default();
        for (number, name) in ["c", "a", "b"].into_iter().enumerate() {
            shelf.put(name.as_bytes(), at(number as u64), 10);
        }
        assert_eq!(shelf.take_crowded(30), []);
        // What comes again is the newest.
        shelf.put(b"c", at(9), 15);
        assert_eq!(shelf.take_crowded(30), [(b"a".to_vec(), 10)]);
        assert_eq!(shelf.take(b"b"), Some(10));
        assert_eq!(shelf.take(b"b"), None);
        assert_eq!(shelf.bytes, 15);
        // The newest alone stays.
        assert_eq!(shelf.take_crowded(1), []);
        assert!(shelf.take_older(at(9)).is_empty());
        assert_eq!(shelf.take_older(at(10)), [b"c".to_vec()]);
        assert!(shelf.is_empty() && shelf.by_age.is_empty() && shelf.bytes == 0);
    }

    #[test]
    fn there_are_never_more_than_so_many() {
        let mut shelf = Shelf::default();
        let mut gone = 0;
        for number in 0..MOST as u64 + 100 {
            shelf.put(format!("{number:08}").as_bytes(), at(number), 1);
            gone += shelf.take_crowded(u64::MAX).len();
        }
        assert_eq!((gone, shelf.by_path.len()), (100, MOST));
        assert!(!shelf.by_path.contains_key(&b"00000099"[..]));
        // Nor of those that were found.
        shelf.find(b"x", at(0), 1);
        assert_eq!(shelf.by_path.len(), MOST);
    }

    #[test]
    fn what_lies_below_a_directory_is_told_by_whole_names() {
        let mut shelf = Shelf::default();
        for name in ["d", "d/a", "d/b/c", "d.x", "d0", "e/d/a"] {
            shelf.put(name.as_bytes(), at(0), 1);
        }
        shelf.take_below(b"d");
        let left: Vec<_> = shelf.by_path.keys().map(|key| &key[..]).collect();
        assert_eq!(left, [&b"d"[..], b"d.x", b"d0", b"e/d/a"]);
    }
}
