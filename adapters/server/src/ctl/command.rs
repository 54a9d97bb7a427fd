//! `ctl who`, `kick`, `ban`, `drain` and the others: the operator's end.

use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::net::{IpAddr, Shutdown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;

use super::table;
use super::words::Request;
use crate::config::File;
use crate::mistakes::Mistakes;
use crate::source::Source;
use crate::value::argument;

/// A server answers within this time: it waits for two seconds until sessions have ended.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often `who --watch` asks.
const AGAIN: Duration = Duration::from_secs(1);
/// Moves to the upper left corner of a terminal and clears it.
const CLEAR: &str = "\x1b[H\x1b[J";

/// Asks a running server.
#[derive(Parser)]
#[command(max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Tell who is connected, and what they transfer
    Who {
        /// Ask again every second, until interrupted
        #[arg(long)]
        watch: bool,
        #[command(flatten)]
        server: Server,
    },
    /// End sessions: their clients are told 421, their transfers are aborted
    Kick {
        /// Their numbers, which `who` and the log tell
        #[arg(value_name = "SESSION", required_unless_present_any = ["user", "address"])]
        sessions: Vec<u64>,
        /// All sessions of that account; may be repeated
        #[arg(long, value_name = "NAME")]
        user: Vec<String>,
        /// All sessions from that address; may be repeated
        #[arg(long, value_name = "ADDR")]
        address: Vec<IpAddr>,
        #[command(flatten)]
        server: Server,
    },
    /// Keep clients of networks out, and end their sessions
    Ban {
        /// Addresses or networks, such as 192.0.2.7 or 2001:db8::/32
        #[arg(required = true, value_name = "NETWORK", value_parser = argument::<IpNet>)]
        networks: Vec<IpNet>,
        /// For so long, such as 30m or 24h [default: until the server ends]
        #[arg(long = "for", value_name = "TIME", value_parser = argument::<Duration>)]
        time: Option<Duration>,
        #[command(flatten)]
        server: Server,
    },
    /// Let clients of networks in again
    Unban {
        /// As they were banned
        #[arg(required = true, value_name = "NETWORK", value_parser = argument::<IpNet>)]
        networks: Vec<IpNet>,
        #[command(flatten)]
        server: Server,
    },
    /// Tell which networks are kept out
    Bans {
        #[command(flatten)]
        server: Server,
    },
    /// Stop the server as SIGTERM does: transfers may end within the grace time
    Drain {
        #[command(flatten)]
        server: Server,
    },
    /// Tell how the server is
    Status {
        #[command(flatten)]
        server: Server,
    },
}

/// Which server, and in what form it answers.
#[derive(Args)]
struct Server {
    /// Its configuration file, whose key `ctl-socket` says where it is asked
    #[arg(short, long, value_name = "FILE", required_unless_present = "socket")]
    config: Option<PathBuf>,
    /// Its socket, in place of the configuration file
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    socket: Option<PathBuf>,
    /// Print the line of JSON that the server answers
    #[arg(long)]
    json: bool,
}

/// Asks; returns what to print.
///
/// # Errors
/// What to tell the operator.
pub(crate) fn run(command: Command) -> Result<String, String> {
    let (request, server) = match command.action {
        Action::Who {
            watch: true,
            server,
        } => return watch(&server),
        Action::Who { server, .. } => (Request::Who {}, server),
        Action::Kick {
            sessions,
            user,
            address,
            server,
        } => (
            Request::Kick {
                sessions,
                users: user,
                addresses: address,
            },
            server,
        ),
        Action::Ban {
            networks,
            time,
            server,
        } => {
            let seconds = time.map(|time| time.as_secs());
            (Request::Ban { networks, seconds }, server)
        }
        Action::Unban { networks, server } => (Request::Unban { networks }, server),
        Action::Bans { server } => (Request::Bans {}, server),
        Action::Drain { server } => (Request::Drain {}, server),
        Action::Status { server } => (Request::Status {}, server),
    };
    server.ask(&server.place()?, &request)
}

/// Asks who is connected, again and again.
fn watch(server: &Server) -> Result<String, String> {
    let place = server.place()?;
    let mut out = io::stdout();
    let clear = if out.is_terminal() { CLEAR } else { "" };
    loop {
        let text = server.ask(&place, &Request::Who {})?;
        // Whoever reads it may be gone, as `head` is.
        let written = write!(out, "{clear}{text}").and_then(|()| out.flush());
        if written.is_err() {
            return Ok(String::new());
        }
        thread::sleep(AGAIN);
    }
}

impl Server {
    /// Returns where it is asked.
    fn place(&self) -> Result<PathBuf, String> {
        if let Some(socket) = &self.socket {
            return Ok(socket.clone());
        }
        let source = match &self.config {
            Some(config) => Source::read(config)?,
            None => Source::default(),
        };
        let mut mistakes = Mistakes::default();
        let Some(file) = File::parse(&source, &mut mistakes) else {
            return Err(mistakes.to_string());
        };
        let socket = file.ctl_socket.ok_or_else(|| {
            source.whole("expected ctl-socket = \"PATH\", where the server is asked")
        })?;
        Ok(source.locate(&socket))
    }

    /// Asks, and returns the answer as it is printed.
    fn ask(&self, place: &Path, request: &Request) -> Result<String, String> {
        let line = exchange(place, request)
            .map_err(|error| format!("{}: {error}{}", place.display(), hint(&error)))?;
        let answer = serde_json::from_str(&line).map_err(|error| {
            format!("{}: the answer is not understood: {error}", place.display())
        })?;
        let text = table::print(&answer)?;
        Ok(if self.json { line } else { text })
    }
}

fn exchange(place: &Path, request: &Request) -> io::Result<String> {
    let mut server = UnixStream::connect(place)?;
    server.set_read_timeout(Some(PATIENCE))?;
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    server.write_all(&text)?;
    server.shutdown(Shutdown::Write)?;
    let mut line = String::new();
    BufReader::new(server).read_line(&mut line)?;
    match line.is_empty() {
        true => Err(io::ErrorKind::UnexpectedEof.into()),
        false => Ok(line),
    }
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            "; no server is running there"
        }
        io::ErrorKind::PermissionDenied => "; the user of the server may ask, and so may root",
        _ => "",
    }
}
