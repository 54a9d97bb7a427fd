//! The log of a server: `tracing` to the standard error.
//!
//! Lines go through a queue of bounded length to a thread that writes them. A reader that hangs
//! costs log lines, never a session; how many, and of which kind, is told as soon as it reads on.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;

pub use crate::line::Format;
use crate::line::{self, Lines};
use wharf_driver::journal::{Backlog, Kind};

/// Bytes that are written at once.
const BATCH: usize = 64 * 1_024;

/// How often it is told at most that lines were lost.
const TELL_LOST: Duration = Duration::from_secs(1);

/// How long the end of a server waits for its last lines to be read.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Writes a line to the standard error, in the form of the log, for what is said before there is
/// one. Where even this cannot be written, the exit code tells.
pub(crate) fn complain(format: Format, text: &str) {
    let said = match format {
        Format::Text => format!("{}\n", text.trim_end()),
        Format::Json => line::message(format, Level::ERROR, text.trim_end()),
    };
    let _ = io::stderr().write_all(said.as_bytes());
}

/// Writes an answer to the standard output: as it is, or each line of it as a JSON object. That
/// nobody reads it is not an error of its own.
pub(crate) fn say(format: Format, text: &str) {
    let said = match format {
        Format::Text => text.to_owned(),
        Format::Json => text
            .lines()
            .map(|said| line::message(format, Level::INFO, said))
            .collect(),
    };
    let mut output = io::stdout().lock();
    let _ = output.write_all(said.as_bytes());
    let _ = output.flush();
}

/// Has a panic logged as everything else is.
pub(crate) fn catch_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        tracing::error!(thread, %panic, "a thread panicked");
    }));
}

/// How much is logged, and how.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The least important lines that are still logged.
    pub level: LevelFilter,
    /// The form of a line.
    pub format: Format,
}

/// Takes what `tracing` has to say; it waits until [`Prepared::start`]. Starts no thread, so that
/// the process can still become another user.
///
/// # Errors
/// Something else took `tracing` already.
pub fn prepare(options: Options) -> io::Result<Prepared> {
    let (sender, receiver) = channel();
    let backlog = Arc::<Backlog>::default();
    let queue = Queue {
        sender: sender.clone(),
        backlog: Arc::clone(&backlog),
    };
    let lines = Lines {
        format: options.format,
        write: move |kind, line| queue.send(kind, line),
    };
    let log = tracing_subscriber::registry()
        .with(options.level)
        .with(lines);
    tracing::subscriber::set_global_default(log).map_err(io::Error::other)?;
    Ok(Prepared {
        sender,
        receiver: Some(receiver),
        backlog,
        format: options.format,
    })
}

/// A log that nobody writes yet. If it is dropped, what waits in it is written at once.
#[derive(Debug)]
pub struct Prepared {
    sender: Sender<Message>,
    receiver: Option<Receiver<Message>>,
    backlog: Arc<Backlog>,
    format: Format,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        let lines = self.receiver.iter().flat_map(Receiver::try_iter);
        for message in lines {
            if let Message::Line(line) = message {
                let _ = io::stderr().write_all(line.as_bytes());
            }
        }
    }
}

impl Prepared {
    /// How much of it waits to be written, for [`Settings`](wharf_driver::Settings).
    #[must_use]
    pub fn backlog(&self) -> Arc<Backlog> {
        Arc::clone(&self.backlog)
    }

    /// Writes to the standard error, from now on. Keep what is returned until the end of the
    /// server: dropping it waits for the last lines.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(mut self) -> io::Result<Log> {
        if let Some(receiver) = self.receiver.take() {
            let writer = Writer {
                receiver,
                backlog: self.backlog(),
                format: self.format,
                told: None,
            };
            thread::Builder::new()
                .name("log".into())
                .spawn(move || writer.run())?;
        }
        Ok(Log(self.sender.clone()))
    }
}

/// The log while it is written.
#[derive(Debug)]
pub struct Log(Sender<Message>);

impl Drop for Log {
    fn drop(&mut self) {
        let (done, written) = sync_channel(1);
        // Whether they are written or not, the server ends.
        if self.0.send(Message::Flush(done)).is_ok() {
            let _ = written.recv_timeout(LAST_LINES);
        }
    }
}

#[derive(Debug)]
enum Message {
    Line(String),
    Flush(SyncSender<()>),
}

/// Where `tracing` writes to.
struct Queue {
    sender: Sender<Message>,
    backlog: Arc<Backlog>,
}

impl Queue {
    fn send(&self, kind: Kind, line: String) {
        if self.backlog.add(kind, line.len()) {
            // Without a writer there is no log.
            let _ = self.sender.send(Message::Line(line));
        }
    }
}

/// Writes lines as they come, many at once if they come fast.
struct Writer {
    receiver: Receiver<Message>,
    backlog: Arc<Backlog>,
    format: Format,
    /// When it was last told that lines were lost.
    told: Option<Instant>,
}

impl Writer {
    fn run(mut self) {
        let mut batch = Vec::new();
        while let Ok(first) = self.receiver.recv() {
            let mut next = Some(first);
            let mut flushed = None;
            while let Some(message) = next {
                match message {
                    Message::Line(line) => batch.extend_from_slice(line.as_bytes()),
                    Message::Flush(done) => flushed = Some(done),
                }
                next = (batch.len() < BATCH)
                    .then(|| self.receiver.try_recv().ok())
                    .flatten();
            }
            // There is no place left to tell that the log cannot be written.
            let _ = io::stderr().write_all(&batch);
            self.backlog.written(batch.len());
            batch.clear();
            self.tell_lost(flushed.is_some());
            if let Some(done) = flushed {
                let _ = done.try_send(());
            }
        }
    }

    /// Tells what was lost, beside the queue in which there was no room.
    fn tell_lost(&mut self, at_once: bool) {
        let now = Instant::now();
        let is_due = |told: Instant| now.duration_since(told) >= TELL_LOST;
        if !at_once && !self.told.is_none_or(is_due) {
            return;
        }
        let lost = self.backlog.take_lost();
        if !lost.is_empty() {
            self.told = Some(now);
            let said = line::lost(self.format, &lost);
            let _ = io::stderr().write_all(said.as_bytes());
        }
    }
}
