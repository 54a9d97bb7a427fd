//! [`Peer`]: a client and an embedder in one, for one session.

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use bstr::ByteSlice;
use wharf_core::listing::{Clock, Listing, Step};
use wharf_core::{
    Action, Answer, Changed, DataFailure, Denied, Edit, End, Entry, Event, Failure, Flow, Grant,
    Identified, Instant, Kind, Metadata, Mode, Note, Opened, Optional, Plan, Route, Scope, Session,
    Timestamp, TlsFailure, Transferred, Verdict,
};
use wharf_script::number;

use super::Scene;

pub(crate) struct Peer {
    pub(crate) session: Session,
    pub(crate) now: Instant,
    /// Whether replies are read.
    pub(crate) reads: bool,
    /// Whether notes are taken.
    pub(crate) takes_notes: bool,
    /// What was noted and no test has asked for.
    pub(crate) notes: Vec<Note>,
    /// What the client sent and the session has not taken.
    pub(crate) unsent: Vec<u8>,
    /// What the session wrote and no trace has asked for.
    pub(crate) replies: Vec<u8>,
    /// What the listing wrote and no trace has asked for.
    pub(crate) data: Vec<u8>,
    /// The request that is out.
    pub(crate) request: Option<Action>,
    grant: Grant,
}

/// The present in listings: 2018-05-02 09:01.
pub(crate) const CLOCK: Clock = Clock {
    now: Timestamp::from_seconds(1_525_251_660),
    offset: 0,
};

impl Peer {
    pub(crate) fn new(scene: &Scene) -> Self {
        // Far from zero, so that a clock that goes back can be played.
        let now = Instant::from_micros(3_600_000_000);
        let mut peer = Self {
            session: Session::new(&Arc::new(scene.config.clone()), scene.ends, now),
            now,
            reads: true,
            takes_notes: true,
            notes: Vec::new(),
            unsent: Vec::new(),
            replies: Vec::new(),
            data: Vec::new(),
            request: None,
            grant: scene.grant.clone(),
        };
        peer.exchange();
        peer
    }

