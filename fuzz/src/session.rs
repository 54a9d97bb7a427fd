//! A whole session, with an embedder that behaves in any way it likes.

use std::sync::Arc;
use std::time::Duration;

use wharf_core::{
    Action, Answer, Capabilities, Config, DataFailure, Denied, End, Endpoints, Event, Failure,
    Grant, Instant, Kind, Limits, Metadata, Notes, Opened, Optional, Rights, Session, Transferred,
    VPath,
};

/// Runs the bytes as operations twice, once with the input cut into single bytes: both must say
/// the same, and every promise that can be seen from outside must hold.
pub fn session(bytes: &[u8]) {
    let whole = Run::new(false).all(bytes);
    let cut = Run::new(true).all(bytes);
    assert_eq!(whole, cut, "the cut of the input changed something");
}

struct Run {
    session: Session,
    now: Instant,
    cut: bool,
    /// Every byte that was sent and every action, in order.
    trace: Vec<String>,
    sent: Vec<u8>,
    /// The request that is out.
    out: Option<Action>,
    over: bool,
}

impl Run {
    fn new(cut: bool) -> Self {
        let limits = Limits {
            login_delay: Duration::ZERO,
            ..Limits::default()
        };
        let config = Config {
            limits,
            notes: Notes::Commands,
            ..Config::default()
        };
        let ends = Endpoints {
            local: ([127, 0, 0, 1], 21).into(),
            peer: ([127, 0, 0, 1], 40_000).into(),
        };
        let session = Session::new(&Arc::new(config), ends, Instant::ZERO);
        Self {
            session,
            now: Instant::ZERO,
            cut,
            trace: Vec::new(),
            sent: Vec::new(),
            out: None,
            over: false,
        }
    }

    /// The first byte of each operation says what it is; lines end with their LF.
    fn all(mut self, mut bytes: &[u8]) -> (Vec<String>, Vec<u8>) {
        self.settle();
        while let Some((&operation, rest)) = bytes.split_first() {
            bytes = rest;
            match operation {
                0x80..=0x8f => self.answer(operation & 15),
                0x90..=0x97 => self.wait(Duration::from_millis(100 << (2 * (operation & 7)))),
                0x98 => self.session.receive_eof(self.now),
                0x99 => self.session.lost(self.now),
                0x9a => self.session.shutdown(self.now, Duration::from_secs(10)),
                0x9b => self.session.progress(self.now, u64::from(operation)),
                _ => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let (line, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
                    bytes = rest;
                    self.receive(&[&[operation], line].concat());
                }
            }
            self.settle();
        }
        (self.trace, self.sent)
    }

    fn receive(&mut self, bytes: &[u8]) {
        let pieces: Vec<&[u8]> = if self.cut {
            bytes.chunks(1).collect()
        } else {
            vec![bytes]
        };
        for piece in pieces {
            let taken = self.session.receive(self.now, piece);
            assert!(taken <= piece.len());
            // What is not taken is lost in both runs alike: the session takes no more for now.
            if taken < piece.len() {
                return;
            }
        }
    }

    /// Writes what there is to write and takes the actions that there are.
    fn settle(&mut self) {
        loop {
            let waiting = self.session.transmit().to_vec();
            if !waiting.is_empty() {
                self.sent.extend_from_slice(&waiting);
                self.session.transmitted(self.now, waiting.len());
            }
            match self.session.poll() {
                Some(Action::Cancel(id)) => self.trace.push(format!("cancel {id:?}")),
                Some(Action::Disconnect) => {
                    self.over = true;
                    self.trace.push("disconnect".into());
                }
                Some(action) => {
                    assert!(!self.over, "an action behind Disconnect");
                    assert!(self.out.is_none(), "two requests at once");
                    self.trace
                        .push(format!("{action:?} {:?}", self.session.path()));
                    self.out = Some(action);
                }
                None if self.session.transmit().is_empty() => break,
                None => {}
            }
        }
        if self.over {
            assert_eq!(self.session.deadline(), None);
            assert!(!self.session.wants_input());
        }
        assert!(
            self.session.heap_size() < 128 << 10,
            "{} bytes",
            self.session.heap_size()
        );
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.session.tick(self.now);
        assert!(
            self.session.deadline().is_none_or(|at| at > self.now),
            "a deadline that has passed"
        );
    }

    /// Answers the request that is out: well, or in one of many bad ways.
    fn answer(&mut self, how: u8) {
        let Some(action) = self.out.take() else {
            return;
        };
        if how == 15 {
            // Dropped: the session must get by without it.
            return;
        }
        let event = outcome(action, how);
        // After the session has given up on a ticket its answer is foreign.
        let _ = self.session.handle(self.now, event);
    }
}

fn outcome(action: Action, how: u8) -> Event {
    const FAILURES: [Failure; 8] = [
        Failure::NotFound,
        Failure::Denied,
        Failure::Exists,
        Failure::NoSpace,
        Failure::Io,
        Failure::Unknown,
        Failure::Unsupported,
        Failure::Cancelled,
    ];
    let failure = FAILURES[usize::from(how % 8)];
    let good = how < 8;
    fn either<T>(good: bool, value: T, failure: Failure) -> Result<T, Failure> {
        if good { Ok(value) } else { Err(failure) }
    }
    match action {
        Action::Login(ticket) => {
            let capabilities = if how == 1 {
                Capabilities::NONE
            } else {
                Capabilities::ALL
            };
            let rights = if how == 2 { Rights::LIST } else { Rights::ALL };
            let grant = Grant {
                rights,
                capabilities,
                start: VPath::root(),
            };
            ticket.done(if good {
                Ok(grant)
            } else {
                Err(Denied::Credentials)
            })
        }
        Action::Stat(ticket) => {
            let kind = if how.is_multiple_of(2) {
                Kind::Directory
            } else {
                Kind::File
            };
            let metadata = Metadata {
                kind,
                size: u64::from(how),
                ..Metadata::default()
            };
            ticket.done(either(good, metadata, failure))
        }
        Action::Change(ticket, _) => ticket.done(either(good, (), failure)),
        Action::Open(ticket, _) => {
            let opened = Opened {
                size: Some(u64::from(how) * 100),
                name: None,
            };
            ticket.done(either(good, opened, failure))
        }
        Action::Listen(ticket) => {
            ticket.done(either(good, ([127, 0, 0, 1], 50_000).into(), failure))
        }
        Action::OpenData(ticket, _) => ticket.done(if good {
            Ok(())
        } else {
            Err(DataFailure::Refused)
        }),
        Action::Transfer(ticket, _) => {
            let ends = [
                End::Clean,
                End::Truncated,
                End::Reset,
                End::Cancelled,
                End::Storage(failure),
            ];
            let end = ends[usize::from(how) % ends.len()];
            ticket.done(Transferred {
                bytes: u64::from(how) * 100,
                end,
            })
        }
        Action::CloseData(ticket) => ticket.done(()),
        Action::Finish(ticket, _) => ticket.done(either(good, (), failure)),
        Action::Report(ticket, ..) => ticket.done(either(good, (), failure)),
        Action::Optional(ticket, Optional::Available) if how == 3 => ticket.decline(),
        Action::Optional(ticket, _) => ticket.done(either(good, Answer::Bytes(7), failure)),
        Action::StartTls(ticket) => ticket.done(Ok(())),
        Action::StopTls(ticket) => ticket.done(Ok(())),
        Action::Secure(ticket) => ticket.done(Ok(())),
        Action::Cancel(_) | Action::Disconnect => unreachable!("these have no ticket"),
    }
}
