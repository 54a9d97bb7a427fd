//! From the data connection into a sink.

use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use wharf_core::ascii::ToFile;
use wharf_core::{End, Failure};
use wharf_storage::{Backing, Sink};

use super::{Step, ended, ended_by, failed};
use crate::kernel::{Host, Kernel, Pipe as _};
use crate::stream::Stream;

type Pipe = <Host as Kernel>::Pipe;

/// A buffer of bytes from the socket. Most files are small, and many networks slow: a large one is worth it
/// only once a small one was full.
const SMALL: usize = 32 << 10;
const LARGE: usize = 256 << 10;
/// What keeps bytes itself needs no large one besides.
const MIDDLE: usize = 64 << 10;
/// An upload that is longer than this is worth a pipe.
const LONG: u64 = 1 << 20;

/// Receives an upload.
pub(super) struct Receiver {
    sink: Box<dyn Sink>,
    held: Buffer,
    way: Way,
    /// How the data has ended, once all of it was received.
    end: Option<End>,
}

enum Way {
    /// As it is.
    Bytes,
    /// Through the translation of TYPE A.
    Text { codec: ToFile, raw: Buffer },
    /// Through a pipe, within the kernel.
    Pipe(Pipe),
}

/// Bytes on their way: received, and not taken yet by what is next.
struct Buffer {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// It was full once: a larger one is worth it.
    is_small: bool,
    /// The length of a larger one.
    most: usize,
}

