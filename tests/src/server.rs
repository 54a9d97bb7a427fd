//! [`Server`]: a server process with a directory of its own.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::client::Client;
use crate::{Program, certificates};

/// The password `12345`, hashed as cheaply as can be.
pub(crate) const HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$pfljFxxlxYKSzZivGwHIUg$6mXOyR30ZY4QI4RoxWavpVRpltBaIWBuJmHHEcnHgtA";

/// How a server is started. There is always an account `user` with the password `12345` and every
/// right, on the directory that the server has.
pub struct Config {
    listen: Vec<String>,
    implicit: Vec<String>,
    tls: Option<String>,
    head: String,
    tail: String,
    password: String,
    rights: String,
    sees: String,
    arguments: Vec<String>,
    wrapper: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec!["127.0.0.1:0".into()],
            implicit: Vec::new(),
            tls: None,
            head: String::new(),
            tail: String::new(),
            password: HASH.into(),
            rights:
                r#""list", "read", "write", "overwrite", "delete", "rename", "mkdir", "symlink""#
                    .into(),
            sees: "home = \"HOME\"".into(),
            arguments: Vec::new(),
            wrapper: Vec::new(),
        }
    }
}

impl Config {
    /// Listens on these addresses.
    #[must_use]
    pub fn listen(mut self, addresses: &[&str]) -> Self {
        self.listen = addresses.iter().map(ToString::to_string).collect();
        self
    }

    /// Lines at the head of the configuration file, before any table.
    #[must_use]
    pub fn top(mut self, lines: &str) -> Self {
        let _ = writeln!(self.head, "{lines}");
        self
    }

    /// Speaks TLS, with these lines of its table. The certificates are those of
    /// [`furnish`](crate::certificates::furnish); unless a line says which, it is the first.
    #[must_use]
    pub fn tls(mut self, lines: &str) -> Self {
        self.tls = Some(lines.into());
        self
    }

    /// Speaks TLS from the first byte on these addresses.
    #[must_use]
    pub fn implicit(mut self, addresses: &[&str]) -> Self {
        self.implicit = addresses.iter().map(ToString::to_string).collect();
        self.tls.get_or_insert_default();
        self
    }

    /// Tables of the configuration file. `HOME` stands for the server's directory.
    #[must_use]
    pub fn table(mut self, lines: &str) -> Self {
        let _ = writeln!(self.tail, "{lines}");
        self
    }

    /// The account `user` has only these rights.
    #[must_use]
    pub fn rights(mut self, rights: &str) -> Self {
        self.rights = rights.into();
        self
    }

    /// The account `user` sees what these lines say, in place of the server's directory.
    #[must_use]
    pub fn sees(mut self, lines: &str) -> Self {
        self.sees = lines.into();
        self
    }

    /// The account `user` has a password with this hash.
    #[must_use]
    pub fn password(mut self, hash: &str) -> Self {
        self.password = hash.into();
        self
    }

    /// Also serves anonymous clients with these rights.
    #[must_use]
    pub fn anonymous(self, rights: &str) -> Self {
        self.table(&format!(
            "[anonymous]\nhome = \"HOME\"\nrights = [{rights}]"
        ))
    }

    /// One more argument on the command line.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Starts the server through another program. `HOME` stands for the server's directory.
    #[must_use]
    pub fn through(mut self, words: &[&str]) -> Self {
        self.wrapper = words.iter().map(ToString::to_string).collect();
        self
    }

    fn text(&self, home: &Path) -> String {
        let home = home.display().to_string();
        format!(
            "listen = {:?}\n{}\n{}\n{}\n[[user]]\nname = \"user\"\npassword = \"{}\"\n{}\nrights = [{}]\n",
            self.listen,
            self.head,
            self.tls_table(),
            self.tail.replace("HOME", &home),
            self.password,
            self.sees.replace("HOME", &home),
            self.rights,
        )
    }

    fn tls_table(&self) -> String {
        let Some(lines) = &self.tls else {
            return String::new();
        };
        let pair = if lines.contains("certificate = ") {
            ""
        } else {
            "certificate = \"fullchain.pem\"\nkey = \"privkey.pem\""
        };
        let implicit = if self.implicit.is_empty() {
            String::new()
        } else {
            format!("implicit = {:?}", self.implicit)
        };
        format!("[tls]\n{pair}\n{implicit}\n{lines}")
    }
}

