//! Conversations with a connection whose other threads do as the test says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod loopback;

use std::collections::VecDeque;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use loopback::{LATE, free_ports, pair, wait};
use rustix::event::PollFlags;
use tempfile::TempDir;
use tracing::Subscriber;
use tracing::span::{Attributes, Id, Record};
use wharf_core::{
    Capabilities, Changed, Config, Denied, Edit, Entry, Failure, Grant, Limits, Metadata, Mode,
    Notes, Opened, Rights, VPath,
};
use wharf_driver::connection::{Connection, Ready};
use wharf_driver::work::{Helper, Job, Rest, Wait};
use wharf_driver::{Service, Settings};
use wharf_local::{Durability, Local, LocalOptions};
use wharf_storage::{Account, Accounts, Credentials, Directory, Handle, Opening, Source, Storage};

/// More than the buffers of two sockets hold.
const LONG: usize = 16 << 20;

/// Another thread that works only when the test lets it.
struct Other<const WAITS: bool> {
    jobs: VecDeque<Job<Self>>,
    done: VecDeque<Rest<Self>>,
    /// How many jobs there have been.
    count: usize,
    /// How many more it will do; further ones are left lying.
    left: usize,
}

impl<const WAITS: bool> Default for Other<WAITS> {
    fn default() -> Self {
        Self {
            jobs: VecDeque::new(),
            done: VecDeque::new(),
            count: 0,
            left: usize::MAX,
        }
    }
}

impl<const WAITS: bool> Helper for Other<WAITS> {
    const WAITS_FOR_DISK: bool = WAITS;

    fn run(&mut self, job: Job<Self>) -> Option<Rest<Self>> {
        self.jobs.push_back(job);
        self.count += 1;
        None
    }

    fn finished(&mut self) -> Option<Rest<Self>> {
        self.done.pop_front()
    }
}

impl<const WAITS: bool> Other<WAITS> {
    fn work(&mut self) {
        while self.left > 0
            && let Some(job) = self.jobs.pop_front()
        {
            self.left -= 1;
            self.done.push_back(job());
        }
    }
}

/// A storage that is never quick, as one elsewhere on the network.
struct Slow {
    local: Local,
    /// How long it takes to read a piece of a file.
    read: Duration,
}

impl Storage for Slow {
    fn capabilities(&self) -> Capabilities {
        self.local.capabilities()
    }

    fn stat(&self, path: &VPath) -> Result<Metadata, Failure> {
        self.local.stat(path)
    }

    fn change(&self, edit: Edit, path: &VPath, other: &VPath) -> Result<Changed, Failure> {
        self.local.change(edit, path, other)
    }

    fn open(&self, mode: Mode, path: &VPath) -> Result<Opening, Failure> {
        let mut opening = self.local.open(mode, path)?;
        if let Handle::Source(source) = opening.handle {
            let read = self.read;
            opening.handle = Handle::Source(Box::new(Stream { source, read }));
        }
        Ok(opening)
    }
}

/// A source without a file descriptor.
struct Stream {
    source: Box<dyn Source>,
    read: Duration,
}

impl Source for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        thread::sleep(self.read);
        self.source.read(buffer)
    }
}

/// A storage with a directory that has no end, and in which nothing is shown.
struct Endless {
    local: Local,
    /// How long it takes to look at a file.
    look: Duration,
}

impl Storage for Endless {
    fn capabilities(&self) -> Capabilities {
        self.local.capabilities()
    }

    fn is_short(&self) -> bool {
        true
    }

    fn stat(&self, path: &VPath) -> Result<Metadata, Failure> {
        thread::sleep(self.look);
        self.local.stat(path)
    }

    fn change(&self, edit: Edit, path: &VPath, other: &VPath) -> Result<Changed, Failure> {
        self.local.change(edit, path, other)
    }

    fn open(&self, _: Mode, _: &VPath) -> Result<Opening, Failure> {
        Ok(Opening {
            opened: Opened::default(),
            handle: Handle::Directory(Box::new(Hidden)),
        })
    }
}

/// Its entries.
struct Hidden;

impl Directory for Hidden {
    fn advance(&mut self) -> Result<bool, Failure> {
        Ok(true)
    }

    fn entry(&self) -> Entry<'_> {
        Entry {
            name: b".hidden".into(),
            metadata: Metadata::default(),
            target: None,
            leads_to: None,
        }
    }

    fn enter(&mut self, _: &VPath) -> Result<(), Failure> {
        Ok(())
    }
}

