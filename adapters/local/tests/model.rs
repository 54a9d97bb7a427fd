//! Any sequence of operations agrees with a small model of files, partials and marks.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::*;
use proptest::prelude::*;
use wharf_core::{Edit, Failure, Mode, Reason, VPath};
use wharf_local::{Local, LocalOptions, Partials};
use wharf_storage::BlockingStorage;

const NAMES: [&str; 2] = ["a", "b"];
const ACCOUNTS: [&str; 2] = ["alice", "bob"];

/// Lengths about the bounds of a block.
const LENGTHS: [usize; 7] = [0, 1, 3, 4_095, 4_097, 8_192, 9_000];

#[derive(Clone, Debug)]
enum Operation {
    Fresh {
        replace: bool,
        length: usize,
        commit: bool,
    },
    /// Behind REST, so many bytes from the length that the account sees.
    Restart {
        by: i16,
        replace: bool,
        length: usize,
        commit: bool,
    },
    /// APPE, in a session that was told the length or was not.
    Append {
        told: bool,
        replace: bool,
        length: usize,
        commit: bool,
    },
    Delete,
    Rename {
        replace: bool,
    },
    Sweep,
}

fn operation() -> impl Strategy<Value = Operation> {
    let length = || prop::sample::select(&LENGTHS[..]);
    let upload = || (proptest::bool::weighted(0.8), length(), any::<bool>());
    let by = prop::sample::select(&[-4_096_i16, -1, 0, 0, 1][..]);
    prop_oneof![
        3 => upload().prop_map(|(replace, length, commit)| {
            Operation::Fresh { replace, length, commit }
        }),
        3 => (by, upload()).prop_map(|(by, (replace, length, commit))| {
            Operation::Restart { by, replace, length, commit }
        }),
        3 => (any::<bool>(), upload()).prop_map(|(told, (replace, length, commit))| {
            Operation::Append { told, replace, length, commit }
        }),
        1 => Just(Operation::Delete),
        1 => any::<bool>().prop_map(|replace| Operation::Rename { replace }),
        1 => Just(Operation::Sweep),
    ]
}

/// An account and a name.
type Key = (usize, usize);

#[derive(Default)]
struct Model {
    files: BTreeMap<usize, Vec<u8>>,
    /// What arrived.
    partials: BTreeMap<Key, Vec<u8>>,
    /// The last upload of the account over the finished file broke off.
    marks: BTreeSet<Key>,
}

/// What is told of a partial: whole blocks, and less than arrived.
fn told(arrived: &[u8]) -> usize {
    arrived.len().saturating_sub(1) / 4_096 * 4_096
}

impl Model {
    fn partial(&self, key: Key) -> Option<usize> {
        self.partials.get(&key).map(|arrived| told(arrived))
    }

    /// What SIZE tells.
    fn size(&self, key: Key) -> Option<usize> {
        let file = self.files.get(&key.1).map(Vec::len);
        file.or_else(|| self.partial(key))
    }

    fn forget(&mut self, name: usize) {
        self.partials.retain(|key, _| key.1 != name);
        self.marks.retain(|key| key.1 != name);
    }

    fn upload(&mut self, key: Key, mode: Mode, new: &[u8], commit: bool) -> Result<(), Failure> {
        let (Mode::Write { replace, .. } | Mode::Append { replace, .. }) = mode else {
            panic!("not an upload to a name");
        };
        let file = self.files.get(&key.1).cloned();
        if file.is_some() && !replace {
            return Err(Failure::Exists);
        }
        let at = match mode {
            Mode::Write { at, .. } => Some(at as usize),
            _ => None,
        };
        let bytes = match (file, at, mode) {
            (file, Some(0), _) => {
                self.partials.remove(&key);
                if !commit && file.is_some() {
                    self.marks.insert(key);
                } else if !commit && told(new) > 0 {
                    self.partials.insert(key, new.to_vec());
                }
                new.to_vec()
            }
            (Some(_), ..) if self.marks.contains(&key) => return Err(Failure::BrokenOff),
            (Some(_), _, Mode::Append { told: Some(_), .. }) => return Err(Failure::BrokenOff),
            (Some(file), at, _) => {
                let at = at.unwrap_or(file.len());
                if at > file.len() {
                    return Err(Failure::PastEnd);
                }
                if !commit && at < file.len() {
                    self.marks.insert(key);
                }
                let tail = file.get(at + new.len()..).unwrap_or_default();
                [&file[..at], new, tail].concat()
            }
            (None, _, Mode::Append { told, .. }) if told != self.partial(key).map(|n| n as u64) => {
                return Err(Failure::BrokenOff);
            }
            (None, at, _) => match (self.partial(key), at) {
                (None, Some(_)) => return Err(Failure::PastEnd),
                (Some(length), Some(at)) if at > length => return Err(Failure::PastEnd),
                (length, at) => {
                    let at = at.or(length).unwrap_or(0);
                    let old = self.partials.get(&key).cloned().unwrap_or_default();
                    let whole = [&old[..at], new].concat();
                    if !commit {
                        // A byte behind what was told stays until another comes.
                        let one = old.get(..at + 1).filter(|_| new.is_empty());
                        let arrived = one.unwrap_or(&whole).to_vec();
                        self.partials.remove(&key);
                        if told(&arrived) > 0 {
                            self.partials.insert(key, arrived);
                        }
                    }
                    whole
                }
            },
        };
        if commit {
            self.forget(key.1);
            self.files.insert(key.1, bytes);
        }
        Ok(())
    }
}

