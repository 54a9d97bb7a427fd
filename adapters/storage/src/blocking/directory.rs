//! The entries of directories.

use std::mem;
use std::ops::Range;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bstr::BStr;
use wharf_core::listing::Directory;
use wharf_core::{Entry, Failure, Metadata, VPath};

use super::{BURST, BlockingDirectory, Calls};
use crate::executor::{OnCancel, Wanted};
use crate::operation::Operation;

/// So many entries, or so many bytes of their names, are read at once.
const ENTRIES: usize = 512;
const NAMES: usize = 64 << 10;

pub(super) fn wrap(directory: Box<dyn BlockingDirectory>, calls: Calls) -> Box<dyn Directory> {
    if calls.are_here() {
        Box::new(Here(directory))
    } else {
        Box::new(Ahead {
            calls,
            state: State::Idle(directory, None, Batch::default()),
            batch: Batch::default(),
            next: 0,
        })
    }
}

/// A directory that is read when it is polled.
struct Here(Box<dyn BlockingDirectory>);

impl Directory for Here {
    fn poll_advance(&mut self, _: &mut Context<'_>) -> Poll<Result<bool, Failure>> {
        Poll::Ready(self.0.advance())
    }

    fn entry(&self) -> Entry<'_> {
        self.0.entry()
    }

    fn enter(&mut self, path: &VPath) {
        // What cannot be opened has no entries.
        let _ = self.0.enter(path);
    }
}

/// A directory of which the next entries are read while the last ones are listed.
struct Ahead {
    calls: Calls,
    state: State,
    batch: Batch,
    /// The entry of the batch behind the one that it has gone to.
    next: usize,
}

enum State {
    /// It may be read on, from that directory if it is another one, into that batch.
    Idle(Box<dyn BlockingDirectory>, Option<VPath>, Batch),
    Reading(Box<dyn Operation<(Box<dyn BlockingDirectory>, Batch)>>),
    /// All entries were read, or what comes behind them failed.
    End(Option<Box<dyn BlockingDirectory>>, Option<Failure>),
}

/// Some entries.
#[derive(Default)]
struct Batch {
    rows: Vec<Row>,
    /// The names and the texts of links.
    texts: Vec<u8>,
    /// What comes behind them: more, if nothing is said.
    end: Option<Result<(), Failure>>,
}

struct Row {
    name: Range<usize>,
    metadata: Metadata,
    target: Option<Range<usize>>,
    leads_to: Option<Metadata>,
}

impl Batch {
    /// Reads the next entries in place of these.
    fn read(&mut self, directory: &mut dyn BlockingDirectory, wanted: &Wanted) {
        self.rows.clear();
        self.texts.clear();
        let begun = Instant::now();
        self.end = loop {
            match directory.advance() {
                Ok(true) => self.push(&directory.entry()),
                Ok(false) => break Some(Ok(())),
                Err(failure) => break Some(Err(failure)),
            }
            let is_full = self.rows.len() >= ENTRIES || self.texts.len() >= NAMES;
            if is_full || begun.elapsed() >= BURST || !wanted.is_so() {
                break None;
            }
        };
    }

    fn push(&mut self, entry: &Entry<'_>) {
        let mut keep = |text: &[u8]| {
            let start = self.texts.len();
            self.texts.extend_from_slice(text);
            start..self.texts.len()
        };
        let row = Row {
            name: keep(entry.name),
            metadata: entry.metadata,
            target: entry.target.map(|target| keep(target)),
            leads_to: entry.leads_to,
        };
        self.rows.push(row);
    }
}

impl Ahead {
    /// Begins to read the next entries.
    fn read(&mut self) {
        let (mut directory, enter, mut batch) =
            match mem::replace(&mut self.state, State::End(None, None)) {
                State::Idle(directory, enter, batch) => (directory, enter, batch),
                other => {
                    self.state = other;
                    return;
                }
            };
        let reading = self.calls.run(OnCancel::Leave, move |wanted| {
            if let Some(path) = enter {
                // What cannot be opened has no entries.
                let _ = directory.enter(&path);
            }
            batch.read(&mut *directory, wanted);
            Ok((directory, batch))
        });
        self.state = State::Reading(reading);
    }
}

impl Directory for Ahead {
    fn poll_advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Failure>> {
        while self.next == self.batch.rows.len() {
            self.read();
            match &mut self.state {
                State::Reading(reading) => match ready!(reading.poll(cx)) {
                    Ok((directory, batch)) => {
                        let empty = mem::replace(&mut self.batch, batch);
                        self.next = 0;
                        self.state = match self.batch.end {
                            None => State::Idle(directory, None, empty),
                            Some(end) => State::End(Some(directory), end.err()),
                        };
                        self.read();
                    }
                    Err(failure) => self.state = State::End(None, Some(failure)),
                },
                State::End(_, failure) => {
                    return Poll::Ready(failure.take().map_or(Ok(false), Err));
                }
                State::Idle(..) => {}
            }
        }
        self.next += 1;
        Poll::Ready(Ok(true))
    }

    fn entry(&self) -> Entry<'_> {
        let text = |range: &Range<usize>| BStr::new(&self.batch.texts[range.clone()]);
        match self
            .next
            .checked_sub(1)
            .and_then(|at| self.batch.rows.get(at))
        {
            Some(row) => Entry::new(text(&row.name), row.metadata)
                .with_target(row.target.as_ref().map(text))
                .with_leads_to(row.leads_to),
            None => Entry::new("", Metadata::default()),
        }
    }

    fn enter(&mut self, path: &VPath) {
        let before = mem::replace(&mut self.state, State::End(None, None));
        self.state = match before {
            State::Idle(directory, _, batch) => State::Idle(directory, Some(path.clone()), batch),
            State::End(Some(directory), _) => {
                State::Idle(directory, Some(path.clone()), Batch::default())
            }
            // It failed, or is in the middle of another one.
            State::Reading(_) | State::End(None, _) => State::End(None, None),
        };
        self.batch.rows.clear();
        self.next = 0;
    }
}
