//! [`Channel`] against a client in memory, whose connection gives and takes as little as it likes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

use super::Channel;

/// Both sides of TLS 1.2 and of TLS 1.3.
static CONFIGS: LazyLock<[(Arc<ServerConfig>, Arc<ClientConfig>); 2]> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let roots = Arc::new(roots);
    [&TLS12, &TLS13].map(|version| {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(Arc::clone(&roots))
            .with_no_client_auth();
        (Arc::new(server), Arc::new(client))
    })
});

/// The server's end of a connection. How much it gives and takes at once is drawn; nothing now and
/// then.
struct Line {
    to_server: VecDeque<u8>,
    to_client: Vec<u8>,
    /// Behind the last byte comes the end.
    ended: bool,
    /// What it did last was not to take anything.
    is_full: bool,
    portions: Vec<usize>,
    turn: usize,
}

impl Line {
    fn new(portions: Vec<usize>) -> Self {
        Self {
            to_server: VecDeque::new(),
            to_client: Vec::new(),
            ended: false,
            is_full: false,
            portions,
            turn: 0,
        }
    }

    fn portion(&mut self) -> usize {
        self.turn += 1;
        self.portions[self.turn % self.portions.len()]
    }
}

impl Read for &mut Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.portion().min(buffer.len()).min(self.to_server.len());
        self.is_full = false;
        if most == 0 {
            let is_end = self.ended && self.to_server.is_empty();
            return if is_end {
                Ok(0)
            } else {
                Err(ErrorKind::WouldBlock.into())
            };
        }
        self.to_server.read(&mut buffer[..most])
    }
}

impl Write for &mut Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = self.portion().min(bytes.len());
        self.is_full = most == 0;
        if self.is_full {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.to_client.extend_from_slice(&bytes[..most]);
        Ok(most)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Pair {
    channel: Channel,
    client: ClientConnection,
    line: Line,
    /// What the client has read.
    heard: Vec<u8>,
}

impl Pair {
    /// Both have shaken hands.
    fn new(version: usize, portions: Vec<usize>) -> Self {
        let (server, client) = &CONFIGS[version];
        let name = ServerName::try_from("localhost").unwrap();
        let mut pair = Self {
            channel: Channel::new(Arc::clone(server), &[]).unwrap(),
            client: ClientConnection::new(Arc::clone(client), name).unwrap(),
            line: Line::new(portions),
            heard: Vec::new(),
        };
        for _ in 0..100_000 {
            let shaken = pair.channel.shake(&mut pair.line);
            let writes = pair.channel.writes();
            assert_eq!(
                writes,
                shaken.is_err() && pair.line.is_full,
                "what it waits for"
            );
            pair.exchange();
            match shaken {
                Ok(()) if !pair.client.is_handshaking() => return pair,
                Ok(()) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
            }
        }
        panic!("no handshake");
    }

    /// The client takes all that there is, and writes all that it has.
    fn exchange(&mut self) {
        while self.client.wants_write() {
            self.client.write_tls(&mut self.line.to_server).unwrap();
        }
        let written = std::mem::take(&mut self.line.to_client);
        let mut left = &written[..];
        while !left.is_empty() && self.client.read_tls(&mut left).unwrap() > 0 {
            self.client.process_new_packets().unwrap();
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = self.client.reader().read(&mut buffer) {
                self.heard.extend_from_slice(&buffer[..count]);
            }
        }
    }

    /// What the client says, up to the end: the plain bytes, and how they end.
    fn read_all(&mut self) -> (Vec<u8>, io::Result<()>) {
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; 10_000]);
        for _ in 0..1_000_000 {
            match self.channel.read(&mut self.line, &mut buffer) {
                Ok(0) => return (bytes, Ok(())),
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.exchange(),
                Err(error) => return (bytes, Err(error)),
            }
        }
        panic!("it never ends");
    }

    fn say(&mut self, bytes: &[u8]) {
        let mut left = bytes;
        while !left.is_empty() {
            let count = self.client.writer().write(left).unwrap();
            left = &left[count..];
            self.exchange();
        }
    }

    fn end(&mut self) {
        self.client.send_close_notify();
        self.exchange();
        self.line.ended = true;
    }
}

