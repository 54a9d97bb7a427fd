//! What is there after the process was killed, and after the power was cut, at any moment.
//!
//! A process plays a script of uploads, renames and deletions and acknowledges each. Then what is
//! found must be what its last acknowledgement promised, or what the next one would have.
#![allow(unreachable_pub, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod disk;
mod script;
mod worker;

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs, thread};

use rustix::process::Signal;
use tempfile::TempDir;
use wharf_local::{Durability, Local, LocalOptions};

use self::disk::Disk;
use self::script::{Random, Script, Step, Tree, is_beginning};
use self::worker::{Worker, work};

/// One test at a time: a child that one starts would for a moment keep open what the other one
/// wants to unmount.
static ALONE: Mutex<()> = Mutex::new(());

/// The process that is killed: not a test of its own.
#[test]
#[ignore = "started by the other tests"]
fn worker() {
    work();
}

/// How many moments are tried.
fn points() -> usize {
    let points = env::var("WHARF_CRASH_POINTS").ok();
    points.map_or(25, |points| points.parse().unwrap())
}

fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_nanos() as u64
}

/// What is found in a directory: the files, and what belongs to the storage.
#[derive(Default)]
struct Found {
    tree: Tree,
    partials: Vec<Vec<u8>>,
    temporaries: usize,
}

impl Found {
    fn below(home: &Path) -> Self {
        let mut found = Self::default();
        found.walk(home, "", false);
        found
    }

    fn walk(&mut self, directory: &Path, prefix: &str, is_partial: bool) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let (path, name) = (entry.path(), format!("{prefix}/{name}"));
            let reserved = entry.file_name().as_encoded_bytes().starts_with(b".wharf");
            if name == "/lost+found" || name == "/other" {
                // They belong to the file system and to the test.
            } else if path.is_dir() {
                if !is_partial && !reserved {
                    self.tree.insert(name.clone(), None);
                }
                self.walk(&path, &name, is_partial || reserved);
            } else if is_partial {
                self.partials.push(fs::read(path).unwrap());
            } else if reserved {
                self.temporaries += 1;
            } else {
                let content = fs::read(path).unwrap();
                self.tree.insert(name, Some(Rc::new(content)));
            }
        }
    }
}

/// The script as far as it has been acknowledged.
struct Progress {
    script: Script,
    done: usize,
}

impl Progress {
    fn new(seed: u64) -> Self {
        Self {
            script: Script::new(seed),
            done: 0,
        }
    }

    /// The moment at which so many steps had been acknowledged, or between these two numbers.
    fn moment(&mut self, before: usize, after: usize) -> Moment {
        while self.done < before {
            self.script.advance();
            self.done += 1;
        }
        let mut script = self.script.clone();
        let mut moment = Moment {
            trees: vec![script.tree.clone()],
            steps: Vec::new(),
        };
        // One more is on its way.
        for _ in before..=after {
            moment.steps.push(script.advance());
            moment.trees.push(script.tree.clone());
        }
        moment
    }
}

/// The trees that there may be at a moment, and the steps between them.
struct Moment {
    trees: Vec<Tree>,
    steps: Vec<Step>,
}

impl Moment {
    /// Checks what is in a directory, sweeps it, and checks what is left. An append that was not
    /// acknowledged may end in zeros: ext4 may know of its length before it has its bytes.
    fn check(&self, home: &Path, zeros: bool) {
        let found = Found::below(home);
        let mut ways = self.steps.iter().zip(self.trees.windows(2));
        assert!(
            self.trees.contains(&found.tree)
                || ways.any(|(step, tree)| step.is_between(&tree[0], &found.tree, &tree[1], zeros)),
            "found {:?}, expected one of {:?}, by {:?}",
            lengths(&found.tree),
            self.trees.iter().map(lengths).collect::<Vec<_>>(),
            self.steps
        );
        let left = sweep(home);
        assert_eq!(left.tree, found.tree);
        for partial in left.partials {
            let is_its = |step: &Step| match step {
                Step::Broken { bytes, .. } => is_beginning(&partial, bytes, zeros),
                // That it broke off over a finished file is marked.
                Step::Upload { .. } => partial.is_empty(),
                Step::Edit(..) => false,
            };
            assert!(
                self.steps.iter().any(is_its),
                "a partial of {} bytes by {:?}",
                partial.len(),
                self.steps
            );
        }
    }
}

