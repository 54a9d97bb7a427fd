//! Conversations without sockets, written so that they read like a trace of the protocol.
//!
//! | line | meaning |
//! |---|---|
//! | `C: text` | the client sends the line |
//! | `C~: bytes` | the client sends exactly these bytes (`\r`, `\n`, `\xNN`, `\\`) |
//! | `S: 226` | the next reply has this code, be it of one line or of several |
//! | `S: text` | the next line that the server sends, whole |
//! | `A: request` | the next action; [`describe`](peer::describe) has the words |
//! | `E: outcome` | the answer to the request that is out, or `progress`, `eof`, `lost`, `shutdown` |
//! | `D: entry` | an entry of the directory that is being listed, or `end` |
//! | `L: text` | the next line of that listing, whole |
//! | `T: +5s` | time passes (also `ms`), then a tick |
//! | `W: yes` | whether the session wants input |
//! | `# text` | a remark |
//!
//! Everything that the session emits must be accounted for before it hears of anything new: a
//! reply or an action too many fails the trace as surely as one that is missing.
#![allow(dead_code, reason = "each file of tests needs its own part of this")]

pub(crate) mod codes;
pub(crate) mod embedder;
pub(crate) mod peer;
pub(crate) mod script;

use wharf_core::{Capabilities, Config, Endpoints, ForbiddenNames, Grant, Limits, Notes, Rights};

pub(crate) use peer::Peer;

/// What a conversation begins with.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) config: Config,
    pub(crate) grant: Grant,
    pub(crate) ends: Endpoints,
}

/// Everything, and directories are yielded in order, so that a trace shows lines as they come.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    sorted: true,
    ..Capabilities::ALL
};

const LOGIN: &str = "
    S: 220 Wharf ready.
    C: USER u
    S: 331
    C: PASS p
    A: login u
    E: ok
    S: 230 Logged in.
    C: TYPE I
    S: 200";

const PASV: &str = "
    C: PASV
    A: listen
    E: 127.0.0.1:51210
    S: 227";

/// From STOR to its data.
pub(crate) const STORING: &str = "
    C: STOR f
    A: open /f write@0 replace
    E: opened
    A: accept 127.0.0.1
    E: ok
    S: 150
    A: receive";

impl Scene {
    /// Everything is allowed, over IPv4.
    pub(crate) fn new() -> Self {
        Self {
            config: Config {
                notes: Notes::Audit,
                ..Config::default()
            },
            grant: Grant::new(Rights::ALL, CAPABILITIES),
            ends: Endpoints {
                local: ([127, 0, 0, 1], 21).into(),
                peer: ([127, 0, 0, 1], 40_000).into(),
            },
        }
    }

    pub(crate) fn rights(mut self, rights: Rights) -> Self {
        self.grant.rights = rights;
        self
    }

    pub(crate) fn without(self, right: Rights) -> Self {
        let others = all_rights().filter(|other| *other != right);
        self.rights(others.fold(Rights::NONE, |set, right| set | right))
    }

    pub(crate) fn forbidden(mut self, patterns: [&str; 2]) -> Self {
        self.grant.forbidden = ForbiddenNames::new(patterns);
        self
    }

    pub(crate) fn capabilities(mut self, capabilities: Capabilities) -> Self {
        self.grant.capabilities = capabilities;
        self
    }

    pub(crate) fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    pub(crate) fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.config.limits);
        self
    }

    /// Both ends have that address.
    pub(crate) fn address(mut self, ip: &str) -> Self {
        let Ok(ip) = ip.parse() else {
            panic!("{ip} is no address");
        };
        self.ends.local.set_ip(ip);
        self.ends.peer.set_ip(ip);
        self
    }

    /// Plays a trace from the connection on.
    pub(crate) fn play(&self, trace: &str) -> Peer {
        let mut peer = Peer::new(self);
        script::play(&mut peer, trace);
        peer
    }

    /// Plays a trace from a login in TYPE I on.
    pub(crate) fn logged_in(&self, trace: &str) -> Peer {
        self.play(&format!("{LOGIN}\n{trace}"))
    }

    /// Plays a trace from a PASV behind that login on.
    pub(crate) fn passive(&self, trace: &str) -> Peer {
        self.logged_in(&format!("{PASV}\n{trace}"))
    }

    /// Plays a trace from an upload on whose data have just begun to move.
    pub(crate) fn storing(&self, trace: &str) -> Peer {
        self.passive(&format!("{STORING}\n{trace}"))
    }
}

/// [`Scene::play`] with everything allowed.
pub(crate) fn play(trace: &str) -> Peer {
    Scene::new().play(trace)
}

/// [`Scene::logged_in`] with everything allowed.
pub(crate) fn logged_in(trace: &str) -> Peer {
    Scene::new().logged_in(trace)
}

/// [`Scene::passive`] with everything allowed.
pub(crate) fn passive(trace: &str) -> Peer {
    Scene::new().passive(trace)
}

/// [`Scene::storing`] with everything allowed.
pub(crate) fn storing(trace: &str) -> Peer {
    Scene::new().storing(trace)
}

/// Each right by itself.
pub(crate) fn all_rights() -> impl Iterator<Item = Rights> {
    [
        Rights::LIST,
        Rights::READ,
        Rights::WRITE,
        Rights::OVERWRITE,
        Rights::DELETE,
        Rights::RENAME,
        Rights::MKDIR,
    ]
    .into_iter()
}
