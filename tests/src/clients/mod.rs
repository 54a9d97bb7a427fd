//! Conversations with real clients, by client.
//!
//! What `apt` does not have lies in the directory that [`packages`] names; `.ci/clients` puts it
//! there.

mod aria2;
mod buckets;
mod busybox;
mod curl;
mod filezilla;
mod inetutils;
mod java;
mod lftp;
mod ncftp;
mod node;
mod openssl;
mod perl;
mod pyftpdlib;
mod python;
mod rclone;
mod secure;
mod suppaftp;
mod tnftp;
mod wget;
pub(crate) mod yardstick;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, setpriority_process};
use tempfile::TempDir;

use crate::{Case, Config, Program, Server};

/// No client may take longer than that for one thing.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn cases() -> Vec<Case> {
    [
        buckets::CASES,
        buckets::filezilla::CASES,
        buckets::secure::CASES,
        curl::CASES,
        wget::CASES,
        lftp::CASES,
        ncftp::CASES,
        tnftp::CASES,
        inetutils::CASES,
        rclone::CASES,
        aria2::CASES,
        busybox::CASES,
        python::CASES,
        node::CASES,
        perl::CASES,
        java::CASES,
        openssl::CASES,
        suppaftp::CASES,
        filezilla::CASES,
        pyftpdlib::CASES,
        yardstick::CASES,
    ]
    .concat()
}

/// Where the packages of pip and npm are: `$WHARF_CLIENTS`, or `~/.cache/wharf-clients`.
pub(crate) fn packages() -> PathBuf {
    std::env::var_os("WHARF_CLIENTS").map_or_else(
        || {
            let home = std::env::var_os("HOME").unwrap_or_default();
            Path::new(&home).join(".cache/wharf-clients")
        },
        PathBuf::from,
    )
}

/// Where a client works: a directory that is its own, with a home beside it.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        for name in ["work", "home"] {
            fs::create_dir(folder.path().join(name)).expect("a directory");
        }
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.path().join(name), content).expect("a file");
    }

    fn content(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A file that is older than whatever is made of it.
    fn put_old(&self, name: &str, content: &[u8]) {
        self.put(name, content);
        let file = File::options().append(true).open(self.path().join(name));
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        file.and_then(|file| file.set_modified(hour_ago))
            .expect("to set the time");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).expect("to remove a file");
    }

    /// A program that knows nothing of who runs the tests.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .env("HOME", self.home())
            .env("XDG_CONFIG_HOME", self.home().join(".config"))
            .env("XDG_CACHE_HOME", self.home().join(".cache"))
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "dumb")
            .env("PYTHONPATH", packages().join("python"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NODE_PATH", packages().join("node_modules"))
            .env_remove("AWS_CA_BUNDLE")
            .env_remove("ftp_proxy")
            .env_remove("all_proxy")
            .stdin(Stdio::null());
        command
    }

    /// Runs a program, which must succeed, and returns what it says.
    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = self.command(program);
        command.args(arguments);
        self.succeed(command)
    }

    /// Runs a program that reads a script, and returns what it says. Whether it succeeds is
    /// seen by what it has done: the old clients do not tell.
    fn feed(&self, program: &str, arguments: &[&str], script: &str) -> String {
        let path = self.folder.path().join("script");
        fs::write(&path, script).expect("a script");
        let mut command = self.command(program);
        command
            .args(arguments)
            .stdin(File::open(path).expect("a script"));
        self.finish(command).1
    }

    fn succeed(&self, command: Command) -> String {
        let words: Vec<_> = [command.get_program()]
            .into_iter()
            .chain(command.get_args())
            .map(OsStr::to_owned)
            .collect();
        let (status, text) = self.finish(command);
        assert!(status.success(), "{words:?}: {status}\n{text}");
        text
    }

    fn finish(&self, mut command: Command) -> (ExitStatus, String) {
        let output = tempfile::tempfile_in(self.folder.path()).expect("a file");
        let copy = || output.try_clone().expect("a descriptor");
        let child = command.stdout(copy()).stderr(copy()).spawn();
        let status = wait(&mut child.expect("the client starts"), &command);
        let mut file = copy();
        file.seek(SeekFrom::Start(0)).expect("to seek");
        let text = crate::server::rest(file);
        (status, String::from_utf8_lossy(&text).into_owned())
    }
}

