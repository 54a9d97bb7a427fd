//! RETR, STOR, APPE, STOU, LIST, NLST and MLSD: whether they may begin, and what is opened.

use alloc::boxed::Box;

use bstr::{BStr, ByteSlice};

use crate::account::Rights;
use crate::action::{Action, Mode, Scope, Verdict};
use crate::command::{Type, Verb};
use crate::entry::{Kind, Metadata};
use crate::failure::Failure;
use crate::listing::{Form, ListOptions};
use crate::session::Session;
use crate::session::state::{Data, Job, Look, Stage, Transfer};

impl Session {
    pub(in crate::session) fn retr(&mut self, path: &BStr) {
        let offset = core::mem::take(&mut self.settings.restart);
        if self.permit(Rights::READ)
            && self.may_restart(offset)
            && self.may_begin()
            && self.target(path)
        {
            let transfer = Transfer {
                offset,
                ..self.transfer(Verb::Retr)
            };
            self.open(transfer, Mode::Read { offset });
        }
    }

    pub(in crate::session) fn stor(&mut self, path: &BStr) {
        self.write(Verb::Stor, path);
    }

    /// Behind REST it means what STOR would: an offset that is told in so many words counts.
    pub(in crate::session) fn appe(&mut self, path: &BStr) {
        if self.settings.restart > 0 {
            self.write(Verb::Appe, path);
        } else if self.capabilities().append {
            self.upload(Verb::Appe, path, |session, expected| Mode::Append {
                told: session.told_length(),
                replace: session.may_replace(),
                umask: session.settings.umask,
                resumable: session.is_resumable(),
                expected,
            });
        } else {
            self.refuse_verb();
        }
    }

    /// Writes a file from its beginning, or from where REST said.
    fn write(&mut self, verb: Verb, path: &BStr) {
        let at = core::mem::take(&mut self.settings.restart);
        if at > 0 && !self.capabilities().restart_write {
            self.done(550, "Uploads cannot be restarted here.");
        } else if self.may_restart(at) {
            self.upload(verb, path, |session, expected| Mode::Write {
                at,
                replace: session.may_replace(),
                umask: session.settings.umask,
                resumable: session.is_resumable(),
                expected,
            });
        }
    }

    pub(in crate::session) fn stou(&mut self, name: Option<&BStr>) {
        self.settings.restart = 0;
        let name = name.unwrap_or(b"upload".as_bstr());
        self.upload(Verb::Stou, name, |session, _| Mode::Unique {
            umask: session.settings.umask,
            resumable: session.is_resumable(),
        });
    }

    /// `mode` is told how long the upload will be, if ALLO has said so.
    fn upload(&mut self, verb: Verb, path: &BStr, mode: impl FnOnce(&Self, Option<u64>) -> Mode) {
        let announced = self.settings.announced.take();
        let size = announced.filter(|_| self.is_resumable());
        if self.permit(Rights::WRITE) && self.may_begin() && self.new_target(path) {
            let transfer = Transfer {
                size,
                ..self.transfer(verb)
            };
            let mode = mode(self, size);
            // It holds for one upload: afterwards something else stands there.
            self.settings.told.take_if(|(path, _)| *path == self.path);
            self.open(transfer, mode);
        }
    }

    /// The bytes of the client are those of the file, so that an offset means the same to both.
    fn is_resumable(&self) -> bool {
        self.settings.representation == Type::Image
    }

    /// The length of the partial at this path that SIZE has told, if it did.
    fn told_length(&self) -> Option<u64> {
        let told = self.settings.told.as_ref();
        let (_, length) = told.filter(|(path, _)| *path == self.path && self.is_resumable())?;
        Some(*length)
    }

    /// Whether a transfer may begin at that offset: TYPE A may have been set since REST.
    fn may_restart(&mut self, offset: u64) -> bool {
        let may = offset == 0 || self.settings.representation == Type::Image;
        if !may {
            self.done(501, "REST works in TYPE I only.");
        }
        may
    }

    fn may_replace(&self) -> bool {
        self.rights().contains(Rights::OVERWRITE)
    }

    pub(in crate::session) fn mlsd(&mut self, path: Option<&BStr>) {
        self.settings.restart = 0;
        if self.permit(Rights::LIST) && self.may_begin() && self.target(path.unwrap_or_default()) {
            let listing = self.listing(self.facts_form(), ListOptions::default());
            let transfer = Transfer {
                listing: Some(Box::new(listing)),
                ..self.transfer(Verb::Mlsd)
            };
            self.open(transfer, Mode::List(Scope::Entries));
        }
    }

    /// LIST and NLST.
    pub(in crate::session) fn list(
        &mut self,
        verb: Verb,
        options: ListOptions,
        path: Option<&BStr>,
    ) {
        self.settings.restart = 0;
        if !self.permit(Rights::LIST) || !self.may_begin() {
            return;
        }
        let listing = match verb {
            Verb::Nlst => self
                .listing(Form::Names, options)
                .with_dot_files(self.config.dot_files),
            _ => self.long_listing(options),
        };
        let argument = path.unwrap_or_default();
        let listing = Some(Box::new(listing.named(argument)));
        let transfer = Transfer {
            listing,
            ..self.transfer(verb)
        };
        if path.is_some() {
            // What it names decides what is listed.
            self.look(argument, Look::List(transfer, options));
        } else if self.target(argument) {
            let here = Metadata::of_kind(Kind::Directory);
            self.on_list_target(transfer, options, Ok(here));
        }
    }

    /// The argument of LIST or NLST was looked at: a directory, a file, or a pattern.
    pub(in crate::session) fn on_list_target(
        &mut self,
        mut transfer: Transfer,
        options: ListOptions,
        outcome: Result<Metadata, Failure>,
    ) {
        if let Some(reason) = transfer.stop {
            return self.conclude(&transfer, Verdict::Abandon(reason), Ok(()));
        }
        let listing = transfer.listing.as_deref_mut();
        let aimed = listing.map_or(Err(Failure::Unsupported), |listing| {
            self.aim(listing, options, outcome)
        });
        match aimed {
            Ok(scope) => self.open(transfer, Mode::List(scope)),
            Err(failure) => self.refuse(transfer.failure(failure)),
        }
    }

    /// Whether a transfer may begin: no ABOR waits behind it, nor the end of the input without a
    /// QUIT, and something stands ready for data.
    fn may_begin(&mut self) -> bool {
        if self.ended && self.ahead.quits == 0 {
            self.done(426, "The control connection is gone.");
            return false;
        }
        if self.ahead.aborts > 0 {
            self.aborted = true;
            self.done(426, "Transfer aborted.");
            return false;
        }
        if !self.may_send_data() {
            return false;
        }
        if self.settings.data == Data::None {
            self.done(425, "Use PASV, EPSV, PORT or EPRT first.");
            return false;
        }
        true
    }

    fn transfer(&self, verb: Verb) -> Transfer {
        Transfer {
            verb,
            stage: Stage::Opening,
            announced: false,
            listing: None,
            since: self.now,
            offset: 0,
            size: None,
            bytes: 0,
            measured: 0,
            stop: None,
            hung_up: false,
            accepted: None,
        }
    }

    fn open(&mut self, transfer: Transfer, mode: Mode) {
        let limit = self.config.limits.request;
        self.ask(Job::Transfer(transfer), limit, |ticket| {
            Action::Open(ticket, mode)
        });
    }
}
