//! A script against the session of `wharf-smol`, in simulated time.
//!
//! What the core asks its adapter for (`A:`) is seen by its effects: by the replies, by the bytes
//! that come, by what is stored, and by what is closed.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bstr::ByteSlice;
use smol::channel::Sender;
use wharf_core::{Capabilities, Config, Failure, Grant, Rights, VPath};
use wharf_server::{Service, Settings};

use super::outside::{Bed, Outside, Wake, Way, pair};
use super::storage::{Disk, Everybody};
use super::{Task, poll};
use crate::case::Case;
use crate::client::port;
use crate::random::Random;
use crate::script::{Line, Script, number};
use crate::store::Store;

/// A second of the simulated time.
const SECOND: u64 = 1_000_000;
/// Longer than any job takes that nothing stands in the way of.
const MOMENT: u64 = SECOND / 20;
/// Longer than any reply takes that nothing stands in the way of, and shorter than any limit.
const WHILE: u64 = 20 * SECOND;
/// The port of every PORT that is not refused.
const ACTIVE: u16 = 200 << 8 | 10;
/// What no socket takes at once. It is odd, so that it is read and not left to the kernel.
const LARGE: usize = 500_001;

/// Plays a script to its end.
///
/// # Panics
/// If something else happens than it says; the message has the line.
pub fn play_on_adapter(script: &Script) {
    let mut play = Play::begin(script);
    for (index, line) in script.lines.iter().enumerate() {
        play.line = line.to_string();
        play.step(line, &script.lines[index + 1..]);
    }
    play.end();
}

/// What the command that runs shall come to.
enum Aim {
    Nothing,
    /// The bytes from there on are these.
    Download(Vec<u8>),
    Listing,
    /// The bytes that were sent stand there from that one on.
    Upload(String, usize),
    Rename(String, String),
}

struct Play<'a> {
    script: &'a str,
    line: String,
    outside: Arc<Outside>,
    disk: Arc<Disk>,
    service: Arc<Service>,
    /// Dropped when the server shall stop.
    stopper: Option<Sender<()>>,
    wake: Wake,
    /// When the session wants to be looked at.
    due: u64,
    task: Option<Task>,
    control: Option<TcpStream>,
    heard: Vec<u8>,
    codes: Vec<u16>,
    passive: Option<u16>,
    data: Option<TcpStream>,
    stranger: Option<TcpStream>,
    /// The client takes the data that there are.
    reads: bool,
    came: Vec<u8>,
    /// So many bytes the script has told of.
    told: usize,
    sent: Vec<u8>,
    /// What REST said.
    offset: usize,
    aim: Aim,
    /// Every file by its path.
    files: BTreeMap<String, Vec<u8>>,
    /// The server shall close the data connection.
    closes_data: bool,
}

/// So many letters from that one on. No ends of lines: TYPE A shall not change them.
fn letters(first: u8, count: usize) -> Vec<u8> {
    // A prime number of them, so that what is out of place is seen.
    (0..count).map(|at| first + (at % 23) as u8).collect()
}

impl<'a> Play<'a> {
    fn begin(script: &'a Script) -> Self {
        let outside = Arc::new(Outside::default());
        outside.set_now(SECOND);
        let files = BTreeMap::from([("/f".to_owned(), letters(b'a', 1_000))]);
        let mut store = Store::default();
        store.put(0, "/d", None);
        for (path, bytes) in &files {
            store.put(0, path, Some(bytes));
        }
        let random = Random::new(1);
        let disk = Disk::new(
            &Case::draw(0).calm(),
            store,
            &outside,
            random.fork("disk", 0),
            grant(script),
        );
        let mut settings = Settings::new(Arc::new(Everybody(Arc::clone(&disk))));
        settings.system = Arc::clone(&outside) as _;
        settings.protocol = Arc::new(config(script));
        settings.grace = Duration::from_secs(10);
        let service = Service::new(settings);
        let (server, control) = match pair() {
            Ok(ends) => ends,
            Err(error) => panic!("no sockets: {error}"),
        };
        let wake = Wake::default();
        let bed = Bed {
            control: server,
            outside: Arc::clone(&outside),
            wake: wake.clone(),
            random: random.fork("jobs", 0),
        };
        let (stopper, stop) = smol::channel::bounded(1);
        let peer = (Ipv4Addr::LOCALHOST, 40_000).into();
        let task = wharf_smol::serve_client(bed, peer, Arc::clone(&service), stop);
        Self {
            script: &script.name,
            line: String::new(),
            outside,
            disk,
            service,
            stopper: Some(stopper),
            wake,
            due: 0,
            task: Some(Box::pin(task)),
            control: Some(control),
            heard: Vec::new(),
            codes: Vec::new(),
            passive: None,
            data: None,
            stranger: None,
            reads: true,
            came: Vec::new(),
            told: 0,
            sent: Vec::new(),
            offset: 0,
            aim: Aim::Nothing,
            files,
            closes_data: false,
        }
    }

