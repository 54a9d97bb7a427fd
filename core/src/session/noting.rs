//! What becomes a [`Note`].

use bstr::{BStr, BString};

use super::Session;
use crate::command::Verb;
use crate::config::Notes;
use crate::note::Note;
use crate::path::VPath;

impl Session {
    /// Keeps the line for its note, if commands are noted.
    pub(super) fn note_line(&mut self, secret: Option<Verb>, line: &[u8]) {
        if self.config.notes == Notes::Commands {
            self.noted = Some(match secret {
                Some(verb) => [verb.name(), " ****"].concat().into(),
                None => BString::from(line),
            });
        }
    }

    /// Keeps a note, if notes of that kind are wanted.
    pub(super) fn note_that(&mut self, kind: Notes, note: impl FnOnce(&Self) -> Note) {
        if self.config.notes >= kind {
            let note = note(self);
            if let Note::Changed { .. } | Note::Transferred { .. } = note {
                self.unnoted = None;
            }
            self.journal.push(note);
        }
    }

    /// Notes that the command in hand was refused, if it was and nothing says so yet. `about` is
    /// its argument; without one its path is in hand.
    pub(super) fn note_forbidden(&mut self, about: Option<&BStr>) {
        let Some((code, why)) = self.forbidden.take() else {
            return;
        };
        if let Some(verb) = self.unnoted {
            self.note_that(Notes::Audit, |session| {
                let about = match about {
                    Some(name) if verb == Verb::User => Some(name.into()),
                    Some(path) => Some(match VPath::resolve(&session.cwd, path) {
                        Ok(path) => path.as_bytes().into(),
                        Err(_) => path.into(),
                    }),
                    None => verb.has_path().then(|| session.path.as_bytes().into()),
                };
                Note::Refused {
                    verb,
                    about,
                    code,
                    why,
                }
            });
        }
    }
}
