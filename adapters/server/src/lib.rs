//! The programs `wharf-std` and `wharf-smol`: the command line and the configuration file, accounts with
//! hashed passwords, the log, the words printed at the start, signals.
//!
//! This is no library to build a server with: `wharf-std` and `wharf-smol` are. The binaries call
//! [`run()`] and no more; the rest is public for their tests.

pub mod accounts;
pub mod admission;
mod assemble;
mod bind;
pub mod bucket;
mod caution;
pub mod certificate;
mod check;
mod columns;
mod config;
mod configuration;
mod crypto;
mod ctl;
mod decoy;
mod descriptors;
mod hint;
pub mod home;
mod homes;
mod include;
mod launch;
mod line;
mod listen;
pub mod log;
mod look;
mod material;
mod mistakes;
mod options;
mod parse;
pub mod password;
mod personal;
mod privileges;
pub mod process;
pub mod report;
mod run;
mod sandbox;
mod served;
mod source;
mod sweep;
mod tls;
mod user;
mod value;

pub use assemble::Launch;
pub use launch::{Stop, launch, start};
pub use listen::Listen;
pub use material::Certified;
pub use parse::check;
pub use run::run;
pub use served::{At, Served};
pub use sweep::{sweep, sweep_buckets};
