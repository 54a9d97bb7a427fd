//! Other servers, set up as a check wants them, and else as safely as they can be: what they offer
//! against torn files and guessed passwords is on. They need root: each has accounts and mounts of its
//! own, which nobody else sees. The programs are those that `.ci/clients` unpacks.

mod proftpd;
mod pure_ftpd;
mod pyftpdlib;
mod vsftpd;

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::target::{Host, Setup, Target, family};
use crate::certificates::furnish;
use crate::clients::packages;
use crate::server::within;

/// Who owns the home: the user id of `user`.
const OWNER: u32 = 2_121;
/// `12345`, as `/etc/shadow` has it; it takes a millisecond.
const HASH: &str = "$1$abcdefgh$r53kJYdu1zkA6WTIwUd3C0";

/// Another server.
pub struct Peer {
    /// What it is called.
    pub name: &'static str,
    /// How it is started in a folder, to listen on a port.
    command: fn(&Folder, u16, &Setup) -> Command,
}

/// All of them.
pub const PEERS: [Peer; 4] = [
    Peer {
        name: "vsftpd",
        command: vsftpd::command,
    },
    Peer {
        name: "ProFTPD",
        command: proftpd::command,
    },
    Peer {
        name: "Pure-FTPd",
        command: pure_ftpd::command,
    },
    Peer {
        name: "pyftpdlib",
        command: pyftpdlib::command,
    },
];

/// Where a server has its home and its files.
struct Folder(PathBuf);

impl Folder {
    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.0.join(name), text).expect("a file");
        self.path(name)
    }

    /// What other packages have below this path.
    fn installed(path: &str) -> String {
        packages().join("peers").join(path).display().to_string()
    }
}

/// A process, which ends with this, and those that serve its sessions.
struct Running(
    Child,
    #[allow(dead_code, reason = "it is removed when this is dropped")] TempDir,
);

impl Drop for Running {
    fn drop(&mut self) {
        for pid in family(self.0.id()) {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let _ = self.0.wait();
    }
}

/// Accounts for the programs that take them from the system.
fn write_accounts(folder: &Folder) {
    let home = folder.path("home");
    let system = fs::read_to_string("/etc/passwd").expect("accounts");
    folder.write(
        "passwd",
        &format!("{system}user:x:{OWNER}:{OWNER}::{home}:/bin/sh\n"),
    );
    let shadow = fs::read_to_string("/etc/shadow").expect("root");
    folder.write(
        "shadow",
        &format!("{shadow}user:{HASH}:19000:0:99999:7:::\n"),
    );
    fs::create_dir(folder.0.join("pam.d")).expect("a directory");
    let rules = "auth required pam_unix.so nodelay\naccount required pam_unix.so\n\
                 session required pam_permit.so\n";
    folder.write("pam.d/checks", rules);
}

impl Host for Peer {
    fn start(&self, setup: &Setup) -> Target {
        let place = tempfile::tempdir().expect("a temporary directory");
        let open = |path: &Path| {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
        };
        open(place.path());
        let folder = Folder(place.path().to_owned());
        for name in ["home", "empty"] {
            fs::create_dir(folder.0.join(name)).expect("a directory");
        }
        let home = folder.0.join("home");
        chown(&home, Some(OWNER), Some(OWNER)).expect("to give it away");
        furnish(&folder.0);
        write_accounts(&folder);
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let mut script = format!(
            "set -e; cd {0}; mount --bind passwd /etc/passwd; mount --bind shadow /etc/shadow; \
             mount --bind pam.d /etc/pam.d; ",
            folder.0.display()
        );
        if let Some(size) = setup.disk {
            script.push_str(&format!(
                "mkdir home/disk; mount -t tmpfs -o size={size}m,mode=777 none home/disk; "
            ));
        }
        script.push_str("exec \"$@\"");
        let inner = (self.command)(&folder, port, setup);
        let log = fs::File::create(folder.0.join("output")).expect("a log");
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", &script, "sh"])
            .arg(inner.get_program())
            .args(inner.get_args())
            .envs(
                inner
                    .get_envs()
                    .filter_map(|(key, value)| Some((key, value?))),
            )
            .env(
                "LD_LIBRARY_PATH",
                Folder::installed("usr/lib/x86_64-linux-gnu"),
            )
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .process_group(0);
        let running = Running(command.spawn().expect("it starts"), place);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        within(std::time::Duration::from_secs(20), "it listens", || {
            TcpStream::connect(address).is_ok()
        });
        let pid = running.0.id();
        let home = match setup.disk {
            Some(_) => PathBuf::from(format!("/proc/{pid}/root{}", home.display())),
            None => home,
        };
        let log = Some(folder.0.join("log")).filter(|log| log.exists());
        Target {
            address,
            home,
            pid,
            log,
            owner: Some(OWNER),
            is_mild: true,
            tls: None,
            server: Box::new(running),
        }
    }
}