    /// Gives bytes to the session as far as it wants them; the others wait.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
        self.exchange();
    }

    /// What an embedder does between two events: write what waits, give what is wanted.
    pub(crate) fn exchange(&mut self) {
        loop {
            self.take_notes();
            let written = self.session.transmit().len();
            if self.reads && written > 0 {
                self.replies.extend_from_slice(self.session.transmit());
                self.session.transmitted(self.now, written);
                continue;
            }
            if self.unsent.is_empty() || !self.session.wants_input() {
                return;
            }
            let taken = self.session.receive(self.now, &self.unsent);
            assert!(taken > 0, "input was wanted and not taken");
            self.unsent.drain(..taken);
        }
    }

    /// Takes the notes that wait, if it does so at all.
    pub(crate) fn take_notes(&mut self) {
        if self.takes_notes {
            self.notes.extend(iter::from_fn(|| self.session.note()));
        }
    }

    /// What has been noted since the last call.
    pub(crate) fn noted(&mut self) -> Vec<Note> {
        self.take_notes();
        std::mem::take(&mut self.notes)
    }

    /// The next action. A request stays with the peer until it is answered.
    pub(crate) fn poll(&mut self) -> Option<String> {
        self.take_notes();
        let action = self.session.poll()?;
        let words = describe(&action, &self.session);
        match action {
            Action::Cancel(id) => {
                let out = self.request.as_ref().and_then(Action::id);
                assert_eq!(Some(id), out, "a request is cancelled that is not out");
            }
            Action::Disconnect => {}
            action => {
                assert!(self.request.is_none(), "{words} while a request is out");
                self.request = Some(action);
            }
        }
        Some(words)
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.session.tick(self.now);
        let deadline = self.session.deadline();
        assert!(
            deadline.is_none_or(|at| at > self.now),
            "the deadline {deadline:?} is over at {:?}",
            self.now
        );
    }

    /// Answers the request that is out.
    pub(crate) fn answer(&mut self, outcome: &str) {
        let Some(action) = self.request.take() else {
            panic!("no request is out");
        };
        let event = answer(action, outcome, &self.grant);
        assert_eq!(self.session.handle(self.now, event), Ok(()));
    }

    /// The listing that the request is about.
    pub(crate) fn listing(&mut self) -> &mut Listing {
        match &mut self.request {
            Some(
                Action::Report(_, _, listing)
                | Action::Transfer(
                    _,
                    Plan {
                        flow: Flow::List(listing),
                        ..
                    },
                ),
            ) => listing,
            other => panic!("no listing in {other:?}"),
        }
    }

    /// Pushes an entry: `file name size`, `dir name`, `link name -> target`, `other name`.
    pub(crate) fn push(&mut self, line: &str) {
        let mut out = vec![0; Listing::MAX_LINE];
        if line == "end" {
            let (written, step) = self.listing().end_of_directory(CLOCK, &mut out);
            self.give(&out[..written]);
            match step {
                Step::More => self.push("end"),
                Step::Enter(path) => {
                    self.data
                        .extend_from_slice(format!("(enter {path})\r\n").as_bytes());
                }
                Step::Done => {}
            }
            return;
        }
        let (kind, rest) = split(line);
        let mut metadata = metadata(kind);
        let mut leads_to = None;
        let (name, target) = match kind {
            "file" | "partial" => {
                let Some((name, size)) = rest.rsplit_once(' ') else {
                    panic!("no size in {line}");
                };
                metadata.size = number(size);
                (name, None)
            }
            "link" if rest.contains(" leads to ") => {
                let Some((link, size)) = rest.split_once(" leads to file ") else {
                    panic!("a link leads to a file in {line}");
                };
                leads_to = Some(Metadata {
                    size: number(size),
                    ..self::metadata("file")
                });
                match link.split_once(" -> ") {
                    Some((name, target)) => (name, Some(target)),
                    None => (link, None),
                }
            }
            "link" => match rest.split_once(" -> ") {
                Some((name, target)) => (name, Some(target)),
                None => (rest, None),
            },
            _ => (rest, None),
        };
        let entry = Entry::new(name, metadata)
            .with_target(target.map(Into::into))
            .with_leads_to(leads_to);
        let pushed = self.listing().push(&entry, CLOCK, &mut out);
        assert!(pushed.taken, "a buffer of MAX_LINE has room for a line");
        self.give(&out[..pushed.written]);
    }

    /// Hands on what a listing wrote: to the data connection or into the reply.
    fn give(&mut self, lines: &[u8]) {
        if let Some(Action::Report(..)) = self.request {
            assert_eq!(self.session.report(self.now, lines), lines.len());
        } else {
            self.data.extend_from_slice(lines);
        }
    }
}

