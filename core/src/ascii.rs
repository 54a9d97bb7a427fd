//! TYPE A: lines end in CRLF on the wire and in LF in the file (RFC 959 section 3.1.1.1).
//!
//! Both codecs have one signature: `push(input, output)` reads what it can and says how much was
//! read and written; `finish(output)` writes what was kept back. A line end that is cut at the
//! edge of a buffer is one line end all the same, and one byte of room is enough to come on.
//!
//! ```
//! use wharf_core::ascii::{ToFile, ToWire};
//!
//! let mut wire = [0; 16];
//! let progress = ToWire::default().push(b"one\ntwo\r\n", &mut wire);
//! assert_eq!(&wire[..progress.written], b"one\r\ntwo\r\n");
//!
//! let mut file = [0; 16];
//! let mut decoder = ToFile::default();
//! let progress = decoder.push(b"one\r\ntwo\r", &mut file);
//! assert_eq!(&file[..progress.written], b"one\ntwo");
//! let last = decoder.finish(&mut file);
//! assert_eq!(&file[..last.written], b"\r");
//! ```

use memchr::memchr;

/// How far a codec came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the input that are done with.
    pub read: usize,
    /// Bytes of the output that were written.
    pub written: usize,
}

/// From the file to the wire: LF becomes CRLF, unless a CR stands before it already.
#[derive(Clone, Copy, Debug, Default)]
pub struct ToWire {
    /// The last byte was a CR.
    after_cr: bool,
}

impl ToWire {
    /// Translates as much of `input` as fits into `output`. With one byte of room it always comes on:
    /// it reads something, or writes the first half of a line end, whose LF is read when the input is
    /// given again.
    pub fn push(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        let mut done = Progress::default();
        loop {
            let rest = &input[done.read..];
            let room = output.len() - done.written;
            let run = memchr(b'\n', rest).unwrap_or(rest.len()).min(room);
            output[done.written..done.written + run].copy_from_slice(&rest[..run]);
            done.read += run;
            done.written += run;
            if run > 0 {
                self.after_cr = rest[run - 1] == b'\r';
            }
            if rest.get(run) != Some(&b'\n') {
                // Either all is read or no room is left.
                break;
            }
            let end: &[u8] = if self.after_cr { b"\n" } else { b"\r\n" };
            let Some(room) = output.get_mut(done.written..done.written + end.len()) else {
                if let Some(last) = output.get_mut(done.written) {
                    *last = b'\r';
                    done.written += 1;
                    self.after_cr = true;
                }
                break;
            };
            room.copy_from_slice(end);
            done.read += 1;
            done.written += end.len();
            self.after_cr = false;
        }
        done
    }

    /// The end of the file: nothing was kept back.
    pub fn finish(self, output: &mut [u8]) -> Progress {
        let _ = output;
        Progress::default()
    }
}

/// From the wire to the file: CRLF becomes LF; a CR without LF stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct ToFile {
    /// A CR was read and kept back, since a LF may follow.
    pending: bool,
}

impl ToFile {
    /// Translates as much of `input` as fits into `output`. With one byte of room it always comes on:
    /// it reads something, or writes a CR that was kept back.
    pub fn push(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        let mut done = Progress::default();
        while done.read < input.len() && done.written < output.len() {
            let rest = &input[done.read..];
            if self.pending {
                self.pending = false;
                if rest[0] != b'\n' {
                    output[done.written] = b'\r';
                    done.written += 1;
                    continue;
                }
            }
            let room = output.len() - done.written;
            let run = memchr(b'\r', rest).unwrap_or(rest.len()).min(room);
            output[done.written..done.written + run].copy_from_slice(&rest[..run]);
            done.read += run;
            done.written += run;
            if rest.get(run) == Some(&b'\r') {
                done.read += 1;
                self.pending = true;
            }
        }
        done
    }

    /// The end of the data: a CR that was kept back is the last byte, for which there must be room.
    pub fn finish(self, output: &mut [u8]) -> Progress {
        match output.first_mut().filter(|_| self.pending) {
            Some(byte) => {
                *byte = b'\r';
                Progress {
                    read: 0,
                    written: 1,
                }
            }
            None => Progress::default(),
        }
    }
}
