//! The command line: [`launch`] turns it, and the configuration file, into a [`Launch`].
//!
//! ```no_run
//! use std::process::ExitCode;
//! use wharf_server::cli::{self, Launch};
//!
//! fn main() -> ExitCode {
//!     match cli::launch("wharf") {
//!         Ok(launch) => serve(launch),
//!         Err(code) => code,
//!     }
//! }
//! # fn serve(_: Launch) -> ExitCode { ExitCode::SUCCESS }
//! ```

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser};
use tracing::level_filters::LevelFilter;

use crate::assemble::assemble;
pub use crate::assemble::{Launch, sweep};
use crate::log;
use crate::password::{self, HashedPassword};
use crate::settings::PublicAddress;
use crate::value::{Ports, argument};

/// An FTP server.
///
/// Without options it serves the current directory to anonymous clients of this machine,
/// read-only.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Options {
    /// Directory served to anonymous clients, read-only [default: the current directory, or with
    /// --config what the file says]
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,

    /// Address to listen on, may be repeated; port 0 picks one [default: 127.0.0.1:2121 and
    /// [::1]:2121]
    #[arg(short, long, value_name = "ADDR", value_parser = argument::<SocketAddr>)]
    pub(crate) listen: Vec<SocketAddr>,

    /// Let anonymous clients write new files and make directories, but not overwrite, rename or
    /// delete
    #[arg(short, long)]
    pub(crate) write: bool,

    /// Configuration file in TOML; options on the command line win over it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Ports for passive data connections, such as 60000-65535 [default: the system picks]
    #[arg(long, value_name = "A-B", value_parser = argument::<Ports>)]
    pub(crate) passive_ports: Option<Ports>,

    /// Address or host name that clients are told to open passive data connections to
    #[arg(long, value_name = "ADDR", value_parser = argument::<PublicAddress>)]
    pub(crate) public_address: Option<PublicAddress>,

    /// Read the configuration, report what would be served, and exit
    #[arg(long)]
    pub(crate) check: bool,

    /// Read a password from standard input, print its argon2id string, and exit
    #[arg(long, exclusive = true)]
    hash_password: bool,

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

/// Why there is nothing to serve: a mistake, or a question that has been answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// What to print.
    pub text: String,
    /// How the process ends. 0: the text is an answer and goes to the standard output; else it
    /// goes to the standard error. 2: a mistake of who started it.
    pub code: u8,
}

impl Stop {
    fn answer(text: String) -> Self {
        Self { text, code: 0 }
    }

    fn mistake(what: impl std::fmt::Display) -> Self {
        Self {
            text: format!("error: {what}\n"),
            code: 2,
        }
    }

    /// Prints the text. That nobody reads it is not an error of its own.
    #[must_use]
    pub fn print(&self) -> ExitCode {
        let text = self.text.as_bytes();
        let _ = if self.code == 0 {
            io::stdout()
                .write_all(text)
                .and_then(|()| io::stdout().flush())
        } else {
            io::stderr().write_all(text)
        };
        ExitCode::from(self.code)
    }
}

impl From<clap::Error> for Stop {
    fn from(error: clap::Error) -> Self {
        Self {
            text: error.render().to_string(),
            code: u8::try_from(error.exit_code()).unwrap_or(2),
        }
    }
}

/// Understands the command line of this process. `program` is the name that the help shows.
///
/// From then on the process has no umask of its own: the configured one is the only one.
///
/// # Errors
/// Everything is said and done: end with this code.
pub fn launch(program: &'static str) -> Result<Launch, ExitCode> {
    rustix::process::umask(rustix::fs::Mode::empty());
    let stdin = || {
        if io::stdin().is_terminal() {
            let _ = writeln!(io::stderr(), "password (it is shown while you type):");
        }
        io::stdin().lock()
    };
    start(program, std::env::args_os(), stdin).map_err(|stop| stop.print())
}

/// [`launch`] with everything given: the arguments, of which the first is the program itself, and
/// what opens the standard input if a password is read from there.
///
/// # Errors
/// [`Stop`].
pub fn start<R: Read>(
    program: &'static str,
    arguments: impl IntoIterator<Item = OsString>,
    stdin: impl FnOnce() -> R,
) -> Result<Launch, Stop> {
    let matches = Options::command()
        .name(program)
        .bin_name(program)
        .try_get_matches_from(arguments)?;
    let options = Options::from_arg_matches(&matches)?;
    if options.hash_password {
        let hash = password::read(stdin()).and_then(|password| HashedPassword::new(&password));
        return Err(match hash {
            Ok(hash) => Stop::answer(format!("{hash}\n")),
            Err(error) => Stop::mistake(error),
        });
    }
    let check = options.check;
    let launch = assemble(options).map_err(Stop::mistake)?;
    if check {
        let report = launch.report.text(&launch.listen);
        return Err(Stop::answer(format!("{report}the configuration is good\n")));
    }
    Ok(launch)
}
