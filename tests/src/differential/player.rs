//! Plays a probe against a server, whichever it is.
//!
//! A script is a list of steps between ` | `. In all of them `\r`, `\n`, `\0`, `\xNN`, `{user}`,
//! `{password}` and `{start}` stand for what they say.
//!
//! | Step | Meaning |
//! |---|---|
//! | `=new`, at the beginning | not logged in; otherwise the session is, in TYPE I, where it begins |
//! | `=greeting` | as `=new`, and the greeting counts as a reply |
//! | `> BYTES` | sends exactly these |
//! | `<` | reads a reply |
//! | `=line N` | sends a CWD of so many bytes |
//! | `=port` | PORT with a port to which nobody listens, and its reply |
//! | `=connect` | a data connection to where the last PASV said |
//! | `=receive` | reads it to its end, and counts |
//! | `=drain` | reads it to its end |
//! | `=send`, `=close`, `=reset` | 1000 bytes, the end of the data connection, a reset |
//! | `=wait` | a while |
//! | anything else | a command: sends it with CRLF and reads a reply |

use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::client::reset;

/// So long is waited between two packets that shall not be one.
const GAP: Duration = Duration::from_millis(5);

/// A server to be probed.
pub struct Peer {
    /// Where it listens.
    pub address: SocketAddr,
    /// Who logs in.
    pub user: String,
    /// With which password.
    pub password: String,
    /// The directory in which a session begins.
    pub start: String,
    /// How long to wait for a reply that does not come.
    pub patience: Duration,
}

/// What was heard in a probe.
#[derive(Default)]
pub struct Heard {
    /// The codes of the replies, and what else there was, between spaces.
    pub words: Vec<String>,
    /// Each reply with the verb of the command that it answers.
    pub replies: Vec<(String, String)>,
}

