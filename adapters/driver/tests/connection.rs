//! Conversations with a connection whose other threads do as the test says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod loopback;

use std::collections::VecDeque;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use loopback::{LATE, free_ports, pair, wait};
use rustix::event::PollFlags;
use tempfile::TempDir;
use tracing::Subscriber;
use tracing::span::{Attributes, Id, Record};
use wharf_core::{
    Capabilities, Changed, Config, Denied, Edit, Entry, Failure, Limits, Metadata, Mode, Notes,
    Opened, Rights, VPath,
};
use wharf_driver::connection::{Connection, Ready, Wait};
use wharf_driver::{Service, Settings};
use wharf_local::{Durability, Local, LocalOptions};
use wharf_storage::{
    Account, Accounts, Begun, Blocking, BlockingDirectory, BlockingHandle, BlockingOpening,
    BlockingSource, BlockingStorage, Credentials, Executor, Executors, Group, Job, OnCancel,
    Storage, run,
};

/// More than the buffers of two sockets hold.
const LONG: usize = 16 << 20;

/// Another thread that works only when the test lets it, for one that may wait for a disk or not.
struct Other {
    may_wait: bool,
    state: Mutex<State>,
}

struct State {
    jobs: VecDeque<Job>,
    /// How many jobs there have been.
    count: usize,
    /// How many more it will do; further ones are left lying.
    left: usize,
}

impl Executor for Other {
    fn may_wait(&self) -> bool {
        self.may_wait
    }

    fn spawn(&self, _: Group, job: Job) {
        let mut state = self.state.lock().unwrap();
        state.jobs.push_back(job);
        state.count += 1;
    }
}

impl Other {
    fn new(may_wait: bool) -> Self {
        Self {
            may_wait,
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                count: 0,
                left: usize::MAX,
            }),
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock().unwrap();
        let left = state.left.checked_sub(1)?;
        let job = state.jobs.pop_front()?;
        state.left = left;
        Some(job)
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            job();
        }
    }

    /// Whether a job is left lying.
    fn is_busy(&self) -> bool {
        !self.state.lock().unwrap().jobs.is_empty()
    }

    fn count(&self) -> usize {
        self.state.lock().unwrap().count
    }
}

/// A storage that is never quick, as one elsewhere on the network.
struct Slow {
    local: Local,
    /// How long it takes to read a piece of a file.
    read: Duration,
}

impl BlockingStorage for Slow {
    fn capabilities(&self) -> Capabilities {
        self.local.capabilities()
    }

    fn stat(&self, path: &VPath) -> Result<Metadata, Failure> {
        self.local.stat(path)
    }

    fn change(&self, edit: Edit, path: &VPath, other: &VPath) -> Result<Changed, Failure> {
        self.local.change(edit, path, other)
    }

    fn open(&self, mode: Mode, path: &VPath) -> Result<BlockingOpening, Failure> {
        let mut opening = self.local.open(mode, path)?;
        if let BlockingHandle::Source(source) = opening.handle {
            let read = self.read;
            opening.handle = BlockingHandle::Source(Box::new(Stream { source, read }));
        }
        Ok(opening)
    }
}

/// A source without a file descriptor.
struct Stream {
    source: Box<dyn BlockingSource>,
    read: Duration,
}

impl BlockingSource for Stream {
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

impl BlockingStorage for Endless {
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

    fn open(&self, _: Mode, _: &VPath) -> Result<BlockingOpening, Failure> {
        Ok(BlockingOpening {
            opened: Opened::default(),
            handle: BlockingHandle::Directory(Box::new(Hidden)),
        })
    }
}

/// Its entries.
struct Hidden;

impl BlockingDirectory for Hidden {
    fn advance(&mut self) -> Result<bool, Failure> {
        Ok(true)
    }

    fn entry(&self) -> Entry<'_> {
        Entry::new(b".hidden", Metadata::default())
    }

    fn enter(&mut self, _: &VPath) -> Result<(), Failure> {
        Ok(())
    }
}

