//! [`Cloud`]: one bucket as the home of everybody, several servers in front of it, and what goes wrong between
//! them and the store.
//!
//! What stands under a name is told to the [`Store`](wharf_model::Store) of the run whenever a request has
//! changed it, so that clients are judged by it as by any other storage.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::empty;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bstr::ByteSlice;
use wharf_core::{Capabilities, Changed, Denied, Edit, Failure, Metadata, Mode, Reason, VPath};
use wharf_fake_s3::{self as fake, Dialect, FakeS3, Rule, Seen};
use wharf_model::at;
use wharf_s3::wire::{Headers, Request};
use wharf_s3::{Answer, Bucket, Budget, Lost, Patience, Provider, Store, StoreOptions, Transport};
use wharf_storage::{
    Account, Accounts, Begun, Credentials, Executor, Executors, Handle, Opening, Operation, Sink,
    Storage, Wanted,
};

use super::outside::lock;
use super::storage::{Disk, let_in};
use super::turns::{pause, seat};
use crate::case::{Fault, Sabotage};
use crate::random::Random;
use crate::world::QUIET_AFTER;

const BUCKET: &str = "bucket";
/// So often in a row a request fails whose failures a client shall not notice.
const FALTERS: u32 = 4;
/// A session whose calls have waited for longer may miss a limit, in microseconds.
const LONG: u64 = 8_000_000;
/// What hangs is looked at so often.
const NAP: u64 = 50_000;
/// When nothing that broke off can be continued any more.
const LATER: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// A bucket, and the servers in front of it.
pub(super) struct Cloud {
    shared: Arc<Shared>,
    options: StoreOptions,
    /// How much memory each of them has for uploads.
    memory: usize,
    gateways: Mutex<Vec<Gateway>>,
    /// Those that were killed.
    dead: Mutex<Vec<Gateway>>,
    account: &'static [u8],
}

/// One of several servers that know nothing of each other.
struct Gateway {
    store: Arc<Store>,
    budget: Budget,
    is_dead: Arc<AtomicBool>,
}

/// What the ways of all servers to the store share.
struct Shared {
    fake: FakeS3,
    disk: Arc<Disk>,
    prefix: &'static str,
    random: Mutex<Random>,
    notes: Mutex<Notes>,
    /// What was asked of the store and nobody has read: by which seat, and what came of it.
    said: Mutex<Vec<(u64, String)>>,
    /// Something takes longer than it should.
    is_slow: AtomicBool,
    /// What others have there, and the uploads that they have begun.
    foreign: BTreeMap<String, Vec<u8>>,
    begun_by_others: BTreeSet<String>,
}

#[derive(Default)]
struct Notes {
    /// How often in a row a request of a session has failed.
    struck: HashMap<(Option<u64>, String), u32>,
    /// For how long the calls of a session have waited since something went wrong.
    waited: HashMap<Option<u64>, u64>,
    /// The store is down until then.
    down_until: u64,
    /// The uploads that were begun here: whether a record tells of each.
    begun: BTreeMap<String, bool>,
    /// Those that may be left, since nobody knows of them, or the store did not give them up.
    excused: BTreeSet<String>,
}

impl Cloud {
    /// A bucket with what the clients find at the beginning.
    pub(super) fn new(disk: &Arc<Disk>, root: &Random) -> Arc<Self> {
        let mut random = root.fork("cloud", 0);
        let (provider, dialect) = draw_dialect(&mut random);
        let options = draw_options(&mut random, provider);
        let prefix = random.pick(&["", "users/u/"]);
        let fake = FakeS3::new(dialect);
        furnish(&fake, prefix, disk);
        let foreign = ["others/f", "users/u.txt", "users/v/pub/a", ".wharf-not/x"];
        let mut foreign: BTreeMap<_, _> = foreign
            .map(|key| (key.to_owned(), b"somebody else's".to_vec()))
            .into();
        // It lies where records do, and is none.
        foreign.insert(format!("{prefix}.wharf/readme"), b"wharf upload 9\n".into());
        for (key, bytes) in &foreign {
            fake.put(key, bytes.clone());
        }
        fake.begin_upload("others/g");
        fake.begin_upload(&format!("{prefix}pub/a"));
        let shared = Arc::new(Shared {
            begun_by_others: fake.named_uploads().into_keys().collect(),
            fake,
            disk: Arc::clone(disk),
            prefix,
            random: Mutex::new(root.fork("store", 0)),
            notes: Mutex::default(),
            said: Mutex::default(),
            is_slow: AtomicBool::new(false),
            foreign,
        });
        let memory = options.part_size as usize * random.pick(&[1, 4, 1_000]);
        let gateways = (0..random.between(1, 3))
            .map(|number| Gateway::new(&shared, &options, memory, number))
            .collect();
        Arc::new(Self {
            shared,
            options,
            memory,
            gateways: Mutex::new(gateways),
            dead: Mutex::default(),
            account: random.pick(&[b"all", b"all", b"all", b""]),
        })
    }

