//! [`Client`]: what a client wants, what it has sent and what it makes of the answers.

use std::collections::VecDeque;
use std::sync::LazyLock;

use bstr::{ByteSlice, Finder};
use wharf_core::{Protection, TlsPolicy, VPath};
use wharf_model::{Store, Version, at, to_wire};

use crate::protection::Shield;
use crate::random::Random;
use crate::reply::{port, told};
use crate::step::{SHARED, Step, blurt, step};

/// A line that was sent and has no final reply.
#[derive(Debug)]
struct Sent {
    line: String,
    since: u64,
    /// The last line of that step.
    step: Option<Step>,
}

/// What became of an upload, as its client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was told that all is well.
    Kept,
    /// It was told that it was not.
    Refused,
    /// It was told nothing, or that nobody knows.
    Unknown,
}

#[derive(Debug)]
pub(crate) struct Client {
    random: Random,
    /// Where it listens for data.
    pub(crate) port: u16,
    /// Where the server listens for data, as it said last.
    pub(crate) passive: Option<u16>,
    steps: VecDeque<Step>,
    /// It sends no line before that ahead of it is answered, not even within a step.
    pub(crate) patient: bool,
    /// Lines of a step that it has begun.
    lines: VecDeque<(String, Option<Step>)>,
    sent: VecDeque<Sent>,
    /// What has arrived and is no whole line.
    heard: Vec<u8>,
    /// It said something that is no command: what the answers are to is not known any more.
    pub(crate) babbles: bool,
    /// TYPE A was chosen.
    text: bool,
    /// REST was accepted.
    restart: usize,
    /// What arrived on the data connection.
    pub(crate) download: Vec<u8>,
    /// It left the last one before its end.
    pub(crate) broke: bool,
    /// Every upload and its fate.
    uploads: Vec<(VPath, Vec<u8>, Fate)>,
    /// 221 or 421 was heard.
    pub(crate) farewell: bool,
    greeted: bool,
    /// It sent an ABOR, and nothing behind it before that is answered.
    aborting: bool,
    /// Nobody knows whether the upload that runs is kept.
    pub(crate) unknown: bool,
    /// What is under TLS.
    pub(crate) shield: Shield,
    /// Why the transfer that runs cannot be complete: something is wrong with the TLS of its data.
    pub(crate) flaw: Option<&'static str>,
    /// Nothing has gone wrong that it might feel.
    pub(crate) calm: bool,
    /// Its storage has been slow: then an answer may take its time.
    pub(crate) slow: bool,
    /// Its home is a bucket: where nothing stands, its length may be that of an upload that broke off.
    pub(crate) has_bucket: bool,
    /// Others use the same names: in a bucket, one of two who write the same may fail.
    pub(crate) has_rivals: bool,
    /// Bytes of its data have moved last at that time.
    pub(crate) moved_at: u64,
    /// So long a transfer may go on after that, and so much longer an upload, in microseconds; none where it
    /// may take no replies for a while.
    pub(crate) stands_still: Option<(u64, u64)>,
    /// A transfer that takes longer than this may be given up for being slow.
    pub(crate) window: u64,
    /// The ABOR that it has sent must be answered at once, whatever the storage does.
    pub(crate) prompt: bool,
    /// What the last STAT amid a transfer told of the bytes that have moved.
    told: Option<usize>,
    /// No answer takes so long then, in microseconds.
    patience: u64,
}

/// The flaw of a data connection that may be refused with 522.
pub(crate) const NOT_RESUMED: &str = "resumes no session";
/// That of an upload which must be refused with 426, if it was let in.
pub(crate) const CUT: &str = "ends without close_notify";

/// No answer takes so long where nothing is wrong.
const AT_ONCE: u64 = 500_000;
/// Nor one to ABOR: what another thread has is waited for a tenth of a second, and so is its end.
const ABORTED: u64 = 300_000;
/// Nor one to a wrong password.
const AFTER_REFUSAL: u64 = 4_000_000;

/// The first steps: a name, a password, a type.
const LOGIN: usize = 3;