/// What an action asks for, in the words of a trace.
pub(crate) fn describe(action: &Action, session: &Session) -> String {
    let path = session.path();
    let masked =
        |umask: &Option<u16>| umask.map_or(String::new(), |umask| format!(" umask {umask:03o}"));
    let whole = |resumable: &bool| if *resumable { "" } else { " or-nothing" };
    let expecting = |size: &Option<u64>| size.map_or(String::new(), |size| format!(" of {size}"));
    let replacing = |replace: &bool| if *replace { " replace" } else { "" };
    match action {
        Action::Identify(_) => format!("identify {}", session.username()),
        Action::Login(_) => format!("login {}", session.username()),
        Action::StartTls(_) => "start-tls".into(),
        Action::StopTls(_) => "stop-tls".into(),
        Action::Stat(_) => format!("stat {path}"),
        Action::Change(_, edit) => match edit {
            Edit::Delete => format!("delete {path}"),
            Edit::RemoveDirectory => format!("rmdir {path}"),
            Edit::MakeDirectory { umask } => format!("mkdir {path}{}", masked(umask)),
            Edit::Rename { replace } => {
                let from = session.rename_from();
                format!("rename {from} -> {path}{}", replacing(replace))
            }
            Edit::Set(facts) => {
                let time = facts
                    .modified
                    .map_or(String::new(), |time| match time.nanos {
                        0 => format!(" modified {}", time.seconds),
                        nanos => format!(" modified {}.{nanos:09}", time.seconds),
                    });
                let mode = facts
                    .mode
                    .map_or(String::new(), |mode| format!(" mode {mode:04o}"));
                format!("set {path}{time}{mode}")
            }
            Edit::Symlink => format!("symlink {path} -> {}", session.link_target()),
        },
        Action::Open(_, mode) => match mode {
            Mode::Read { offset } => format!("open {path} read@{offset}"),
            Mode::Write {
                at,
                replace,
                umask,
                resumable,
                expected,
            } => {
                format!(
                    "open {path} write@{at}{}{}{}{}",
                    replacing(replace),
                    masked(umask),
                    whole(resumable),
                    expecting(expected)
                )
            }
            Mode::Append {
                told,
                replace,
                umask,
                resumable,
                expected,
            } => {
                let told = told.map_or(String::new(), |length| format!("@{length}"));
                format!(
                    "open {path} append{told}{}{}{}{}",
                    replacing(replace),
                    masked(umask),
                    whole(resumable),
                    expecting(expected)
                )
            }
            Mode::Unique { umask, resumable } => {
                format!("open {path} unique{}{}", masked(umask), whole(resumable))
            }
            Mode::List(scope) => format!("open {path} {}", scoped(*scope)),
        },
        Action::Listen(_) => "listen".into(),
        Action::OpenData(_, Route::Accept { only_from }) => format!("accept {only_from}"),
        Action::OpenData(_, Route::Dial { to }) => format!("dial {to}"),
        Action::Secure(_) => "secure".into(),
        Action::Transfer(_, plan) => {
            let text = if plan.wire.text { " text" } else { "" };
            let tls = if plan.wire.tls { " tls" } else { "" };
            match &plan.flow {
                Flow::Send {
                    length: Some(length),
                } => format!("send {length}{text}{tls}"),
                Flow::Send { length: None } => format!("send{text}{tls}"),
                Flow::List(_) => format!("list{text}{tls}"),
                Flow::Receive => format!("receive{text}{tls}"),
            }
        }
        Action::CloseData(_) => "close-data".into(),
        Action::Finish(_, Verdict::Commit) => "finish commit".into(),
        Action::Finish(_, Verdict::Abandon(reason)) => format!("finish abandon {reason:?}"),
        Action::Report(_, scope, _) => format!("report {path} {}", scoped(*scope)),
        Action::Optional(_, Optional::TextSize { limit }) => {
            format!("text-size {path} up to {limit}")
        }
        Action::Optional(_, Optional::Available) => format!("available {path}"),
        Action::Optional(_, other) => format!("{other:?} {path}"),
        Action::Cancel(_) => "cancel".into(),
        Action::Disconnect => "disconnect".into(),
    }
}

fn scoped(scope: Scope) -> &'static str {
    match scope {
        Scope::Entries => "entries",
        Scope::Itself => "itself",
    }
}

/// The event that answers a request.
///
/// `ok` and the name of a [`Failure`] go with most; a Stat is answered by what stands there, a
/// Listen by an address, an Open by `opened [size]` or `chosen path`, a Transfer by `moved bytes
/// end`, an Optional by a number or `decline`.
pub(crate) fn answer(action: Action, outcome: &str, grant: &Grant) -> Event {
    let (first, rest) = split(outcome);
    let simple = || match first {
        "ok" => Ok(()),
        _ => Err(failure(outcome)),
    };
    match action {
        Action::Identify(ticket) => ticket.done(match first {
            "password" => Ok(Identified::Password),
            "ok" => Ok(Identified::Account(grant.clone())),
            _ => Err(denied(outcome)),
        }),
        Action::Login(ticket) => ticket.done(match first {
            "ok" => Ok(grant.clone()),
            _ => Err(denied(outcome)),
        }),
        Action::Stat(ticket) => ticket.done(match first {
            "file" | "partial" => Ok(Metadata {
                size: number(rest),
                ..metadata(first)
            }),
            "dir" | "link" | "other" => Ok(metadata(first)),
            "sealed" => Ok(Metadata {
                enterable: Some(false),
                ..metadata("dir")
            }),
            "timeless" => Ok(Metadata::default()),
            "whole" => Ok(Metadata {
                modified: Some(CLOCK.now),
                ..Metadata::default()
            }),
            _ => Err(failure(outcome)),
        }),
        Action::Listen(ticket) => ticket.done(outcome.parse().map_err(|_| failure(outcome))),
        Action::Open(ticket, _) => ticket.done(match first {
            "opened" => Ok(Opened::file((!rest.is_empty()).then(|| number(rest)))),
            "chosen" => Ok(rest.parse().map(Opened::named).unwrap_or_default()),
            _ => Err(failure(outcome)),
        }),
        Action::OpenData(ticket, _) => ticket.done(match first {
            "ok" => Ok(()),
            "Refused" => Err(DataFailure::Refused),
            "Unreachable" => Err(DataFailure::Unreachable),
            "NoResources" => Err(DataFailure::NoResources),
            "Cancelled" => Err(DataFailure::Cancelled),
            _ => panic!("no outcome of a connection: {outcome}"),
        }),
        Action::Transfer(ticket, _) => {
            let (bytes, end) = split(rest);
            assert_eq!(first, "moved", "no outcome of a transfer: {outcome}");
            ticket.done(Transferred::new(
                number(bytes),
                match end {
                    "clean" => End::Clean,
                    "truncated" => End::Truncated,
                    "reset" => End::Reset,
                    "cancelled" => End::Cancelled,
                    other => End::Storage(failure(other)),
                },
            ))
        }
        Action::CloseData(ticket) => {
            assert_eq!(outcome, "ok", "closing cannot fail");
            ticket.done(())
        }
        Action::Change(ticket, _) => ticket.done(match first {
            "mode" => Ok(u16::from_str_radix(rest, 8).map_or(Changed::AS_ASKED, Changed::to_mode)),
            _ => simple().map(|()| Changed::AS_ASKED),
        }),
        Action::Finish(ticket, _) => ticket.done(simple()),
        Action::Report(ticket, ..) => ticket.done(simple()),
        Action::Optional(ticket, _) => match first {
            "decline" => ticket.decline(),
            _ => ticket.done(match outcome.parse() {
                Ok(bytes) => Ok(Answer::Bytes(bytes)),
                Err(_) => Err(failure(outcome)),
            }),
        },
        Action::StartTls(ticket) => ticket.done(tls(outcome)),
        Action::StopTls(ticket) => ticket.done(tls(outcome)),
        Action::Secure(ticket) => ticket.done(tls(outcome)),
        Action::Cancel(_) | Action::Disconnect => panic!("not a request"),
    }
}

