//! Many sessions on one server, one in a hundred of them with a fault, and what is left of them.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{connect_data, some};
use crate::server::{Config, Server, eventually};
use crate::{Client, Program, cases};

cases! { "soak";
    leaves_nothing_of_its_sessions,
}

/// Clients at once.
const CLIENTS: u64 = 12;
/// Sessions in a second, of all clients.
const RATE: u64 = 300;
/// One session of so many has a fault.
const FAULTY: u64 = 100;
/// How long a client that has vanished stays so: longer than the server waits for it.
const AWAY: Duration = Duration::from_secs(8);

const SERVER: &str = "[limits]\nidle = \"5s\"\nstall = \"4s\"\n[storage]\nkeep-partials = \"0s\"";
const SMALL: &[u8] = &[7; 10_000];
/// What no buffers hold, so that it is on its way when something happens.
const LONG: u64 = 64 << 20;

/// Short, and with other cases beside it: neither the memory nor the times say anything.
fn leaves_nothing_of_its_sessions(program: &Program) {
    let _ = soak(program, Duration::from_secs(15));
}

/// What a soak came to.
#[derive(Clone, Copy, Debug)]
pub struct Soaked {
    length: Duration,
    sessions: u64,
    faults: u64,
    /// Bytes of memory for 1,000 sessions, after the first minute.
    slope: f64,
    /// How many bytes of memory came in all, after the first minute.
    growth: f64,
    /// What all but one of a hundred sessions took at most, in the second minute and in the last.
    early: Duration,
    late: Duration,
}

impl Soaked {
    /// What is wrong, if the memory grows or sessions take longer and longer.
    #[must_use]
    pub fn mistake(&self) -> Option<&'static str> {
        // Less than that is a matter of how the allocator's pages fill.
        const PAGES: f64 = 131_072.0;
        if self.slope > 1_024.0 && self.growth > PAGES {
            return Some("the memory grows");
        }
        (self.late > 2 * self.early).then_some("sessions take longer and longer")
    }
}

impl fmt::Display for Soaked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} sessions in {} s, {} of them with a fault",
            self.sessions,
            self.length.as_secs(),
            self.faults
        )?;
        writeln!(
            f,
            "memory: {:+.0} bytes for 1,000 sessions, {:+.0} KiB in all",
            self.slope,
            self.growth / 1_024.0
        )?;
        writeln!(f, "p99: {:.1?} early, {:.1?} late", self.early, self.late)
    }
}

/// What the clients share.
struct Field {
    server: Server,
    begun: Instant,
    length: Duration,
    next: AtomicU64,
    faults: AtomicU64,
    /// When each session without a fault began, and how long it took.
    times: Mutex<Vec<(Duration, Duration)>>,
    /// Clients that have vanished, and when.
    away: Mutex<Vec<(Instant, Client)>>,
}

/// Holds sessions with a server for that long and looks at what is left of them.
///
/// # Panics
/// A session was not answered as it should be, or something is left.
#[must_use]
pub fn soak(program: &Program, length: Duration) -> Soaked {
    // With an arena for each thread glibc's memory grows for a while without a leak.
    let config = Config::default().through(&["env", "MALLOC_ARENA_MAX=1"]);
    let server = program.start(config.table(SERVER));
    server.put("small.bin", SMALL);
    let long = fs::File::create(server.home().join("long.bin")).expect("a file");
    long.set_len(LONG).expect("a length");
    server.still_serves();
    let (descriptors, threads) = (server.descriptors(), status(&server, "Threads"));
    let names = names(&server);

    let field = Arc::new(Field {
        server,
        begun: Instant::now(),
        length,
        next: AtomicU64::new(0),
        faults: AtomicU64::new(0),
        times: Mutex::default(),
        away: Mutex::default(),
    });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let field = Arc::clone(&field);
            thread::spawn(move || field.hold())
        })
        .collect();
    let memory = field.watch();
    for client in clients {
        client.join().expect("every session is answered");
    }
    locked(&field.away).clear();

    let server = &field.server;
    eventually("the descriptors are as before", || {
        server.descriptors() <= descriptors
    });
    // A pool keeps as many threads as there was work at once.
    eventually("the threads are as before", || {
        status(server, "Threads") <= threads + CLIENTS
    });
    // Those of clients that have only just gone are closed as soon as it is seen.
    eventually("no socket is in CLOSE_WAIT", || {
        waiting_for_close(server) == 0
    });
    assert_eq!(self::names(server), names, "files are left");
    server.still_serves();
    field.sum_up(&memory)
}