/// Lets everybody in, after some work.
struct Everybody(Arc<dyn Storage>);

impl Accounts for Everybody {
    fn login(&self, _: &Credentials<'_>) -> Result<Account, Denied> {
        Ok(Account {
            grant: Grant::new(Rights::ALL, self.0.capabilities()),
            storage: Arc::clone(&self.0),
            demands_tls: false,
            seats: None,
        })
    }
}

/// A directory that is served.
struct Place {
    directory: TempDir,
    settings: Settings,
}

impl Place {
    fn new(slow: bool) -> Self {
        Self::with_options(slow, LocalOptions::default())
    }

    fn with_options(slow: bool, options: LocalOptions) -> Self {
        let directory = TempDir::new().unwrap();
        let local = Local::open(directory.path(), b"a", options).unwrap();
        let storage: Arc<dyn Storage> = if slow {
            let read = Duration::ZERO;
            Arc::new(Slow { local, read })
        } else {
            Arc::new(local)
        };
        let settings = Settings::new(Arc::new(Everybody(storage)));
        Self {
            directory,
            settings,
        }
    }

    /// One that takes so long for each piece.
    fn with_pauses(read: Duration) -> Self {
        let mut place = Self::new(true);
        let local = Local::open(place.directory.path(), b"a", LocalOptions::default()).unwrap();
        place.settings = Settings::new(Arc::new(Everybody(Arc::new(Slow { local, read }))));
        place
    }

    fn endless(look: Duration) -> Self {
        let mut place = Self::new(false);
        let local = Local::open(place.directory.path(), b"a", LocalOptions::default()).unwrap();
        place.settings = Settings::new(Arc::new(Everybody(Arc::new(Endless { local, look }))));
        place
    }

    fn with_limits(slow: bool, limits: Limits) -> Self {
        let mut place = Self::new(slow);
        place.settings.protocol = Arc::new(Config {
            limits,
            ..Config::default()
        });
        place
    }

    fn put(&self, bytes: &[u8]) {
        fs::write(self.directory.path().join("f"), bytes).unwrap();
    }

    fn get(&self) -> Option<Vec<u8>> {
        fs::read(self.directory.path().join("f")).ok()
    }

    fn client<const WAITS: bool>(&self) -> Client<WAITS> {
        Client::new(&Service::new(self.settings.clone()))
    }
}

/// A client together with the connection that serves it.
struct Client<const WAITS: bool> {
    service: Arc<Service>,
    connection: Connection<Other<WAITS>>,
    server: TcpStream,
    control: TcpStream,
    /// What has been read of the replies.
    replies: Vec<u8>,
    over: bool,
}

impl<const WAITS: bool> Client<WAITS> {
    fn new(service: &Arc<Service>) -> Self {
        let (server, control) = pair();
        control.set_nonblocking(true).unwrap();
        let peer = server.peer_addr().unwrap();
        let connection = Connection::new(
            service.admit(peer).unwrap(),
            &service.settings().protocol,
            &server,
            peer,
            Other::default(),
        )
        .unwrap();
        let mut client = Self {
            service: Arc::clone(service),
            connection,
            server,
            control,
            replies: Vec::new(),
            over: false,
        };
        client.expect("220");
        client
    }

    /// What an adapter does over and over.
    fn turn(&mut self) {
        self.over = !self.connection.advance(&self.server);
        if self.over {
            return;
        }
        self.connection.helper_mut().work();
        let wants = self.connection.wants();
        let tick = wants.within.unwrap_or(LATE).min(Duration::from_millis(1));
        let work = match wants.work {
            Some(Wait::Readable(socket)) => wait(socket, PollFlags::IN, tick),
            Some(Wait::Writable(socket)) => wait(socket, PollFlags::OUT, tick),
            Some(Wait::Helper) => !self.connection.helper().done.is_empty(),
            None => false,
        };
        let ready = Ready {
            input: wants.input && wait(&self.server, PollFlags::IN, Duration::ZERO),
            work,
            stop: wants.stop && self.service.is_stopping(),
            broken: false,
        };
        self.connection.wake(&self.server, ready);
    }

