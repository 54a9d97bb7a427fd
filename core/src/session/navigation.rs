//! CWD, CDUP, PWD, and every command that looks at one path: SIZE, MDTM, MLST, RNFR, STAT.

use bstr::{BStr, ByteSlice};

use super::Session;
use super::state::{Job, Look, Work};
use crate::account::Rights;
use crate::action::{Action, Scope};
use crate::command::Type;
use crate::config::Style;
use crate::entry::{Entry, Kind, Metadata};
use crate::failure::Failure;
use crate::listing::{Form, Line, ListOptions, Listing, is_pattern};
use crate::optional::{Answer, Optional};
use crate::ticket::Ticket;
use crate::time::Timestamp;

/// What is needed to learn the facts of a file: one of the rights that show it anyway.
const KNOW: Rights = Rights::LIST.union(Rights::READ);

impl Session {
    pub(super) fn pwd(&mut self) {
        self.output
            .begin(257, b' ')
            .quoted(self.cwd.as_bytes())
            .text(b" is the current directory.")
            .end();
        self.finished(257);
    }

    pub(super) fn cwd(&mut self, path: &BStr) {
        // `~` means the home, unless something has that very name.
        let below_home = match path.strip_prefix(b"~") {
            Some(rest) if rest.is_empty() || rest.starts_with(b"/") => Some(rest),
            _ => None,
        };
        let or_home = below_home.is_some_and(|rest| {
            let relative = rest.trim_start_with(|c| c == '/');
            self.other.assign(&self.home, relative).is_ok()
                && !self.forbidden_names.forbid(&self.other)
        });
        self.look(path, Look::Enter { or_home });
    }

    /// Asks the storage about a path.
    pub(super) fn look(&mut self, path: &BStr, look: Look) {
        let rights = self.rights();
        let may = match look {
            // Whoever uploads may ask how much of it has arrived.
            Look::Size => rights.intersects(KNOW | Rights::WRITE),
            Look::Modified | Look::Facts => rights.intersects(KNOW),
            // What these need the command has seen to.
            Look::Enter { .. } | Look::RenameFrom | Look::Status(_) | Look::List(..) => true,
        };
        if !may {
            self.refuse(Failure::Denied);
        } else if self.target(path) {
            self.ask(Job::Look(look), self.config.limits.request, Action::Stat);
        }
    }

    pub(super) fn on_look(&mut self, look: Look, outcome: Result<Metadata, Failure>) {
        // Everything tells what RETR gives; SIZE alone knows of what can be continued.
        let outcome = match (&look, outcome) {
            (Look::Size, outcome) => return self.on_size(outcome),
            (_, Ok(facts)) if facts.kind == Kind::Partial => Err(Failure::NotFound),
            (_, outcome) => outcome,
        };
        let look = match look {
            Look::List(transfer, options) => {
                return self.on_list_target(transfer, options, outcome);
            }
            Look::Status(options) => return self.on_status(options, outcome),
            look => look,
        };
        let facts = match (outcome, &look) {
            (Ok(facts), _) => facts,
            (Err(Failure::NotFound), Look::Enter { or_home: true }) => {
                core::mem::swap(&mut self.path, &mut self.other);
                let look = Look::Enter { or_home: false };
                return self.ask(Job::Look(look), self.config.limits.request, Action::Stat);
            }
            (Err(failure), _) => return self.refuse(failure.of_looking()),
        };
        match look {
            Look::Enter { .. } if facts.enterable == Some(false) => self.refuse(Failure::Denied),
            Look::Enter { .. } if facts.kind.is_directory() => {
                core::mem::swap(&mut self.cwd, &mut self.path);
                self.output
                    .begin(250, b' ')
                    .quoted(self.cwd.as_bytes())
                    .text(b" is the current directory.")
                    .end();
                self.finished(250);
            }
            Look::Enter { .. } => self.refuse(Failure::NotADirectory),
            Look::Modified if !facts.kind.is_file() => self.refuse(Failure::NotAFile),
            Look::Modified => match facts.modified {
                Some(modified) => self.time_reply(modified),
                None => self.done(550, "The time of last change is not known."),
            },
            Look::Facts => self.facts_reply(&facts),
            Look::RenameFrom => {
                self.settings.rename_from = Some(self.path.clone());
                self.done(350, "Ready for RNTO.");
            }
            Look::Size | Look::Status(_) | Look::List(..) => {}
        }
    }