impl Client {
    /// A client with a plan: one of six kinds.
    pub(crate) fn new(mut random: Random, number: u64, commands: u64, garbage: u32) -> Self {
        let mut steps = VecDeque::new();
        let kind = random.below(6);
        let password = if kind == 5 && random.below(4) == 0 {
            "wrong"
        } else {
            PASSWORD
        };
        steps.push_back(Step::Say(format!("USER client{number}")));
        steps.push_back(Step::Say(format!("PASS {password}")));
        steps.push_back(Step::Say(
            if random.below(8) == 0 {
                "TYPE A"
            } else {
                "TYPE I"
            }
            .into(),
        ));
        for count in 0..commands {
            let serial = number << 32 | count;
            if random.chance(garbage) {
                steps.push_back(Step::Blurt(blurt(&mut random)));
            }
            steps.push_back(step(&mut random, kind, number, serial));
        }
        if random.below(8) > 0 {
            steps.push_back(Step::Quit);
        }
        Self {
            random,
            port: 51_200 + number as u16,
            passive: None,
            steps,
            patient: false,
            lines: VecDeque::new(),
            sent: VecDeque::new(),
            heard: Vec::new(),
            babbles: false,
            text: false,
            restart: 0,
            download: Vec::new(),
            broke: false,
            uploads: Vec::new(),
            farewell: false,
            greeted: false,
            aborting: false,
            unknown: false,
            shield: Shield::new(TlsPolicy::default()),
            flaw: None,
            calm: false,
            slow: false,
            has_bucket: false,
            has_rivals: false,
            moved_at: 0,
            stands_still: None,
            window: u64::MAX,
            prompt: false,
            told: None,
            patience: if password == PASSWORD {
                AT_ONCE
            } else {
                AFTER_REFUSAL
            },
        }
    }

    /// Takes TLS as far as this server has it, or not: before its login, and perhaps back to clear
    /// text behind it or at the end.
    pub(crate) fn protect(&mut self, tls: TlsPolicy, random: &mut Random) {
        self.shield = Shield::new(tls);
        if tls.control == Protection::Off || random.below(8) == 0 {
            return;
        }
        let quits = matches!(self.steps.back(), Some(Step::Quit));
        let starts_again = random.below(8) == 0 && quits;
        let leaves = random.below(4) == 0;
        let level = random.pick(&["PROT P", "PROT P", "PROT P", "PROT C"]);
        let mut login: Vec<Step> = self.steps.drain(..LOGIN).collect();
        login.insert(0, Step::Say(level.into()));
        login.insert(0, Step::Say("PBSZ 0".into()));
        if !tls.implicit {
            login.insert(0, Step::Turn("AUTH TLS"));
        }
        if starts_again {
            self.steps.pop_back();
            self.steps.push_back(Step::Turn("REIN"));
            if random.below(2) == 0 {
                self.steps.extend(login.iter().cloned());
                self.steps
                    .push_back(Step::Fetch(at(SHARED[1].as_bytes()), 0));
            }
            self.steps.push_back(Step::Quit);
        }
        if leaves {
            self.steps.push_front(Step::Turn("CCC"));
        }
        for step in login.into_iter().rev() {
            self.steps.push_front(step);
        }
    }