/// Puts what every probe begins with into the directory that the peer serves: a file `f` of 1000
/// bytes, and a directory `d` with a file in it. All of it has the owner of the directory.
///
/// # Errors
/// The directory cannot be changed.
pub fn prepare(home: &Path) -> io::Result<()> {
    for entry in fs::read_dir(home)? {
        let path = entry?.path();
        // pyftpdlib goes there itself, and would not survive if it were removed meanwhile.
        if path == home.join("d") {
            continue;
        }
        if path.is_dir() {
            fs::remove_dir_all(path)?;
        } else {
            fs::remove_file(path)?;
        }
    }
    fs::create_dir_all(home.join("d"))?;
    fs::write(home.join("d/inner"), "x")?;
    fs::write(home.join("f"), [b'x'; 1000])?;
    let owner = home.metadata()?;
    for name in ["d", "d/inner", "f"] {
        chown(home.join(name), Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

/// Plays a script; the server's directory has been prepared.
///
/// # Errors
/// The server cannot be reached, or does not let the user in.
pub fn play(peer: &Peer, script: &str) -> io::Result<Heard> {
    let mut player = Player::new(peer)?;
    let steps: Vec<_> = script.split(" | ").collect();
    let greeting = player.reply();
    match steps[0] {
        "=new" => {}
        "=greeting" => player.heard.words.push(greeting),
        _ => player.login()?,
    }
    for step in steps {
        player.step(step)?;
        if matches!(player.heard.words.last(), Some(word) if word == "EOF" || word == "RST") {
            break;
        }
    }
    Ok(player.heard)
}

struct Player<'a> {
    peer: &'a Peer,
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    passive: Option<SocketAddr>,
    data: Option<TcpStream>,
    /// The end of a line that is not complete.
    begun: Vec<u8>,
    /// The verbs of the commands that have no final reply yet.
    asked: VecDeque<String>,
    heard: Heard,
}

impl<'a> Player<'a> {
    fn new(peer: &'a Peer) -> io::Result<Self> {
        let stream = TcpStream::connect(peer.address)?;
        stream.set_read_timeout(Some(peer.patience))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            peer,
            reader: BufReader::new(stream.try_clone()?),
            stream,
            passive: None,
            data: None,
            begun: Vec::new(),
            asked: VecDeque::new(),
            heard: Heard::default(),
        })
    }

    fn login(&mut self) -> io::Result<()> {
        for line in ["USER {user}", "PASS {password}", "TYPE I", "CWD {start}"] {
            self.command(line)?;
        }
        let codes = std::mem::take(&mut self.heard).words;
        match codes.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["331", "230", "200", "250"] => Ok(()),
            _ => Err(io::Error::other(format!("no login: {codes:?}"))),
        }
    }

    fn step(&mut self, step: &str) -> io::Result<()> {
        if let Some(bytes) = step.strip_prefix("> ") {
            let bytes = self.unescape(bytes);
            self.send(&bytes);
            thread::sleep(GAP);
        } else if step == "<" {
            self.hear();
        } else if let Some(step) = step.strip_prefix('=') {
            self.data_step(step)?;
        } else {
            self.command(step)?;
        }
        Ok(())
    }

    fn data_step(&mut self, step: &str) -> io::Result<()> {
        let (step, argument) = step.split_once(' ').unwrap_or((step, ""));
        match (step, self.data.take()) {
            ("new" | "greeting", _) => {}
            ("line", _) => {
                let length = argument.parse().map_err(io::Error::other)?;
                let mut line = b"CWD ".to_vec();
                line.resize(length, b'a');
                line.extend_from_slice(b"\r\n");
                self.send(&line);
            }
            ("port", _) => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                let [high, low] = listener.local_addr()?.port().to_be_bytes();
                drop(listener);
                self.command(&format!("PORT 127,0,0,1,{high},{low}"))?;
            }
            ("connect", _) => {
                let address = self.passive.ok_or(ErrorKind::NotConnected)?;
                let data = TcpStream::connect(address)?;
                data.set_read_timeout(Some(self.peer.patience))?;
                self.data = Some(data);
            }
            ("receive", Some(mut data)) => {
                let mut bytes = Vec::new();
                let _ = data.read_to_end(&mut bytes);
                self.heard.words.push(format!("[{}]", bytes.len()));
            }
            ("drain", Some(mut data)) => {
                let _ = data.read_to_end(&mut Vec::new());
            }
            ("send", Some(mut data)) => {
                let _ = data.write_all(&[b'y'; 1000]);
                self.data = Some(data);
            }
            ("close", _) => {}
            ("reset", Some(data)) => {
                // First the bytes are taken: a reset may throw them away.
                thread::sleep(GAP * 20);
                reset(data);
            }
            ("wait", data) => {
                thread::sleep(GAP * 40);
                self.data = data;
            }
            _ => return Err(io::Error::other(format!("no step: ={step}"))),
        }
        Ok(())
    }

    fn command(&mut self, line: &str) -> io::Result<()> {
        let mut bytes = self.unescape(line);
        bytes.extend_from_slice(b"\r\n");
        self.send(&bytes);
        self.hear();
        Ok(())
    }

    /// Sends bytes. Where that fails, the next reply says why.
    fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.begun);
                self.asked.push_back(verb(&line));
            } else {
                self.begun.push(byte);
            }
        }
    }

    fn unescape(&self, text: &str) -> Vec<u8> {
        let text = text.replace("{user}", &self.peer.user);
        let text = text.replace("{password}", &self.peer.password);
        wharf_script::unescape(&text.replace("{start}", &self.peer.start))
    }

    /// Reads a reply and notes it.
    fn hear(&mut self) {
        let code = self.reply();
        if code.len() == 3 && code.starts_with(|first: char| first.is_ascii_digit()) {
            let verb = if code.starts_with('1') {
                self.asked.front().cloned()
            } else {
                self.asked.pop_front()
            };
            let verb = verb.unwrap_or_default();
            self.heard.replies.push((verb, code.clone()));
        }
        self.heard.words.push(code);
    }

    /// Reads a reply: its code, or why there is none.
    fn reply(&mut self) -> String {
        loop {
            let mut line = Vec::new();
            match self.reader.read_until(b'\n', &mut line) {
                Ok(0) => return "EOF".into(),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return "TMO".into(),
                Err(_) => return "RST".into(),
            }
            if let [code @ .., b' '] = &line[..line.len().min(4)]
                && code.len() == 3
                && code.iter().all(u8::is_ascii_digit)
            {
                let text = String::from_utf8_lossy(&line);
                if code == b"227" {
                    self.passive = address(&text);
                }
                return text[..3].to_owned();
            }
        }
    }
}

/// The verb of a command, without what Telnet puts before it.
fn verb(line: &[u8]) -> String {
    let letters = line.iter().skip_while(|byte| !byte.is_ascii_alphabetic());
    let letters = letters.take_while(|byte| byte.is_ascii_alphabetic());
    letters
        .map(|&byte| char::from(byte.to_ascii_uppercase()))
        .collect()
}

/// The address in the reply to PASV.
pub(crate) fn address(text: &str) -> Option<SocketAddr> {
    let numbers: Vec<u8> = text[3..]
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect();
    match numbers[..] {
        [a, b, c, d, high, low] => {
            let port = u16::from_be_bytes([high, low]);
            Some(SocketAddr::from(([a, b, c, d], port)))
        }
        _ => None,
    }
}
