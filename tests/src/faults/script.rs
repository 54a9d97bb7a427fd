//! [`Script`]: a session with a bit of everything that believes nothing.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use crate::conversations::transfer::pattern;
use crate::{Client, Server};

/// A session in which anything may fail. What succeeded by its reply must have happened.
pub(super) struct Script<'a> {
    server: &'a Server,
    client: Client,
}

/// How data goes.
#[derive(Clone, Copy)]
enum Way {
    Passive,
    Active,
}

impl<'a> Script<'a> {
    /// Plays it.
    ///
    /// # Errors
    /// The session broke off, or refused something.
    ///
    /// # Panics
    /// A reply says what is not so, or none comes in time.
    pub(super) fn play(server: &'a Server) -> io::Result<()> {
        server.put("old.bin", b"the old file");
        server.put("log.txt", b"the first line");
        let mut script = Self {
            server,
            client: Client::silent(server.address()),
        };
        script.reply()?;
        script.ask("USER user")?;
        let ran = script.ask("PASS 12345").and_then(|_| script.act());
        // Even after a failure it can still be talked to, unless it was ended.
        script.ask("QUIT")?;
        ran
    }

    /// Removes what it may have left.
    pub(super) fn clean(server: &Server) {
        for entry in fs::read_dir(server.home()).expect("the home").flatten() {
            let path = entry.path();
            let _ = if path.is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            };
        }
    }

    fn act(&mut self) -> io::Result<()> {
        let long = pattern(1_500_000);
        let outcomes = [
            self.ask("TYPE I"),
            self.store("long.bin", &long, Way::Passive),
            self.store("old.bin", b"new", Way::Active),
            self.fetch("long.bin", Way::Active),
            self.fetch("old.bin", Way::Passive),
            self.ask("TYPE A"),
            self.fetch("long.bin", Way::Passive),
            self.store("text.txt", b"one\r\n", Way::Passive),
            self.list("LIST"),
            self.list("MLSD"),
            self.ask("STAT ."),
            self.ask("SIZE text.txt"),
            self.ask("MDTM long.bin"),
            self.ask("TYPE I"),
            self.append("log.txt", b"more"),
            self.edit("MKD new", |home| home.join("new").is_dir()),
            self.edit("RNFR long.bin", |_| true),
            self.edit("RNTO new/moved.bin", |home| {
                home.join("new/moved.bin").exists()
            }),
            self.edit("DELE new/moved.bin", |home| {
                !home.join("new/moved.bin").exists()
            }),
            self.edit("RMD new", |home| !home.join("new").exists()),
        ];
        outcomes.into_iter().collect::<io::Result<Vec<u16>>>()?;
        Ok(())
    }

    /// The code of a reply; an error if it says no.
    fn reply(&mut self) -> io::Result<u16> {
        match self.client.try_reply() {
            Ok((code, _)) if code < 400 => Ok(code),
            Ok((_, text)) => Err(io::Error::other(text)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("no reply in time")
            }
            Err(error) => Err(error),
        }
    }

    fn ask(&mut self, line: &str) -> io::Result<u16> {
        let mut stream = self.client.stream();
        stream.write_all(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    fn edit(&mut self, line: &str, is_done: fn(&std::path::Path) -> bool) -> io::Result<u16> {
        let code = self.ask(line)?;
        assert!(is_done(self.server.home()), "{line} was answered by {code}");
        Ok(code)
    }

    /// Runs a transfer, and gives its data connection to `carry`.
    fn transfer<T>(
        &mut self,
        way: Way,
        line: &str,
        carry: impl FnOnce(TcpStream) -> T,
    ) -> io::Result<(u16, T)> {
        let data = match way {
            Way::Passive => {
                let mut stream = self.client.stream();
                stream.write_all(b"EPSV\r\n")?;
                let (code, text) = self.client.try_reply()?;
                if code != 229 {
                    return Err(io::Error::other(text));
                }
                let port = text.split('|').nth(3).and_then(|port| port.parse().ok());
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.expect("a port")));
                let data = TcpStream::connect(address);
                self.ask(line)?;
                data?
            }
            Way::Active => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                let port = listener.local_addr()?.port();
                self.ask(&format!("EPRT |1|127.0.0.1|{port}|"))?;
                self.ask(line)?;
                listener.accept()?.0
            }
        };
        data.set_read_timeout(Some(super::SOON))?;
        let carried = carry(data);
        Ok((self.reply()?, carried))
    }

    fn store(&mut self, name: &str, bytes: &[u8], way: Way) -> io::Result<u16> {
        let line = format!("STOR {name}");
        let before = fs::read(self.server.home().join(name)).ok();
        let outcome = self.transfer(way, &line, |mut data| data.write_all(bytes));
        let now = fs::read(self.server.home().join(name)).ok();
        // With the LF alone of TYPE A.
        let expected = if bytes.ends_with(b"\r\n") {
            b"one\n"
        } else {
            bytes
        };
        match outcome {
            Ok((code, sent)) => {
                sent?;
                assert!(
                    now.as_deref() == Some(expected),
                    "{line} was answered by {code}"
                );
                Ok(code)
            }
            Err(error) => {
                let is_whole = now == before || now.as_deref() == Some(expected);
                assert!(is_whole, "{line} left a torn file: {error}");
                Err(error)
            }
        }
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<u16> {
        let mut expected = fs::read(self.server.home().join(name))?;
        expected.extend_from_slice(bytes);
        let line = format!("APPE {name}");
        let (code, sent) = self.transfer(Way::Passive, &line, |mut data| data.write_all(bytes))?;
        sent?;
        assert!(
            self.server.content(name) == expected,
            "{line} was answered by {code}"
        );
        Ok(code)
    }

    fn fetch(&mut self, name: &str, way: Way) -> io::Result<u16> {
        let line = format!("RETR {name}");
        let mut bytes = Vec::new();
        let (code, _) = self.transfer(way, &line, |mut data| data.read_to_end(&mut bytes))?;
        let plain = |bytes: Vec<u8>| bytes.into_iter().filter(|byte| *byte != b'\r');
        let is_same = plain(bytes).eq(plain(self.server.content(name)));
        assert!(is_same, "{line} was answered by {code}");
        Ok(code)
    }

    fn list(&mut self, line: &str) -> io::Result<u16> {
        let mut text = String::new();
        let (code, _) = self.transfer(Way::Passive, line, |mut data| {
            data.read_to_string(&mut text)
        })?;
        for entry in fs::read_dir(self.server.home())?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            assert!(
                name.starts_with('.') || text.contains(&name),
                "{line} was answered by {code} and lacks {name}"
            );
        }
        Ok(code)
    }
}