    /// The command that is out by which the control connection may become another.
    pub(crate) fn turns(&self) -> Option<&'static str> {
        self.sent.iter().find_map(|sent| match sent.step {
            Some(Step::Turn(line)) => Some(line),
            _ => None,
        })
    }

    /// Whether it has done all that it wanted.
    pub(crate) fn is_done(&self) -> bool {
        self.steps.is_empty() && self.lines.is_empty() && self.sent.is_empty()
    }

    /// The steps that it has begun.
    fn begun(&self) -> impl Iterator<Item = &Step> {
        let sent = self.sent.iter().filter_map(|sent| sent.step.as_ref());
        sent.chain(self.lines.iter().filter_map(|(_, step)| step.as_ref()))
    }

    /// Whether it waits for the end of a download.
    pub(crate) fn downloads(&self) -> bool {
        self.begun()
            .any(|step| matches!(step, Step::Fetch(..) | Step::List(_)))
    }

    /// Whether it waits for the end of an upload.
    pub(crate) fn uploads(&self) -> bool {
        self.begun().any(|step| matches!(step, Step::Send { .. }))
    }

    /// The bytes of the upload that runs.
    pub(crate) fn upload(&self) -> Vec<u8> {
        let sends = self.begun().find_map(|step| match step {
            Step::Send { bytes, at, .. } => Some(bytes[*at..].to_vec()),
            _ => None,
        });
        sends.unwrap_or_else(|| b"what nobody meant to send".to_vec())
    }

    /// What goes on with the upload that runs, as its user does with another client.
    pub(crate) fn legacy(&self) -> Option<Step> {
        let mut begun = self.begun();
        let step = begun.find(|step| matches!(step, Step::Send { .. }))?;
        self.resume(step).filter(|_| !self.babbles)
    }

    /// What goes on with an upload of a name that nobody else writes, if it breaks off.
    fn resume(&self, step: &Step) -> Option<Step> {
        match step {
            Step::Send {
                append: false,
                path,
                bytes,
                ..
            } if self.has_bucket && !self.text && path.as_bytes().starts_with(b"/home/") => {
                Some(Step::Resume {
                    path: path.clone(),
                    bytes: bytes.clone(),
                })
            }
            _ => None,
        }
    }

    /// Does that next, behind its login.
    pub(crate) fn begin_with(&mut self, step: Step) {
        self.steps.insert(LOGIN, step);
    }

    /// All that it has begun to upload.
    pub(crate) fn sent_uploads(&self) -> impl Iterator<Item = &[u8]> {
        self.uploads.iter().map(|(_, bytes, _)| &bytes[..])
    }

    /// What it sends now.
    pub(crate) fn speak(&mut self, now: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        if !self.greeted || self.aborting {
            return bytes;
        }
        if !self.lines.is_empty() {
            if self.sent.is_empty() || self.babbles {
                self.say_lines(now, &mut bytes);
            }
            return bytes;
        }
        // As many commands ahead as this client likes to send.
        let ahead = self.random.pick(&[1, 1, 4]);
        while self.sent.len() < ahead && !self.farewell {
            let waits = self
                .sent
                .iter()
                .any(|sent| sent.step.as_ref().is_some_and(Step::is_alone));
            let alone = self.steps.front().is_some_and(Step::is_alone);
            if waits || alone && !self.sent.is_empty() && !self.babbles {
                break;
            }
            match self.steps.pop_front() {
                // It would not know what the answer is to, and whether to speak TLS.
                Some(Step::Turn(_)) if self.babbles => {}
                Some(step) => self.say(now, step, &mut bytes),
                None => break,
            }
        }
        bytes
    }

    fn say(&mut self, now: u64, step: Step, bytes: &mut Vec<u8>) {
        if let Step::Blurt(blurt) = &step {
            self.babbles = true;
            // Its bytes may lie in a data connection that was left alone, for whatever is stored next.
            if let Some((_, _, fate @ Fate::Refused)) = self.uploads.last_mut() {
                *fate = Fate::Unknown;
            }
            bytes.extend_from_slice(blurt);
            return;
        }
        if let Step::Send { path, bytes, .. } = &step {
            self.uploads
                .push((path.clone(), bytes.clone(), Fate::Unknown));
        }
        let lines = step.lines(self.port);
        let last = lines.len() - 1;
        let mut step = Some(step);
        for (number, line) in lines.into_iter().enumerate() {
            self.lines
                .push_back((line, step.take_if(|_| number == last)));
        }
        self.say_lines(now, bytes);
    }

    /// The lines of the step that it has begun, or the next of them.
    fn say_lines(&mut self, now: u64, bytes: &mut Vec<u8>) {
        while let Some((line, step)) = self.lines.pop_front() {
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(b"\r\n");
            self.sent.push_back(Sent {
                line,
                since: now,
                step,
            });
            if self.patient {
                break;
            }
        }
    }

    /// Says something more, and does not wait.
    pub(crate) fn say_more(&mut self, now: u64) -> &'static [u8] {
        self.sent.push_back(Sent {
            line: "NOOP".into(),
            since: now,
            step: None,
        });
        b"NOOP\r\n"
    }

    /// Asks how far the transfer is, if one is under way.
    pub(crate) fn ask_how_far(&mut self, now: u64) -> Option<&'static [u8]> {
        let transfers = self.sent.iter().any(|sent| {
            let step = sent.step.as_ref();
            matches!(
                step,
                Some(Step::Fetch(..) | Step::Send { .. } | Step::List(_))
            )
        });
        if !transfers || self.aborting || self.babbles {
            return None;
        }
        self.sent.push_back(Sent {
            line: "STAT".into(),
            since: now,
            step: None,
        });
        Some(b"STAT\r\n")
    }

    /// Whether a transfer is under way that can be given up.
    pub(crate) fn abort(&mut self, now: u64) -> Option<&'static [u8]> {
        let transfers = self
            .sent
            .iter()
            .any(|sent| sent.step.as_ref().is_some_and(Step::is_alone));
        if !transfers || self.aborting || self.babbles {
            return None;
        }
        self.aborting = true;
        self.sent.push_back(Sent {
            line: "ABOR".into(),
            since: now,
            step: None,
        });
        Some(b"\xff\xf4\xff\xf2ABOR\r\n")
    }

    /// Bytes have arrived.
    pub(crate) fn hear(&mut self, now: u64, bytes: &[u8], store: &Store) {
        self.heard.extend_from_slice(bytes);
        while let Some(end) = self.heard.find_byte(b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            let is_final = line.get(3) == Some(&b' ') && line[..3].iter().all(u8::is_ascii_digit);
            if !is_final && let Some(told) = told(&line) {
                self.told = Some(told);
            }
            if is_final {
                let code = line[..3].to_str().ok().and_then(|code| code.parse().ok());
                self.on_reply(now, code.unwrap_or(0), &line, store);
            }
        }
    }

    /// O6: every reply has a command.
    fn on_reply(&mut self, now: u64, code: u16, line: &[u8], store: &Store) {
        assert!(!tells_secret(line), "O9: a password is told");
        match code {
            421 => {
                self.farewell = true;
                return;
            }
            220 if !self.greeted => {
                self.greeted = true;
                return;
            }
            150 => {
                if !self.babbles {
                    self.shield.begin_transfer();
                }
                return;
            }
            227 | 229 => self.passive = port(line),
            _ => {}
        }
        self.farewell |= code == 221;
        if self.babbles {
            self.sent.pop_front();
            if code == 234 {
                self.shield.hear("", code);
            }
            return;
        }
        let Some(sent) = self.take_sent(code) else {
            panic!("O6: {code} for nothing");
        };
        self.check_storage(now, &sent);
        self.aborting &= sent.line != "ABOR";
        self.shield.hear(&sent.line, code);
        if let (Some(offset), 350) = (sent.line.strip_prefix("REST "), code) {
            self.restart = offset.parse().unwrap_or(0);
        }
        if sent.line == "TYPE A" && code == 200 {
            self.text = true;
        }
        if self.calm {
            self.check_service(now, code, &sent);
        }
        let Some(step) = sent.step else {
            return;
        };
        // Whatever the transfer came to.
        let offset = std::mem::take(&mut self.restart);
        if let (Step::Fetch(..) | Step::List(_) | Step::Send { .. }, 226, Some(flaw)) =
            (&step, code, self.flaw)
        {
            let left = self.broke && !matches!(step, Step::Send { .. });
            assert!(left, "O12: 226 for data that {flaw}");
        }
        match step {
            Step::Size(path) if code == 213 => {
                let told = told_size(line);
                let stood = store
                    .versions(&path, sent.since, now)
                    .any(|version| match version {
                        Some(file) => Some(self.seen(file).len()) == told,
                        None => told.is_none() || self.has_bucket,
                    });
                assert!(stood, "O5: {path} never had {told:?} bytes");
            }
            Step::Fetch(path, _) if code == 226 && !self.broke => {
                let stood = store.versions(&path, sent.since, now).any(|version| {
                    let file = version.as_ref().map(|file| self.seen(file));
                    file.is_some_and(|file| file.get(offset..) == Some(&self.download[..]))
                });
                let length = self.download.len();
                assert!(
                    stood,
                    "O1: {path} never had these {length} bytes at {offset}"
                );
            }
            Step::Send { .. } => {
                let fate = match code {
                    226 => Fate::Kept,
                    451 if std::mem::take(&mut self.unknown) => Fate::Unknown,
                    _ => Fate::Refused,
                };
                if let Some((_, _, known)) = self.uploads.last_mut() {
                    *known = fate;
                }
                self.check_last_upload(store, sent.since, now);
                let goes_on = fate == Fate::Refused && self.has_bucket;
                if goes_on && self.random.below(4) > 0 {
                    let next = self.resume(&step);
                    // What was refused may then stand there.
                    if let (Some(_), Some((_, _, known))) = (&next, self.uploads.last_mut()) {
                        *known = Fate::Unknown;
                    }
                    if let Some(next) = next {
                        self.steps.push_front(next);
                    }
                }
            }
            Step::Resume { path, bytes } => {
                let told = told_size(line).filter(|_| code == 213);
                let at = told.unwrap_or(0);
                let nothing = store.versions(&path, now, now).all(Option::is_none);
                if nothing && at < bytes.len() {
                    let append = false;
                    self.steps.push_front(Step::Send {
                        append,
                        path,
                        bytes,
                        at,
                    });
                }
            }
            _ => {}
        }
    }

    /// What that reply is for: the oldest command, but for STAT amid a transfer.
    fn take_sent(&mut self, code: u16) -> Option<Sent> {
        let first = self.sent.front()?;
        let at = match code {
            211 if !["FEAT", "STAT"].contains(&&first.line[..]) => {
                self.sent.iter().position(|sent| sent.line == "STAT")?
            }
            _ => 0,
        };
        self.sent.remove(at)
    }

    /// O14, O15 and O18, whatever the storage does: ABOR is answered at once, STAT tells of no byte that has
    /// not moved, and a transfer that does not move comes to an end.
    fn check_storage(&mut self, now: u64, sent: &Sent) {
        if sent.line == "ABOR" && std::mem::take(&mut self.prompt) {
            let took = now - sent.since;
            assert!(took < ABORTED, "O14: ABOR is answered in {took} us");
        }
        if let (Some((longest, upload)), Some(step)) = (self.stands_still, &sent.step) {
            let longest = match step {
                Step::Send { .. } => longest + upload,
                Step::Fetch(..) | Step::List(_) => longest,
                _ => u64::MAX,
            };
            let still = now.saturating_sub(sent.since.max(self.moved_at));
            assert!(
                still <= longest,
                "O18: {} goes on for {still} us in which nothing moves",
                sent.line
            );
        }
        if sent.line == "STAT"
            && let Some(told) = self.told.take()
            && self.downloads()
            && !self.text
            && !self.broke
            && !self.shield.data
        {
            let came = self.download.len();
            assert!(
                told <= came,
                "O15: STAT tells of {told} bytes, and {came} came"
            );
        }
    }

    /// O6 and I47 where nothing is wrong: transfers come to their end, and answers at once.
    fn check_service(&self, now: u64, code: u16, sent: &Sent) {
        let is_cut = self.flaw == Some(CUT) && matches!(sent.step, Some(Step::Send { .. }));
        let took = now - sent.since;
        let transfers = sent.step.as_ref().is_some_and(Step::is_alone);
        let fails = match code {
            450 | 451 if self.has_bucket && self.has_rivals && transfers => false,
            426 => !is_cut && took < self.window,
            400..=499 => is_cut || code == 425,
            522 => self.flaw != Some(NOT_RESUMED),
            _ => false,
        };
        assert!(!fails, "O6: {code} for no reason");
        assert!(
            self.slow || took < self.patience,
            "I47: {} is answered in {took} us",
            sent.line
        );
    }

    /// O2, as soon as the answer is there.
    fn check_last_upload(&self, store: &Store, since: u64, now: u64) {
        let Some((path, bytes, fate)) = self.uploads.last() else {
            return;
        };
        let stood = holds(store.versions(path, since, now), bytes);
        match fate {
            Fate::Kept => assert!(stood, "O2: {path} was never kept"),
            Fate::Refused => assert!(!stood, "O2: {path} was kept and refused"),
            Fate::Unknown => {}
        }
    }

    /// The bytes of a file as this client sees them.
    fn seen(&self, file: &[u8]) -> Vec<u8> {
        if self.text {
            to_wire(file)
        } else {
            file.to_vec()
        }
    }

    /// What must be so at the end. Who had trouble need not have been served.
    pub(crate) fn judge(&self, number: usize, troubled: bool, store: &Store) {
        let served = troubled || self.babbles || self.is_done();
        assert!(served, "O6: client {number} was not served: {self:?}");
        for (path, bytes, fate) in &self.uploads {
            let kept = holds(store.versions(path, 0, u64::MAX), bytes);
            match fate {
                Fate::Kept => assert!(kept, "O2: {path} is lost"),
                Fate::Refused => assert!(!kept, "O2: {path} stands and was refused"),
                Fate::Unknown => {}
            }
        }
    }

    /// The server has closed the connection.
    pub(crate) fn on_end(&self) {
        assert!(self.farewell, "O6: closed without a word, {:?}", self.sent);
    }
}

/// The length that a reply to SIZE tells.
fn told_size(line: &[u8]) -> Option<usize> {
    let size = line[4..].trim_ascii().to_str().ok();
    size.and_then(|size| size.parse().ok())
}

/// Nobody but the embedder may see it.
const PASSWORD: &str = "sentinel-p4ss";

/// O9.
pub(crate) fn tells_secret(bytes: &[u8]) -> bool {
    static SECRET: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(PASSWORD));
    SECRET.find(bytes).is_some()
}

/// Whether the bytes of an upload, which begin with a tag of their own, are in one of the versions.
pub(crate) fn holds<'a>(mut versions: impl Iterator<Item = &'a Version>, upload: &[u8]) -> bool {
    let tag = upload.find_byte(b'>').map_or(upload, |end| &upload[..=end]);
    let tag = Finder::new(tag);
    versions.any(|version| {
        version.as_ref().is_some_and(|file| {
            let at = tag.find(file);
            at.is_some_and(|at| file[at..].starts_with(upload))
        })
    })
}