    fn fail(&self, problem: &str) -> ! {
        panic!(
            "{} at {:?}: {problem}, after {:?} {:?}",
            self.script,
            self.line,
            self.codes,
            self.heard.as_bstr()
        );
    }

    fn step(&mut self, line: &Line, ahead: &[Line]) {
        match &line.mark[..] {
            // The session was begun so.
            "cfg" => {}
            "C" | "C~" | "C1" => {
                self.pass(MOMENT);
                if !self.heard.is_empty() {
                    self.fail("a reply more");
                }
                self.prepare(&line.text, ahead);
                let bytes = line.bytes().unwrap_or_default();
                let single = line.mark == "C1";
                for piece in bytes.chunks(if single { 1 } else { bytes.len() }) {
                    self.send(piece);
                    if single {
                        self.pass(MOMENT);
                    }
                }
            }
            "S" | "S-" => {
                let code = self.reply();
                if !line.wants(code) {
                    self.fail("another reply");
                }
            }
            "S*" => {
                let mut wanted: Vec<u64> = line.text.split(' ').map(number).collect();
                let mut got: Vec<u64> = wanted.iter().map(|_| self.reply().into()).collect();
                wanted.sort_unstable();
                got.sort_unstable();
                if got != wanted {
                    self.fail("other replies");
                }
            }
            "E" => {
                self.event(line);
                // What fails next must not be done before.
                let next = ahead.iter().find(|line| !line.mark.starts_with('A'));
                if next
                    .and_then(Line::event)
                    .is_none_or(|(event, _)| event != "fs-err")
                {
                    self.pass(MOMENT);
                }
            }
            "A" if line.text == "close" => self.ends(),
            // One that no preliminary reply has spoken of waits for the next command.
            "A" if line.text == "data-close" => {
                self.closes_data |= self.codes.iter().any(|code| *code < 200);
            }
            "A!" if line.text == "reply-226" && self.codes.contains(&226) => self.fail("a 226"),
            "A!" if line.text.contains("connect") && self.outside.take_dialed(ACTIVE).is_some() => {
                self.fail("the server connected");
            }
            "A" | "A!" => {}
            _ => self.fail("no such mark"),
        }
    }

    /// What a command shall come to, and what it shall find.
    fn prepare(&mut self, command: &str, ahead: &[Line]) {
        let (verb, argument) = command.split_once(' ').unwrap_or((command, ""));
        let path = format!("/{argument}");
        match verb {
            "REST" => self.offset = number(argument) as usize,
            "PORT" => {
                let refuses = |line: &Line| line.event() == Some(("data-refused", ""));
                let refused = ahead.iter().any(refuses).then_some(ACTIVE);
                self.outside.refuse(refused);
            }
            "RETR" => {
                let offset = std::mem::take(&mut self.offset);
                self.furnish(&path, offset, ahead);
                let file = self.files.get(&path).map_or(&[][..], |file| file);
                let rest = file.get(offset..).unwrap_or_default();
                self.aim_at(Aim::Download(rest.to_vec()));
            }
            "LIST" => self.aim_at(Aim::Listing),
            "STOR" => {
                let offset = std::mem::take(&mut self.offset);
                self.aim_at(Aim::Upload(path, offset));
            }
            "RNFR" => self.aim = Aim::Rename(path, String::new()),
            "RNTO" => {
                if let Aim::Rename(_, to) = &mut self.aim {
                    *to = path;
                }
            }
            _ => {}
        }
    }

