//! The scripts of `tests/corpora/sessions`, played on the core.

use std::time::Duration;

use wharf_core::{Protection, Rights};
use wharf_script::{Line, Script, number};

use crate::common::script::take_reply;
use crate::common::{self, Peer, Scene};

/// Sessions that wait for what is not there yet.
const SKIPPED: [(&str, &str); 5] = [
    ("s3-bucket-wall", "needs an object store"),
    ("s3-complete-unknown", "needs an object store"),
    ("s3-upload", "needs an object store"),
    ("s3-upload-abort", "needs an object store"),
    (
        "pasv-wrong-peer",
        "the adapter drops strangers; the core names whom to accept",
    ),
];

#[test]
fn every_script_is_played() {
    let scripts = Script::all().unwrap();
    let mut played = 0;
    for script in &scripts {
        if let Some((name, reason)) = SKIPPED.iter().find(|(name, _)| *name == script.name) {
            println!("{name} is not played: {reason}");
            continue;
        }
        Play::begin(script).play(script);
        played += 1;
    }
    assert_eq!((scripts.len(), played), (73, 73 - SKIPPED.len()));
}

/// One scripted session: see the README of the corpora.
struct Play {
    name: String,
    peer: Peer,
    /// Everything that was asked for.
    log: Vec<String>,
    /// The codes of all replies.
    codes: Vec<u16>,
    /// A data connection can be had.
    data: bool,
    moved: u64,
    line: String,
}

impl Play {
    fn begin(script: &Script) -> Self {
        Self {
            name: script.name.clone(),
            peer: Peer::new(&scene(script)),
            log: Vec::new(),
            codes: Vec::new(),
            data: false,
            moved: 0,
            line: String::new(),
        }
    }

    fn play(mut self, script: &Script) {
        for line in &script.lines {
            self.line = line.to_string();
            self.step(line);
        }
        self.pump();
        if !self.peer.replies.is_empty() {
            self.fail("a reply more");
        }
    }

    fn fail(&self, problem: &str) -> ! {
        let replies = common::peer::shown(&self.peer.replies);
        panic!(
            "{}: at {:?}: {problem}\nlog: {:?}\n{replies}",
            self.name, self.line, self.log
        );
    }

