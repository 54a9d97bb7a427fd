//! Makes the yardstick tree, or one long file: see `tests/yardstick/run`.

#![allow(clippy::print_stderr)]

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["tree", path] => wharf_tests::grow_yardstick(Path::new(path), 1),
        ["file", path, bytes] => match bytes.parse() {
            Ok(bytes) => wharf_tests::grow_file(Path::new(path), bytes),
            Err(_) => return usage(),
        },
        _ => return usage(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("yardstick: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: yardstick tree PATH | yardstick file PATH BYTES");
    ExitCode::from(2)
}
