//! A script against the session of `wharf-smol`, in simulated time.
//!
//! What the core asks its adapter for (`A:`) is seen by its effects: by the replies, by the bytes
//! that come, by what is stored, and by what is closed.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bstr::ByteSlice;
use wharf_core::{Capabilities, Config, Failure, Grant, Protection, Rights};
use wharf_model::Store;
use wharf_script::{Line, Script, Told, letters, number};

use super::stage::{MOMENT, SECOND, Stage};

/// Longer than any reply takes that nothing stands in the way of, and shorter than any limit.
const WHILE: u64 = 20 * SECOND;
/// More than sockets and what is read ahead hold together. It is odd, so that it is read and not left to the kernel.
const LARGE: usize = 3_000_001;

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
    /// Where the script is.
    line: String,
    stage: Stage,
    codes: Vec<u16>,
    stranger: Option<TcpStream>,
    /// The client takes the data that there are.
    reads: bool,
    /// Of a download the script has told of so many bytes.
    told: usize,
    /// Of an upload these bytes are sent.
    sent: Vec<u8>,
    /// What REST said.
    offset: usize,
    aim: Aim,
    /// Every file by its path.
    files: BTreeMap<String, Vec<u8>>,
    /// The server shall close the data connection.
    closes_data: bool,
}

impl<'a> Play<'a> {
    /// Each script begins with a file `f` and an empty directory `d`.
    fn begin(script: &'a Script) -> Self {
        let files = BTreeMap::from([("/f".to_owned(), letters(b'a', 1_000))]);
        let mut store = Store::default();
        store.put(0, "/d", None);
        for (path, bytes) in &files {
            store.put(0, path, Some(bytes));
        }
        let hangs = script.lines.iter().any(|line| line.is_event("fs-hang"));
        Self {
            script: &script.name,
            line: String::new(),
            stage: Stage::new(store, grant(script), config(script), hangs),
            codes: Vec::new(),
            stranger: None,
            reads: true,
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
            self.stage.heard.as_bstr()
        );
    }