    /// Goes on until that is so.
    fn until(&mut self, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(!self.over, "the session has ended");
            assert!(start.elapsed() < LATE, "nothing has happened");
            self.turn();
        }
    }

    fn say(&mut self, line: &str) {
        self.control
            .write_all(format!("{line}\r\n").as_bytes())
            .unwrap();
    }

    /// Says something while jobs are away, and sees that it was taken.
    fn interject(&mut self, line: &str) {
        self.say(line);
        assert!(wait(&self.server, PollFlags::IN, LATE));
        self.turn();
        self.turn();
    }

    /// The next line of a reply, if it is there.
    fn hear(&mut self) -> Option<String> {
        let mut buffer = [0; 4096];
        match self.control.read(&mut buffer) {
            Ok(count) => self.replies.extend_from_slice(&buffer[..count]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        let end = self.replies.iter().position(|&byte| byte == b'\n')?;
        let line = self.replies.drain(..=end).collect();
        Some(String::from_utf8(line).unwrap())
    }

    /// The last line of the next reply, which has this code.
    fn expect(&mut self, code: &str) -> String {
        let start = Instant::now();
        loop {
            if let Some(line) = self.hear() {
                if line.starts_with(' ') {
                    // Within a reply of several lines.
                    continue;
                }
                assert!(line.starts_with(code), "{code} expected: {line}");
                if line.as_bytes()[3] == b' ' {
                    return line;
                }
            } else if self.over {
                let came = wait(&self.control, PollFlags::IN, LATE);
                assert!(came, "{code} expected, but the session has ended");
            } else {
                assert!(start.elapsed() < LATE, "{code} expected, but nothing came");
                self.turn();
            }
        }
    }

    fn ask(&mut self, line: &str, code: &str) -> String {
        self.say(line);
        self.expect(code)
    }

    fn log_in(&mut self) {
        self.ask("USER anybody", "331");
        self.ask("PASS secret", "230");
        self.ask("TYPE I", "200");
    }

    /// Makes a data connection.
    fn data(&mut self) -> TcpStream {
        let reply = self.ask("EPSV", "229");
        let port = reply.split('|').nth(3).unwrap().parse().unwrap();
        let data = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        data.set_read_timeout(Some(LATE)).unwrap();
        data
    }

    /// From now on only so many jobs are done.
    fn allow(&mut self, jobs: usize) {
        self.connection.helper_mut().left = jobs;
    }

    /// Goes on until a job is away that will not be done.
    fn until_away(&mut self) {
        self.until(|client| !client.connection.helper().jobs.is_empty());
    }

    /// Goes on until the session is over.
    fn until_over(&mut self) {
        self.until(|client| client.over);
    }
}

/// Reads all that comes.
fn drain(mut data: TcpStream) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before a reset counts.
        let _ = data.read_to_end(&mut bytes);
        bytes
    })
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7 % 251) as u8).collect()
}

/// A download, an upload and a listing; says how many jobs they took.
fn converse<const WAITS: bool>(place: &Place) -> usize {
    let content = bytes(3 << 20);
    place.put(&content);
    let mut client = place.client::<WAITS>();
    client.log_in();

    let data = drain(client.data());
    client.ask("RETR f", "150");
    client.expect("226");
    assert!(data.join().unwrap() == content);

    let mut data = client.data();
    client.ask("STOR f", "150");
    let new = bytes(2_000_003);
    let writer = thread::spawn(move || data.write_all(&new));
    client.expect("226");
    writer.join().unwrap().unwrap();
    assert!(place.get().unwrap() == bytes(2_000_003));

    let data = drain(client.data());
    client.ask("NLST", "150");
    client.expect("226");
    assert_eq!(data.join().unwrap(), b"f\r\n");
    client.ask("STAT f", "213");
    client.ask("SIZE f", "213 2000003");
    client.ask("QUIT", "221");
    client.until_over();
    client.connection.helper().count
}

#[test]
fn a_thread_that_may_wait_gives_only_the_login_away() {
    assert_eq!(converse::<true>(&Place::new(false)), 1);
}

#[test]
fn what_may_take_long_is_given_away() {
    for jobs in [
        converse::<false>(&Place::new(false)),
        converse::<false>(&Place::new(true)),
        // A storage that is not short is not waited for in any session's thread.
        converse::<true>(&Place::new(true)),
    ] {
        assert!(jobs > 3, "{jobs}");
    }
}

