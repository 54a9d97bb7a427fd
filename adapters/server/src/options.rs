//! The options of the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Parser};
use tracing::level_filters::LevelFilter;
use wharf_driver::PublicAddress;

use crate::bucket::BucketUrl;
use crate::log;
use crate::value::{Ports, argument};

/// An FTP server.
///
/// Without options it serves the current directory to anonymous clients of this machine,
/// read-only.
#[derive(Default, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Options {
    /// Directory served to anonymous clients, read-only [default: the current directory, or with
    /// --config what the file says]
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,

    /// Bucket served to anonymous clients, read-only unless --write, with the credentials of the environment
    /// (AWS_ACCESS_KEY_ID and others)
    #[arg(long, value_name = "s3://NAME/PREFIX", value_parser = argument::<BucketUrl>,
          conflicts_with_all = ["directory", "config"])]
    pub(crate) bucket: Option<BucketUrl>,

    /// Where the store of --bucket is, such as http://127.0.0.1:8333 [default: Amazon S3 in the region
    /// that AWS_REGION names]
    #[arg(long, value_name = "URL", requires = "bucket")]
    pub(crate) endpoint: Option<String>,

    /// Address to listen on, may be repeated; port 0 picks one [default: 127.0.0.1:2121 and
    /// [::1]:2121]
    #[arg(short, long, value_name = "ADDR", value_parser = argument::<SocketAddr>)]
    pub(crate) listen: Vec<SocketAddr>,

    /// Let anonymous clients write new files and make directories, but not overwrite, rename or
    /// delete
    #[arg(short, long)]
    pub(crate) write: bool,

    /// Let clients write where the home is the root of the file system
    #[arg(long)]
    pub(crate) serve_root: bool,

    /// Configuration file in TOML; options on the command line win over it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Ports for passive data connections, such as 60000-65535 [default: the system picks]
    #[arg(long, value_name = "A-B", value_parser = argument::<Ports>)]
    pub(crate) passive_ports: Option<Ports>,

    /// Address or host name that clients are told to open passive data connections to
    #[arg(long, value_name = "ADDR", value_parser = argument::<PublicAddress>)]
    pub(crate) public_address: Option<PublicAddress>,

    /// Offer TLS with a certificate that is made now and that nobody vouches for, to try things out
    #[arg(long)]
    pub(crate) self_signed: bool,

    /// Read the configuration, report what would be served, and exit
    #[arg(long)]
    pub(crate) check: bool,

    /// Read a password from standard input, print its argon2id string, and exit
    #[arg(long, exclusive = true)]
    pub(crate) hash_password: bool,

    /// Log more; twice: even more
    #[arg(short, action = ArgAction::Count)]
    verbose: u8,

    /// Log less: warnings and errors; twice: errors only
    #[arg(short, action = ArgAction::Count, conflicts_with = "verbose")]
    quiet: u8,

    /// Form of log lines
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    log_format: log::Format,
}

impl Options {
    /// Returns the options of a server that is given a configuration file and nothing else.
    pub(crate) fn of_file(config: PathBuf) -> Self {
        Self {
            config: Some(config),
            ..Self::default()
        }
    }

    pub(crate) fn log(&self) -> log::Options {
        let level = match (self.verbose, self.quiet) {
            (0, 0) => LevelFilter::INFO,
            (1, _) => LevelFilter::DEBUG,
            (2.., _) => LevelFilter::TRACE,
            (0, 1) => LevelFilter::WARN,
            (0, 2..) => LevelFilter::ERROR,
        };
        log::Options {
            level,
            format: self.log_format,
        }
    }
}
