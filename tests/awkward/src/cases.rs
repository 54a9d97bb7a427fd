//! What is promised.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wharf_core::{Config, Denied, Limits, Rights};
use wharf_driver::{Service, Settings};
use wharf_storage::{Account, Accounts, Begun, Blocking, Credentials, Executors, Group, Storage};

use crate::client::Client;
use crate::storage::{Hang, Odd, Slow};

type Listeners = Vec<TcpListener>;

/// Uploads that hang at once.
const MANY: usize = 1_000;

/// A commit may take so long of which nothing is heard.
const FINISH: Duration = Duration::from_millis(1_500);

/// A transfer may take so long in which nothing moves.
const STALL: Duration = Duration::from_millis(1_500);

/// What is answered at once has been by then, also on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Everybody by the name of a home.
#[derive(Default)]
struct Homes(HashMap<&'static str, Arc<dyn Storage>>);

impl Homes {
    fn with(mut self, name: &'static str, storage: impl Storage + 'static) -> Self {
        self.0.insert(name, Arc::new(storage));
        self
    }

    fn slow(self, name: &'static str, slow: Slow) -> Self {
        self.with(name, Blocking::new(slow))
    }
}

impl Accounts for Homes {
    fn login(&self, credentials: &Credentials<'_>, _: &Executors) -> Begun<Account, Denied> {
        let home = self.0.get(&*credentials.username.to_string());
        let account = home.map(|storage| Account::new(Arc::clone(storage), Rights::ALL));
        Begun::Done(account.ok_or(Denied::Credentials))
    }
}

/// Serves these homes with so many threads for storages, while `act` is a client.
fn with(
    serve: impl FnOnce(Listeners, &Arc<Service>) -> io::Result<()> + Send,
    homes: Homes,
    threads: usize,
    act: impl FnOnce(SocketAddr),
) {
    with_service(serve, homes, threads, |_| {}, |server, _| act(server));
}

/// The same within other limits.
fn with_limits(
    serve: impl FnOnce(Listeners, &Arc<Service>) -> io::Result<()> + Send,
    homes: Homes,
    threads: usize,
    choose: impl FnOnce(&mut Limits),
    act: impl FnOnce(SocketAddr),
) {
    with_service(serve, homes, threads, choose, |server, _| act(server));
}

/// The same for who also runs the server.
fn with_service(
    serve: impl FnOnce(Listeners, &Arc<Service>) -> io::Result<()> + Send,
    homes: Homes,
    threads: usize,
    choose: impl FnOnce(&mut Limits),
    act: impl FnOnce(SocketAddr, &Service),
) {
    let listener = wharf_driver::sockets::listen(([127, 0, 0, 1], 0).into()).expect("a socket");
    let address = listener.local_addr().expect("an address");
    let mut settings = Settings::new(Arc::new(homes));
    settings.storage_threads = NonZero::new(threads).expect("some threads");
    settings.grace = Duration::ZERO;
    (settings.sessions, settings.sessions_per_address) = (2 * MANY, 2 * MANY);
    let mut protocol = Config::clone(&settings.protocol);
    protocol.limits.finish = FINISH;
    choose(&mut protocol.limits);
    settings.protocol = Arc::new(protocol);
    let service = Service::new(settings);
    thread::scope(|scope| {
        scope.spawn(|| serve(vec![listener], &service));
        // The server stops also if the client panics.
        let _stop = Stop(&service);
        act(address, &service);
    });
}

struct Stop<'a>(&'a Service);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn slow(takes: Duration, hangs: Option<&Hang>) -> Slow {
    Slow {
        group: Group(1),
        takes,
        hangs: hangs.cloned(),
    }
}

/// How many threads of this process wait for storages.
fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("a process");
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name == "ftp storage\n").count()
}

/// A write that takes ten seconds.
pub fn answers_an_abort_while_a_write_takes_long(
    serve: impl FnOnce(Listeners, &Arc<Service>) -> io::Result<()> + Send,
) {
    let homes = Homes::default().slow("slow", slow(Duration::from_secs(10), None));
    with(serve, homes, 4, |server| {
        let mut client = Client::log_in(server, "slow");
        let mut data = client.data();
        client.ask("STOR f", 150);
        data.write_all(&[b'x'; 100_000]).expect("room");
        thread::sleep(Duration::from_millis(300));
        let begun = Instant::now();
        client.say("ABOR");
        client.expect(426);
        client.expect(226);
        let took = begun.elapsed();
        println!("ABOR: {took:?}");
        assert!(took < AT_ONCE, "{took:?}");
        client.ask("NOOP", 200);
    });
}

