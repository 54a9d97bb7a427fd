//! I13 both ways: whatever is said and whatever comes of it, a verb gets only its codes, and it gets
//! each of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bstr::ByteSlice;
use wharf_core::check::{Checked, Machine, codes};
use wharf_core::command::Verb;
use wharf_core::{Action, Capabilities, Instant, Protection, Rights, TlsPolicy};
use wharf_script::number;

use crate::common::Scene;
use crate::common::embedder::outcomes;
use crate::common::peer::{FAILURES, answer, describe};
use crate::common::script::take_reply;

/// What may stand behind a verb: something right for each, and much that is wrong for most.
const ARGUMENTS: [&str; 48] = [
    "",
    " ",
    " f",
    " d",
    " /",
    " ..",
    " *.c",
    " a\0b",
    " -al d",
    " 0",
    " 3",
    " 99999999999999999999",
    " 9 R 9",
    " A",
    " A N",
    " A T",
    " E",
    " I",
    " L 8",
    " L 7",
    " S",
    " C",
    " P",
    " B",
    " F",
    " R",
    " 1",
    " 2",
    " 3",
    " ALL",
    " 127,0,0,1,200,10",
    " 10,0,0,1,200,10",
    " |1|127.0.0.1|51211|",
    " |2|::1|51211|",
    " |3|x|51211|",
    " UTF8 ON",
    " MLST size;",
    " en",
    " TLS",
    " NOOP",
    " HELP",
    " CHMOD 600 f",
    " UMASK 077",
    " UTIME 20200101000000 f",
    " SYMLINK a b",
    " 20200101000000 f",
    " Modify=20200101000000; f",
    " Size=1; f",
];

/// What was said before.
const BEFORE: [&[&str]; 7] = [
    &[],
    &["TYPE A"],
    &["PASV"],
    &["PASV", "REST 3"],
    &["PORT 127,0,0,1,200,10"],
    &["EPSV ALL"],
    &["RNFR f"],
];

/// A session whose client waits for each reply, and whose requests may end in every way.
#[derive(Clone)]
struct Turn {
    session: Checked,
    now: Instant,
    replies: Vec<u8>,
    /// The code of the last reply.
    code: u16,
}

impl Turn {
    fn new(scene: &Scene) -> Self {
        let now = Instant::from_micros(1_000_000);
        Self {
            session: Checked::new(&Arc::new(scene.config.clone()), scene.ends, now),
            now,
            replies: Vec::new(),
            code: 0,
        }
    }

    fn say(&mut self, line: &str) {
        self.code = 0;
        for piece in [line.as_bytes(), b"\r\n"] {
            assert_eq!(self.session.receive(self.now, piece), piece.len());
        }
    }

    /// What is asked next; `None` if the line has its final reply.
    fn request(&mut self) -> Option<Action> {
        loop {
            let waiting = self.session.transmit();
            let written = waiting.len();
            self.replies.extend_from_slice(waiting);
            self.session.transmitted(self.now, written);
            while let Some(reply) = take_reply(&mut self.replies) {
                self.code = reply[..3].to_str().map_or(0, number);
            }
            match self.session.poll() {
                Some(Action::Cancel(_) | Action::Disconnect) => {}
                None if self.code >= 200 => return None,
                None => {
                    // A refused login waits for its time.
                    let Some(deadline) = self.session.deadline() else {
                        panic!("nothing is waited for");
                    };
                    self.now = deadline;
                    self.session.tick(deadline);
                }
                request => return request,
            }
        }
    }

    /// Each way in which the request may end.
    fn ends(&self, request: &Action) -> BTreeSet<String> {
        let words = describe(request, self.session.inner());
        outcomes(&words)
            .iter()
            .flat_map(|outcome| match outcome.contains("fails") {
                true => FAILURES
                    .iter()
                    .map(|failure| outcome.replace("fails", &format!("{failure:?}")))
                    .collect(),
                false => vec![(*outcome).to_owned()],
            })
            .collect()
    }

    fn end(&mut self, request: Action, outcome: &str, scene: &Scene) {
        let event = answer(request, outcome, &scene.grant);
        assert_eq!(self.session.handle(self.now, event), Ok(()));
    }

