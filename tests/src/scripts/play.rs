//! [`play`]: one script against one server.
//!
//! What the core asks its adapter for (`A:`) is seen by its effects. After each 226, and in the
//! end, exactly that is served which the replies have said: what was sent is stored under its name,
//! and nothing else has been stored, renamed or removed. A data connection that was to be closed is
//! closed, and one that was not to be made is not.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use wharf_script::{Line, Script, letters, number};

use super::scene::{break_for, config, second};
use super::served::Served;
use crate::client::{PATIENCE, connect_data, reset};
use crate::differential::address;
use crate::faults::strace::Tracer;
use crate::server::{eventually, rest};
use crate::tls::Tls;
use crate::unwelcome::Unwelcome;
use crate::{Client, Program, Server};

/// Nothing is heard for so long before something is sent, and packets are not one.
const GAP: Duration = Duration::from_millis(5);
/// In the end nothing is heard for so long.
const END: Duration = Duration::from_millis(50);

/// Plays a script to its end.
pub(super) fn play(program: &Program, name: &str) {
    let script = Script::read(name).expect("a script");
    let mut play = Play::begin(program.start(config(&script)), second(&script));
    for (index, line) in script.lines.iter().enumerate() {
        play.line = line.to_string();
        play.step(line, &script.lines[index + 1..]);
    }
    play.line = "the end".into();
    play.end();
}

struct Play {
    server: Server,
    second: Duration,
    /// Where the script is.
    line: String,
    /// None once the connection has ended.
    client: Option<Client>,
    codes: Vec<u16>,
    /// When something was last sent or done.
    acted: Instant,
    /// What PASV said.
    passive: Option<SocketAddr>,
    /// What PORT named.
    listener: Option<TcpListener>,
    data: Option<TcpStream>,
    stranger: Option<Unwelcome>,
    /// The data connection shall be closed by the server.
    closes_data: bool,
    /// What has a call fail.
    tracer: Option<Tracer>,
    served: Served,
}

impl Drop for Play {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- at {:?}, after {:?}", self.line, self.codes);
        }
    }
}

impl Play {
    fn begin(server: Server, second: Duration) -> Self {
        Self {
            client: Some(Client::silent(server.address())),
            served: Served::begin(server.home()),
            server,
            second,
            line: String::new(),
            codes: Vec::new(),
            acted: Instant::now(),
            passive: None,
            listener: None,
            data: None,
            stranger: None,
            closes_data: false,
            tracer: None,
        }
    }

    fn step(&mut self, line: &Line, ahead: &[Line]) {
        let text = &line.text;
        match &line.mark[..] {
            // The server was started so.
            "cfg" => {}
            "C" => self.command(line, ahead),
            "C1" | "C~" => line
                .pieces()
                .iter()
                .flatten()
                .for_each(|piece| self.send(piece)),
            "S" | "S-" => {
                let code = self.reply();
                assert!(line.wants(code), "{code} instead of {text}");
            }
            "S*" => {
                let codes: Vec<u16> = text.split(' ').map(|_| self.reply()).collect();
                assert!(line.wants_all(&codes), "{codes:?} instead of {text}");
            }
            "E" => self.event(line.event().unwrap_or_default()),
            "A" => self.action(text),
            "A!" => text.split(' ').for_each(|word| self.is_not_done(word)),
            _ => panic!("no such mark"),
        }
    }

    fn client(&mut self) -> &mut Client {
        self.client.as_mut().expect("a connection that goes on")
    }

    fn send(&mut self, bytes: &[u8]) {
        assert!(self.client().is_silent(GAP), "a reply more");
        self.acted = Instant::now();
        self.client().raw(bytes);
    }

    fn command(&mut self, line: &Line, ahead: &[Line]) {
        let (verb, argument) = line.text.split_once(' ').unwrap_or((&line.text, ""));
        self.served.command(verb, argument, ahead);
        let broken = break_for(&self.server, verb, ahead);
        self.tracer = self.tracer.take().or(broken);
        // A third host, or a reserved port, stays what it is.
        let bytes = if verb == "PORT" && argument.starts_with("127,0,0,1,200,") {
            let refuses = ahead.iter().any(|line| line.is_event("data-refused"));
            self.port(refuses).into_bytes()
        } else {
            line.pieces().unwrap_or_default().concat()
        };
        self.send(&bytes);
    }