#[test]
fn a_change_that_waits_for_the_disk_is_given_away() {
    let options = LocalOptions {
        durability: Durability::Disk,
        ..LocalOptions::default()
    };
    // The login and the end of the upload.
    let place = Place::with_options(false, options);
    assert_eq!(converse::<true>(&place), 2);
    let mut client = place.client::<true>();
    client.log_in();
    client.ask("DELE f", "250");
    assert_eq!(client.connection.helper().count, 2);
}

#[test]
fn an_abort_waits_for_the_job_that_opens() {
    let place = Place::new(true);
    place.put(b"content");
    let mut client = place.client::<false>();
    client.log_in();
    let data = drain(client.data());
    client.allow(0);
    client.say("RETR f");
    client.until_away();
    client.interject("ABOR");
    assert_eq!(client.hear(), None);
    client.allow(usize::MAX);
    client.expect("426");
    client.expect("226");
    assert_eq!(data.join().unwrap(), b"");
    // Nothing is left of it.
    let data = drain(client.data());
    client.ask("RETR f", "150");
    client.expect("226");
    assert_eq!(data.join().unwrap(), b"content");
}

#[test]
fn a_job_that_moves_bytes_slowly_tells_how_far_it_is() {
    let place = Place::with_pauses(Duration::from_millis(30));
    place.put(&bytes(LONG));
    let mut client = place.client::<true>();
    client.log_in();
    let data = drain(client.data());
    // It opens the file.
    client.allow(1);
    client.ask("RETR f", "150");
    client.until_away();
    client.allow(usize::MAX);
    let begun = Instant::now();
    client.connection.helper_mut().work();
    // All that one job may move would take four seconds.
    assert!(begun.elapsed() < Duration::from_secs(2), "{begun:?}");
    client.say("STAT");
    let mut status = String::new();
    while !status.contains("\n211 ") {
        client.turn();
        status.extend(client.hear());
    }
    assert!(
        status.contains("RETR: ") && !status.contains("RETR: 0 of"),
        "{status}"
    );
    client.say("ABOR");
    client.expect("426");
    client.expect("226");
    assert!(data.join().unwrap().len() < LONG);
}

#[test]
fn an_abort_waits_for_the_job_that_moves_bytes() {
    let place = Place::new(true);
    let content = bytes(LONG);
    place.put(&content);
    let mut client = place.client::<true>();
    client.log_in();
    let data = client.data();
    // It opens the file.
    client.allow(1);
    client.ask("RETR f", "150");
    client.until_away();
    client.interject("ABOR");
    assert_eq!(client.hear(), None);
    client.allow(usize::MAX);
    client.expect("426");
    client.expect("226");
    assert!(drain(data).join().unwrap().len() < content.len());
    client.ask("NOOP", "200");
}

#[test]
fn an_abort_stops_a_transfer_that_waits_for_the_client() {
    for slow in [false, true] {
        let place = Place::new(slow);
        let content = bytes(LONG);
        place.put(&content);
        let mut client = place.client::<true>();
        client.log_in();
        let data = client.data();
        client.ask("RETR f", "150");
        client.until(|client| matches!(client.connection.wants().work, Some(Wait::Writable(_))));
        client.say("ABOR");
        client.expect("426");
        client.expect("226");
        assert!(drain(data).join().unwrap().len() < content.len());
        client.ask("NOOP", "200");
    }
}

/// In the session's own thread, and in another one.
#[test]
fn a_listing_of_which_nothing_is_shown_can_be_given_up() {
    fn listing<const WAITS: bool>() {
        let place = Place::endless(Duration::ZERO);
        let mut client = place.client::<WAITS>();
        client.log_in();
        let data = client.data();
        client.ask("NLST", "150");
        client.ask("STAT", "211");
        client.say("ABOR");
        client.expect("426");
        client.expect("226");
        assert_eq!(drain(data).join().unwrap(), b"");
        // The same on the control connection, where it is noticed that the client is gone.
        client.say("STAT .");
        for _ in 0..5 {
            client.turn();
        }
        let gone = Ready {
            input: false,
            work: false,
            stop: false,
            broken: true,
        };
        client.connection.wake(&client.server, gone);
        client.until_over();
    }
    listing::<true>();
    listing::<false>();
}

/// What was sent ahead would take ten seconds, and its client is gone.
#[test]
fn slow_commands_that_were_sent_ahead_leave_time_for_a_look() {
    let place = Place::endless(Duration::from_millis(20));
    let mut client = place.client::<true>();
    client.log_in();
    let begun = Instant::now();
    client.say(&["MDTM f"; 500].join("\r\n"));
    client.turn();
    client.turn();
    assert_eq!(client.connection.wants().within, Some(Duration::ZERO));
    let gone = Ready {
        broken: true,
        ..Ready::default()
    };
    client.connection.wake(&client.server, gone);
    client.until_over();
    assert!(begun.elapsed() < Duration::from_secs(3), "{begun:?}");
}