    fn step(&mut self, line: &Line) {
        let text = &line.text;
        match &line.mark[..] {
            // The session was begun so.
            "cfg" => {}
            "C" | "C1" | "C~" => line
                .pieces()
                .iter()
                .flatten()
                .for_each(|piece| self.send(piece)),
            "S" | "S-" => {
                let code = self.reply();
                if !line.wants(code) {
                    self.fail(&format!("got {code}"));
                }
            }
            "S*" => {
                let codes: Vec<u16> = text.split(' ').map(|_| self.reply()).collect();
                if !line.wants_all(&codes) {
                    self.fail(&format!("got {codes:?}"));
                }
            }
            "E" => self.event(line.event().unwrap_or_default()),
            "A" => {
                // A failed open never touches the data connection (C2).
                let exempt = self.name == "retr-dir" && text == "data-close";
                while !exempt && !self.happened(text) {
                    match self.request().split(' ').next() {
                        Some("stat" | "open" | "finish") => self.oblige(""),
                        _ => self.fail("did not happen"),
                    }
                }
            }
            "A!" => {
                for word in text.split(' ') {
                    if self.happened(word) {
                        self.fail(&format!("{word} happened"));
                    }
                }
            }
            _ => self.fail("no such mark"),
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.pump();
        if !self.peer.replies.is_empty() {
            self.fail("a reply more");
        }
        self.peer.send(bytes);
        self.pump();
    }

    /// Does what no script tells of.
    fn pump(&mut self) {
        loop {
            self.peer.exchange();
            if let Some(action) = self.peer.poll() {
                if action == "cancel" {
                    self.cancel();
                }
                self.log.push(action);
                continue;
            }
            let request = self.request();
            let answer = match request.split(' ').next().unwrap_or_default() {
                "login" if [&b"wrong"[..], b"bad"].contains(&self.peer.session.password()) => {
                    "denied"
                }
                "identify" => "password",
                "login" | "close-data" => "ok",
                "listen" => "127.0.0.1:51210",
                "accept" | "dial" if self.data => "ok",
                _ => return,
            };
            self.peer.answer(answer);
        }
    }

    fn request(&self) -> String {
        match &self.peer.request {
            Some(request) => common::peer::describe(request, &self.peer.session),
            None => String::new(),
        }
    }

    fn cancel(&mut self) {
        match self.request().split(' ').next() {
            Some("send" | "receive" | "list") => self.end("cancelled"),
            _ => self.peer.answer("Cancelled"),
        }
    }

    /// Ends the data of a transfer.
    fn end(&mut self, how: &str) {
        self.peer.answer(&format!("moved {} {how}", self.moved));
        (self.data, self.moved) = (false, 0);
    }

    fn reply(&mut self) -> u16 {
        loop {
            self.pump();
            if let Some(reply) = take_reply(&mut self.peer.replies) {
                let code = number(&String::from_utf8_lossy(&reply[..3]));
                self.codes.push(code);
                return code;
            }
            // What a script does not tell of succeeds.
            match self.request().split(' ').next() {
                Some("stat" | "open" | "finish" | "rename" | "report") => self.oblige(""),
                Some("accept" | "dial") => {
                    self.data = true;
                }
                _ => self.fail("no reply"),
            }
        }
    }

    /// The request that is out succeeds.
    fn oblige(&mut self, size: &str) {
        let request = self.request();
        let answer = match common::embedder::obliging(&request) {
            "opened 5" => format!("opened {size}").trim_end().to_owned(),
            "NotFound" => "file 5".to_owned(),
            answer => answer.to_owned(),
        };
        self.peer.answer(&answer);
    }

    fn event(&mut self, (event, argument): (&str, &str)) {
        self.pump();
        let now = self.peer.now;
        let is_moving = ["send", "receive", "list"]
            .iter()
            .any(|flow| self.request().starts_with(flow));
        match event {
            "data-open" => self.data = true,
            "tls-up" => self.peer.answer("ok"),
            "data-refused" => self.peer.answer("Refused"),
            // What is not answered is not answered.
            "data-blocked" | "fs-entry-gone" | "fs-hang" => {}
            "data-bytes" | "fs-data" => {
                self.moved += number::<u64>(argument);
                self.peer.session.progress(now, self.moved);
            }
            "data-eof" | "fs-eof" => self.end("clean"),
            "data-reset" => self.end("reset"),
            "fs-ok" => self.oblige(argument.trim_start_matches("size=")),
            "fs-exists" => self.peer.answer("Exists"),
            "fs-err" => {
                let failure = match argument {
                    "ENOENT" => "NotFound",
                    "EISDIR" => "IsADirectory",
                    "ENOSPC" => "NoSpace",
                    _ => "Io",
                };
                if is_moving {
                    self.end(failure);
                } else {
                    self.peer.answer(failure);
                }
            }
            "ctrl-reset" => self.peer.session.lost(now),
            "shutdown" => {
                let grace = Duration::from_secs(number(argument.trim_start_matches("grace=")));
                self.peer.session.shutdown(now, grace);
            }
            "time" => {
                let seconds = number(argument.trim_start_matches('+'));
                self.peer.wait(Duration::from_secs(seconds));
            }
            "expect-close-by-policy" => {
                if !self.happened("close") {
                    self.fail("the session goes on");
                }
            }
            _ => self.fail("no such event"),
        }
        self.pump();
    }

    /// Whether an action of the script's words is in the log.
    fn happened(&mut self, words: &str) -> bool {
        self.pump();
        let (word, rest) = common::peer::split(words);
        let (path, rest) = common::peer::split(rest);
        let offset = rest.trim_start_matches("off=").trim_end_matches(" temp");
        let wanted = match word {
            "open-read" if path.is_empty() => " read@".to_owned(),
            "open-read" => format!("open {path} read@{offset}"),
            "open-write" if path.is_empty() => " write@".to_owned(),
            "open-write" => format!("open {path} write@{offset}"),
            "read-dir" => " entries".to_owned(),
            "rename" if path.is_empty() => "rename".to_owned(),
            "rename" => format!("rename {path} -> {rest}"),
            "unlink" => "delete".to_owned(),
            "connect" => format!("dial {path}"),
            "fs-commit" => "finish commit".to_owned(),
            "fs-abort" => "finish abandon".to_owned(),
            "fs-close" => "finish".to_owned(),
            "data-close" => "close-data".to_owned(),
            "close" => "disconnect".to_owned(),
            // The second Listen replaces the first.
            "unlisten" => "listen".to_owned(),
            // How bytes are moved is the adapter's business.
            "fs-write" => "receive".to_owned(),
            "listen" | "stat" | "mkdir" | "rmdir" | "start-tls" => word.to_owned(),
            "login-user" | "check-password" => "login".to_owned(),
            "reply-226" => return self.codes.contains(&226),
            _ => self.fail("no such action"),
        };
        self.log.iter().any(|action| action.contains(&wanted))
    }
}

/// What the session is begun with.
fn scene(script: &Script) -> Scene {
    let mut scene = Scene::new().limits(|limits| limits.login_delay = Duration::ZERO);
    let mut denied = Rights::NONE;
    let limits = &mut scene.config.limits;
    let tls = &mut scene.config.tls;
    for (key, value) in script.settings() {
        let protection = match value {
            "required" => Protection::Required,
            _ => Protection::Offered,
        };
        let seconds = || Duration::from_secs(number(value));
        match (key, value) {
            ("write" | "delete" | "overwrite", "1") => {}
            ("write", _) => denied |= Rights::WRITE | Rights::OVERWRITE,
            ("delete", _) => denied |= Rights::DELETE,
            ("overwrite", _) => denied |= Rights::OVERWRITE,
            ("idle_timeout", _) => limits.idle = seconds(),
            ("data_stall_timeout", _) => limits.stall = seconds(),
            ("data_connect_timeout", _) => limits.connect = seconds(),
            ("max_login_failures", _) => limits.login_tries = number(value),
            ("tls", _) => (tls.control, tls.data) = (protection, tls.data.max(Protection::Offered)),
            ("data_tls", _) => tls.data = protection,
            _ => panic!("{}: no such setting: {key}", script.name),
        }
    }
    let granted = common::all_rights().filter(|right| !denied.contains(*right));
    scene.rights(granted.fold(Rights::NONE, |set, right| set | right))
}