    /// SIZE: the length of a file, or how much of an upload that broke off can be continued. In
    /// TYPE A the length is that of the translated file, which must be counted.
    fn on_size(&mut self, outcome: Result<Metadata, Failure>) {
        let limit = self.config.limits.text_size;
        let is_image = self.settings.representation == Type::Image;
        self.settings.told = None;
        let facts = match outcome {
            Ok(facts) if facts.kind == Kind::Partial && is_image => {
                self.settings.told = Some((self.path.clone(), facts.size));
                return self.number_reply(facts.size);
            }
            // Whoever may neither list nor read learns of nothing else, not even that it is there.
            Ok(_) | Err(Failure::NotFound) if !self.rights().intersects(KNOW) => {
                return self.refuse(Failure::Denied);
            }
            Ok(facts) if facts.kind == Kind::Partial => return self.refuse(Failure::NotFound),
            Ok(facts) => facts,
            Err(failure) => return self.refuse(failure.of_looking()),
        };
        if !facts.kind.is_file() {
            self.refuse(if facts.kind.is_directory() {
                Failure::IsADirectory
            } else {
                Failure::NotAFile
            });
        } else if self.settings.representation == Type::Image {
            self.number_reply(facts.size);
        } else if facts.size > limit {
            self.done(550, "Too large to count in TYPE A; use TYPE I.");
        } else {
            self.ask(
                Job::Count,
                self.config.limits.request,
                |ticket: Ticket<Optional>| Action::Optional(ticket, Optional::TextSize { limit }),
            );
        }
    }

    pub(super) fn avbl(&mut self, path: Option<&BStr>) {
        if !self.capabilities().available {
            self.refuse_verb();
        } else if self.permit(Rights::WRITE) && self.target(path.unwrap_or_default()) {
            self.ask(
                Job::Count,
                self.config.limits.request,
                |ticket: Ticket<Optional>| Action::Optional(ticket, Optional::Available),
            );
        }
    }

    /// SIZE in TYPE A and AVBL answer alike.
    pub(super) fn on_count(&mut self, outcome: Result<Answer, Failure>) {
        match outcome {
            Ok(Answer::Bytes(number)) => self.number_reply(number),
            Err(Failure::TooLarge) => self.done(550, "Too large to count in TYPE A; use TYPE I."),
            Err(Failure::Unsupported) => self.done(550, "Not available in TYPE A; use TYPE I."),
            Err(failure) => self.refuse(failure.of_looking()),
        }
    }

    fn number_reply(&mut self, number: u64) {
        self.output.begin(213, b' ').number(number).end();
        self.finished(213);
    }

    fn time_reply(&mut self, moment: Timestamp) {
        let mut text = [0; 24];
        let mut line = Line::new(&mut text);
        line.time_val(moment, true);
        let length = line.len();
        self.output.begin(213, b' ').text(&text[..length]).end();
        self.finished(213);
    }

    /// MLST: the facts of one path, which is printed whole (RFC 3659 section 7.2).
    fn facts_reply(&mut self, facts: &Metadata) {
        let listing = self.listing(self.facts_form(), ListOptions::default());
        let entry = Entry::new(b"".as_bstr(), *facts);
        let mut text = [0; 256];
        let length = listing.write_facts(&entry, &mut text);
        self.output.first(250, "Facts follow.");
        self.output
            .inner()
            .text(&text[..length])
            .text(self.path.as_bytes())
            .end();
        self.done(250, "End.");
    }

