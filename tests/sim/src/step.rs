//! [`Step`]: something that a client does, and which of them it does.

use wharf_core::VPath;
use wharf_model::at;

use crate::random::Random;

/// Where all clients meet.
pub(crate) const SHARED: [&str; 4] = ["/pub/a", "/pub/b", "/pub/c", "/pub/long"];

/// Something that a client does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A command without a transfer.
    Say(String),
    /// A command whose reply tells the length of that file.
    Size(VPath),
    /// RETR, from that byte on.
    Fetch(VPath, usize),
    /// STOR, or APPE, of bytes that nobody else has; or only of those from there on.
    Send {
        append: bool,
        path: VPath,
        bytes: Vec<u8>,
        at: usize,
    },
    /// Asks how much of an upload that broke off can be gone on with.
    Resume { path: VPath, bytes: Vec<u8> },
    /// LIST, NLST or MLSD.
    List(String),
    /// A command by which the control connection may become another.
    Turn(&'static str),
    /// Bytes that are no command.
    Blurt(Vec<u8>),
    /// The end.
    Quit,
}

impl Step {
    /// Whether nothing else is sent before it is answered.
    pub(crate) fn is_alone(&self) -> bool {
        !matches!(self, Self::Say(_) | Self::Size(_) | Self::Resume { .. })
    }

    /// The lines of it.
    pub(crate) fn lines(&self, port: u16) -> Vec<String> {
        match self {
            Self::Say(line) => vec![line.clone()],
            Self::Turn(line) => vec![(*line).to_owned()],
            Self::Size(path) | Self::Resume { path, .. } => vec![format!("SIZE {path}")],
            Self::Fetch(path, 0) => vec!["PASV".into(), format!("RETR {path}")],
            Self::Fetch(path, offset) => {
                vec![
                    "EPSV".into(),
                    format!("REST {offset}"),
                    format!("RETR {path}"),
                ]
            }
            Self::Send {
                append: false,
                path,
                at: 0,
                ..
            } => vec!["EPSV".into(), format!("STOR {path}")],
            Self::Send {
                append: false,
                path,
                at,
                ..
            } => vec!["EPSV".into(), format!("REST {at}"), format!("STOR {path}")],
            Self::Send {
                append: true, path, ..
            } => {
                vec![
                    format!("PORT 127,0,0,1,{},{}", port >> 8, port & 255),
                    format!("APPE {path}"),
                ]
            }
            Self::List(line) => vec!["PASV".into(), line.clone()],
            Self::Blurt(_) => vec![],
            Self::Quit => vec!["QUIT".into()],
        }
    }
}

/// One of the steps that a client of that kind takes.
pub(crate) fn step(random: &mut Random, kind: u64, number: u64, serial: u64) -> Step {
    let shared = at(random.pick(&SHARED).as_bytes());
    let own = at(format!("/home/{number}-{}", random.below(3)).as_bytes());
    let file = if random.below(3) == 0 { own } else { shared };
    let choice = match kind {
        // A browser, a mirror, one that uploads, one that resumes, one of everything.
        0 => random.pick(&[0, 0, 1, 2]),
        1 => random.pick(&[2, 3, 3, 3]),
        2 => random.pick(&[4, 4, 4, 0]),
        3 => random.pick(&[1, 5, 6, 6]),
        _ => random.below(8),
    };
    match choice {
        0 => Step::Say(random.pick(&SAYINGS).to_owned()),
        1 => Step::Size(file),
        2 => Step::List(
            random
                .pick(&["LIST", "NLST /pub", "MLSD pub", "LIST -R /"])
                .to_owned(),
        ),
        3 => Step::Fetch(file, 0),
        4 => send(random, file, serial, false),
        5 => send(random, file, serial, true),
        6 => {
            let most = random.pick(&[3, 40, 3_000]);
            Step::Fetch(file, random.between(1, most) as usize)
        }
        _ => Step::Say(random.pick(&CHANGES).replace('#', &number.to_string())),
    }
}

const SAYINGS: [&str; 10] = [
    "NOOP",
    "PWD",
    "CWD pub",
    "CWD /",
    "CDUP",
    "SYST",
    "FEAT",
    "STAT",
    "STAT /pub",
    "MLST /pub/a",
];

const CHANGES: [&str; 8] = [
    "MKD /home/#-dir",
    "RMD /home/#-dir",
    "DELE /home/#-0",
    "RNFR /home/#-1",
    "RNTO /home/#-2",
    "DELE /pub/b",
    "RNFR /pub/c",
    "RNTO /pub/a",
];

/// An upload of bytes that nobody else sends. No line end is in it, so that TYPE A changes nothing.
fn send(random: &mut Random, path: VPath, serial: u64, append: bool) -> Step {
    let mut bytes = format!("<{serial:x}>").into_bytes();
    let length = random.pick(&[0, 30, 5_000]);
    bytes.resize(bytes.len() + random.between(0, length) as usize, b'.');
    Step::Send {
        append,
        path,
        bytes,
        at: 0,
    }
}

/// What no client should send.
pub(crate) fn blurt(random: &mut Random) -> Vec<u8> {
    match random.below(8) {
        0 => b"\r\n\r\n".to_vec(),
        1 => [&b"NOOP "[..], &[b'x'; 6_000], b"\r\n"].concat(),
        2 => b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        3 => b"\xff\xfa\x01\x02NOOP\r\nPORT 10,0,0,1,0,20\r\n".to_vec(),
        4 => b"USER x\r\n".repeat(9),
        5 => b"PASV\r\nRETR /pub/a\r\nABOR\r\nABOR\r\n".to_vec(),
        6 => b"CWD ../../../../etc\r\nRETR ../../etc/passwd\r\nSIZE \0\r\n".to_vec(),
        _ => (0..random.between(1, 60))
            .map(|_| random.number() as u8)
            .collect(),
    }
}
