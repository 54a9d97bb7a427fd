//! [`Fake`]: a server that remembers what it was asked.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// The path and the query, byte by byte.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Which connection it came by.
    pub(crate) connection: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut of_that_name = self.headers.iter().filter(|(field, _)| field == name);
        let value = of_that_name.next().map(|(_, value)| value.as_str());
        assert!(of_that_name.next().is_none(), "{name} is there twice");
        value
    }

    /// Returns a part of the signature: `Credential`, `SignedHeaders` or `Signature`.
    pub(crate) fn signature(&self, part: &str) -> &str {
        let whole = self.header("authorization").expect("a signature");
        let whole = whole
            .strip_prefix("AWS4-HMAC-SHA256 ")
            .expect("a signature");
        let mut parts = whole.split(", ").filter_map(|part| part.split_once('='));
        parts.find(|(name, _)| *name == part).expect("that part").1
    }
}

/// What is done with a request.
pub(crate) enum Reply {
    /// An answer with that status, these lines of its head, and that body.
    Answer(u16, Vec<String>, Vec<u8>),
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// Nothing for a while, then the end of the connection.
    Silence(Duration),
    /// These pieces, with nothing for a while after each, then the end of the connection.
    Slowly(Vec<Vec<u8>>, Duration),
    /// The end of the connection.
    End,
}

pub(crate) fn ok(body: &str) -> Reply {
    status(200, body)
}

pub(crate) fn status(status: u16, body: &str) -> Reply {
    Reply::Answer(status, Vec::new(), body.into())
}

/// A server on loopback that remembers what it was asked.
pub(crate) struct Fake {
    address: SocketAddr,
    is_protected: bool,
    seen: Arc<Mutex<Vec<Seen>>>,
}

type Respond = dyn Fn(usize, &Seen) -> Reply + Send + Sync;

impl Fake {
    /// Answers each request, of which it is told the number and what it was.
    pub(crate) fn new(respond: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(respond))
    }

    /// The same under TLS.
    pub(crate) fn protected(
        config: ServerConfig,
        respond: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(Arc::new(config)), Arc::new(respond))
    }

    fn start(tls: Option<Arc<ServerConfig>>, respond: Arc<Respond>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fake = Self {
            address: listener.local_addr().unwrap(),
            is_protected: tls.is_some(),
            seen: Arc::default(),
        };
        let seen = Arc::clone(&fake.seen);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (seen, respond, tls) = (Arc::clone(&seen), Arc::clone(&respond), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(stream.unwrap(), number, &seen, &*respond),
                    Some(config) => {
                        let connection = ServerConnection::new(config).unwrap();
                        let stream = StreamOwned::new(connection, stream.unwrap());
                        serve(stream, number, &seen, &*respond)
                    }
                });
            }
        });
        fake
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.is_protected { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns the only request.
    pub(crate) fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }
}

/// Serves a connection to its end, which may be an error.
fn serve(
    stream: impl Read + Write,
    connection: usize,
    seen: &Mutex<Vec<Seen>>,
    respond: &Respond,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(mut request) = read(&mut stream)? {
        request.connection = connection;
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        let stream = stream.get_mut();
        match respond(number, &request) {
            Reply::Answer(status, lines, body) => {
                let mut head = format!("HTTP/1.1 {status} Told\r\n");
                for line in lines {
                    head.push_str(&line);
                    head.push_str("\r\n");
                }
                write!(stream, "{head}content-length: {}\r\n\r\n", body.len())?;
                if request.method != "HEAD" {
                    stream.write_all(&body)?;
                }
                stream.flush()?;
            }
            Reply::Bytes(bytes) => {
                stream.write_all(&bytes)?;
                return stream.flush();
            }
            Reply::Slowly(pieces, pause) => {
                for piece in pieces {
                    stream.write_all(&piece)?;
                    stream.flush()?;
                    thread::sleep(pause);
                }
                return Ok(());
            }
            Reply::Silence(time) => {
                thread::sleep(time);
                return Ok(());
            }
            Reply::End => return Ok(()),
        }
    }
    Ok(())
}

fn read(stream: &mut BufReader<impl Read>) -> io::Result<Option<Seen>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.trim_end().splitn(3, ' ').map(str::to_owned);
    let mut request = Seen {
        method: words.next().unwrap(),
        target: words.next().unwrap(),
        ..Seen::default()
    };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        request
            .headers
            .push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = request
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body)?;
    Ok(Some(request))
}

/// A server that reads so much of the first connection, with a pause after each piece, and then nothing more.
/// It tells when it begins.
pub(crate) fn reads(bytes: usize, pause: Duration) -> (SocketAddr, mpsc::Receiver<Instant>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut piece = vec![0; 64 * 1024];
        let mut left = bytes;
        while left > 0 {
            let most = left.min(piece.len());
            let read = stream.read(&mut piece[..most]).unwrap_or(0);
            if left == bytes {
                let _ = tell.send(Instant::now());
            }
            if read == 0 {
                return;
            }
            left -= read;
            thread::sleep(pause);
        }
        thread::sleep(Duration::from_secs(60));
    });
    (address, told)
}
