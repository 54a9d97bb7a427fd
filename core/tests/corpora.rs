//! The data of `tests/corpora`: arguments, addresses, paths, scripted sessions.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use wharf_core::check;
use wharf_core::command::Verb;
use wharf_core::{Protection, Rights, VPath};

use crate::common::codes::Codes;
use crate::common::peer::number;
use crate::common::script::take_reply;
use crate::common::{self, Peer, Scene, unescape};

fn corpora() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpora")
}

fn read(name: &str) -> String {
    let path = corpora().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of a table, without its remarks and its header.
pub(crate) fn rows(name: &str) -> Vec<Vec<String>> {
    let rows = |text: String| -> Vec<Vec<String>> {
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .skip(1)
            .map(|line| line.split('\t').map(str::to_owned).collect())
            .collect()
    };
    let rows = rows(read(name));
    assert!(rows.len() > 30, "{name} has {} rows", rows.len());
    rows
}

/// The codes that are named in a text.
fn codes(text: &str) -> Vec<String> {
    text.split(|letter: char| !letter.is_ascii_digit())
        .filter(|word| word.len() == 3)
        .map(str::to_owned)
        .collect()
}

/// Sends a line, obliges the session, and tells the code of the one reply.
fn code_of(peer: &mut Peer, verb: &str, argument: &str) -> String {
    let mut line = verb.as_bytes().to_vec();
    if !argument.is_empty() {
        line.push(b' ');
        line.extend_from_slice(&unescape(argument));
    }
    line.extend_from_slice(b"\r\n");
    let whole = line.len();
    common::embedder::converse(peer, &line, || whole, |_| {});
    let reply = take_reply(&mut peer.replies);
    assert!(
        peer.replies.is_empty(),
        "{verb} {argument}: more than one reply"
    );
    let reply = reply.unwrap_or_else(|| panic!("{verb} {argument}: no reply"));
    String::from_utf8_lossy(&reply[..3]).into_owned()
}

#[test]
fn arguments() {
    for row in rows("arguments.tsv") {
        let [verb, argument, want] = &row[..] else {
            panic!("{row:?}");
        };
        let wanted = match verb.as_str() {
            // It is not offered.
            "RANG" => codes("502"),
            _ => codes(want),
        };
        let mut peer = match verb.as_str() {
            "PBSZ" | "PROT" => protected(),
            _ => common::logged_in(""),
        };
        let code = code_of(&mut peer, verb, argument);
        assert!(
            wanted.contains(&code),
            "{verb} {argument}: {code}, not {want}"
        );
    }
}

/// Behind AUTH and PBSZ.
fn protected() -> Peer {
    let scene = Scene::new().config(|config| {
        config.tls.control = Protection::Offered;
        config.tls.data = Protection::Offered;
    });
    scene.play(
        "S: 220
         C: AUTH TLS
         S: 234
         A: start-tls
         E: ok
         C: PBSZ 0
         S: 200",
    )
}

#[test]
fn addresses() {
    for row in rows("hostport.tsv") {
        let [verb, argument, want, _] = &row[..] else {
            panic!("{row:?}");
        };
        let scene = match want.starts_with('[') {
            true => Scene::new().address("::1"),
            false => Scene::new(),
        };
        let mut peer = scene.logged_in("");
        let code = code_of(&mut peer, verb, argument);
        let refused = code.starts_with('5');
        let right = if let Ok(address) = want.parse::<std::net::SocketAddr>() {
            peer.send(b"LIST\r\n");
            peer.poll();
            peer.answer("opened");
            code == "200" && peer.poll() == Some(format!("dial {address}"))
        } else if want.starts_with("BAD") || want.starts_with("DENY") {
            refused
        } else if want.starts_with(|letter: char| letter.is_ascii_digit()) && verb == "EPSV" {
            codes(want).contains(&code)
        } else {
            // Where there is a choice, it must be safe: nobody but the client is called.
            refused || code == "522" || code == "200"
        };
        assert!(right, "{verb} {argument}: {code}, not {want}");
        if refused && verb != "EPSV" {
            assert_eq!(code_of(&mut peer, "LIST", ""), "425", "{verb} {argument}");
        }
    }
}

#[test]
fn paths() {
    for row in rows("paths.tsv") {
        let [cwd, argument, want, _] = &row[..] else {
            panic!("{row:?}");
        };
        let cwd = VPath::resolve(&VPath::root(), &unescape(cwd)).unwrap();
        let path = VPath::resolve(&cwd, &unescape(argument));
        let path = path.as_ref().map(|path| path.as_bytes().to_vec());
        let right = match want.as_str() {
            "REJECT" => path.is_err(),
            // What a name points to is the storage's business; here it is only a name.
            "ADAPTER" => path == Ok([b"/d/", argument.as_bytes()].concat()),
            "REJECT or as is" => {
                path.is_err() || path == Ok([b"/d/", argument.as_bytes()].concat())
            }
            want => {
                let (want, or_reject) = match want.strip_suffix(" or REJECT") {
                    Some(want) => (want, true),
                    None => (want, false),
                };
                path == Ok(unescape(want)) || (or_reject && path.is_err())
            }
        };
        assert!(right, "{argument}: {path:?}, not {want}");
    }
}

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

/// What the watch bears beyond the table: a storage that fails for a moment, has no room or does not
/// take a name (RFC 1123 section 4.1.2.11 allows any code of the right class), a restart behind the
/// end, PORT where it is switched off or of another family, AUTH a second time.
const BEYOND: [(&str, &[u16]); 14] = [
    ("CWD", &[450, 451]),
    ("CDUP", &[450, 451]),
    ("PORT", &[502, 522]),
    ("STOR", &[554]),
    ("STOU", &[554]),
    ("APPE", &[554]),
    ("RNFR", &[451]),
    ("RNTO", &[450, 451, 452, 552]),
    ("DELE", &[451]),
    ("RMD", &[450, 451]),
    ("MKD", &[450, 451, 452, 552]),
    ("STAT", &[451]),
    ("SITE", &[450, 451, 452, 552, 553]),
    ("AUTH", &[503]),
];

/// I13: other codes than these and those of the table are never borne.
#[test]
fn the_codes_of_the_watch_are_those_of_the_table() {
    let table = Codes::read();
    let mut beyond = Vec::new();
    for row in rows("replies.tsv") {
        let Some(verb) = Verb::parse(row[0].as_bytes()) else {
            continue;
        };
        let codes = check::codes(Some(verb)).iter().copied();
        let others: Vec<u16> = codes
            .filter(|&code| !table.allow(Some(verb), code))
            .collect();
        if !others.is_empty() {
            beyond.push((verb.name(), others));
        }
    }
    let listed = BEYOND.map(|(verb, codes)| (verb, codes.to_vec()));
    assert_eq!(beyond, listed);
}

#[test]
fn sessions() {
    let mut played = 0;
    let directory = corpora().join("sessions");
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if let Some((_, reason)) = SKIPPED.iter().find(|(skipped, _)| *skipped == name) {
            println!("{name} is not played: {reason}");
            continue;
        }
        Play::new(&name).play(&fs::read_to_string(&path).unwrap());
        played += 1;
    }
    assert_eq!(played + SKIPPED.len(), 65);
}

