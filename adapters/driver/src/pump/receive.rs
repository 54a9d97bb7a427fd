//! From the data connection into a sink.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags};
use wharf_core::ascii::ToFile;
use wharf_core::{End, Failure};
use wharf_storage::Sink;

use super::{Step, ended, ended_by, failed};
use crate::Stream;

/// A buffer of bytes from the socket. Most files are small, and many networks slow: a large one is worth it
/// only once a small one was full.
const SMALL: usize = 32 << 10;
const LARGE: usize = 256 << 10;
/// What goes through the pipe at once.
const PIPE: usize = 1 << 20;
/// An upload that is longer than this is worth a pipe.
const LONG: u64 = 1 << 20;

/// Receives an upload.
pub(super) struct Receiver {
    sink: Box<dyn Sink>,
    way: Way,
}

enum Way {
    /// Through a buffer.
    Buffer(Vec<u8>),
    /// Through a buffer and the translation of TYPE A.
    Text {
        codec: ToFile,
        raw: Vec<u8>,
        translated: Vec<u8>,
    },
    /// Through a pipe, within the kernel.
    Pipe { read: OwnedFd, write: OwnedFd },
}

/// Writes what the translation has kept back, now that the data has ended so.
fn finish_text(
    codec: &mut ToFile,
    translated: &mut [u8],
    sink: &mut dyn Sink,
    moved: &mut u64,
    end: End,
) -> Step {
    let last = std::mem::take(codec).finish(translated);
    match write(sink, &translated[..last.written], moved) {
        Step::Moved => ended(end),
        step => step,
    }
}

impl Receiver {
    pub(super) fn new(sink: Box<dyn Sink>, text: bool) -> Self {
        let way = if text {
            Way::Text {
                codec: ToFile::default(),
                raw: vec![0; SMALL],
                translated: vec![0; SMALL],
            }
        } else {
            Way::Buffer(vec![0; SMALL])
        };
        Self { sink, way }
    }

    pub(super) fn into_sink(self) -> Box<dyn Sink> {
        self.sink
    }

    pub(super) fn step(&mut self, data: &mut Stream, moved: &mut u64) -> Step {
        let step = self.take(data, moved);
        if step == ended(End::Clean) {
            // A client that waits for ours has said close_notify already.
            let _ = data.close();
        }
        step
    }

    fn take(&mut self, data: &mut Stream, moved: &mut u64) -> Step {
        let sink = &mut self.sink;
        match &mut self.way {
            Way::Buffer(buffer) => {
                let step = match data.read(buffer) {
                    Ok(0) => ended(End::Clean),
                    Ok(count) => {
                        let step = write(sink.as_mut(), &buffer[..count], moved);
                        if count == buffer.len() {
                            buffer.resize(LARGE, 0);
                        }
                        step
                    }
                    Err(error) => failed(&error),
                };
                if *moved >= LONG && data.plain().is_some() && sink.file().is_some() {
                    self.way = pipe().unwrap_or_else(|| Way::Buffer(std::mem::take(buffer)));
                }
                step
            }
            Way::Text {
                codec,
                raw,
                translated,
            } => match data.read(raw) {
                Ok(0) => finish_text(codec, translated, sink.as_mut(), moved, End::Clean),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    finish_text(codec, translated, sink.as_mut(), moved, End::Truncated)
                }
                Ok(count) => {
                    let mut read = 0;
                    while read < count {
                        let progress = codec.push(&raw[read..count], translated);
                        read += progress.read;
                        let step = write(sink.as_mut(), &translated[..progress.written], moved);
                        if step != Step::Moved {
                            return step;
                        }
                    }
                    if count == raw.len() {
                        raw.resize(LARGE, 0);
                        translated.resize(LARGE, 0);
                    }
                    Step::Moved
                }
                Err(error) => failed(&error),
            },
            Way::Pipe { read, write } => {
                let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
                match rustix::pipe::splice(&*data, None, &*write, None, PIPE, flags) {
                    Ok(0) => ended(End::Clean),
                    Ok(count) => drain(sink.as_ref(), read, count, moved),
                    Err(error) => ended_by(error),
                }
            }
        }
    }
}

fn write(sink: &mut dyn Sink, bytes: &[u8], moved: &mut u64) -> Step {
    match sink.write(bytes) {
        Ok(()) => {
            *moved += bytes.len() as u64;
            Step::Moved
        }
        Err(failure) => ended(End::Storage(failure)),
    }
}

/// Empties the pipe into the file.
fn drain(sink: &dyn Sink, pipe: &OwnedFd, count: usize, moved: &mut u64) -> Step {
    let Some(file) = sink.file() else {
        return ended(End::Storage(Failure::Io));
    };
    let mut left = count;
    while left > 0 {
        match rustix::pipe::splice(pipe, None, file, None, left, SpliceFlags::MOVE) {
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

fn pipe() -> Option<Way> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).ok()?;
    // A smaller pipe does as well, with more calls.
    let _ = rustix::pipe::fcntl_setpipe_size(&write, PIPE);
    Some(Way::Pipe { read, write })
}
