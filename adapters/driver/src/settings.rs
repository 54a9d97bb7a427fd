//! [`Settings`]: what a server is told.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use wharf_core::{Config, Notes};
use wharf_storage::Accounts;

use crate::BackOff;
#[cfg(feature = "tracing")]
use crate::journal::Backlog;
use crate::public::look_up;
use crate::system::{Machine, System};
use crate::tls::Tls;

/// What a server is told, whichever adapter runs it. Start with [`Settings::new`] and change what
/// should be different.
#[derive(Clone)]
pub struct Settings {
    /// What every session has in common: greeting, form of listings, limits. What it notes is what
    /// the log tells; by default all but the commands.
    pub protocol: Arc<Config>,
    /// How much of the log waits to be written, where it is written by somebody who tells.
    #[cfg(feature = "tracing")]
    pub backlog: Arc<Backlog>,
    /// Who may log in, and what they then see.
    pub accounts: Arc<dyn Accounts>,
    /// The ports that passive data connections are expected on; `None`: the system picks them.
    pub passive_ports: Option<RangeInclusive<u16>>,
    /// The port that active data connections come from; 0: the system picks one for each. Below 1024
    /// it takes the right to bind such ports.
    pub active_port: u16,
    /// The address that PASV announces, where clients reach this machine under another one than it
    /// knows of (behind a translating router); `None`: that of the control connection.
    pub public_address: Option<PublicAddress>,
    /// Sessions at once; further clients are refused with 421.
    pub sessions: usize,
    /// Sessions at once from one address; further clients are refused with 421.
    pub sessions_per_address: usize,
    /// When an address from which logins were refused has to wait; it is told 421.
    pub back_off: BackOff,
    /// Networks whose addresses never wait, such as that of a proxy that many clients share.
    pub back_off_exempt: Vec<IpNet>,
    /// The networks whose clients are served; none: all. Others are refused with 421.
    pub allow: Vec<IpNet>,
    /// The networks whose clients are not served, also where they are allowed.
    pub deny: Vec<IpNet>,
    /// The networks of balancers: a connection from there must begin with a [PROXY header](crate::proxy), and
    /// its client is who that says. From elsewhere nobody can say who it is.
    pub proxy_from: Vec<IpNet>,
    /// Threads for the calls to storages that may block, shared by all sessions. A disk or server that hangs
    /// takes half of them at most. What waits for one for a quarter of a minute is told 450.
    pub storage_threads: NonZero<usize>,
    /// Seconds east of UTC in which LIST prints times.
    pub utc_offset: i32,
    /// How long a transfer may go on after the server was asked to shut down.
    pub grace: Duration,
    /// A client whose machine does not answer for so long is gone: it does not acknowledge what it
    /// is sent, or, where nothing is sent, probes that begin after half that time. Whole seconds. One
    /// that was sent more than some kilobytes at once is given up by the limits of its session instead.
    pub vanished: Duration,
    /// What the protocol's [`TlsPolicy`](wharf_core::TlsPolicy) is carried out with. Without it
    /// every handshake fails.
    pub tls: Option<Arc<Tls>>,
    /// Time, and where data connections come from: the machine, but for a simulator.
    pub system: Arc<dyn System>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("protocol", &self.protocol)
            .field("passive_ports", &self.passive_ports)
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// How many threads there are for storages where nothing else is said.
    pub const STORAGE_THREADS: NonZero<usize> = NonZero::new(64).unwrap();

    /// Settings that suit most: the protocol's defaults, passive ports picked by the system, 512
    /// sessions of which 64 from one address, [`BackOff::default`], 64 threads for storages, listings in UTC,
    /// 30 seconds for
    /// transfers to end at a shutdown, a minute until a client that does not answer is gone, and no
    /// TLS.
    #[must_use]
    pub fn new(accounts: Arc<dyn Accounts>) -> Self {
        Self {
            #[cfg(feature = "tracing")]
            backlog: Arc::default(),
            protocol: Arc::new(Config {
                notes: Notes::Audit,
                ..Config::default()
            }),
            accounts,
            passive_ports: None,
            active_port: 0,
            public_address: None,
            sessions: 512,
            sessions_per_address: 64,
            back_off: BackOff::default(),
            back_off_exempt: Vec::new(),
            allow: Vec::new(),
            deny: Vec::new(),
            proxy_from: Vec::new(),
            storage_threads: Self::STORAGE_THREADS,
            utc_offset: 0,
            grace: Duration::from_secs(30),
            vanished: Duration::from_secs(60),
            tls: None,
            system: Arc::<Machine>::default(),
        }
    }
}

/// The address under which clients reach this machine.
///
/// ```
/// use wharf_driver::PublicAddress;
///
/// let address: PublicAddress = "203.0.113.7".parse()?;
/// assert_eq!(address, PublicAddress::Literal([203, 0, 113, 7].into()));
/// assert!("203.0.113.700".parse::<PublicAddress>().is_err());
/// # Ok::<(), wharf_driver::InvalidAddress>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicAddress {
    /// The address itself.
    Literal(IpAddr),
    /// A host name, looked up when it is needed, since its address may change.
    Host(String),
}

impl PublicAddress {
    /// The address: of a host name, an IPv4 one if there is any, since PASV can announce no other.
    /// Looking it up may take long.
    ///
    /// # Errors
    /// What the system's resolver says.
    pub fn look_up(&self) -> io::Result<Option<IpAddr>> {
        match self {
            Self::Literal(address) => Ok(Some(*address)),
            Self::Host(name) => look_up(name),
        }
    }
}

impl fmt::Display for PublicAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(address) => address.fmt(f),
            Self::Host(name) => name.fmt(f),
        }
    }
}

/// The text is neither an address nor a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidAddress;

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an IP address or a host name")
    }
}

impl std::error::Error for InvalidAddress {}

impl FromStr for PublicAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        if let Ok(address) = text.parse() {
            Ok(Self::Literal(address))
        } else if is_host_name(text) {
            Ok(Self::Host(text.to_owned()))
        } else {
            Err(InvalidAddress)
        }
    }
}

/// Letters, digits, hyphens and underscores between dots. No top-level domain is a number, so that
/// a mistyped address is not taken for a name.
fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253
        && text.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}