/// One scripted session: see the README of the corpora.
struct Play {
    name: String,
    peer: Peer,
    /// Everything that was asked for.
    log: Vec<String>,
    /// The codes of all replies.
    codes: Vec<String>,
    /// A data connection can be had.
    data: bool,
    moved: u64,
    line: String,
}

impl Play {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            peer: Peer::new(&Scene::new()),
            log: Vec::new(),
            codes: Vec::new(),
            data: false,
            moved: 0,
            line: String::new(),
        }
    }

    fn play(mut self, script: &str) {
        // REST is for TYPE I, and a session begins in TYPE A.
        let script = match script.contains("C: REST") {
            true => script.replacen("S: 230\n", "S: 230\nC: TYPE I\nS: 200\n", 1),
            false => script.to_owned(),
        };
        for line in script.lines().filter(|line| !line.starts_with('#')) {
            self.line = line.to_owned();
            let Some((mark, text)) = line.split_once(':') else {
                self.fail("no mark");
            };
            self.step(mark, text.strip_prefix(' ').unwrap_or(text));
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

    fn step(&mut self, mark: &str, text: &str) {
        match mark {
            "cfg" => self.configure(text),
            "C" => self.send(&[&unescape(text)[..], b"\r\n"].concat()),
            "C1" => {
                for byte in [&unescape(text)[..], b"\r\n"].concat() {
                    self.send(&[byte]);
                }
            }
            "C~" => self.send(&unescape(text)),
            "S" | "S-" => {
                let code = self.reply();
                let right = text.split('|').any(|want| match want.strip_suffix("..") {
                    Some(class) => code.starts_with(class),
                    None => code == want,
                });
                if !right {
                    self.fail(&format!("got {code}"));
                }
            }
            "S*" => {
                let mut wanted: Vec<String> = text.split(' ').map(str::to_owned).collect();
                let mut got: Vec<String> = wanted.iter().map(|_| self.reply()).collect();
                wanted.sort();
                got.sort();
                if got != wanted {
                    self.fail(&format!("got {got:?}"));
                }
            }
            "E" => self.event(text),
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

    fn configure(&mut self, text: &str) {
        let mut scene = Scene::new().limits(|limits| limits.login_delay = Duration::ZERO);
        let mut denied = Rights::NONE;
        for setting in text.split(' ') {
            let Some((key, value)) = setting.split_once('=') else {
                self.fail("no setting");
            };
            let protection = match value {
                "required" => Protection::Required,
                _ => Protection::Offered,
            };
            match (key, value) {
                ("tls", _) => {
                    scene.config.tls.control = protection;
                    scene.config.tls.data = scene.config.tls.data.max(Protection::Offered);
                    continue;
                }
                ("data_tls", _) => {
                    scene.config.tls.data = protection;
                    continue;
                }
                _ => {}
            }
            let seconds = Duration::from_secs(number(value));
            match (key, value) {
                ("write" | "delete" | "overwrite", "1") => {}
                ("write", _) => denied |= Rights::WRITE | Rights::OVERWRITE,
                ("delete", _) => denied |= Rights::DELETE,
                ("overwrite", _) => denied |= Rights::OVERWRITE,
                ("idle_timeout", _) => scene.config.limits.idle = seconds,
                ("data_stall_timeout", _) => scene.config.limits.stall = seconds,
                ("data_connect_timeout", _) => scene.config.limits.connect = seconds,
                ("max_login_failures", _) => scene.config.limits.login_tries = number(value) as u32,
                _ => self.fail("no such setting"),
            }
        }
        let granted = common::all_rights().filter(|right| !denied.contains(*right));
        let scene = scene.rights(granted.fold(Rights::NONE, |set, right| set | right));
        self.peer = Peer::new(&scene);
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

    fn reply(&mut self) -> String {
        loop {
            self.pump();
            if let Some(reply) = take_reply(&mut self.peer.replies) {
                let code = String::from_utf8_lossy(&reply[..3]).into_owned();
                self.codes.push(code.clone());
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

    fn event(&mut self, text: &str) {
        self.pump();
        let now = self.peer.now;
        let is_moving = ["send", "receive", "list"]
            .iter()
            .any(|flow| self.request().starts_with(flow));
        let (event, argument) = common::peer::split(text);
        match event {
            "data-open" => self.data = true,
            "tls-up" => self.peer.answer("ok"),
            "data-refused" => self.peer.answer("Refused"),
            "data-blocked" | "fs-entry-gone" => {}
            "data-bytes" | "fs-data" => {
                self.moved += number(argument);
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
            "reply-226" => return self.codes.iter().any(|code| code == "226"),
            _ => self.fail("no such action"),
        };
        self.log.iter().any(|action| action.contains(&wanted))
    }
}
