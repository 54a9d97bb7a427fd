//! [`Config`]: what a session is told once, and [`Limits`], which bound it.

use alloc::borrow::Cow;
use core::time::Duration;

/// What every session of a server has in common. Kept behind a [`Shared`](crate::Shared) pointer, so
/// that ten thousand sessions share one.
///
/// ```
/// use wharf_core::{Config, Limits, Style};
///
/// let config = Config {
///     greeting: "Welcome to the archive.".into(),
///     style: Style::MsDos,
///     limits: Limits { login_tries: 5, ..Limits::default() },
///     ..Config::default()
/// };
/// assert!(config.passive);
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// The text of the 220, of one or several lines: up to 2,048 bytes and 100 lines are sent.
    /// Default: `"Wharf ready."`.
    pub greeting: Cow<'static, str>,
    /// Lines that come before the 230, or 232, of a login; as many as of the greeting. Empty: none.
    /// Default: `""`.
    pub welcome: Cow<'static, str>,
    /// The form of LIST lines, and what SYST says.
    /// Default: `Unix`.
    pub style: Style,
    /// LIST and NLST show names that begin with a dot also without `-a`. MLSD always does.
    /// Default: `false`.
    pub dot_files: bool,
    /// MLSD tells of a link to something within the tree as what it leads to: clients that mirror
    /// copy nothing of what is told as a link.
    /// Default: `true`.
    pub link_targets: bool,
    /// SITE is offered.
    /// Default: `true`.
    pub site: bool,
    /// PASV and EPSV are offered.
    /// Default: `true`.
    pub passive: bool,
    /// PORT and EPRT are offered.
    /// Default: `true`.
    pub active: bool,
    /// What is protected by TLS (RFC 4217). Default: nothing, and AUTH is answered 502.
    pub tls: TlsPolicy,
    /// [`Identify`](crate::Action::Identify) comes at USER also where no TLS is offered: there may be
    /// accounts that demand it, and nobody shall send their password in clear to be told so.
    /// Default: `false`.
    pub identify: bool,
    /// Which doubtful ends of an upload count as the end of the file, for every account.
    /// Default: none.
    pub accept: DoubtfulEnds,
    /// Which notes are kept for [`Session::note`](crate::Session::note). Those that are kept have
    /// to be taken: while many wait no command begins, and
    /// [`Disconnect`](crate::Action::Disconnect) comes behind the last of them. So none is lost.
    /// Default: `None`.
    pub notes: Notes,
    /// What bounds a session in space and time. Default: [`Limits::default`].
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            greeting: Cow::Borrowed("Wharf ready."),
            welcome: Cow::Borrowed(""),
            style: Style::Unix,
            dot_files: false,
            link_targets: true,
            site: true,
            passive: true,
            active: true,
            tls: TlsPolicy::default(),
            identify: false,
            accept: DoubtfulEnds::NONE,
            notes: Notes::None,
            limits: Limits::default(),
        }
    }
}

/// What is protected by TLS: by default nothing, and AUTH is answered 502.
///
/// ```
/// use wharf_core::{Protection, TlsPolicy};
///
/// // Nobody sends a password in clear, and directories need not be secret.
/// let policy = TlsPolicy {
///     control: Protection::Required,
///     data: Protection::Offered,
///     ..TlsPolicy::default()
/// };
/// assert!(!policy.ccc);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsPolicy {
    /// The control connection: AUTH. If required, nobody logs in without it.
    pub control: Protection,
    /// Data connections: PROT P. If required, no transfer runs without it.
    pub data: Protection,
    /// CCC takes the control connection back to clear text.
    pub ccc: bool,
    /// The embedder shakes hands before the session begins, and TLS stays to its end. Data
    /// connections are protected unless PROT C says otherwise.
    pub implicit: bool,
}

impl TlsPolicy {
    /// Whether the control connection may be a TLS connection at all.
    pub(crate) fn is_offered(self) -> bool {
        self.implicit || self.control != Protection::Off
    }

    /// Whether CCC may end that.
    pub(crate) fn may_end(self) -> bool {
        self.is_offered() && self.ccc && !self.implicit
    }
}

/// Ends of an upload that may be the end of the file or a break, and how a server takes them.
///
/// An upload that has just the length that ALLO announced is whole in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DoubtfulEnds {
    /// The data connection ends without close_notify under TLS. What arrived may have been cut by
    /// somebody on the way.
    pub truncated: bool,
    /// The client closes the control connection without QUIT before the data has ended, or
    /// together with it. A client that was killed in the middle looks the same.
    pub hang_up: bool,
}

impl DoubtfulEnds {
    /// None counts: the upload is not committed.
    pub const NONE: Self = Self {
        truncated: false,
        hang_up: false,
    };

    /// Those that one of both accepts.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self {
            truncated: self.truncated || other.truncated,
            hang_up: self.hang_up || other.hang_up,
        }
    }
}

/// Whether something is protected by TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// Never.
    #[default]
    Off,
    /// If the client asks for it.
    Offered,
    /// Always: clear text is refused.
    Required,
}

/// The system that a server claims to be: the form of its LIST lines and its SYST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// `ls -l`, and `215 UNIX Type: L8`.
    #[default]
    Unix,
    /// `dir`, and `215 Windows_NT`.
    MsDos,
}