/// Removes what a process has left of its uploads; says what is there then.
fn sweep(home: &Path) -> Found {
    let local = Local::open(home, b"alice", LocalOptions::default()).unwrap();
    local.sweep();
    let left = Found::below(home);
    assert_eq!(left.temporaries, 0);
    left
}

/// Names and lengths, to tell what is wrong.
fn lengths(tree: &Tree) -> BTreeMap<&str, Option<usize>> {
    let entries = tree.iter();
    entries
        .map(|(name, content)| (name.as_str(), content.as_ref().map(|content| content.len())))
        .collect()
}

#[test]
fn a_kill_at_any_moment_leaves_what_was_acknowledged() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut steps = 0;
    for point in 0..points() {
        let durability = [Durability::Os, Durability::Disk][point % 2];
        let seed = seed();
        let home = TempDir::new().unwrap();
        let mut worker = Worker::start(home.path(), durability, seed);
        pause(&mut Random::new(seed));
        worker.kill();
        let done = worker.acknowledged();
        Progress::new(seed)
            .moment(done, done)
            .check(home.path(), false);
        steps += done;
    }
    println!("{} kills in {steps} steps", points());
}

/// Cuts the power at random moments of a script; says how far that came. What is found is given to
/// the check, with the numbers of steps acknowledged before and after the cut.
fn cut(durability: Durability, mut check: impl FnMut(&mut Progress, &Path, usize, usize)) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(disk) = Disk::new() else {
        return;
    };
    let seed = seed();
    let mut random = Random::new(seed);
    let mut progress = Progress::new(seed);
    let worker = Worker::start(disk.home(), durability, seed);
    for _ in 0..points() {
        pause(&mut random);
        // It stops between two calls of the system, and so it is quiet enough for a copy.
        worker.signal(Signal::STOP);
        if durability == Durability::Os || random.below(2) == 0 {
            disk.sync_something_else();
        }
        let before = worker.acknowledged();
        let cut = disk.cut();
        let after = worker.acknowledged();
        let mount = cut.mount().unwrap();
        check(&mut progress, mount.path(), before, after);
        worker.signal(Signal::CONT);
    }
    println!("{} cuts in {} steps", points(), worker.acknowledged());
}

#[test]
fn a_power_cut_takes_nothing_that_waited_for_the_disk() {
    cut(Durability::Disk, |progress, home, before, after| {
        progress.moment(before, after).check(home, true);
    });
}

#[test]
fn a_power_cut_makes_no_bytes_that_were_never_sent() {
    let (mut whole, mut empty, mut torn) = (0, 0, 0);
    let mut last = 0;
    cut(Durability::Os, |progress, home, before, after| {
        // What was there at the last cut is on the disk since then, at least its name.
        let moment = progress.moment(last, after);
        last = before;
        for (name, content) in Found::below(home).tree {
            let Some(content) = content else {
                continue;
            };
            let versions = || {
                moment
                    .trees
                    .iter()
                    .filter_map(|tree| tree.get(&name)?.as_ref())
            };
            let begins = |version: &Rc<Vec<u8>>| is_beginning(&content, version, true);
            match content.len() {
                _ if versions().any(|version| *version == content) => whole += 1,
                0 => empty += 1,
                length => {
                    assert!(versions().any(begins), "{name} of {length} bytes");
                    torn += 1;
                }
            }
        }
        sweep(home);
    });
    println!("{whole} files are whole, {empty} are empty, {torn} end early or in zeros");
}

/// Lets the worker go on for a while.
fn pause(random: &mut Random) {
    thread::sleep(Duration::from_micros(random.below(20_000) as u64));
}