    fn aim_at(&mut self, aim: Aim) {
        self.aim = aim;
        self.came.clear();
        self.told = 0;
        self.sent.clear();
    }

    /// A file that is as the script tells of this download.
    fn furnish(&mut self, path: &str, offset: usize, ahead: &[Line]) {
        let answer = ahead.iter().position(|line| line.mark == "S");
        let lines = &ahead[..answer.unwrap_or(ahead.len())];
        let told = |line: &Line| Some(line.event()?.1.strip_prefix("size=").map(number)? as usize);
        let Some(size) = lines.iter().find_map(told) else {
            return;
        };
        let begun = lines.iter().position(|line| line.mark == "S-");
        let sending = begun.map_or(&[][..], |at| &lines[at + 1..]);
        let moved: u64 = sending
            .iter()
            .filter_map(Line::event)
            .filter(|(event, _)| *event == "fs-data")
            .map(|(_, count)| number(count))
            .sum();
        let is_plain = |line: &Line| match line.event() {
            Some((event, _)) => ["fs-data", "fs-eof"].contains(&event),
            None => line.mark.starts_with('A'),
        };
        let is_cut = offset + (moved as usize) < size && sending.iter().any(ends);
        // What happens meanwhile finds it on its way.
        let is_held = is_cut || !sending.iter().all(is_plain);
        let bytes = letters(b'a', if is_held { LARGE } else { size });
        self.disk.ends_at_next_read.store(false, Ordering::Relaxed);
        self.disk
            .store()
            .put(self.outside.now(), path, Some(&bytes));
        self.files.insert(path.to_owned(), bytes);
        // It ends where the script says that it does.
        if is_cut {
            self.reads = false;
        }
    }

