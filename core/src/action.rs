//! [`Action`]: what a session asks of its embedder.

use core::net::{IpAddr, SocketAddr};

use crate::account::{Denied, Identified};
use crate::failure::Failure;
use crate::listing::Listing;
use crate::optional::Optional;
use crate::outcome::{DataFailure, TlsFailure, Transferred};
use crate::ticket::{
    Change, CloseData, Event, Finish, Identify, Listen, Login, Open, OpenData, Report, Secure,
    StartTls, Stat, StopTls, Ticket, TicketId, Transfer,
};
use crate::time::Timestamp;

/// A request of the session. Details that are not in the action ([`path`](crate::Session::path)
/// and its neighbours) stay the same in the session until the ticket is answered.
#[must_use = "a request that is not carried out ends its session"]
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "testing", derive(Clone))]
pub enum Action {
    /// Tell what is to be said to [`username`](crate::Session::username): asked where TLS is
    /// offered, or [`Config::identify`](crate::Config::identify) says so, before a password is. The answer must not tell whether there is such a name.
    Identify(Ticket<Identify>),
    /// Check [`username`](crate::Session::username) and [`password`](crate::Session::password).
    Login(Ticket<Login>),
    /// Begin TLS on the control connection (RFC 4217). Every byte of the 234 has been written,
    /// and no byte that came behind the AUTH has been taken.
    StartTls(Ticket<StartTls>),
    /// End TLS on the control connection (CCC, REIN), which goes on in clear.
    StopTls(Ticket<StopTls>),
    /// Look at [`path`](crate::Session::path), following links.
    Stat(Ticket<Stat>),
    /// Change something at [`path`](crate::Session::path).
    Change(Ticket<Change>, Edit),
    /// Open [`path`](crate::Session::path) for a transfer. What was opened stays with the
    /// embedder until [`Action::Finish`].
    Open(Ticket<Open>, Mode),
    /// Be ready for a passive data connection, and answer the address that the client is to be told.
    /// A second one replaces the first, and nobody who connected to the first is served.
    ///
    /// PASV can tell an IPv4 address only, also one that is mapped into IPv6. Where it gets another one,
    /// [`CloseData`](Action::CloseData) follows, and then the client is told 425. EPSV tells the port
    /// alone; where the address that the client has connected to does not lead here, as that of a balancer,
    /// [`Failure::Unsupported`] tells it to use PASV.
    Listen(Ticket<Listen>),
    /// Make the data connection. It may already be there.
    OpenData(Ticket<OpenData>, Route),
    /// Shake hands on the data connection, after the 150. It may already be done.
    Secure(Ticket<Secure>),
    /// Move the bytes between what was opened and the data connection. It is done when the last byte
    /// was handed to the transport, or was taken from it; that the client has it is not needed.
    /// [`Session::progress`](crate::Session::progress) tells how far it is.
    Transfer(Ticket<Transfer>, Plan),
    /// Close the data connection and the listener, and drop who waits in its backlog. In a transfer it
    /// comes before the [`Finish`](Action::Finish). It also comes without a transfer, where a listener
    /// waits in vain: for PORT or EPRT after PASV, ABOR, and the end of a login.
    CloseData(Ticket<CloseData>),
    /// End of what [`Action::Open`] opened: exactly one for each that succeeded.
    Finish(Ticket<Finish>, Verdict),
    /// Write the listing of [`path`](crate::Session::path) into the control connection: give its lines
    /// to [`Session::report`](crate::Session::report), and where that takes none for want of room, go on
    /// after [`Session::transmitted`](crate::Session::transmitted).
    Report(Ticket<Report>, Scope, Listing),
    /// Something that not every server has. [`Ticket::decline`] answers 502.
    Optional(Ticket<Optional>, Optional),
    /// The ticket of that name shall come back soon, with whatever outcome is then true. A
    /// request, not an answer: if the work is already finished, nothing need be done.
    Cancel(TicketId),
    /// Close the control connection and drop everything that belongs to the session. The last
    /// action. The last reply was written before, unless the control connection broke or the client
    /// did not take it in time ([`Limits::unread`](crate::Limits::unread)). What was opened and never
    /// finished, since a ticket did not come back in time, goes now too: a temporary file must be gone
    /// when what owns it is dropped.
    Disconnect,
}

