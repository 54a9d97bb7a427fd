//! The plain scripts of the core, through the model and the core side by side.

use wharf_model::{Model, Move, Real};
use wharf_script::{Line, Script};

/// The scripts in which nothing fails, nothing takes time and nothing overlaps, and that leave out
/// what the model does not know.
fn is_plain(script: &Script) -> bool {
    let denies = |key: &&str| script.setting(key) == Some("0");
    let restricts = ["write", "delete", "overwrite"].iter().any(denies);
    let needs_objects = script.name.starts_with("s3-");
    let protects = script.setting("tls").is_some();
    if restricts || protects || needs_objects || NOT_MODELLED.contains(&&script.name[..]) {
        return false;
    }
    let mut transfers = false;
    script.lines.iter().all(|line| {
        let was_in_transfer = transfers;
        transfers = line.mark == "S-" || transfers && line.mark != "S";
        let known = |line: &[u8]| {
            let verb = line.split(|byte| *byte == b' ').next().unwrap_or_default();
            KNOWN.iter().any(|known| known.as_bytes() == verb)
        };
        match line.event() {
            Some((event, _)) => PLAIN.contains(&event),
            None if line.pieces().is_some() => {
                !was_in_transfer && commands(line).iter().all(|line| known(line))
            }
            None => line.mark != "S*",
        }
    })
}

/// The model takes every address, its files stay what they are, and it forgets no try to log in.
const NOT_MODELLED: [&str; 4] = ["login-brute", "port-bounce", "port-low", "retr-short"];

const PLAIN: [&str; 6] = [
    "data-open",
    "fs-ok",
    "fs-data",
    "fs-eof",
    "data-bytes",
    "data-eof",
];

const KNOWN: [&str; 29] = [
    "USER", "PASS", "QUIT", "NOOP", "FEAT", "SYST", "REIN", "PWD", "CWD", "CDUP", "TYPE", "REST",
    "PASV", "PORT", "EPSV", "ABOR", "STAT", "SIZE", "MDTM", "MLST", "DELE", "MKD", "RMD", "RNFR",
    "RNTO", "RETR", "STOR", "APPE", "STOU",
];

/// The lines in what the client sends.
fn commands(line: &Line) -> Vec<Vec<u8>> {
    let bytes = line.pieces().unwrap_or_default().concat();
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines.map(|line| line.trim_ascii_end().to_vec()).collect()
}

#[test]
fn the_model_agrees_with_every_plain_script() {
    let scripts = Script::all().unwrap();
    let plain: Vec<_> = scripts.iter().filter(|script| is_plain(script)).collect();
    for script in &plain {
        agree(script);
    }
    assert_eq!(plain.len(), 23);
}

/// The session and the model come to the same, and it is what the script says.
fn agree(script: &Script) {
    let (mut model, mut real) = (Model::default(), Real::default());
    let mut run = |line: &str, upload: usize| {
        let mut step = Move::new(line);
        step.upload = vec![b'a'; upload];
        let answer = model.run(&step);
        real.check(&step, &model, &answer);
        answer.codes
    };
    let size = script.lines.iter().find_map(|line| {
        let (_, told) = line.event()?;
        told.strip_prefix("size=")?.parse().ok()
    });
    for line in ["USER u", "PASS p", "TYPE I", "MKD d", "PASV"] {
        run(line, 0);
    }
    run("STOR f", size.unwrap_or(1_000));
    run("REIN", 0);

    let (mut codes, mut wanted) = (Vec::new(), Vec::new());
    for (index, line) in script.lines.iter().enumerate() {
        if line.mark.starts_with('S') && line.text != "220" {
            wanted.push(line);
        }
        let mut ahead = script.lines[index..].iter().filter_map(Line::event);
        let upload = ahead.find(|(event, _)| *event == "data-bytes");
        let upload = upload.and_then(|(_, count)| count.parse().ok());
        for command in commands(line) {
            codes.extend(run(&String::from_utf8_lossy(&command), upload.unwrap_or(0)));
        }
    }
    // Some scripts end when a file is opened.
    let rest = codes.get(wanted.len()..);
    let mut pairs = codes.iter().zip(&wanted);
    let agrees =
        matches!(rest, Some([] | [150, 226])) && pairs.all(|(code, line)| line.wants(*code));
    assert!(agrees, "{}: {codes:?} instead of {wanted:?}", script.name);
}