/// Which notes a session keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notes {
    /// None.
    #[default]
    None,
    /// Logins, transfers, changes, refusals, and how the session ended.
    Audit,
    /// Also every command and its reply.
    Commands,
}

/// What bounds a session. A duration of zero is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a command line without its end. Longer ones get one 500 and are thrown away.
    /// Default: `4,096`.
    pub line: usize,
    /// Bytes of command lines, with their ends, that are taken ahead while a command runs. One whole
    /// line is taken in any case.
    /// Default: `8,192`.
    pub look_ahead: usize,
    /// Bytes of replies that wait to be written. No command starts while there is no room for
    /// the largest reply, for which there is room in any case.
    /// Default: `16,384`.
    pub output: usize,
    /// Failed logins until the session ends.
    /// Default: `3`.
    pub login_tries: u32,
    /// Commands that are not understood before a login, until the session ends.
    /// Default: `10`.
    pub bad_commands: u32,
    /// The first refused login is answered after this time, each later one after twice the time
    /// of the one before. Zero: at once.
    /// Default: `1s`.
    pub login_delay: Duration,
    /// From the connection to the login, or from a logout to the next one, whatever is said
    /// meanwhile. A command that runs when it is over is answered, and may be the login.
    /// Default: `60s`.
    pub login: Duration,
    /// Between commands.
    /// Default: `300s`.
    pub idle: Duration,
    /// From the first byte of a command line to its end, unless nothing is taken meanwhile. Lines
    /// before it that came whole are answered first.
    /// Default: `60s`.
    pub line_time: Duration,
    /// Commands that run in a second; those that come faster wait. Zero: as many as come, since
    /// clients that send ahead are quick by that.
    /// Default: `0`.
    pub commands_per_second: u32,
    /// For an answer to a request that moves no data.
    /// Default: `60s`.
    pub request: Duration,
    /// For the data connection to be made.
    /// Default: `30s`.
    pub connect: Duration,
    /// For a TLS handshake.
    /// Default: `30s`.
    pub handshake: Duration,
    /// A transfer in which no byte moves.
    /// Default: `300s`.
    pub stall: Duration,
    /// Bytes per second that a transfer must move on the average of each minute. Zero: any.
    /// Default: `0`.
    pub min_rate: u64,
    /// After the data of an upload has ended, for word that its client has vanished: one that is
    /// killed closes the data connection as if it were done, and the control connection with it.
    /// A client that closes it later than that has ended in order. Never more than a twentieth of
    /// the time that the upload took, or two milliseconds; not at all if it took less than twenty.
    /// Default: `25ms`.
    pub settle: Duration,
    /// For [`Action::Finish`](crate::Action::Finish), which takes time with a large object, or until its
    /// [progress](crate::Session::progress) is told again.
    /// Default: `600s`.
    pub finish: Duration,
    /// For a ticket to come back after its [`Action::Cancel`](crate::Action::Cancel); then the
    /// session ends.
    /// Default: `30s`.
    pub cancel: Duration,
    /// For the peer to take all replies that wait, or 1,024 bytes of them; then it has as long for
    /// the next. The last replies of a session have this time once.
    /// Default: `60s`.
    pub unread: Duration,
    /// Buffers are given back after so much idle time.
    /// Default: `1s`.
    pub keep_buffers: Duration,
    /// Bytes of a directory that are kept to sort LIST and NLST. What is beyond that comes in the
    /// order of the storage.
    /// Default: `524,288`.
    pub sorted: usize,
    /// The longest file whose length in TYPE A is counted for SIZE.
    /// Default: `16,777,216`.
    pub text_size: u64,
}

impl Limits {
    /// The default, which a constant can be made of.
    const DEFAULT: Self = Self {
        line: 4_096,
        look_ahead: 8_192,
        output: 16_384,
        login_tries: 3,
        bad_commands: 10,
        login_delay: Duration::from_secs(1),
        login: Duration::from_secs(60),
        idle: Duration::from_secs(300),
        line_time: Duration::from_secs(60),
        commands_per_second: 0,
        request: Duration::from_secs(60),
        connect: Duration::from_secs(30),
        handshake: Duration::from_secs(30),
        stall: Duration::from_secs(300),
        min_rate: 0,
        settle: Duration::from_millis(25),
        finish: Duration::from_secs(600),
        cancel: Duration::from_secs(30),
        unread: Duration::from_secs(60),
        keep_buffers: Duration::from_secs(1),
        sorted: 512 << 10,
        text_size: 16 << 20,
    };

    /// Limits for a machine that counts its memory in kilobytes: lines and listings are short, and no
    /// command is taken ahead but the next one. What is not said here is the default.
    ///
    /// A reply that waits may still need the room of the longest reply, twice [`VPath::MAX`] and some.
    ///
    /// ```
    /// use wharf_core::Limits;
    ///
    /// const LIMITS: Limits = Limits { login_tries: 1, ..Limits::small() };
    /// assert_eq!((LIMITS.line, LIMITS.sorted), (512, 4_096));
    /// assert_eq!(LIMITS.idle, Limits::default().idle);
    /// ```
    ///
    /// [`VPath::MAX`]: crate::VPath::MAX
    #[must_use]
    pub const fn small() -> Self {
        Self {
            line: 512,
            look_ahead: 0,
            output: 0,
            sorted: 4_096,
            text_size: 65_536,
            ..Self::DEFAULT
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