/// Four pieces of 32 KiB a second.
pub fn tells_how_far_a_slow_upload_is(
    serve: impl FnOnce(Listeners, &Arc<Service>) -> io::Result<()> + Send,
) {
    let homes = Homes::default().slow("slow", slow(Duration::from_millis(250), None));
    with(serve, homes, 4, |server| {
        let mut client = Client::log_in(server, "slow");
        let mut data = client.data();
        client.ask("STOR f", 150);
        data.write_all(&[b'x'; 100_000]).expect("room");
        thread::sleep(Duration::from_millis(100));
        let told = client.ask("STAT", 211);
        assert!(
            told.contains("STOR: ") && !told.contains("STOR: 0 bytes"),
            "{told}"
        );
        drop(data);
        client.expect(226);
    });
}

/// Though more uploads hang than there are threads.
pub fn serves_other_homes_while_one_hangs(
    serve: impl FnOnce(Listeners, &Arc<Service>) -> io::Result<()> + Send,
) {
    // Here are both ends of two connections for each of them.
    let most = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: most.maximum,
        ..most
    };
    setrlimit(Resource::Nofile, all).expect("the process's own limit");
    let most = most.maximum.map_or(MANY, |most| (most / 10) as usize);
    let many = MANY.min(most);
    let hang = Hang::default();
    let mut other = slow(Duration::ZERO, None);
    other.group = Group(2);
    let homes = Homes::default()
        .slow("hangs", slow(Duration::ZERO, Some(&hang)))
        .slow("other", other);
    with(serve, homes, 6, |server| {
        let hanging: Vec<_> = (0..many)
            .map(|_| {
                let mut client = Client::log_in(server, "hangs");
                let mut data = client.data();
                client.say("STOR f");
                data.write_all(b"x").expect("room");
                (client, data)
            })
            .collect();
        let begun = Instant::now();
        Client::log_in(server, "other").store("f", b"content", 226);
        assert!(begun.elapsed() < AT_ONCE * 2, "{:?}", begun.elapsed());
        // Other cases run in this process too.
        assert!(threads() <= 6 * 8, "{}", threads());
        hang.release();
        drop(hanging);
    });
}

/// It is told so after a quarter of a minute.
pub fn tells_a_client_for_whom_no_thread_is_free(
    serve: impl FnOnce(Listeners, &Arc<Service>) -> io::Result<()> + Send,
) {
    let hang = Hang::default();
    let homes = Homes::default().slow("hangs", slow(Duration::ZERO, Some(&hang)));
    with(serve, homes, 1, |server| {
        let mut first = Client::log_in(server, "hangs");
        let mut data = first.data();
        first.ask("STOR f", 150);
        data.write_all(b"x").expect("room");
        thread::sleep(Duration::from_millis(300));
        let mut second = Client::log_in(server, "hangs");
        second.ask("SIZE f", 450);
        second.ask("NOOP", 200);
        hang.release();
        drop(data);
        first.expect(226);
        second.ask("SIZE f", 550);
    });
}

/// It can be given up at once, without a thread for it.
pub fn cancels_what_a_lost_session_has_begun(
    serve: impl FnOnce(Listeners, &Arc<Service>) -> io::Result<()> + Send,
) {
    let odd = Odd::default();
    let homes = Homes::default().with("odd", odd.clone());
    with(serve, homes, 4, |server| {
        let mut client = Client::log_in(server, "odd");
        let _data = client.data();
        client.say("RETR never");
        thread::sleep(Duration::from_millis(200));
        assert_eq!(odd.given_up.load(Ordering::Relaxed), 0);
        drop(client);
        let begun = Instant::now();
        while odd.given_up.load(Ordering::Relaxed) == 0 {
            assert!(begun.elapsed() < AT_ONCE, "it is not given up");
            thread::sleep(Duration::from_millis(10));
        }
    });
}

/// The storage takes one, and gives one, and must be waited for between.
pub fn moves_every_byte_one_by_one(
    serve: impl FnOnce(Listeners, &Arc<Service>) -> io::Result<()> + Send,
) {
    let homes = Homes::default().with("odd", Odd::default());
    with(serve, homes, 4, |server| {
        let content: Vec<u8> = (0..20_000).map(|at| (at / 3 % 251) as u8).collect();
        let mut client = Client::log_in(server, "odd");
        client.store("f", &content, 226);
        assert!(client.fetch("f") == content, "other bytes");
        client.ask("TYPE A", 200);
        let text = b"one\r\ntwo\r\n".repeat(500);
        client.store("t", &text, 226);
        assert!(client.fetch("t") == text, "another text");
    });
}

