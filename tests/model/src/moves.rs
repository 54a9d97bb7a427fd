//! Commands out of numbers: what property tests and the fuzzer make conversations of.

use crate::model::Move;

const PATHS: [&str; 8] = ["a", "b", "d", "d/a", "d/e", "/", "..", "/d/./b"];
const TEXTS: [&str; 6] = ["", "x", "one\ntwo\n", "a\r\nb\r\n", "\r", "more than that"];

/// The conversation of those numbers: two words decide a command.
#[must_use]
pub fn moves(choices: &[u16]) -> Vec<Move> {
    choices.iter().map(|&choice| command(choice)).collect()
}

/// The low byte says which command, the high byte about what.
fn command(choice: u16) -> Move {
    let [verb, about] = choice.to_le_bytes();
    let path = PATHS[usize::from(about % 8)];
    let text = TEXTS[usize::from(about / 8) % TEXTS.len()];
    let line = match verb % 48 {
        0 => "USER u".to_owned(),
        1 => ["PASS p", "PASS wrong"][usize::from(about % 2)].to_owned(),
        2 => "USER u".to_owned(),
        3 => ["REIN", "QUIT", "FEAT", "SYST"][usize::from(about % 4)].to_owned(),
        4 => "NOOP".to_owned(),
        5 => "PWD".to_owned(),
        6 => "CDUP".to_owned(),
        7 => ["EPSV ALL", "EPSV"][usize::from(about % 7 > 0)].to_owned(),
        8 => ["TYPE A", "TYPE I"][usize::from(about % 2)].to_owned(),
        9 => format!("REST {}", about % 8),
        10..=14 => "PASV".to_owned(),
        15 => "PORT 127,0,0,1,200,10".to_owned(),
        16 => "ABOR".to_owned(),
        17 => "STAT".to_owned(),
        18 => format!("STAT {path}"),
        19 | 20 => format!("CWD {path}"),
        21 | 22 => format!("SIZE {path}"),
        23 => format!("MDTM {path}"),
        24 => format!("MLST {path}"),
        25 => format!("DELE {path}"),
        26 | 27 => format!("MKD {path}"),
        28 => format!("RMD {path}"),
        29 | 30 => format!("RNFR {path}"),
        31 | 32 => format!("RNTO {path}"),
        33..=36 => format!("RETR {path}"),
        37..=41 => format!("STOR {path}"),
        42 | 43 => format!("APPE {path}"),
        44 => format!("STOU {path}"),
        _ => format!("NLST {path}"),
    };
    Move {
        line,
        upload: text.as_bytes().to_vec(),
    }
}
