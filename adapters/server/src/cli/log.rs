//! The log of a server: `tracing` to the standard error.
//!
//! Lines go through a queue of bounded length to a thread that writes them. A reader that hangs
//! costs log lines, never a session.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;

pub use super::line::Format;
use super::line::{self, Lines};

/// Lines that wait to be written.
const LINES: usize = 4_096;

/// Bytes that are written at once.
const BATCH: usize = 64 * 1_024;

/// How long the end of a server waits for its last lines to be read.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Writes a line to the standard error, in the form of the log, for what is said before there is
/// one. Where even this cannot be written, the exit code tells.
pub(super) fn complain(format: Format, text: &str) {
    let said = match format {
        Format::Text => format!("{}\n", text.trim_end()),
        Format::Json => line::message(format, Level::ERROR, text.trim_end()),
    };
    let _ = io::stderr().write_all(said.as_bytes());
}

/// Writes an answer to the standard output: as it is, or each line of it as a JSON object. That
/// nobody reads it is not an error of its own.
pub(super) fn say(format: Format, text: &str) {
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
pub(super) fn catch_panics() {
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
    let (sender, receiver) = sync_channel(LINES);
    let lost = Arc::new(AtomicU64::new(0));
    let queue = Queue {
        sender: sender.clone(),
        lost: Arc::clone(&lost),
    };
    let lines = Lines {
        format: options.format,
        write: move |line: String| queue.send(line),
    };
    let log = tracing_subscriber::registry()
        .with(options.level)
        .with(lines);
    tracing::subscriber::set_global_default(log).map_err(io::Error::other)?;
    Ok(Prepared {
        sender,
        receiver: Some(receiver),
        lost,
    })
}

/// A log that nobody writes yet. If it is dropped, what waits in it is written at once.
#[derive(Debug)]
pub struct Prepared {
    sender: SyncSender<Message>,
    receiver: Option<Receiver<Message>>,
    lost: Arc<AtomicU64>,
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
    /// Writes to the standard error, from now on. Keep what is returned until the end of the
    /// server: dropping it waits for the last lines.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(mut self) -> io::Result<Log> {
        let lost = Arc::clone(&self.lost);
        if let Some(receiver) = self.receiver.take() {
            thread::Builder::new()
                .name("log".into())
                .spawn(move || write_lines(&receiver, &lost))?;
        }
        Ok(Log(self.sender.clone()))
    }
}

/// The log while it is written.
#[derive(Debug)]
pub struct Log(SyncSender<Message>);

impl Drop for Log {
    fn drop(&mut self) {
        let (done, written) = sync_channel(1);
        let deadline = Instant::now() + LAST_LINES;
        let mut flush = Message::Flush(done);
        while let Err(TrySendError::Full(again)) = self.0.try_send(flush) {
            if Instant::now() >= deadline {
                return;
            }
            flush = again;
            thread::sleep(Duration::from_millis(5));
        }
        // Whether they were written or not, the server ends.
        let _ = written.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

#[derive(Debug)]
enum Message {
    Line(String),
    Flush(SyncSender<()>),
}

/// Where `tracing` writes to.
struct Queue {
    sender: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

impl Queue {
    fn send(&self, line: String) {
        if self.sender.try_send(Message::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes lines as they come, many at once if they come fast.
fn write_lines(receiver: &Receiver<Message>, lost: &AtomicU64) {
    let mut batch = Vec::new();
    while let Ok(first) = receiver.recv() {
        let mut next = Some(first);
        let mut flushed = None;
        while let Some(message) = next {
            match message {
                Message::Line(line) => batch.extend_from_slice(line.as_bytes()),
                Message::Flush(done) => flushed = Some(done),
            }
            next = (batch.len() < BATCH)
                .then(|| receiver.try_recv().ok())
                .flatten();
        }
        // There is no place left to tell that the log cannot be written.
        let _ = io::stderr().write_all(&batch);
        batch.clear();
        if let Some(done) = flushed {
            let _ = done.try_send(());
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(
                lost,
                "log lines were lost: they are not read as fast as written"
            );
        }
    }
}
