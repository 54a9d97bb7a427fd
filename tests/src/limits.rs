//! What bounds clients: how often they may fail, how many they may be, how fast they may talk.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::connect_from;
use crate::server::{Config, eventually};
use crate::{Client, Program, Server, cases};

cases! { "limits";
    turns_an_address_away_from_which_too_many_logins_were_refused,
    lets_another_account_pass_where_one_was_refused,
    lets_an_exempt_network_guess,
    lets_no_guess_succeed_while_its_address_has_to_wait,
    does_not_forget_refused_logins_for_one_that_succeeds,
    has_so_many_sessions_of_an_account,
    has_a_seat_again_after_user_rein_and_quit,
    has_so_many_anonymous_sessions,
    lets_commands_wait_that_come_too_fast,
    ends_a_session_whose_line_does_not_end,
    ends_a_session_that_does_not_log_in_whatever_it_says,
    goes_on_with_a_client_that_reads_no_replies_for_a_while,
    lets_others_log_in_when_strangers_have_come,
    counts_no_sessions_of_an_exempt_network,
}

fn limited(program: &Program, lines: &str) -> Server {
    let config = Config::default().listen(&["127.0.0.1:0", "[::1]:0"]);
    program.start(config.table(&format!("[limits]\n{lines}")))
}

/// Has so many logins refused at once, each in a session of its own.
fn fail(address: SocketAddr, count: usize) {
    fail_as(address, &vec!["user"; count]);
}

/// Has a login to each of these accounts refused, at once.
fn fail_as(address: SocketAddr, accounts: &[&str]) {
    let mut clients: Vec<Client> = accounts
        .iter()
        .map(|account| {
            let mut client = Client::connect(address);
            client.command(&format!("USER {account}"), 331);
            client
        })
        .collect();
    for client in &mut clients {
        client.send("PASS wrong");
    }
    for client in &mut clients {
        client.expect(530);
    }
}

/// What a client is told first.
fn greeting(address: SocketAddr) -> (u16, String) {
    Client::silent(address).reply()
}

/// What a login with the right password is answered.
fn pass(address: SocketAddr, account: &str) -> (u16, String) {
    let mut client = Client::connect(address);
    client.command(&format!("USER {account}"), 331);
    client.send("PASS 12345");
    client.reply()
}

fn turns_an_address_away_from_which_too_many_logins_were_refused(program: &Program) {
    let server = limited(program, "failed-logins = 4\nback-off = \"3s\"");
    let (address, other) = (server.addresses()[0], server.addresses()[1]);
    fail_as(address, &["user", "a", "b", "c"]);
    assert_eq!(greeting(address).0, 220);
    // Whether there is such an account makes no difference.
    fail_as(address, &["d"]);
    let (code, text) = greeting(address);
    assert_eq!(code, 421);
    assert!(text.contains("Too many refused logins"), "{text}");
    assert_eq!(greeting(other).0, 220, "another address need not wait");
    eventually("it is logged", || {
        let log = server.log();
        log.contains("the address has to wait") && log.contains("refused: too many refused logins")
    });
    eventually("the time is over", || greeting(address).0 == 220);
    server.still_serves();
}

fn lets_another_account_pass_where_one_was_refused(program: &Program) {
    let config = Config::default().anonymous("\"list\"");
    let server = program.start(config.table("[limits]\nfailed-logins = 3\nback-off = \"1m\""));
    let address = server.address();
    fail(address, 4);
    let (code, text) = pass(address, "user");
    assert_eq!(code, 421);
    assert!(text.contains("Too many refused logins"), "{text}");
    assert_eq!(pass(address, "anonymous").0, 230);
    eventually("it is logged", || {
        let log = server.log();
        log.lines().any(|line| {
            line.contains("login turned away")
                && line.contains("user=\"user\"")
                && line.contains("too many refused logins from the address")
        })
    });
    fail_as(address, &["a", "b", "c"]);
    assert_eq!(pass(address, "anonymous").0, 230);
    fail_as(address, &["d"]);
    assert_eq!(greeting(address).0, 421, "now all wait");
}

