//! [`Target`]: a server that is checked, whoever wrote it.

use std::any::Any;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::connect_from;
use crate::conversations::transfer::pattern;
use crate::{Client, Tls};

/// What a check wants to be different from a server's own settings. Times are in seconds.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// TLS is there.
    pub tls: Option<Guard>,
    /// From the connection to the login.
    pub login: Option<u32>,
    /// Between commands.
    pub idle: Option<u32>,
    /// For a data connection to be made.
    pub connect: Option<u32>,
    /// A transfer in which no byte moves.
    pub stall: Option<u32>,
    /// An upload in which hardly a byte moves is given up.
    pub trickle: bool,
    /// Sessions at once from one address.
    pub per_address: Option<u32>,
    /// No delay when a login is refused, and no limit on tries; the password is hashed as it
    /// should be, so that a hash that is left out is seen.
    pub bare_logins: bool,
    /// In `disk`, in the home, is another file system, with room for so many MiB.
    pub disk: Option<u32>,
    /// Files can be stored, but neither changed nor deleted.
    pub keeps_files: bool,
}

/// What a server is told of TLS.
#[derive(Clone, Copy, Debug, Default)]
pub struct Guard {
    /// Nobody logs in and nothing is transferred in clear.
    pub required: bool,
    /// Data connections must resume the session of the control connection.
    pub reuse: bool,
    /// CCC is allowed.
    pub ccc: bool,
}

/// Who starts a server. There is an account `user` with the password `12345`.
pub trait Host: Sync {
    /// Starts it and waits until it listens. If it cannot be set up so, it says what it lacks with
    /// [`lacks`].
    fn start(&self, setup: &Setup) -> Target;
}

/// A check cannot be made of a server, which has no such thing.
pub struct NotApplicable(pub &'static str);

/// Ends a check that a server has nothing for.
pub fn lacks(what: &'static str) -> ! {
    std::panic::resume_unwind(Box::new(NotApplicable(what)))
}

/// A server, and whether it is checked in clear or over TLS.
pub struct Stand<'a> {
    host: &'a dyn Host,
    /// Whether clients protect their connections.
    pub guarded: bool,
}

impl<'a> Stand<'a> {
    /// Clients say everything in clear, or, if this is guarded, nothing.
    #[must_use]
    pub fn new(host: &'a dyn Host, guarded: bool) -> Self {
        Self { host, guarded }
    }

    /// A server with nothing special about it.
    #[must_use]
    pub fn serve(&self) -> Target {
        self.start(Setup::default())
    }

    /// A server that is set up so.
    #[must_use]
    pub fn start(&self, mut setup: Setup) -> Target {
        if self.guarded {
            setup.tls.get_or_insert_default();
        }
        let mut target = self.host.start(&setup);
        target.tls = self.guarded.then(Tls::default);
        target
    }
}

/// A running server.
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// The directory that it serves, as it is seen from here.
    pub home: PathBuf,
    /// The process whose children, if any, serve.
    pub pid: u32,
    /// What it logs, if that can be read.
    pub log: Option<PathBuf>,
    /// Who owns the files.
    pub owner: Option<u32>,
    /// It is not held to what only ours promise: see [`Client::be_mild`].
    pub is_mild: bool,
    /// How clients protect their connections.
    pub tls: Option<Tls>,
    /// What ends it.
    pub server: Box<dyn Any + Send + Sync>,
}

impl Target {
    /// A client that has been greeted, under TLS if that is how this is checked.
    #[must_use]
    pub fn connect(&self) -> Client {
        let mut client = self.connect_clear();
        if let Some(tls) = &self.tls {
            client.auth_tls(tls);
        }
        client
    }

    /// A client that has been greeted.
    #[must_use]
    pub fn connect_clear(&self) -> Client {
        let mut client = Client::silent(self.address);
        self.expect_greeting(&mut client);
        client
    }

    fn expect_greeting(&self, client: &mut Client) {
        if self.is_mild {
            client.be_mild();
        }
        client.expect(220);
    }

    /// A client that has logged in, in TYPE I.
    #[must_use]
    pub fn login(&self) -> Client {
        let mut client = self.connect();
        self.enter(&mut client);
        client
    }

    /// A client that comes from another address and has logged in.
    #[must_use]
    pub fn login_from(&self, from: Ipv4Addr) -> Client {
        let mut client = Client::over(connect_from(from, self.address));
        self.expect_greeting(&mut client);
        if let Some(tls) = &self.tls {
            client.auth_tls(tls);
        }
        self.enter(&mut client);
        client
    }

