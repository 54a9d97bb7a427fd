//! [`Seat`]: one client, its session, the connections between them and the embedder that works for
//! the session.

use wharf_core::check::{Checked, Machine};
use wharf_core::{
    Action, DataFailure, End, Event, Failure, Flow, Ticket, Transferred, Verdict, ticket,
};
use wharf_model::{DATA_FAILURES, Embedder, Handle, Store, to_file, to_wire};

use crate::case::{Case, Fault, Sabotage};
use crate::client::Client;
use crate::random::Random;

/// A request that the embedder works on.
#[derive(Debug)]
pub(crate) enum Job {
    /// It is done when its time has come, or fails like that.
    Request(Action, Option<Failure>),
    /// It comes back only when it is asked back.
    Silent(Action),
    /// It is never answered.
    Lost(Action),
    /// Bytes move.
    Moving(Box<Moving>),
}

/// A transfer that runs.
#[derive(Debug)]
pub(crate) struct Moving {
    ticket: Ticket<ticket::Transfer>,
    /// What moves over the data connection, and how far it is.
    wire: Vec<u8>,
    at: usize,
    /// Bytes of the file, or of the listing.
    length: usize,
    uploads: bool,
    text: bool,
    /// What ends it early, behind that byte.
    breaks: Option<(usize, Option<End>)>,
}

#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) session: Checked,
    pub(crate) client: Client,
    pub(crate) embedder: Embedder,
    /// What the embedder draws from.
    random: Random,
    sabotage: Option<Sabotage>,
    pub(crate) job: Option<Job>,
    /// Counts jobs, so that what comes too late is told apart.
    pub(crate) serial: u64,
    /// What the client sent and the session has not taken.
    pub(crate) inbox: Vec<u8>,
    /// When the last bytes arrive, in each direction: they do not overtake each other.
    pub(crate) arrival: [u64; 2],
    /// When the next tick is planned.
    pub(crate) tick: u64,
    /// The client takes no replies until then.
    pub(crate) deaf_until: u64,
    /// Something went wrong that the client may feel.
    pub(crate) troubled: bool,
    /// The session is over.
    pub(crate) over: bool,
    /// The client is not there any more.
    pub(crate) gone: bool,
}

impl Seat {
    pub(crate) fn new(
        session: Checked,
        client: Client,
        embedder: Embedder,
        random: Random,
        sabotage: Option<Sabotage>,
    ) -> Self {
        Self {
            session,
            client,
            embedder,
            random,
            sabotage,
            job: None,
            serial: 0,
            inbox: Vec::new(),
            arrival: [0; 2],
            tick: u64::MAX,
            deaf_until: 0,
            troubled: false,
            over: false,
            gone: false,
        }
    }

    /// Whether that fault happens now.
    pub(crate) fn strikes(&mut self, case: &Case, fault: Fault) -> bool {
        let strikes = self.random.chance(case.rate(fault));
        self.troubled |= strikes;
        strikes
    }

    /// A request has come; says when it is worth looking at it again.
    pub(crate) fn begin(&mut self, now: u64, case: &Case, action: Action) -> u64 {
        self.serial += 1;
        let mut wait = self.random.between(20, 800);
        if self.strikes(case, Fault::Delay) {
            wait += self.random.between(1, 90_000_000);
        }
        let connects = matches!(action, Action::OpenData(..));
        let fallible = !matches!(action, Action::CloseData(_) | Action::Login(_));
        let job = if self.strikes(case, Fault::LostTicket) {
            Job::Lost(action)
        } else if connects && self.strikes(case, Fault::DataSilent) {
            Job::Silent(action)
        } else if connects && self.strikes(case, Fault::DataRefused) {
            Job::Request(action, Some(Failure::Busy))
        } else if let Action::Transfer(ticket, plan) = action {
            Job::Moving(Box::new(self.moving(
                case,
                ticket,
                plan.flow,
                plan.wire.text,
            )))
        } else if fallible && self.strikes(case, Fault::StorageFails) {
            let failure = self.random.pick(&FAILURES);
            Job::Request(action, Some(failure))
        } else if matches!(action, Action::Finish(..)) && self.strikes(case, Fault::UnknownOutcome)
        {
            self.client.unknown = true;
            Job::Request(action, Some(Failure::Unknown))
        } else {
            Job::Request(action, None)
        };
        self.job = Some(job);
        now + wait
    }