    /// PORT with a port of ours.
    fn port(&mut self, refuses: bool) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        if refuses {
            // The port stays ours, and nobody listens.
            rustix::net::shutdown(&listener, rustix::net::Shutdown::Both).expect("to stop");
        }
        listener.set_nonblocking(true).expect("not to wait");
        self.listener = Some(listener);
        format!("PORT 127,0,0,1,{},{}\r\n", port >> 8, port & 255)
    }

    fn reply(&mut self) -> u16 {
        let (code, text) = self.client().reply();
        self.codes.push(code);
        self.passive = address(&text).filter(|_| code == 227).or(self.passive);
        self.served.reply(code);
        code
    }

    fn event(&mut self, (event, argument): (&str, &str)) {
        if event == "time" {
            return self.wait(self.second * number(argument.trim_start_matches('+')));
        }
        self.acted = Instant::now();
        match event {
            "data-open" => self.data = Some(self.open()),
            "data-open-from" => {
                // Of the addresses that are not the client's, this one is ours.
                let from = Ipv4Addr::new(127, 0, 0, 2);
                self.stranger = Some(Unwelcome::connect_from(from, self.passive.expect("a PASV")));
            }
            "data-bytes" => {
                let bytes = letters(b'A', number(argument));
                self.data().write_all(&bytes).expect("to send data");
                self.served.sent(&bytes);
            }
            "data-eof" => self
                .data()
                .shutdown(Shutdown::Write)
                .expect("to end the data"),
            "data-reset" => reset(self.data.take().expect("a data connection")),
            "fs-data" => {
                let mut bytes = vec![0; number(argument)];
                self.data().read_exact(&mut bytes).expect("data");
                self.served.came(&bytes);
            }
            "fs-eof" => self.receive_all(),
            "tls-up" => self.client().shake(&Tls::default()).expect("a handshake"),
            "ctrl-reset" => self.client.take().expect("a connection").reset(),
            "shutdown" => self.server.signal(Signal::TERM),
            "expect-close-by-policy" => self.ends(),
            // These have been arranged.
            "data-refused" | "data-blocked" | "fs-ok" | "fs-exists" | "fs-err"
            | "fs-entry-gone" => {}
            _ => panic!("no such event"),
        }
    }

    /// Lets time pass. A limit is a little less, and before it is over nothing happens.
    fn wait(&mut self, time: Duration) {
        let begun = Instant::now();
        // What was done last has the limit begin, and may have been done a while ago.
        let least = time * 4 / 5;
        let quiet = least.saturating_sub(self.acted.elapsed());
        let is_silent = quiet.is_zero() || self.client().is_silent(quiet);
        // Who slept too long hears a reply that was in time.
        let is_late = self.acted.elapsed() >= least;
        assert!(is_silent || is_late, "a reply too early");
        thread::sleep(time.saturating_sub(begun.elapsed()));
    }

    /// A data connection, whoever makes it.
    fn open(&self) -> TcpStream {
        let Some(listener) = &self.listener else {
            return connect_data(self.passive.expect("a PASV"));
        };
        let mut data = None;
        eventually("the server connects", || {
            data = listener.accept().ok().map(|(data, _)| data);
            data.is_some()
        });
        data.expect("a data connection")
    }

    fn data(&self) -> &TcpStream {
        self.data.as_ref().expect("a data connection")
    }

    /// Reads the data to their end.
    fn receive_all(&mut self) {
        self.served.cut();
        let bytes = rest(self.data());
        self.served.came(&bytes);
        self.served.came_whole(usize::from(self.tracer.is_some()));
    }

    fn action(&mut self, text: &str) {
        match text.split(' ').next().unwrap_or_default() {
            "close" => self.ends(),
            // What came behind AUTH is no handshake.
            "start-tls" => {
                if let Some(client) = self.client.take() {
                    let ended = client.stream().read_to_end(&mut Vec::new());
                    let is_waiting = |error: std::io::Error| error.kind() == ErrorKind::WouldBlock;
                    assert!(!ended.is_err_and(is_waiting), "the connection goes on");
                }
            }
            // One that no preliminary reply has spoken of waits for the next command.
            "data-close" => self.closes_data |= self.codes.iter().any(|code| *code < 200),
            "fs-write" => self.served.hides_the_upload(),
            // The others are seen by what is sent and by what is stored.
            _ => {}
        }
    }

    fn is_not_done(&self, word: &str) {
        match word {
            "reply-226" => assert!(!self.codes.contains(&226), "it was answered by 226"),
            "connect" => {
                let came = self.listener.as_ref().map(TcpListener::accept);
                let nobody = |came: std::io::Result<_>| {
                    came.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
                };
                assert!(came.is_none_or(nobody), "the server connected");
            }
            // In the end it would be seen in what is served.
            _ => {}
        }
    }

    /// The control connection has ended, without a word.
    fn ends(&mut self) {
        if let Some(mut client) = self.client.take() {
            client.expect_end();
        }
    }

    fn end(mut self) {
        // Some scripts end when the file is opened: here that is seen when it comes.
        if self.served.is_sending() {
            assert_eq!(self.reply(), 150);
            self.receive_all();
            assert_eq!(self.reply(), 226);
        }
        if let Some(data) = self.data.take().filter(|_| self.closes_data) {
            until_closed(data);
        }
        if let Some(stranger) = self.stranger.take() {
            assert!(stranger.is_dropped(PATIENCE), "the stranger is served");
        }
        if let Some(tracer) = self.tracer.take() {
            assert!(tracer.injected() > 0, "no call was made to fail");
        }
        eventually("exactly that is served which was answered", || {
            self.served.is_so()
        });
        // These are last words.
        if let Some(221 | 421) = self.codes.last() {
            self.ends();
        }
        if let Some(client) = &mut self.client {
            assert!(client.is_silent(END), "a reply more");
        }
    }
}

/// Reads until the server has closed a data connection, or reset it.
fn until_closed(mut data: TcpStream) {
    let ended = data.read_to_end(&mut Vec::new());
    let is_waiting = |error: std::io::Error| error.kind() == ErrorKind::WouldBlock;
    assert!(!ended.is_err_and(is_waiting), "the data connection goes on");
}