/// The same on the storage.
fn upload(local: &Local, name: &str, mode: Mode, new: &[u8], commit: bool) -> Result<(), Failure> {
    let mut sink = sink(local, mode, name)?;
    sink.write(new)?;
    match commit {
        true => sink.commit(),
        false => {
            sink.abandon(Reason::Reset);
            Ok(())
        }
    }
}

impl Operation {
    /// The mode, the number of bytes, and whether it is committed.
    fn as_upload(&self, model: &Model, key: Key) -> Option<(Mode, usize, bool)> {
        let write = |at: usize, replace| Mode::Write {
            at: at as u64,
            replace,
            umask: None,
            resumable: true,
            expected: None,
        };
        Some(match *self {
            Self::Fresh {
                replace,
                length,
                commit,
            } => (write(0, replace), length, commit),
            Self::Restart {
                by,
                replace,
                length,
                commit,
            } => {
                let size = model.size(key).unwrap_or(0);
                let at = size.saturating_add_signed(by.into());
                (write(at, replace), length, commit)
            }
            Self::Append {
                told,
                replace,
                length,
                commit,
            } => {
                let told = model.partial(key).filter(|_| told);
                let mode = Mode::Append {
                    told: told.map(|length| length as u64),
                    replace,
                    umask: None,
                    resumable: true,
                    expected: None,
                };
                (mode, length, commit)
            }
            Self::Delete | Self::Rename { .. } | Self::Sweep => return None,
        })
    }
}

fn run(operations: Vec<(usize, usize, Operation)>) {
    let options = LocalOptions {
        partials: Partials::Listed,
        ..options()
    };
    let place = Place::with(options);
    let locals = ACCOUNTS
        .map(|account| Local::open(place.directory.path(), account.as_bytes(), options).unwrap());
    let mut model = Model::default();
    for (step, (account, name, operation)) in operations.into_iter().enumerate() {
        let (local, path) = (&locals[account], path(NAMES[name]));
        let key = (account, name);
        if let Some((mode, length, commit)) = operation.as_upload(&model, key) {
            let new = vec![b'A' + (step % 26) as u8; length];
            let expected = model.upload(key, mode, &new, commit);
            let got = upload(local, NAMES[name], mode, &new, commit);
            assert_eq!(got, expected, "{mode:?}");
        }
        match operation {
            Operation::Delete => {
                let expected = match model.size(key) {
                    Some(_) if model.files.remove(&name).is_some() => {
                        model.forget(name);
                        Ok(())
                    }
                    Some(_) => {
                        model.partials.remove(&key);
                        Ok(())
                    }
                    None => Err(Failure::NotFound),
                };
                let deleted = local.change(Edit::Delete, &path, &VPath::root());
                assert_eq!(deleted.map(drop), expected);
            }
            Operation::Rename { replace } => {
                let other = 1 - name;
                let expected = match (model.files.get(&name), model.files.get(&other)) {
                    (None, _) => Err(Failure::NotFound),
                    (Some(_), Some(_)) if !replace => Err(Failure::Exists),
                    (Some(_), _) => {
                        let file = model.files.remove(&name).unwrap();
                        model.files.insert(other, file);
                        model.forget(name);
                        model.forget(other);
                        Ok(())
                    }
                };
                let to = common::path(NAMES[other]);
                let renamed = local.change(Edit::Rename { replace }, &to, &path);
                assert_eq!(renamed.map(drop), expected);
            }
            Operation::Sweep => assert_eq!(local.sweep(), 0),
            Operation::Fresh { .. } | Operation::Restart { .. } | Operation::Append { .. } => {}
        }
        for (name, real) in NAMES.iter().enumerate() {
            let file = model
                .files
                .get(&name)
                .map(|file| String::from_utf8(file.clone()).unwrap());
            assert_eq!(place.get(real), file);
        }
        for (account, local) in locals.iter().enumerate() {
            let seen = (0..NAMES.len()).filter_map(|name| {
                let size = model.size((account, name))? as u64;
                Some((NAMES[name].to_owned(), size))
            });
            let seen: BTreeMap<_, _> = seen.collect();
            assert_eq!(list(local, "/"), seen);
            for name in NAMES {
                assert_eq!(size(local, name).ok().as_ref(), seen.get(name));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_sequence_agrees_with_the_model(
        operations in proptest::collection::vec((0..2_usize, 0..2_usize, operation()), 1..24)
    ) {
        run(operations);
    }
}