    fn moving(
        &mut self,
        case: &Case,
        ticket: Ticket<ticket::Transfer>,
        flow: Flow,
        text: bool,
    ) -> Moving {
        self.client.download.clear();
        let mut uploads = false;
        let (wire, length) = match (flow, &self.embedder.handle) {
            (Flow::List(listing), _) => {
                let lines = self.embedder.list(listing);
                let length = lines.len();
                (lines, length)
            }
            (Flow::Receive, _) => {
                uploads = true;
                (self.client.upload(), 0)
            }
            (Flow::Send { .. }, Some(Handle::Read(bytes, at))) => {
                let mut file = bytes[*at..].to_vec();
                if self.random.chance(case.rate(Fault::ShortRead)) && !file.is_empty() {
                    self.troubled = true;
                    file.truncate(self.random.below(file.len() as u64) as usize);
                }
                (if text { to_wire(&file) } else { file.clone() }, file.len())
            }
            (Flow::Send { .. }, _) => panic!("nothing is open to be sent"),
        };
        let end = if self.strikes(case, Fault::DataReset) {
            Some(Some(End::Reset))
        } else if self.strikes(case, Fault::StorageFails) {
            Some(Some(End::Storage(self.random.pick(&FAILURES))))
        } else if self.strikes(case, Fault::DataStall) {
            Some(None)
        } else {
            None
        };
        let at = self.random.below(wire.len() as u64 + 1) as usize;
        Moving {
            ticket,
            wire,
            at: 0,
            length,
            uploads,
            text,
            breaks: end.map(|end| (at, end)),
        }
    }

    /// The request that is out shall come back; says when to look at it.
    pub(crate) fn cancel(&mut self, now: u64) -> Option<u64> {
        match self.job.take()? {
            Job::Silent(action) => {
                self.job = Some(Job::Request(action, Some(Failure::Cancelled)));
            }
            Job::Moving(mut moving) => {
                let at = moving.at;
                moving.breaks = Some((at, Some(End::Cancelled)));
                self.job = Some(Job::Moving(moving));
            }
            other => self.job = Some(other),
        }
        self.serial += 1;
        let wait = self.random.between(20, 500);
        Some(now + wait)
    }

    /// Works on the request that is out. Its answer, or when to look again.
    pub(crate) fn work(&mut self, now: u64, store: &mut Store) -> Result<Event, Option<u64>> {
        match self.job.take() {
            None => Err(None),
            Some(Job::Request(action, failure)) => {
                self.perform(now, store, action, failure).ok_or(None)
            }
            Some(job @ (Job::Silent(_) | Job::Lost(_))) => {
                self.job = Some(job);
                Err(None)
            }
            Some(Job::Moving(moving)) => self.move_on(now, *moving),
        }
    }

    fn perform(
        &mut self,
        now: u64,
        store: &mut Store,
        action: Action,
        failure: Option<Failure>,
    ) -> Option<Event> {
        let Some(failure) = failure else {
            return match self.sabotage {
                Some(sabotage) => self.betray(now, store, action, sabotage),
                None => self.embedder.perform(now, store, &self.session, action),
            };
        };
        match action {
            Action::OpenData(ticket, _) => Some(ticket.done(Err(match failure {
                Failure::Cancelled => DataFailure::Cancelled,
                _ => self.random.pick(&DATA_FAILURES),
            }))),
            Action::Finish(ticket, verdict) => {
                // An upload whose outcome is unknown may be there or not.
                let keep = failure == Failure::Unknown
                    && verdict == Verdict::Commit
                    && self.random.below(2) == 0;
                if let Some(handle) = self.embedder.handle.take() {
                    let _ = store.finish(now, handle, keep);
                }
                Some(ticket.done(Err(failure)))
            }
            action => action.refuse(failure),
        }
    }