    /// The server that serves that seat is killed, and begins anew: which seats it has served.
    pub(super) fn kill(&self, seat: usize, seats: usize) -> Vec<usize> {
        let mut gateways = lock(&self.gateways);
        let (number, servers) = (seat % gateways.len(), gateways.len());
        let next = Gateway::new(&self.shared, &self.options, self.memory, 1 << 32);
        let killed = std::mem::replace(&mut gateways[number], next);
        killed.is_dead.store(true, Ordering::Relaxed);
        lock(&self.dead).push(killed);
        self.shared.is_troubled();
        let notes = &mut *lock(&self.shared.notes);
        // What it would have written down next nobody knows.
        let unknown = notes.begun.iter().filter(|(_, is_known)| !**is_known);
        notes.excused.extend(unknown.map(|(id, _)| id.clone()));
        (number..seats).step_by(servers).collect()
    }

    /// What was asked of the store since that was asked last: by which seat, and what came of it.
    pub(super) fn take_said(&self) -> Vec<(u64, String)> {
        std::mem::take(&mut lock(&self.shared.said))
    }

    pub(super) fn is_slow(&self) -> bool {
        self.shared.is_slow.load(Ordering::Relaxed)
    }

    /// O19 to O21, when nothing happens any more: the memory of all uploads came back; what others have is
    /// as it was; and once nothing can be continued any more a sweep leaves nothing of ours.
    pub(super) fn judge(&self) {
        for gateway in lock(&self.gateways).iter().chain(&*lock(&self.dead)) {
            let reserved = gateway.budget.reserved();
            assert_eq!(reserved, 0, "O19: memory of uploads is still reserved");
        }
        let Shared { fake, prefix, .. } = &*self.shared;
        fake.pass(LATER);
        let store = Store::new(
            Arc::new(fake.clone()),
            self.options.clone(),
            Patience::default(),
            Budget::new(0),
        );
        let swept = Bucket::new(&store, prefix, b"").sweep(&Wanted::default());
        assert!(swept.is_ok(), "O21: the sweep fails: {swept:?}");
        for (key, bytes) in &self.shared.foreign {
            let is_there = fake.object(key).as_ref() == Some(bytes);
            assert!(
                is_there,
                "O20: {key} is somebody else's, and is not as it was"
            );
        }
        let records = format!("{prefix}.wharf/");
        for key in fake.keys() {
            let is_ours = key.starts_with(&records) && !self.shared.foreign.contains_key(&key);
            assert!(!is_ours, "O21: {key} is left behind");
        }
        let notes = lock(&self.shared.notes);
        let left = fake.named_uploads();
        for id in &self.shared.begun_by_others {
            assert!(
                left.contains_key(id),
                "O20: an upload of somebody else is gone"
            );
        }
        for (id, key) in left {
            let is_known = notes.begun.get(&id) == Some(&true);
            let may_be_left = self.shared.begun_by_others.contains(&id)
                || notes.excused.contains(&id) && !is_known;
            assert!(may_be_left, "O21: an upload of {key} is left behind");
        }
    }

    /// O22: no version of a file has only some of an upload, but where somebody went on with one that broke
    /// off: that is at the end of a part.
    pub(super) fn judge_versions<'u>(&self, uploads: impl Iterator<Item = &'u [u8]>) {
        let uploads: HashMap<&[u8], &[u8]> = uploads
            .filter_map(|upload| Some((&upload[..=upload.find_byte(b'>')?], upload)))
            .collect();
        let part = self.options.part_size as usize;
        let store = self.shared.disk.store();
        for (path, version) in store.history() {
            let bytes = version.as_deref().unwrap_or_default();
            for start in bytes.find_iter(b"<") {
                let rest = &bytes[start..];
                let end = rest.find_byte(b'>').unwrap_or(0);
                let Some(upload) = uploads.get(&rest[..=end]) else {
                    continue;
                };
                let same = rest.iter().zip(*upload).take_while(|(a, b)| a == b).count();
                let goes_on = same < rest.len() && (start + same).is_multiple_of(part);
                assert!(
                    same == upload.len() || goes_on,
                    "O22: {path} has {same} bytes of an upload of {}",
                    upload.len()
                );
            }
        }
    }
}

