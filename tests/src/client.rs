//! [`Client`]: an FTP client that says exactly what it is told, in clear or under TLS.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};

use crate::server::rest;
use crate::tls::Tls;
use crate::wire::Wire;

/// Nothing that is tested takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A control connection.
pub struct Client {
    wire: BufReader<Wire>,
    /// How data connections are protected, after PROT P.
    private: Option<Tls>,
    /// See [`Client::be_mild`].
    mild: bool,
    last: String,
}

impl Client {
    /// Connects, reads the greeting, and takes little in advance: what it does not read is the server's
    /// trouble.
    pub(crate) fn narrow(address: SocketAddr) -> Self {
        let socket = new_socket(AddressFamily::INET);
        sockopt::set_socket_recv_buffer_size(&socket, 16_384).expect("a small buffer");
        rustix::net::connect(&socket, &address).expect("to connect");
        let mut client = Self::over(TcpStream::from(socket));
        client.expect(220);
        client
    }

    /// Connects and reads the greeting.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        let mut client = Self::silent(address);
        client.expect(220);
        client
    }

    /// Connects and reads nothing.
    #[must_use]
    pub fn silent(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("a connection"))
    }

    /// Takes a connection that stands, and reads nothing.
    #[must_use]
    pub fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self {
            wire: BufReader::new(stream.into()),
            private: None,
            mild: false,
            last: String::new(),
        }
    }

    /// Connects to a listener that begins with TLS, and reads the greeting.
    #[must_use]
    pub fn connect_implicit(address: SocketAddr, tls: &Tls) -> Self {
        let mut client = Self::silent(address);
        client.shake(tls).expect("a handshake");
        client.expect(220);
        client
    }

    /// AUTH TLS, and the handshake.
    pub fn auth_tls(&mut self, tls: &Tls) {
        self.command("AUTH TLS", 234);
        self.shake(tls).expect("a handshake");
    }

    /// Shakes hands on the control connection.
    pub fn shake(&mut self, tls: &Tls) -> io::Result<()> {
        if !self.wire.buffer().is_empty() {
            let what = "clear text behind the reply";
            return Err(io::Error::new(ErrorKind::InvalidData, what));
        }
        self.wire.get_mut().shake(tls)
    }

    /// PBSZ 0 and PROT P: from here on data connections are protected, with the same settings as
    /// the control connection if its session shall be resumed.
    pub fn secure(&mut self, tls: &Tls) {
        self.command("PBSZ 0", 200);
        self.command("PROT P", 200);
        self.private = Some(tls.clone());
    }

    /// CCC, and back to clear text.
    pub fn clear(&mut self) {
        self.command("CCC", 200);
        self.wire.get_mut().strip().expect("the end of TLS");
    }

    /// Takes 125, which not every server says where it could, for 150, and no notice of answers to
    /// Telnet; waits for no more than ten seconds.
    pub fn be_mild(&mut self) {
        self.mild = true;
        let wait = Some(Duration::from_secs(10));
        self.stream().set_read_timeout(wait).expect("a timeout");
    }

    /// Logs in, and goes to TYPE I.
    pub fn login(&mut self, name: &str, password: &str) {
        self.command(&format!("USER {name}"), 331);
        self.command(&format!("PASS {password}"), 230);
        self.command("TYPE I", 200);
    }

    /// Sends a line.
    pub fn send(&mut self, line: &str) {
        self.raw(format!("{line}\r\n").as_bytes());
    }

    /// Sends bytes.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.wire.get_mut().write_all(bytes).expect("to send");
    }

    /// Sends a line and expects that final reply, whose text is returned.
    pub fn command(&mut self, line: &str, code: u16) -> String {
        self.send(line);
        self.expect_of(line, code)
    }

    /// Sends a line and expects one of these final replies, which is returned.
    pub fn one_of(&mut self, line: &str, codes: &[u16]) -> (u16, String) {
        self.send(line);
        self.expect_one_of(line, codes)
    }

    /// Reads a reply to a line and expects one of these codes.
    pub fn expect_one_of(&mut self, line: &str, codes: &[u16]) -> (u16, String) {
        let (code, text) = self.reply();
        assert!(codes.contains(&code), "{line:.40}: {text}");
        (code, text)
    }

    /// Reads a reply and expects that code. Returns all its lines.
    pub fn expect(&mut self, code: u16) -> String {
        self.expect_of("", code)
    }

    fn expect_of(&mut self, line: &str, code: u16) -> String {
        let (got, text) = self.reply();
        assert_eq!(
            got, code,
            "{line:?} was answered by {text:?}, after {:?}",
            self.last
        );
        self.last.clone_from(&text);
        text
    }

    /// Reads a reply.
    pub fn reply(&mut self) -> (u16, String) {
        match self.try_reply() {
            Ok(reply) => reply,
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no reply in time"),
            Err(error) => panic!("no reply: {error}"),
        }
    }

    /// Reads a reply, if one comes.
    pub fn try_reply(&mut self) -> io::Result<(u16, String)> {
        let mut text = String::new();
        let mut first: Option<u16> = None;
        loop {
            let mut line = Vec::new();
            self.wire.read_until(b'\n', &mut line)?;
            while self.mild && line.len() > 3 && line[0] == 0xff {
                // WILL, WON'T, DO and DON'T have an option.
                let length = if (0xfb..=0xfe).contains(&line[1]) {
                    3
                } else {
                    2
                };
                line.drain(..length);
            }
            let line = String::from_utf8_lossy(&line).into_owned();
            if !line.ends_with("\r\n") {
                let what = match line.as_str() {
                    "" => "the connection is closed".into(),
                    line => format!("a line that is cut off: {line:?}"),
                };
                return Err(io::Error::new(ErrorKind::UnexpectedEof, what));
            }
            text.push_str(&line);
            let code = line.get(..3).and_then(|code| code.parse().ok());
            match (first, code, line.as_bytes().get(3)) {
                (None, Some(_), Some(b'-')) => first = code,
                (None, Some(125), _) if self.mild => return Ok((150, text)),
                (None, Some(code), _) => return Ok((code, text)),
                (None, None, _) => {
                    let what = format!("no reply, but {line:?}");
                    return Err(io::Error::new(ErrorKind::InvalidData, what));
                }
                (Some(first), Some(code), Some(b' ')) if code == first => {
                    return Ok((code, text));
                }
                (Some(_), _, _) => {}
            }
        }
    }

    /// Whether it is not told anything for so long.
    pub fn is_silent(&mut self, time: Duration) -> bool {
        let wait = |client: &Self, time| client.stream().set_read_timeout(Some(time));
        wait(self, time).expect("a timeout");
        let heard = self.wire.fill_buf().map(<[u8]>::len);
        wait(self, PATIENCE).expect("a timeout");
        matches!(heard, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Reads to the end of the connection, which must come.
    pub fn expect_end(&mut self) {
        let mut left = Vec::new();
        let ended = self.wire.read_to_end(&mut left);
        assert!(
            left.is_empty()
                && !matches!(&ended, Err(error) if error.kind() == ErrorKind::WouldBlock),
            "the connection goes on: {:?} {ended:?}",
            String::from_utf8_lossy(&left),
        );
    }

    /// PASV, and the address that it gives.
    pub fn pasv(&mut self) -> SocketAddr {
        let text = self.command("PASV", 227);
        let numbers: Vec<u16> = text
            .split(|c: char| !c.is_ascii_digit())
            .skip(1)
            .filter_map(|word| word.parse().ok())
            .collect();
        let [a, b, c, d, high, low] = numbers[..] else {
            panic!("{text}")
        };
        let ip: IpAddr = [a as u8, b as u8, c as u8, d as u8].into();
        SocketAddr::new(ip, high * 256 + low)
    }

    /// EPSV, and the address that it means.
    pub fn epsv(&mut self) -> SocketAddr {
        let text = self.command("EPSV", 229);
        let port = text
            .split('|')
            .nth(3)
            .and_then(|port| port.parse().ok())
            .expect("a port");
        // With the scope of a link-local address.
        let mut address = self.stream().peer_addr().expect("a peer");
        address.set_port(port);
        address
    }

    /// A passive data connection.
    pub fn data(&mut self) -> TcpStream {
        let address = self.epsv();
        connect_data(address)
    }

    /// Protects a data connection as PROT says.
    #[must_use]
    pub fn protect(&self, data: TcpStream) -> Wire {
        let mut wire = Wire::from(data);
        if let Some(tls) = &self.private {
            wire.shake(tls).expect("a handshake on a data connection");
        }
        wire
    }

    /// A listener for an active data connection, which the server is told of.
    pub fn active(&mut self) -> TcpListener {
        let mut here = self.stream().local_addr().expect("an address");
        here.set_port(0);
        let ip = here.ip();
        let listener = TcpListener::bind(here).expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let family = if ip.is_ipv4() { 1 } else { 2 };
        self.command(&format!("EPRT |{family}|{ip}|{port}|"), 200);
        listener
    }

    /// Sends a command that fetches data, and returns the data.
    pub fn get(&mut self, line: &str) -> Vec<u8> {
        let data = self.data();
        self.command(line, 150);
        let bytes = rest(self.protect(data));
        self.expect(226);
        bytes
    }

    /// Downloads a file.
    pub fn fetch(&mut self, name: &str) -> Vec<u8> {
        self.get(&format!("RETR {name}"))
    }

    /// The lines of a listing.
    pub fn lines(&mut self, line: &str) -> Vec<String> {
        let bytes = self.get(line);
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?}");
        text.split_terminator("\r\n").map(String::from).collect()
    }

    /// Sends a command that takes data, and the data.
    pub fn send_data(&mut self, line: &str, bytes: &[u8]) {
        let data = self.data();
        self.command(line, 150);
        let mut data = self.protect(data);
        data.write_all(bytes).expect("to send data");
        data.finish().expect("to end the data");
        self.expect(226);
    }

    /// Uploads a file.
    pub fn store(&mut self, name: &str, bytes: &[u8]) {
        self.send_data(&format!("STOR {name}"), bytes);
    }

    /// Sends an ABOR as clients do: IAC IP, then IAC DM with its last byte urgent.
    pub fn urgent_abort(&mut self) {
        use rustix::net::SendFlags;
        self.raw(b"\xff\xf4");
        rustix::net::send(self.stream(), b"\xff", SendFlags::OOB).expect("an urgent byte");
        self.raw(b"\xf2ABOR\r\n");
    }

    /// Breaks the connection with a reset.
    pub fn reset(self) {
        linger_not(self.stream());
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&self) {
        self.stream()
            .shutdown(Shutdown::Write)
            .expect("to half-close");
    }

    /// The socket of the control connection.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        self.wire.get_ref().socket()
    }

    /// The control connection itself.
    pub fn wire(&mut self) -> &mut Wire {
        self.wire.get_mut()
    }
}

