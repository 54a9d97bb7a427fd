//! [`Wire`]: a connection, in clear or under TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use rustls::{ClientConnection, HandshakeKind};

use crate::tls::Tls;

/// The length of the head of a record, whose last two bytes are that of its body.
const HEAD: usize = 5;

/// A connection to a server. To drop it is a FIN, under TLS one without close_notify.
pub struct Wire {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// The record that is coming in.
    record: Vec<u8>,
}

impl From<TcpStream> for Wire {
    fn from(socket: TcpStream) -> Self {
        Self {
            socket,
            tls: None,
            record: Vec::new(),
        }
    }
}

impl Wire {
    /// Sends the ClientHello and does not wait for an answer.
    pub fn begin(&mut self, tls: &Tls) -> io::Result<()> {
        self.tls = Some(Box::new(tls.begin()));
        self.flush()
    }

    /// Shakes hands, to the end if it has begun.
    pub fn shake(&mut self, tls: &Tls) -> io::Result<()> {
        if self.tls.is_none() {
            self.begin(tls)?;
        }
        while self.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
            if self.receive()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Whether this is a session that began on another connection.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        let kind = self.tls.as_ref().and_then(|tls| tls.handshake_kind());
        kind == Some(HandshakeKind::Resumed)
    }

    /// What ALPN agreed on.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        self.tls.as_ref()?.alpn_protocol()
    }

    /// Says that nothing more comes, with a close_notify if this is TLS, and a FIN.
    pub fn finish(&mut self) -> io::Result<()> {
        self.notify()?;
        self.socket.shutdown(Shutdown::Write)
    }

    /// Says that nothing more comes under TLS.
    pub fn notify(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        self.flush()
    }

    /// Goes back to clear text, when both sides have said that nothing more comes under TLS.
    pub fn strip(&mut self) -> io::Result<()> {
        self.notify()?;
        let mut rest = Vec::new();
        self.read_to_end(&mut rest)?;
        self.tls = None;
        Ok(())
    }

    /// The socket beneath.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// The socket beneath, without the TLS.
    #[must_use]
    pub fn into_socket(self) -> TcpStream {
        self.socket
    }

    /// Reads one record and not a byte more, as clear text may follow it. How many bytes came.
    fn receive(&mut self) -> io::Result<usize> {
        loop {
            let length = match self.record[..] {
                [_, _, _, high, low, ..] => HEAD + usize::from(u16::from_be_bytes([high, low])),
                _ => HEAD,
            };
            let known = self.record.len();
            if known == length && length > HEAD {
                break;
            }
            self.record.resize(length, 0);
            let read = self.socket.read(&mut self.record[known..]);
            self.record.truncate(known + *read.as_ref().unwrap_or(&0));
            if read? == 0 {
                break;
            }
        }
        let record = std::mem::take(&mut self.record);
        let Some(tls) = &mut self.tls else {
            return Ok(0);
        };
        let shakes = tls.is_handshaking();
        let mut left = &record[..];
        let mut outcome = Ok(());
        // An empty one says that the end has come.
        loop {
            tls.read_tls(&mut left)?;
            outcome = outcome.and(tls.process_new_packets().map(drop));
            if left.is_empty() {
                break;
            }
        }
        // Not what else waits to be written: the peer may take none of it before it is read from.
        if shakes || outcome.is_err() {
            let flushed = self.flush();
            outcome.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            flushed?;
        }
        Ok(record.len())
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(tls) = &mut self.tls else {
                return self.socket.read(into);
            };
            match tls.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.receive()?,
                outcome => return outcome,
            };
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.write(bytes);
        };
        let taken = tls.writer().write(bytes)?;
        self.flush().map(|()| taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut self.socket)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::thread;

    use rustls::{ServerConfig, ServerConnection, StreamOwned};

    use super::*;
    use crate::certificates::AUTHORITY;

    type Stream = StreamOwned<ServerConnection, TcpStream>;

    /// A server that speaks TLS with one client after the other, and the wires to it.
    fn served(times: usize, serve: fn(&mut Stream)) -> impl Fn(&Tls) -> io::Result<Wire> {
        let pair = AUTHORITY.signs(&["localhost"]);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let mut config = ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(pair.chain(), pair.key())
            .expect("a certificate");
        config.alpn_protocols = vec![b"ftp".to_vec()];
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            for _ in 0..times {
                let (socket, _) = listener.accept().expect("a client");
                let tls = ServerConnection::new(Arc::clone(&config)).expect("a connection");
                serve(&mut StreamOwned::new(tls, socket));
            }
        });
        move |tls| {
            let mut wire = Wire::from(TcpStream::connect(address)?);
            wire.shake(tls).map(|()| wire)
        }
    }

    fn echo(stream: &mut Stream) {
        let mut bytes = Vec::new();
        let ended = stream.read_to_end(&mut bytes);
        if ended.is_ok() {
            let _ = stream.write_all(&bytes);
            stream.conn.send_close_notify();
        }
        let _ = stream.flush();
    }

    fn all(wire: &mut Wire) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        wire.read_to_end(&mut bytes).map(|_| bytes)
    }

    #[test]
    fn carries_bytes_both_ways_and_resumes() {
        let content = vec![7; 1_000_000];
        for tls in [Tls::v12(), Tls::v13(), Tls::default().alpn(&["ftp"])] {
            let connect = served(2, echo);
            for resumed in [false, true] {
                let mut wire = connect(&tls).expect("a handshake");
                wire.write_all(&content).expect("to send");
                wire.finish().expect("to end");
                assert!(all(&mut wire).expect("an end") == content);
                assert_eq!(wire.is_resumed(), resumed);
            }
        }
    }

    #[test]
    fn resumes_nothing_when_told_so() {
        for (first, second) in [
            (Tls::v13().forgetful(), Tls::v13().forgetful()),
            (Tls::v12(), Tls::v12().afresh()),
        ] {
            let connect = served(2, echo);
            for tls in [first, second] {
                let mut wire = connect(&tls).expect("a handshake");
                wire.finish().expect("to end");
                all(&mut wire).expect("an end");
                assert!(!wire.is_resumed());
            }
        }
    }

    #[test]
    fn tells_a_cut_from_an_end() {
        let connect = served(1, |stream| {
            let _ = stream.write_all(b"cut");
        });
        let mut wire = connect(&Tls::default()).expect("a handshake");
        let error = all(&mut wire).expect_err("no close_notify");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn goes_back_to_clear_text() {
        let connect = served(1, |stream| {
            echo(stream);
            stream.sock.write_all(b"clear").expect("to send");
        });
        let mut wire = connect(&Tls::default()).expect("a handshake");
        wire.strip().expect("the end of TLS");
        assert_eq!(all(&mut wire).expect("clear text"), b"clear");
    }

    #[test]
    fn trusts_its_authority_for_its_names_only() {
        let connect = served(2, echo);
        assert!(connect(&Tls::default().named("other.example")).is_err());
        let wrong = connect(&Tls::default().alpn(&["http/1.1"]));
        assert!(wrong.is_err_and(|error| error.to_string().contains("NoApplicationProtocol")));
    }
}