/// In what stores differ that a server is told.
fn draw_dialect(random: &mut Random) -> (Provider, Dialect) {
    let mut dialect = Dialect {
        page: random.pick(&[2, 3, 1_000]),
        ..Dialect::default()
    };
    let providers = [
        Provider::Other,
        Provider::Garage,
        Provider::Ceph,
        Provider::R2,
        Provider::Seaweedfs,
    ];
    let provider = random.pick(&providers);
    dialect.conditions_on_put = provider != Provider::Garage;
    dialect.conditions_on_complete = ![Provider::Garage, Provider::Ceph].contains(&provider);
    dialect.completes_twice = provider != Provider::Garage;
    dialect.equal_parts = provider == Provider::R2;
    (provider, dialect)
}

fn draw_options(random: &mut Random, provider: Provider) -> StoreOptions {
    let mut options = StoreOptions::new(BUCKET, provider);
    options.part_size = random.pick(&[64, 300, 1_024]);
    options.lanes = random.pick(&[1, 3]);
    options.max_file_size = random.pick(&[None, None, Some(4_000)]);
    options.keep_directories = random.below(2) == 0;
    options.copy_at_once = random.pick(&[500, 5 << 30]);
    if random.below(4) == 0 {
        options.keep_partials = Duration::ZERO;
    }
    options
}

/// Puts what the disk has into the bucket.
fn furnish(fake: &FakeS3, prefix: &str, disk: &Disk) {
    for (path, bytes) in disk.store().all() {
        let key = format!("{prefix}{}", path.relative());
        match bytes {
            Some(bytes) => fake.put(&key, &*bytes),
            None if path.is_root() => {}
            None => fake.put(&format!("{key}/"), b""),
        }
    }
}

impl Gateway {
    fn new(shared: &Arc<Shared>, options: &StoreOptions, memory: usize, number: u64) -> Self {
        let is_dead = Arc::new(AtomicBool::new(false));
        let way = Way {
            shared: Arc::clone(shared),
            is_dead: Arc::clone(&is_dead),
        };
        let its_shared = Arc::clone(shared);
        let patience = Patience {
            seed: shared.disk.case.seed ^ number,
            // One that is dead sleeps no more.
            sleep: Arc::new(move |time| {
                its_shared.wait(time.as_micros() as u64);
            }),
            ..Patience::default()
        };
        let budget = Budget::new(memory);
        Self {
            store: Store::new(Arc::new(way), options.clone(), patience, budget.clone()),
            budget,
            is_dead,
        }
    }
}

impl Accounts for Cloud {
    fn login(
        &self,
        credentials: &Credentials<'_>,
        executors: &Executors,
    ) -> Begun<Account, Denied> {
        let number = credentials.username.strip_prefix(b"client");
        let number = number.and_then(|number| number.to_str().ok()?.parse().ok());
        let gateways = lock(&self.gateways);
        let store = &gateways[number.unwrap_or(0_usize) % gateways.len()].store;
        let disk = &self.shared.disk;
        let bucket = Witnessed {
            bucket: Bucket::new(store, self.shared.prefix, self.account),
            disk: Arc::clone(disk),
        };
        let mut grant = disk.grant.clone();
        grant.capabilities = bucket.capabilities();
        let_in(credentials, executors, Arc::new(bucket), grant)
    }
}

/// The way of one server to the store.
struct Way {
    shared: Arc<Shared>,
    is_dead: Arc<AtomicBool>,
}

/// What goes wrong with a request.
#[derive(Debug)]
enum Trouble {
    /// The store sees to it.
    Fake(fake::Fault),
    /// It takes so long, before it is done or behind that, and is not answered.
    Hang { micros: u64, is_done: bool },
}

