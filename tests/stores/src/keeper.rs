//! [`Keeper`]: a server process of a store, which ends with this one.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Runs a server until nobody holds the other end of its input any more, however that comes, and removes what
/// it has stored.
const SCRIPT: &str = r#"folder=$1; shift; "$@" & server=$!; read -r _; kill -9 $server; wait $server; rm -rf "$folder""#;

/// A server in a folder of its own. It is killed when this is dropped, and with this process in any case; then
/// its folder is removed too.
#[derive(Debug)]
pub(crate) struct Keeper {
    process: Child,
    folder: PathBuf,
}

impl Keeper {
    /// Starts a program in that folder, with a log there.
    ///
    /// # Panics
    /// If there are no files or processes.
    pub(crate) fn start(folder: &Path, program: &Path, arguments: &[String]) -> Self {
        fs::create_dir_all(folder).expect("a directory");
        let log = File::create(folder.join("log")).expect("a file");
        let process = Command::new("sh")
            .args(["-c", SCRIPT, "keeper"])
            .arg(folder)
            .arg(program)
            .args(arguments)
            .current_dir(folder)
            .env("HOME", folder)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            // Else an interrupt from the keyboard would end the keeper before the server.
            .process_group(0)
            .spawn()
            .expect("a process");
        Self {
            process,
            folder: folder.to_owned(),
        }
    }

    /// Returns whether it still runs, as far as that is known.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns what it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Sends one HTTP request to a port of the loopback, and returns the status of the answer.
pub(crate) fn ask(method: &str, port: u16, path: &str, body: &str) -> io::Result<u16> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1);
    let status = status.and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Returns ports that nobody listens on.
///
/// # Panics
/// If there are none.
pub(crate) fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    // All at once, so that they differ.
    let listeners =
        [(); COUNT].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}
