#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::fmt;
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use wharf_core::command::Verb;
use wharf_core::time::Timestamp;
use wharf_core::{Denied, Facts, Failure, Reason, VPath};

use wharf_storage::Nobody;

use super::*;
use crate::Settings;

/// Keeps the lines of a log: the target, and the level with what was said.
#[derive(Default)]
struct Lines {
    said: Mutex<Vec<(String, String)>>,
    /// What the session has told of itself, which each line ends with.
    session: Mutex<String>,
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let said = match field.name() {
            "message" => format!(" {value:?}"),
            name => format!(" {name}={value:?}"),
        };
        self.0.push_str(&said);
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut text = Text(String::new());
        values.record(&mut text);
        *self.session.lock().unwrap() = text.0;
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(event.metadata().level().to_string());
        event.record(&mut text);
        text.0.push_str(&self.session.lock().unwrap());
        let target = event.metadata().target().to_owned();
        self.said.lock().unwrap().push((target, text.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn journal() -> Journal {
    let settings = Settings::new(Arc::new(Nobody));
    Journal::new(
        1,
        ([192, 0, 2, 1], 4_000).into(),
        &Origin::Direct,
        &settings,
    )
}

/// The lines of a session in which that happens, but those of its begin and end.
fn lines(act: impl FnOnce(&mut Journal)) -> Vec<(String, String)> {
    let log = Arc::new(Lines::default());
    tracing::subscriber::with_default(Arc::clone(&log), || act(&mut journal()));
    let mut lines = std::mem::take(&mut *log.said.lock().unwrap());
    let (target, first) = lines.remove(0);
    assert_eq!(first, "INFO connected");
    assert_eq!(Kind::of(&target, true), Kind::Connection);
    let last = lines.pop().unwrap().1;
    assert!(last.starts_with("INFO disconnected"), "{last}");
    lines
}

/// How many lines so many notes have, and what the last one says.
fn told(note: &Note, count: usize) -> (usize, String) {
    let lines = lines(|journal| (0..count).for_each(|_| journal.write(note)));
    (lines.len(), lines.last().unwrap().1.clone())
}

fn path() -> VPath {
    VPath::resolve(&VPath::root(), &[b'p'; 1_000]).unwrap()
}

fn changed(edit: Edit, other: Option<VPath>, refused: Option<&'static str>) -> Note {
    let verb = match edit {
        Edit::Rename { .. } => Verb::Rnto,
        Edit::Delete => Verb::Dele,
        _ => Verb::Site,
    };
    Note::Changed {
        verb,
        edit,
        path: path(),
        other,
        code: 250,
        refused,
    }
}

fn transferred(bytes: u64, abandoned: Option<Reason>, accepted: Option<Reason>) -> Note {
    Note::Transferred {
        verb: Verb::Stor,
        path: path(),
        bytes,
        took: Duration::from_secs(1),
        code: 226,
        abandoned,
        accepted,
    }
}

/// One of each, with long names.
fn notes() -> Vec<Note> {
    let name = vec![b'n'; 1_000];
    let modified = Some(Timestamp::from_seconds(0));
    vec![
        Note::LoggedIn {
            username: name.clone().into(),
        },
        Note::LoginRefused {
            username: name.clone().into(),
            why: Denied::Credentials,
            tries: 1,
        },
        Note::LoggedOut,
        Note::Command {
            line: name.clone().into(),
            code: 200,
        },
        changed(Edit::Delete, None, None),
        changed(Edit::Delete, None, Some("No.")),
        changed(Edit::Rename { replace: true }, Some(path()), None),
        changed(Edit::Symlink, Some(path()), Some("No.")),
        changed(
            Edit::Set(Facts {
                modified,
                mode: None,
            }),
            None,
            None,
        ),
        Note::MaskSet { umask: 0o22 },
        Note::Refused {
            verb: Verb::User,
            about: Some(name.into()),
            code: 530,
            why: "No.",
        },
        Note::Refused {
            verb: Verb::Port,
            about: None,
            code: 501,
            why: "No.",
        },
        transferred(1, None, None),
        transferred(0, Some(Reason::Refused), None),
        transferred(1, None, Some(Reason::HungUp)),
        Note::Ended { why: Ending::Quit },
    ]
}

#[test]
fn a_note_counts_as_what_its_line_is_about_and_as_long_as_that_is() {
    for note in notes() {
        let lines = lines(|journal| journal.write(&note));
        let kinds: Vec<_> = lines.iter().map(|line| Kind::of(&line.0, true)).collect();
        assert_eq!(kinds, Vec::from_iter(words::kind(&note)), "{note:?}");
        let length = words::length(&note);
        match lines.first() {
            Some((_, line)) => {
                let about = line.len()..line.len() + 200;
                assert!(about.contains(&length), "{length} {line}");
            }
            None => assert_eq!(length, 0, "{note:?}"),
        }
    }
}

#[test]
fn a_change_is_called_as_it_was_asked_for() {
    let set = |modified, mode| Edit::Set(Facts { modified, mode });
    let modified = Some(Timestamp::from_seconds(0));
    for (edit, called, rest) in [
        (Edit::Delete, "DELE", "code=250"),
        (Edit::Symlink, "SITE SYMLINK", "code=250"),
        (set(None, Some(0o4)), "SITE CHMOD", "mode=\"004\" code=250"),
        (
            set(modified, None),
            "SITE UTIME",
            "modified=\"19700101000000\" code=250",
        ),
    ] {
        let (_, line) = told(&changed(edit, None, None), 1);
        let begin = format!("INFO {called} complete path=");
        assert!(line.starts_with(&begin) && line.ends_with(rest), "{line}");
        let (_, line) = told(&changed(edit, None, Some("No.")), 1);
        assert!(line.ends_with("why=\"No\""), "{line}");
    }
    for edit in [Edit::Symlink, Edit::Rename { replace: true }] {
        let (_, line) = told(&changed(edit, Some(path()), None), 1);
        let is_new = edit == Edit::Symlink;
        assert_eq!(
            (line.contains(" to="), line.contains(" from=")),
            (is_new, !is_new)
        );
    }
}

#[test]
fn only_refusals_are_counted_where_they_are_many() {
    let failed = Reason::Storage(Failure::NotFound);
    for (note, all) in [
        (changed(Edit::Delete, None, None), true),
        (changed(Edit::Delete, None, Some("No.")), false),
        (transferred(0, None, None), true),
        (transferred(0, Some(Reason::Reset), None), true),
        (transferred(1, Some(failed), None), true),
        (transferred(0, Some(failed), None), false),
        (transferred(0, Some(Reason::Refused), None), false),
    ] {
        let (count, last) = told(&note, 30);
        assert_eq!(count, if all { 30 } else { 21 }, "{note:?}");
        assert_eq!(last.ends_with("10 more refused"), !all, "{last}");
    }
    let (count, last) = told(&changed(Edit::Delete, None, Some("No.")), 20);
    assert_eq!((count, last.contains("more refused")), (20, false));
}

#[test]
fn a_transfer_whose_end_is_in_doubt_is_warned_of() {
    for (accepted, level, doubt) in [
        (None, "INFO", None),
        (
            Some(Reason::Truncated),
            "WARN",
            Some("it ended without close_notify"),
        ),
        (
            Some(Reason::HungUp),
            "WARN",
            Some("the client closed the control connection"),
        ),
    ] {
        let (_, line) = told(&transferred(1, None, accepted), 1);
        assert!(
            line.starts_with(&format!("{level} STOR complete")),
            "{line}"
        );
        let said = line.split_once(" doubt=").map(|(_, doubt)| doubt);
        let doubt = doubt.map(|doubt| format!("{doubt:?}"));
        assert_eq!(said, doubt.as_deref());
    }
}

#[test]
fn what_the_system_says_is_told_of_a_connection_that_broke() {
    let broken = || io::Error::from(io::ErrorKind::ConnectionReset);
    for (ending, is_told) in [
        (None, true),
        (Some(Ending::Lost), true),
        (Some(Ending::Quit), false),
    ] {
        let log = Arc::new(Lines::default());
        tracing::subscriber::with_default(Arc::clone(&log), || {
            let mut journal = journal();
            if let Some(why) = ending {
                journal.write(&Note::Ended { why });
            }
            journal.broke(&broken());
            // The first word is the cause.
            journal.broke(&io::Error::other("later"));
        });
        let lines = log.said.lock().unwrap();
        let last = &lines.last().unwrap().1;
        let why = format!("why={:?}", words::ending(ending));
        assert!(last.contains(&why), "{last}");
        let error = format!("error={:?}", broken().to_string());
        assert_eq!(last.contains(&error), is_told, "{last}");
        assert!(!last.contains("later"), "{last}");
    }
}

fn at(millis: u64) -> wharf_core::Instant {
    wharf_core::Instant::from_micros(millis * 1_000)
}

/// Fills the log for notes of that kind.
fn fill(backlog: &Backlog, kind: Kind) -> usize {
    (0..).take_while(|_| backlog.add(kind, 4_096)).count() * 4_096
}

#[test]
fn a_note_waits_for_room_in_the_log_for_so_long_and_no_other_one_after_it() {
    let mut journal = journal();
    assert!(journal.may_write(Kind::Command, at(0)));
    assert_eq!(journal.patience(), None);
    let bytes = fill(&journal.backlog, Kind::Command);
    for now in [0, 1, 999] {
        assert!(!journal.may_write(Kind::Command, at(now)), "{now}");
        assert_eq!(journal.patience(), Some(LOOK));
    }
    // What matters more has room.
    assert!(journal.may_write(Kind::Login, at(0)));
    assert!(!journal.may_write(Kind::Command, at(1_000)));
    assert!(journal.may_write(Kind::Command, at(2_000)));
    assert_eq!(journal.patience(), None);
    assert!(journal.may_write(Kind::Command, at(2_001)));
    // Until something was written.
    journal.backlog.written(4_096);
    assert!(journal.may_write(Kind::Command, at(2_002)));
    fill(&journal.backlog, Kind::Command);
    assert!(!journal.may_write(Kind::Command, at(2_003)));
    journal.backlog.written(bytes);
    assert!(journal.may_write(Kind::Command, at(2_004)));
}

#[test]
fn a_session_that_has_logged_too_much_waits_though_the_log_moves() {
    let mut journal = journal();
    journal.allowance.spend(at(0), false, 100 << 20);
    for now in [0, 999] {
        assert!(!journal.may_write(Kind::Login, at(now)), "{now}");
    }
    assert!(journal.may_write(Kind::Login, at(1_000)));
    assert!(journal.backlog.moves(), "others still wait for room");
    assert!(!journal.may_write(Kind::Login, at(1_001)));
}