    /// MLST and MLSD show what the client chose by OPTS.
    pub(super) fn facts_form(&self) -> Form {
        Form::Facts {
            facts: self.settings.facts,
            rights: self.rights(),
            capabilities: self.capabilities(),
        }
    }

    /// STAT with a path was looked at: a listing over the control connection, as LIST would be.
    fn on_status(&mut self, options: ListOptions, outcome: Result<Metadata, Failure>) {
        let mut listing = self.long_listing(options).indented();
        if outcome.is_err() {
            // Its last name may be a pattern.
            listing = listing.named(self.path.file_name().unwrap_or_default());
        }
        let is_directory = outcome.is_ok_and(|facts| facts.kind.is_directory());
        let code = if outcome.is_err() || is_directory {
            212
        } else {
            213
        };
        let scope = match self.aim(&mut listing, options, outcome) {
            Ok(scope) => scope,
            Err(failure) => return self.refuse(failure.of_looking()),
        };
        self.ask(
            Job::Report { code, begun: false },
            self.config.limits.request,
            |ticket| Action::Report(ticket, scope, listing),
        );
    }

    /// Has a listing show what its path turned out to be: a directory, something else, or a pattern
    /// for the last name. A file of just that name comes before it.
    pub(super) fn aim(
        &mut self,
        listing: &mut Listing,
        options: ListOptions,
        outcome: Result<Metadata, Failure>,
    ) -> Result<Scope, Failure> {
        let is_pattern = self.path.file_name().is_some_and(|name| is_pattern(name));
        match outcome {
            Ok(facts) if facts.kind.is_directory() && !options.itself => {
                listing.show_entries(&self.path);
                Ok(Scope::Entries)
            }
            Ok(_) => {
                listing.show_itself();
                Ok(Scope::Itself)
            }
            Err(Failure::NotFound) if is_pattern => {
                listing.show_matches();
                self.path.pop();
                Ok(Scope::Entries)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Lines of the listing that STAT asked for.
    pub(super) fn on_report(&mut self, lines: &[u8]) -> usize {
        let limit = self.output_limit();
        let room = self
            .output
            .room(limit)
            .saturating_sub(crate::reply::SHORT_REPLY);
        let Work::Waiting(Job::Report { code, begun }) = &mut self.work else {
            return 0;
        };
        // Only whole lines are taken, so that what fits is a reply at every moment.
        let fitting = &lines[..lines.len().min(room)];
        let taken = fitting.rfind_byte(b'\n').map_or(0, |end| end + 1);
        if taken > 0 {
            if !*begun {
                *begun = true;
                self.output.first(*code, "Status follows.");
            }
            self.output.lines(&lines[..taken]);
            self.timers.set(
                crate::timer::Timer::Ticket,
                self.now,
                self.config.limits.request,
            );
        }
        taken
    }

    pub(super) fn on_reported(&mut self, code: u16, begun: bool, outcome: Result<(), Failure>) {
        match (outcome, begun) {
            (Err(failure), false) => self.refuse(failure.of_looking()),
            (Err(_), true) => self.done(code, "End, incomplete."),
            (Ok(()), true) => self.done(code, "End."),
            (Ok(()), false) => {
                self.output.first(code, "Status follows.");
                self.done(code, "End.");
            }
        }
    }

    /// LIST and STAT in the form of this server.
    pub(super) fn long_listing(&self, options: ListOptions) -> Listing {
        let form = match self.config.style {
            Style::Unix => Form::Unix,
            Style::MsDos => Form::MsDos,
        };
        self.listing(form, options)
            .with_dot_files(self.config.dot_files)
    }

    /// A listing in that form, sorted by name unless the storage yields the names so.
    pub(super) fn listing(&self, form: Form, options: ListOptions) -> Listing {
        let limit = self.config.limits.sorted;
        let by_name = !self.capabilities().sorted;
        Listing::new(form, options)
            .sorted_within(limit, by_name)
            .with_link_targets(self.config.link_targets)
            .without(&self.forbidden_names)
    }
}
