//! [`Command`]: the command line of `user`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use wharf_core::Rights;

use crate::value::{Word, argument};

/// Adds, changes, removes and lists accounts in the files that a configuration file includes.
#[derive(Parser)]
#[command(max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Command {
    #[command(subcommand)]
    pub(super) action: Action,
}

#[derive(Subcommand)]
pub(super) enum Action {
    /// Add an account in a file of its own; the password is asked for, or read as a line where the standard input
    /// is no terminal
    Add {
        /// Letters, digits and `._-@`, up to 64 of them
        #[arg(value_parser = argument::<NewName>)]
        name: NewName,
        #[command(flatten)]
        of: Of,
        /// Directory that the account sees [default: what `homes` in the configuration file says]
        #[arg(long, value_name = "DIR")]
        home: Option<PathBuf>,
        /// What the account may do there: list, read, write, overwrite, delete, rename, mkdir, symlink
        #[arg(long, value_name = "RIGHT,...", value_delimiter = ',', default_value = "list,read",
              value_parser = argument::<Rights>)]
        rights: Vec<Rights>,
    },
    /// Change the password of an account, and nothing else in its file
    Passwd {
        /// Whose it is
        name: String,
        #[command(flatten)]
        of: Of,
    },
    /// Remove an account; its home stays as it is
    Remove {
        /// Whose it is
        name: String,
        #[command(flatten)]
        of: Of,
    },
    /// List all accounts with their homes or buckets, their rights and their files
    List {
        #[command(flatten)]
        of: Of,
    },
}

/// Whose accounts they are.
#[derive(Args)]
pub(super) struct Of {
    /// Configuration file, whose key `users` says where files of accounts are
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: PathBuf,
}

/// The name of a new account, which its file has too.
#[derive(Clone, Debug)]
pub(super) struct NewName(pub(super) String);

impl Word for NewName {
    const EXPECTED: &'static str =
        "1 to 64 letters, digits and `._-@`, of which neither `.` nor `-` is the first";

    fn read(word: &str) -> Option<Self> {
        let sound = |c: u8| c.is_ascii_alphanumeric() || b"._-@".contains(&c);
        let is_one = (1..=64).contains(&word.len())
            && word.bytes().all(sound)
            && !word.starts_with(['.', '-']);
        is_one.then(|| Self(word.to_owned()))
    }
}