fn lets_an_exempt_network_guess(program: &Program) {
    let lines = "failed-logins = 5\nback-off = \"1m\"\nback-off-exempt = [\"127.0.0.0/8\"]";
    let server = limited(program, lines);
    let (exempt, other) = (server.addresses()[0], server.addresses()[1]);
    for address in [exempt, other] {
        fail_as(address, &["user", "user", "a", "b", "c", "d"]);
    }
    assert_eq!(pass(exempt, "user").0, 230);
    assert_eq!(greeting(other).0, 421);
}

fn lets_no_guess_succeed_while_its_address_has_to_wait(program: &Program) {
    let server = limited(program, "failed-logins = 2\nback-off = \"1m\"");
    let mut early = server.connect();
    let mut logged_in = server.login();
    early.command("USER user", 331);
    fail(server.address(), 3);
    early.command("PASS 12345", 421);
    early.expect_end();
    assert_eq!(pass(server.address(), "user").0, 421);
    logged_in.store("f.bin", b"hello");
    assert_eq!(logged_in.fetch("f.bin"), b"hello");
}

fn does_not_forget_refused_logins_for_one_that_succeeds(program: &Program) {
    let server = limited(program, "failed-logins = 3\nback-off = \"1m\"");
    fail(server.address(), 3);
    server.login().command("QUIT", 221);
    fail(server.address(), 1);
    assert_eq!(pass(server.address(), "user").0, 421);
}

fn has_so_many_sessions_of_an_account(program: &Program) {
    let config = Config::default().anonymous("\"list\"");
    let server = program.start(config.table("[limits]\nsessions-per-account = 2"));
    let clients = [server.login(), server.login()];
    let mut third = server.connect();
    third.command("USER user", 331);
    let text = third.command("PASS 12345", 421);
    assert!(text.contains("try again later"), "{text}");
    third.expect_end();
    // Those are of another account, or of none.
    for _ in 0..3 {
        server.connect().login("anonymous", "x");
    }
    eventually("it is logged", || {
        server.log().contains("too many sessions of the account")
    });
    drop(clients);
    eventually("a seat is free", || can_log_in(&server));
}

fn can_log_in(server: &Server) -> bool {
    let mut client = server.connect();
    client.command("USER user", 331);
    client.send("PASS 12345");
    client.reply().0 == 230
}

fn has_a_seat_again_after_user_rein_and_quit(program: &Program) {
    let server = program.start(Config::default().table("[limits]\nsessions-per-account = 1"));
    let mut first = server.login();
    for _ in 0..3 {
        assert!(!can_log_in(&server));
        first.command("REIN", 220);
        server.login().command("QUIT", 221);
        first.login("user", "12345");
        assert!(!can_log_in(&server));
        // It has its own seat again, also in one breath.
        first.raw(b"USER user\r\nPASS 12345\r\n");
        first.expect(331);
        first.expect(230);
        first.command("USER user", 331);
        assert!(can_log_in(&server));
        eventually("the seat is free", || {
            first.send("PASS 12345");
            let (code, _) = first.reply();
            if code == 421 {
                first = server.connect();
                first.command("USER user", 331);
            }
            code == 230
        });
    }
}

fn has_so_many_anonymous_sessions(program: &Program) {
    let section = "[anonymous]\nhome = \"HOME\"\nsessions = 1";
    let server = program.start(Config::default().table(section));
    let mut first = server.connect();
    first.login("anonymous", "x");
    // By whatever name, they are one account.
    let mut second = server.connect();
    second.command("USER ftp", 331);
    second.command("PASS x", 421);
    // A login that is answered at once has its own seat again too.
    first.raw(b"USER FTP\r\nPASS x\r\n");
    first.expect(331);
    first.expect(230);
    server.still_serves();
}

fn lets_commands_wait_that_come_too_fast(program: &Program) {
    let server = limited(program, "commands-per-second = 10");
    let mut client = server.login();
    let since = Instant::now();
    client.raw(&b"NOOP\r\n".repeat(30));
    for _ in 0..30 {
        client.expect(200);
    }
    let took = since.elapsed();
    assert!(took >= Duration::from_millis(1_900), "{took:?}");
}

