//! The yardstick: a tree of many files, fetched as a whole.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::{Desk, assert_same, noise};
use crate::{Program, cases};

cases! { "clients";
    lftp_mirrors_a_small_yardstick("lftp"),
}

/// How many files the yardstick has.
const FILES: u64 = 27_477;
/// In how many folders they are.
const FOLDERS: u64 = 24;
/// How many bytes they have in all.
const BYTES: u64 = 1_990_000_000;

/// Makes the yardstick tree in a directory: 27,477 files of 1.99 GB in 24 folders, or a part of
/// that. The content is always the same, and no two files are alike.
///
/// # Errors
/// As writing files has them.
pub fn grow_yardstick(root: &Path, part: u64) -> io::Result<()> {
    let (files, bytes) = (FILES / part, BYTES / part);
    for folder in 0..FOLDERS {
        fs::create_dir_all(root.join(format!("folder {folder:02}")))?;
    }
    let mut left = bytes;
    for number in 0..files {
        // From next to nothing up to twice the mean of what is left, and the rest at the end.
        let mean = left / (files - number);
        let share = u64::from(number as u32 * 7_919 % 1_000);
        let size = match files - number {
            1 => left,
            _ => mean * 2 * share / 999,
        };
        left -= size;
        let folder = number % FOLDERS;
        let path = format!("folder {folder:02}/파일 {number:05}.bin");
        fs::write(root.join(path), noise(number as u32, size as usize))?;
    }
    Ok(())
}

/// Makes a file of that many bytes that repeat nowhere.
///
/// # Errors
/// As writing a file has them.
pub fn grow_file(path: &Path, bytes: u64) -> io::Result<()> {
    const PART: u64 = 4_000_000;
    let mut file = File::create(path)?;
    for begin in (0..bytes).step_by(PART as usize) {
        let part = noise((begin / PART) as u32, PART.min(bytes - begin) as usize);
        file.write_all(&part)?;
    }
    Ok(())
}

fn lftp_mirrors_a_small_yardstick(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    grow_yardstick(server.home(), 20).expect("the yardstick");
    let script = format!(
        "open -u user,12345 ftp://{}; mirror -P2 . .",
        server.address()
    );
    desk.run("lftp", &["-c", &script]);
    assert_same(server.home(), &desk.path());
}