    /// What goes well.
    fn settle(&mut self, scene: &Scene) {
        while let Some(request) = self.request() {
            let words = describe(&request, self.session.inner());
            self.end(request, outcomes(&words)[0], scene);
        }
    }

    /// Every way that the line can go, from here on.
    fn explore(mut self, scene: &Scene, seen: &mut BTreeSet<u16>) {
        let Some(request) = self.request() else {
            seen.insert(self.code);
            return;
        };
        for outcome in self.ends(&request) {
            let mut next = self.clone();
            next.end(request.clone(), &outcome, scene);
            next.explore(scene, seen);
        }
    }
}

/// Where the verbs are tried.
struct Place {
    scene: Scene,
    /// What is said before the login.
    opening: &'static [&'static str],
    /// What may be said behind it.
    before: &'static [&'static [&'static str]],
    /// Every end is tried, not only the good ones: failures are the same everywhere.
    explores: bool,
}

/// As usual, and where something is not.
fn places() -> Vec<Place> {
    let place = |scene| Place {
        scene,
        opening: &[],
        before: &BEFORE,
        explores: false,
    };
    let tls = |control, data| {
        Scene::new().config(|config| {
            config.tls = TlsPolicy {
                control,
                data,
                ccc: data == Protection::Offered,
                implicit: false,
            };
        })
    };
    vec![
        Place {
            explores: true,
            ..place(Scene::new())
        },
        place(Scene::new().address("::1")),
        place(Scene::new().rights(Rights::NONE)),
        place(Scene::new().capabilities(Capabilities::NONE)),
        place(Scene::new().config(|config| {
            config.passive = false;
            config.active = false;
        })),
        Place {
            opening: &["AUTH TLS", "PBSZ 0", "PROT P"],
            before: &[&["PASV"]],
            explores: true,
            ..place(tls(Protection::Offered, Protection::Offered))
        },
        Place {
            opening: &["AUTH TLS", "PBSZ 0"],
            ..place(tls(Protection::Required, Protection::Required))
        },
    ]
}

#[test]
fn every_verb_gets_each_of_its_codes_and_no_other() {
    let mut seen: BTreeMap<&str, BTreeSet<u16>> = BTreeMap::new();
    for place in places() {
        for beginning in place.beginnings() {
            for verb in Verb::all() {
                let seen = seen.entry(verb.name()).or_default();
                for argument in ARGUMENTS {
                    let mut turn = beginning.clone();
                    turn.say(&format!("{}{argument}", verb.name()));
                    if place.explores {
                        turn.explore(&place.scene, seen);
                    } else {
                        turn.settle(&place.scene);
                        seen.insert(turn.code);
                    }
                }
            }
        }
    }
    // That nothing else is given, the watch has seen to.
    for verb in Verb::all() {
        let seen = &seen[verb.name()];
        let never = codes(Some(verb)).iter().copied();
        let never: Vec<u16> = never.filter(|code| !seen.contains(code)).collect();
        let elsewhere: &[u16] = match verb {
            // It ends a transfer, which these lines do not find running.
            Verb::Abor => &[226],
            _ => &[],
        };
        assert_eq!(never, elsewhere, "of {}", verb.name());
    }
}

impl Place {
    /// Before a login, amid it, and behind it with what may have been said since.
    fn beginnings(&self) -> Vec<Turn> {
        let after = |turn: &Turn, lines: &[&str]| {
            let mut turn = turn.clone();
            for line in lines {
                turn.say(line);
                turn.settle(&self.scene);
            }
            turn
        };
        let mut nobody = Turn::new(&self.scene);
        nobody.settle(&self.scene);
        let mut beginnings = vec![nobody];
        for line in self.opening.iter().chain(&["USER u", "PASS p"]) {
            let last = &beginnings[beginnings.len() - 1];
            beginnings.push(after(last, &[line]));
        }
        let known = beginnings.pop();
        let later = |known| self.before.iter().map(move |lines| after(&known, lines));
        beginnings.extend(known.into_iter().flat_map(later));
        beginnings
    }
}