fn ends_a_session_whose_line_does_not_end(program: &Program) {
    let server = limited(program, "line = \"2s\"");
    let mut client = server.login();
    client.raw(b"NOO");
    assert!(client.is_silent(Duration::from_millis(1_000)));
    client.expect(421);
    client.expect_end();
}

/// It reads nothing, and always has said more than is answered.
fn ends_a_session_that_does_not_log_in_whatever_it_says(program: &Program) {
    let server = limited(program, "login = \"2s\"");
    let mut client = server.connect();
    let socket = client.stream().try_clone().expect("the socket");
    socket.set_nonblocking(true).expect("not to block");
    let begun = Instant::now();
    let lines = b"FEAT\r\n".repeat(1_000);
    // Till replies have no room any more, nor have lines.
    while begun.elapsed() < Duration::from_millis(1_500) {
        if (&socket).write(&lines).is_err() {
            thread::sleep(Duration::from_millis(10));
        }
    }
    socket.set_nonblocking(false).expect("to block");
    let mut byte = [0];
    while begun.elapsed() < Duration::from_millis(2_500) || byte != *b"\n" {
        (&socket).read_exact(&mut byte).expect("a byte");
        thread::sleep(Duration::from_millis(10));
    }
    // What was on its way is all that comes.
    loop {
        match client.try_reply() {
            Ok((211, _)) => {}
            Ok((421, text)) => {
                assert!(text.contains("Timeout"), "{text}");
                break;
            }
            Ok((code, text)) => panic!("{code}: {text}"),
            // The first one has lost lines to what was read before.
            Err(error) if error.kind() == ErrorKind::InvalidData => {}
            // What the client has sent in vain may make it a reset.
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::WouldBlock, "it goes on");
                break;
            }
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "too late");
    eventually("it is logged", || {
        server.log().contains("timeout: no login")
    });
}

/// The kernel takes one that reads nothing, or little, for one that does not answer.
fn goes_on_with_a_client_that_reads_no_replies_for_a_while(program: &Program) {
    let server = limited(program, "vanished = \"2s\"");
    let mut client = Client::narrow(server.addresses()[0]);
    client.login("user", "12345");
    // Replies of some twenty times that: more than the system has room for.
    let commands = 100_000;
    let mut sender = client.stream().try_clone().expect("a clone");
    thread::scope(|scope| {
        scope.spawn(move || {
            sender
                .write_all(&b"NOOP\r\n".repeat(commands))
                .expect("to send")
        });
        thread::sleep(Duration::from_secs(8));
        for _ in 0..commands {
            client.expect(200);
        }
    });
    client.command("QUIT", 221);
}

/// They come back whenever they have to go.
fn lets_others_log_in_when_strangers_have_come(program: &Program) {
    let server = limited(program, "sessions = 40\nsessions-per-address = 20");
    let address = server.addresses()[0];
    let comes = |last: u8| connect_from(Ipv4Addr::new(127, 0, 0, last), address);
    let mut user = server.login();
    let mut strangers: Vec<_> = (0..60).map(|number| comes(2 + number % 3)).collect();
    for _ in 0..5 {
        let mut other = Client::over(comes(9));
        other.expect(220);
        other.login("user", "12345");
        other.command("QUIT", 221);
        for (number, stranger) in (0..).zip(&mut strangers) {
            if is_over(stranger) {
                *stranger = comes(2 + number % 3);
            }
        }
    }
    user.command("NOOP", 200);
    let log = server.whole_log();
    assert_eq!(log.matches("give way").count(), 1, "{log}");
    assert!(log.contains("it gave way to another client"), "{log}");
    drop(strangers);
    server.still_serves();
}

/// Whether the server has closed a connection.
fn is_over(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("not to block");
    let mut bytes = [0; 512];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

fn counts_no_sessions_of_an_exempt_network(program: &Program) {
    let lines = "sessions-per-address = 2\nback-off-exempt = [\"127.0.0.0/8\"]";
    let server = limited(program, lines);
    let (exempt, other) = (server.addresses()[0], server.addresses()[1]);
    let _clients: Vec<_> = (0..5).map(|_| Client::connect(exempt)).collect();
    let _others: Vec<_> = (0..2).map(|_| Client::connect(other)).collect();
    assert_eq!(greeting(other).0, 421);
}
