//! Which reply codes each verb may get: `corpora/replies.tsv` and a few more.

use std::collections::BTreeMap;

use wharf_core::command::Verb;

/// Codes beyond the table, each as servers give it.
const BEYOND: [(&str, u16, &str); 5] = [
    ("ABOR", 530, "before a login; three of three servers"),
    ("REIN", 501, "with an argument"),
    ("REIN", 530, "before a login"),
    ("MKD", 553, "a name with control characters, as for STOR"),
    ("PASV", 425, "no port is free, as for EPSV"),
];

pub(crate) struct Codes(BTreeMap<&'static str, Vec<u16>>);

impl Codes {
    pub(crate) fn read() -> Self {
        let table = include_str!("../corpora/replies.tsv");
        let mut codes: BTreeMap<_, Vec<u16>> = BTreeMap::new();
        for line in table.lines().filter(|line| !line.starts_with('#')).skip(1) {
            let cells: Vec<&str> = line.split('\t').collect();
            let words = cells[5..=6].iter().flat_map(|cell| cell.split(' '));
            codes.insert(
                cells[0],
                words.filter_map(|word| word.parse().ok()).collect(),
            );
        }
        for (verb, code, _) in BEYOND {
            codes.entry(verb).or_default().push(code);
        }
        Self(codes)
    }

    /// Whether a line with that verb may get that final reply.
    pub(crate) fn allow(&self, verb: Option<Verb>, code: u16) -> bool {
        match verb {
            // Telling a client of another protocol what this is ends the session.
            None | Some(Verb::Foreign) => matches!(code, 500 | 421),
            Some(Verb::Absent) => code == 502,
            Some(verb) => self
                .0
                .get(verb.name())
                .is_none_or(|codes| codes.contains(&code)),
        }
    }
}