/// A running server. It is ended when this is dropped.
pub struct Server {
    child: Child,
    home: PathBuf,
    log: PathBuf,
    addresses: Vec<SocketAddr>,
    implicit: Vec<SocketAddr>,
    folder: TempDir,
}

impl Program {
    /// Starts a server and waits until it listens.
    #[must_use]
    pub fn start(&self, config: Config) -> Server {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let home = folder.path().join("home");
        fs::create_dir(&home).expect("a home");
        let file = folder.path().join("wharf.toml");
        fs::write(&file, config.text(&home)).expect("a configuration");
        if config.tls.is_some() {
            certificates::furnish(folder.path());
        }
        let log = folder.path().join("log");
        let place = home.display().to_string();
        let mut words: Vec<String> = config
            .wrapper
            .iter()
            .map(|word| word.replace("HOME", &place))
            .collect();
        words.push(self.0.into());
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .arg("-v")
            .arg("--config")
            .arg(&file)
            .args(&config.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).expect("a log"))
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let (mut addresses, mut implicit) = (Vec::new(), Vec::new());
        // They come first, and what is served behind them.
        loop {
            let line = match lines.next() {
                Some(line) => line.expect("text"),
                None => panic!(
                    "the server ended: {}",
                    fs::read_to_string(&log).unwrap_or_default()
                ),
            };
            let Some(address) = line.strip_prefix("listening on ") else {
                break;
            };
            let (address, policy) = address.split_once(' ').unwrap_or((address, ""));
            let list = match policy {
                "(implicit TLS)" => &mut implicit,
                _ => &mut addresses,
            };
            list.push(address.parse().expect("an address"));
        }
        Server {
            child,
            home,
            log,
            addresses,
            implicit,
            folder,
        }
    }

    /// Starts a server with nothing special about it.
    #[must_use]
    pub fn serve(&self) -> Server {
        self.start(Config::default())
    }
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All the addresses where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where it speaks TLS from the first byte.
    #[must_use]
    pub fn implicit(&self) -> SocketAddr {
        self.implicit[0]
    }

    /// The directory that it serves.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The directory that it serves, with the mounts that only it sees.
    #[must_use]
    pub fn inner_home(&self) -> PathBuf {
        let root = format!("/proc/{}/root", self.pid());
        Path::new(&root).join(self.home.strip_prefix("/").unwrap_or(&self.home))
    }

    /// Where its configuration and its certificates are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a file into its directory.
    pub fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.home.join(name), content).expect("a file");
    }

    /// The content of a file in its directory.
    #[must_use]
    pub fn content(&self, name: &str) -> Vec<u8> {
        fs::read(self.home.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Whether there is a file of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.home.join(name).symlink_metadata().is_ok()
    }

    /// A client that has been greeted.
    #[must_use]
    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// A client that has logged in with every right, in TYPE I.
    #[must_use]
    pub fn login(&self) -> Client {
        let mut client = self.connect();
        client.login("user", "12345");
        client
    }

    /// The file that it logs to.
    #[must_use]
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// What it has logged so far. What it has just done may not be there yet.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What it has logged of everything up to now, and of a client that says so.
    #[must_use]
    pub fn whole_log(&self) -> String {
        static MARKS: AtomicU32 = AtomicU32::new(0);
        let mark = format!("CLNT mark-{}.", MARKS.fetch_add(1, Ordering::Relaxed));
        self.connect().command(&mark, 200);
        eventually("the log is written", || self.log().contains(&mark));
        self.log()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many descriptors it has open.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).expect("a pid")).expect("a pid");
        kill_process(pid, signal).expect("a signal");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// It has not ended in that time.
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let until = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return status;
            }
            assert!(
                Instant::now() < until,
                "the server has not ended in {patience:?}"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Proves that it still serves: a new client stores and fetches.
    pub fn still_serves(&self) {
        let mut client = self.login();
        let content: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
        client.store("still-serves.bin", &content);
        assert_eq!(client.fetch("still-serves.bin"), content);
        client.command("DELE still-serves.bin", 250);
        client.command("QUIT", 221);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- log of the server\n{}---", self.log());
        }
    }
}

/// Waits until something is so.
///
/// # Panics
/// It is not so within ten seconds.
pub fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    within(Duration::from_secs(10), what, is_so);
}

/// Waits until something is so.
///
/// # Panics
/// It is not so within that time.
pub fn within(patience: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + patience;
    while !is_so() {
        assert!(Instant::now() < until, "not within {patience:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Reads what is left.
pub fn rest(mut stream: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .expect("the rest of the data");
    bytes
}