impl Action {
    /// The name of the request, by which [`Action::Cancel`] would ask for it back; `None` for what
    /// asks nothing.
    #[must_use]
    pub const fn id(&self) -> Option<TicketId> {
        Some(match self {
            Self::Identify(ticket) => ticket.id(),
            Self::Login(ticket) => ticket.id(),
            Self::StartTls(ticket) => ticket.id(),
            Self::StopTls(ticket) => ticket.id(),
            Self::Stat(ticket) => ticket.id(),
            Self::Change(ticket, _) => ticket.id(),
            Self::Open(ticket, _) => ticket.id(),
            Self::Listen(ticket) => ticket.id(),
            Self::OpenData(ticket, _) => ticket.id(),
            Self::Secure(ticket) => ticket.id(),
            Self::Transfer(ticket, _) => ticket.id(),
            Self::CloseData(ticket) => ticket.id(),
            Self::Finish(ticket, _) => ticket.id(),
            Self::Report(ticket, ..) => ticket.id(),
            Self::Optional(ticket, _) => ticket.id(),
            Self::Cancel(_) | Self::Disconnect => return None,
        })
    }

    /// Answers what is not done: turns any request into the event of a failure, so that one arm
    /// stands for everything that an embedder does not have. `None` for [`Action::Cancel`] and
    /// [`Action::Disconnect`], which ask nothing.
    ///
    /// What cannot fail with a [`Failure`] fails in its own way: a login with
    /// [`Denied::Credentials`], a handshake with [`TlsFailure::Handshake`], a data connection with
    /// [`DataFailure::Refused`]; where the failure is [`Failure::Cancelled`], handshakes and data
    /// connections were cancelled. A transfer has moved nothing. At
    /// [`Identify`](Action::Identify) a name is refused as one to be told under TLS only, but with
    /// [`Failure::Unsupported`] the password is asked for: an embedder that knows no certificates has
    /// nothing else to say. Closing a data connection cannot fail.
    ///
    /// ```
    /// use wharf_core::{
    ///     Action, Capabilities, Denied, Event, Failure, Grant, Metadata, Rights, Session,
    /// };
    ///
    /// /// Serves one empty file to whoever asks for its facts, and nothing else.
    /// fn work(session: &Session, action: Action) -> Option<Event> {
    ///     match action {
    ///         Action::Login(ticket) if session.username() == "anonymous" => {
    ///             let rights = Rights::LIST | Rights::READ;
    ///             Some(ticket.done(Ok(Grant::new(rights, Capabilities::NONE))))
    ///         }
    ///         Action::Stat(ticket) if session.path().as_bytes() == "/empty" => {
    ///             Some(ticket.done(Ok(Metadata::default())))
    ///         }
    ///         action => action.refuse(Failure::Unsupported),
    ///     }
    /// }
    /// # use wharf_core::{Config, Endpoints, Instant};
    /// # let ends = Endpoints {
    /// #     local: ([127, 0, 0, 1], 21).into(),
    /// #     peer: ([127, 0, 0, 1], 40_000).into(),
    /// # };
    /// # let now = Instant::ZERO;
    /// # let mut session = Session::new(&Config::default().into(), ends, now);
    /// # let mut replies = String::new();
    /// # for line in ["USER anonymous\r\n", "PASS me\r\n", "SIZE empty\r\n", "TYPE I\r\n", "SIZE empty\r\n", "CWD d\r\n", "PASV\r\n"] {
    /// #     let _ = session.receive(now, line.as_bytes());
    /// #     while let Some(action) = session.poll() {
    /// #         if let Some(event) = work(&session, action) {
    /// #             session.handle(now, event)?;
    /// #         }
    /// #     }
    /// #     replies.push_str(core::str::from_utf8(session.transmit()).unwrap());
    /// #     session.transmitted(now, session.transmit().len());
    /// # }
    /// # let codes: Vec<_> = replies.lines().map(|line| &line[..3]).collect();
    /// # assert_eq!(codes, ["220", "331", "230", "550", "200", "213", "550", "425"]);
    /// # Ok::<(), wharf_core::Foreign>(())
    /// ```
    #[must_use = "a ticket that is dropped is never answered"]
    pub fn refuse(self, failure: Failure) -> Option<Event> {
        let handshake = match failure {
            Failure::Cancelled => TlsFailure::Cancelled,
            _ => TlsFailure::Handshake,
        };
        Some(match self {
            Self::Identify(ticket) => ticket.done(match failure {
                Failure::Unsupported => Ok(Identified::Password),
                _ => Err(Denied::Unprotected),
            }),
            Self::Login(ticket) => ticket.done(Err(Denied::Credentials)),
            Self::StartTls(ticket) => ticket.done(Err(handshake)),
            Self::StopTls(ticket) => ticket.done(Err(handshake)),
            Self::Stat(ticket) => ticket.done(Err(failure)),
            Self::Change(ticket, _) => ticket.done(Err(failure)),
            Self::Open(ticket, _) => ticket.done(Err(failure)),
            Self::Listen(ticket) => ticket.done(Err(failure)),
            Self::OpenData(ticket, _) => ticket.done(Err(match failure {
                Failure::Cancelled => DataFailure::Cancelled,
                _ => DataFailure::Refused,
            })),
            Self::Secure(ticket) => ticket.done(Err(handshake)),
            Self::Transfer(ticket, _) => ticket.done(Transferred::new(0, failure.into())),
            Self::CloseData(ticket) => ticket.done(()),
            Self::Finish(ticket, _) => ticket.done(Err(failure)),
            Self::Report(ticket, ..) => ticket.done(Err(failure)),
            Self::Optional(ticket, _) => ticket.done(Err(failure)),
            Self::Cancel(_) | Self::Disconnect => return None,
        })
    }
}