    fn enter(&self, client: &mut Client) {
        client.login("user", "12345");
        if let Some(tls) = &self.tls {
            client.secure(tls);
        }
    }

    /// Puts a file into its directory.
    pub fn put(&self, name: impl AsRef<[u8]>, content: &[u8]) {
        let path = self.path(name);
        fs::write(&path, content).expect("a file");
        self.give(&path);
    }

    /// Makes a directory in its directory.
    pub fn make(&self, name: &str) {
        fs::create_dir(self.path(name)).expect("a directory");
        self.give(&self.path(name));
    }

    /// Makes a symbolic link in its directory.
    pub fn link(&self, target: impl AsRef<Path>, name: &str) {
        std::os::unix::fs::symlink(target, self.path(name)).expect("a link");
    }

    fn give(&self, path: &Path) {
        if self.owner.is_some() {
            std::os::unix::fs::chown(path, self.owner, self.owner).expect("to give it away");
        }
    }

    /// Where a file of that name is.
    #[must_use]
    pub fn path(&self, name: impl AsRef<[u8]>) -> PathBuf {
        self.home.join(OsStr::from_bytes(name.as_ref()))
    }

    /// The content of a file, if it is there.
    #[must_use]
    pub fn content(&self, name: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        fs::read(self.path(name)).ok()
    }

    /// Whether there is a file of that name.
    #[must_use]
    pub fn has(&self, name: impl AsRef<[u8]>) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    /// What it has logged, if that can be read.
    ///
    /// It is waited for until the log contains this.
    #[must_use]
    pub fn log_with(&self, what: &str) -> Option<String> {
        let file = self.log.as_ref()?;
        let read = || String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned();
        let begun = Instant::now();
        while !read().contains(what) && begun.elapsed().as_secs() < 3 {
            thread::sleep(Duration::from_millis(20));
        }
        Some(read())
    }

    /// KiB of memory that its processes have in use.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let of = |pid: u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        };
        family(self.pid).into_iter().filter_map(of).sum()
    }

    /// Ticks of a hundredth of a second that its processes have spent.
    #[must_use]
    pub fn cpu(&self) -> u64 {
        let of = |pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // Behind the name, which may contain anything.
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            Some(fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?)
        };
        family(self.pid).into_iter().filter_map(of).sum()
    }

    /// What the descriptors of its processes lead to.
    #[must_use]
    pub fn descriptors(&self) -> Vec<PathBuf> {
        let of = |pid: u32| fs::read_dir(format!("/proc/{pid}/fd")).ok();
        let entries = family(self.pid)
            .into_iter()
            .filter_map(of)
            .flatten()
            .flatten();
        entries
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .collect()
    }

    /// How many sockets its processes have.
    #[must_use]
    pub fn sockets(&self) -> usize {
        let is_one = |path: &&PathBuf| path.as_os_str().as_bytes().starts_with(b"socket:");
        self.descriptors().iter().filter(is_one).count()
    }

    /// How many sockets its processes have when nobody is served any more.
    #[must_use]
    pub fn sockets_at_rest(&self) -> usize {
        self.still_serves();
        let mut count = self.sockets();
        let mut since = Instant::now();
        // A session may end a moment after its client.
        while since.elapsed() < Duration::from_millis(500) {
            thread::sleep(Duration::from_millis(20));
            let now = self.sockets();
            if now != count {
                (count, since) = (now, Instant::now());
            }
        }
        count
    }

    /// Proves that it still serves: a new client stores and fetches.
    pub fn still_serves(&self) {
        let content = pattern(100_000);
        let mut client = self.login();
        client.store("still-serves.bin", &content);
        assert!(client.fetch("still-serves.bin") == content, "other bytes");
        client.command("QUIT", 221);
    }
}

/// A process, and those that it has started.
pub(super) fn family(pid: u32) -> BTreeSet<u32> {
    let mut family = BTreeSet::from([pid]);
    let mut pending = vec![pid];
    while let Some(pid) = pending.pop() {
        // Children belong to the thread that made them.
        let threads = fs::read_dir(format!("/proc/{pid}/task"));
        for thread in threads.into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace().flat_map(str::parse) {
                family.insert(child);
                pending.push(child);
            }
        }
    }
    family
}
