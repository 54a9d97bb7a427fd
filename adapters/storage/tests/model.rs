//! Any sequence of operations agrees with a small model of files and partials.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::*;
use proptest::prelude::*;
use wharf_core::{Edit, Failure, Mode, Reason, VPath};
use wharf_storage::{Local, Storage};

const NAMES: [&str; 2] = ["a", "b"];
const ACCOUNTS: [&str; 2] = ["alice", "bob"];

#[derive(Clone, Debug)]
enum Operation {
    /// `at` is a number of bytes from the length that the account sees, `None` appends.
    Upload {
        at: Option<i8>,
        replace: bool,
        length: u8,
        commit: bool,
    },
    Fresh {
        replace: bool,
        length: u8,
        commit: bool,
    },
    Delete,
    Rename {
        replace: bool,
    },
    Sweep,
}

fn operation() -> impl Strategy<Value = Operation> {
    let upload = (
        proptest::option::of(-3..=1_i8),
        any::<bool>(),
        0..4_u8,
        any::<bool>(),
    );
    prop_oneof![
        4 => upload.prop_map(|(at, replace, length, commit)| Operation::Upload {
            at, replace: replace || length > 1, length, commit
        }),
        3 => (any::<bool>(), 0..6_u8, any::<bool>())
            .prop_map(|(replace, length, commit)| Operation::Fresh { replace, length, commit }),
        1 => Just(Operation::Delete),
        1 => any::<bool>().prop_map(|replace| Operation::Rename { replace }),
        1 => Just(Operation::Sweep),
    ]
}

#[derive(Clone, Debug)]
struct Partial {
    bytes: Vec<u8>,
    /// It keeps the file's bytes beyond its own end.
    patch: bool,
}

#[derive(Default)]
struct Model {
    files: BTreeMap<usize, Vec<u8>>,
    /// By account and name.
    partials: BTreeMap<(usize, usize), Partial>,
}

impl Model {
    fn seen(&self, account: usize, name: usize) -> Option<usize> {
        let partial = self
            .partials
            .get(&(account, name))
            .map(|partial| &partial.bytes);
        partial.or(self.files.get(&name)).map(Vec::len)
    }

    fn forget(&mut self, name: usize) {
        self.partials.retain(|key, _| key.1 != name);
    }

    /// `at` is `None` to append.
    fn upload(
        &mut self,
        (account, name): (usize, usize),
        at: Option<usize>,
        replace: bool,
        new: &[u8],
        commit: bool,
    ) -> Result<(), Failure> {
        let file = self.files.get(&name).cloned();
        if file.is_some() && !replace {
            return Err(Failure::Exists);
        }
        let anew = at == Some(0);
        if anew {
            self.partials.remove(&(account, name));
        }
        let partial = self.partials.get(&(account, name)).cloned();
        let there = partial
            .as_ref()
            .map(|partial| &partial.bytes)
            .or(file.as_ref());
        let length = there.map_or(0, Vec::len);
        let at = at.unwrap_or(length);
        if at > length {
            return Err(Failure::PastEnd);
        }
        let fresh = anew || partial.is_none() && file.is_none();
        let in_place = !fresh && partial.is_none() && at == length;
        let patch = match &partial {
            Some(partial) => partial.patch,
            None => !fresh && !in_place,
        };
        let mut bytes = there.map_or(Vec::new(), |there| there[..at].to_vec());
        bytes.extend_from_slice(new);
        if commit {
            if patch {
                let kept = file.as_ref().and_then(|file| file.get(bytes.len()..));
                bytes.extend_from_slice(kept.unwrap_or_default());
            }
            self.forget(name);
            self.files.insert(name, bytes);
        } else if partial.is_some() || !in_place && !new.is_empty() {
            self.partials
                .insert((account, name), Partial { bytes, patch });
        } else if in_place && !new.is_empty() {
            // To grow and be cut back is a change for the others.
            self.forget(name);
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

fn run(operations: Vec<(usize, usize, Operation)>) {
    let place = Place::new();
    let locals = ACCOUNTS.map(|account| place.account(account));
    let mut model = Model::default();
    for (step, (account, name, operation)) in operations.into_iter().enumerate() {
        let (local, path) = (&locals[account], path(NAMES[name]));
        let new = |length| vec![b'A' + (step % 26) as u8; usize::from(length)];
        let write = |at: Option<usize>, replace| match at {
            None => Mode::Append {
                replace,
                umask: None,
            },
            Some(at) => Mode::Write {
                at: at as u64,
                replace,
                umask: None,
            },
        };
        match operation {
            Operation::Upload {
                at,
                replace,
                length,
                commit,
            } => {
                let seen = model.seen(account, name).unwrap_or(0);
                let at = at.map(|at| seen.saturating_add_signed(at.into()));
                let new = new(length);
                let expected = model.upload((account, name), at, replace, &new, commit);
                let mode = write(at, replace);
                assert_eq!(upload(local, NAMES[name], mode, &new, commit), expected);
            }
            Operation::Fresh {
                replace,
                length,
                commit,
            } => {
                let new = new(length);
                let expected = model.upload((account, name), Some(0), replace, &new, commit);
                let mode = write(Some(0), replace);
                assert_eq!(upload(local, NAMES[name], mode, &new, commit), expected);
            }
            Operation::Delete => {
                let expected = match model.seen(account, name) {
                    Some(_) if model.files.remove(&name).is_some() => {
                        model.forget(name);
                        Ok(())
                    }
                    Some(_) => {
                        model.partials.remove(&(account, name));
                        Ok(())
                    }
                    None => Err(Failure::NotFound),
                };
                assert_eq!(local.change(Edit::Delete, &path, &VPath::root()), expected);
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
                assert_eq!(local.change(Edit::Rename { replace }, &to, &path), expected);
            }
            Operation::Sweep => assert_eq!(local.sweep(), 0),
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
                let size = model.seen(account, name)? as u64;
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
