//! The data of `tests/corpora`: arguments, addresses, paths, replies.

use std::fs;
use std::path::PathBuf;

use wharf_core::check;
use wharf_core::command::Verb;
use wharf_core::{Protection, VPath};
use wharf_script::unescape;

use crate::common::codes::Codes;
use crate::common::script::take_reply;
use crate::common::{self, Peer, Scene};

fn corpora() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpora")
}

fn read(name: &str) -> String {
    let path = corpora().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of a table, without its remarks and its header.
pub(crate) fn rows(name: &str) -> Vec<Vec<String>> {
    let rows = |text: String| -> Vec<Vec<String>> {
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .skip(1)
            .map(|line| line.split('\t').map(str::to_owned).collect())
            .collect()
    };
    let rows = rows(read(name));
    assert!(rows.len() > 30, "{name} has {} rows", rows.len());
    rows
}

/// The codes that are named in a text.
fn codes(text: &str) -> Vec<String> {
    text.split(|letter: char| !letter.is_ascii_digit())
        .filter(|word| word.len() == 3)
        .map(str::to_owned)
        .collect()
}

/// Sends a line, obliges the session, and tells the code of the one reply.
fn code_of(peer: &mut Peer, verb: &str, argument: &str) -> String {
    let mut line = verb.as_bytes().to_vec();
    if !argument.is_empty() {
        line.push(b' ');
        line.extend_from_slice(&unescape(argument));
    }
    line.extend_from_slice(b"\r\n");
    let whole = line.len();
    common::embedder::converse(peer, &line, || whole);
    let reply = take_reply(&mut peer.replies);
    assert!(
        peer.replies.is_empty(),
        "{verb} {argument}: more than one reply"
    );
    let reply = reply.unwrap_or_else(|| panic!("{verb} {argument}: no reply"));
    String::from_utf8_lossy(&reply[..3]).into_owned()
}

#[test]
fn arguments() {
    for row in rows("arguments.tsv") {
        let [verb, argument, want] = &row[..] else {
            panic!("{row:?}");
        };
        let wanted = match verb.as_str() {
            // It is not offered.
            "RANG" => codes("502"),
            _ => codes(want),
        };
        let mut peer = match verb.as_str() {
            "PBSZ" | "PROT" => protected(),
            _ => common::logged_in(""),
        };
        let code = code_of(&mut peer, verb, argument);
        assert!(
            wanted.contains(&code),
            "{verb} {argument}: {code}, not {want}"
        );
    }
}

/// Behind AUTH and PBSZ.
fn protected() -> Peer {
    let scene = Scene::new().config(|config| {
        config.tls.control = Protection::Offered;
        config.tls.data = Protection::Offered;
    });
    scene.play(
        "S: 220
         C: AUTH TLS
         S: 234
         A: start-tls
         E: ok
         C: PBSZ 0
         S: 200",
    )
}

#[test]
fn addresses() {
    for row in rows("hostport.tsv") {
        let [verb, argument, want, _] = &row[..] else {
            panic!("{row:?}");
        };
        let scene = match want.starts_with('[') {
            true => Scene::new().address("::1"),
            false => Scene::new(),
        };
        let mut peer = scene.logged_in("");
        let code = code_of(&mut peer, verb, argument);
        let refused = code.starts_with('5');
        let right = if let Ok(address) = want.parse::<std::net::SocketAddr>() {
            peer.send(b"LIST\r\n");
            peer.poll();
            peer.answer("opened");
            code == "200" && peer.poll() == Some(format!("dial {address}"))
        } else if want.starts_with("BAD") || want.starts_with("DENY") {
            refused
        } else if want.starts_with(|letter: char| letter.is_ascii_digit()) && verb == "EPSV" {
            codes(want).contains(&code)
        } else {
            // Where there is a choice, it must be safe: nobody but the client is called.
            refused || code == "522" || code == "200"
        };
        assert!(right, "{verb} {argument}: {code}, not {want}");
        if refused && verb != "EPSV" {
            assert_eq!(code_of(&mut peer, "LIST", ""), "425", "{verb} {argument}");
        }
    }
}

#[test]
fn paths() {
    for row in rows("paths.tsv") {
        let [cwd, argument, want, _] = &row[..] else {
            panic!("{row:?}");
        };
        let cwd = VPath::resolve(&VPath::root(), &unescape(cwd)).unwrap();
        let path = VPath::resolve(&cwd, &unescape(argument));
        let path = path.as_ref().map(|path| path.as_bytes().to_vec());
        let right = match want.as_str() {
            "REJECT" => path.is_err(),
            // What a name points to is the storage's business; here it is only a name.
            "ADAPTER" => path == Ok([b"/d/", argument.as_bytes()].concat()),
            "REJECT or as is" => {
                path.is_err() || path == Ok([b"/d/", argument.as_bytes()].concat())
            }
            want => {
                let (want, or_reject) = match want.strip_suffix(" or REJECT") {
                    Some(want) => (want, true),
                    None => (want, false),
                };
                path == Ok(unescape(want)) || (or_reject && path.is_err())
            }
        };
        assert!(right, "{argument}: {path:?}, not {want}");
    }
}

/// What the watch bears beyond the table: a storage that fails for a moment, has no room or does not
/// take a name (RFC 1123 section 4.1.2.11 allows any code of the right class), a restart behind the
/// end, PORT where it is switched off or of another family, AUTH a second time.
const BEYOND: [(&str, &[u16]); 15] = [
    ("CWD", &[450, 451]),
    ("CDUP", &[450, 451]),
    ("PORT", &[502, 522]),
    // RFC 959 has them for STOR only, before which ALLO asks for the room.
    ("ALLO", &[452, 552]),
    ("STOR", &[554]),
    ("STOU", &[554]),
    ("APPE", &[554]),
    ("RNFR", &[451]),
    ("RNTO", &[450, 451, 452, 552]),
    ("DELE", &[451]),
    ("RMD", &[450, 451]),
    ("MKD", &[450, 451, 452, 552]),
    ("STAT", &[451]),
    ("SITE", &[450, 451, 452, 552, 553]),
    ("AUTH", &[503]),
];

/// I13: other codes than these and those of the table are never borne.
#[test]
fn the_codes_of_the_watch_are_those_of_the_table() {
    let table = Codes::read();
    let mut beyond = Vec::new();
    for row in rows("replies.tsv") {
        let Some(verb) = Verb::parse(row[0].as_bytes()) else {
            continue;
        };
        let codes = check::codes(Some(verb)).iter().copied();
        let others: Vec<u16> = codes
            .filter(|&code| !table.allow(Some(verb), code))
            .collect();
        if !others.is_empty() {
            beyond.push((verb.name(), others));
        }
    }
    let listed = BEYOND.map(|(verb, codes)| (verb, codes.to_vec()));
    assert_eq!(beyond, listed);
}