/// How [`Action::Open`] shall open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// RETR: read from that byte on. [`Failure::PastEnd`] if the file is shorter.
    Read {
        /// Bytes to skip.
        offset: u64,
    },
    /// STOR: write a whole file, or from `at` on after REST (also APPE after REST).
    ///
    /// Where the last upload of the account over a finished file broke off, anything but the whole
    /// file is [`Failure::BrokenOff`], so that two versions are never mixed.
    Write {
        /// The byte where the upload begins; 0 begins the file anew.
        at: u64,
        /// Whether a file that stands there may be replaced or changed; if not, it is
        /// [`Failure::Exists`], when it is opened or when it is finished.
        replace: bool,
        /// The file mode creation mask that the client set with SITE UMASK. It takes bits away
        /// beside those that the storage's own mask takes.
        umask: Option<u16>,
        /// Whether what arrives may be continued if the upload breaks off. In TYPE A it may not,
        /// since an offset of the file is then none of the client's.
        resumable: bool,
        /// The length of the upload in bytes, if ALLO has told it; not in TYPE A. The client need not
        /// keep to it.
        expected: Option<u64>,
    },
    /// APPE: write behind the end of the file, which is made if it is not there.
    ///
    /// An upload that broke off ([`Kind::Partial`](crate::Kind::Partial)) is continued only if it
    /// has the length that this session was told; otherwise, and if it is no longer there, the
    /// answer is [`Failure::BrokenOff`].
    Append {
        /// The length of the partial that SIZE told this session, if it did.
        told: Option<u64>,
        /// As in [`Mode::Write`].
        replace: bool,
        /// As in [`Mode::Write`].
        umask: Option<u16>,
        /// As in [`Mode::Write`].
        resumable: bool,
        /// As in [`Mode::Write`].
        expected: Option<u64>,
    },
    /// STOU: write a new file under a name that is not taken, derived from
    /// [`path`](crate::Session::path), and tell it in [`Opened::name`](crate::Opened::name).
    Unique {
        /// As in [`Mode::Write`].
        umask: Option<u16>,
        /// As in [`Mode::Write`].
        resumable: bool,
    },
    /// LIST, NLST, MLSD: read a directory.
    List(Scope),
}

/// What a listing is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The names in a directory; anything else is [`Failure::NotADirectory`].
    Entries,
    /// The one entry of the file or directory itself, under the last name of its path. The root has
    /// none and is listed as `.`; an entry without a name, or with a slash in it, is left out.
    Itself,
}