impl Buffer {
    fn new(most: usize) -> Self {
        Self {
            most,
            buffer: vec![0; SMALL],
            start: 0,
            end: 0,
            is_small: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn take(&mut self, count: usize) {
        self.start += count;
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room behind the bytes; none if there are enough for now.
    fn room(&mut self) -> &mut [u8] {
        if self.is_small && self.is_empty() {
            // Not while it waits to be taken: of many that wait, each would hold a large one.
            self.buffer.resize(self.most, 0);
            self.is_small = false;
        }
        if self.end == self.buffer.len() && self.start > self.buffer.len() / 2 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.buffer[self.end..]
    }

    fn add(&mut self, count: usize) {
        self.end += count;
        // Small files need no more, and a network that fills it will again.
        self.is_small = count == self.buffer.len() && count < self.most;
    }

    /// Has the sink take what it has room for: all of it, if it is ready.
    fn hand_over(
        &mut self,
        sink: &mut dyn Sink,
        moved: &mut u64,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>> {
        while !self.is_empty() {
            let taken = ready!(sink.poll_write(cx, self.bytes()))?;
            *moved += taken as u64;
            self.take(taken);
        }
        Poll::Ready(Ok(()))
    }
}

impl Receiver {
    pub(super) fn new(sink: Box<dyn Sink>, text: bool) -> Self {
        let most = match sink.backing() {
            Some(_) => LARGE,
            None => MIDDLE,
        };
        let way = if text {
            Way::Text {
                codec: ToFile::default(),
                raw: Buffer::new(most),
            }
        } else {
            Way::Bytes
        };
        Self {
            sink,
            held: Buffer::new(most),
            way,
            end: None,
        }
    }

    pub(super) fn into_sink(self) -> Box<dyn Sink> {
        self.sink
    }

    pub(super) fn is_queued(&self) -> bool {
        self.sink.is_queued()
    }

    pub(super) fn backing(&self) -> Option<Backing<'_>> {
        self.sink.backing()
    }

    pub(super) fn step(
        &mut self,
        data: &mut Stream,
        moved: &mut u64,
        cx: &mut Context<'_>,
    ) -> Step {
        if let Way::Pipe(pipe) = &self.way {
            return splice(data, self.sink.as_ref(), pipe, moved);
        }
        let pending = match self.hand_over(moved, cx) {
            Poll::Ready(Ok(())) => false,
            Poll::Ready(Err(failure)) => return ended(End::Storage(failure)),
            Poll::Pending => true,
        };
        if let Some(end) = self.end {
            return match pending {
                true => Step::Pending,
                false => close(data, end),
            };
        }
        let into = match &mut self.way {
            Way::Text { raw, .. } => raw,
            Way::Bytes | Way::Pipe(_) => &mut self.held,
        };
        let room = into.room();
        if room.is_empty() {
            return Step::Pending;
        }
        match data.read(room) {
            Ok(0) => self.end = Some(End::Clean),
            Ok(count) => into.add(count),
            Err(error) => match failed(&error) {
                Step::Ended(end) => self.end = Some(end),
                Step::Blocked if pending => return Step::Either,
                Step::Blocked => return self.flush(cx),
                step => return step,
            },
        }
        match (self.hand_over(moved, cx), self.end) {
            (Poll::Ready(Err(failure)), _) => return ended(End::Storage(failure)),
            (Poll::Ready(Ok(())), Some(end)) => return close(data, end),
            (Poll::Pending, _) | (_, None) => {}
        }
        if matches!(self.way, Way::Bytes)
            && *moved >= LONG
            && data.plain().is_some()
            && self.backing().is_some()
            && let Some(pipe) = Pipe::new()
        {
            // What shows its file has taken all of it.
            self.held.buffer = Vec::new();
            self.way = Way::Pipe(pipe);
        }
        Step::Moved
    }

    /// All that has come was taken: goes on with that, while the socket is waited for.
    fn flush(&mut self, cx: &mut Context<'_>) -> Step {
        match self.sink.poll_flush(cx) {
            Poll::Ready(Ok(())) => Step::Blocked,
            Poll::Ready(Err(failure)) => ended(End::Storage(failure)),
            Poll::Pending => Step::Either,
        }
    }

    /// Has the sink take what was received, as far as it has room.
    fn hand_over(&mut self, moved: &mut u64, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            ready!(self.held.hand_over(self.sink.as_mut(), moved, cx))?;
            match &mut self.way {
                Way::Text { codec, raw } if !raw.is_empty() => {
                    let progress = codec.push(raw.bytes(), self.held.room());
                    raw.take(progress.read);
                    self.held.add(progress.written);
                }
                Way::Text { codec, .. } if self.end.is_some() => {
                    let last = std::mem::take(codec).finish(self.held.room());
                    if last.written == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    self.held.add(last.written);
                }
                _ => return Poll::Ready(Ok(())),
            }
        }
    }
}

/// The data has ended, and all of it was taken.
fn close(data: &mut Stream, end: End) -> Step {
    if end == End::Clean {
        // A client that waits for ours has said close_notify already.
        let _ = data.close();
    }
    ended(end)
}

/// Moves bytes from the socket through the pipe into the file.
fn splice(data: &Stream, sink: &dyn Sink, pipe: &Pipe, moved: &mut u64) -> Step {
    match pipe.fill(data) {
        Ok(0) => ended(End::Clean),
        Ok(count) => drain(sink, pipe, count, moved),
        Err(error) => ended_by(error),
    }
}

/// Empties the pipe into the file.
fn drain(sink: &dyn Sink, pipe: &Pipe, count: usize, moved: &mut u64) -> Step {
    let Some(Backing { file, .. }) = sink.backing() else {
        return ended(End::Storage(Failure::Io));
    };
    let mut left = count;
    while left > 0 {
        match pipe.drain(file, left) {
            Ok(0) => return ended(End::Storage(Failure::Io)),
            Ok(written) => {
                left -= written.min(left);
                *moved += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return ended(End::Storage(failure(error))),
        }
    }
    Step::Moved
}

fn failure(error: Errno) -> Failure {
    match error {
        Errno::NOSPC => Failure::NoSpace,
        Errno::DQUOT | Errno::FBIG => Failure::Quota,
        _ => Failure::Io,
    }
}