    fn step(&mut self, line: &Line, ahead: &[Line]) {
        match &line.mark[..] {
            // The session was begun so.
            "cfg" => {}
            "C" | "C~" | "C1" => {
                self.stage.pass(MOMENT);
                if !self.stage.heard.is_empty() {
                    self.fail("a reply more");
                }
                self.prepare(&line.text, ahead);
                let pieces = line.pieces().unwrap_or_default();
                for piece in &pieces {
                    if !self.stage.send(piece) {
                        self.fail("the connection is gone");
                    }
                    if pieces.len() > 1 {
                        self.stage.pass(MOMENT);
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
                let codes: Vec<u16> = line.text.split(' ').map(|_| self.reply()).collect();
                if !line.wants_all(&codes) {
                    self.fail("other replies");
                }
            }
            "E" => {
                self.event(line);
                // What fails next must not be done before.
                let next = ahead.iter().find(|line| !line.mark.starts_with('A'));
                if !next.is_some_and(|line| line.is_event("fs-err")) {
                    self.stage.pass(MOMENT);
                }
            }
            "A" if line.text == "close" => self.ends(),
            // One that no preliminary reply has spoken of waits for the next command.
            "A" if line.text == "data-close" => {
                self.closes_data |= self.codes.iter().any(|code| *code < 200);
            }
            // What came behind AUTH is no handshake.
            "A" if line.text == "start-tls" && self.stage.shake() => self.fail("TLS begins"),
            "A!" if line.text == "reply-226" && self.codes.contains(&226) => self.fail("a 226"),
            "A!" if line.text.contains("connect") && self.stage.dialed().is_some() => {
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
            "REST" => self.offset = number(argument),
            "PORT" if ahead.iter().any(|line| line.is_event("data-refused")) => {
                self.stage.refuse();
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
        self.stage.came.clear();
        self.told = 0;
        self.sent.clear();
    }

    /// A file that is as the script tells of this download.
    fn furnish(&mut self, path: &str, offset: usize, ahead: &[Line]) {
        let told = Told::by(ahead, offset);
        let Some(size) = told.size else {
            return;
        };
        // What happens meanwhile finds it on its way.
        let bytes = letters(b'a', if told.is_held { LARGE } else { size });
        self.stage
            .disk
            .ends_at_next_read
            .store(false, Ordering::Relaxed);
        self.stage
            .disk
            .store()
            .put(self.stage.now(), path, Some(&bytes));
        self.files.insert(path.to_owned(), bytes);
        // It ends where the script says that it does.
        if told.cut.is_some() {
            self.reads = false;
        }
    }

    fn event(&mut self, line: &Line) {
        let (event, argument) = line.event().unwrap_or_default();
        match event {
            "data-open" => {
                self.stage.pass(MOMENT);
                self.stage.open_data();
            }
            "data-open-from" => {
                let Ok(from) = argument.parse() else {
                    self.fail("no address");
                };
                self.stranger = self.stage.intrude(from);
            }
            "data-bytes" => {
                let bytes = letters(b'A', number(argument));
                if !self.stage.send_data(&bytes) {
                    self.fail("no data can be sent");
                }
                self.sent.extend_from_slice(&bytes);
            }
            "data-eof" => self.stage.end_data(),
            "data-reset" => self.stage.drop_data(),
            "data-blocked" => self.reads = false,
            "fs-data" => {
                self.told += number::<usize>(argument);
                self.receive(Some(self.told));
            }
            "fs-eof" => {
                if !std::mem::replace(&mut self.reads, true) {
                    self.stage
                        .disk
                        .ends_at_next_read
                        .store(true, Ordering::Relaxed);
                }
                self.receive(None);
            }
            "fs-err" => match argument {
                "ENOENT" => self.stage.disk.doom(Failure::NotFound),
                "ENOSPC" => self.stage.disk.doom(Failure::NoSpace),
                "EIO" => self.stage.disk.doom(Failure::Io),
                // It stands there already.
                "EISDIR" => {}
                _ => self.fail("no such failure"),
            },
            "tls-up" => {
                if !self.stage.shake() {
                    self.fail("no TLS");
                }
            }
            "fs-hang" => self.stage.hang(),
            "ctrl-reset" => self.stage.hang_up(),
            "shutdown" => self.stage.stop(),
            "time" => {
                let time = number::<u64>(argument.trim_start_matches('+')) * SECOND;
                self.stage.pass(time * 4 / 5);
                if !self.stage.heard.is_empty() {
                    self.fail("a reply too early");
                }
                self.stage.pass(time / 5);
            }
            "expect-close-by-policy" => self.ends(),
            // These have been arranged.
            "data-refused" | "fs-ok" | "fs-exists" => {}
            _ => self.fail("no such event"),
        }
    }

    /// Takes data until there are so many, or to their end.
    fn receive(&mut self, wanted: Option<usize>) {
        let patience = self.stage.now() + WHILE;
        loop {
            let ended = self.stage.take_data();
            if wanted.map_or(ended, |wanted| self.stage.came.len() >= wanted) {
                break;
            }
            if ended || self.stage.now() > patience {
                self.fail("no more data come");
            }
            self.stage.pass(MOMENT);
        }
        if let Aim::Download(wanted) = &self.aim
            && !wanted.starts_with(&self.stage.came)
        {
            self.fail("other bytes came");
        }
    }

    /// The code of the next reply.
    fn reply(&mut self) -> u16 {
        let patience = self.stage.now() + WHILE;
        loop {
            self.stage.pass(MOMENT);
            if let Some(code) = self.stage.take_reply() {
                self.codes.push(code);
                self.judge(code);
                return code;
            }
            if self.stage.now() > patience {
                self.fail("no reply");
            }
            if self.reads && matches!(self.aim, Aim::Download(_) | Aim::Listing) {
                self.stage.take_data();
            }
        }
    }

    /// What a reply says has been done is done.
    fn judge(&mut self, code: u16) {
        match (code, std::mem::replace(&mut self.aim, Aim::Nothing)) {
            (226, Aim::Download(wanted)) if self.stage.came != wanted => self.fail("not all came"),
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
        let store = self.stage.disk.store();
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
        self.stage.pass(MOMENT);
        if !self.stage.is_over() || !self.stage.heard.is_empty() {
            self.fail("the session goes on");
        }
    }

    fn end(mut self) {
        self.line = "the end".into();
        self.stage.pass(MOMENT);
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
        if !self.stage.heard.is_empty() {
            self.fail("a reply more");
        }
        if self.closes_data && !self.stage.take_data() {
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
        self.stage.hang_up();
        self.stage.drop_data();
        self.stage.pass(1_000 * SECOND);
        if !self.stage.is_over() {
            self.fail("the session goes on without its client");
        }
        // What hung does nothing more when it comes back.
        self.stage.come_back();
        self.is_stored();
        if self.stage.disk.store().open > 0 {
            self.fail("something stays open");
        }
    }
}

fn grant(script: &Script) -> Grant {
    let allows = |key| script.setting(key) != Some("0");
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
    Grant::new(rights, Capabilities::ALL)
}

fn config(script: &Script) -> Config {
    let mut config = Config::default();
    let limits = &mut config.limits;
    let seconds = |key| {
        let value = script.setting(key)?;
        Some(Duration::from_secs(number(value)))
    };
    limits.idle = seconds("idle_timeout").unwrap_or(limits.idle);
    limits.stall = seconds("data_stall_timeout").unwrap_or(limits.stall);
    limits.connect = seconds("data_connect_timeout").unwrap_or(limits.connect);
    let tries = script.setting("max_login_failures").map(number);
    limits.login_tries = tries.unwrap_or(limits.login_tries);
    let protection = |key, or| match script.setting(key) {
        Some("required") => Protection::Required,
        Some(_) => Protection::Offered,
        None => or,
    };
    config.tls.control = protection("tls", Protection::Off);
    config.tls.data = protection("data_tls", config.tls.control.min(Protection::Offered));
    config
}