fn wait(child: &mut Child, command: &Command) -> ExitStatus {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("a status") {
            return status;
        }
        if Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            panic!("not within {PATIENCE:?}: {command:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Starts a client that uploads, loses its control connection when the server has taken more than
/// so many bytes, and waits until the server has noticed.
fn break_off(server: &Server, client: impl FnOnce(SocketAddr) -> Command, enough: u64) {
    let relay = Relay::new(server.address());
    let mut child = start(client(relay.address));
    wait_for(server, &mut child, enough);
    relay.cut();
    settle(server);
    child.kill().expect("to kill");
    child.wait().expect("a status");
}

/// How often clients are killed in the middle of an upload.
fn kills() -> usize {
    let kills = std::env::var("WHARF_KILLS").ok();
    kills.map_or(3, |kills| kills.parse().expect("a number"))
}

/// Has a client upload `f.bin` slowly over an old file, and kills it, again and again: the system
/// closes the data connection of a killed client with its control connection, which must not look
/// like the end of the file.
fn replaces_nothing_when_it_is_killed(
    program: &Program,
    slow_upload: impl Fn(&Desk, SocketAddr) -> Command,
) {
    let server = program.serve();
    let desk = Desk::new();
    desk.put("f.bin", &noise(1, 40_000_000));
    let old = noise(2, 100_000);
    for _ in 0..kills() {
        server.put("f.bin", &old);
        kill(&server, |address| slow_upload(&desk, address), 3_000_000);
        assert!(server.content("f.bin") == old, "the old file is gone");
        server.login().command("DELE f.bin", 250);
    }
}

/// Starts a client that uploads, kills it when the server has taken more than so many bytes, and
/// waits until the server has noticed.
fn kill(server: &Server, client: impl FnOnce(SocketAddr) -> Command, enough: u64) {
    let mut child = start(client(server.address()));
    wait_for(server, &mut child, enough);
    hurry(&child);
    child.kill().expect("to kill");
    child.wait().expect("a status");
    settle(server);
}

/// On a busy machine a client that is killed waits for its turn between closing one connection and the
/// other. Where we may, it has its turn at once.
fn hurry(client: &Child) {
    let threads = fs::read_dir(format!("/proc/{}/task", client.id()));
    for thread in threads.into_iter().flatten().flatten() {
        let number = thread
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if let Some(thread) = number.and_then(Pid::from_raw) {
            let _ = setpriority_process(Some(thread), -20);
        }
    }
}

fn start(mut command: Command) -> Child {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the client starts")
}

fn wait_for(server: &Server, child: &mut Child, enough: u64) {
    crate::server::eventually("enough was uploaded", || {
        let status = child.try_wait().expect("a status");
        assert!(status.is_none(), "the client ended too early: {status:?}");
        largest_open_file(server) > enough
    });
}

/// Stands between a client and the server on the control connection, so that it can be cut.
struct Relay {
    address: SocketAddr,
    server: TcpStream,
}

impl Relay {
    fn new(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("an address");
        let server = TcpStream::connect(server).expect("a connection");
        let pass = |mut from: TcpStream, mut to: TcpStream| {
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        };
        let other = server.try_clone().expect("a clone");
        std::thread::spawn(move || {
            let (client, _) = listener.accept().expect("a client");
            pass(
                client.try_clone().expect("a clone"),
                other.try_clone().expect("a clone"),
            );
            pass(other, client);
        });
        Self { address, server }
    }

    fn cut(self) {
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

/// The size of the largest file that the server has open.
fn largest_open_file(server: &Server) -> u64 {
    fs::read_dir(format!("/proc/{}/fd", server.pid()))
        .expect("descriptors")
        .flatten()
        .filter_map(|entry| fs::metadata(entry.path()).ok())
        .filter(fs::Metadata::is_file)
        .map(|data| data.len())
        .max()
        .unwrap_or(0)
}

/// Waits until the server has seen the end of each client.
fn settle(server: &Server) {
    crate::server::eventually("every client is gone", || {
        let log = server.log();
        log.matches(" connected session=").count() == log.matches(" disconnected session=").count()
    });
}

/// A server on both loopback addresses.
fn both(program: &Program) -> Server {
    program.start(Config::default().listen(&["127.0.0.1:0", "[::1]:0"]))
}

/// `ftp://user:12345@...`, with the path escaped.
fn url(address: SocketAddr, path: &str) -> String {
    let mut url = format!("ftp://user:12345@{address}/");
    for &byte in path.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/.-_".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

/// Bytes that repeat nowhere, each sequence another one.
fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut state = u64::from(seed) * 2 + 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state ^ (state >> 29)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Names that have given trouble.
fn names() -> Vec<String> {
    let long = format!("{}.txt", "long-".repeat(51).split_at(251).0);
    let korean = "\u{ac00}".repeat(85);
    assert!(long.len() == 255 && korean.len() == 255);
    let mut names: Vec<String> = ["plain.txt", "한글 이름.txt", "two  spaces.txt", "-dash.txt"]
        .map(String::from)
        .into();
    names.extend([long, korean]);
    names
}

/// Grows a tree with such names, an empty file, an empty folder and 30 levels.
fn grow(root: &Path) {
    for (number, name) in (1..).zip(names()) {
        fs::write(root.join(name), noise(number, 10_000 + number as usize)).expect("a file");
    }
    fs::write(root.join("empty.bin"), b"").expect("a file");
    fs::create_dir(root.join("empty folder")).expect("a directory");
    let mut path = root.to_path_buf();
    for level in 1..=30 {
        path.push(if level % 3 == 0 {
            format!("깊{level}")
        } else {
            format!("n{level}")
        });
        fs::create_dir(&path).expect("a directory");
        if level % 5 == 0 {
            fs::write(path.join("leaf.bin"), noise(level, 3_000)).expect("a file");
        }
    }
}

/// A tree: what is where, with the content of files.
fn tree(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut tree = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.file_name().is_some_and(is_wharfs) {
                continue;
            }
            let content = if path.is_dir() {
                folders.push(path.clone());
                None
            } else {
                Some(fs::read(&path).expect("a file"))
            };
            tree.insert(path.strip_prefix(root).expect("a path").into(), content);
        }
    }
    tree
}

/// What the server keeps for itself, hidden from clients.
fn is_wharfs(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".wharf")
}

/// Asserts that two trees are the same.
fn assert_same(one: &Path, two: &Path) {
    assert_same_trees(&tree(one), &tree(two));
}

fn assert_same_trees(
    one: &BTreeMap<PathBuf, Option<Vec<u8>>>,
    two: &BTreeMap<PathBuf, Option<Vec<u8>>>,
) {
    assert!(one.len() > 1, "there is nothing to compare");
    let differing = |a: &BTreeMap<PathBuf, Option<Vec<u8>>>, b: &BTreeMap<_, _>| -> Vec<String> {
        a.iter()
            .filter(|(path, content)| b.get(*path) != Some(*content))
            .map(|(path, content)| {
                format!("{} {:?}", path.display(), content.as_ref().map(Vec::len))
            })
            .collect()
    };
    let (lost, found) = (differing(one, two), differing(two, one));
    assert!(
        lost.is_empty() && found.is_empty(),
        "expected {lost:#?}, found {found:#?}"
    );
}

/// How long the sparse file is, and what stands at its end, beyond 4 GiB.
const SPARSE: u64 = 5 << 30;
const TAIL: usize = 100_000;

/// Makes a sparse file of 5 GiB whose last bytes are [`noise`].
fn sparse(path: &Path) -> Vec<u8> {
    let tail = noise(77, TAIL);
    let file = File::create(path).expect("a file");
    file.write_all_at(&tail, SPARSE - TAIL as u64)
        .expect("to write");
    tail
}

/// Makes a sparse file of that length, all zero.
fn hollow(path: &Path, length: u64) {
    let file = File::create(path).expect("a file");
    file.set_len(length).expect("a length");
}

/// Reads from an offset to the end.
fn tail(path: &Path, offset: u64) -> Vec<u8> {
    let mut file = File::open(path).expect("a file");
    file.seek(SeekFrom::Start(offset)).expect("to seek");
    crate::server::rest(file)
}

/// What a client that is fed with a script says first.
fn opening(address: std::net::SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!("open {ip} {port}\nuser user 12345\nbinary\n")
}
