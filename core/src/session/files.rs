//! Commands that change the storage: DELE, RMD, MKD, RNFR and RNTO, MFMT, MFF, SITE.

use bstr::BStr;

use super::Session;
use super::answer::UNABLE;
use super::state::{Job, Look};
use crate::account::Rights;
use crate::action::{Action, Edit, Facts};
use crate::command::Verb;
use crate::config::Notes;
use crate::decimal::octal;
use crate::failure::Failure;
use crate::note::Note;
use crate::outcome::Changed;
use crate::time::Timestamp;

/// The permission bits that a client may set: no set-user-ID, set-group-ID or sticky bit, which
/// other programs obey.
const SETTABLE: u16 = 0o777;

impl Session {
    pub(super) fn dele(&mut self, path: &BStr) {
        if self.permit(Rights::DELETE) && self.target(path) {
            self.change(Verb::Dele, Edit::Delete);
        }
    }

    pub(super) fn rmd(&mut self, path: &BStr) {
        if self.permit(Rights::DELETE) && self.target(path) {
            if self.path.is_root() {
                self.refuse(Failure::Denied);
            } else {
                self.change(Verb::Rmd, Edit::RemoveDirectory);
            }
        }
    }

    pub(super) fn mkd(&mut self, path: &BStr) {
        if self.permit(Rights::MKDIR) && self.new_target(path) {
            self.change(
                Verb::Mkd,
                Edit::MakeDirectory {
                    umask: self.settings.umask,
                },
            );
        }
    }

    pub(super) fn rnfr(&mut self, path: &BStr) {
        self.settings.rename_from = None;
        if !self.capabilities().rename {
            self.refuse_verb();
        } else if self.permit(Rights::RENAME) {
            self.look(path, Look::RenameFrom);
        }
    }

    pub(super) fn rnto(&mut self, path: &BStr) {
        // Whatever becomes of it, the name is used up.
        let Some(from) = self.settings.rename_from.take() else {
            self.done(503, "RNFR comes first.");
            return;
        };
        if !self.new_target(path) {
            return;
        }
        if self.path != from && self.path.is_within(&from) {
            self.refuse(Failure::BadMove);
            return;
        }
        self.other = from;
        let replace = self.rights().contains(Rights::OVERWRITE);
        self.change(Verb::Rnto, Edit::Rename { replace });
    }

    pub(super) fn mfmt(&mut self, time: Timestamp, path: &BStr) {
        self.set(
            Verb::Mfmt,
            Facts {
                modified: Some(time),
                mode: None,
            },
            path,
        );
    }

    pub(super) fn mff(&mut self, facts: Facts, path: &BStr) {
        self.set(Verb::Mff, facts, path);
    }

    pub(super) fn utime(&mut self, time: Timestamp, path: &BStr) {
        self.set(
            Verb::Site,
            Facts {
                modified: Some(time),
                mode: None,
            },
            path,
        );
    }

    pub(super) fn chmod(&mut self, mode: u16, path: &BStr) {
        self.set(
            Verb::Site,
            Facts {
                modified: None,
                mode: Some(mode),
            },
            path,
        );
    }

    fn set(&mut self, verb: Verb, facts: Facts, path: &BStr) {
        let can = self.capabilities();
        let able =
            (facts.modified.is_none() || can.set_time) && (facts.mode.is_none() || can.set_mode);
        if !able {
            self.refuse_verb();
        } else if self.permit(Rights::OVERWRITE) && self.target(path) {
            let mode = facts.mode.map(|mode| mode & SETTABLE);
            self.change(verb, Edit::Set(Facts { mode, ..facts }));
        }
    }

    pub(super) fn symlink(&mut self, target: &BStr, path: &BStr) {
        if !self.capabilities().symlink {
            self.refuse_verb();
        } else if self.permit(Rights::SYMLINK) && self.target(target) {
            // The target means what it would mean to CWD, not what the link's place makes of it.
            self.other = core::mem::take(&mut self.path);
            if self.new_target(path) {
                self.change(Verb::Site, Edit::Symlink);
            }
        }
    }