    fn event(&mut self, line: &Line) {
        let (event, argument) = line.event().unwrap_or_default();
        match event {
            "data-open" => self.connect(),
            "data-open-from" => {
                let from: Option<IpAddr> = argument.parse().ok();
                let (port, from) = (self.passive.unwrap_or(0), from.unwrap_or(OUR_ADDRESS));
                self.stranger = self.outside.connect_from(from, port).ok();
                self.wake.touch(Way::Data);
            }
            "data-bytes" => {
                let bytes = letters(b'A', number(argument) as usize);
                self.sent.extend_from_slice(&bytes);
                let wrote = self.data().write_all(&bytes);
                if let Err(error) = wrote {
                    self.fail(&format!("no data can be sent: {error}"));
                }
                self.wake.touch(Way::Data);
            }
            "data-eof" => {
                let _ = self.data().shutdown(Shutdown::Write);
                self.wake.touch(Way::Data);
            }
            "data-reset" => {
                self.data = None;
                self.wake.touch(Way::Data);
            }
            "data-blocked" => self.reads = false,
            "fs-data" => {
                self.told += number(argument) as usize;
                self.receive(Some(self.told));
            }
            "fs-eof" => {
                if !std::mem::replace(&mut self.reads, true) {
                    self.disk.ends_at_next_read.store(true, Ordering::Relaxed);
                }
                self.receive(None);
            }
            "fs-err" => match argument {
                "ENOENT" => self.disk.doom(Failure::NotFound),
                "ENOSPC" => self.disk.doom(Failure::NoSpace),
                "EIO" => self.disk.doom(Failure::Io),
                // It stands there already.
                "EISDIR" => {}
                _ => self.fail("no such failure"),
            },
            "ctrl-reset" => {
                self.control = None;
                self.wake.touch(Way::Control);
            }
            "shutdown" => {
                self.service.stop();
                self.stopper = None;
            }
            "time" => {
                let time = number(argument.trim_start_matches('+')) * SECOND;
                self.pass(time * 4 / 5);
                if !self.heard.is_empty() {
                    self.fail("a reply too early");
                }
                self.pass(time / 5);
            }
            "expect-close-by-policy" => self.ends(),
            // These have been arranged.
            "data-refused" | "fs-ok" | "fs-exists" => {}
            _ => self.fail("no such event"),
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        let sent = self
            .control
            .as_mut()
            .map(|control| control.write_all(bytes));
        if !matches!(sent, Some(Ok(()))) {
            self.fail("the connection is gone");
        }
        self.wake.touch(Way::Control);
    }

    /// Lets time pass; the session does what it can.
    fn pass(&mut self, time: u64) {
        let until = self.outside.now() + time;
        while self.go_on() {
            if self.due > until {
                break;
            }
            self.outside.set_now(self.due.max(self.outside.now()));
        }
        self.outside.set_now(until);
        self.go_on();
    }

    /// Lets the session run until it sleeps: whether it will wake by itself, and when.
    fn go_on(&mut self) -> bool {
        for _ in 0..10_000 {
            let Some(task) = &mut self.task else {
                self.hear();
                return false;
            };
            let (is_over, wants_more) = poll(task);
            if is_over {
                self.task = None;
            }
            let heard = self.hear();
            if heard && self.wake.take_blocked() {
                self.wake.touch(Way::Control);
            } else if !wants_more && !is_over {
                self.due = self.wake.take().unwrap_or(u64::MAX);
                return true;
            }
        }
        self.fail("the session does not sleep");
    }

    /// Takes what the server says: whether it said something.
    fn hear(&mut self) -> bool {
        let before = self.heard.len();
        if let Some(control) = &mut self.control {
            // Until there is no more for now.
            let _ = control.read_to_end(&mut self.heard);
        }
        self.heard.len() > before
    }

    /// Takes the data that are there: whether they have ended.
    fn take_data(&mut self) -> bool {
        let Some(data) = &mut self.data else {
            return true;
        };
        let ended = data.read_to_end(&mut self.came);
        self.wake.touch(Way::Data);
        !ended.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Takes data until there are so many, or to their end.
    fn receive(&mut self, wanted: Option<usize>) {
        let patience = self.outside.now() + WHILE;
        loop {
            let ended = self.take_data();
            if wanted.map_or(ended, |wanted| self.came.len() >= wanted) {
                break;
            }
            if ended || self.outside.now() > patience {
                self.fail("no more data come");
            }
            self.pass(MOMENT);
        }
        if let Aim::Download(wanted) = &self.aim
            && !wanted.starts_with(&self.came)
        {
            self.fail("other bytes came");
        }
    }

    fn connect(&mut self) {
        self.pass(MOMENT);
        let dialed = self.outside.take_dialed(ACTIVE);
        let passive = || self.outside.connect(self.passive?).ok();
        self.data = dialed.or_else(passive);
        self.wake.touch(Way::Data);
    }

    fn data(&mut self) -> &mut TcpStream {
        if self.data.is_none() {
            self.fail("there is no data connection");
        }
        match &mut self.data {
            Some(data) => data,
            None => unreachable!("it was looked for"),
        }
    }

    /// The code of the next reply.
    fn reply(&mut self) -> u16 {
        let patience = self.outside.now() + WHILE;
        loop {
            self.pass(MOMENT);
            if let Some(code) = self.take_reply() {
                self.codes.push(code);
                self.judge(code);
                return code;
            }
            if self.outside.now() > patience {
                self.fail("no reply");
            }
            if self.reads && matches!(self.aim, Aim::Download(_) | Aim::Listing) {
                self.take_data();
            }
        }
    }

    fn take_reply(&mut self) -> Option<u16> {
        let mut end = 0;
        for line in self.heard.lines_with_terminator() {
            end += line.len();
            if line.get(3) == Some(&b' ') && line[0].is_ascii_digit() && line.ends_with(b"\n") {
                let code = line[..3].to_str().ok()?.parse().ok();
                if let Some(227 | 229) = code {
                    self.passive = port(line);
                }
                self.heard.drain(..end);
                return code;
            }
        }
        None
    }

    /// What a reply says has been done is done.
    fn judge(&mut self, code: u16) {
        match (code, std::mem::replace(&mut self.aim, Aim::Nothing)) {
            (226, Aim::Download(wanted)) if self.came != wanted => self.fail("not all came"),
            (226, Aim::Upload(path, offset)) => {
                let file = self.files.entry(path).or_default();
                let end = offset + self.sent.len();
                file.truncate(if offset == 0 { 0 } else { file.len() });
                file.resize(file.len().max(end), 0);
                file[offset..end].copy_from_slice(&self.sent);
                self.is_stored();
            }
            (250, Aim::Rename(from, to)) => {
                let file = self.files.remove(&from).unwrap_or_default();
                self.files.insert(to, file);
                self.is_stored();
            }
            (226 | 400.., _) => {}
            (_, aim) => self.aim = aim,
        }
    }

    /// Exactly the files that the replies have spoken of are stored.
    fn is_stored(&self) {
        let store = self.disk.store();
        let stored: BTreeMap<String, Vec<u8>> = store
            .all()
            .filter_map(|(path, bytes)| Some((path.to_string(), bytes?.to_vec())))
            .collect();
        if stored != self.files {
            let names = |files: &BTreeMap<String, Vec<u8>>| -> Vec<_> {
                files
                    .iter()
                    .map(|(name, file)| (name.clone(), file.len()))
                    .collect()
            };
            self.fail(&format!(
                "{:?} is stored, not {:?}",
                names(&stored),
                names(&self.files)
            ));
        }
    }

    /// The session is over, and the connection closed without a word more.
    fn ends(&mut self) {
        self.pass(MOMENT);
        if self.task.is_some() || !self.heard.is_empty() {
            self.fail("the session goes on");
        }
        self.control = None;
    }

    fn end(mut self) {
        self.line = "the end".into();
        self.pass(MOMENT);
        // Some scripts end when the file is opened: here that is seen when it comes.
        if let Aim::Download(_) = self.aim {
            if self.reply() != 150 {
                self.fail("no 150");
            }
            self.receive(None);
            if self.reply() != 226 {
                self.fail("no 226");
            }
        }
        if !self.heard.is_empty() {
            self.fail("a reply more");
        }
        if self.closes_data && !self.take_data() {
            self.fail("the data connection goes on");
        }
        if let Some(stranger) = &mut self.stranger {
            let mut bytes = Vec::new();
            let closed = stranger.read_to_end(&mut bytes).is_ok();
            if !closed || !bytes.is_empty() {
                self.fail("the stranger was served");
            }
        }
        self.is_stored();
        if let Some(221 | 421) = self.codes.last() {
            self.ends();
        }
        // And without its client it ends, with all that it has open.
        self.control = None;
        self.data = None;
        self.wake.touch(Way::Control);
        self.wake.touch(Way::Data);
        self.pass(1_000 * SECOND);
        if self.task.is_some() || self.disk.store().open > 0 {
            self.fail("the session goes on without its client");
        }
    }
}

const OUR_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn ends(line: &Line) -> bool {
    line.event() == Some(("fs-eof", ""))
}

fn grant(script: &Script) -> Grant {
    let allows = |key| script.setting(key) != Some(0);
    let mut rights = Rights::LIST | Rights::READ | Rights::RENAME | Rights::MKDIR;
    if allows("write") {
        rights |= Rights::WRITE;
    }
    if allows("write") && allows("overwrite") {
        rights |= Rights::OVERWRITE;
    }
    if allows("delete") {
        rights |= Rights::DELETE;
    }
    Grant {
        rights,
        capabilities: Capabilities::ALL,
        start: VPath::root(),
    }
}

fn config(script: &Script) -> Config {
    let mut config = Config::default();
    let limits = &mut config.limits;
    let seconds = |key| script.setting(key).map(Duration::from_secs);
    limits.idle = seconds("idle_timeout").unwrap_or(limits.idle);
    limits.stall = seconds("data_stall_timeout").unwrap_or(limits.stall);
    limits.connect = seconds("data_connect_timeout").unwrap_or(limits.connect);
    let tries = script.setting("max_login_failures");
    limits.login_tries = tries.map_or(limits.login_tries, |tries| tries as u32);
    config
}