/// Connects to an address that PASV or EPSV gave.
#[must_use]
pub fn connect_data(address: SocketAddr) -> TcpStream {
    let data = TcpStream::connect(address).expect("a data connection");
    data.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    data.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    data
}

/// Connects from another address of this machine.
pub(crate) fn connect_from(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = bound(from);
    rustix::net::connect(&socket, &to).expect("to connect");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// A socket that will connect from that address.
pub(crate) fn bound(from: Ipv4Addr) -> OwnedFd {
    let socket = new_socket(AddressFamily::INET);
    rustix::net::bind(&socket, &SocketAddr::new(from.into(), 0)).expect("to bind");
    socket
}

/// A socket that no server inherits which another case starts meanwhile.
pub(crate) fn new_socket(family: AddressFamily) -> OwnedFd {
    let flags = SocketFlags::CLOEXEC;
    socket_with(family, SocketType::STREAM, flags, None).expect("a socket")
}

/// Breaks a connection with a reset.
pub fn reset(stream: TcpStream) {
    linger_not(&stream);
}

/// A connection that does not linger is reset when it is closed.
fn linger_not(stream: &TcpStream) {
    sockopt::set_socket_linger(stream, Some(Duration::ZERO)).expect("to linger not");
}

/// Reads some bytes, at least one.
pub fn some(mut stream: &TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let read = stream.read(&mut bytes).expect("some data");
    bytes.truncate(read);
    bytes
}