/// Lets everybody in, after some work.
struct Everybody(Arc<dyn Storage>);

impl Accounts for Everybody {
    fn login(&self, _: &Credentials<'_>, executors: &Executors) -> Begun<Account, Denied> {
        let account = Account::new(Arc::clone(&self.0), Rights::ALL);
        let work = move |_: &_| Ok(account);
        Begun::Pending(run(
            &*executors.logins,
            Group::default(),
            OnCancel::Leave,
            work,
        ))
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
            Arc::new(Blocking::new(Slow { local, read }))
        } else {
            Arc::new(Blocking::new(local))
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
        place.settings = Settings::new(Arc::new(Everybody(Arc::new(Blocking::new(Slow {
            local,
            read,
        })))));
        place
    }

    fn endless(look: Duration) -> Self {
        let mut place = Self::new(false);
        let local = Local::open(place.directory.path(), b"a", LocalOptions::default()).unwrap();
        place.settings = Settings::new(Arc::new(Everybody(Arc::new(Blocking::new(Endless {
            local,
            look,
        })))));
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

    fn client(&self, may_wait: bool) -> Client {
        Client::new(&Service::new(self.settings.clone()), may_wait)
    }
}

/// A client together with the connection that serves it.
struct Client {
    service: Arc<Service>,
    connection: Connection,
    other: Arc<Other>,
    control: TcpStream,
    /// What has been read of the replies.
    replies: Vec<u8>,
    over: bool,
}

impl Client {
    fn new(service: &Arc<Service>, may_wait: bool) -> Self {
        let (server, control) = pair();
        control.set_nonblocking(true).unwrap();
        let peer = server.peer_addr().unwrap();
        let other = Arc::new(Other::new(may_wait));
        let executor: Arc<dyn Executor> = Arc::<Other>::clone(&other);
        let executors = Executors {
            storage: Arc::clone(&executor),
            logins: executor,
        };
        let protocol = &service.settings().protocol;
        let client = service.admit(server, peer, protocol).unwrap();
        let connection = Connection::new(client, executors).unwrap();
        let mut client = Self {
            service: Arc::clone(service),
            connection,
            other,
            control,
            replies: Vec::new(),
            over: false,
        };
        client.expect("220");
        client
    }

    /// What an adapter does over and over.
    fn turn(&mut self) {
        self.over = !self.connection.advance();
        if self.over {
            return;
        }
        self.other.work();
        let wants = self.connection.wants();
        let tick = wants.within.unwrap_or(LATE).min(Duration::from_millis(1));
        let work = match wants.work {
            Some(Wait::Readable(socket)) => wait(socket, PollFlags::IN, tick),
            Some(Wait::Writable(socket)) => wait(socket, PollFlags::OUT, tick),
            None => false,
        };
        let ready = Ready {
            input: wants.input && wait(self.connection.socket(), PollFlags::IN, Duration::ZERO),
            work,
            stop: wants.stop && self.service.is_stopping(),
            broken: false,
        };
        self.connection.wake(ready);
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
        assert!(wait(self.connection.socket(), PollFlags::IN, LATE));
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
        self.other.state.lock().unwrap().left = jobs;
    }

    /// Goes on until a job is away that will not be done.
    fn until_away(&mut self) {
        self.until(|client| client.other.is_busy());
    }