    /// Does something else than what was asked.
    fn betray(
        &mut self,
        now: u64,
        store: &mut Store,
        action: Action,
        sabotage: Sabotage,
    ) -> Option<Event> {
        match (sabotage, action) {
            (Sabotage::LosesUploads, Action::Finish(ticket, _)) => {
                let handle = self.embedder.handle.take()?;
                Some(ticket.done(store.finish(now, handle, false)))
            }
            (Sabotage::KeepsAll, Action::Finish(ticket, _)) => {
                let handle = self.embedder.handle.take()?;
                Some(ticket.done(store.finish(now, handle, true)))
            }
            (Sabotage::Leaks, Action::Finish(ticket, Verdict::Commit))
                if matches!(self.embedder.handle, Some(Handle::Read(..))) =>
            {
                self.embedder.handle = None;
                Some(ticket.done(Ok(())))
            }
            (Sabotage::Exaggerates, Action::Stat(ticket)) => {
                let facts = store.stat(self.session.path());
                Some(ticket.done(facts.map(|facts| wharf_core::Metadata {
                    size: facts.size + 1,
                    ..facts
                })))
            }
            (_, action) => self.embedder.perform(now, store, &self.session, action),
        }
    }

    /// Moves some bytes.
    fn move_on(&mut self, now: u64, mut moving: Moving) -> Result<Event, Option<u64>> {
        let most = moving.breaks.map_or(moving.wire.len(), |(at, _)| at);
        let most = most.min(moving.wire.len());
        let chunk = self.random.between(1, 2_000) as usize;
        let from = moving.at.min(most);
        let to = most.min(from + chunk);
        let bytes = &moving.wire[from..to];
        if !moving.uploads {
            self.client.download.extend_from_slice(bytes);
            if let (Some(Sabotage::BendsDownloads), Some(last)) =
                (self.sabotage, self.client.download.last_mut())
            {
                *last ^= 1;
            }
        } else if let (Some(handle), false) = (&mut self.embedder.handle, moving.text) {
            handle.write(bytes);
        }
        moving.at = to;
        let now_instant = wharf_core::Instant::from_micros(now);
        self.session.progress(now_instant, to as u64);
        if to < most {
            self.job = Some(Job::Moving(Box::new(moving)));
            return Err(Some(now + self.random.between(5, 300)));
        }
        let end = match moving.breaks {
            Some((_, None)) => {
                // Nothing more happens until it is asked back.
                self.job = Some(Job::Moving(Box::new(moving)));
                return Err(None);
            }
            Some((_, Some(end))) => end,
            None => End::Clean,
        };
        let mut length = if moving.uploads { to } else { moving.length };
        if end != End::Clean {
            length = length.min(to);
        } else if let (true, true, Some(handle)) =
            (moving.uploads, moving.text, &mut self.embedder.handle)
        {
            let file = to_file(&moving.wire);
            handle.write(&file);
            length = file.len();
        }
        Ok(moving.ticket.done(Transferred::new(length as u64, end)))
    }

    /// The session is over: everything that belongs to it is dropped.
    pub(crate) fn drop_everything(&mut self, now: u64, store: &mut Store) {
        self.over = true;
        let gave_up = self.job.is_some();
        let embedder = &mut self.embedder;
        assert!(
            embedder.handle.is_none() || gave_up,
            "O4: something is open"
        );
        assert!(
            !embedder.connected || gave_up,
            "O4: a data connection stands"
        );
        if let Some(handle) = embedder.handle.take() {
            let _ = store.finish(now, handle, false);
        }
        embedder.connected = false;
    }

    /// Answers a lost request, long after.
    pub(crate) fn answer_late(&mut self) -> Option<Event> {
        match self.job.take()? {
            Job::Lost(action) | Job::Silent(action) | Job::Request(action, _) => {
                action.refuse(Failure::Io)
            }
            Job::Moving(moving) => Some(moving.ticket.done(Transferred::new(0, End::Clean))),
        }
    }
}

/// How a storage fails.
const FAILURES: [Failure; 6] = [
    Failure::Io,
    Failure::NoSpace,
    Failure::Quota,
    Failure::Busy,
    Failure::Denied,
    Failure::NotFound,
];
