//! A client that waits for each reply.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than anything takes that does not hang.
const LATE: Duration = Duration::from_secs(30);

pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    /// Somebody who has logged in by that name.
    pub(crate) fn log_in(server: SocketAddr, name: &str) -> Self {
        let mut client = Self::connect(server);
        client.ask(&format!("USER {name}"), 331);
        client.ask("PASS x", 230);
        client.ask("TYPE I", 200);
        client
    }

    /// Somebody who has been greeted.
    pub(crate) fn connect(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).expect("the server listens");
        stream.set_read_timeout(Some(LATE)).expect("a timeout");
        let mut client = Self(BufReader::new(stream));
        client.expect(220);
        client
    }

    /// The server has closed the connection.
    pub(crate) fn expect_end(&mut self) {
        let mut rest = Vec::new();
        let read = self.0.read_to_end(&mut rest);
        assert!(read.is_ok() && rest.is_empty(), "{read:?} {rest:?}");
    }

    pub(crate) fn say(&mut self, line: &str) {
        let line = format!("{line}\r\n");
        let mut stream = self.0.get_ref();
        stream.write_all(line.as_bytes()).expect("the server reads");
    }

    /// The next reply, which has this code.
    pub(crate) fn expect(&mut self, code: u16) -> String {
        let mut reply = String::new();
        loop {
            let start = reply.len();
            let read = self.0.read_line(&mut reply);
            assert!(
                read.is_ok_and(|count| count > 0),
                "{code} expected: {reply}"
            );
            let line = &reply.as_bytes()[start..];
            if line[0].is_ascii_digit() && line[3] == b' ' {
                assert!(
                    reply[start..].starts_with(&code.to_string()),
                    "{code}: {reply}"
                );
                return reply;
            }
        }
    }

    pub(crate) fn ask(&mut self, line: &str, code: u16) -> String {
        self.say(line);
        self.expect(code)
    }

    pub(crate) fn data(&mut self) -> TcpStream {
        let reply = self.ask("EPSV", 229);
        let port = reply.split('|').nth(3).and_then(|port| port.parse().ok());
        let mut address = self.0.get_ref().peer_addr().expect("an address");
        address.set_port(port.expect("a port"));
        let data = TcpStream::connect(address).expect("a data connection");
        data.set_read_timeout(Some(LATE)).expect("a timeout");
        data
    }

    /// Uploads these bytes: the code that it comes to.
    pub(crate) fn store(&mut self, name: &str, bytes: &[u8], code: u16) {
        let mut data = self.data();
        self.ask(&format!("STOR {name}"), 150);
        data.write_all(bytes).expect("the server reads");
        drop(data);
        self.expect(code);
    }

    pub(crate) fn fetch(&mut self, name: &str) -> Vec<u8> {
        let mut data = self.data();
        self.ask(&format!("RETR {name}"), 150);
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes).expect("the server writes");
        self.expect(226);
        bytes
    }
}