fn denied(outcome: &str) -> Denied {
    match outcome {
        "denied" => Denied::Credentials,
        "unprotected" => Denied::Unprotected,
        "too-many" => Denied::TooMany,
        "waits" => Denied::Waits,
        "unavailable" => Denied::Unavailable,
        _ => panic!("no outcome of a login: {outcome}"),
    }
}

fn tls(outcome: &str) -> Result<(), TlsFailure> {
    match outcome {
        "ok" => Ok(()),
        "Handshake" => Err(TlsFailure::Handshake),
        "NotResumed" => Err(TlsFailure::NotResumed),
        "Closed" => Err(TlsFailure::Closed),
        "Cancelled" => Err(TlsFailure::Cancelled),
        _ => panic!("no outcome of a handshake: {outcome}"),
    }
}

/// The failure of that name.
pub(crate) fn failure(name: &str) -> Failure {
    let found = FAILURES
        .into_iter()
        .find(|failure| format!("{failure:?}") == name);
    found.unwrap_or_else(|| panic!("no such outcome: {name}"))
}

pub(crate) const FAILURES: [Failure; 20] = [
    Failure::NotFound,
    Failure::Denied,
    Failure::Exists,
    Failure::NotADirectory,
    Failure::IsADirectory,
    Failure::NotEmpty,
    Failure::NotAFile,
    Failure::IsHome,
    Failure::BadName,
    Failure::BadMove,
    Failure::PastEnd,
    Failure::BrokenOff,
    Failure::TooLarge,
    Failure::Busy,
    Failure::NoSpace,
    Failure::Quota,
    Failure::Io,
    Failure::Unknown,
    Failure::Unsupported,
    Failure::Cancelled,
];

/// Facts of something that was changed in 2018-05-02 09:01:00.5.
fn metadata(kind: &str) -> Metadata {
    Metadata {
        kind: match kind {
            "file" => Kind::File,
            "dir" => Kind::Directory,
            "link" => Kind::Link,
            "other" => Kind::Other,
            "partial" => Kind::Partial,
            _ => panic!("no such kind: {kind}"),
        },
        modified: Some(Timestamp {
            seconds: CLOCK.now.seconds,
            nanos: 500_000_000,
        }),
        ..Metadata::default()
    }
}

/// The first word and the rest.
pub(crate) fn split(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

/// Bytes as a trace shows them.
pub(crate) fn shown(bytes: &[u8]) -> String {
    bytes
        .lines_with_terminator()
        .map(|line| format!("    {}\n", line.escape_ascii()))
        .collect()
}
