//! [`Case`]: what one run of the simulator is made of, all of it decided by a seed.

use std::fmt;

use crate::random::Random;

/// A kind of thing that goes wrong. Each is off in half of all runs; where it is on, its rate is
/// drawn anew (swarm testing).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Commands and replies arrive in pieces.
    Pieces,
    /// Something takes long.
    Delay,
    /// A control connection breaks.
    ControlReset,
    /// A client is gone without a word.
    Vanish,
    /// A client sends no more, but reads on.
    HalfClose,
    /// A client takes no replies for a while.
    Deaf,
    /// A data connection breaks.
    DataReset,
    /// There is no data connection.
    DataRefused,
    /// A data connection is never made, and never refused.
    DataSilent,
    /// No byte moves on a data connection any more.
    DataStall,
    /// The storage fails.
    StorageFails,
    /// A file becomes shorter while it is read.
    ShortRead,
    /// It is not known whether an upload was kept.
    UnknownOutcome,
    /// A request is never answered, or hours later.
    LostTicket,
    /// The clock goes back.
    ClockBack,
    /// A client gives up what it does.
    Abort,
    /// A client sends what no client should.
    Garbage,
    /// The server is stopped.
    Shutdown,
    /// Where a client should shake hands it sends something else.
    NoHandshake,
    /// A connection breaks within its handshake.
    HandshakeCut,
    /// A handshake is never finished.
    HandshakeStall,
    /// What a client sends behind AUTH does not wait for TLS.
    ClearBehindAuth,
    /// An upload under TLS ends without close_notify.
    NoNotify,
    /// Connections take little at once.
    Narrow,
    /// A call of the storage takes long, but not as long as any limit.
    StorageStalls,
    /// A call of the storage never returns.
    StorageHangs,
    /// A storage takes and gives bytes one by one.
    ByteByByte,
    /// An object store is asked too much, or fails within, and not when it is asked again.
    StoreBusy,
    /// It is down for a while.
    StoreDown,
    /// It refuses what it should do.
    StoreRefuses,
    /// It says that it has done something, and then that it has not.
    LateError,
    /// An answer is lost.
    AnswerLost,
    /// A request is lost.
    RequestLost,
    /// A request cannot be sent.
    Unreachable,
    /// A request hangs, before it is done or behind that.
    RequestHangs,
    /// The body of an answer breaks off.
    BodyCut,
    /// A bit of a body is changed on its way.
    BitFlip,
    /// A list does not show the last changes.
    ListLags,
    /// One of the servers in front of a store is killed.
    GatewayDies,
}

impl Fault {
    /// All of them, with their names on the command line.
    pub const ALL: [(Self, &'static str); 39] = [
        (Self::Pieces, "pieces"),
        (Self::Delay, "delay"),
        (Self::ControlReset, "control-reset"),
        (Self::Vanish, "vanish"),
        (Self::HalfClose, "half-close"),
        (Self::Deaf, "deaf"),
        (Self::DataReset, "data-reset"),
        (Self::DataRefused, "data-refused"),
        (Self::DataSilent, "data-silent"),
        (Self::DataStall, "data-stall"),
        (Self::StorageFails, "storage-fails"),
        (Self::ShortRead, "short-read"),
        (Self::UnknownOutcome, "unknown-outcome"),
        (Self::LostTicket, "lost-ticket"),
        (Self::ClockBack, "clock-back"),
        (Self::Abort, "abort"),
        (Self::Garbage, "garbage"),
        (Self::Shutdown, "shutdown"),
        (Self::NoHandshake, "no-handshake"),
        (Self::HandshakeCut, "handshake-cut"),
        (Self::HandshakeStall, "handshake-stall"),
        (Self::ClearBehindAuth, "clear-behind-auth"),
        (Self::NoNotify, "no-notify"),
        (Self::Narrow, "narrow"),
        (Self::StorageStalls, "storage-stalls"),
        (Self::StorageHangs, "storage-hangs"),
        (Self::ByteByByte, "byte-by-byte"),
        (Self::StoreBusy, "store-busy"),
        (Self::StoreDown, "store-down"),
        (Self::StoreRefuses, "store-refuses"),
        (Self::LateError, "late-error"),
        (Self::AnswerLost, "answer-lost"),
        (Self::RequestLost, "request-lost"),
        (Self::Unreachable, "unreachable"),
        (Self::RequestHangs, "request-hangs"),
        (Self::BodyCut, "body-cut"),
        (Self::BitFlip, "bit-flip"),
        (Self::ListLags, "list-lags"),
        (Self::GatewayDies, "gateway-dies"),
    ];
}

/// An embedder that lies: the oracles must find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// An upload is said to be kept, and is not.
    LosesUploads,
    /// An upload is kept though the session gave it up.
    KeepsAll,
    /// A byte of each download is another one.
    BendsDownloads,
    /// What is opened is never closed.
    Leaks,
    /// A file is said to be longer than it is.
    Exaggerates,
    /// Passwords are taken in clear where TLS is required.
    TakesClearLogins,
    /// An upload that was cut is taken as whole.
    TakesCuts,
    /// A data connection that resumes nothing is taken where it must.
    TakesStrangers,
    /// What a session has begun is done though it is over.
    ActsForTheGone,
    /// What the storage has begun cannot be cancelled.
    IgnoresCancel,
    /// A transfer is given up that moves, but slowly.
    LosesPatience,
    /// A transfer that does not move is not given up in time.
    WaitsTooLong,
    /// A session that has ended does not give its place back.
    KeepsPlaces,
    /// A store says that it has given an upload up, and has not.
    LeavesParts,
    /// What is written down of uploads lies where nobody looks.
    Strays,
    /// A store makes an object of what has come so far.
    KeepsTorn,
}