    /// Goes on until the session is over.
    fn until_over(&mut self) {
        let start = Instant::now();
        while !self.over {
            assert!(start.elapsed() < LATE, "the session goes on");
            self.turn();
        }
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
fn converse(place: &Place, may_wait: bool) -> usize {
    let content = bytes(3 << 20);
    place.put(&content);
    let mut client = place.client(may_wait);
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
    client.other.count()
}

#[test]
fn a_thread_that_may_wait_gives_only_the_login_away() {
    assert_eq!(converse(&Place::new(false), true), 1);
}

#[test]
fn what_may_take_long_is_given_away() {
    for jobs in [
        converse(&Place::new(false), false),
        converse(&Place::new(true), false),
        // A storage that is not short is not waited for in any session's thread.
        converse(&Place::new(true), true),
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
    assert_eq!(converse(&place, true), 2);
    let mut client = place.client(true);
    client.log_in();
    client.ask("DELE f", "250");
    assert_eq!(client.other.count(), 2);
}

#[test]
fn an_abort_does_not_wait_for_the_job_that_opens() {
    let place = Place::new(true);
    place.put(b"content");
    let mut client = place.client(false);
    client.log_in();
    let data = drain(client.data());
    client.allow(0);
    client.say("RETR f");
    client.until_away();
    client.interject("ABOR");
    client.expect("426");
    client.expect("226");
    assert_eq!(data.join().unwrap(), b"");
    // Nothing is left of it.
    client.allow(usize::MAX);
    let data = drain(client.data());
    client.ask("RETR f", "150");
    client.expect("226");
    assert_eq!(data.join().unwrap(), b"content");
}

#[test]
fn a_storage_that_reads_slowly_tells_how_far_it_is() {
    let place = Place::with_pauses(Duration::from_millis(30));
    place.put(&bytes(LONG));
    let mut client = place.client(true);
    client.log_in();
    let data = drain(client.data());
    client.ask("RETR f", "150");
    let begun = Instant::now();
    let mut status = String::new();
    while !status.contains("RETR: ") || status.contains("RETR: 0 of") {
        // All of it would take four seconds.
        assert!(begun.elapsed() < Duration::from_secs(2), "{status}");
        status.clear();
        client.say("STAT");
        while !status.contains("\n211 ") {
            client.turn();
            status.extend(client.hear());
        }
    }
    client.say("ABOR");
    client.expect("426");
    client.expect("226");
    assert!(data.join().unwrap().len() < LONG);
}

#[test]
fn an_abort_does_not_wait_for_the_job_that_reads() {
    let place = Place::new(true);
    let content = bytes(LONG);
    place.put(&content);
    let mut client = place.client(true);
    client.log_in();
    let data = client.data();
    // It opens the file.
    client.allow(1);
    client.ask("RETR f", "150");
    client.until_away();
    client.interject("ABOR");
    client.expect("426");
    client.expect("226");
    assert_eq!(drain(data).join().unwrap(), b"");
    client.ask("NOOP", "200");
}

#[test]
fn an_abort_stops_a_transfer_that_waits_for_the_client() {
    for slow in [false, true] {
        let place = Place::new(slow);
        let content = bytes(LONG);
        place.put(&content);
        let mut client = place.client(true);
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
    fn listing(may_wait: bool) {
        let place = Place::endless(Duration::ZERO);
        let mut client = place.client(may_wait);
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
            broken: true,
            ..Ready::default()
        };
        client.connection.wake(gone);
        client.until_over();
    }
    listing(true);
    listing(false);
}

/// What was sent ahead would take ten seconds, and its client is gone.
#[test]
fn slow_commands_that_were_sent_ahead_leave_time_for_a_look() {
    let place = Place::endless(Duration::from_millis(20));
    let mut client = place.client(true);
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
    client.connection.wake(gone);
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
    let mut client = place.client(true);
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

/// The job comes back in time, or hangs.
#[test]
fn an_upload_that_is_aborted_leaves_the_old_file() {
    for hangs in [false, true] {
        let place = Place::new(true);
        place.put(b"old");
        let mut client = place.client(false);
        client.log_in();
        let mut data = client.data();
        client.allow(1);
        client.ask("STOR f", "150");
        data.write_all(b"new").unwrap();
        client.until_away();
        client.interject("ABOR");
        if !hangs {
            assert_eq!(client.hear(), None);
            client.allow(usize::MAX);
        }
        client.expect("426");
        client.expect("226");
        client.allow(usize::MAX);
        client.other.work();
        assert_eq!(place.get().unwrap(), b"old");
        assert_eq!(drain(data).join().unwrap(), b"");
        client.ask("SIZE f", "213 3");
    }
}

#[test]
fn a_job_that_never_comes_back_is_left_to_itself() {
    // A busy machine logs in within that time.
    let short = Duration::from_millis(500);
    let limits = Limits {
        request: short,
        stall: short,
        finish: short,
        cancel: Duration::from_secs(1),
        ..Limits::default()
    };
    // The job of the login, the one that opens, the one that moves bytes.
    for stage in 0..3 {
        let place = Place::with_limits(true, limits);
        place.put(b"content");
        let mut client = place.client(false);
        if stage == 0 {
            client.ask("USER anybody", "331");
            client.allow(0);
            client.say("PASS secret");
            client.expect("421");
            client.until_over();
            continue;
        }
        client.log_in();
        let data = client.data();
        client.allow(stage - 1);
        client.say("RETR f");
        match stage {
            1 => client.expect("451"),
            _ => {
                client.expect("150");
                client.expect("426")
            }
        };
        assert!(client.other.is_busy(), "{stage}");
        client.ask("NOOP", "200");
        assert_eq!(drain(data).join().unwrap(), b"", "{stage}");
    }
}

/// Though the limit is over before it would have been let go.
#[test]
fn an_upload_whose_end_hangs_is_given_up_all_the_same() {
    let short = Duration::from_millis(20);
    let limits = Limits {
        finish: short,
        cancel: short,
        ..Limits::default()
    };
    let place = Place::with_limits(true, limits);
    let mut client = place.client(false);
    client.log_in();
    let mut data = client.data();
    client.ask("STOR f", "150");
    data.write_all(b"new").unwrap();
    client.until(|client| matches!(client.connection.wants().work, Some(Wait::Readable(_))));
    client.allow(0);
    client.say("ABOR");
    client.expect("426");
    client.expect("226");
    assert!(client.other.is_busy());
    client.ask("NOOP", "200");
}

/// A late change must not hit what the client does next.
#[test]
fn a_change_that_never_comes_back_ends_the_session() {
    // A busy machine logs in within that time.
    let short = Duration::from_millis(500);
    let limits = Limits {
        request: short,
        cancel: short,
        ..Limits::default()
    };
    let place = Place::with_limits(true, limits);
    place.put(b"content");
    let mut client = place.client(false);
    client.log_in();
    client.allow(0);
    client.say("DELE f");
    client.expect("421");
    client.until_over();
    // Its place is taken as long as the job is there.
    let (service, other) = (Arc::clone(&client.service), Arc::clone(&client.other));
    drop(client);
    assert_eq!(service.sessions(), 1);
    other.state.lock().unwrap().left = usize::MAX;
    other.work();
    assert_eq!(service.sessions(), 0);
    // It was not begun when the session ended.
    assert_eq!(place.get().unwrap(), b"content");
}

#[test]
fn a_client_that_vanishes_while_a_job_is_away_is_forgotten() {
    let place = Place::new(true);
    place.put(b"old");
    let mut client = place.client(false);
    client.log_in();
    let mut data = client.data();
    client.allow(1);
    client.ask("STOR f", "150");
    data.write_all(b"new").unwrap();
    client.until_away();
    client.control = pair().1;
    assert!(wait(client.connection.socket(), PollFlags::IN, LATE));
    client.until_over();
    client.allow(usize::MAX);
    client.other.work();
    assert_eq!(place.get().unwrap(), b"old");
}

#[test]
fn who_finds_no_port_waits_for_one() {
    let mut place = Place::new(false);
    place.settings.passive_ports = Some(free_ports(1));
    let service = Service::new(place.settings.clone());
    let mut first = Client::new(&service, true);
    let mut second = Client::new(&service, false);
    first.log_in();
    second.log_in();
    let _data = first.data();
    second.say("EPSV");
    second.until(|second| matches!(second.connection.wants().work, Some(Wait::Readable(_))));
    assert_eq!(second.hear(), None);
    first.ask("ABOR", "225");
    second.expect("229");
}

#[test]
fn an_idle_client_is_told_that_the_server_stops() {
    let mut client = Place::new(false).client(true);
    client.log_in();
    client.service.stop();
    client.expect("421");
    client.until_over();
}
