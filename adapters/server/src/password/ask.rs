//! From what somebody types, or a program writes, to a password.

use std::io::{self, Read, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::LONGEST;

/// Reads a password from the standard input. On a terminal it is asked for twice, since nobody sees
/// what is typed.
///
/// # Errors
/// As [`read`], or it was not the same both times.
pub(crate) fn ask() -> Result<Zeroizing<Vec<u8>>, io::Error> {
    let mut input = hidden();
    if input.shown.is_none() {
        return read(input);
    }
    let _ = write!(io::stderr(), "password: ");
    let password = read(&mut input)?;
    let _ = write!(io::stderr(), "once more: ");
    match *read(&mut input)? == *password {
        true => Ok(password),
        false => Err(io::Error::other("expected the same password twice")),
    }
}

/// The standard input. What is typed on a terminal is not shown until this is dropped.
fn hidden() -> Hidden {
    let stdin = io::stdin();
    let mut shown = None;
    if let Ok(terminal) = tcgetattr(&stdin) {
        let mut silent = terminal.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        if tcsetattr(&stdin, OptionalActions::Flush, &silent).is_ok() {
            shown = Some(terminal);
        }
    }
    Hidden { stdin, shown }
}

/// The standard input, on a terminal that does not show what is typed.
struct Hidden {
    stdin: io::Stdin,
    /// How the terminal was before.
    shown: Option<Termios>,
}

impl Read for Hidden {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stdin.read(buffer)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(terminal) = self.shown.take() {
            let _ = tcsetattr(&self.stdin, OptionalActions::Flush, &terminal);
        }
    }
}

/// Reads a password: all up to the end of the line, or of the input. What is returned is wiped when
/// it is dropped.
///
/// # Errors
/// The input cannot be read, or the password is empty or longer than 1,024 bytes.
pub fn read(mut input: impl Read) -> Result<Zeroizing<Vec<u8>>, io::Error> {
    // Room for all of it and its end, so that no half-read copy is left behind by growing.
    let mut buffer = Zeroizing::new(vec![0; LONGEST + 2]);
    let mut length = 0;
    let end = loop {
        if let Some(end) = buffer[..length].iter().position(|&byte| byte == b'\n') {
            break end;
        }
        match input.read(&mut buffer[length..]) {
            Ok(0) => break length,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    };
    buffer.truncate(end);
    if buffer.last() == Some(&b'\r') {
        buffer.pop();
    }
    if (1..=LONGEST).contains(&buffer.len()) {
        Ok(buffer)
    } else {
        Err(io::Error::other(format!(
            "expected a password of 1 to {LONGEST} bytes on the standard input"
        )))
    }
}