/// The storage says so half a second after all has come.
pub fn says_that_a_commit_failed_late(
    serve: impl FnOnce(Listeners, &Arc<Service>) -> io::Result<()> + Send,
) {
    let homes = Homes::default().with("odd", Odd::default());
    with(serve, homes, 4, |server| {
        let mut client = Client::log_in(server, "odd");
        client.store("late", b"content", 452);
        client.ask("NOOP", 200);
    });
}

/// It takes longer than a commit may of which nothing is heard.
pub fn waits_for_a_commit_that_goes_on(
    serve: impl FnOnce(Listeners, &Arc<Service>) -> io::Result<()> + Send,
) {
    let homes = Homes::default().with("odd", Odd::default());
    with(serve, homes, 4, |server| {
        let mut client = Client::log_in(server, "odd");
        client.store("long", b"content", 226);
        client.ask("NOOP", 200);
    });
}

/// For longer than a transfer may in which nothing moves.
pub fn waits_with_those_who_wait_for_their_turn(
    serve: impl FnOnce(Listeners, &Arc<Service>) -> io::Result<()> + Send,
) {
    let homes = Homes::default().with("odd", Odd::default());
    let choose = |limits: &mut Limits| limits.stall = STALL;
    with_limits(serve, homes, 4, choose, |server| {
        let mut client = Client::log_in(server, "odd");
        client.store("queued", b"content", 226);
        client.ask("NOOP", 200);
    });
}

/// Though what comes behind it never comes.
pub fn lists_what_is_there_by_now(
    serve: impl FnOnce(Listeners, &Arc<Service>) -> io::Result<()> + Send,
) {
    let homes = Homes::default().with("odd", Odd::default());
    with(serve, homes, 4, |server| {
        let mut client = Client::log_in(server, "odd");
        let mut data = client.data();
        client.ask("MLSD", 150);
        let mut line = [0; 16];
        data.read_exact(&mut line).expect("the first line");
        client.say("ABOR");
        client.expect(426);
        client.expect(226);
    });
}

/// Whatever they are doing.
pub fn tells_who_is_connected_and_ends_who_shall_go(
    serve: impl FnOnce(Listeners, &Arc<Service>) -> io::Result<()> + Send,
) {
    let homes = Homes::default().slow("slow", slow(Duration::from_millis(250), None));
    with_service(
        serve,
        homes,
        4,
        |_| {},
        |server, service| {
            let (mut idle, mut busy) = (
                Client::log_in(server, "slow"),
                Client::log_in(server, "slow"),
            );
            let mut stranger = Client::connect(server);
            let mut data = busy.data();
            busy.ask("ALLO 5000000", 200);
            busy.ask("STOR /d/f", 150);
            data.write_all(&[b'x'; 100_000]).expect("room");
            thread::sleep(Duration::from_millis(400));
            let clients = service.clients();
            let numbers: Vec<_> = clients.iter().map(|client| client.session).collect();
            let [first, second, third] = &clients[..] else {
                panic!("{clients:?}");
            };
            for (client, user) in [(first, true), (second, true), (third, false)] {
                assert_eq!(
                    client.user.as_deref().map(|name| &name[..] == b"slow"),
                    user.then_some(true)
                );
                assert!(client.peer.ip().is_loopback() && !client.is_protected);
                assert!(client.since >= Duration::from_millis(400) && client.since < AT_ONCE * 5);
                assert!(client.idle >= Duration::from_millis(400) && client.idle <= client.since);
            }
            assert_eq!((&first.transfer, &third.transfer), (&None, &None));
            let moving = second.transfer.as_ref().expect("it stores");
            assert_eq!(
                (moving.verb.name(), &moving.path[..]),
                ("STOR", &b"/d/f"[..])
            );
            assert_eq!((moving.offset, moving.length), (0, Some(5_000_000)));
            assert!((1..=100_000).contains(&moving.bytes), "{moving:?}");

            assert!(!service.dismiss(u64::MAX));
            for number in numbers {
                assert!(service.dismiss(number));
            }
            idle.expect(421);
            idle.expect_end();
            busy.expect(426);
            busy.expect(421);
            busy.expect_end();
            stranger.expect(421);
            stranger.expect_end();
            let until = Instant::now() + AT_ONCE;
            while !service.clients().is_empty() {
                assert!(Instant::now() < until, "{:?}", service.clients());
                thread::sleep(Duration::from_millis(10));
            }
        },
    );
}