    pub(super) fn umask(&mut self, mask: Option<u16>) {
        if !self.capabilities().set_mode {
            self.refuse_verb();
        } else if mask.is_some() {
            self.settings.umask = mask;
            self.done(200, "Mask set for this session.");
            if let Some(umask) = mask {
                self.note_that(Notes::Audit, |_| Note::MaskSet { umask });
            }
        } else if let Some(mask) = self.settings.umask {
            let digits = octal::<3>(mask);
            self.output
                .begin(200, b' ')
                .text(b"The mask is ")
                .text(&digits)
                .text(b".")
                .end();
            self.finished(200);
        } else {
            self.done(200, "The mask is the server's.");
        }
    }

    fn change(&mut self, verb: Verb, edit: Edit) {
        let limit = self.config.limits.request;
        self.ask(Job::Change(verb, edit), limit, |ticket| {
            Action::Change(ticket, edit)
        });
    }

    pub(super) fn on_change(&mut self, verb: Verb, edit: Edit, outcome: Result<Changed, Failure>) {
        let edit = match (edit, outcome) {
            // What is in effect is told, not what was asked.
            (Edit::Set(facts), Ok(Changed { mode: Some(mode) })) => Edit::Set(Facts {
                mode: facts.mode.map(|_| mode & SETTABLE),
                ..facts
            }),
            (edit, _) => edit,
        };
        let (code, refused) = match (outcome, verb) {
            (Ok(_), Verb::Mkd) => (257, None),
            (Ok(_), Verb::Dele | Verb::Rmd | Verb::Rnto) => (250, None),
            (Ok(_), Verb::Mfmt | Verb::Mff) => (213, None),
            (Ok(_), _) => (200, None),
            // This very text is what some clients look for.
            (Err(Failure::IsADirectory), Verb::Mkd) => (550, Some("Directory already exists")),
            (Err(Failure::Unsupported), _) => (502, Some(UNABLE)),
            (Err(failure), _) => {
                let failure = match (failure, verb) {
                    (failure, Verb::Dele | Verb::Rmd) => failure.of_looking(),
                    // There is no offset that it could mean.
                    (Failure::PastEnd | Failure::BrokenOff, _) => Failure::Io,
                    (failure, _) => failure,
                };
                (failure.code(), Some(failure.text()))
            }
        };
        self.note_that(Notes::Audit, |session| Note::Changed {
            verb,
            edit,
            path: session.path.clone(),
            other: match edit {
                Edit::Rename { .. } | Edit::Symlink => Some(session.other.clone()),
                _ => None,
            },
            code,
            refused,
        });
        match (refused, verb) {
            (Some(why), _) => self.done(code, why),
            (None, Verb::Mkd) => {
                self.output
                    .begin(code, b' ')
                    .quoted(self.path.as_bytes())
                    .text(b" created.")
                    .end();
                self.finished(code);
            }
            (None, Verb::Mfmt | Verb::Mff) => {
                let Edit::Set(facts) = edit else {
                    return self.done(code, "Done.");
                };
                // draft-somers-ftp-mfxx sections 3.1 and 5.1.
                self.output
                    .begin(code, b' ')
                    .with(|out| facts.write(out))
                    .text(b" ")
                    .text(self.path.as_bytes())
                    .end();
                self.finished(code);
            }
            (None, Verb::Dele) => self.done(code, "Deleted."),
            (None, Verb::Rmd) => self.done(code, "Directory removed."),
            (None, Verb::Rnto) => self.done(code, "Renamed."),
            (None, _) => match edit {
                Edit::Set(Facts {
                    mode: Some(mode), ..
                }) => {
                    let digits = octal::<3>(mode);
                    self.output
                        .begin(code, b' ')
                        .text(b"The mode is ")
                        .text(&digits)
                        .text(b".")
                        .end();
                    self.finished(code);
                }
                _ => self.done(code, "Done."),
            },
        }
    }
}