/// A log that takes its time for each line.
struct SlowLog;

impl Subscriber for SlowLog {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        thread::sleep(Duration::from_millis(1));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Though a timer is due, which has it look for what the client may have said meanwhile.
#[test]
fn what_came_first_is_read_first() {
    let limits = Limits {
        line: 510,
        look_ahead: 512,
        keep_buffers: Duration::from_micros(100),
        ..Limits::default()
    };
    let mut place = Place::new(false);
    place.settings.protocol = Arc::new(Config {
        limits,
        notes: Notes::Commands,
        ..Config::default()
    });
    let mut client = place.client::<true>();
    client.log_in();
    // More than is read at once.
    let lines = ["NOOP", "SYST", "PWD"].repeat(600);
    client.say(&lines.join("\r\n"));
    tracing::subscriber::with_default(SlowLog, || {
        for code in ["200", "215", "257"].repeat(600) {
            client.expect(code);
        }
    });
}

#[test]
fn an_upload_that_is_aborted_leaves_the_old_file() {
    let place = Place::new(true);
    place.put(b"old");
    let mut client = place.client::<false>();
    client.log_in();
    let mut data = client.data();
    client.allow(1);
    client.ask("STOR f", "150");
    data.write_all(b"new").unwrap();
    client.until_away();
    client.interject("ABOR");
    client.allow(usize::MAX);
    client.expect("426");
    client.expect("226");
    assert_eq!(place.get().unwrap(), b"old");
    // Its owner may go on where it ended.
    client.ask("SIZE f", "213 3");
}

#[test]
fn a_job_that_never_comes_back_ends_the_session() {
    let short = Duration::from_millis(20);
    let limits = Limits {
        request: short,
        stall: short,
        finish: short,
        cancel: short,
        ..Limits::default()
    };
    // The job of the login, the one that opens, the one that moves bytes.
    for stage in 0..3 {
        let place = Place::with_limits(true, limits);
        place.put(b"content");
        let mut client = place.client::<false>();
        let mut data = None;
        if stage == 0 {
            client.ask("USER anybody", "331");
            client.allow(0);
            client.say("PASS secret");
        } else {
            client.log_in();
            data = Some(client.data());
            client.allow(stage - 1);
            client.say("RETR f");
        }
        if stage == 2 {
            client.expect("150");
        }
        client.expect("421");
        client.until_over();
        assert!(!client.connection.helper().jobs.is_empty(), "{stage}");
        // Whoever drops the session drops what the job holds.
        drop(client);
        let data = data.map(|data| drain(data).join().unwrap());
        assert_eq!(data.unwrap_or_default(), b"", "{stage}");
    }
}

#[test]
fn a_client_that_vanishes_while_a_job_is_away_is_forgotten() {
    let place = Place::new(true);
    place.put(b"old");
    let mut client = place.client::<false>();
    client.log_in();
    let mut data = client.data();
    client.allow(1);
    client.ask("STOR f", "150");
    data.write_all(b"new").unwrap();
    client.until_away();
    client.control = pair().1;
    assert!(wait(&client.server, PollFlags::IN, LATE));
    client.turn();
    client.turn();
    assert!(!client.over);
    client.allow(usize::MAX);
    client.until_over();
    assert_eq!(place.get().unwrap(), b"old");
}

#[test]
fn who_finds_no_port_waits_for_one() {
    let mut place = Place::new(false);
    place.settings.passive_ports = Some(free_ports(1));
    let service = Service::new(place.settings.clone());
    let mut first = Client::<true>::new(&service);
    let mut second = Client::<false>::new(&service);
    first.log_in();
    second.log_in();
    let _data = first.data();
    second.say("EPSV");
    second.until(|second| second.service.ports().is_short());
    assert_eq!(second.hear(), None);
    first.ask("ABOR", "225");
    second.expect("229");
    assert!(!service.ports().is_short());
}

#[test]
fn an_idle_client_is_told_that_the_server_stops() {
    let mut client = Place::new(false).client::<true>();
    client.log_in();
    client.service.stop();
    client.expect("421");
    client.until_over();
}