/// A change of the storage at [`path`](crate::Session::path).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// DELE: remove a file or link, never a directory.
    Delete,
    /// RMD: remove an empty directory.
    RemoveDirectory,
    /// MKD: make a directory.
    MakeDirectory {
        /// As in [`Mode::Write`].
        umask: Option<u16>,
    },
    /// RNTO: [`rename_from`](crate::Session::rename_from) becomes the path.
    Rename {
        /// Whether a file that has the new name may be replaced.
        replace: bool,
    },
    /// MFMT, MFF, SITE UTIME, SITE CHMOD. The root has no mode for clients
    /// ([`Failure::IsHome`]), and a directory keeps what its owner needs in it
    /// ([`Changed::mode`](crate::Changed::mode)).
    Set(Facts),
    /// SITE SYMLINK: make a link to [`link_target`](crate::Session::link_target).
    Symlink,
}

/// Facts of a file that a client may set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The time of last change.
    pub modified: Option<Timestamp>,
    /// The permission bits, below 0o1000. The others of a directory stay as they are.
    pub mode: Option<u16>,
}

/// How the data connection comes to be. Both ways check the address in the core or name it here:
/// data goes to the control peer and nobody else (RFC 2577).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Passive: accept a connection from that address. One from elsewhere is dropped, and the
    /// wait goes on.
    Accept {
        /// The address of the control peer. An IPv4 address that is mapped into IPv6 is the IPv4
        /// address here, while a listener for both tells of it as `::ffff:192.0.2.1`: compare what
        /// [`IpAddr::to_canonical`] gives.
        only_from: IpAddr,
    },
    /// Active: connect to that address.
    Dial {
        /// On the control peer, a port of 1024 or more. Of the family of the peer: a mapped IPv4 address
        /// is the IPv4 address, as in [`Route::Accept`].
        to: SocketAddr,
    },
}

/// What moves, and in which form it is on the wire. How it is moved is the embedder's business.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "testing", derive(Clone))]
#[non_exhaustive]
pub struct Plan {
    /// The direction, and what the other end is.
    pub flow: Flow,
    /// The form on the data connection.
    pub wire: Wire,
}

impl Plan {
    /// Returns the plan to move that, in that form.
    #[must_use]
    pub const fn new(flow: Flow, wire: Wire) -> Self {
        Self { flow, wire }
    }
}

/// The direction of a transfer, and what its end within the server is.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "testing", derive(Clone))]
pub enum Flow {
    /// The opened file to the client.
    Send {
        /// Exactly so many bytes of the file, or up to its end if that is not known.
        length: Option<u64>,
    },
    /// The opened directory to the client, formatted by this listing. The wire form is always
    /// the identity on what the listing writes, but for TLS.
    List(Listing),
    /// The client to the opened file, until the client closes.
    Receive,
}

/// The form of the bytes on the data connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wire {
    /// TYPE A: lines end in CRLF on the wire and in LF in the file; see [`ascii`](crate::ascii).
    pub text: bool,
    /// MODE: how the stream of bytes is framed.
    pub mode: TransferMode,
    /// PROT P: the data connection is a TLS connection.
    pub tls: bool,
}

impl Wire {
    /// Whether the bytes on the wire are those of the file, so that the kernel may move them.
    #[must_use]
    pub const fn is_identity(self) -> bool {
        !self.text && !self.tls && matches!(self.mode, TransferMode::Stream)
    }
}

/// MODE of RFC 959 section 3.4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransferMode {
    /// Bytes as they are; the end of the connection is the end of the data.
    #[default]
    Stream,
}

/// What shall become of what was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is well: an upload becomes visible under its name, and the answer is `Ok` only when
    /// it is.
    Commit,
    /// Something went wrong: an upload does not touch what stands under its name.
    Abandon(Reason),
}

/// Why a transfer was abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// There was no data connection.
    NoData,
    /// The TLS handshake of the data connection failed.
    Tls(TlsFailure),
    /// The data ended short; see [`End::Truncated`](crate::End::Truncated).
    Truncated,
    /// The data connection broke.
    Reset,
    /// The client sent ABOR.
    Aborted,
    /// The client closed the control connection without QUIT before the data had ended, or
    /// together with it, as one that is killed does.
    HungUp,
    /// The control connection broke.
    ControlLost,
    /// No byte moved for too long.
    Stalled,
    /// Fewer bytes moved than the least rate asks for.
    Slow,
    /// The server is stopping, or the client was dismissed.
    Shutdown,
    /// The storage failed.
    Storage(Failure),
    /// The command was refused after it was opened.
    Refused,
}
