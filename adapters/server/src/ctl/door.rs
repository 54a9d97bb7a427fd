//! [`Door`]: the Unix socket on which an operator asks.

use std::fs;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use rustix::process::umask;
use wharf_driver::Service;

use super::answer::answer;
use super::words::{Answer, Request};

/// A request is shorter.
const LONGEST: u64 = 64 << 10;
/// Who asks has so long for it, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A pause when nobody can be let in, as for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// A Unix socket on which an operator asks. Its file is for its owner alone.
pub(crate) struct Door(UnixListener);

impl Door {
    /// Opens the door, in place of one that a server has left behind.
    ///
    /// # Errors
    /// What stands there is in use, or is no socket; or the directory is not there or not for us.
    pub(crate) fn open(path: &Path, owner: Option<(u32, u32)>) -> io::Result<Self> {
        let told = |error: io::Error, what: &str| {
            io::Error::new(
                error.kind(),
                format!("ctl-socket = {}: {what}{error}", path.display()),
            )
        };
        clear(path).map_err(|error| told(error, ""))?;
        // Nobody else is let in, from the first moment on. Other threads make no files yet.
        let before = umask(Mode::from_raw_mode(0o177));
        let listener = UnixListener::bind(path);
        umask(before);
        let listener = listener.map_err(|error| told(error, "the socket cannot be made: "))?;
        if let Some((user, group)) = owner {
            chown(path, Some(user), Some(group)).map_err(|error| told(error, ""))?;
        }
        Ok(Self(listener))
    }

    /// Answers whoever asks, one after the other, in a thread of its own.
    ///
    /// # Errors
    /// There is no thread for it.
    pub(crate) fn attend(self, service: &Arc<Service>) -> io::Result<()> {
        let (service, begun) = (Arc::clone(service), Instant::now());
        let attend = move || {
            for visitor in self.0.incoming() {
                match visitor.and_then(|visitor| receive(&visitor, &service, begun)) {
                    Ok(()) => {}
                    Err(error) => {
                        tracing::debug!(%error, "an operator was not answered");
                        thread::sleep(PAUSE);
                    }
                }
            }
        };
        thread::Builder::new()
            .name("ctl".into())
            .spawn(attend)
            .map(drop)
    }
}

/// Removes a socket on which nobody listens.
fn clear(path: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !kind.is_socket() {
        let what = "something else stands there, expected the name of a socket";
        return Err(io::Error::new(ErrorKind::AlreadyExists, what));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(
            ErrorKind::AddrInUse,
            "another server listens there",
        )),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}

/// Answers one request.
fn receive(visitor: &UnixStream, service: &Service, begun: Instant) -> io::Result<()> {
    visitor.set_read_timeout(Some(PATIENCE))?;
    visitor.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(visitor.take(LONGEST)).read_line(&mut line)?;
    let request = serde_json::from_str::<Request>(&line);
    let answer = match &request {
        Ok(request) => answer(request, service, begun),
        Err(error) => Answer::Error(format!("the request is not understood: {error}")),
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    let mut visitor = visitor;
    let told = visitor.write_all(&text);
    if let Ok(Request::Drain {}) = request {
        service.stop();
    }
    told
}