fn portions() -> impl Strategy<Value = Vec<usize>> {
    let portion = prop_oneof![Just(0), 1..9_usize, 1..40_000_usize];
    // One at least, or nothing would ever move.
    prop::collection::vec(portion, 0..12).prop_map(|mut portions| {
        portions.push(1_000);
        portions
    })
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_said_arrives(
        version in 0..2_usize,
        portions in portions(),
        length in prop_oneof![Just(0), 1..100_usize, 1..200_000_usize],
    ) {
        let content = pattern(length);
        let mut pair = Pair::new(version, portions);
        pair.say(&content);
        pair.end();
        let (bytes, ended) = pair.read_all();
        prop_assert!(bytes == content, "{} of {length} bytes", bytes.len());
        prop_assert!(ended.is_ok(), "{:?}", ended);
        prop_assert!(pair.channel.holds(), "the end is seen again");

        let mut left = &content[..];
        while !left.is_empty() {
            match pair.channel.write(&mut pair.line, left) {
                Ok(count) => left = &left[count..],
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            pair.exchange();
        }
        while pair.channel.close(&mut pair.line).is_err() {
            pair.exchange();
        }
        pair.exchange();
        prop_assert!(pair.heard == content);
        let last = pair.client.reader().read(&mut [0]);
        prop_assert!(matches!(last, Ok(0)), "close_notify, not {:?}", last);
    }

    /// Neither what was cut nor what was bent looks whole.
    #[test]
    fn what_was_changed_on_the_way_is_no_end(
        version in 0..2_usize,
        portions in portions(),
        length in 1..60_000_usize,
        place: prop::sample::Index,
        bend in any::<u8>(),
    ) {
        let content = pattern(length);
        let mut pair = Pair::new(version, portions);
        let before = pair.line.to_server.len();
        pair.say(&content);
        pair.end();
        let place = before + place.index(pair.line.to_server.len() - before);
        match bend {
            0 => pair.line.to_server.truncate(place),
            bits => pair.line.to_server[place] ^= bits,
        }
        let (bytes, ended) = pair.read_all();
        prop_assert!(content.starts_with(&bytes));
        // The version of a record is not looked at under TLS 1.3, and means nothing.
        prop_assert!(ended.is_err() || bytes == content && bend > 0);
    }

    /// However they come, of the bytes behind our close_notify those of the client's are taken and
    /// no others.
    #[test]
    fn clear_text_follows_tls(
        version in 0..2_usize,
        notifies: bool,
        cuts in prop::collection::vec(1..40_usize, 1..8),
    ) {
        let mut pair = Pair::new(version, vec![10_000]);
        pair.channel.close(&mut pair.line).unwrap();
        pair.exchange();
        if notifies {
            pair.client.send_close_notify();
            pair.exchange();
        }
        let mut bytes: Vec<u8> = pair.channel.left().to_vec();
        bytes.extend(pair.line.to_server.drain(..));
        bytes.extend_from_slice(b"NOOP\r\n\x15\x03\x03");
        let (mut known, mut rest) = (Vec::new(), &bytes[..]);
        let mut cuts = cuts.into_iter().cycle();
        loop {
            let (count, clear) = pair.channel.leave(&known).unwrap();
            known.drain(..count);
            if clear {
                break;
            }
            let (piece, others) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
            prop_assert!(!piece.is_empty(), "it is never clear");
            known.extend_from_slice(piece);
            rest = others;
        }
        known.extend_from_slice(rest);
        prop_assert_eq!(&known[..], &b"NOOP\r\n\x15\x03\x03"[..]);
    }
}

#[test]
fn what_goes_on_within_tls_is_refused() {
    let mut pair = Pair::new(1, vec![10_000]);
    pair.channel.close(&mut pair.line).unwrap();
    pair.client.writer().write_all(b"NOOP\r\n").unwrap();
    pair.exchange();
    let bytes: Vec<u8> = pair.line.to_server.drain(..).collect();
    assert!(pair.channel.leave(&bytes).is_err());
}

#[test]
fn what_came_before_a_fault_is_told_before_it() {
    for version in [0, 1] {
        let mut pair = Pair::new(version, vec![10_000]);
        pair.say(b"hello");
        let record = b"\x17\x03\x03\x00\x20no record of this connection at all";
        pair.line.to_server.extend(record);
        let (bytes, ended) = pair.read_all();
        assert_eq!(bytes, b"hello");
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn it_holds_what_its_connection_does_not_tell_of() {
    let mut pair = Pair::new(1, vec![10_000]);
    pair.line.to_server.clear();
    assert!(!pair.channel.holds());
    pair.say(b"hello");
    for (buffer, holds) in [(&mut [0; 2][..], true), (&mut [0; 3], false)] {
        let count = pair.channel.read(&mut pair.line, buffer).unwrap();
        assert_eq!((count, pair.channel.holds()), (buffer.len(), holds));
    }
}

#[test]
fn clear_text_is_no_handshake() {
    for said in [&b"NOOP\r\nUSER user\r\n"[..], b"\x16\x03", b"\x16NOOP\r\n"] {
        let mut line = Line::new(vec![1_000]);
        line.ended = true;
        let mut channel = Channel::new(Arc::clone(&CONFIGS[1].0), said).unwrap();
        let error = channel.shake(&mut line).unwrap_err();
        assert_ne!(error.kind(), ErrorKind::WouldBlock, "{said:?}");
    }
}