impl Transport for Way {
    fn send(&self, request: &Request<'_>, wanted: &Wanted) -> Result<Answer, Lost> {
        let shared = &*self.shared;
        let sabotaged = shared.sabotage(request);
        let request = sabotaged.as_ref().unwrap_or(request);
        let seen = Seen {
            method: request.method.name(),
            key: request.key.clone(),
            query: request.query.clone(),
            headers: request.headers.clone(),
            length: request.body.len(),
        };
        shared.must_be_ours(&seen);
        self.take_time(wanted)?;
        let trouble = shared.trouble(&seen, request.may_fail_late());
        shared.say(&seen, &trouble);
        let (mut hangs, mut rule) = (None, None);
        match trouble {
            None => {}
            Some(Trouble::Fake(fault)) => rule = Some(fault),
            Some(Trouble::Hang { micros, is_done }) => {
                if !is_done {
                    return Err(self.hang(micros, wanted));
                }
                hangs = Some(micros);
            }
        }
        let is_answered = rule.is_none() && hangs.is_none();
        let is_cut = matches!(rule, Some(fake::Fault::Cut(_)));
        if let Some(fault) = rule {
            shared.fake.fail(Rule::every(fault).times(1));
        }
        let answer = shared.perform(request, &seen, is_answered);
        shared.fake.heal();
        if is_cut && seen.operation() == "get" {
            shared.replace_now_and_then(&seen);
        }
        if let Some(micros) = hangs {
            return Err(self.hang(micros, wanted));
        }
        // On its way back.
        self.take_time(&Wanted::default())?;
        answer
    }
}

impl Way {
    fn take_time(&self, wanted: &Wanted) -> Result<(), Lost> {
        let micros = lock(&self.shared.random).between(20, 1_500);
        let goes_on = pause(micros) && !self.is_dead.load(Ordering::Relaxed);
        (goes_on && wanted.is_so())
            .then_some(())
            .ok_or(Lost::Cancelled)
    }

    /// Waits for an answer that does not come.
    fn hang(&self, micros: u64, wanted: &Wanted) -> Lost {
        let mut left = micros;
        while left > 0 {
            let nap = left.min(NAP);
            left -= nap;
            let goes_on = self.shared.wait(nap) && !self.is_dead.load(Ordering::Relaxed);
            if !goes_on || !wanted.is_so() {
                return Lost::Cancelled;
            }
        }
        Lost::Unanswered("nothing came".into())
    }
}

impl Shared {
    fn is_troubled(&self) {
        self.disk.troubled.store(true, Ordering::Relaxed);
    }

    fn say(&self, seen: &Seen, trouble: &Option<Trouble>) {
        let said = format!(
            "{} {} {:?} {trouble:?}",
            seen.operation(),
            seen.key,
            seen.query
        );
        lock(&self.said).push((seat().unwrap_or(0), said));
    }

    /// A call waits since something went wrong; says whether there is anybody for whom it goes on.
    fn wait(&self, micros: u64) -> bool {
        self.is_slow.store(true, Ordering::Relaxed);
        let mut notes = lock(&self.notes);
        let waited = notes.waited.entry(seat()).or_default();
        *waited += micros;
        if *waited > LONG {
            self.is_troubled();
        }
        drop(notes);
        pause(micros)
    }

    /// O20: every request is about what lies below the prefix.
    fn must_be_ours(&self, seen: &Seen) {
        let asked = |name: &str| {
            let mut fields = seen.query.iter();
            fields
                .find(|(field, _)| *field == name)
                .map(|(_, value)| value.as_str())
        };
        let key = match seen.operation() {
            "list" => asked("prefix").unwrap_or(""),
            _ => &seen.key,
        };
        assert!(
            key.starts_with(self.prefix),
            "O20: {seen:?} is about another"
        );
        if let Some(source) = seen.headers.get("x-amz-copy-source") {
            let begin = format!("{BUCKET}/{}", self.prefix);
            let is_ours = source.trim_start_matches('/').starts_with(&begin);
            assert!(is_ours, "O20: {source} is copied");
        }
    }