impl Field {
    /// One client: session after session, each in its time.
    fn hold(&self) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let due = Duration::from_secs(1) * u32::try_from(number).unwrap_or(u32::MAX)
                / u32::try_from(RATE).unwrap_or(1);
            if due >= self.length || self.begun.elapsed() >= self.length {
                return;
            }
            thread::sleep(due.saturating_sub(self.begun.elapsed()));
            if number % FAULTY == FAULTY - 1 {
                self.faults.fetch_add(1, Ordering::Relaxed);
                self.break_off(number / FAULTY);
                continue;
            }
            let begun = self.begun.elapsed();
            self.converse(number);
            let took = self.begun.elapsed() - begun;
            locked(&self.times).push((begun, took));
        }
    }

    /// A session without a fault.
    fn converse(&self, number: u64) {
        let mut client = self.server.login();
        let name = format!("{number}.bin");
        match number % 6 {
            0 => {
                client.store(&name, SMALL);
                client.command(&format!("DELE {name}"), 250);
            }
            1 => assert!(client.get("MLSD").ends_with(b"\r\n")),
            2 => {
                client.command(&format!("MKD {number}"), 257);
                client.command(&format!("CWD {number}"), 250);
                client.command("CDUP", 250);
                client.command(&format!("RMD {number}"), 250);
            }
            3 => assert!(client.get("LIST -a").ends_with(b"\r\n")),
            _ => assert!(client.fetch("small.bin") == SMALL),
        }
        client.command("QUIT", 221);
        client.expect_end();
    }

    /// A session with a fault of that kind.
    fn break_off(&self, kind: u64) {
        let mut client = self.server.login();
        match kind % 6 {
            0 => {
                let _data = self.begin(&mut client);
                client.reset();
            }
            1 => {
                let data = self.begin(&mut client);
                crate::client::reset(data);
                client.expect(426);
                client.command("QUIT", 221);
            }
            2 => {
                let mut data = connect_data(client.epsv());
                client.command(&format!("STOR torn{kind}.bin"), 150);
                std::io::Write::write_all(&mut data, SMALL).expect("to send data");
                crate::client::reset(data);
                client.expect(426);
                client.command("QUIT", 221);
            }
            3 => {
                let data = self.begin(&mut client);
                client.send("ABOR");
                client.expect(426);
                client.expect(226);
                drop(data);
                client.command("QUIT", 221);
            }
            4 => client.raw(b"RETR sma"),
            _ => {
                client.send("LIST");
                self.vanish(client);
            }
        }
    }

    /// A download that is on its way.
    fn begin(&self, client: &mut Client) -> TcpStream {
        let data = client.data();
        client.command("RETR long.bin", 150);
        assert!(!some(&data, 1_000).is_empty());
        data
    }

    /// A client that says and hears nothing any more.
    fn vanish(&self, client: Client) {
        let mut away = locked(&self.away);
        away.retain(|(since, _)| since.elapsed() < AWAY);
        away.push((Instant::now(), client));
    }

    /// The memory of the server, over and over until the end: after how many sessions, and bytes.
    fn watch(&self) -> Vec<(f64, f64)> {
        let mut memory = Vec::new();
        let warm = minute(self.length);
        while self.begun.elapsed() < self.length {
            thread::sleep(Duration::from_millis(200));
            if self.begun.elapsed() > warm {
                let sessions = self.next.load(Ordering::Relaxed);
                let bytes = status(&self.server, "VmRSS") * 1_024;
                memory.push((sessions as f64, bytes as f64));
            }
        }
        memory
    }

    fn sum_up(&self, memory: &[(f64, f64)]) -> Soaked {
        let times = locked(&self.times);
        let minute = minute(self.length);
        let slope = slope(memory);
        let sessions = match memory {
            [(first, _), .., (last, _)] => last - first,
            _ => 0.0,
        };
        Soaked {
            length: self.length,
            sessions: times.len() as u64 + self.faults.load(Ordering::Relaxed),
            faults: self.faults.load(Ordering::Relaxed),
            slope: slope * 1_000.0,
            growth: slope * sessions,
            early: p99(&times, minute..2 * minute),
            late: p99(&times, self.length - minute..self.length),
        }
    }
}

/// A minute, or a third of what is shorter than three.
fn minute(length: Duration) -> Duration {
    Duration::from_secs(60).min(length / 3)
}

/// What all but one of a hundred sessions took at most that began then.
fn p99(times: &[(Duration, Duration)], when: std::ops::Range<Duration>) -> Duration {
    let then = times.iter().filter(|(begun, _)| when.contains(begun));
    let mut took: Vec<Duration> = then.map(|(_, took)| *took).collect();
    took.sort();
    took.get(took.len() * 99 / 100).copied().unwrap_or_default()
}

/// The slope of the line that lies nearest to these points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len().max(1) as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let (mut along, mut across) = (0.0, 0.0);
    for point in points {
        along += (point.0 - x) * (point.0 - x);
        across += (point.0 - x) * (point.1 - y);
    }
    if along > 0.0 { across / along } else { 0.0 }
}

/// A number in the status of the server's process.
fn status(server: &Server, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// Sockets of the server whose other side has closed, and which it has not.
fn waiting_for_close(server: &Server) -> usize {
    let process = format!("/proc/{}", server.pid());
    let held: HashSet<String> = fs::read_dir(format!("{process}/fd"))
        .into_iter()
        .flatten()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .map(|target| target.display().to_string())
        .collect();
    let tables = ["tcp", "tcp6"].map(|name| fs::read_to_string(format!("{process}/net/{name}")));
    let rows = tables.iter().flatten().flat_map(|table| table.lines());
    rows.map(|row| row.split_whitespace().collect::<Vec<_>>())
        // The state, and the inode.
        .filter(|row| row.get(3) == Some(&"08"))
        .filter(|row| held.contains(&format!("socket:[{}]", row.get(9).unwrap_or(&""))))
        .count()
}

/// What lies in the server's directory.
fn names(server: &Server) -> HashSet<std::ffi::OsString> {
    let entries = fs::read_dir(server.home()).expect("a directory");
    entries.flatten().map(|entry| entry.file_name()).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
