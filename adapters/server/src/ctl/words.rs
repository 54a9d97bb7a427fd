//! What is asked, and what is answered.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// Who is connected.
    Who {},
    /// That sessions end: those of these numbers, of these accounts, and from these addresses.
    Kick {
        #[serde(default)]
        sessions: Vec<u64>,
        #[serde(default)]
        users: Vec<String>,
        #[serde(default)]
        addresses: Vec<IpAddr>,
    },
    /// That clients of these networks are kept out, for so many seconds or until the server ends, and their
    /// sessions end.
    Ban {
        networks: Vec<IpNet>,
        seconds: Option<u64>,
    },
    /// That they are let in again.
    Unban { networks: Vec<IpNet> },
    /// Which networks are kept out.
    Bans {},
    /// That the server stops as it does at SIGTERM.
    Drain {},
    /// How the server is.
    Status {},
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// Who is connected, in the order in which they came.
    Sessions(Vec<Session>),
    /// The numbers of the sessions that were told to end.
    Ended(Vec<u64>),
    /// The networks that are kept out by now.
    Bans(Vec<Ban>),
    /// How the server is.
    Status(Status),
    /// What is wrong with the request.
    Error(String),
}

/// A session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Session {
    /// Its number, which the lines of the log have too.
    pub(crate) session: u64,
    pub(crate) peer: SocketAddr,
    /// Nobody: not logged in.
    pub(crate) user: Option<String>,
    pub(crate) tls: bool,
    /// How long it has been connected.
    pub(crate) seconds: f64,
    /// For how long its client has sent nothing.
    pub(crate) idle_seconds: f64,
    pub(crate) transfer: Option<Transfer>,
}

/// A transfer that runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Transfer {
    pub(crate) command: String,
    pub(crate) path: String,
    /// The first byte of the file that moves.
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// How many bytes will move, where that is known.
    pub(crate) length: Option<u64>,
    pub(crate) seconds: f64,
}

/// A network that is kept out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ban {
    pub(crate) network: IpNet,
    /// For how long it still is; nothing: until the server ends.
    pub(crate) seconds: Option<f64>,
}

/// How a server is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) pid: u32,
    /// How long it has been running.
    pub(crate) seconds: f64,
    pub(crate) sessions: usize,
    /// How many there may be.
    pub(crate) most_sessions: usize,
    pub(crate) is_stopping: bool,
}