    /// What goes wrong with a request, if something does.
    fn trouble(&self, seen: &Seen, may_fail_late: bool) -> Option<Trouble> {
        let now = self.disk.outside.now();
        if now >= QUIET_AFTER {
            return None;
        }
        let mut random = lock(&self.random);
        let mut notes = lock(&self.notes);
        let mut strikes = |fault| random.chance(self.disk.case.rate(fault));
        let lasts = strikes(Fault::StoreDown);
        let refuses = strikes(Fault::StoreRefuses);
        let lags = strikes(Fault::ListLags) && seen.operation() == "list";
        let falters = [
            Fault::StoreBusy,
            Fault::LateError,
            Fault::AnswerLost,
            Fault::RequestLost,
            Fault::Unreachable,
            Fault::RequestHangs,
            Fault::BodyCut,
            Fault::BitFlip,
        ];
        let falter = falters.into_iter().find(|fault| strikes(*fault));
        if lasts {
            notes.down_until = now + random.pick(&[1, 20, 120]) * random.between(1, 1_000_000);
        }
        if now < notes.down_until {
            self.is_troubled();
            return Some(Trouble::Fake(match random.below(3) {
                0 => fake::Fault::Error(503, "ServiceUnavailable"),
                1 => fake::Fault::Unreachable,
                _ => fake::Fault::LoseRequest,
            }));
        }
        if refuses || lags {
            self.is_troubled();
            return Some(Trouble::Fake(match lags {
                true => fake::Fault::Lag(random.between(1, 4) as usize),
                false => fake::Fault::Error(403, "AccessDenied"),
            }));
        }
        let name = format!(
            "{} {} {:?} {:?}",
            seen.method,
            seen.key,
            seen.query,
            seen.headers.get("range")
        );
        let struck = notes.struck.entry((seat(), name)).or_default();
        if falter.is_none() || *struck >= FALTERS {
            *struck = 0;
            return None;
        }
        *struck += 1;
        self.is_slow.store(true, Ordering::Relaxed);
        let has_body = matches!(seen.operation(), "put" | "part") && seen.length > 0;
        Some(Trouble::Fake(match falter? {
            Fault::RequestHangs => {
                return Some(Trouble::Hang {
                    micros: random.pick(&[1, 10, 20]) * random.between(1, 1_000_000),
                    is_done: random.below(2) == 0,
                });
            }
            Fault::LateError if may_fail_late => fake::Fault::LateError("InternalError"),
            Fault::AnswerLost => fake::Fault::LoseAnswer,
            Fault::RequestLost => fake::Fault::LoseRequest,
            Fault::Unreachable => fake::Fault::Unreachable,
            Fault::BodyCut => fake::Fault::Cut(random.pick(&[0, 1, 40, 600])),
            Fault::BitFlip if has_body => fake::Fault::Flip,
            _ => match random.below(3) {
                0 => fake::Fault::Error(503, "SlowDown"),
                1 => fake::Fault::Error(500, "InternalError"),
                _ => fake::Fault::RetryAfter(random.between(1, 2) as u32),
            },
        }))
    }

    /// Has the store do it, and takes note of what that changes.
    fn perform(
        &self,
        request: &Request<'_>,
        seen: &Seen,
        is_answered: bool,
    ) -> Result<Answer, Lost> {
        let operation = seen.operation();
        let sabotage = self.disk.case.sabotage;
        if operation == "abort" && sabotage == Some(Sabotage::LeavesParts) {
            return Ok(Answer {
                status: 204,
                headers: Headers::default(),
                body: Box::new(empty()),
            });
        }
        if operation == "part" && sabotage == Some(Sabotage::KeepsTorn) {
            self.fake.put(&seen.key, &request.body[..seen.length / 2]);
        }
        let before = self.fake.named_uploads();
        let answer = self.fake.send(request, &Wanted::default());
        let notes = &mut *lock(&self.notes);
        match operation {
            "create" => {
                for id in self.fake.named_uploads().into_keys() {
                    if !before.contains_key(&id) {
                        if !is_answered {
                            notes.excused.insert(id.clone());
                        }
                        notes.begun.insert(id, false);
                    }
                }
            }
            "abort" if !is_answered => {
                let ids = seen.query.iter().filter(|(name, _)| *name == "uploadId");
                notes.excused.extend(ids.map(|(_, id)| id.clone()));
            }
            "put" => {
                let stands = self.fake.object(&seen.key).unwrap_or_default();
                for line in stands.lines() {
                    let id = line
                        .strip_prefix(b"upload ")
                        .and_then(|id| id.to_str().ok());
                    if let Some(is_known) = id.and_then(|id| notes.begun.get_mut(id)) {
                        *is_known = true;
                    }
                }
            }
            _ => {}
        }
        if seen.method != "GET" && seen.method != "HEAD" {
            self.witness(&seen.key, false);
        }
        answer
    }

    /// Somebody else puts another object there while one is read, in one of four cases.
    fn replace_now_and_then(&self, seen: &Seen) {
        let is_seen = self.path_of(&seen.key).is_some() && self.fake.object(&seen.key).is_some();
        if is_seen && lock(&self.random).below(4) == 0 {
            self.is_troubled();
            self.fake.put(&seen.key, b"another\n".repeat(200));
            self.witness(&seen.key, true);
        }
    }

