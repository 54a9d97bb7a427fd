//! From a command line to what is to be served, or to what is to be said instead.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use zeroize::Zeroizing;

use crate::assemble::{Launch, assemble};
use crate::check;
use crate::ctl;
use crate::log;
use crate::options::Options;
use crate::password::{self, HashedPassword};
use crate::user;

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
            text: what
                .to_string()
                .lines()
                .map(|line| format!("error: {line}\n"))
                .collect(),
            code: 2,
        }
    }

    /// Returns what ends a command that is done, or could not be.
    fn of(done: Result<String, String>) -> Self {
        match done {
            Ok(text) => Self::answer(text),
            Err(what) => Self::mistake(what),
        }
    }

    /// Prints the text in the form of the log.
    #[must_use]
    pub fn print(&self, format: log::Format) -> ExitCode {
        match (self.code, format) {
            (0, _) => log::say(format, &self.text),
            (_, log::Format::Text) => log::complain(format, &self.text),
            (_, log::Format::Json) => {
                let lines = self.text.lines();
                let lines = lines.map(|line| line.strip_prefix("error: ").unwrap_or(line));
                lines.for_each(|line| log::complain(format, line));
            }
        }
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
    let format = wanted_format(std::env::args_os());
    start(program, std::env::args_os(), password::ask).map_err(|stop| stop.print(format))
}

/// The form of the log that these arguments ask for, also where there is a mistake in others.
fn wanted_format(arguments: impl Iterator<Item = OsString>) -> log::Format {
    let mut json = false;
    let mut before = OsString::new();
    for argument in arguments.take_while(|argument| argument != "--") {
        json |= argument == "--log-format=json" || before == "--log-format" && argument == "json";
        before = argument;
    }
    if json {
        log::Format::Json
    } else {
        log::Format::Text
    }
}

/// [`launch`] with everything given: the arguments, of which the first is the program itself, and
/// what reads a password if one is needed.
///
/// # Errors
/// [`Stop`].
pub fn start(
    program: &'static str,
    arguments: impl IntoIterator<Item = OsString>,
    password: impl FnOnce() -> io::Result<Zeroizing<Vec<u8>>>,
) -> Result<Launch, Stop> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // No subcommands of the parser's, which would change what any other word means and what is said of it.
    let about = arguments.get(1).and_then(|about| about.to_str());
    match about {
        Some("ctl") => {
            let command = understand(program, " ctl", &arguments[1..], "")?;
            return Err(Stop::of(ctl::run(command)));
        }
        Some("user") => {
            let command = understand(program, " user", &arguments[1..], "")?;
            return Err(Stop::of(user::run(command, password)));
        }
        _ => {}
    }
    let more = format!(
        "`{program} user --help` tells how to add, change, remove and list accounts, and `{program} ctl --help` \
         how to ask a running server."
    );
    let options: Options = understand(program, "", &arguments, &more)?;
    if options.hash_password {
        let hash = password().and_then(|password| HashedPassword::new(&password));
        return Err(match hash {
            Ok(hash) => Stop::answer(format!("{hash}\n")),
            Err(error) => Stop::mistake(error),
        });
    }
    let check = options.check;
    let launch = assemble(options).map_err(Stop::mistake)?;
    if check {
        let (text, code) = check::check(&launch);
        return Err(Stop { text, code });
    }
    Ok(launch)
}

/// Understands a command line, whose help shows what it is about behind the program and ends with these words.
fn understand<T: CommandFactory + FromArgMatches>(
    program: &'static str,
    about: &str,
    arguments: &[OsString],
    more: &str,
) -> Result<T, clap::Error> {
    let matches = T::command()
        .name(program)
        .bin_name(format!("{program}{about}"))
        .after_help(more.to_owned())
        .try_get_matches_from(arguments)?;
    T::from_arg_matches(&matches)
}