/// One run: the same case gives the same run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Decides everything that is drawn.
    pub seed: u64,
    /// How many clients there are.
    pub clients: u64,
    /// How many commands each of them wants to send, about.
    pub commands: u64,
    /// Nobody speaks TLS.
    pub clear: bool,
    /// How often each fault happens, in millionths, in the order of [`Fault::ALL`].
    rates: [u32; Fault::ALL.len()],
    /// What the embedder does wrong, to test the oracles.
    pub sabotage: Option<Sabotage>,
}

impl Case {
    /// What that seed is the seed of.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed).fork("case", 0);
        let most = random.pick(&[1, 1, 2, 4, 8]);
        Self {
            seed,
            clients: random.between(1, most),
            commands: random.between(3, 24),
            clear: false,
            rates: std::array::from_fn(|_| {
                // Off, or from 1 in 10,000 to 1 in 10, every order of magnitude alike.
                let on = random.below(2) == 1;
                let magnitude = random.pick(&[100, 1_000, 10_000]);
                if on {
                    magnitude * random.between(1, 10) as u32
                } else {
                    0
                }
            }),
            sabotage: None,
        }
    }

    /// How often that fault happens, in millionths.
    #[must_use]
    pub fn rate(&self, fault: Fault) -> u32 {
        self.rates[fault as usize]
    }

    /// The same run without that fault.
    #[must_use]
    pub fn without(mut self, fault: Fault) -> Self {
        self.rates[fault as usize] = 0;
        self
    }

    /// The same run without TLS.
    #[must_use]
    pub fn in_clear(mut self) -> Self {
        self.clear = true;
        self
    }

    /// The same run, from here on without faults.
    pub(crate) fn calm(&self) -> Self {
        Self {
            rates: [0; Fault::ALL.len()],
            ..*self
        }
    }

    /// Simpler cases that may still fail in the same way, the simplest first.
    #[must_use]
    pub fn simpler(&self) -> Vec<Self> {
        let mut simpler = Vec::new();
        for clients in [1, self.clients / 2, self.clients.saturating_sub(1)] {
            simpler.push(Self {
                clients,
                ..self.clone()
            });
        }
        for commands in [self.commands / 2, self.commands.saturating_sub(1)] {
            simpler.push(Self {
                commands,
                ..self.clone()
            });
        }
        simpler.push(self.clone().in_clear());
        for (fault, _) in Fault::ALL {
            simpler.push(self.clone().without(fault));
        }
        simpler.retain(|case| case != self && case.clients > 0);
        simpler
    }
}

impl fmt::Display for Case {
    /// The arguments that run it again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drawn = Self::draw(self.seed);
        write!(f, "--seed {}", self.seed)?;
        if self.clients != drawn.clients {
            write!(f, " --clients {}", self.clients)?;
        }
        if self.commands != drawn.commands {
            write!(f, " --commands {}", self.commands)?;
        }
        if self.clear {
            write!(f, " --clear")?;
        }
        for (fault, name) in Fault::ALL {
            if self.rate(fault) != drawn.rate(fault) {
                write!(f, " --without {name}")?;
            }
        }
        Ok(())
    }
}