    /// The path of an object that clients see.
    fn path_of(&self, key: &str) -> Option<VPath> {
        let name = key.strip_prefix(self.prefix)?;
        let is_hidden = name.split('/').any(|name| matches!(name, "" | ".wharf"));
        (!is_hidden).then(|| at(format!("/{name}").as_bytes()))
    }

    /// Tells the run's store what stands under a key now. O13: nothing is made for a session that is over.
    fn witness(&self, key: &str, is_by_others: bool) {
        let Some(path) = self.path_of(key) else {
            return;
        };
        let (now, mut store) = (self.disk.outside.now(), self.disk.store());
        let (old, new) = (store.read(&path), self.fake.object(key));
        if old.as_deref() == new.as_deref() {
            return;
        }
        let is_left_over = self.disk.outside.is_left_over() && new.is_some() && !is_by_others;
        assert!(
            !is_left_over,
            "O13: {path} is made for a session that is over"
        );
        match new {
            Some(bytes) => store.put(now, &path.to_string(), Some(&bytes)),
            None => {
                let removed = store.change(now, &path, &path, Edit::Delete);
                assert!(removed.is_ok(), "{path} is known to stand there");
            }
        }
    }

    /// Another request in place of this one, if the store or the server shall do something wrong.
    fn sabotage<'r>(&self, request: &Request<'r>) -> Option<Request<'r>> {
        let strays = self.disk.case.sabotage == Some(Sabotage::Strays);
        (strays && request.key.contains(".wharf/")).then(|| Request {
            method: request.method,
            key: format!("other/{}", request.key),
            query: request.query.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
        })
    }
}

/// A bucket, of whose uploads it is seen whether their clients can know what became of them.
struct Witnessed {
    bucket: Bucket,
    disk: Arc<Disk>,
}

impl Storage for Witnessed {
    fn capabilities(&self) -> Capabilities {
        self.bucket.capabilities()
    }

    fn stat(&self, path: &VPath, executor: &Arc<dyn Executor>) -> Begun<Metadata> {
        self.bucket.stat(path, executor)
    }

    fn change(
        &self,
        edit: Edit,
        path: &VPath,
        other: &VPath,
        executor: &Arc<dyn Executor>,
    ) -> Begun<Changed> {
        self.bucket.change(edit, path, other, executor)
    }

    fn open(&self, mode: Mode, path: &VPath, executor: &Arc<dyn Executor>) -> Begun<Opening> {
        let disk = Arc::clone(&self.disk);
        self.bucket.open(mode, path, executor).then(move |opening| {
            Begun::Done(opening.map(|Opening { opened, handle }| Opening {
                opened,
                handle: match handle {
                    Handle::Sink(sink) => Handle::Sink(Box::new(WitnessedSink { sink, disk })),
                    handle => handle,
                },
            }))
        })
    }
}

struct WitnessedSink {
    sink: Box<dyn Sink>,
    disk: Arc<Disk>,
}

impl Sink for WitnessedSink {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Failure>> {
        self.sink.poll_write(cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.sink.poll_flush(cx)
    }

    fn is_queued(&self) -> bool {
        self.sink.is_queued()
    }

    fn commit(self: Box<Self>) -> Begun<()> {
        let Self { sink, disk } = *self;
        let operation = match disk.case.sabotage {
            Some(Sabotage::LosesUploads) => sink.abandon(Reason::Aborted),
            _ => sink.commit(),
        };
        match operation {
            Begun::Pending(operation) => Begun::Pending(Box::new(Committing { operation, disk })),
            done => done,
        }
    }

    fn abandon(self: Box<Self>, reason: Reason) -> Begun<()> {
        match self.disk.case.sabotage {
            Some(Sabotage::KeepsAll) => self.sink.commit(),
            _ => self.sink.abandon(reason),
        }
    }
}

struct Committing {
    operation: Box<dyn Operation<()>>,
    disk: Arc<Disk>,
}

impl Operation<()> for Committing {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let outcome = self.operation.poll(cx);
        if let Poll::Ready(Err(Failure::Unknown)) = outcome {
            self.disk.unknown.store(true, Ordering::Relaxed);
        }
        outcome
    }

    fn cancel(&mut self) {
        self.operation.cancel();
    }

    fn progress(&self) -> u64 {
        self.operation.progress()
    }
}
